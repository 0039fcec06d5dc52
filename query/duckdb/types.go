package duckdb

import (
	"fmt"

	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/apache/arrow-go/v18/arrow"
)

// scalarType maps the types whose Arrow form does not depend on parameters.
// Types with no common Arrow form (UUID, enum, 128-bit unsigned) become text.
func scalarType(t duck.Type) (arrow.DataType, bool) {
	switch t {
	case duck.TypeBoolean:
		return arrow.FixedWidthTypes.Boolean, true
	case duck.TypeTinyInt:
		return arrow.PrimitiveTypes.Int8, true
	case duck.TypeSmallInt:
		return arrow.PrimitiveTypes.Int16, true
	case duck.TypeInteger, duck.TypeSQLNull:
		return arrow.PrimitiveTypes.Int32, true
	case duck.TypeBigInt:
		return arrow.PrimitiveTypes.Int64, true
	case duck.TypeUTinyInt:
		return arrow.PrimitiveTypes.Uint8, true
	case duck.TypeUSmallInt:
		return arrow.PrimitiveTypes.Uint16, true
	case duck.TypeUInteger:
		return arrow.PrimitiveTypes.Uint32, true
	case duck.TypeUBigInt:
		return arrow.PrimitiveTypes.Uint64, true
	case duck.TypeFloat:
		return arrow.PrimitiveTypes.Float32, true
	case duck.TypeDouble:
		return arrow.PrimitiveTypes.Float64, true
	case duck.TypeHugeInt:
		return &arrow.Decimal128Type{Precision: 38}, true
	case duck.TypeVarchar, duck.TypeEnum, duck.TypeUUID, duck.TypeUHugeInt:
		return arrow.BinaryTypes.String, true
	case duck.TypeBlob:
		return arrow.BinaryTypes.Binary, true
	}
	return timeType(t)
}

func timeType(t duck.Type) (arrow.DataType, bool) {
	switch t {
	case duck.TypeDate:
		return arrow.FixedWidthTypes.Date32, true
	case duck.TypeTime:
		return arrow.FixedWidthTypes.Time64us, true
	case duck.TypeTimeNS:
		return arrow.FixedWidthTypes.Time64ns, true
	case duck.TypeTimestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}, true
	case duck.TypeTimestampS:
		return &arrow.TimestampType{Unit: arrow.Second}, true
	case duck.TypeTimestampMS:
		return &arrow.TimestampType{Unit: arrow.Millisecond}, true
	case duck.TypeTimestampNS:
		return &arrow.TimestampType{Unit: arrow.Nanosecond}, true
	case duck.TypeTimestampTZ:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, true
	case duck.TypeInterval:
		return arrow.FixedWidthTypes.MonthDayNanoInterval, true
	}
	return nil, false
}

// arrowType returns the Arrow form of a DuckDB type.
func arrowType(lt duck.LogicalType) (arrow.DataType, error) {
	id := duck.GetTypeId(lt)
	if t, ok := scalarType(id); ok {
		return t, nil
	}
	switch id {
	case duck.TypeDecimal:
		return &arrow.Decimal128Type{Precision: int32(duck.DecimalWidth(lt)), Scale: int32(duck.DecimalScale(lt))}, nil
	case duck.TypeList:
		return listOf(duck.ListTypeChildType(lt))
	case duck.TypeArray:
		return listOf(duck.ArrayTypeChildType(lt))
	case duck.TypeMap:
		return mapOf(lt)
	case duck.TypeStruct:
		return structOf(lt)
	}
	return nil, fmt.Errorf("a column of DuckDB type %d has no Arrow form; cast it to VARCHAR", id)
}

func listOf(child duck.LogicalType) (arrow.DataType, error) {
	defer duck.DestroyLogicalType(&child)
	t, err := arrowType(child)
	if err != nil {
		return nil, err
	}
	return arrow.ListOfField(arrow.Field{Name: "element", Type: t, Nullable: true}), nil
}

func mapOf(lt duck.LogicalType) (arrow.DataType, error) {
	k, v := duck.MapTypeKeyType(lt), duck.MapTypeValueType(lt)
	defer duck.DestroyLogicalType(&k)
	defer duck.DestroyLogicalType(&v)
	kt, err := arrowType(k)
	if err != nil {
		return nil, err
	}
	vt, err := arrowType(v)
	if err != nil {
		return nil, err
	}
	return arrow.MapOf(kt, vt), nil
}

func structOf(lt duck.LogicalType) (arrow.DataType, error) {
	fields := make([]arrow.Field, duck.StructTypeChildCount(lt))
	for i := range fields {
		child := duck.StructTypeChildType(lt, duck.IdxT(i))
		t, err := arrowType(child)
		duck.DestroyLogicalType(&child)
		if err != nil {
			return nil, err
		}
		fields[i] = arrow.Field{Name: duck.StructTypeChildName(lt, duck.IdxT(i)), Type: t, Nullable: true}
	}
	return arrow.StructOf(fields...), nil
}

// jsonMark is the field metadata of a text column that holds JSON.
func jsonMark(lt duck.LogicalType) arrow.Metadata {
	if duck.GetTypeId(lt) == duck.TypeVarchar && duck.LogicalTypeGetAlias(lt) == "JSON" {
		return arrow.NewMetadata([]string{"lakeward.type"}, []string{"json"})
	}
	return arrow.Metadata{}
}

func resultSchema(res *duck.Result) (*arrow.Schema, error) {
	n := int(duck.ColumnCount(res))
	fields := make([]arrow.Field, n)
	for i := range fields {
		lt := duck.ColumnLogicalType(res, duck.IdxT(i))
		name := duck.ColumnName(res, duck.IdxT(i))
		t, err := arrowType(lt)
		mark := jsonMark(lt)
		duck.DestroyLogicalType(&lt)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
		fields[i] = arrow.Field{Name: name, Type: t, Nullable: true, Metadata: mark}
	}
	return arrow.NewSchema(fields, nil), nil
}
