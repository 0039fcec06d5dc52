package syntax

import (
	"encoding/json"
	"fmt"
	"reflect"
)

func base(class, typ string) ExprBase { return ExprBase{Class: class, Type: typ, At: NoPlace} }

// Try is TRY(e), which the alias of e moves to.
func Try(e Expr) *Operator {
	o := &Operator{ExprBase: base("OPERATOR", "OPERATOR_TRY"), Args: []Expr{Named(e, "")}}
	o.Alias = e.Base().Alias
	return o
}

// ColumnOf is a reference by its parts.
func ColumnOf(names ...string) *Column {
	return &Column{ExprBase: base("COLUMN_REF", "COLUMN_REF"), Names: names}
}

// Call is a function of arguments.
func Call(name string, args ...Expr) *Function {
	return &Function{ExprBase: base("FUNCTION", "FUNCTION"), Name: name, Args: append([]Expr{}, args...),
		OrderBy: &OrderBy{ModifierBase: ModifierBase{Type: "ORDER_MODIFIER"}, Orders: []Order{}}}
}

// SelectOf is a SELECT of a list from a table.
func SelectOf(from Table, list ...Expr) *Select {
	return &Select{QueryBase: QueryBase{Type: "SELECT_NODE", Modifiers: []Modifier{}, CTEs: CTEs{List: []CTE{}}},
		List: list, From: from, Groups: []Expr{}, Sets: [][]json.Number{}, Aggregate: "STANDARD_HANDLING"}
}

// NoTable is the FROM of a SELECT without one.
func NoTable() *Nothing { return &Nothing{TableBase{Type: "EMPTY", At: NoPlace}} }

// Named is a copy of an expression with another alias. What is below it is shared.
func Named(e Expr, alias string) Expr {
	c := reflect.New(reflect.TypeOf(e).Elem())
	c.Elem().Set(reflect.ValueOf(e).Elem())
	out := c.Interface().(Expr)
	out.Base().Alias = alias
	return out
}

// Encode writes a statement for the engine, which makes SQL of it.
func Encode(s *Statement) ([]byte, error) {
	c := *s
	if c.Parameters == nil {
		c.Parameters = []Param{}
	}
	data, err := json.Marshal(map[string]any{"error": false, "statements": []any{c}})
	if err != nil {
		return nil, fmt.Errorf("encode syntax tree: %w", err)
	}
	return data, nil
}
