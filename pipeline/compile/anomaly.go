package compile

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lakeward/lakeward/pipeline/detect"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/tiers"
)

// anomaly is an anomaly step.
type anomaly struct {
	of         string
	detector   detect.Detector // bound to the columns of its input
	entityType string
	technique  string
	reason     string
	ceiling    float64 // highest score; 0: none
}

func (b *builder) anomaly(a *spec.Anomaly) *anomaly {
	out := &anomaly{of: a.Of.Value, detector: a.Detector, entityType: a.EntityType, technique: a.Technique,
		reason: a.Reason.Value, ceiling: a.MaxScore}
	if d, ok := a.Detector.(detect.RowDetector); ok {
		out.detector = d.Bind(input{b, a.Of.Value})
	}
	return out
}

// input answers a detector about the columns of its input.
type input struct {
	b  *builder
	of string
}

// Path implements detect.Columns.
func (in input) Path(t spec.Text) spec.Text { t.Value = in.b.path(in.of, t); return t }

// Number implements detect.Columns.
func (in input) Number(t spec.Text) spec.Text {
	t.Value = in.b.number(in.of, in.b.path(in.of, t))
	return t
}

// Expr implements detect.Columns.
func (in input) Expr(t spec.Text) spec.Text { t.Value = in.b.expr(in.of, t); return t }

// OptionalPath implements detect.Columns.
func (in input) OptionalPath(t spec.Text) spec.Text { t.Value = in.b.optionalPath(in.of, t); return t }

// Optional implements detect.Columns.
func (in input) Optional(t spec.Text) spec.Text { t.Value = in.b.optional(in.of, t); return t }

// Beside implements detect.Columns.
func (in input) Beside(t spec.Text, name string) spec.Text {
	t.Value = in.b.beside(in.of, t.Value, name)
	return t
}

// HasTable implements detect.Columns.
func (in input) HasTable(table, column spec.Text) bool {
	return in.b.context(table.Value, column)
}

// detectorRun is what a step's detector is told of a run.
func (c *Compiled) detectorRun(s *step, window Range) detect.Run {
	of := s.anomaly.of
	r := detect.Run{Step: s.name, EntityType: s.anomaly.entityType, Window: window, EventID: c.eventID(of),
		Rows: func(x Range) string { return c.raw(of, []Range{x}) }}
	if in := c.steps[of]; in != nil && in.baseline != nil {
		f := in.baseline
		r.Baseline = detect.Baseline{Step: of, Entity: f.entity, EntityType: f.entityType, Measures: f.names(),
			MinSupport: f.minSupport, Classic: f.classic}
	}
	return r
}

// names are those of the measures.
func (f *baselineForm) names() []string {
	var out []string
	for _, m := range f.measures {
		out = append(out, m.name)
	}
	return out
}

// findings are the statements that make the step's findings.
func (c *Compiled) findings(s *step, r Run) ([]Stmt, error) {
	a := s.anomaly
	in := c.detectorRun(s, r.Window)
	q := a.detector.Query(in)
	var out []Stmt
	for _, t := range q.Tables {
		sql := t.SQL
		if t.Name != "" {
			sql = "CREATE OR REPLACE TEMP TABLE " + in.Temp(t.Name) + " AS\n" + sql
		}
		out = append(out, Stmt{Step: s.name, Purpose: PurposeWork, SQL: sql})
	}
	sql, err := q.Findings.SQL(detect.Source{Pipeline: c.name, Step: s.name, RunID: r.ID,
		Detector:  string(a.detector.Method()),
		Technique: a.technique, Reason: a.reason, Ceiling: a.ceiling})
	if err != nil {
		return nil, err
	}
	out = append(out, Stmt{Step: s.name, Purpose: PurposeStep,
		SQL: "CREATE OR REPLACE TEMP TABLE " + sqltext.Ident(s.name) + " AS\n" + sql})
	return append(out, c.flagStmts(s, r)...), nil
}

// explain says how to show where a finding of the step came from.
func (c *Compiled) explain(s *step, entity string, window Range) Explained {
	a := s.anomaly
	from := a.of
	if in := c.steps[from]; in.baseline != nil {
		from = in.baseline.of
	}
	e := a.detector.Explain(c.detectorRun(s, window), entity)
	order := cmp.Or(e.Order, "time")
	return Explained{
		Rows: fmt.Sprintf("SELECT * FROM %s WHERE %s ORDER BY %s LIMIT %d", c.raw(from, []Range{window}), e.Where,
			sqltext.Path(order), explainRows),
		Baseline: e.Compared,
		Formula:  a.detector.Formula(),
	}
}

// wanted is the condition of a baseline's values that the step may raise; empty: any.
func (a *anomaly) wanted(f *baselineForm) string {
	if d, ok := a.detector.(detect.BaselineDetector); ok {
		return d.Wanted(f.names())
	}
	return ""
}

// needs adds to out what the step reads by itself.
func (c *Compiled) anomalyNeeds(s *step, r Run, out map[string][]Range) {
	d, ok := s.anomaly.detector.(detect.RowDetector)
	if !ok {
		return
	}
	c.tableRanges(s.anomaly.of, []Range{d.Reads(r.Window)}, out)
	for _, t := range d.Context() {
		out[t.Value] = []Range{{}}
	}
}

// eventID is the select item that carries an event's id, if rows have one.
func (c *Compiled) eventID(step string) string {
	if slices.Contains(c.cols[step], tiers.ColOwnEventID) { // event_id is a field of the events then
		return `"` + tiers.ColOwnEventID + `"::VARCHAR AS event_id`
	}
	if slices.Contains(c.cols[step], tiers.ColEventID) {
		return `"event_id"::VARCHAR AS event_id`
	}
	return "NULL::VARCHAR AS event_id"
}
