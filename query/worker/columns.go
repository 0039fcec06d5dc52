package worker

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// wireColumn describes a column of a result to the daemon. It is not an Arrow
// schema, because a forged one can make its reader allocate without bound.
type wireColumn struct {
	Name  string       `json:"name,omitempty"`
	Type  string       `json:"type"` // one of scalars, or decimal, list, map, struct
	Mark  string       `json:"mark,omitempty"`
	Width int32        `json:"width,omitempty"`
	Scale int32        `json:"scale,omitempty"`
	Of    []wireColumn `json:"of,omitempty"`
}

// markKey is the key of a column's mark in its metadata.
const markKey = "lakeward.type"

const (
	typeDecimal = "decimal"
	typeList    = "list"
	typeMap     = "map"
	typeStruct  = "struct"

	mostNested  = 64  // types in types: as many as Arrow reads
	mostDecimal = 38  // digits
	mostFields  = 1e5 // of one result, nested ones included
)

// scalars lists the types without parameters that an engine returns.
func scalars() map[string]arrow.DataType {
	out := map[string]arrow.DataType{}
	for _, t := range []arrow.DataType{
		arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32,
		arrow.PrimitiveTypes.Int64,
		arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
		arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary,
		arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Time64us, arrow.FixedWidthTypes.Time64ns,
		arrow.FixedWidthTypes.MonthDayNanoInterval,
		&arrow.TimestampType{Unit: arrow.Second}, &arrow.TimestampType{Unit: arrow.Millisecond},
		&arrow.TimestampType{Unit: arrow.Microsecond},
		&arrow.TimestampType{Unit: arrow.Nanosecond}, &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"},
	} {
		out[t.String()] = t
	}
	return out
}

func columnsOf(s *arrow.Schema) ([]wireColumn, error) {
	known := scalars()
	out := make([]wireColumn, s.NumFields())
	for i, f := range s.Fields() {
		var err error
		if out[i], err = columnOf(f, known); err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
	}
	return out, nil
}

func columnOf(f arrow.Field, known map[string]arrow.DataType) (c wireColumn, err error) {
	c.Name = f.Name
	c.Mark, _ = f.Metadata.GetValue(markKey)
	var of []arrow.Field
	switch t := f.Type.(type) {
	case *arrow.Decimal128Type:
		c.Type, c.Width, c.Scale = typeDecimal, t.Precision, t.Scale
	case *arrow.ListType:
		c.Type, of = typeList, []arrow.Field{t.ElemField()}
	case *arrow.MapType:
		c.Type, of = typeMap, []arrow.Field{t.KeyField(), t.ItemField()}
	case *arrow.StructType:
		c.Type, of = typeStruct, t.Fields()
	default:
		if c.Type = t.String(); known[c.Type] == nil {
			return c, fmt.Errorf("%s is not a type of a result", t)
		}
	}
	c.Of = make([]wireColumn, len(of))
	for i, inner := range of {
		if c.Of[i], err = columnOf(inner, known); err != nil {
			return c, err
		}
	}
	return c, nil
}

// schemaOf believes nothing of what it is given.
func schemaOf(columns []wireColumn) (_ *arrow.Schema, fields int, err error) {
	r := columnReader{known: scalars()}
	list, err := r.fields(columns, 0)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%w: a result without columns", errFrame)
	}
	if err != nil {
		return nil, 0, err
	}
	return arrow.NewSchema(list, nil), r.n, nil
}

type columnReader struct {
	known map[string]arrow.DataType
	n     int
}

func (r *columnReader) fields(columns []wireColumn, depth int) ([]arrow.Field, error) {
	if r.n += len(columns); depth > mostNested || r.n > mostFields {
		return nil, fmt.Errorf("%w: columns that are too many, or too deep", errFrame)
	}
	out := make([]arrow.Field, len(columns))
	for i, c := range columns {
		t, err := r.dataType(c, depth)
		if err != nil {
			return nil, err
		}
		out[i] = arrow.Field{Name: c.Name, Type: t, Nullable: true}
		if c.Mark != "" {
			out[i].Metadata = arrow.NewMetadata([]string{markKey}, []string{c.Mark})
		}
	}
	return out, nil
}

func (r *columnReader) dataType(c wireColumn, depth int) (arrow.DataType, error) {
	of, err := r.fields(c.Of, depth+1)
	if err != nil {
		return nil, err
	}
	known := r.known[c.Type]
	switch {
	case known != nil && len(of) == 0:
		return known, nil
	case c.Type == typeDecimal && len(of) == 0 && c.Width > 0 && c.Width <= mostDecimal && c.Scale >= 0 &&
		c.Scale <= c.Width:
		return &arrow.Decimal128Type{Precision: c.Width, Scale: c.Scale}, nil
	case c.Type == typeList && len(of) == 1:
		return arrow.ListOfField(of[0]), nil
	case c.Type == typeMap && len(of) == 2:
		return arrow.MapOf(of[0].Type, of[1].Type), nil
	case c.Type == typeStruct && len(of) > 0:
		return arrow.StructOf(of...), nil
	}
	return nil, fmt.Errorf("%w: a column of type %.40q with %d parts", errFrame, c.Type, len(of))
}
