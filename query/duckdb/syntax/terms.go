package syntax

import (
	"iter"
	"strings"
)

// Term says that a column compares to a value, in which there is no column.
type Term struct {
	Column []string // its parts
	Op     string   // =, <, <=, >, >=
	Value  Expr
}

// Terms are the comparisons that a condition asks of every row: those that AND
// joins. What else it asks is left out.
func Terms(where Expr) (out []Term) {
	for e := range conjuncts(where) {
		switch e := e.(type) {
		case *Comparison:
			op := operator(e.Type)
			out = append(out, term(e.Left, op, e.Right)...)
			out = append(out, term(e.Right, flipped(op), e.Left)...)
		case *Between:
			out = append(out, term(e.Input, ">=", e.Lower)...)
			out = append(out, term(e.Input, "<=", e.Upper)...)
		}
	}
	return out
}

// conjuncts are the parts of a condition that must all be true.
func conjuncts(e Expr) iter.Seq[Expr] {
	return func(yield func(Expr) bool) { eachConjunct(e, yield) }
}

func eachConjunct(e Expr, yield func(Expr) bool) bool {
	c, ok := e.(*Conjunction)
	if !ok || c.Type != "CONJUNCTION_AND" {
		return e == nil || yield(e)
	}
	for _, t := range c.Terms {
		if !eachConjunct(t, yield) {
			return false
		}
	}
	return true
}

func term(e Expr, op string, value Expr) []Term {
	column, ok := e.(*Column)
	if !ok || op == "" || !constant(value) {
		return nil
	}
	return []Term{{column.Names, op, value}}
}

// constant knows literals, also of a type that is named.
func constant(e Expr) bool {
	switch e := e.(type) {
	case *Constant:
		return true
	case *Cast:
		return constant(e.Child)
	default:
		return false
	}
}

// operator is that of a comparison's type; empty for others than those of a Term.
func operator(typ string) string {
	switch typ {
	case "COMPARE_EQUAL":
		return "="
	case "COMPARE_LESSTHAN":
		return "<"
	case "COMPARE_LESSTHANOREQUALTO":
		return "<="
	case "COMPARE_GREATERTHAN":
		return ">"
	case "COMPARE_GREATERTHANOREQUALTO":
		return ">="
	default:
		return ""
	}
}

func flipped(op string) string {
	return strings.NewReplacer("<", ">", ">", "<").Replace(op)
}

// Alone finds the SELECT that reads a table of this name, in whatever schema,
// and nothing else in its FROM: what its WHERE asks holds for all that the
// statement reads of the table. There is none if the statement names the table
// more than once, takes a sample of it or gives its columns other names.
func Alone(s *Statement, name string) (*Select, *BaseTable) {
	var sel *Select
	var table *BaseTable
	times := 0
	for n := range All(s.Node) {
		switch n := n.(type) {
		case *BaseTable:
			if n.Is(name) {
				times++
			}
		case *Select:
			if t, ok := n.From.(*BaseTable); ok && t.Is(name) {
				sel, table = n, t
			}
		}
	}
	if times != 1 || sel == nil || sel.Sample != nil || table.Sample != nil || len(table.Columns) > 0 {
		return nil, nil
	}
	return sel, table
}

// Is reports whether a reference may name a table, in whatever schema.
func (t *BaseTable) Is(name string) bool { return strings.EqualFold(t.Name, name) }

// As is the name by which a SELECT can call the table.
func (t *BaseTable) As() string {
	if t.Alias != "" {
		return t.Alias
	}
	return t.Name
}
