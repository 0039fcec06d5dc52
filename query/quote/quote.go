// Package quote writes names and texts so that SQL takes them as they are, in
// DuckDB and in PostgreSQL.
package quote

import "strings"

// Ident writes an identifier.
func Ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Text writes a string literal. A backslash stands for itself, as it does in
// DuckDB, and in PostgreSQL unless standard_conforming_strings is off.
func Text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
