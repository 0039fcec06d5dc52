package syntax

// Table is what a FROM can name: a *BaseTable, *TableFunction, *Join, *Subselect,
// *Values, *Pivot, *Show or *Nothing.
type Table interface {
	Node
	table()
}

// TableBase is common to every Table.
type TableBase struct {
	Type   string  `json:"type"`
	Alias  string  `json:"alias"`
	Sample *Sample `json:"sample"`
	At     Place   `json:"query_location"`
}

// Place is the byte of the statement's text where a node is.
func (t *TableBase) Place() Place { return t.At }

func (*TableBase) node()  {}
func (*TableBase) table() {}

// BaseTable is a table, a view or a CTE by its name.
type BaseTable struct {
	TableBase
	Catalog string   `json:"catalog_name"`
	Schema  string   `json:"schema_name"`
	Name    string   `json:"table_name"`
	Columns []string `json:"column_name_alias"`
	Version *Version `json:"at_clause"`
}

// Version is AT (Unit => Expr).
type Version struct {
	Unit string `json:"unit"`
	Expr Expr   `json:"expr"`
}

// TableFunction is a call in a FROM.
type TableFunction struct {
	TableBase
	Call       Expr     `json:"function"`
	Columns    []string `json:"column_name_alias"`
	Ordinality string   `json:"with_ordinality"`
}

// Join is two tables.
type Join struct {
	TableBase
	Left       Table    `json:"left"`
	Right      Table    `json:"right"`
	On         Expr     `json:"condition"`
	Kind       string   `json:"join_type"`
	Ref        string   `json:"ref_type"`
	Using      []string `json:"using_columns"`
	Flipped    bool     `json:"delim_flipped"`
	Duplicates []Expr   `json:"duplicate_eliminated_columns"`
}

// Subselect is a SELECT in a FROM.
type Subselect struct {
	TableBase
	Query   Statement `json:"subquery"`
	Columns []string  `json:"column_name_alias"`
}

// Values is VALUES.
type Values struct {
	TableBase
	Names []string `json:"expected_names"`
	Types []Type   `json:"expected_types"`
	Rows  [][]Expr `json:"values"`
}

// Pivot is PIVOT or UNPIVOT.
type Pivot struct {
	TableBase
	Source     Table         `json:"source"`
	Aggregates []Expr        `json:"aggregates"`
	Unpivoted  []string      `json:"unpivot_names"`
	Pivots     []PivotColumn `json:"pivots"`
	Groups     []string      `json:"groups"`
	Columns    []string      `json:"column_name_alias"`
	Nulls      bool          `json:"include_nulls"`
}

// PivotColumn is one FOR of a PIVOT.
type PivotColumn struct {
	Exprs     []Expr       `json:"pivot_expressions"`
	Unpivoted []string     `json:"unpivot_names"`
	Entries   []PivotEntry `json:"entries"`
	Enum      string       `json:"pivot_enum"`
}

// PivotEntry is one value of a FOR.
type PivotEntry struct {
	Values []Value `json:"values"`
	Star   Expr    `json:"star_expr"`
	Alias  string  `json:"alias"`
}

// Show is SHOW, DESCRIBE or SUMMARIZE; of a query, if there is one.
type Show struct {
	TableBase
	Name    string `json:"table_name"`
	Query   Query  `json:"query"`
	Kind    string `json:"show_type"`
	Catalog string `json:"catalog_name"`
	Schema  string `json:"schema_name"`
}

// Nothing stands for a missing FROM.
type Nothing struct{ TableBase }
