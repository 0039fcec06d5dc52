package detect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/tiers"
)

// severities are those of findings by score, as tiers.FindingColumns documents them.
func severities() []sqltext.Level {
	return []sqltext.Level{{Below: 20, Name: "informational"}, {Below: 40, Name: "low"}, {Below: 70, Name: "medium"},
		{Below: 90, Name: "high"}}
}

// SeveritySQL is the severity of a score.
func SeveritySQL(score string) string { return sqltext.Levels(score, severities(), "critical") }

// Finding says how rows become findings. Every field is SQL over the columns of
// From, except where noted.
type Finding struct {
	From       string // table expression
	Time       string
	Start, End string // of the window
	EntityType string
	Entity     string
	Score      string // a DOUBLE; no finding if it is NULL or not finite; held to 0 to 100 here
	Observed   string
	Expected   string
	Evidence   [][2]string // JSON key, SQL value
	Key        string      // what with pipeline, step, detector and entity makes the id
	Vars       map[string]string
	Reason     string   // plain template, if the step has none
	Extra      []string // further columns, after the findings' own
}

// Source is what every finding of a step has in common.
type Source struct {
	Pipeline, Step, RunID string
	Detector              string
	Technique             string  // may be empty
	Reason                string  // template; empty: the detector's
	Ceiling               float64 // highest score; 0: none
}

// rawScore is the column of the score as the detector made it. What has no
// finite score is not a finding.
const rawScore = "score before its bounds"

// SQL is the SELECT that gives findings their one shape.
func (f Finding) SQL(s Source) (string, error) {
	if s.Reason == "" {
		s.Reason = f.Reason
	}
	reason, err := sentence(s.Reason, f.Vars)
	if err != nil {
		return "", fmt.Errorf("step %s: reason: %w", s.Step, err)
	}
	values := f.columns(s)
	values["reason"] = reason
	var cols []string
	for _, c := range tiers.FindingColumns() {
		expr := values[c.Name]
		if c.Name != "severity" { // refers to the alias score beside it
			if expr = "(" + expr + ")::" + sqltext.TypeOf(c.Kind); c.Kind == tiers.KindDouble && c.Name != "score" {
				expr = sqltext.Finite("(" + expr + ")")
			}
		}
		cols = append(cols, expr+" AS "+sqltext.Ident(c.Name))
	}
	return sqltext.Fill(`SELECT {columns}
FROM (SELECT *, {score} AS {raw} FROM {from})
WHERE {raw} IS NOT NULL`, sqltext.Values{"columns": strings.Join(append(cols, f.Extra...), ",\n  "),
		"score": sqltext.Finite("(" + f.Score + ")"), "raw": sqltext.Ident(rawScore), "from": f.From}), nil
}

// columns are the findings' columns, but for the reason.
func (f Finding) columns(s Source) map[string]string {
	var evidence []string
	for _, kv := range f.Evidence {
		evidence = append(evidence, sqltext.Str(kv[0])+", "+sqltext.Evidence(kv[1]))
	}
	technique, ceiling := "NULL", "100.0"
	if s.Technique != "" {
		technique = sqltext.Str(s.Technique)
	}
	if s.Ceiling > 0 {
		ceiling = sqltext.Num(s.Ceiling)
	}
	id := sqltext.List([]string{sqltext.Str(s.Pipeline), sqltext.Str(s.Step), sqltext.Str(s.Detector), f.Entity, f.Key})
	return map[string]string{
		"finding_id":   "md5(concat_ws(chr(31), " + id + "))",
		"time":         f.Time,
		"window_start": f.Start,
		"window_end":   f.End,
		"entity_type":  f.EntityType,
		"entity":       f.Entity,
		"detector":     sqltext.Str(s.Detector),
		"score":        "round(greatest(0.0, least(" + ceiling + ", " + sqltext.Ident(rawScore) + ")), 2)",
		"severity":     SeveritySQL("score"),
		"observed":     f.Observed,
		"expected":     f.Expected,
		"technique":    technique,
		"evidence":     "json_object(" + sqltext.List(evidence) + ")",
		"pipeline":     sqltext.Str(s.Pipeline),
		"run_id":       sqltext.Str(s.RunID),
	}
}

// sentence turns "{entity} failed {failures.observed} times" into SQL.
func sentence(t string, vars map[string]string) (string, error) {
	parts := []string{}
	for t != "" {
		i := strings.IndexByte(t, '{')
		if i < 0 {
			parts = append(parts, sqltext.Str(t))
			break
		}
		if i > 0 {
			parts = append(parts, sqltext.Str(t[:i]))
		}
		j := strings.IndexByte(t[i:], '}')
		if j < 0 {
			return "", fmt.Errorf("a brace is not closed: write {name}")
		}
		name := t[i+1 : i+j]
		v, ok := vars[name]
		if !ok {
			return "", fmt.Errorf("unknown name {%s}: known are %s", name, strings.Join(slices.Sorted(maps.Keys(vars)), ", "))
		}
		parts = append(parts, "coalesce(("+v+")::VARCHAR, 'unknown')")
		t = t[i+j+1:]
	}
	if len(parts) == 0 {
		return "''", nil
	}
	return strings.Join(parts, " || "), nil
}
