package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/lakeward/lakeward/tiers"
)

// The types of the columns that are written, as PostgreSQL's format_type
// spells them.
const (
	typeBool   = "boolean"
	typeLong   = "bigint"
	typeUint64 = "numeric(20,0)"
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
	case *arrow.Decimal128Type:
		if t.Scale == 0 {
			return typeLong, nil
		}
		return typeDouble, nil
	case *arrow.DictionaryType:
		return typeOf(t.ValueType)
	case arrow.ExtensionType:
		return typeOf(t.StorageType())
	case *arrow.StructType, *arrow.MapType, arrow.ListLikeType:
		return typeJSON, nil
	}
	id := t.ID()
	switch {
	case id == arrow.UINT64:
		return typeUint64, nil
	case arrow.IsInteger(id), id == arrow.NULL:
		return typeLong, nil
	case arrow.IsFloating(id):
		return typeDouble, nil
	}
	switch id {
	case arrow.BOOL:
		return typeBool, nil
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW:
		return typeText, nil
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW, arrow.FIXED_SIZE_BINARY:
		return typeBinary, nil
	case arrow.DATE32, arrow.DATE64:
		return typeDate, nil
	case arrow.TIMESTAMP:
		return typeTime, nil
	}
	return "", fmt.Errorf("the type %s cannot be stored: cast it to a number, text or time", t)
}

// fits reports whether a held column takes values of another type. Numbers are
// checked one by one where the column is narrower.
func fits(held, want string) bool {
	switch held {
	case want:
		return true
	case typeDouble:
		return want == typeLong || want == typeUint64
	case typeUint64:
		return want == typeLong
	case typeLong:
		return want == typeUint64
	}
	return false
}

// kindOf is how the tier describes a column; what has no kind is read as text.
func kindOf(typ string) tiers.Kind {
	switch typ {
	case typeBool:
		return tiers.KindBool
	case typeLong, typeUint64, "integer", "smallint":
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

func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// literal is a text where PostgreSQL takes no argument. Names and comments are
// ours; one with a backslash is written so that no setting changes its meaning.
func literal(s string) string {
	return ` E'` + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + `'`
}

func qualified(table string) string { return Schema + "." + ident(table) }
