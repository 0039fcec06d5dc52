package lake

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/lakeward/lakeward/tiers"
)

var timestampUTC = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}

// lakeType is the Arrow type in which a column is stored, and its kind:
// whole numbers are 64 bits, numbers with a fraction (decimals too) are
// doubles, times are UTC microseconds.
func lakeType(t arrow.DataType) (arrow.DataType, tiers.Type, error) {
	switch t.ID() {
	case arrow.BOOL:
		return t, tiers.Type{Kind: tiers.KindBool}, nil
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return arrow.PrimitiveTypes.Int64, tiers.Type{Kind: tiers.KindLong}, nil
	case arrow.FLOAT16, arrow.FLOAT32, arrow.FLOAT64, arrow.DECIMAL128, arrow.DECIMAL256:
		return arrow.PrimitiveTypes.Float64, tiers.Type{Kind: tiers.KindDouble}, nil
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW, arrow.NULL:
		return arrow.BinaryTypes.String, tiers.Type{Kind: tiers.KindString}, nil
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW:
		return arrow.BinaryTypes.Binary, tiers.Type{Kind: tiers.KindBinary}, nil
	case arrow.DATE32, arrow.DATE64:
		return arrow.FixedWidthTypes.Date32, tiers.Type{Kind: tiers.KindDate}, nil
	case arrow.TIMESTAMP:
		return timestampUTC, tiers.Type{Kind: tiers.KindTimestamp}, nil
	case arrow.LIST:
		return lakeList(t.(*arrow.ListType))
	case arrow.STRUCT:
		return lakeStruct(t.(*arrow.StructType))
	}
	return nil, tiers.Type{}, fmt.Errorf("the lake has no type for %s; cast it to another", t)
}

func lakeList(t *arrow.ListType) (arrow.DataType, tiers.Type, error) {
	at, kt, err := lakeType(t.Elem())
	if err != nil {
		return nil, tiers.Type{}, err
	}
	return arrow.ListOfField(arrow.Field{Name: "element", Type: at, Nullable: true}),
		tiers.Type{Kind: tiers.KindList, Elem: &tiers.Field{Name: "element", Type: kt}}, nil
}

func lakeStruct(t *arrow.StructType) (arrow.DataType, tiers.Type, error) {
	fields := make([]arrow.Field, t.NumFields())
	kinds := make([]tiers.Field, t.NumFields())
	for i, f := range t.Fields() {
		at, kt, err := lakeType(f.Type)
		if err != nil {
			return nil, tiers.Type{}, fmt.Errorf("%s: %w", f.Name, err)
		}
		fields[i] = arrow.Field{Name: f.Name, Type: at, Nullable: true}
		kinds[i] = tiers.Field{Name: f.Name, Type: kt}
	}
	return arrow.StructOf(fields...), tiers.Type{Kind: tiers.KindStruct, Fields: kinds}, nil
}

// rowSchema is the stored form of a result's columns.
func rowSchema(s *arrow.Schema) (*arrow.Schema, tiers.Schema, error) {
	fields := make([]arrow.Field, s.NumFields())
	kinds := make([]tiers.Field, s.NumFields())
	seen := map[string]bool{}
	for i, f := range s.Fields() {
		if seen[f.Name] {
			return nil, tiers.Schema{}, fmt.Errorf("column %s appears twice", f.Name)
		}
		seen[f.Name] = true
		at, kt, err := lakeType(f.Type)
		if err != nil {
			return nil, tiers.Schema{}, fmt.Errorf("column %s: %w", f.Name, err)
		}
		fields[i] = arrow.Field{Name: f.Name, Type: at, Nullable: true}
		kinds[i] = tiers.Field{Name: f.Name, Type: kt}
	}
	return arrow.NewSchema(fields, nil), tiers.Schema{Fields: kinds}, nil
}

// collect reads all rows in their stored form, with the provenance columns.
// The caller releases the batches.
func collect(ctx context.Context, w tiers.Write, stored *arrow.Schema) (out []arrow.RecordBatch, err error) {
	defer func() {
		if err != nil {
			release(out)
			out = nil
		}
	}()
	for w.Rows.Next() {
		rec, err := withProvenance(ctx, w.Rows.RecordBatch(), w, stored)
		if err != nil {
			return out, err
		}
		out = append(out, rec)
	}
	if err := w.Rows.Err(); err != nil {
		return out, fmt.Errorf("read rows: %w", err)
	}
	return out, ctx.Err()
}

func release(recs []arrow.RecordBatch) {
	for _, r := range recs {
		r.Release()
	}
}

