package duckdb

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb/syntax"
	"github.com/lakeward/lakeward/tiers"
)

// equality says that a row counts only if a text field has the value.
type equality struct {
	field int // id
	value string
}

// required finds what a statement (nil: any) asks of every row of a table:
// equalities of text fields and constants that its WHERE joins with AND.
func required(statement *syntax.Statement, t query.TableView) []equality {
	if statement == nil {
		return nil
	}
	s, table := syntax.Alone(statement, t.Name)
	if s == nil {
		return nil
	}
	var out []equality
	for _, term := range syntax.Terms(s.Where) {
		value, ok := term.Value.(*syntax.Constant)
		if !ok || term.Op != "=" || value.Value.Null || value.Value.Type.ID != "VARCHAR" {
			continue
		}
		f, ok := resolve(t.Schema, table.As(), term.Column)
		text, isText := value.Value.Value.(string)
		if ok && isText && f.Type.Kind == tiers.KindString {
			out = append(out, equality{f.ID, text})
		}
	}
	return out
}

// resolve finds the field that a reference names, if it can name nothing else.
func resolve(s tiers.Schema, alias string, names []string) (f tiers.Field, ok bool) {
	fields := s.Fields
	for i, name := range names {
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

// part is a set of a table's files. Of these only the rows are read that have the
// wanted values in the copies of the fields.
type part struct {
	files    []tiers.DataFile
	extracts []string // local paths of files with pages of others, instead of files
	want     []equality

	// Of files that are read by name:
	template string   // local path; empty: they are read by field id
	columns  []string // of the view, those that they lack as NULL
	rows     int64
}

// names returns the names of a part's files in SQL.
func (p part) names() ([]string, error) {
	var out []string
	for _, path := range p.extracts {
		out = append(out, fileName(path))
	}
	for _, f := range p.files {
		path, err := tiers.LocalPath(f.Path)
		if err != nil {
			return nil, fmt.Errorf("data file: %w", err)
		}
		out = append(out, fileName(path))
	}
	return out, nil
}
