// Package strict decodes YAML by one specification of its fields, which also
// gives the defaults, the reference tables, the JSON Schema and the printed
// form. It reports every mistake, each with its position and a remedy.
package strict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pos is where a value stands. Line and Column start at 1; zero is unknown.
type Pos struct {
	File   string
	Line   int
	Column int
}

// String is file:line:column, as far as known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
}

// At is a value and where it was written. The position of a default is that
// of what it belongs to.
type At[T any] struct {
	Value T
	Pos   Pos
}

// Problem is one mistake: where, what, and what to do.
type Problem struct {
	Pos    Pos
	What   string
	Remedy string // may be empty
}

// String is "file:line:column: what: remedy".
func (p Problem) String() string {
	var b strings.Builder
	if at := p.Pos.String(); at != "" {
		b.WriteString(at + ": ")
	}
	b.WriteString(p.What)
	if p.Remedy != "" {
		b.WriteString(": " + p.Remedy)
	}
	return b.String()
}

// Problems are mistakes in the order of their positions. As an error it is
// one line each.
type Problems []Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Sort orders problems by file and position.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
}
