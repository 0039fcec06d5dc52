package duckdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
)

// Lenient implements query.Lenient.
func (p *Parser) Lenient(expr string) (string, []string, error) {
	out, rows, err := p.lenient("SELECT " + expr)
	if err != nil || out == "" {
		return expr, nil, err
	}
	var misfits []string
	for _, r := range rows {
		if !slices.Contains(misfits, r.cond) {
			misfits = append(misfits, r.cond)
		}
	}
	return strings.TrimPrefix(out, "SELECT "), misfits, nil
}

// LenientSelect implements query.Lenient.
func (p *Parser) LenientSelect(sql string) (string, []string, error) {
	out, rows, err := p.lenient(sql)
	if err != nil || out == "" {
		return sql, nil, err
	}
	var counts []string
	for _, r := range rows {
		if r.from == nil {
			continue
		}
		text, err := p.text(map[string]any{"error": false,
			"statements": []any{map[string]any{"node": r.from, "named_param_map": []any{}}}})
		if err != nil {
			return sql, nil, err
		}
		if text += " WHERE " + r.cond; !slices.Contains(counts, text) {
			counts = append(counts, text)
		}
	}
	return out, counts, nil
}

// misfit says which rows do not convert.
type misfit struct {
	cond string
	from map[string]any // a SELECT of one over the table that the condition is about; nil: not known
}

// lenient returns the statement with its conversions made lenient; empty if it has none.
func (p *Parser) lenient(sql string) (string, []misfit, error) {
	text, err := p.serialize(sql)
	if err != nil {
		return "", nil, err
	}
	var tree map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return "", nil, fmt.Errorf("decode syntax tree: %w", err)
	}
	l := lenience{p: p}
	l.walk(tree["statements"], scope{rows: true})
	if l.err != nil || !l.changed {
		return "", nil, l.err
	}
	out, err := p.text(tree)
	return out, l.misfits, err
}

