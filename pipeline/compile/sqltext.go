package compile

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ident quotes an identifier.
func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// path quotes a dotted path member by member.
func path(p string) string {
	parts := strings.Split(p, ".")
	for i, s := range parts {
		parts[i] = ident(s)
	}
	return strings.Join(parts, ".")
}

// str quotes a string literal. The engine's strings know no backslash escapes.
func str(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// num writes a finite number literal.
func num(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s + "::DOUBLE"
}

func instant(t time.Time) string {
	return "TIMESTAMPTZ '" + t.UTC().Format("2006-01-02 15:04:05.999999") + "+00'"
}

func interval(d time.Duration) string {
	return fmt.Sprintf("to_microseconds(%d)", d.Microseconds())
}

// inRanges is the condition that col lies in one of the ranges.
func inRanges(col string, rs []Range) string {
	if len(rs) == 0 {
		return "false"
	}
	var ors []string
	for _, r := range rs {
		var ands []string
		if !r.Start.IsZero() {
			ands = append(ands, col+" >= "+instant(r.Start))
		}
		if !r.End.IsZero() {
			ands = append(ands, col+" < "+instant(r.End))
		}
		if len(ands) == 0 {
			return "true"
		}
		ors = append(ors, strings.Join(ands, " AND "))
	}
	if len(ors) == 1 {
		return ors[0]
	}
	return "((" + strings.Join(ors, ") OR (") + "))"
}

// text is the SQL that prints a number shortly: whole numbers without a
// point, others with two places.
func text(expr string) string {
	return fmt.Sprintf("coalesce(CASE WHEN %[1]s = round(%[1]s) AND abs(%[1]s) < 1e15 THEN (%[1]s)::BIGINT::VARCHAR WHEN abs(%[1]s) < 'Infinity'::DOUBLE THEN round(%[1]s, 2)::VARCHAR END, 'unknown')", "("+expr+")")
}

func list(items []string) string { return strings.Join(items, ", ") }

// stringList is a SQL list of string literals.
func stringList(items []string) string { return "[" + literals(items) + "]::VARCHAR[]" }

// literals are string literals, with commas between.
func literals(items []string) string {
	q := make([]string, len(items))
	for i, s := range items {
		q[i] = str(s)
	}
	return list(q)
}

// shortDuration writes 28d, 36h or 5m.
func shortDuration(d time.Duration) string {
	switch {
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return d.String()
	}
}
