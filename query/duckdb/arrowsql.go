package duckdb

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/lakeward/lakeward/query/quote"
)

var plainSQL = map[arrow.Type]string{
	arrow.BOOL: "BOOLEAN", arrow.NULL: "INTEGER",
	arrow.INT8: "TINYINT", arrow.INT16: "SMALLINT", arrow.INT32: "INTEGER", arrow.INT64: "BIGINT",
	arrow.UINT8: "UTINYINT", arrow.UINT16: "USMALLINT", arrow.UINT32: "UINTEGER", arrow.UINT64: "UBIGINT",
	arrow.FLOAT32: "FLOAT", arrow.FLOAT64: "DOUBLE",
	arrow.STRING: "VARCHAR", arrow.LARGE_STRING: "VARCHAR", arrow.STRING_VIEW: "VARCHAR",
	arrow.BINARY: "BLOB", arrow.LARGE_BINARY: "BLOB", arrow.BINARY_VIEW: "BLOB",
	arrow.DATE32: "DATE", arrow.DATE64: "DATE", arrow.TIME32: "TIME", arrow.TIME64: "TIME",
	arrow.INTERVAL_MONTH_DAY_NANO: "INTERVAL",
}

// sqlTypeOf returns the DuckDB type that holds the values of an Arrow type.
func sqlTypeOf(t arrow.DataType) (string, error) {
	if s, ok := plainSQL[t.ID()]; ok {
		return s, nil
	}
	switch t := t.(type) {
	case *arrow.TimestampType:
		return sqlTimestamp(t)
	case *arrow.Decimal128Type:
		if t.Precision == 38 && t.Scale == 0 { // the form in which a HUGEINT leaves the engine
			return "HUGEINT", nil
		}
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale), nil
	case *arrow.DictionaryType:
		return sqlTypeOf(t.ValueType)
	case arrow.ExtensionType:
		return sqlTypeOf(t.StorageType())
	case *arrow.StructType:
		parts := make([]string, t.NumFields())
		for i, f := range t.Fields() {
			s, err := sqlTypeOf(f.Type)
			if err != nil {
				return "", err
			}
			parts[i] = quote.Ident(f.Name) + " " + s
		}
		return "STRUCT(" + strings.Join(parts, ", ") + ")", nil
	case *arrow.MapType:
		k, err := sqlTypeOf(t.KeyType())
		if err != nil {
			return "", err
		}
		v, err := sqlTypeOf(t.ItemType())
		return "MAP(" + k + ", " + v + ")", err
	case arrow.ListLikeType:
		s, err := sqlTypeOf(t.Elem())
		return s + "[]", err
	}
	return "", fmt.Errorf("an Arrow type %s has no SQL type; cast it before it is written", t)
}

func sqlTimestamp(t *arrow.TimestampType) (string, error) {
	switch {
	case t.Unit == arrow.Microsecond && t.TimeZone != "":
		return "TIMESTAMP WITH TIME ZONE", nil
	case t.TimeZone != "":
		return "", fmt.Errorf("a timestamp with time zone must be in microseconds, not %s", t.Unit)
	case t.Unit == arrow.Microsecond:
		return "TIMESTAMP", nil
	case t.Unit == arrow.Second:
		return "TIMESTAMP_S", nil
	case t.Unit == arrow.Millisecond:
		return "TIMESTAMP_MS", nil
	default:
		return "TIMESTAMP_NS", nil
	}
}
