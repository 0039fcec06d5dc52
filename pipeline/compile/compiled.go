package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// Compiled is a pipeline ready to run. It is immutable.
type Compiled struct {
	Baselines []Baseline
	// Missing says which columns a run needs and the lake does not have yet.
	Missing []string
	// Dropped says which columns of optional keys are not there: the keys were
	// left out.
	Dropped []string

	name    string
	order   []string
	steps   map[string]*step
	misfits []misfit
	bound   []bound
	absent  []Absence           // the columns of Missing and Dropped
	keys    map[string]string   // baseline step to the key of its state
	cols    map[string][]string // top-level columns of read steps; absent: unknown
}

// Steps lists the steps in order.
func (c *Compiled) Steps() []string { return slices.Clone(c.order) }

// Statements are what the run executes, in order. After them each step is a
// temporary table or view of its name.
func (c *Compiled) Statements(r Run) ([]Stmt, error) {
	if r.Window.Start.IsZero() || r.Window.Empty() {
		return nil, fmt.Errorf("compile %s: the window [%s, %s) is empty", c.name, r.Window.Start, r.Window.End)
	}
	var out []Stmt
	for _, name := range c.order {
		stmts, err := c.stepStmts(c.steps[name], r)
		if err != nil {
			return nil, fmt.Errorf("compile %s: %w", c.name, err)
		}
		out = append(out, stmts...)
	}
	return out, nil
}

func (c *Compiled) stepStmts(s *step, r Run) ([]Stmt, error) {
	one := func(form, q string) []Stmt {
		return []Stmt{{Step: s.name, Purpose: PurposeStep,
			SQL: "CREATE OR REPLACE TEMP " + form + " " + sqltext.Ident(s.name) + " AS\n" + q}}
	}
	switch s.kind {
	case kindRead:
		return one("VIEW", s.read.readSQL([]Range{r.Window})), nil
	case kindSQL:
		return one("TABLE", s.sql), nil
	case kindBaseline:
		return c.baselineStmts(s, r), nil
	case kindRisk:
		return c.riskStmts(s, r)
	}
	return c.findings(s, r)
}

// flagStmts note the buckets that a step found anomalous, so that later fits
// leave them out. Running a window again replaces what it noted.
func (c *Compiled) flagStmts(s *step, r Run) []Stmt {
	b := c.steps[s.anomaly.of]
	if r.Stateless || b.kind != kindBaseline || !b.baseline.skipFlagged {
		return nil
	}
	table := flaggedTable(c.keys[b.name])
	win := []Range{sqltext.Align(r.Window, b.baseline.bucket)}
	return []Stmt{
		{Step: s.name, Purpose: PurposeWork, SQL: "CREATE OR REPLACE TEMP TABLE " + sqltext.Ident(s.name+".flagged before") +
			" AS SELECT DISTINCT entity, bucket FROM " + table +
			" WHERE step = " + sqltext.Str(s.name) + " AND " + b.baseline.inBuckets(win)},
		{Step: s.name, Purpose: PurposeState, SQL: "DELETE FROM " + table + " WHERE step = " + sqltext.Str(s.name) + " AND " +
			b.baseline.inBuckets(win)},
		{Step: s.name, Purpose: PurposeState, SQL: fmt.Sprintf(`INSERT INTO %s SELECT entity, epoch_us("time") // %d, %s FROM %s`,
			table, b.baseline.bucket.Microseconds(), sqltext.Str(s.name), sqltext.Ident(s.name))},
	}
}

// Reflagged are the buckets of the window that the run has flagged and were not
// flagged before, or the other way round; empty: it flags none. It is for after
// the statements.
func (c *Compiled) Reflagged(r Run) string {
	var parts []string
	for _, name := range c.order {
		s := c.steps[name]
		if s.anomaly == nil || len(c.flagStmts(s, r)) == 0 {
			continue
		}
		us := c.steps[s.anomaly.of].baseline.bucket.Microseconds()
		now := fmt.Sprintf(`(SELECT DISTINCT entity, epoch_us("time") // %d AS bucket FROM %s)`, us, sqltext.Ident(name))
		before := sqltext.Ident(name + ".flagged before")
		parts = append(parts, fmt.Sprintf("(FROM %[1]s EXCEPT FROM %[2]s)\nUNION ALL (FROM %[2]s EXCEPT FROM %[1]s)", now,
			before))
	}
	return strings.Join(parts, "\nUNION ALL ")
}

// Needs names, for each table ("lake.NAME", "analytics.NAME"), the ranges of
// event time that the view must hold; a zero bound is none.
func (c *Compiled) Needs(r Run) map[string][]Range {
	out := map[string][]Range{}
	win := []Range{r.Window}
	for _, name := range c.order {
		s := c.steps[name]
		switch s.kind {
		case kindRead:
			c.tableRanges(name, win, out)
		case kindBaseline:
			c.tableRanges(s.baseline.of, c.baselineRaw(s, r), out)
		case kindAnomaly:
			c.anomalyNeeds(s, r, out)
		case kindRisk:
			if k := s.risk.critical; k != nil {
				out[k.table] = []Range{{}}
			}
		}
	}
	return out
}

func (c *Compiled) baselineRaw(s *step, r Run) []Range {
	f := s.baseline
	if r.Stateless {
		return []Range{{Start: f.historyRange(r.Window).Start, End: sqltext.Align(r.Window, f.bucket).End}}
	}
	var out []Range
	for _, x := range r.Refresh[s.name] {
		out = append(out, sqltext.Align(x, f.bucket))
	}
	return sqltext.Merge(out)
}

// BucketProbe is a SELECT of the distinct starts of buckets that rows of a
// baseline's tables touch; run it over a view of the files in question.
func (c *Compiled) BucketProbe(b Baseline) string {
	s, ok := c.steps[b.Step]
	if !ok || s.kind != kindBaseline {
		return `SELECT NULL::TIMESTAMPTZ AS bucket WHERE false`
	}
	us := s.baseline.bucket.Microseconds()
	return fmt.Sprintf(`SELECT DISTINCT make_timestamptz(epoch_us("time") // %[1]d * %[1]d) AS bucket FROM %[2]s ORDER BY 1`, us, c.raw(s.baseline.of, []Range{{}}))
}
