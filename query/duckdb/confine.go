package duckdb

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
)

// maxSQL bounds text from outside, in bytes.
const maxSQL = 1 << 20

// allowedFunctions are the scalar and aggregate functions that compute on
// their arguments alone. The list is DuckDB's own, less what tells of the
// host, the settings, the catalog or other sessions, or has an effect. A test
// names what a new version of the library adds.
//
//go:embed functions.txt
var allowedFunctions string

// Parser checks SQL by its syntax tree. It implements query.Confiner.
type Parser struct {
	mu   sync.Mutex
	conn *Conn
	once sync.Once
	fns  map[string]bool
}

// NewParser opens a parser with an instance of its own, for use without an
// engine. The caller closes it.
func NewParser(ctx context.Context) (*Parser, error) {
	c, err := Scratch(ctx)
	if err != nil {
		return nil, err
	}
	return &Parser{conn: c}, nil
}

// Close ends the parser's instance. A parser of an engine is closed by it.
func (p *Parser) Close() error { return p.conn.Close() }

// use puts c, or none, in the place of the connection, which it closes.
func (p *Parser) use(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.Close() // it holds nothing
	}
	p.conn = c
}

func (p *Parser) allowed(name string) bool {
	p.once.Do(func() {
		p.fns = map[string]bool{}
		for f := range strings.FieldsSeq(allowedFunctions) {
			p.fns[f] = true
		}
	})
	return p.fns[strings.ToLower(name)]
}

// serialized is the answer of json_serialize_sql.
type serialized struct {
	Error      bool   `json:"error"`
	Type       string `json:"error_type"`
	Message    string `json:"error_message"`
	Position   string `json:"position"`
	Statements []struct {
		Node map[string]any `json:"node"`
	} `json:"statements"`
}

// parse returns the tree of exactly one SELECT.
func (p *Parser) parse(sql string) (map[string]any, error) {
	if len(sql) > maxSQL {
		return nil, fmt.Errorf("%w: the statement is longer than %d bytes", query.ErrRefused, maxSQL)
	}
	text, err := p.serialize(sql)
	if err != nil {
		return nil, err
	}
	var s serialized
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("decode syntax tree: %w", err)
	}
	switch {
	case s.Error && s.Type == "parser":
		at, err := strconv.Atoi(s.Position)
		if err != nil {
			at = -1
		}
		return nil, positioned(sql, at, s.Message)
	case s.Error:
		return nil, fmt.Errorf("%w: only one SELECT may run here", query.ErrRefused)
	case len(s.Statements) != 1:
		return nil, fmt.Errorf("%w: %d statements where one SELECT was expected", query.ErrRefused, len(s.Statements))
	}
	return s.Statements[0].Node, nil
}

func (p *Parser) serialize(sql string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return "", query.ErrUnavailable
	}
	r, err := p.conn.Query(context.Background(), "SELECT json_serialize_sql(?::VARCHAR)", sql)
	if err != nil {
		return "", fmt.Errorf("parse: %w", err)
	}
	defer r.Release()
	if !r.Next() {
		return "", fmt.Errorf("parse: no answer: %w", r.Err())
	}
	return r.RecordBatch().Column(0).(*array.String).Value(0), nil
}

// Confine implements query.Confiner.
func (p *Parser) Confine(expr string, columns []string) error {
	// Alone and in brackets: text that closes a bracket it did not open, or
	// ends in a comment, parses in one form only.
	node, err := p.parse("SELECT " + expr)
	if err != nil {
		return shifted(err, len("SELECT "))
	}
	if _, err := p.parse("SELECT (" + expr + ")"); err != nil {
		return shifted(err, len("SELECT ("))
	}
	list, _ := node["select_list"].([]any)
	if node["type"] != "SELECT_NODE" || len(list) != 1 || !bare(node) {
		return fmt.Errorf("%w: %q is not one expression", query.ErrRefused, expr)
	}
	w := walker{p: p, sql: "SELECT " + expr, shift: len("SELECT "), columns: map[string]bool{}, anyColumn: columns == nil,
		expression: true}
	for _, c := range columns {
		w.columns[strings.ToLower(c)] = true
	}
	return w.walk(list[0], nil)
}

// bare reports whether a select node is nothing but a list.
func bare(node map[string]any) bool {
	from, _ := node["from_table"].(map[string]any)
	mods, _ := node["modifiers"].([]any)
	groups, _ := node["group_expressions"].([]any)
	if from["type"] != "EMPTY" || len(mods)+len(groups) > 0 || node["aggregate_handling"] != "STANDARD_HANDLING" {
		return false
	}
	for _, k := range []string{"where_clause", "having", "sample", "qualify"} {
		if node[k] != nil {
			return false
		}
	}
	return true
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
	_, err := p.confineSelect(sql, inputs)
	return err
}

