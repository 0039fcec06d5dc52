package duckdb

import (
	"context"
	"fmt"
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/lakeward/lakeward/query/quote"
)

// Load creates the temporary table and fills it with rows, whose types it
// takes. It returns the number of rows. If it fails there is no table. The caller
// releases rows.
func (c *Conn) Load(ctx context.Context, table string, rows array.RecordReader) (int64, error) {
	return c.load(ctx, place{"temp", "main", table}, rows)
}

// place is where a table is.
type place struct{ catalog, schema, table string }

func (p place) String() string {
	return quote.Ident(p.catalog) + "." + quote.Ident(p.schema) + "." + quote.Ident(p.table)
}

// create begins the statement that makes the table.
func (p place) create() string {
	if p.catalog == "temp" { // which is not named where a table is made
		return "CREATE TEMP TABLE " + quote.Ident(p.table)
	}
	return "CREATE TABLE " + p.String()
}

// load is Load into any table that does not exist yet.
func (c *Conn) load(ctx context.Context, to place, rows array.RecordReader) (int64, error) {
	table, schema := to.table, rows.Schema()
	defs := make([]string, schema.NumFields())
	for i, f := range schema.Fields() {
		t, err := sqlTypeOf(f.Type)
		if err != nil {
			return 0, fmt.Errorf("load %s: column %s: %w", table, f.Name, err)
		}
		defs[i] = quote.Ident(f.Name) + " " + t
	}
	if _, err := c.Exec(ctx, to.create()+" ("+strings.Join(defs, ", ")+")"); err != nil {
		return 0, fmt.Errorf("load %s: %w", table, err)
	}
	var n int64
	if err := c.appendAll(ctx, to, rows, &n); err != nil {
		_, _ = c.Exec(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+to.String()) // in a transaction, its end does it
		return 0, fmt.Errorf("load %s: %w", table, err)
	}
	return n, nil
}

func (c *Conn) appendAll(ctx context.Context, to place, rows array.RecordReader, n *int64) error {
	var app duck.Appender
	if duck.AppenderCreateExt(c.raw, to.catalog, to.schema, to.table, &app) == duck.StateError {
		msg := duck.AppenderError(app)
		duck.AppenderDestroy(&app)
		return fmt.Errorf("create appender: %s", msg)
	}
	defer duck.AppenderDestroy(&app)
	types := make([]duck.LogicalType, rows.Schema().NumFields())
	for i := range types {
		types[i] = duck.AppenderColumnType(app, duck.IdxT(i))
		defer duck.DestroyLogicalType(&types[i])
	}
	chunk := duck.CreateDataChunk(types)
	defer duck.DestroyDataChunk(&chunk)
	for rows.Next() {
		rec := rows.RecordBatch()
		err := c.guard(ctx, func() error { return appendRecord(app, chunk, rec) })
		if err != nil {
			return err
		}
		*n += rec.NumRows()
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return c.guard(ctx, func() error {
		if duck.AppenderClose(app) == duck.StateError {
			return fmt.Errorf("append: %s", duck.AppenderError(app))
		}
		return nil
	})
}

func appendRecord(app duck.Appender, chunk duck.DataChunk, rec arrow.RecordBatch) error {
	size := int64(duck.VectorSize())
	for off := int64(0); off < rec.NumRows(); off += size {
		n := int(min(size, rec.NumRows()-off))
		duck.DataChunkReset(chunk)
		for i, col := range rec.Columns() {
			if err := put(duck.DataChunkGetVector(chunk, duck.IdxT(i)), 0, col, int(off), n); err != nil {
				return fmt.Errorf("column %s: %w", rec.ColumnName(i), err)
			}
		}
		duck.DataChunkSetSize(chunk, duck.IdxT(n))
		if duck.AppendDataChunk(app, chunk) == duck.StateError {
			return fmt.Errorf("append: %s", duck.AppenderError(app))
		}
	}
	return nil
}

// put writes rows [from, from+n) of an array to a vector, from row at.
func put(v duck.Vector, at int, a arrow.Array, from, n int) error {
	if d, ok := a.(*array.Dictionary); ok {
		return putDictionary(v, at, d, from, n)
	}
	if e, ok := a.(array.ExtensionArray); ok {
		return put(v, at, e.Storage(), from, n)
	}
	putNulls(v, at, a, from, n)
	if done, err := putFixed(v, at, a, from, n); done || err != nil {
		return err
	}
	return putVariable(v, at, a, from, n)
}

func putNulls(v duck.Vector, at int, a arrow.Array, from, n int) {
	if a.NullN() == 0 && a.DataType().ID() != arrow.NULL {
		return
	}
	duck.VectorEnsureValidityWritable(v)
	mask := duck.VectorGetValidity(v)
	for i := range n {
		word := (*uint64)(unsafe.Add(mask, (at+i)/64*8))
		if bit := uint64(1) << ((at + i) % 64); a.IsNull(from + i) {
			*word &^= bit
		} else {
			*word |= bit
		}
	}
}

func putDictionary(v duck.Vector, at int, d *array.Dictionary, from, n int) error {
	for i := range n {
		if d.IsNull(from + i) {
			duck.VectorEnsureValidityWritable(v)
			duck.ValiditySetRowInvalid(duck.VectorGetValidity(v), duck.IdxT(at+i))
			continue
		}
		if err := put(v, at+i, d.Dictionary(), d.GetValueIndex(from+i), 1); err != nil {
			return err
		}
	}
	return nil
}

func target[T any](v duck.Vector, at, n int) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Add(duck.VectorGetData(v), at*int(unsafe.Sizeof(zero)))), n)
}

