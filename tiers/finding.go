package tiers

// FindingColumn is one column of the finding shape.
type FindingColumn struct {
	Name string
	Kind Kind
	Doc  string
}

// FindingColumns is the one shape of a finding, wherever it comes from.
// Severity follows from score: below 20 informational, 40 low, 70 medium,
// 90 high, above critical.
func FindingColumns() []FindingColumn {
	return []FindingColumn{
		{"finding_id", KindString, "hash of pipeline, step, detector, entity and window: running again replaces"},
		{"time", KindTimestamp, "when it happened (start of the bucket, or time of the event)"},
		{"window_start", KindTimestamp, "start of what was looked at"},
		{"window_end", KindTimestamp, "end of what was looked at, exclusive"},
		{"entity_type", KindString, "user, ip, host, ... from the entity's column"},
		{"entity", KindString, "whom it is about"},
		{"detector", KindString, "the step's method"},
		{"score", KindDouble, "0 to 100"},
		{"severity", KindString, "informational, low, medium, high, critical"},
		{"observed", KindDouble, "the value seen"},
		{"expected", KindDouble, "the usual value"},
		{"reason", KindString, "one sentence"},
		{"technique", KindString, "MITRE ATT&CK technique id"},
		{"evidence", KindString, "JSON: measures, thresholds, level of the baseline, sample event ids"},
		{"pipeline", KindString, "which pipeline raised it"},
		{"run_id", KindString, "which run raised it"},
	}
}
