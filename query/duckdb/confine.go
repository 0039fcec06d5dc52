package duckdb

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb/syntax"
)

// Confine implements query.Confiner.
func (p *Parser) Confine(expr string, columns []string) error {
	// Alone and in brackets: text that closes a bracket it did not open, or
	// ends in a comment, parses in one form only.
	const before = "SELECT "
	tree, err := p.parse(before + expr)
	if err != nil {
		return shifted(err, len(before))
	}
	if _, err := p.parse(before + "(" + expr + ")"); err != nil {
		return shifted(err, len(before+"("))
	}
	s, ok := tree.Node.(*syntax.Select)
	if !ok || len(s.List) != 1 || !bare(s) {
		return fmt.Errorf("%w: %q is not one expression", query.ErrRefused, expr)
	}
	w := walker{p: p, sql: before + expr, shift: len(before), columns: map[string]bool{}, anyColumn: columns == nil,
		expression: true}
	for _, c := range columns {
		w.columns[strings.ToLower(c)] = true
	}
	return w.walk(s.List[0], nil)
}

// bare reports whether a SELECT is nothing but a list.
func bare(s *syntax.Select) bool {
	_, nothing := s.From.(*syntax.Nothing)
	return nothing && len(s.Modifiers)+len(s.Groups)+len(s.Sets)+len(s.With()) == 0 &&
		s.Aggregate == "STANDARD_HANDLING" && s.Where == nil && s.Having == nil && s.Sample == nil && s.Qualify == nil
}

// shifted moves a parse error's column back by the length of a prefix that
// the caller did not write.
func shifted(err error, n int) error {
	if pe, ok := err.(*query.ParseError); ok && pe.Line == 1 { //nolint:errorlint // made here
		c := *pe
		c.Column = max(1, c.Column-n)
		return &c
	}
	return err
}

// ConfineSelect implements query.Confiner.
func (p *Parser) ConfineSelect(sql string, inputs []string) error {
	_, err := p.confineSelect(sql, inputs, false)
	return err
}

// reads is what a statement reads.
type reads struct {
	tables []string // in lower case, as SCHEMA.NAME or NAME
	named  []string // those with a tier, also if the statement is refused
	tree   *syntax.Statement
	pinned []*syntax.BaseTable // with a version; they are not among the tables
}

// confineSelect also returns what the statement reads, and of one that is
// refused what it names. versions says that tables of the lake may have AT.
func (p *Parser) confineSelect(sql string, inputs []string, versions bool) (reads, error) {
	tree, err := p.parse(sql)
	if err != nil {
		return reads{}, err
	}
	w := walker{p: p, sql: sql, anyColumn: true, inputs: map[string]bool{}, used: map[string]bool{}, versions: versions}
	for _, in := range inputs {
		w.inputs[strings.ToLower(in)] = true
	}
	r := reads{named: tablesOf(tree)}
	if err := w.walk(tree.Node, nil); err != nil {
		return r, err
	}
	r.tables, r.tree, r.pinned = slices.Sorted(maps.Keys(w.used)), tree, w.pinned
	return r, nil
}

