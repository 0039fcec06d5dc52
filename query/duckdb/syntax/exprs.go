package syntax

import "math"

// Place is a byte of a statement's text, from 0.
type Place uint64

// NoPlace is that of a node which the text does not have.
const NoPlace = Place(math.MaxUint64)

// Expr is an expression; the types below are all that there are.
type Expr interface {
	Node
	Base() *ExprBase
}

// ExprBase is common to every Expr.
type ExprBase struct {
	Class string `json:"class"`
	Type  string `json:"type"`
	Alias string `json:"alias"`
	At    Place  `json:"query_location"`
}

// Base returns what every Expr has.
func (b *ExprBase) Base() *ExprBase { return b }

// Place is the byte of the statement's text where a node is.
func (b *ExprBase) Place() Place { return b.At }

func (*ExprBase) node() {}

// Column is a reference by its parts: of a column, or of a table, or of both.
type Column struct {
	ExprBase
	Names []string `json:"column_names"`
}

// Constant is a literal.
type Constant struct {
	ExprBase
	Value Value `json:"value"`
}

// Function is a call; operators are calls, too.
type Function struct {
	ExprBase
	Name     string   `json:"function_name"`
	Schema   string   `json:"schema"`
	Catalog  string   `json:"catalog"`
	Args     []Expr   `json:"children"`
	Filter   Expr     `json:"filter"`
	OrderBy  Modifier `json:"order_bys"`
	Distinct bool     `json:"distinct"`
	Operator bool     `json:"is_operator"`
	State    bool     `json:"export_state"`
}

// Window is a call with OVER.
type Window struct {
	ExprBase
	Name        string  `json:"function_name"`
	Schema      string  `json:"schema"`
	Catalog     string  `json:"catalog"`
	Args        []Expr  `json:"children"`
	Partitions  []Expr  `json:"partitions"`
	Orders      []Order `json:"orders"`
	Start       string  `json:"start"`
	End         string  `json:"end"`
	StartExpr   Expr    `json:"start_expr"`
	EndExpr     Expr    `json:"end_expr"`
	OffsetExpr  Expr    `json:"offset_expr"`
	DefaultExpr Expr    `json:"default_expr"`
	IgnoreNulls bool    `json:"ignore_nulls"`
	Filter      Expr    `json:"filter_expr"`
	Exclude     string  `json:"exclude_clause"`
	Distinct    bool    `json:"distinct"`
	ArgOrders   []Order `json:"arg_orders"`
}

// Comparison is =, <, IS DISTINCT FROM and their like, by its Type.
type Comparison struct {
	ExprBase
	Left  Expr `json:"left"`
	Right Expr `json:"right"`
}

// Conjunction is AND or OR, by its Type.
type Conjunction struct {
	ExprBase
	Terms []Expr `json:"children"`
}

// Operator is IN, NOT, IS NULL, TRY, an element of a list and their like, by its Type.
type Operator struct {
	ExprBase
	Args []Expr `json:"children"`
}

// Between is BETWEEN.
type Between struct {
	ExprBase
	Input Expr `json:"input"`
	Lower Expr `json:"lower"`
	Upper Expr `json:"upper"`
}

// Case is CASE.
type Case struct {
	ExprBase
	Checks []CaseCheck `json:"case_checks"`
	Else   Expr        `json:"else_expr"`
}

// CaseCheck is one WHEN.
type CaseCheck struct {
	When Expr `json:"when_expr"`
	Then Expr `json:"then_expr"`
}

// Cast is CAST and TRY_CAST.
type Cast struct {
	ExprBase
	Child Expr `json:"child"`
	To    Type `json:"cast_type"`
	Try   bool `json:"try_cast"`
}

// Collate is COLLATE.
type Collate struct {
	ExprBase
	Child     Expr   `json:"child"`
	Collation string `json:"collation"`
}

// Subquery is a SELECT in an expression: a scalar, EXISTS, or ANY of a child.
type Subquery struct {
	ExprBase
	Kind    string    `json:"subquery_type"`
	Query   Statement `json:"subquery"`
	Child   Expr      `json:"child"`
	Compare string    `json:"comparison_type"`
}

// Lambda has its parameters on the left.
type Lambda struct {
	ExprBase
	Left Expr `json:"lhs"`
	Body Expr `json:"expr"`
}

// Star is * and COLUMNS.
type Star struct {
	ExprBase
	Relation  string        `json:"relation_name"`
	Exclude   []string      `json:"exclude_list"`
	Replace   []Replacement `json:"replace_list"`
	Columns   bool          `json:"columns"`
	Expr      Expr          `json:"expr"`
	Qualified []Qualified   `json:"qualified_exclude_list"`
	Rename    []Renaming    `json:"rename_list"`
}

// Replacement is one of REPLACE (value AS key).
type Replacement struct {
	Key   string `json:"key"`
	Value Expr   `json:"value"`
}

// Renaming is one of RENAME (key AS value).
type Renaming struct {
	Key   Qualified `json:"key"`
	Value string    `json:"value"`
}

// Qualified is a column with its table.
type Qualified struct {
	Catalog string `json:"catalog"`
	Schema  string `json:"schema"`
	Table   string `json:"table"`
	Column  string `json:"column"`
}

// Parameter is ? or $name.
type Parameter struct {
	ExprBase
	Name string `json:"identifier"`
}

// Position is #1.
type Position struct {
	ExprBase
	Index uint64 `json:"index"`
}

// Default is DEFAULT.
type Default struct{ ExprBase }
