package spec

import (
	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/detect"
	"github.com/lakeward/lakeward/pipeline/terms"
)

// anomalyType is the detectors. Defaults are those that the field documents;
// "ours" marks a choice of this project.
func anomalyType() strict.Type[Anomaly] {
	kinds := detect.Kinds()
	methods := make([]detect.Method, len(kinds))
	for i, k := range kinds {
		methods[i] = k.Method
	}
	branches := make([]strict.Branch[Anomaly], len(kinds))
	for i, k := range kinds {
		branches[i] = strict.Branch[Anomaly]{
			Key: string(k.Method), Text: k.About,
			Fields: append(commonFields(k.Input, methods), strict.Within(k.Keys,
				func(a *Anomaly) *detect.Detector { return &a.Detector })...),
			Init: func(a *Anomaly) { a.Detector = k.New() },
			Is:   func(a *Anomaly) bool { return a.Method == k.Method },
		}
	}
	return strict.Switch("anomaly", "method", branches...)
}

func commonFields(of string, methods []detect.Method) []strict.Field[Anomaly] {
	type A = Anomaly
	return []strict.Field[A]{
		strict.F("of", step(), func(a *A) *Text { return &a.Of }, of).Needed(),
		strict.F("method", strict.Enum(methods...), func(a *A) *detect.Method { return &a.Method }, "The method.").Needed(),
		strict.F("technique", technique(), func(a *A) *string { return &a.Technique },
			"MITRE ATT&CK technique, such as `T1110.003`."),
		strict.F("reason", strict.Positioned(terms.Checked("template", terms.TemplateProblem)),
			func(a *A) *Text { return &a.Reason }, "Sentence of the finding, with `{entity}`, `{observed}`, `{expected}`, a "+
				"measure's `{NAME.observed}` and `{NAME.expected}`, and the method's own names. Without it: the method's "+
				"sentence."),
		strict.F("entity_type", strict.Text(), func(a *A) *string { return &a.EntityType },
			"`entity_type` of the findings. Without it: the baseline's, or from the entity's column. Sources of `spray` name "+
				"their own."),
		strict.F("max_score", strict.Float(1, 100), func(a *A) *float64 { return &a.MaxScore },
			"Highest score of a finding, and so its highest severity: below 20 informational, 40 low, 70 medium, 90 high, "+
				"above critical.").Default("100"),
	}
}

func matchType() strict.Type[Match] {
	type M = Match
	fields := []strict.Field[M]{
		strict.F("of", step(), func(m *M) *Text { return &m.Of }, "The `read` or `sql` step.").Needed(),
		strict.F("technique", technique(), func(m *M) *string { return &m.Technique },
			"MITRE ATT&CK technique, such as `T1110.003`."),
		strict.F("entity_type", strict.Text(), func(m *M) *string { return &m.EntityType },
			"`entity_type` of the findings. Without it: from the entity's column."),
	}
	return strict.Object(append(fields, strict.Within((*detect.Match).Keys(nil),
		func(m *M) *detect.Match { return &m.Rows })...)...)
}
