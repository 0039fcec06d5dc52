package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// The types of the columns that are written, as PostgreSQL's format_type
// spells them.
const (
	typeBool   = "boolean"
	typeLong   = "bigint"
	typeDouble = "double precision"
	typeText   = "text"
	typeBinary = "bytea"
	typeDate   = "date"
	typeTime   = "timestamp with time zone"
	typeJSON   = "jsonb"
)

type column struct{ name, typ string }

// find returns the index of a column, or -1. Names differ by more than case,
// as in the engine.
func find(cols []column, name string) int {
	return slices.IndexFunc(cols, func(c column) bool { return strings.EqualFold(c.name, name) })
}

// typeOf is the type of the column that holds an Arrow type's values.
func typeOf(t arrow.DataType) (string, error) {
	switch t := t.(type) {
	case *arrow.DictionaryType:
		return typeOf(t.ValueType)
	case arrow.ExtensionType:
		return typeOf(t.StorageType())
	case *arrow.StructType, *arrow.MapType, arrow.ListLikeType:
		return typeJSON, nil
	}
	stored, err := tiers.StoredType(t)
	if stored.Kind == tiers.KindDecimal {
		return fmt.Sprintf("numeric(%d,%d)", stored.Precision, stored.Scale), err
	}
	return sqlTypes[stored.Kind], err
}

var sqlTypes = map[tiers.Kind]string{
	tiers.KindBool: typeBool, tiers.KindLong: typeLong, tiers.KindDouble: typeDouble, tiers.KindString: typeText,
	tiers.KindBinary: typeBinary, tiers.KindDate: typeDate, tiers.KindTimestamp: typeTime,
}

// decimalOf reads the type of a numeric column whose digits are a decimal's.
func decimalOf(typ string) (tiers.Type, bool) {
	var p, s int
	if _, err := fmt.Sscanf(typ, "numeric(%d,%d)", &p, &s); err != nil || p > 38 || s < 0 || s > p {
		return tiers.Type{}, false
	}
	return tiers.Decimal(p, s), true
}

// fits reports whether a held column takes values of another type. Numbers are
// checked one by one where the column is narrower.
func fits(held, want string) bool {
	if held == want || (held == typeJSON && want == typeText) {
		return true
	}
	for _, typ := range []string{held, want} {
		if _, ok := decimalOf(typ); !ok && typ != typeLong && typ != typeDouble {
			return false
		}
	}
	return storedAs(held).Takes(storedAs(want))
}

// storedAs is the type of a column's values.
func storedAs(typ string) tiers.Type {
	if d, ok := decimalOf(typ); ok {
		return d
	}
	return tiers.Type{Kind: kindOf(typ)}
}

// kindOf is how the tier describes a column; what has no kind is read as text.
func kindOf(typ string) tiers.Kind {
	if _, ok := decimalOf(typ); ok {
		return tiers.KindDecimal
	}
	switch typ {
	case typeBool:
		return tiers.KindBool
	case typeLong, "integer", "smallint":
		return tiers.KindLong
	case typeDouble, "real", "numeric":
		return tiers.KindDouble
	case typeBinary:
		return tiers.KindBinary
	case typeDate:
		return tiers.KindDate
	case typeTime, "timestamp without time zone":
		return tiers.KindTimestamp
	}
	if strings.HasPrefix(typ, "numeric(") {
		return tiers.KindDouble
	}
	return tiers.KindString
}

// literal is a text where PostgreSQL takes no argument. Names and comments are
// ours; one with a backslash is written so that no setting changes its meaning.
func literal(s string) string {
	return ` E'` + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + `'`
}

func qualified(table string) string { return Schema + "." + quote.Ident(table) }
