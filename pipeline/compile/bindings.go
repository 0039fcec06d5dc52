package compile

import (
	"fmt"
	"slices"
	"time"

	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// Absence is a column that a pipeline names and the lake does not have.
type Absence struct {
	Pos      spec.Pos
	Table    string   // lake.NAME, or a step in words
	Column   string   // a path; an expression where its column is not to be told
	Known    []string // paths that are there
	Optional bool     // the key is left out meanwhile
}

// Binding is a SELECT without rows that fails where an expression of the file
// does not fit the columns that it is about. It expects the session of a run.
type Binding struct {
	Step      string
	Pos       spec.Pos
	Expr      string // as it was written
	SQL       string
	Aggregate bool     // the expression is to be a number over many rows
	Tables    []string // stored tables that it reads
	Steps     []string // steps that it stands on
}

// bound is an expression to bind.
type bound struct {
	step, of  string
	text      spec.Text
	sql       string
	aggregate bool
}

// note remembers an expression for Bindings.
func (b *builder) note(of string, t spec.Text, sql string, aggregate bool) {
	if t.Value != "" && sql != "" {
		b.c.bound = append(b.c.bound, bound{b.current, of, t, sql, aggregate})
	}
}

// Bindings are a SELECT for each expression, in the order of the steps.
func (c *Compiled) Bindings() []Binding {
	none := []Range{{Start: time.Unix(0, 0).UTC(), End: time.Unix(1, 0).UTC()}}
	var out []Binding
	for _, x := range c.bound {
		s := c.steps[x.step]
		b := Binding{Step: x.step, Pos: x.text.Pos, Expr: x.text.Value, Aggregate: x.aggregate}
		tables := map[string][]Range{}
		switch {
		case s.kind == kindSQL:
			b.SQL = c.over(x.step, x.sql, none)
		case x.of == x.step:
			b.SQL = "SELECT (" + x.sql + ")\n" + s.read.fromSQL(none, "")
		case x.aggregate:
			b.SQL = fmt.Sprintf("SELECT (%s)\nFROM %s GROUP BY %s", x.sql, c.raw(x.of, none), sqltext.Entity(s.baseline.entity,
				s.baseline.entityType))
		default:
			b.SQL = "SELECT (" + x.sql + ")\nFROM " + c.raw(x.of, none)
		}
		c.tableRanges(x.of, none, tables)
		b.Tables, b.Steps = sortedKeys(tables), c.standsOn(x.step)
		out = append(out, b)
	}
	return out
}

// standsOn are the steps that a step reads, and those that they read.
func (c *Compiled) standsOn(name string) []string {
	var out []string
	for _, in := range c.steps[name].of {
		out = append(append(out, in), c.standsOn(in)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// paths are the columns' names, with the members of structs.
func (c columns) paths() []string {
	var out []string
	for _, f := range c {
		if f == nil {
			continue
		}
		out = append(out, f.Name)
		for _, m := range f.Type.Fields {
			out = append(out, f.Name+"."+m.Name)
			for _, n := range m.Type.Fields {
				out = append(out, f.Name+"."+m.Name+"."+n.Name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// absence notes a column that is not there.
func (b *builder) absence(of, column string, at spec.Pos, optional bool) {
	b.c.absent = append(b.c.absent, Absence{Pos: at, Table: b.tables[of], Column: column, Known: b.known[of].paths(),
		Optional: optional})
}

// Lacking are the columns that the lake does not have.
func (c *Compiled) Lacking() []Absence { return c.absent }
