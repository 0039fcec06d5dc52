package pipeline

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lakeward/lakeward/query/format"
)

func join(names []string) string { return strings.Join(names, ", ") }

// table renders aligned columns.
func table(write func(w *tabwriter.Writer)) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	write(w)
	_ = w.Flush() // a strings.Builder does not fail
	return b.String()
}

// RenderList is List as text.
func RenderList(ls []Listing) string {
	return table(func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "PIPELINE\tSCHEDULE\tNEXT\tLAST\tSTATUS\tROWS OUT")
		for _, l := range ls {
			last, status, rows := "-", "-", "-"
			if l.Last != nil {
				last, status, rows = stamp(l.Last.Window.End), l.Last.Status, fmt.Sprint(l.Last.RowsOut)
			}
			if l.Disabled {
				status = "disabled"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Name, l.Schedule, stamp(l.Next), last, status, rows)
		}
	})
}

// RenderHistory is the history as text.
func RenderHistory(rs []Record) string {
	return table(func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "RUN\tPIPELINE\tSTATUS\tWINDOW\tTRIGGER\tROWS IN\tROWS OUT\tDURATION\tNOTE")
		for _, r := range rs {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s to %s\t%s\t%d\t%d\t%s\t%s\n", r.RunID, r.Pipeline, r.Status,
				stamp(r.Window.Start), stamp(r.Window.End), r.Trigger, r.RowsIn, r.RowsOut, r.Duration.Round(time.Millisecond),
				r.Error+r.Note)
		}
	})
}

// String is the plan as text.
func (p PlanReport) String() string {
	var b strings.Builder
	days := max(1, p.To.Sub(p.From).Hours()/24)
	fmt.Fprintf(&b, "%s, %s to %s: %d runs, %d findings (%.1f a day)\n", p.Pipeline, stamp(p.From), stamp(p.To), p.Windows,
		len(p.Findings), float64(len(p.Findings))/days)
	fmt.Fprintf(&b, "read %d rows in files of %d bytes, in %s\n", p.Rows, p.Bytes, p.Duration.Round(time.Millisecond))
	for _, d := range sortedKeys(p.ByDay) {
		fmt.Fprintf(&b, "  %s  %d\n", d, p.ByDay[d])
	}
	for i, e := range p.Top {
		if i == 0 {
			b.WriteString("top entities:\n")
		}
		fmt.Fprintf(&b, "  %s  %d\n", e.Entity, e.Count)
	}
	if p.Compared {
		fmt.Fprintf(&b, "against the live version: %d added, %d removed\n", len(p.Added), len(p.Removed))
		for _, f := range p.Added {
			fmt.Fprintf(&b, "  + %s  %s  %s\n", text(f, "time"), text(f, "entity"), text(f, "reason"))
		}
		for _, f := range p.Removed {
			fmt.Fprintf(&b, "  - %s  %s  %s\n", text(f, "time"), text(f, "entity"), text(f, "reason"))
		}
	}
	return b.String()
}

// Text is the report as text, with at most so many rows of each kind.
func (f FindingReport) Text(rows int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s, score %s (%s), observed %s, expected %s\n", text(f.Finding, "reason"),
		text(f.Finding, "entity"),
		people(f.Finding["score"]), text(f.Finding, "severity"), people(f.Finding["observed"]),
		people(f.Finding["expected"]))
	fmt.Fprintf(&b, "pipeline %s, step %s, run %s over [%s, %s)\n", f.Run.Pipeline, f.Step, f.Run.RunID,
		stamp(f.Run.Window.Start), stamp(f.Run.Window.End))
	for _, t := range sortedKeys(f.Run.Snapshots) {
		fmt.Fprintf(&b, "lake.%s at snapshot %d\n", t, f.Run.Snapshots[t])
	}
	fmt.Fprintf(&b, "\nformula: %s\nevidence: %s\n", f.Formula, text(f.Finding, "evidence"))
	for _, part := range []struct {
		title string
		rows  []Row
	}{{"baseline", f.Baseline}, {"input rows", f.Rows}} {
		if len(part.rows) > 0 {
			fmt.Fprintf(&b, "\n%s:\n", part.title)
		}
		for _, r := range part.rows[:min(rows, len(part.rows))] {
			fmt.Fprintf(&b, "  %s\n", forPeople(r))
		}
		if more := len(part.rows) - rows; more > 0 {
			fmt.Fprintf(&b, "  and %d more (--rows)\n", more)
		}
	}
	for _, q := range f.SQL {
		fmt.Fprintf(&b, "\n%s;\n", q)
	}
	for _, n := range f.Notes {
		fmt.Fprintf(&b, "\nnote: %s\n", n)
	}
	return b.String()
}

// forPeople are the values of a row. The digits of whole numbers are not
// grouped: ports, classes and sequences are names.
func forPeople(r Row) string {
	var parts []string
	for _, k := range sortedKeys(r) {
		switch v := r[k].(type) {
		case nil:
		case int64:
			parts = append(parts, k+": "+strconv.FormatInt(v, 10))
		default:
			parts = append(parts, k+": "+people(v))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// people is a value with its digits grouped if it is a number.
func people(v any) string {
	switch n := v.(type) {
	case nil:
		return ""
	case int64:
		return format.Grouped(strconv.FormatInt(n, 10))
	case float64:
		if math.IsInf(n, 0) || math.IsNaN(n) {
			return fmt.Sprint(n)
		}
		return format.Grouped(strconv.FormatFloat(n, 'f', -1, 64))
	}
	return plain(v)
}