func putFixed(v duck.Vector, at int, a arrow.Array, from, n int) (bool, error) {
	switch t := a.(type) {
	case *array.Boolean:
		out := target[bool](v, at, n)
		for i := range out {
			out[i] = t.Value(from + i)
		}
	case *array.Int8:
		copy(target[int8](v, at, n), t.Int8Values()[from:])
	case *array.Int16:
		copy(target[int16](v, at, n), t.Int16Values()[from:])
	case *array.Int32:
		copy(target[int32](v, at, n), t.Int32Values()[from:])
	case *array.Int64:
		copy(target[int64](v, at, n), t.Int64Values()[from:])
	case *array.Uint8:
		copy(target[uint8](v, at, n), t.Uint8Values()[from:])
	case *array.Uint16:
		copy(target[uint16](v, at, n), t.Uint16Values()[from:])
	case *array.Uint32:
		copy(target[uint32](v, at, n), t.Uint32Values()[from:])
	case *array.Uint64:
		copy(target[uint64](v, at, n), t.Uint64Values()[from:])
	case *array.Float32:
		copy(target[float32](v, at, n), t.Float32Values()[from:])
	case *array.Float64:
		copy(target[float64](v, at, n), t.Float64Values()[from:])
	case *array.Date32:
		copy(target[arrow.Date32](v, at, n), t.Date32Values()[from:])
	case *array.Timestamp:
		copy(target[arrow.Timestamp](v, at, n), t.TimestampValues()[from:])
	case *array.Null:
	default:
		return putConverted(v, at, a, from, n)
	}
	return true, nil
}

// putConverted writes values whose form differs between Arrow and DuckDB.
func putConverted(v duck.Vector, at int, a arrow.Array, from, n int) (bool, error) {
	switch t := a.(type) {
	case *array.Date64:
		out := target[int32](v, at, n)
		for i := range out {
			out[i] = int32(int64(t.Value(from+i)) / 86_400_000)
		}
	case *array.Time32:
		out := target[int64](v, at, n)
		scale := int64(1_000_000)
		if t.DataType().(*arrow.Time32Type).Unit == arrow.Millisecond {
			scale = 1000
		}
		for i := range out {
			out[i] = int64(t.Value(from+i)) * scale
		}
	case *array.Time64:
		out := target[int64](v, at, n)
		for i := range out {
			out[i] = int64(t.Value(from + i))
			if t.DataType().(*arrow.Time64Type).Unit == arrow.Nanosecond {
				out[i] /= 1000
			}
		}
	case *array.Decimal128:
		putDecimal(v, at, t, from, n)
	case *array.MonthDayNanoInterval:
		out := target[intervalT](v, at, n)
		for i := range out {
			x := t.Value(from + i)
			out[i] = intervalT{x.Months, x.Days, x.Nanoseconds / 1000}
		}
	default:
		return false, nil
	}
	return true, nil
}

