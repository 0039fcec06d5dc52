package detect

import (
	"slices"
	"strings"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/pipeline/terms"
)

// Severity is how grave a finding is.
type Severity string

// The severities.
const (
	Informational Severity = "informational"
	Low           Severity = "low"
	Medium        Severity = "medium"
	High          Severity = "high"
	Critical      Severity = "critical"
)

// score is the middle of the severity's scores.
func (s Severity) score() float64 {
	switch s {
	case Informational:
		return 10
	case Low:
		return 30
	case High:
		return 80
	case Critical:
		return 95
	default:
		return 55
	}
}

// Match makes a finding of every row of a step: it is the detector of a step of
// its own, for what an SQL statement has found.
type Match struct {
	Entity   []Text // column paths
	Title    Text
	Time     Text     // column path
	Severity Severity // empty: Score decides
	Score    Text     // expression, 0 to 100; may be empty
	Reason   Text     // template; empty: entity and title
	Evidence []Text   // column paths
	Key      []Text   // column paths; empty: the time
}

var _ RowDetector = (*Match)(nil)

// Method implements Detector.
func (*Match) Method() Method { return "match" }

// About implements Detector.
func (*Match) About() string { return "Findings from the rows of a `read` or `sql` step, one a row." }

// Keys are those of a step.
func (*Match) Keys() []strict.Field[Match] {
	type M = Match
	return []strict.Field[M]{
		strict.F("entity", strict.OneOrList(terms.Column()), func(m *M) *[]Text { return &m.Entity },
			"Column of whom it is about; several are one combined entity. A row without it gives no finding.").Needed(),
		strict.F("title", terms.Word(), func(m *M) *Text { return &m.Title },
			"What was found, in a few words.").Needed(),
		strict.F("time", terms.Column(), func(m *M) *Text { return &m.Time },
			"Column of when it happened. A row without a time has that of the window's start.").Default("time"),
		strict.F("severity", strict.Enum(Informational, Low, Medium, High, Critical),
			func(m *M) *Severity { return &m.Severity },
			"How grave it is: a score of 10, 30, 55, 80 or 95. Either this or `score`; without both: `medium`."),
		strict.F("score", terms.Expression(), func(m *M) *Text { return &m.Score },
			"The score, 0 to 100, from which the severity follows. A row without one gives no finding."),
		strict.F("reason", strict.Positioned(terms.Checked("template", terms.TemplateProblem)),
			func(m *M) *Text { return &m.Reason },
			"Sentence of the finding, with `{entity}`, `{title}` and the rows' columns, such as `{user.name}`. "+
				"Without it: entity and title."),
		strict.F("evidence", strict.OneOrList(terms.Column()), func(m *M) *[]Text { return &m.Evidence },
			"Columns that the finding's evidence shows, beside the title."),
		strict.F("key", strict.OneOrList(terms.Column()), func(m *M) *[]Text { return &m.Key },
			"Columns that, with the entity, make two rows one finding, of which the one with the highest score stays. "+
				"Without it: the time."),
	}
}

// Complete implements Detector.
func (m *Match) Complete() {
	if m.Severity == "" && m.Score.Value == "" {
		m.Severity = Medium
	}
}

// Check implements Detector.
func (m *Match) Check(report func(at Pos, what, remedy string)) {
	if m.Severity != "" && m.Score.Value != "" {
		report(m.Score.Pos, "both `severity` and `score` are given", "keep one of them")
	}
}

// Subject implements RowDetector.
func (m *Match) Subject() string {
	if len(m.Entity) == 0 {
		return ""
	}
	return m.Entity[0].Value
}

// Context implements RowDetector.
func (*Match) Context() []Text { return nil }

// Bind implements RowDetector.
func (m *Match) Bind(c Columns) RowDetector {
	out := *m
	out.Entity, out.Evidence, out.Key = paths(c, m.Entity), paths(c, m.Evidence), paths(c, m.Key)
	out.Time, out.Score = c.Path(m.Time), c.Expr(m.Score)
	for _, name := range m.named() {
		c.Path(Text{Value: name, Pos: m.Reason.Pos})
	}
	return &out
}

// named are the columns that the reason names.
func (m *Match) named() []string {
	var out []string
	for rest := m.Reason.Value; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return out
		}
		name, tail, _ := strings.Cut(after, "}")
		if rest = tail; name != "entity" && name != "title" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
}

// Reads implements RowDetector.
func (*Match) Reads(window Range) Range { return window }

// Formula implements Detector.
func (m *Match) Formula() string {
	if m.Score.Value != "" {
		return "every row of the step with an entity; score = " + m.Score.Value
	}
	return "every row of the step with an entity; severity " + string(m.Severity)
}

// Explain implements Detector.
func (m *Match) Explain(r Run, entity string) Explanation {
	return Explanation{Where: sqltext.Entity(texts(m.Entity), r.EntityType) + " = " + sqltext.Str(entity),
		Order: m.Time.Value}
}

// matchRows are the rows that become findings, one of those with one key.
const matchRows = `(SELECT *
FROM (
  SELECT *, {entity} AS "match entity", coalesce(TRY_CAST({time} AS TIMESTAMPTZ), {start}) AS "match time",
    {score} AS "match score"
  FROM {rows})
WHERE "match entity" IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY "match entity", {key}
  ORDER BY "match score" DESC NULLS LAST, "match time", {evidence}) = 1)`

// Query implements Detector.
func (m *Match) Query(r Run) Query {
	score, key := sqltext.Num(m.Severity.score()), `epoch_us("match time")`
	if m.Score.Value != "" {
		score = sqltext.Number(m.Score.Value)
	}
	if len(m.Key) > 0 {
		key = shown(m.Key)
	}
	vars := map[string]string{"entity": `"match entity"`, "title": sqltext.Str(m.Title.Value)}
	for _, name := range m.named() {
		vars[name] = sqltext.Path(name)
	}
	evidence := [][2]string{{"title", sqltext.Str(m.Title.Value)}}
	for _, e := range m.Evidence {
		evidence = append(evidence, [2]string{e.Value, sqltext.Path(e.Value)})
	}
	reason := m.Reason.Value
	if reason == "" {
		reason = "{entity}: {title}"
	}
	return Query{Findings: Finding{
		From: sqltext.Fill(matchRows, sqltext.Values{
			"entity": sqltext.Entity(texts(m.Entity), r.EntityType), "time": sqltext.Path(m.Time.Value),
			"start": sqltext.Instant(r.Window.Start), "score": score, "rows": r.Rows(r.Window), "key": key,
			"evidence": shown(m.Evidence),
		}),
		Time: `"match time"`, Start: sqltext.Instant(r.Window.Start), End: sqltext.Instant(r.Window.End), Key: key,
		EntityType: sqltext.Str(r.EntityType), Entity: `"match entity"`, Score: `"match score"`,
		Observed: "NULL", Expected: "NULL", Reason: reason, Vars: vars, Evidence: evidence,
	}}
}

// shown are columns as one text.
func shown(columns []Text) string {
	parts := []string{"''"}
	for _, c := range columns {
		parts = append(parts, "coalesce(("+sqltext.Path(c.Value)+")::VARCHAR, chr(30))")
	}
	return "concat_ws(chr(31), " + sqltext.List(parts) + ")"
}
