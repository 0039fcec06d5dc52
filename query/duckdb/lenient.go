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

// fallible are the scalar functions that fail on a value that they cannot take.
const fallible = " ln log log2 log10 sqrt acos asin lgamma gamma factorial chr" +
	" from_base64 unhex from_hex from_binary unbin decode make_timestamp make_timestamptz make_date make_time to_timestamp epoch_ms" +
	" json_extract json_extract_string json_extract_path json_extract_path_text json_array_length json_type json_keys" +
	" json_contains json_transform from_json -> ->>"

// arithmetic are the operators and functions that may overflow. Division of
// numbers gives infinity or NULL.
const arithmetic = " + - * // % << abs add subtract multiply divide mod lcm bit_count substr substring epoch_ns" +
	" to_years to_months to_weeks to_days to_hours to_minutes to_seconds to_milliseconds to_microseconds to_decades to_centuries to_millennia "

// dividing are those of them that give NULL for a divisor of zero.
const dividing = " // % divide mod "

// converting are those of them, and strptime's twin, that convert their first argument.
const converting = " from_base64 unhex from_hex from_binary unbin to_timestamp epoch_ms try_strptime"

// aggregates are the functions that TRY may not hold, nor a condition of rows.
const aggregates = " string_agg bit_and bit_or bit_xor bitstring_agg stddev stddev_samp stddev_pop avg mean favg approx_count_distinct" +
	" quantile quantile_cont quantile_disc approx_quantile reservoir_quantile list array_agg histogram histogram_exact skewness kurtosis" +
	" kurtosis_pop arg_max arg_min argmax argmin arg_max_null arg_min_null arg_max_nulls_last arg_min_nulls_last max_by min_by max min" +
	" approx_top_k first last arbitrary any_value variance var_samp var_pop covar_samp covar_pop corr mode mad median entropy" +
	" regr_sxy regr_sxx regr_syy regr_slope regr_intercept regr_avgx regr_avgy regr_r2 regr_count sum kahan_sum fsum sumkahan" +
	" sum_no_overflow product sem listagg group_concat count count_star count_if countif bool_and bool_or "

// volatile are the functions that TRY may not hold either.
const volatile = " random gen_random_uuid uuid uuidv4 uuidv7 "

func named(list, name string) bool { return strings.Contains(list+" ", " "+strings.ToLower(name)+" ") }

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
		text, err := p.text(map[string]any{"error": false, "statements": []any{map[string]any{"node": r.from, "named_param_map": []any{}}}})
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
	rows bool           // it is about rows whose misfits can be counted
	held bool           // it is an operand of arithmetic that TRY holds already
	from map[string]any // a count of the rows of the SELECT around it; nil: not known
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
		if n["class"] == "LAMBDA" {
			inner.rows = false
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
		}
	}
}

// table is a SELECT of count(*) over the one table that a SELECT reads.
func (l *lenience) table(n map[string]any) map[string]any {
	t, _ := n["from_table"].(map[string]any)
	if t["type"] != "BASE_TABLE" {
		return nil
	}
	out := maps.Clone(n)
	for k, v := range map[string]any{"where_clause": nil, "having": nil, "qualify": nil, "sample": nil, "modifiers": []any{}, "group_expressions": []any{}, "group_sets": []any{}, "aggregate_handling": "STANDARD_HANDLING"} {
		out[k] = v
	}
	out["select_list"] = []any{map[string]any{"class": "FUNCTION", "type": "FUNCTION", "alias": "", "function_name": "count_star", "schema": "", "children": []any{},
		"filter": nil, "order_bys": map[string]any{"type": "ORDER_MODIFIER", "orders": []any{}}, "distinct": false, "is_operator": false, "export_state": false, "catalog": ""}}
	return out
}

// cast makes a conversion give NULL where it would fail. Texts and constants
// always convert, or never.
func (l *lenience) cast(n map[string]any, in scope) {
	child, _ := n["child"].(map[string]any)
	typ, _ := n["cast_type"].(map[string]any)
	if typ["id"] == "VARCHAR" || child["class"] == "CONSTANT" {
		return
	}
	if n["try_cast"] == false {
		n["try_cast"], l.changed = true, true
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
	node := map[string]any{"type": "SELECT_NODE", "modifiers": []any{}, "cte_map": map[string]any{"map": []any{}}, "select_list": []any{plain},
		"from_table":   map[string]any{"type": "EMPTY", "alias": "", "sample": nil, "query_location": json.Number("18446744073709551615")},
		"where_clause": nil, "group_expressions": []any{}, "group_sets": []any{}, "aggregate_handling": "STANDARD_HANDLING", "having": nil, "sample": nil, "qualify": nil}
	text, err := l.p.text(map[string]any{"error": false, "statements": []any{map[string]any{"node": node, "named_param_map": []any{}}}})
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
	if strings.EqualFold(name, "strptime") {
		name, n["function_name"], l.changed = "try_strptime", "try_strptime", true
	} else if named(fallible, name) && ofRow(n) && !isUnmapped(first) {
		inner, alias := maps.Clone(n), n["alias"]
		inner["alias"] = ""
		clear(n)
		maps.Copy(n, map[string]any{"class": "OPERATOR", "type": "OPERATOR_TRY", "alias": alias, "children": []any{inner}})
		l.changed = true
	}
	if named(converting, name) {
		l.count(first, n, in)
	}
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

// isUnmapped knows the column of an event's other values: it is always JSON.
func isUnmapped(n map[string]any) bool {
	names, _ := n["column_names"].([]any)
	return len(names) > 0 && names[len(names)-1] == "unmapped"
}

// ofRow reports whether an expression is over the values of one row.
func ofRow(v any) bool {
	switch n := v.(type) {
	case []any:
		for _, e := range n {
			if !ofRow(e) {
				return false
			}
		}
	case map[string]any:
		switch n["class"] {
		case "WINDOW", "SUBQUERY", "LAMBDA", "PARAMETER", "POSITIONAL_REFERENCE", "STAR":
			return false
		case "FUNCTION":
			if name, _ := n["function_name"].(string); named(aggregates, name) || named(volatile, name) {
				return false
			}
		}
		for _, e := range n {
			if !ofRow(e) {
				return false
			}
		}
	}
	return true
}