func withProvenance(ctx context.Context, rec arrow.RecordBatch, w tiers.Write, stored *arrow.Schema) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, stored.NumFields())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for i, c := range rec.Columns() {
		want := stored.Field(i).Type
		if arrow.TypeEqual(c.DataType(), want) {
			c.Retain()
			cols = append(cols, c)
			continue
		}
		opts := compute.SafeCastOptions(want)
		opts.AllowDecimalTruncate = true
		cast, err := compute.CastArray(ctx, c, opts)
		if err != nil {
			return nil, fmt.Errorf("column %s: store %s as %s: %w", rec.ColumnName(i), c.DataType(), want, err)
		}
		cols = append(cols, cast)
	}
	n := int(rec.NumRows())
	cols = append(cols, repeatString(w.Pipeline, n), repeatString(w.RunID, n), repeatTime(w.Start, n), repeatTime(w.End, n))
	return array.NewRecordBatch(stored, cols, rec.NumRows()), nil
}

// provenance is the columns that the sink adds, in the order of withProvenance.
func provenance() ([]arrow.Field, []tiers.Field) {
	str, ts := tiers.Type{Kind: tiers.KindString}, tiers.Type{Kind: tiers.KindTimestamp}
	return []arrow.Field{
			{Name: tiers.ColPipeline, Type: arrow.BinaryTypes.String, Nullable: true},
			{Name: tiers.ColRunID, Type: arrow.BinaryTypes.String, Nullable: true},
			{Name: tiers.ColWindowStart, Type: timestampUTC, Nullable: true},
			{Name: tiers.ColWindowEnd, Type: timestampUTC, Nullable: true},
		}, []tiers.Field{
			{Name: tiers.ColPipeline, Type: str, Doc: "the pipeline that wrote the row"},
			{Name: tiers.ColRunID, Type: str, Doc: "the run that wrote the row"},
			{Name: tiers.ColWindowStart, Type: ts, Doc: "start of the run's window"},
			{Name: tiers.ColWindowEnd, Type: ts, Doc: "end of the run's window, exclusive"},
		}
}

func repeatString(s string, n int) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	for range n {
		b.Append(s)
	}
	return b.NewArray()
}

func repeatTime(t time.Time, n int) arrow.Array {
	b := array.NewTimestampBuilder(memory.DefaultAllocator, timestampUTC)
	defer b.Release()
	for range n {
		b.Append(arrow.Timestamp(t.UnixMicro()))
	}
	return b.NewArray()
}

// keep returns the rows of the batches for which want is true, and how many
// were left out. The caller releases the result.
func keep(ctx context.Context, recs []arrow.RecordBatch, want func(rec arrow.RecordBatch, i int) bool) (out []arrow.RecordBatch, gone int64, err error) {
	for _, rec := range recs {
		b := array.NewBooleanBuilder(memory.DefaultAllocator)
		var left int64
		for i := range int(rec.NumRows()) {
			ok := want(rec, i)
			b.Append(ok)
			if !ok {
				left++
			}
		}
		mask := b.NewArray()
		b.Release()
		if left == 0 {
			rec.Retain()
			out = append(out, rec)
		} else if left < rec.NumRows() {
			var kept arrow.RecordBatch
			if kept, err = compute.FilterRecordBatch(ctx, rec, mask, compute.DefaultFilterOptions()); err == nil {
				out = append(out, kept)
			}
		}
		mask.Release()
		if err != nil {
			release(out)
			return nil, 0, fmt.Errorf("filter rows: %w", err)
		}
		gone += left
	}
	return out, gone, nil
}

// keyer renders the key columns of a row so that equal keys are equal text.
// ok is false if the batch lacks a key column.
func keyer(columns []string) func(rec arrow.RecordBatch, i int) (string, bool) {
	return func(rec arrow.RecordBatch, i int) (string, bool) {
		var key []byte
		for _, name := range columns {
			at := rec.Schema().FieldIndices(name)
			if len(at) == 0 || rec.Column(at[0]).IsNull(i) {
				key = append(key, 'n') // a row older than the column has no value for it
				continue
			}
			v := rec.Column(at[0]).ValueStr(i)
			key = strconv.AppendInt(append(key, 'v'), int64(len(v)), 10)
			key = append(append(key, ':'), v...)
		}
		return string(key), true
	}
}

// value reads a cell of a batch by name, nil if it is null or has no column.
func text(rec arrow.RecordBatch, name string, i int) string {
	at := rec.Schema().FieldIndices(name)
	if len(at) == 0 {
		return ""
	}
	c, ok := rec.Column(at[0]).(*array.String)
	if !ok || c.IsNull(i) {
		return ""
	}
	return c.Value(i)
}

// micros reads a time of a batch by name.
func micros(rec arrow.RecordBatch, name string, i int) (int64, bool) {
	at := rec.Schema().FieldIndices(name)
	if len(at) == 0 {
		return 0, false
	}
	c, ok := rec.Column(at[0]).(*array.Timestamp)
	if !ok || c.IsNull(i) {
		return 0, false
	}
	return int64(c.Value(i)), true
}
