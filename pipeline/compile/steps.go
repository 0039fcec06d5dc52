package compile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// The forms below are what the compiler works on: names resolved, defaults
// filled in, expressions confined. Expressions are SQL over the columns of the
// step's input.

type kind uint8

const (
	kindRead kind = iota
	kindSQL
	kindBaseline
	kindAnomaly
	kindRisk
)

// step is one step of the pipeline; the part of its kind is set.
type step struct {
	name     string
	kind     kind
	of       []string // steps that it reads
	read     *readForm
	sql      string
	baseline *baselineForm
	anomaly  *anomaly
	risk     *riskForm
}

type joinForm struct {
	table string // lake.x, analytics.x or a step
	as    string
	on    string
	left  bool
}

type readForm struct {
	table  string
	where  string
	cols   []string // "expr AS name" or column paths; empty: all
	joins  []joinForm
	window time.Duration // looks back so far from the window's end; 0: the window itself
	timed  bool          // rows have a time column
	whole  bool          // every row, whatever its time
}

// readSQL is the SELECT of a read step over the time ranges.
func (f *readForm) readSQL(rs []Range) string {
	cols := "*"
	switch {
	case len(f.cols) > 0:
		cols = sqltext.List(f.cols)
	case len(f.joins) > 0:
		cols = sqltext.Ident(base) + ".*"
		for _, j := range f.joins {
			cols += ", " + sqltext.Ident(j.as)
		}
	}
	where := ""
	if f.where != "" {
		where = "(" + f.where + ")"
	}
	return "SELECT " + cols + " " + f.fromSQL(rs, where)
}

// base is the name of the table that a read step reads, beside those that it joins.
const base = "t"

// fromSQL is FROM and WHERE of a read step, with a condition beside the time.
func (f *readForm) fromSQL(rs []Range, where string) string {
	from := "FROM " + sqltext.Source(f.table)
	if len(f.joins) > 0 {
		from += " AS " + sqltext.Ident(base)
	}
	for _, j := range f.joins {
		how := "JOIN"
		if j.left {
			how = "LEFT JOIN"
		}
		from += fmt.Sprintf("\n%s %s AS %s ON (%s)", how, sqltext.Source(j.table), sqltext.Ident(j.as), j.on)
	}
	var ands []string
	if f.timed && !f.whole {
		col := `"time"`
		if len(f.joins) > 0 {
			col = sqltext.Ident(base) + "." + col
		}
		ands = append(ands, sqltext.InRanges(col, f.ranges(rs)))
	}
	if where != "" {
		ands = append(ands, where)
	}
	if len(ands) == 0 {
		return from
	}
	return from + "\nWHERE " + strings.Join(ands, " AND ")
}

// ranges applies the step's own look back.
func (f *readForm) ranges(rs []Range) []Range {
	if f.window == 0 {
		return rs
	}
	var out []Range
	for _, r := range rs {
		start := r.End.Add(-f.window)
		if r.Start.Before(start) {
			start = r.Start
		}
		out = append(out, Range{Start: start, End: r.End})
	}
	return sqltext.Merge(out)
}

// raw is a table expression for a step's rows over the time ranges, computed
// afresh from the tables that the step stands on. Steps that hold results of
// the run are taken as they are.
func (c *Compiled) raw(name string, rs []Range) string {
	s := c.steps[name]
	switch s.kind {
	case kindRead:
		return "(" + s.read.readSQL(rs) + ")"
	case kindSQL:
		return "(" + c.over(name, s.sql, rs) + ")"
	default:
		return sqltext.Ident(name)
	}
}

// over is a SELECT over the inputs of a step, which are computed afresh.
func (c *Compiled) over(name, sql string, rs []Range) string {
	var with []string
	for _, in := range c.steps[name].of {
		if k := c.steps[in].kind; k == kindRead || k == kindSQL {
			with = append(with, sqltext.Ident(in)+" AS "+c.raw(in, rs))
		}
	}
	if len(with) == 0 {
		return sql
	}
	return "WITH " + sqltext.List(with) + "\nSELECT * FROM (" + sql + "\n)"
}

// tableRanges adds to out the raw ranges that the step's rows over rs need.
func (c *Compiled) tableRanges(name string, rs []Range, out map[string][]Range) {
	s := c.steps[name]
	if s.kind != kindRead {
		for _, in := range s.of {
			if k := c.steps[in].kind; k == kindRead || k == kindSQL {
				c.tableRanges(in, rs, out)
			}
		}
		return
	}
	f := s.read
	if sqltext.IsStored(f.table) {
		need := f.ranges(rs)
		if f.whole || !f.timed {
			need = []Range{{}}
		}
		out[f.table] = sqltext.Merge(append(out[f.table], need...))
	}
	for _, j := range f.joins {
		if sqltext.IsStored(j.table) {
			out[j.table] = []Range{{}}
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