// tablesOf are the tables with a tier that a statement names, in lower case
// and sorted.
func tablesOf(tree *syntax.Statement) []string {
	found := map[string]bool{}
	for n := range syntax.All(tree.Node) {
		t, ok := n.(*syntax.BaseTable)
		if !ok {
			continue
		}
		tier := t.Schema
		if t.Catalog != "" {
			tier = t.Catalog
		}
		if tier != "" {
			found[strings.ToLower(tier+"."+t.Name)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// walker visits a syntax tree and refuses what it does not know.
type walker struct {
	p          *Parser
	sql        string
	shift      int // bytes before the caller's text
	inputs     map[string]bool
	used       map[string]bool // inputs that were met; nil: nobody asks
	columns    map[string]bool
	anyColumn  bool
	expression bool // one expression: no table, no subquery, no parameter
	versions   bool // tables of the lake may have AT
	pinned     []*syntax.BaseTable
}

func (w *walker) refuse(at syntax.Place, format string, args ...any) error {
	return refusedAt(w.sql, w.shift, at, fmt.Sprintf(format, args...))
}

// walk visits a node; ctes are the names in scope.
func (w *walker) walk(n syntax.Node, ctes []string) error {
	switch n := n.(type) {
	case syntax.Query:
		return w.query(n, ctes)
	case syntax.Table:
		return w.tableRef(n, ctes)
	case syntax.Expr:
		return w.expr(n, ctes)
	case *syntax.Limit, *syntax.OrderBy, *syntax.Distinct:
		return w.below(n, ctes)
	default:
		return w.refuse(syntax.NoPlace, "%T is not supported here", n)
	}
}

func (w *walker) below(n syntax.Node, ctes []string) error {
	for c := range syntax.Below(n) {
		if err := w.walk(c.Node, ctes); err != nil {
			return err
		}
	}
	return nil
}

// query visits a query with its CTEs: each sees those before it, the body all.
func (w *walker) query(q syntax.Query, ctes []string) error {
	of := map[syntax.Node]bool{} // what has been visited
	for _, c := range q.With() {
		for _, k := range c.Body.Keys {
			of[k] = true
			if err := w.walk(k, ctes); err != nil {
				return err
			}
		}
		of[c.Body.Query.Node] = true
		if err := w.walk(c.Body.Query.Node, ctes); err != nil {
			return err
		}
		ctes = append(slices.Clip(ctes), strings.ToLower(c.Name))
	}
	for c := range syntax.Below(q) {
		scope := ctes
		if r, ok := q.(*syntax.RecursiveCTE); ok && c.Node == r.Right {
			scope = append(slices.Clip(ctes), strings.ToLower(r.Name))
		}
		if of[c.Node] {
			continue
		}
		if err := w.walk(c.Node, scope); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) tableRef(t syntax.Table, ctes []string) error {
	switch t := t.(type) {
	case *syntax.BaseTable:
		return w.table(t, ctes)
	case *syntax.TableFunction:
		return w.tableFunction(t, ctes)
	case *syntax.Show:
		if t.Query == nil {
			return w.refuse(t.At, "this SHOW is not supported here; SHOW TABLES by itself lists tables, DESCRIBE TABLE "+
				"tells of one")
		}
	case *syntax.Join, *syntax.Subselect, *syntax.Values, *syntax.Pivot, *syntax.Nothing:
	default:
		return w.refuse(syntax.NoPlace, "%T is not supported here", t)
	}
	return w.below(t, ctes)
}

func (w *walker) table(t *syntax.BaseTable, ctes []string) error {
	full := strings.ToLower(t.Name)
	switch {
	case w.expression:
		return w.refuse(t.At, "an expression has no tables")
	case t.Version != nil && !w.versions:
		return w.refuse(t.At, "AT is not supported here")
	case t.Version != nil && !strings.EqualFold(t.Schema, "lake"):
		return w.refuse(t.At, "AT is for tables of the lake, written as lake.%s AT (VERSION => NUMBER)", t.Name)
	case t.Catalog == "" && t.Schema == "":
		if slices.Contains(ctes, full) {
			return nil
		}
	case t.Catalog == "":
		full = strings.ToLower(t.Schema) + "." + full
	case strings.EqualFold(t.Schema, "main"):
		full = strings.ToLower(t.Catalog) + "." + full
	default:
		full = strings.ToLower(t.Catalog+"."+t.Schema) + "." + full
	}
	space, _, dotted := strings.Cut(full, ".")
	if w.inputs[full] || dotted && t.Schema != "" &&
		strings.Count(full, ".") == strings.Count(t.Name, ".")+1 && w.inputs[space+".*"] {
		switch {
		case t.Version != nil:
			w.pinned = append(w.pinned, t)
		case w.used != nil:
			w.used[full] = true
		}
		return nil
	}
	return &noTableError{w.refuse(t.At, "there is no table %s here; tables are %s", full, w.known())}
}

// noTableError is a refusal that is most likely a mistyped name.
type noTableError struct{ refused error }

func (e *noTableError) Error() string {
	return strings.TrimPrefix(e.refused.Error(), query.ErrRefused.Error()+": ")
}
func (e *noTableError) Unwrap() []error { return []error{e.refused, query.ErrStatement} }

func (w *walker) known() string {
	list := slices.Sorted(maps.Keys(w.inputs))
	if len(list) > 8 {
		list = append(list[:8], "...")
	}
	return strings.Join(list, ", ")
}

func (w *walker) tableFunction(t *syntax.TableFunction, ctes []string) error {
	f, ok := t.Call.(*syntax.Function)
	if !ok {
		return w.refuse(t.At, "%s in place of a table function is not supported here", strings.ToLower(t.Call.Base().Class))
	}
	switch strings.ToLower(f.Name) {
	case "range", "generate_series", "unnest", "json_each", "json_tree":
	default:
		return w.refuse(t.At, "the table function %s is not allowed", f.Name)
	}
	if w.expression || !unqualified(f.Schema, f.Catalog) {
		return w.refuse(t.At, "the table function %s is not allowed here", f.Name)
	}
	return w.below(f, ctes)
}

// unqualified reports whether a function is named without its place. The
// parser itself puts literals such as [1] in the schema main.
func unqualified(schema, catalog string) bool {
	return (schema == "" || schema == "main") && catalog == ""
}

func (w *walker) expr(e syntax.Expr, ctes []string) error {
	switch e := e.(type) {
	case *syntax.Function:
		if !w.p.allowed(e.Name) || !unqualified(e.Schema, e.Catalog) {
			return w.refuse(e.At, "the function %s is not allowed", e.Name)
		}
		if err := wrongNetwork(e); err != nil {
			return w.refuse(e.At, "%v", err)
		}
	case *syntax.Window:
		if !w.p.allowed(e.Name) || !unqualified(e.Schema, e.Catalog) {
			return w.refuse(e.At, "the function %s is not allowed", e.Name)
		}
	case *syntax.Subquery, *syntax.Parameter, *syntax.Star, *syntax.Position:
		if w.expression {
			return w.refuse(e.Base().At, "%s is not allowed in an expression", strings.ToLower(e.Base().Class))
		}
	case *syntax.Column:
		return w.column(e)
	case *syntax.Lambda:
		return w.lambda(e, ctes)
	case *syntax.Constant, *syntax.Comparison, *syntax.Conjunction, *syntax.Case, *syntax.Cast, *syntax.Operator,
		*syntax.Between, *syntax.Collate, *syntax.Default:
	default:
		return w.refuse(e.Base().At, "%s is not supported here", strings.ToLower(e.Base().Class))
	}
	return w.below(e, ctes)
}

func (w *walker) column(c *syntax.Column) error {
	if w.anyColumn || len(c.Names) == 0 || w.columns[strings.ToLower(c.Names[0])] {
		return nil
	}
	return &query.NoColumnError{Column: c.Names[0], Refused: w.refuse(c.At, "there is no column %s here", c.Names[0])}
}

// lambda adds the parameters to the columns while its body is visited.
func (w *walker) lambda(l *syntax.Lambda, ctes []string) error {
	inner := *w // an expression: it has no tables to note
	inner.columns = maps.Clone(w.columns)
	if inner.columns == nil {
		inner.columns = map[string]bool{}
	}
	for n := range syntax.All(l.Left) {
		if c, ok := n.(*syntax.Column); ok && len(c.Names) == 1 {
			inner.columns[strings.ToLower(c.Names[0])] = true
		}
	}
	return inner.walk(l.Body, ctes)
}