// reads is what a statement reads.
type reads struct {
	tables []string // in lower case, as SCHEMA.NAME or NAME
	named  []string // those with a tier, also if the statement is refused
	tree   map[string]any
}

// confineSelect also returns what the statement reads, and of one that is
// refused what it names.
func (p *Parser) confineSelect(sql string, inputs []string) (reads, error) {
	node, err := p.parse(sql)
	if err != nil {
		return reads{}, err
	}
	w := walker{p: p, sql: sql, anyColumn: true, inputs: map[string]bool{}, used: map[string]bool{}}
	for _, in := range inputs {
		w.inputs[strings.ToLower(in)] = true
	}
	r := reads{named: tablesOf(node)}
	if err := w.walk(node, nil); err != nil {
		return r, err
	}
	r.tables, r.tree = slices.Sorted(maps.Keys(w.used)), node
	return r, nil
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
}

// knownTypes are the nodes, table references and modifiers that only combine
// what is below them.
const knownTypes = " SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE" +
	" JOIN SUBQUERY EMPTY EXPRESSION_LIST PIVOT BASE_TABLE TABLE_FUNCTION SHOW_REF" +
	" LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER ORDER_MODIFIER DISTINCT_MODIFIER" +
	" ASCENDING DESCENDING ORDER_DEFAULT "

const knownClasses = " COLUMN_REF CONSTANT FUNCTION COMPARISON CONJUNCTION SUBQUERY CASE CAST OPERATOR WINDOW STAR" +
	" LAMBDA BETWEEN PARAMETER COLLATE POSITIONAL_REFERENCE DEFAULT "

func (w *walker) refuse(n map[string]any, format string, args ...any) error {
	msg := fmt.Sprintf(format, args...)
	if num, ok := n["query_location"].(json.Number); ok {
		if at, err := strconv.ParseUint(num.String(), 10, 64); err == nil && at <= uint64(len(w.sql)) {
			pe := positioned(w.sql, int(at), msg)
			if pe.Line == 1 {
				pe.Column = max(1, pe.Column-w.shift)
			}
			return fmt.Errorf("%w: %w", query.ErrRefused, pe)
		}
	}
	return fmt.Errorf("%w: %s", query.ErrRefused, msg)
}

// walk visits a value of the tree; ctes are the names in scope.
func (w *walker) walk(v any, ctes []string) error {
	switch n := v.(type) {
	case []any:
		for _, e := range n {
			if err := w.walk(e, ctes); err != nil {
				return err
			}
		}
	case map[string]any:
		return w.visit(n, ctes)
	}
	return nil
}

func (w *walker) visit(n map[string]any, ctes []string) error {
	if class, ok := n["class"].(string); ok {
		return w.expr(class, n, ctes)
	}
	typ, ok := n["type"].(string)
	if !ok {
		return w.children(n, ctes)
	}
	if !strings.Contains(knownTypes, " "+typ+" ") {
		return w.refuse(n, "%s is not supported here", strings.ToLower(typ))
	}
	switch typ {
	case "BASE_TABLE":
		return w.table(n, ctes)
	case "TABLE_FUNCTION":
		return w.tableFunction(n, ctes)
	case "SHOW_REF":
		if n["query"] == nil {
			return w.refuse(n, "this SHOW is not supported here; SHOW TABLES by itself lists tables, DESCRIBE TABLE tells of "+
				"one")
		}
	}
	return w.node(typ, n, ctes)
}

// node visits a node with its CTEs: each sees those before it, the body all.
func (w *walker) node(typ string, n map[string]any, ctes []string) error {
	if m, ok := n["cte_map"].(map[string]any); ok {
		list, _ := m["map"].([]any)
		for _, e := range list {
			entry, _ := e.(map[string]any)
			if err := w.walk(entry["value"], ctes); err != nil {
				return err
			}
			name, _ := entry["key"].(string)
			ctes = append(slices.Clip(ctes), strings.ToLower(name))
		}
	}
	name, _ := n["cte_name"].(string)
	inner := append(slices.Clip(ctes), strings.ToLower(name))
	for _, k := range keys(n) {
		scope := ctes
		switch {
		case k == "cte_map":
			continue
		case typ == "RECURSIVE_CTE_NODE" && k == "right", typ == "CTE_NODE" && k == "child":
			scope = inner
		}
		if err := w.walk(n[k], scope); err != nil {
			return err
		}
	}
	return nil
}

