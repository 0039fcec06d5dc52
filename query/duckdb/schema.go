package duckdb

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// sqlType renders a lake type in DuckDB's dialect.
func sqlType(t tiers.Type) (string, error) {
	switch t.Kind {
	case tiers.KindBool:
		return "BOOLEAN", nil
	case tiers.KindLong:
		return "BIGINT", nil
	case tiers.KindDouble:
		return "DOUBLE", nil
	case tiers.KindString:
		return "VARCHAR", nil
	case tiers.KindBinary:
		return "BLOB", nil
	case tiers.KindDate:
		return "DATE", nil
	case tiers.KindTimestamp:
		return "TIMESTAMP WITH TIME ZONE", nil
	case tiers.KindDecimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale), nil
	case tiers.KindList:
		if t.Elem == nil {
			return "", fmt.Errorf("list without an element type")
		}
		e, err := sqlType(t.Elem.Type)
		return e + "[]", err
	case tiers.KindStruct:
		return sqlStruct(t.Fields)
	default:
		return "", fmt.Errorf("no SQL type for kind %s", t.Kind)
	}
}

func sqlStruct(fields []tiers.Field) (string, error) {
	if len(fields) == 0 {
		return "", fmt.Errorf("struct without fields")
	}
	parts := make([]string, len(fields))
	for i, f := range fields {
		t, err := sqlType(f.Type)
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.Name, err)
		}
		parts[i] = quote.Ident(f.Name) + " " + t
	}
	return "STRUCT(" + strings.Join(parts, ", ") + ")", nil
}

// tableSelect returns the SELECT behind lake.NAME: the rows of the view's files, or
// no rows of the right types. parts are the view's files, divided; without parts no
// row is read.
func tableSelect(v verified, parts []part) (string, error) {
	t := v.table
	if len(t.Schema.Fields) == 0 {
		return "", fmt.Errorf("table %s has no columns", t.Name)
	}
	var cols, ids []string
	for _, f := range t.Schema.Fields {
		typ, err := sqlType(f.Type)
		if err != nil {
			return "", fmt.Errorf("table %s, column %s: %w", t.Name, f.Name, err)
		}
		cols = append(cols, quote.Ident(f.Name))
		ids = append(ids, fieldByID(f.ID, f.Name, typ))
		if f.ID <= 0 && len(t.Files) > 0 {
			return "", fmt.Errorf("table %s, column %s has no field id", t.Name, f.Name)
		}
	}
	if len(parts) == 0 {
		empty, err := nullColumns(t)
		return "SELECT " + strings.Join(empty, ", ") + " WHERE false", err
	}
	selects := make([]string, len(parts))
	for i, p := range parts {
		var err error
		if selects[i], err = p.sql(cols, ids); err != nil {
			return "", fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return merged(t.Schema.Fields, strings.Join(selects, " UNION ALL ")), nil
}

// merged shows the whole numbers of a column and the fractions beside it as one
// column of doubles: Iceberg lets no long become a double, and who asks for the
// sum of n wants all of n. Those beside it are a column as well.
func merged(fields []tiers.Field, sel string) string {
	var replaced []string
	for _, f := range fields {
		if e := mergedField(fields, f, quote.Ident(f.Name)); e != "" {
			replaced = append(replaced, e+" AS "+quote.Ident(f.Name))
		}
	}
	if len(replaced) == 0 {
		return sel
	}
	return "SELECT * REPLACE (" + strings.Join(replaced, ", ") + ") FROM (" + sel + ")"
}

// mergedField returns the expression of a field that has fractions beside it, or has
// such a member; empty if neither is so.
func mergedField(siblings []tiers.Field, f tiers.Field, ref string) string {
	for _, b := range siblings {
		if tiers.Merged(f, b) {
			return "coalesce(" + strings.TrimSuffix(ref, quote.Ident(f.Name)) + quote.Ident(b.Name) + ", " + ref + "::DOUBLE)"
		}
	}
	if f.Type.Kind != tiers.KindStruct {
		return ""
	}
	var members []string
	any := false
	for _, m := range f.Type.Fields {
		in := ref + "." + quote.Ident(m.Name)
		e := mergedField(f.Type.Fields, m, in)
		any = any || e != ""
		members = append(members, quote.Ident(m.Name)+" := "+cmp.Or(e, in))
	}
	if !any {
		return ""
	}
	return "CASE WHEN " + ref + " IS NOT NULL THEN struct_pack(" + strings.Join(members, ", ") + ") END"
}

// fieldByID is an entry of read_parquet's schema.
func fieldByID(id int, name, typ string) string {
	return fmt.Sprintf("%d: {name: %s, type: %s, default_value: NULL}", id, quote.Text(name), quote.Text(typ))
}

// sql is the SELECT of a part of a table whose columns have these names and ids.
func (p part) sql(cols, ids []string) (string, error) {
	paths, err := p.names()
	if err != nil {
		return "", err
	}
	if p.template != "" {
		// What DuckDB expects of a file without rows would be none.
		return fmt.Sprintf("SELECT %s FROM read_parquet([%s,%s], hive_partitioning = false, explicit_cardinality = %d)",
			strings.Join(p.columns, ", "), fileName(p.template), strings.Join(paths, ","), max(p.rows, 1)), nil
	}
	var conds []string
	ids = slices.Clone(ids)
	for i, e := range p.want {
		name := fmt.Sprintf(copyName+"%d", tiers.CopyID(e.field))
		conds = append(conds, quote.Ident(name)+" = "+quote.Text(e.value))
		if !slices.ContainsFunc(p.want[:i], func(o equality) bool { return o.field == e.field }) {
			ids = append(ids, fieldByID(tiers.CopyID(e.field), name, "VARCHAR"))
		}
	}
	sql := fmt.Sprintf("SELECT %s FROM read_parquet([%s], schema = MAP {%s})",
		strings.Join(cols, ", "), strings.Join(paths, ","), strings.Join(ids, ", "))
	if len(conds) > 0 {
		sql += " WHERE " + strings.Join(conds, " AND ")
	}
	return sql, nil
}

// globs are what DuckDB expands in the name of a file, each of which stands for
// itself within brackets.
var globs = strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]")

// fileName is a local path as read_parquet takes it.
func fileName(path string) string { return quote.Text(globs.Replace(path)) }
