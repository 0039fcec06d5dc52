package postgres

import (
	"encoding/json"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// batchRows is how many rows a batch has at most.
const batchRows = 2048

// reader makes Arrow batches of a result. It implements array.RecordReader.
type reader struct {
	refs    atomic.Int64
	rows    pgx.Rows
	schema  *arrow.Schema
	builder *array.RecordBuilder
	rec     arrow.RecordBatch
	ahead   arrow.RecordBatch // read before it was asked for
	left    *int64            // bytes that may still be read; nil: no limit
	over    bool              // they were more
	end     func()
	ended   bool
	err     error
}

func newReader(rows pgx.Rows, schema *arrow.Schema, left *int64, end func()) *reader {
	r := &reader{rows: rows, schema: schema, builder: array.NewRecordBuilder(memory.DefaultAllocator, schema), left: left,
		end: end}
	r.refs.Store(1)
	return r
}

var moments = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}

// schemaOf is the Arrow form of columns that selectOf reads.
func schemaOf(cols []column) *arrow.Schema {
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		var t arrow.DataType = arrow.BinaryTypes.String
		switch kindOf(c.typ) {
		case tiers.KindBool:
			t = arrow.FixedWidthTypes.Boolean
		case tiers.KindLong:
			t = arrow.PrimitiveTypes.Int64
		case tiers.KindDecimal:
			d, _ := decimalOf(c.typ)
			t = &arrow.Decimal128Type{Precision: int32(d.Precision), Scale: int32(d.Scale)}
		case tiers.KindDouble:
			t = arrow.PrimitiveTypes.Float64
		case tiers.KindBinary:
			t = arrow.BinaryTypes.Binary
		case tiers.KindDate:
			t = arrow.FixedWidthTypes.Date32
		case tiers.KindTimestamp:
			t = moments
		}
		fields[i] = arrow.Field{Name: c.name, Type: t, Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

// schemaOfRows goes by what the server says of a result.
func schemaOfRows(rows pgx.Rows) *arrow.Schema {
	var cols []column
	for _, f := range rows.FieldDescriptions() {
		c := column{f.Name, typeText}
		switch f.DataTypeOID {
		case pgtype.BoolOID:
			c.typ = typeBool
		case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
			c.typ = typeLong
		case pgtype.Float4OID, pgtype.Float8OID:
			c.typ = typeDouble
		case pgtype.NumericOID:
			c.typ = numericOf(f.TypeModifier)
		case pgtype.ByteaOID:
			c.typ = typeBinary
		case pgtype.DateOID:
			c.typ = typeDate
		case pgtype.TimestamptzOID, pgtype.TimestampOID:
			c.typ = typeTime
		}
		cols = append(cols, c)
	}
	return schemaOf(cols)
}

// numericOf spells the type that a modifier means; -1: no digits are named.
func numericOf(modifier int32) string {
	const header = 4
	if modifier < header {
		return "numeric"
	}
	m := modifier - header
	return fmt.Sprintf("numeric(%d,%d)", m>>16&0xFFFF, m&0xFFFF)
}

func (r *reader) Schema() *arrow.Schema          { return r.schema }
func (r *reader) RecordBatch() arrow.RecordBatch { return r.rec }
func (r *reader) Record() arrow.RecordBatch      { return r.rec }
func (r *reader) Err() error                     { return r.err }
func (r *reader) Retain()                        { r.refs.Add(1) }

// Release ends the result when the last reference goes.
func (r *reader) Release() {
	if r.refs.Add(-1) != 0 {
		return
	}
	for _, b := range []arrow.RecordBatch{r.rec, r.ahead} {
		if b != nil {
			b.Release()
		}
	}
	r.rec, r.ahead = nil, nil
	r.builder.Release()
	r.finish()
}

func (r *reader) finish() {
	if !r.ended {
		r.ended = true
		r.end()
	}
}

// Next implements array.RecordReader.
func (r *reader) Next() bool {
	if r.rec != nil {
		r.rec.Release()
		r.rec = nil
	}
	if r.ahead == nil {
		r.fill()
	}
	r.rec, r.ahead = r.ahead, nil
	return r.rec != nil
}

// fill reads the next batch.
func (r *reader) fill() {
	n := 0
	for n < batchRows && r.err == nil && !r.ended && r.rows.Next() {
		r.err = r.row()
		n++
	}
	if r.err == nil && !r.ended && n < batchRows {
		r.err = r.rows.Err()
		if r.err == nil {
			r.finish()
		}
	}
	if r.err == nil && n > 0 {
		r.ahead = r.builder.NewRecordBatch()
	}
}

func (r *reader) row() error {
	values, err := r.rows.Values()
	if err != nil {
		return err
	}
	var size int64
	for i, v := range values {
		n, err := put(r.builder.Field(i), v)
		if err != nil {
			return fmt.Errorf("column %s: %w", r.schema.Field(i).Name, err)
		}
		size += n
	}
	if r.left == nil {
		return nil
	}
	if *r.left -= size; *r.left < 0 {
		r.over = true
		return query.ErrTooMuch
	}
	return nil
}

// put appends one value, and returns about how many bytes it takes.
func put(b array.Builder, v any) (int64, error) {
	const fixed = 16
	if v == nil {
		b.AppendNull()
		return 1, nil
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		if x, ok := v.(bool); ok {
			b.Append(x)
			return 1, nil
		}
	case *array.Int64Builder:
		switch x := v.(type) {
		case int64:
			b.Append(x)
			return fixed, nil
		case int32:
			b.Append(int64(x))
			return fixed, nil
		case int16:
			b.Append(int64(x))
			return fixed, nil
		}
	case *array.Float64Builder:
		return fixed, putDouble(b, v)
	case *array.Decimal128Builder:
		if x, ok := v.(pgtype.Numeric); ok {
			putDecimal(b, x)
			return fixed, nil
		}
	case *array.BinaryBuilder:
		if x, ok := v.([]byte); ok {
			b.Append(x)
			return int64(len(x)) + fixed, nil
		}
	case *array.Date32Builder:
		if x, ok := v.(time.Time); ok {
			b.Append(arrow.Date32FromTime(x))
			return fixed, nil
		}
	case *array.TimestampBuilder:
		return fixed, putMoment(b, v)
	case *array.StringBuilder:
		return putText(b, v)
	}
	return 0, fmt.Errorf("a value of %T does not fit the column", v)
}

// putDecimal appends a number with no more digits after the point than the
// column's. NaN, which a decimal does not have, becomes null.
func putDecimal(b *array.Decimal128Builder, x pgtype.Numeric) {
	if x.NaN || x.Int == nil {
		b.AppendNull()
		return
	}
	shift := int64(x.Exp) + int64(b.Type().(*arrow.Decimal128Type).Scale)
	ten := big.NewInt(10)
	n := new(big.Int).Mul(x.Int, new(big.Int).Exp(ten, big.NewInt(max(shift, 0)), nil))
	b.Append(decimal128.FromBigInt(n.Quo(n, new(big.Int).Exp(ten, big.NewInt(max(-shift, 0)), nil))))
}

func putDouble(b *array.Float64Builder, v any) error {
	switch x := v.(type) {
	case float64:
		b.Append(x)
	case float32:
		b.Append(float64(x))
	case pgtype.Numeric:
		f, err := x.Float64Value()
		if err != nil {
			return err
		}
		b.Append(f.Float64)
	default:
		return fmt.Errorf("%T is not a number", v)
	}
	return nil
}

func putMoment(b *array.TimestampBuilder, v any) error {
	switch x := v.(type) {
	case time.Time:
		b.Append(arrow.Timestamp(x.UnixMicro()))
	case pgtype.InfinityModifier:
		if x == pgtype.NegativeInfinity {
			b.Append(always)
		} else {
			b.Append(never)
		}
	default:
		return fmt.Errorf("%T is not a time", v)
	}
	return nil
}

func putText(b *array.StringBuilder, v any) (int64, error) {
	text, ok := v.(string)
	if !ok { // jsonb of a result that nobody cast
		data, err := json.Marshal(v)
		if err != nil {
			return 0, fmt.Errorf("encode as JSON: %w", err)
		}
		text = string(data)
	}
	b.Append(text)
	return int64(len(text)) + 16, nil
}
