package duckdb

import (
	"fmt"
	"net/url"
	"strings"

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
		parts[i] = quoteIdent(f.Name) + " " + t
	}
	return "STRUCT(" + strings.Join(parts, ", ") + ")", nil
}

// tableSelect is the SELECT behind lake.NAME: the view's files read by field
// id, or no rows of the right types if there are none.
func tableSelect(v verified) (string, error) {
	t := v.table
	if len(t.Schema.Fields) == 0 {
		return "", fmt.Errorf("table %s has no columns", t.Name)
	}
	var cols, empty, ids []string
	for _, f := range t.Schema.Fields {
		typ, err := sqlType(f.Type)
		if err != nil {
			return "", fmt.Errorf("table %s, column %s: %w", t.Name, f.Name, err)
		}
		cols = append(cols, quoteIdent(f.Name))
		empty = append(empty, fmt.Sprintf("CAST(NULL AS %s) AS %s", typ, quoteIdent(f.Name)))
		ids = append(ids, fmt.Sprintf("%d: {name: %s, type: %s, default_value: NULL}", f.ID, quoteText(f.Name), quoteText(typ)))
		if f.ID <= 0 && len(t.Files) > 0 {
			return "", fmt.Errorf("table %s, column %s has no field id", t.Name, f.Name)
		}
	}
	if len(t.Files) == 0 {
		return "SELECT " + strings.Join(empty, ", ") + " WHERE false", nil
	}
	paths := make([]string, len(t.Files))
	for i, f := range t.Files {
		p, err := localPath(f.Path)
		if err != nil {
			return "", fmt.Errorf("table %s: %w", t.Name, err)
		}
		paths[i] = quoteText(p)
	}
	return fmt.Sprintf("SELECT %s FROM read_parquet([%s], schema = MAP {%s})",
		strings.Join(cols, ", "), strings.Join(paths, ","), strings.Join(ids, ", ")), nil
}

// localPath turns a file URL into a path. DuckDB expands * ? [ in names, which
// a data file never has.
func localPath(location string) (string, error) {
	p := location
	if strings.HasPrefix(p, "file:") {
		u, err := url.Parse(p)
		if err != nil {
			return "", fmt.Errorf("data file %s: %w", location, err)
		}
		p = u.Path
	} else if strings.Contains(p, "://") {
		return "", fmt.Errorf("data file %s is not on a local disk; DuckDB reads local files only", location)
	}
	if strings.ContainsAny(p, "*?[") {
		return "", fmt.Errorf("data file %s: the name holds a wildcard", location)
	}
	return p, nil
}
