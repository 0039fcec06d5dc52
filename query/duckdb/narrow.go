package duckdb

import (
	"slices"
	"strings"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// equality says that a row counts only if a text field has the value.
type equality struct {
	field int // id
	value string
}

// required finds what a statement asks of every row of a table: equalities of
// text fields and constants that its WHERE joins with AND. There is none unless
// the statement names the table once, alone in a FROM: only then do they hold
// for all that the statement reads of it.
func required(statement map[string]any, t query.TableView) []equality {
	s := search{name: strings.ToLower(t.Name)}
	s.visit(statement)
	if s.named != 1 || s.node == nil {
		return nil
	}
	from, _ := s.node["from_table"].(map[string]any)
	if from["sample"] != nil || s.node["sample"] != nil || len(list(from["column_name_alias"])) > 0 {
		return nil
	}
	as, _ := from["alias"].(string)
	if as == "" {
		as = t.Name
	}
	var out []equality
	for _, c := range conjuncts(s.node["where_clause"]) {
		left, right := object(c["left"]), object(c["right"])
		if left["class"] == "CONSTANT" {
			left, right = right, left
		}
		if c["class"] != "COMPARISON" || c["type"] != "COMPARE_EQUAL" || left["class"] != "COLUMN_REF" ||
			right["class"] != "CONSTANT" {
			continue
		}
		f, ok := resolve(t.Schema, as, list(left["column_names"]))
		v, text := constant(right)
		if ok && text && f.Type.Kind == tiers.KindString {
			out = append(out, equality{f.ID, v})
		}
	}
	return out
}

// search looks for the SELECT whose FROM is one table.
type search struct {
	name  string
	named int
	node  map[string]any
}

func (s *search) visit(v any) {
	switch n := v.(type) {
	case []any:
		for _, e := range n {
			s.visit(e)
		}
	case map[string]any:
		if s.is(n) {
			s.named++
		}
		if n["type"] == "SELECT_NODE" && s.is(object(n["from_table"])) {
			s.node = n
		}
		for _, e := range n {
			s.visit(e)
		}
	}
}

// is reports whether a reference may name the table, in whatever schema.
func (s *search) is(n map[string]any) bool {
	name, _ := n["table_name"].(string)
	return n["type"] == "BASE_TABLE" && strings.EqualFold(name, s.name)
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// conjuncts are the parts of a condition that must all be true.
func conjuncts(v any) []map[string]any {
	n := object(v)
	if n["class"] != "CONJUNCTION" || n["type"] != "CONJUNCTION_AND" {
		return []map[string]any{n}
	}
	var out []map[string]any
	for _, c := range list(n["children"]) {
		out = append(out, conjuncts(c)...)
	}
	return out
}

// constant is the text of a constant.
func constant(n map[string]any) (string, bool) {
	v := object(n["value"])
	text, ok := v["value"].(string)
	return text, ok && v["is_null"] == false && object(v["type"])["id"] == "VARCHAR"
}

// resolve finds the field that a reference names, if it can name nothing else.
func resolve(s tiers.Schema, alias string, names []any) (f tiers.Field, ok bool) {
	fields := s.Fields
	for i, n := range names {
		name, _ := n.(string)
		at := slices.IndexFunc(fields, func(f tiers.Field) bool { return strings.EqualFold(f.Name, name) })
		if i == 0 && (strings.EqualFold(name, alias) || strings.EqualFold(name, "lake")) {
			if at >= 0 || strings.EqualFold(name, "lake") || len(names) == 1 {
				return f, false // of a column or of the table?
			}
			continue
		}
		if at < 0 || slices.ContainsFunc(fields[at+1:], func(f tiers.Field) bool { return strings.EqualFold(f.Name, name) }) {
			return f, false
		}
		f, fields = fields[at], fields[at].Type.Fields
	}
	return f, len(names) > 0
}

// copyName begins the name that a copy gets in a view's SQL.
const copyName = "_copy_"

// narrowed divides a table's files by which of the required fields they have
// copies of. It is nil if what is required helps with none of them.
func narrowed(t query.TableView, want []equality) []part {
	if slices.ContainsFunc(t.Schema.Fields,
		func(f tiers.Field) bool { return strings.HasPrefix(strings.ToLower(f.Name), copyName) }) {
		return nil // the names are taken
	}
	var out []part
	helps := false
	for _, f := range t.Files {
		var has []equality
		for _, e := range want {
			if slices.Contains(f.Copies, e.field) {
				has, helps = append(has, e), true
			}
		}
		helps = helps || f.Clustered && len(want) > 0
		at := slices.IndexFunc(out, func(p part) bool { return slices.Equal(p.want, has) })
		if at < 0 {
			at, out = len(out), append(out, part{want: has})
		}
		out[at].files = append(out[at].files, f)
	}
	if !helps {
		return nil
	}
	return out
}

// part is some files of a table, of which only the rows are read that have
// what is wanted in the copies of the fields.
type part struct {
	files    []tiers.DataFile
	extracts []string // local paths of files with pages of others, instead of files
	want     []equality

	// Of files that are read by name:
	template string   // local path; empty: they are read by field id
	columns  []string // of the view, those that they lack as NULL
	rows     int64
}

// paths are those of its files.
func (p part) paths() ([]string, error) {
	out := slices.Clone(p.extracts)
	for _, f := range p.files {
		local, err := localPath(f.Path)
		if err != nil {
			return nil, err
		}
		out = append(out, local)
	}
	return out, nil
}
