package duckdb

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/lakeward/lakeward/query"
)

// wantOf is what a statement may need of a table of the remote tier, in more
// columns and rows rather than in fewer: the engine evaluates the whole
// statement over them again.
func wantOf(table string, tree map[string]any) query.Want {
	u := usage{table: table, columns: map[string]bool{}, alone: map[string]bool{}, aliases: map[string]bool{table: true}}
	u.walk(tree)
	w := query.Want{Table: table}
	for a := range u.aliases { // a row as a value: SELECT f FROM analytics.findings AS f
		u.all = u.all || u.alone[a]
	}
	if !u.all {
		w.Columns = []string{}
		for n := range u.columns {
			w.Columns = append(w.Columns, n)
		}
	}
	if u.times == 1 && u.only != nil {
		from, _ := u.only["from_table"].(map[string]any)
		alias, _ := from["alias"].(string)
		if alias == "" {
			alias = table
		}
		w.Where = conditions(u.only["where_clause"], strings.ToLower(alias))
	}
	return w
}

// usage is where a table and names that may be its columns are met in a
// syntax tree. Names are in lower case.
type usage struct {
	table   string
	columns map[string]bool // every part of every name
	alone   map[string]bool // names of one part
	aliases map[string]bool // of the table
	all     bool            // a column may be meant without its name
	times   int             // that a table of this name is read
	only    map[string]any  // SELECT from this table alone
}

func (u *usage) walk(v any) {
	switch n := v.(type) {
	case []any:
		for _, e := range n {
			u.walk(e)
		}
	case map[string]any:
		u.visit(n)
		for _, e := range n {
			u.walk(e)
		}
	}
}

func (u *usage) visit(n map[string]any) {
	if n["type"] == "BASE_TABLE" {
		u.base(n)
	}
	if from, ok := n["from_table"].(map[string]any); ok && n["type"] == "SELECT_NODE" && from["type"] == "BASE_TABLE" &&
		u.is(from) && n["sample"] == nil && from["sample"] == nil {
		u.only = n
	}
	switch {
	case n["class"] == "STAR", n["class"] == "POSITIONAL_REFERENCE", n["type"] == "SHOW_REF", n["type"] == "PIVOT",
		n["ref_type"] == "NATURAL":
		u.all = true
	}
	for _, key := range []string{"column_names", "using_columns"} {
		parts := texts(n[key])
		for _, p := range parts {
			u.columns[p] = true
		}
		if len(parts) == 1 {
			u.alone[parts[0]] = true
		}
	}
}

func (u *usage) is(n map[string]any) bool {
	name, _ := n["table_name"].(string)
	return strings.EqualFold(name, u.table)
}

func (u *usage) base(n map[string]any) {
	if !u.is(n) {
		return
	}
	u.times++
	if alias, _ := n["alias"].(string); alias != "" {
		u.aliases[strings.ToLower(alias)] = true
	}
	if len(texts(n["column_name_alias"])) > 0 { // other names for the columns, by their order
		u.all = true
	}
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, strings.ToLower(s))
		}
	}
	return out
}

var comparisons = map[any]string{
	"COMPARE_EQUAL": "=", "COMPARE_LESSTHAN": "<", "COMPARE_LESSTHANOREQUALTO": "<=",
	"COMPARE_GREATERTHAN": ">", "COMPARE_GREATERTHANOREQUALTO": ">=",
}

// conditions are those of the terms of a WHERE that compare a column of the
// table, which has the alias, with a constant on its right.
func conditions(where any, alias string) []query.Condition {
	n, _ := where.(map[string]any)
	if n["type"] == "CONJUNCTION_AND" {
		var out []query.Condition
		terms, _ := n["children"].([]any)
		for _, t := range terms {
			out = append(out, conditions(t, alias)...)
		}
		return out
	}
	op, ok := comparisons[n["type"]]
	left, _ := n["left"].(map[string]any)
	names := texts(left["column_names"])
	if len(names) == 2 && names[0] == alias { // another's is that of an outer statement
		names = names[1:]
	}
	if !ok || left["class"] != "COLUMN_REF" || len(names) != 1 {
		return nil
	}
	var out []query.Condition
	for _, v := range constants(n["right"]) {
		out = append(out, query.Condition{Column: names[0], Op: op, Value: v})
	}
	return out
}

// constants are the forms that a constant may be compared in: a text that
// reads as a time is both, and the remote takes the one that fits the column.
func constants(v any) []any {
	n, _ := v.(map[string]any)
	if n["class"] == "CAST" {
		to, _ := n["cast_type"].(map[string]any)
		if id, _ := to["id"].(string); id != "TIMESTAMP" && id != "TIMESTAMP WITH TIME ZONE" {
			return nil
		}
		for _, c := range constants(n["child"]) {
			if t, ok := c.(time.Time); ok {
				return []any{t}
			}
		}
		return nil
	}
	value, _ := n["value"].(map[string]any)
	if n["class"] != "CONSTANT" || value["is_null"] == true {
		return nil
	}
	switch c := value["value"].(type) {
	case string:
		out := []any{c}
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999Z07:00", "2006-01-02 15:04:05.999999",
			"2006-01-02"} {
			if t, err := time.Parse(layout, c); err == nil && t.Nanosecond()%1000 == 0 {
				return append(out, t)
			}
		}
		return out
	case json.Number:
		if i, err := c.Int64(); err == nil {
			typ, _ := value["type"].(map[string]any)
			if id, _ := typ["id"].(string); id == "INTEGER" || id == "BIGINT" {
				return []any{i}
			}
		}
	}
	return nil
}