// text writes a syntax tree as SQL.
func (p *Parser) text(tree map[string]any) (string, error) {
	data, err := json.Marshal(tree)
	if err != nil {
		return "", fmt.Errorf("encode syntax tree: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return "", query.ErrUnavailable
	}
	r, err := p.conn.Query(context.Background(), "SELECT json_deserialize_sql(?::JSON)", string(data))
	if err != nil {
		return "", fmt.Errorf("write syntax tree: %w", err)
	}
	defer r.Release()
	if !r.Next() {
		return "", fmt.Errorf("write syntax tree: no answer: %w", r.Err())
	}
	return strings.TrimSuffix(r.RecordBatch().Column(0).(*array.String).Value(0), ";"), nil
}

// lenience rewrites a tree in place.
type lenience struct {
	p       *Parser
	changed bool
	misfits []misfit
	err     error
}

// scope is what surrounds an expression.
type scope struct {
	rows      bool           // it is about rows whose misfits can be counted
	aggregate bool           // it is what an aggregate is of
	held      bool           // it is an operand of arithmetic that TRY holds already
	from      map[string]any // a count of the rows of the SELECT around it; nil: not known
}

// walk rewrites what is below v.
func (l *lenience) walk(v any, in scope) {
	switch n := v.(type) {
	case []any:
		for _, e := range n {
			l.walk(e, in)
		}
	case map[string]any:
		if n["type"] == "SELECT_NODE" {
			in.from = l.table(n)
		}
		inner, hold := in, n["class"] == "FUNCTION" && l.overflows(n)
		switch name, _ := n["function_name"].(string); {
		case n["class"] == "LAMBDA":
			inner.rows = false
		case named(aggregates, name):
			inner.aggregate = true
		case n["type"] == "SELECT_NODE":
			inner.aggregate = false
		}
		if n["class"] != nil {
			inner.held = hold
		}
		for _, k := range keys(n) {
			l.walk(n[k], inner)
		}
		switch n["class"] {
		case "CAST":
			l.cast(n, in)
		case "FUNCTION":
			switch {
			case !hold:
				l.function(n, in)
			case !in.held:
				l.compute(n, in)
			}
		case "COMPARISON":
			l.comparison(n, []any{n["left"], n["right"]}, in)
		case "OPERATOR":
			if args, _ := n["children"].([]any); n["type"] == "COMPARE_IN" || n["type"] == "COMPARE_NOT_IN" {
				l.comparison(n, args, in)
			}
		}
	}
}

// comparison makes a column's comparison with constants that are no texts give
// NULL for a text that does not convert to their type. What the column's type
// is, only the engine knows; it decides that before it plans, so a number's
// comparison stays as it is.
func (l *lenience) comparison(n map[string]any, values []any, in scope) {
	var column map[string]any
	for _, v := range values {
		switch e, _ := v.(map[string]any); {
		case e["class"] == "COLUMN_REF" && column == nil:
			column = e
		case varies(v) || isText(e):
			return
		}
	}
	if column == nil {
		return
	}
	whole, err := l.expr(n)
	value, verr := l.expr(column)
	if l.err = errors.Join(l.err, err, verr); l.err != nil {
		return
	}
	alias := n["alias"]
	l.become(n, fmt.Sprintf("CASE WHEN typeof(%s) = 'VARCHAR' THEN TRY(%s) ELSE %[2]s END", value, whole))
	if n["alias"] = alias; in.rows {
		l.misfits = append(l.misfits, misfit{fmt.Sprintf("typeof(%[1]s) = 'VARCHAR' AND (%[1]s) IS NOT NULL AND "+
			"TRY(%[2]s) IS NULL", value, whole), in.from})
	}
}

// table is a SELECT of count(*) over the one table that a SELECT reads.
func (l *lenience) table(n map[string]any) map[string]any {
	t, _ := n["from_table"].(map[string]any)
	if t["type"] != "BASE_TABLE" {
		return nil
	}
	out := maps.Clone(n)
	for k, v := range map[string]any{"where_clause": nil, "having": nil, "qualify": nil, "sample": nil,
		"modifiers": []any{}, "group_expressions": []any{}, "group_sets": []any{},
		"aggregate_handling": "STANDARD_HANDLING"} {
		out[k] = v
	}
	out["select_list"] = []any{map[string]any{"class": "FUNCTION", "type": "FUNCTION", "alias": "",
		"function_name": "count_star", "schema": "", "children": []any{},
		"filter": nil, "order_bys": map[string]any{"type": "ORDER_MODIFIER", "orders": []any{}}, "distinct": false,
		"is_operator": false, "export_state": false, "catalog": ""}}
	return out
}

// cast makes a conversion give NULL where it would fail. Texts and constants
// always convert, or never.
func (l *lenience) cast(n map[string]any, in scope) {
	child, _ := n["child"].(map[string]any)
	typ, _ := n["cast_type"].(map[string]any)
	if typ["id"] == "VARCHAR" || !varies(child) {
		return
	}
	if n["try_cast"] == false {
		n["try_cast"], l.changed = true, true
	}
	if value := maps.Clone(child); in.aggregate && (typ["id"] == "DOUBLE" || typ["id"] == "FLOAT") && ofRow(child) {
		// One text that reads NaN would be the sum of all.
		var whole any = n
		l.replace(&whole, "CASE WHEN isfinite(%[1]s) THEN %[1]s END")
		l.count(value, n, in)
		return
	}
	l.count(child, n, in)
}

// count notes the rows that have a value and for which whole gives none.
func (l *lenience) count(value, whole map[string]any, in scope) {
	if !in.rows || !ofRow(value) {
		return
	}
	w, err := l.expr(whole)
	v, verr := l.expr(value)
	if l.err = errors.Join(l.err, err, verr); l.err == nil {
		l.misfits = append(l.misfits, misfit{"(" + v + ") IS NOT NULL AND (" + w + ") IS NULL", in.from})
	}
}

// expr writes one expression.
func (l *lenience) expr(n map[string]any) (string, error) {
	plain := maps.Clone(n)
	plain["alias"] = ""
	node := map[string]any{"type": "SELECT_NODE", "modifiers": []any{}, "cte_map": map[string]any{"map": []any{}},
		"select_list": []any{plain},
		"from_table": map[string]any{"type": "EMPTY", "alias": "", "sample": nil,
			"query_location": json.Number("18446744073709551615")},
		"where_clause": nil, "group_expressions": []any{}, "group_sets": []any{}, "aggregate_handling": "STANDARD_HANDLING",
		"having": nil, "sample": nil, "qualify": nil}
	text, err := l.p.text(map[string]any{"error": false,
		"statements": []any{map[string]any{"node": node, "named_param_map": []any{}}}})
	return strings.TrimPrefix(text, "SELECT "), err
}

// function makes a function that may fail give NULL instead.
func (l *lenience) function(n map[string]any, in scope) {
	name, _ := n["function_name"].(string)
	args, _ := n["children"].([]any)
	if len(args) == 0 {
		return
	}
	first, _ := args[0].(map[string]any)
	switch {
	case strings.EqualFold(name, "strptime"):
		name, n["function_name"], l.changed = "try_strptime", "try_strptime", true
	case named(squaring, name):
		for i := range args {
			l.replace(&args[i], "CASE WHEN abs(TRY_CAST(%[1]s AS DOUBLE)) < 1e150 THEN %[1]s END")
		}
	case mayFail(name, args) && !isUnmapped(first):
		l.try(n, args)
	}
	if named(converting, name) {
		l.count(first, n, in)
	}
}

// try puts a function into TRY. That holds no aggregates, windows and
// subqueries, so such arguments are worked out before it.
func (l *lenience) try(n map[string]any, args []any) {
	l.changed = true
	alias := n["alias"]
	inner := maps.Clone(n)
	inner["alias"] = ""
	whole := map[string]any{"class": "OPERATOR", "type": "OPERATOR_TRY", "alias": "", "children": []any{inner}}
	if ofRow(n) {
		clear(n)
		maps.Copy(n, whole)
		n["alias"] = alias
		return
	}
	var members []string
	outer := slices.Clone(args)
	for i, a := range args {
		arg, _ := a.(map[string]any)
		if !varies(a) || arg["class"] == "LAMBDA" {
			continue
		}
		text, err := l.expr(arg)
		l.err = errors.Join(l.err, err)
		member := fmt.Sprintf("a%d", i)
		members = append(members, member+" := "+text)
		outer[i] = map[string]any{"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "",
			"column_names": []any{"lakeward_args", member}}
	}
	inner["children"] = outer
	text, err := l.expr(whole)
	if l.err = errors.Join(l.err, err); l.err == nil {
		l.become(n, "list_transform([struct_pack("+strings.Join(members, ", ")+")], lambda lakeward_args: "+text+")[1]")
		n["alias"] = alias
	}
}

// replace writes an expression into a template, and that in its place.
func (l *lenience) replace(v *any, template string) {
	n, ok := (*v).(map[string]any)
	if !ok || !varies(n) {
		return
	}
	text, err := l.expr(n)
	if l.err = errors.Join(l.err, err); l.err == nil {
		l.become(n, fmt.Sprintf(template, "("+text+")"))
	}
}

// become makes a node the expression of the text.
func (l *lenience) become(n map[string]any, text string) {
	parsed, err := l.p.serialize("SELECT " + text)
	if err != nil {
		l.err = errors.Join(l.err, err)
		return
	}
	var tree struct {
		Statements []struct {
			Node struct {
				List []map[string]any `json:"select_list"`
			} `json:"node"`
		} `json:"statements"`
	}
	d := json.NewDecoder(strings.NewReader(parsed))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil || len(tree.Statements) != 1 || len(tree.Statements[0].Node.List) != 1 {
		l.err = errors.Join(l.err, fmt.Errorf("%q is not an expression: %w", text, err))
		return
	}
	clear(n)
	maps.Copy(n, tree.Statements[0].Node.List[0])
	l.changed = true
}

// overflows reports whether a function is arithmetic over values of a row.
func (l *lenience) overflows(n map[string]any) bool {
	name, _ := n["function_name"].(string)
	return named(arithmetic, name) && ofRow(n) && hasColumn(n["children"])
}

// compute makes arithmetic that overflows give NULL, and notes the rows whose
// operands have values and give none.
func (l *lenience) compute(n map[string]any, in scope) {
	operands, divisors := l.operands(n)
	inner, alias := maps.Clone(n), n["alias"]
	inner["alias"] = ""
	clear(n)
	maps.Copy(n, map[string]any{"class": "OPERATOR", "type": "OPERATOR_TRY", "alias": alias, "children": []any{inner}})
	l.changed = true
	if !in.rows {
		return
	}
	whole, err := l.expr(n)
	l.err = errors.Join(l.err, err)
	conds := []string{"(" + whole + ") IS NULL"}
	for i, list := range [][]map[string]any{operands, divisors} {
		for _, o := range list {
			text, err := l.expr(o)
			l.err = errors.Join(l.err, err)
			conds = append(conds, "("+text+[]string{") IS NOT NULL", ") <> 0"}[i])
		}
	}
	if l.err == nil {
		l.misfits = append(l.misfits, misfit{strings.Join(conds, " AND "), in.from})
	}
}

// operands are what arithmetic is made of, constants left out, and by what it divides.
func (l *lenience) operands(n map[string]any) (operands, divisors []map[string]any) {
	args, _ := n["children"].([]any)
	name, _ := n["function_name"].(string)
	for i, a := range args {
		arg, _ := a.(map[string]any)
		if i == 1 && named(dividing, name) {
			divisors = append(divisors, arg)
		}
		switch {
		case arg["class"] == "FUNCTION" && l.overflows(arg):
			o, d := l.operands(arg)
			operands, divisors = append(operands, o...), append(divisors, d...)
		case hasColumn(arg):
			operands = append(operands, arg)
		}
	}
	return operands, divisors
}

// hasColumn reports whether an expression reads a column.
func hasColumn(v any) bool {
	switch n := v.(type) {
	case []any:
		return slices.ContainsFunc(n, hasColumn)
	case map[string]any:
		if n["class"] == "COLUMN_REF" {
			return true
		}
		for _, e := range n {
			if hasColumn(e) {
				return true
			}
		}
	}
	return false
}
