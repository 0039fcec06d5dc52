package compile

import (
	"fmt"
	"strings"

	"github.com/lakeward/lakeward/tiers"
)

// Findings' severities by score, as tiers.FindingColumns documents them.
var severities = [...]struct {
	below float64
	name  string
}{{20, "informational"}, {40, "low"}, {70, "medium"}, {90, "high"}}

func severitySQL(score string) string {
	var b strings.Builder
	b.WriteString("CASE")
	for _, s := range severities {
		fmt.Fprintf(&b, " WHEN %s < %v THEN '%s'", score, s.below, s.name)
	}
	b.WriteString(" ELSE 'critical' END")
	return b.String()
}

// shape says how a detector's rows become findings. Every field is SQL over
// the columns of from, except where noted.
type shape struct {
	from       string // table expression
	where      string // optional
	time       string
	start, end string
	entityType string // SQL
	entity     string
	detector   string // plain text
	score      string // a DOUBLE; no finding if it is NULL or not finite; held to 0 to 100 here
	observed   string
	expected   string
	evidence   [][2]string // JSON key, SQL value
	key        string      // what with pipeline, step, detector and entity makes the id
	vars       map[string]string
	reason     string   // plain template
	technique  string   // plain text
	extra      []string // further columns, after the findings' own
}

// rawScore is the column of the score as the detector made it. What has no
// finite score is no finding.
const rawScore = "score before its bounds"

// findingSQL is the SELECT that gives findings their one shape.
func (c *Compiled) findingSQL(step string, runID string, s shape) (string, error) {
	reason, err := template(s.reason, s.vars)
	if err != nil {
		return "", fmt.Errorf("step %s: reason: %w", step, err)
	}
	var ev []string
	for _, kv := range s.evidence {
		ev = append(ev, str(kv[0])+", "+evidence(kv[1]))
	}
	technique := "NULL"
	if s.technique != "" {
		technique = str(s.technique)
	}
	inner := map[string]string{
		"finding_id":   fmt.Sprintf("md5(concat_ws(chr(31), %s, %s, %s, %s, %s))", str(c.name), str(step), str(s.detector), s.entity, s.key),
		"time":         s.time,
		"window_start": s.start,
		"window_end":   s.end,
		"entity_type":  s.entityType,
		"entity":       s.entity,
		"detector":     str(s.detector),
		"score":        "round(greatest(0.0, least(" + c.ceiling(step) + ", " + ident(rawScore) + ")), 2)",
		"severity":     severitySQL("score"),
		"observed":     s.observed,
		"expected":     s.expected,
		"reason":       reason,
		"technique":    technique,
		"evidence":     "json_object(" + list(ev) + ")",
		"pipeline":     str(c.name),
		"run_id":       str(runID),
	}
	var cols []string
	for _, f := range tiers.FindingColumns() {
		expr := inner[f.Name]
		if f.Name != "severity" { // refers to the alias score beside it
			if expr = "(" + expr + ")::" + SQLType(f.Kind); f.Kind == tiers.KindDouble && f.Name != "score" {
				expr = finite("(" + expr + ")")
			}
		}
		cols = append(cols, expr+" AS "+ident(f.Name))
	}
	q := "SELECT " + strings.Join(append(cols, s.extra...), ",\n  ") + fmt.Sprintf("\nFROM (SELECT *, %s AS %s FROM %s)\nWHERE %[2]s IS NOT NULL", finite("("+s.score+")"), ident(rawScore), s.from)
	if s.where != "" {
		q += " AND (" + s.where + ")"
	}
	return q, nil
}

// ceiling is the highest score that a step's findings have.
func (c *Compiled) ceiling(step string) string {
	if s := c.steps[step]; s != nil && s.anomaly != nil && s.anomaly.ceiling > 0 {
		return num(s.anomaly.ceiling)
	}
	return "100.0"
}

// SQLType is the engine's name of a scalar kind; what it does not know is text.
func SQLType(k tiers.Kind) string {
	switch k {
	case tiers.KindTimestamp:
		return "TIMESTAMPTZ"
	case tiers.KindDouble:
		return "DOUBLE"
	case tiers.KindLong:
		return "BIGINT"
	case tiers.KindBool:
		return "BOOLEAN"
	default:
		return "VARCHAR"
	}
}

// template turns "{entity} failed {failures.observed} times" into SQL.
func template(t string, vars map[string]string) (string, error) {
	parts := []string{}
	for t != "" {
		i := strings.IndexByte(t, '{')
		if i < 0 {
			parts = append(parts, str(t))
			break
		}
		if i > 0 {
			parts = append(parts, str(t[:i]))
		}
		j := strings.IndexByte(t[i:], '}')
		if j < 0 {
			return "", fmt.Errorf("a brace is not closed: write {name}")
		}
		name := t[i+1 : i+j]
		v, ok := vars[name]
		if !ok {
			return "", fmt.Errorf("unknown name {%s}: known are %s", name, strings.Join(sortedKeys(vars), ", "))
		}
		parts = append(parts, "coalesce(("+v+")::VARCHAR, 'unknown')")
		t = t[i+j+1:]
	}
	if len(parts) == 0 {
		return "''", nil
	}
	return strings.Join(parts, " || "), nil
}
