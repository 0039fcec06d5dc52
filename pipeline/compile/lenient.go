package compile

import (
	"fmt"
	"strings"

	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/tiers"
)

// A conversion of an event's value that fails gives NULL and never ends a
// run; a number that is not finite is none. The rows that do not convert are
// counted over the run's window.

// misfit is one way in which a row of a step's input does not convert.
type misfit struct {
	step  string // whose rows the condition is about; for a SELECT, the step itself
	own   bool   // about what the step reads, not about its rows
	cond  string // condition of rows
	count string // or a SELECT of their count over the inputs of a SELECT
}

// lenient is a confined expression whose conversions give NULL where they
// fail. What the parser cannot write anew stays as it is.
func (b *builder) lenient(of string, t spec.Text) string {
	if t.Value == "" {
		return ""
	}
	out, conds, err := b.confiner.Lenient(t.Value)
	if err != nil || out == t.Value || b.confiner.Confine(out, nil) != nil {
		return t.Value
	}
	for _, c := range conds {
		b.c.misfits = append(b.c.misfits, misfit{step: of, own: of == b.current, cond: c})
	}
	return out
}

func (b *builder) lenientSelect(name string, t spec.Text) string {
	out, counts, err := b.confiner.LenientSelect(t.Value)
	if err != nil || b.confiner.ConfineSelect(out, b.c.steps[name].of) != nil {
		return t.Value
	}
	for _, c := range counts {
		b.c.misfits = append(b.c.misfits, misfit{step: name, count: c})
	}
	return out
}

// number notes that a column's values are taken as numbers: those of a text
// column may be none.
func (b *builder) number(of, column string) string {
	if f := b.fieldOf(of, column); f != nil && f.Type.Kind == tiers.KindString {
		b.c.misfits = append(b.c.misfits, misfit{step: of,
			cond: "(" + sqltext.Path(column) + ") IS NOT NULL AND " + sqltext.Number(sqltext.Path(column)) + " IS NULL"})
	}
	return column
}

// Misfits is a SELECT of step and rows: how many rows of the run's window have
// a value that does not convert. It is empty if every value does, whatever it
// is. It runs after the statements of the run.
func (c *Compiled) Misfits(r Run) string {
	type about struct {
		step string
		own  bool
	}
	conds := map[about][]string{}
	var order []about
	var parts []string
	count := func(step, sql string) {
		parts = append(parts, fmt.Sprintf("SELECT %s AS step, (%s) AS n", sqltext.Str(step), sql))
	}
	for _, m := range c.misfits {
		if m.count != "" {
			count(m.step, c.over(m.step, m.count, []Range{r.Window}))
			continue
		}
		a := about{m.step, m.own}
		if conds[a] == nil {
			order = append(order, a)
		}
		conds[a] = append(conds[a], "("+m.cond+")")
	}
	for _, a := range order {
		any := "(" + strings.Join(conds[a], " OR ") + ")"
		if f := c.steps[a.step].read; f != nil && a.own {
			count(a.step, "SELECT count(*) "+f.fromSQL([]Range{r.Window}, any))
		} else {
			count(a.step, "SELECT count(*) FROM "+c.raw(a.step, []Range{r.Window})+" WHERE "+any)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "SELECT step, sum(n)::BIGINT AS n FROM (" + strings.Join(parts, "\nUNION ALL ") +
		") GROUP BY step HAVING sum(n) > 0 ORDER BY step"
}
