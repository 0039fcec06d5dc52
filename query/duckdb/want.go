package duckdb

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb/syntax"
)

// wantOf is what a statement may need of a table of the remote tier, in more
// columns and rows rather than in fewer: the engine evaluates the whole
// statement over them again.
func wantOf(table string, tree *syntax.Statement) query.Want {
	u := usage{table: table, columns: map[string]bool{}, alone: map[string]bool{}, aliases: map[string]bool{table: true}}
	for n := range syntax.All(tree.Node) {
		u.visit(n)
	}
	w := query.Want{Table: table}
	for a := range u.aliases { // a row as a value: SELECT f FROM analytics.findings AS f
		u.all = u.all || u.alone[a]
	}
	if !u.all {
		w.Columns = slices.AppendSeq([]string{}, maps.Keys(u.columns))
	}
	if s, t := syntax.Alone(tree, table); s != nil {
		w.Where = conditions(s.Where, t.As())
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
}

func (u *usage) visit(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.BaseTable:
		if n.Is(u.table) {
			u.aliases[strings.ToLower(n.As())] = true
			u.all = u.all || len(n.Columns) > 0 // other names for the columns, by their order
		}
	case *syntax.Star, *syntax.Position, *syntax.Show, *syntax.Pivot:
		u.all = true
	case *syntax.Join:
		u.all = u.all || n.Ref == "NATURAL"
		u.names(n.Using)
	case *syntax.Column:
		u.names(n.Names)
	}
}

func (u *usage) names(parts []string) {
	for _, p := range parts {
		u.columns[strings.ToLower(p)] = true
	}
	if len(parts) == 1 {
		u.alone[strings.ToLower(parts[0])] = true
	}
}

// conditions are those of the terms of a WHERE that a remote can evaluate: of a
// column of the table, which has the alias.
func conditions(where syntax.Expr, alias string) []query.Condition {
	var out []query.Condition
	for _, t := range syntax.Terms(where) {
		names := t.Column
		if len(names) == 2 && strings.EqualFold(names[0], alias) { // another's is that of an outer statement
			names = names[1:]
		}
		if len(names) != 1 {
			continue
		}
		for _, v := range constants(t.Value) {
			out = append(out, query.Condition{Column: strings.ToLower(names[0]), Op: t.Op, Value: v})
		}
	}
	return out
}

// constants are the forms that a constant may be compared in: a text that
// reads as a time is both, and the remote takes the one that fits the column.
func constants(e syntax.Expr) []any {
	if c, ok := e.(*syntax.Cast); ok {
		if c.To.ID != "TIMESTAMP" && c.To.ID != "TIMESTAMP WITH TIME ZONE" {
			return nil
		}
		for _, v := range constants(c.Child) {
			if t, ok := v.(time.Time); ok {
				return []any{t}
			}
		}
		return nil
	}
	c, ok := e.(*syntax.Constant)
	if !ok || c.Value.Null {
		return nil
	}
	switch v := c.Value.Value.(type) {
	case string:
		out := []any{v}
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999Z07:00", "2006-01-02 15:04:05.999999",
			"2006-01-02"} {
			if t, err := time.Parse(layout, v); err == nil && t.Nanosecond()%1000 == 0 {
				return append(out, t)
			}
		}
		return out
	case json.Number:
		if i, err := v.Int64(); err == nil && (c.Value.Type.ID == "INTEGER" || c.Value.Type.ID == "BIGINT") {
			return []any{i}
		}
	}
	return nil
}
