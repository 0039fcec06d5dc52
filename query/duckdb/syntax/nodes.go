// Package syntax is a SELECT as a tree of typed nodes, decoded from the engine's
// own parser. Nothing is passed over: a kind of node or a key of one that is not
// described here is an error.
package syntax

import "encoding/json"

// Statement is a SELECT, or one within another.
type Statement struct {
	Node       Query   `json:"node"`
	Parameters []Param `json:"named_param_map"`
}

// Param is the place of a parameter.
type Param struct {
	Key   string      `json:"key"`
	Value json.Number `json:"value"`
}

// Node is a Query, Table, Modifier or Expr.
type Node interface{ node() }

// Query is a *Select, *SetOperation or *RecursiveCTE.
type Query interface {
	Node
	With() []CTE
	query()
}

// QueryBase is common to every Query.
type QueryBase struct {
	Type      string     `json:"type"`
	Modifiers []Modifier `json:"modifiers"`
	CTEs      CTEs       `json:"cte_map"`
}

// CTEs are in the order of the text.
type CTEs struct {
	List []CTE `json:"map"`
}

// CTE is one of them.
type CTE struct {
	Name string  `json:"key"`
	Body CTEBody `json:"value"`
}

// CTEBody is what a CTE's name stands for.
type CTEBody struct {
	Aliases      []string  `json:"aliases"`
	Query        Statement `json:"query"`
	Materialized string    `json:"materialized"`
	Keys         []Expr    `json:"key_targets"`
}

// With returns the CTEs of a query.
func (q *QueryBase) With() []CTE { return q.CTEs.List }

func (q *QueryBase) node()  {}
func (q *QueryBase) query() {}

// Select is one SELECT.
type Select struct {
	QueryBase
	List      []Expr          `json:"select_list"`
	From      Table           `json:"from_table"`
	Where     Expr            `json:"where_clause"`
	Groups    []Expr          `json:"group_expressions"`
	Sets      [][]json.Number `json:"group_sets"`
	Aggregate string          `json:"aggregate_handling"`
	Having    Expr            `json:"having"`
	Sample    *Sample         `json:"sample"`
	Qualify   Expr            `json:"qualify"`
}

// SetOperation is UNION, EXCEPT or INTERSECT.
type SetOperation struct {
	QueryBase
	Op    string `json:"setop_type"`
	Left  Query  `json:"left"`
	Right Query  `json:"right"`
	All   bool   `json:"setop_all"`
}

// RecursiveCTE is the body of a CTE that names itself in Right.
type RecursiveCTE struct {
	QueryBase
	Name    string   `json:"cte_name"`
	All     bool     `json:"union_all"`
	Left    Query    `json:"left"`
	Right   Query    `json:"right"`
	Aliases []string `json:"aliases"`
	Keys    []Expr   `json:"key_targets"`
}

// Modifier is a *Limit, *OrderBy or *Distinct.
type Modifier interface {
	Node
	modifier()
}

// ModifierBase is common to every Modifier.
type ModifierBase struct {
	Type string `json:"type"`
}

func (*ModifierBase) node()     {}
func (*ModifierBase) modifier() {}

// Limit is LIMIT and OFFSET, of rows or of percents.
type Limit struct {
	ModifierBase
	Limit  Expr `json:"limit"`
	Offset Expr `json:"offset"`
}

// OrderBy is ORDER BY.
type OrderBy struct {
	ModifierBase
	Orders []Order `json:"orders"`
}

// Order is one term of an ORDER BY.
type Order struct {
	Type  string `json:"type"`
	Nulls string `json:"null_order"`
	By    Expr   `json:"expression"`
}

// Distinct is DISTINCT, with ON if there are targets.
type Distinct struct {
	ModifierBase
	On []Expr `json:"distinct_on_targets"`
}

// Sample is TABLESAMPLE or USING SAMPLE.
type Sample struct {
	Size    Value       `json:"sample_size"`
	Percent bool        `json:"is_percentage"`
	Method  string      `json:"method"`
	Seed    json.Number `json:"seed"`
}

// Value is a constant with its type.
type Value struct {
	Type Type `json:"type"`
	Null bool `json:"is_null"`
	// Value is a string, a json.Number, a bool, or of some types a list or an object.
	Value any `json:"value,omitempty"`
}

// Type is a type of the engine's. What is more about it has no expressions.
type Type struct {
	ID   string `json:"id"`
	Info any    `json:"type_info"`
}