// putDecimal writes 16, 32, 64 or 128 bits, as the width of the type asks.
func putDecimal(v duck.Vector, at int, t *array.Decimal128, from, n int) {
	p := t.DataType().(*arrow.Decimal128Type).Precision
	switch {
	case p <= 4:
		out := target[int16](v, at, n)
		for i := range out {
			out[i] = int16(t.Value(from + i).LowBits())
		}
	case p <= 9:
		out := target[int32](v, at, n)
		for i := range out {
			out[i] = int32(t.Value(from + i).LowBits())
		}
	case p <= 18:
		out := target[int64](v, at, n)
		for i := range out {
			out[i] = int64(t.Value(from + i).LowBits())
		}
	default:
		out := target[hugeT](v, at, n)
		for i := range out {
			x := t.Value(from + i)
			out[i] = hugeT{x.LowBits(), x.HighBits()}
		}
	}
}

func putVariable(v duck.Vector, at int, a arrow.Array, from, n int) error {
	switch t := a.(type) {
	case array.StringLike:
		for i := range n {
			if t.IsValid(from + i) {
				putString(v, at+i, t.Value(from+i))
			}
		}
	case interface{ Value(int) []byte }:
		for i := range n {
			if a.IsValid(from + i) {
				duck.VectorAssignStringElementLen(v, duck.IdxT(at+i), t.Value(from+i))
			}
		}
	case *array.Struct:
		for k := range t.NumField() {
			if err := put(duck.StructVectorGetChild(v, duck.IdxT(k)), at, t.Field(k), from, n); err != nil {
				return err
			}
		}
	case *array.Map:
		return putList(v, at, t, from, n, func(child duck.Vector, at, from, n int) error {
			if err := put(duck.StructVectorGetChild(child, 0), at, t.Keys(), from, n); err != nil {
				return err
			}
			return put(duck.StructVectorGetChild(child, 1), at, t.Items(), from, n)
		})
	case array.ListLike:
		return putList(v, at, t, from, n, func(child duck.Vector, at, from, n int) error {
			return put(child, at, t.ListValues(), from, n)
		})
	default:
		return fmt.Errorf("an Arrow array of %s cannot be loaded", a.DataType())
	}
	return nil
}

// putString copies the text once, into the vector.
func putString(v duck.Vector, at int, s string) {
	duck.VectorAssignStringElementLen(v, duck.IdxT(at), unsafe.Slice(unsafe.StringData(s), len(s)))
}

func putList(v duck.Vector, at int, a array.ListLike, from, n int,
	putChild func(child duck.Vector, at, from, n int) error) error {
	size := int(duck.ListVectorGetSize(v))
	total := size
	for i := range n {
		if a.IsValid(from + i) {
			s, e := a.ValueOffsets(from + i)
			total += int(e - s)
		}
	}
	if duck.ListVectorReserve(v, duck.IdxT(total)) == duck.StateError ||
		duck.ListVectorSetSize(v, duck.IdxT(total)) == duck.StateError {
		return fmt.Errorf("reserve %d list elements", total)
	}
	child, entries := duck.ListVectorGetChild(v), target[listT](v, at, n)
	for i := range n {
		entries[i] = listT{offset: uint64(size)}
		if a.IsNull(from + i) {
			continue
		}
		s, e := a.ValueOffsets(from + i)
		entries[i].length = uint64(e - s)
		if err := putChild(child, size, int(s), int(e-s)); err != nil {
			return err
		}
		size += int(e - s)
	}
	return nil
}