// keys are sorted, so that of several faults the same one is named each time.
func keys(n map[string]any) []string {
	out := make([]string, 0, len(n))
	for k := range n {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (w *walker) children(n map[string]any, ctes []string) error {
	for _, k := range keys(n) {
		if err := w.walk(n[k], ctes); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) table(n map[string]any, ctes []string) error {
	catalog, _ := n["catalog_name"].(string)
	schema, _ := n["schema_name"].(string)
	name, _ := n["table_name"].(string)
	full := strings.ToLower(name)
	switch {
	case w.expression:
		return w.refuse(n, "an expression has no tables")
	case n["at_clause"] != nil:
		return w.refuse(n, "AT is not supported here")
	case catalog == "" && schema == "":
		if slices.Contains(ctes, full) {
			return nil
		}
	case catalog == "":
		full = strings.ToLower(schema) + "." + full
	case strings.EqualFold(schema, "main"):
		full = strings.ToLower(catalog) + "." + full
	default:
		full = strings.ToLower(catalog+"."+schema) + "." + full
	}
	space, _, dotted := strings.Cut(full, ".")
	if w.inputs[full] || dotted && schema != "" &&
		strings.Count(full, ".") == strings.Count(strings.ToLower(name), ".")+1 && w.inputs[space+".*"] {
		if w.used != nil {
			w.used[full] = true
		}
		return nil
	}
	return &noTableError{w.refuse(n, "there is no table %s here; tables are %s", full, w.known())}
}

// noTableError is a refusal that most likely is a slip of the pen.
type noTableError struct{ refused error }

func (e *noTableError) Error() string {
	return strings.TrimPrefix(e.refused.Error(), query.ErrRefused.Error()+": ")
}
func (e *noTableError) Unwrap() []error { return []error{e.refused, query.ErrStatement} }

func (w *walker) known() string {
	list := make([]string, 0, len(w.inputs))
	for k := range w.inputs {
		list = append(list, k)
	}
	slices.Sort(list)
	if len(list) > 8 {
		list = append(list[:8], "...")
	}
	return strings.Join(list, ", ")
}

func (w *walker) tableFunction(n map[string]any, ctes []string) error {
	fn, _ := n["function"].(map[string]any)
	name, _ := fn["function_name"].(string)
	switch strings.ToLower(name) {
	case "range", "generate_series", "unnest", "json_each", "json_tree":
	default:
		return w.refuse(n, "the table function %s is not allowed", name)
	}
	if w.expression || !unqualified(fn) {
		return w.refuse(n, "the table function %s is not allowed here", name)
	}
	return w.children(fn, ctes)
}

// unqualified reports whether a function is named without its place. The
// parser itself puts literals such as [1] in the schema main.
func unqualified(fn map[string]any) bool {
	s, _ := fn["schema"].(string)
	c, _ := fn["catalog"].(string)
	return (s == "" || s == "main") && c == ""
}

func (w *walker) expr(class string, n map[string]any, ctes []string) error {
	if !strings.Contains(knownClasses, " "+class+" ") {
		return w.refuse(n, "%s is not supported here", strings.ToLower(class))
	}
	switch class {
	case "CONSTANT":
		return nil
	case "CAST":
		return w.walk(n["child"], ctes)
	case "FUNCTION", "WINDOW":
		name, _ := n["function_name"].(string)
		if !w.p.allowed(name) || !unqualified(n) {
			return w.refuse(n, "the function %s is not allowed", name)
		}
	case "SUBQUERY", "PARAMETER", "STAR", "POSITIONAL_REFERENCE":
		if w.expression {
			return w.refuse(n, "%s is not allowed in an expression", strings.ToLower(class))
		}
	case "COLUMN_REF":
		return w.column(n)
	case "LAMBDA":
		return w.lambda(n, ctes)
	}
	return w.children(n, ctes)
}

func (w *walker) column(n map[string]any) error {
	names, _ := n["column_names"].([]any)
	if w.anyColumn || len(names) == 0 {
		return nil
	}
	if first, _ := names[0].(string); !w.columns[strings.ToLower(first)] {
		return w.refuse(n, "there is no column %s here", first)
	}
	return nil
}

// lambda adds the parameters to the columns while its body is visited.
func (w *walker) lambda(n map[string]any, ctes []string) error {
	inner := *w
	inner.columns = map[string]bool{}
	for c := range w.columns {
		inner.columns[c] = true
	}
	addNames(n["lhs"], inner.columns)
	return inner.walk(n["expr"], ctes)
}

func addNames(v any, into map[string]bool) {
	switch n := v.(type) {
	case []any:
		for _, e := range n {
			addNames(e, into)
		}
	case map[string]any:
		if names, ok := n["column_names"].([]any); ok && len(names) == 1 {
			if s, ok := names[0].(string); ok {
				into[strings.ToLower(s)] = true
			}
		}
		addNames(n["children"], into)
	}
}
