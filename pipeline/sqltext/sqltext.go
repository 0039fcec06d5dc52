// Package sqltext writes SQL in the dialect of the batch engine: names and
// values that are quoted, ranges of time, templates, and the one spelling in
// which names of people, hosts and addresses are compared. It is pure.
package sqltext

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// Ident quotes an identifier.
func Ident(name string) string { return quote.Ident(name) }

// Path quotes a dotted path member by member.
func Path(p string) string {
	parts := strings.Split(p, ".")
	for i, s := range parts {
		parts[i] = Ident(s)
	}
	return strings.Join(parts, ".")
}

// Str quotes a string literal. The engine's strings know no backslash escapes.
func Str(s string) string { return quote.Text(s) }

// Num writes a finite number literal.
func Num(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s + "::DOUBLE"
}

// Instant is a moment as a literal.
func Instant(t time.Time) string {
	return "TIMESTAMPTZ '" + t.UTC().Format("2006-01-02 15:04:05.999999") + "+00'"
}

// Interval is a duration as an interval.
func Interval(d time.Duration) string {
	return fmt.Sprintf("to_microseconds(%d)", d.Microseconds())
}

// InRanges is the condition that col lies in one of the ranges.
func InRanges(col string, rs []Range) string {
	if len(rs) == 0 {
		return "false"
	}
	var ors []string
	for _, r := range rs {
		var ands []string
		if !r.Start.IsZero() {
			ands = append(ands, col+" >= "+Instant(r.Start))
		}
		if !r.End.IsZero() {
			ands = append(ands, col+" < "+Instant(r.End))
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

// Shown is the SQL that prints a number shortly: whole numbers without a
// point, others with two places.
func Shown(expr string) string {
	return fmt.Sprintf("coalesce(CASE WHEN %[1]s = round(%[1]s) AND abs(%[1]s) < 1e15 THEN (%[1]s)::BIGINT::VARCHAR "+
		"WHEN abs(%[1]s) < 'Infinity'::DOUBLE THEN round(%[1]s, 2)::VARCHAR END, 'unknown')", "("+expr+")")
}

// List joins items with commas.
func List(items []string) string { return strings.Join(items, ", ") }

// StringList is a SQL list of string literals.
func StringList(items []string) string { return "[" + Literals(items) + "]::VARCHAR[]" }

// Literals are string literals, with commas between.
func Literals(items []string) string {
	q := make([]string, len(items))
	for i, s := range items {
		q[i] = Str(s)
	}
	return List(q)
}

// ShortDuration writes 28d, 36h or 5m.
func ShortDuration(d time.Duration) string {
	switch {
	case d%Day == 0:
		return fmt.Sprintf("%dd", d/Day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return d.String()
	}
}

// IsLake reports whether a reference names a table of the lake.
func IsLake(table string) bool { return strings.HasPrefix(table, "lake.") }

// IsStored tells a table of either tier from a step.
func IsStored(table string) bool { return strings.IndexByte(table, '.') > 0 }

// Source is the table expression of "lake.x", "analytics.x" or a step.
func Source(table string) string {
	if i := strings.IndexByte(table, '.'); i > 0 {
		return Ident(table[:i]) + "." + Ident(table[i+1:])
	}
	return Ident(table)
}

// Number is a value as a finite number; NULL if it is none.
func Number(expr string) string { return Finite("TRY_CAST((" + expr + ") AS DOUBLE)") }

// Finite is a DOUBLE, or NULL for infinity and NaN, which the engine orders
// above it.
func Finite(expr string) string {
	return fmt.Sprintf("CASE WHEN abs(%[1]s) < 'Infinity'::DOUBLE THEN %[1]s END", expr)
}

// Evidence is a value of any type as findings show it, as JSON: no NaN, no
// infinity, and whole numbers without a point.
func Evidence(expr string) string {
	return Fill(`CASE WHEN typeof({x}) NOT IN ('DOUBLE', 'FLOAT') THEN to_json({x}) `+
		`WHEN ({x})::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(({x})::VARCHAR, '[.]0$', '')::JSON END`,
		Values{"x": "(" + expr + ")"})
}

// TypeOf is the engine's name of a scalar kind; what it does not know is text.
func TypeOf(k tiers.Kind) string {
	switch k {
	case tiers.KindTimestamp:
		return "TIMESTAMPTZ"
	case tiers.KindDouble:
		return "DOUBLE"
	case tiers.KindLong:
		return "BIGINT"
	case tiers.KindBool:
		return "BOOLEAN"
	default:
		return "VARCHAR"
	}
}

// Level names the values below a bound.
type Level struct {
	Below float64
	Name  string
}

// Levels is the name of the first level that a value is below, or last.
func Levels(value string, levels []Level, last string) string {
	var b strings.Builder
	b.WriteString("CASE")
	for _, l := range levels {
		fmt.Fprintf(&b, " WHEN %s < %v THEN '%s'", value, l.Below, l.Name)
	}
	return b.String() + " ELSE '" + last + "' END"
}
