package ingest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// misfitsEvery is how often a source logs the values that did not fit.
const misfitsEvery = time.Minute

// misfitLog gathers misfits by table between two lines of the log. Whoever
// commits owns it.
type misfitLog struct {
	last  time.Time
	since map[string][]tiers.Misfit // by table, since then
}

// misfits are those of rows; bookkeeping has none.
func misfits(r rows) []tiers.Misfit {
	if e, ok := r.(eventRows); ok {
		return e.Misfits()
	}
	return nil
}

// withMisfits adds a part's misfits to what its commit says of the table, so
// that they are counted just when the rows are in it. Only this source sets its
// property, under the fence of its mark.
func (c *commits) withMisfits(f *feed, r rows, cm tiers.Commit) tiers.Commit {
	ms := misfits(r)
	if len(ms) == 0 {
		return cm
	}
	key := tiers.MisfitsKey(c.s.key)
	cm.Properties = maps.Clone(cm.Properties)
	if cm.Properties == nil {
		cm.Properties = map[string]string{}
	}
	cm.Properties[key] = tiers.AddMisfits(f.table.Properties()[key], ms)
	return cm
}

// tellMisfits counts the misfits of a table that were committed, and logs them
// at most once in misfitsEvery.
func (c *commits) tellMisfits(table string, ms []tiers.Misfit) {
	if len(ms) > 0 {
		c.s.note(func(st *Status) {
			st.Misfits = maps.Clone(st.Misfits) // who has asked for the status reads the other
			if st.Misfits == nil {
				st.Misfits = map[tiers.MisfitReason]uint64{}
			}
			for _, m := range ms {
				st.Misfits[m.Reason] += m.Values
			}
		})
		if c.misfits.since == nil {
			c.misfits.since = map[string][]tiers.Misfit{}
		}
		// More tables and paths are not told apart between two lines: describe has all.
		if have := c.misfits.since[table]; len(have)+len(ms) < 1000 && len(c.misfits.since) < 100 {
			c.misfits.since[table] = append(have, ms...)
		}
	}
	if now := c.s.o.Now(); len(c.misfits.since) > 0 && now.Sub(c.misfits.last) >= misfitsEvery {
		for _, name := range slices.Sorted(maps.Keys(c.misfits.since)) {
			c.logMisfits(name, c.misfits.since[name])
		}
		c.misfits = misfitLog{last: now}
	}
}

func (c *commits) logMisfits(table string, ms []tiers.Misfit) {
	slices.SortStableFunc(ms, func(a, b tiers.Misfit) int { return cmp.Compare(b.Values, a.Values) })
	var values, beyond uint64
	var paths []string
	for _, m := range ms {
		if values += m.Values; m.Reason == tiers.MisfitLimit {
			beyond += m.Values
		}
		if p := m.Path + " (" + string(m.Reason) + ")"; len(paths) < 3 && !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	args := []any{"table", "lake." + table, "values", values, "paths", paths, "see",
		"lakeward tables misfits lake." + table}
	if beyond > 0 {
		c.s.log.Warn("fields beyond the limits of columns or depth have no column; raise ingest.max_columns or "+
			"ingest.max_depth", append(args, "beyond", beyond)...)
		return
	}
	c.s.log.Warn("values do not fit their columns", args...)
}

// inspectMisfits counts what the source's tables say of values that do not fit.
func inspectMisfits(tables map[string]tiers.Table, key string, in *Inspection) {
	prop := tiers.MisfitsKey(key)
	for _, t := range in.Tables {
		text := tables[t.Name].Properties()[prop]
		for _, m := range tiers.Misfits(map[string]string{prop: text}) {
			if in.Misfits += m.Values; m.Reason == tiers.MisfitLimit && !slices.Contains(in.Beyond, t.Name) {
				in.Beyond = append(in.Beyond, t.Name)
			}
		}
	}
}

// misfitsLine is what a source's status says of values that do not fit.
func (in Inspection) misfitsLine() string {
	line := fmt.Sprintf("%d values that are not, or not only, in the column of their path (lakeward tables misfits)",
		in.Misfits)
	for i, name := range in.Beyond {
		if i == 5 {
			return line + fmt.Sprintf(" and %d more", len(in.Beyond)-i)
		}
		line += cmp.Or(map[int]string{0: "; beyond ingest.max_columns or ingest.max_depth in "}[i], ", ") + "lake." + name
	}
	return line
}
