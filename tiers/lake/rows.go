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

// lakeType is the Arrow type in which a column is stored, and its type.
func lakeType(t arrow.DataType) (arrow.DataType, tiers.Type, error) {
	kt, err := tiers.StoredType(t)
	if err != nil {
		return nil, tiers.Type{}, err
	}
	return arrowOf(kt), kt, nil
}

var arrowKinds = map[tiers.Kind]arrow.DataType{
	tiers.KindBool: arrow.FixedWidthTypes.Boolean, tiers.KindLong: arrow.PrimitiveTypes.Int64,
	tiers.KindDouble: arrow.PrimitiveTypes.Float64, tiers.KindString: arrow.BinaryTypes.String,
	tiers.KindBinary: arrow.BinaryTypes.Binary, tiers.KindDate: arrow.FixedWidthTypes.Date32,
	tiers.KindTimestamp: timestampUTC,
}

// arrowOf is the Arrow form of a stored type, nil if it has none.
func arrowOf(t tiers.Type) arrow.DataType {
	switch t.Kind {
	case tiers.KindDecimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}
	case tiers.KindList:
		return arrow.ListOfField(arrow.Field{Name: "element", Type: arrowOf(t.Elem.Type), Nullable: true})
	case tiers.KindStruct:
		fields := make([]arrow.Field, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = arrow.Field{Name: f.Name, Type: arrowOf(f.Type), Nullable: true}
		}
		return arrow.StructOf(fields...)
	}
	return arrowKinds[t.Kind]
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

func withProvenance(ctx context.Context, rec arrow.RecordBatch, w tiers.Write, stored *arrow.Schema) (arrow.RecordBatch,
	error) {
	cols := make([]arrow.Array, 0, stored.NumFields())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for i, c := range rec.Columns() {
		cast, err := castField(ctx, c, stored.Field(i))
		if err != nil {
			return nil, err
		}
		cols = append(cols, cast)
	}
	n := int(rec.NumRows())
	cols = append(cols, repeatString(w.Pipeline, n), repeatString(w.RunID, n), repeatTime(w.Start, n),
		repeatTime(w.End, n))
	return array.NewRecordBatch(stored, cols, rec.NumRows()), nil
}

// castField is castTo for the column of a field.
func castField(ctx context.Context, c arrow.Array, f arrow.Field) (arrow.Array, error) {
	cast, err := castTo(ctx, c, f.Type)
	if err != nil {
		return nil, fmt.Errorf("column %s: store %s as %s: %w", f.Name, c.DataType(), f.Type, err)
	}
	return cast, nil
}

// fit casts batches to the types that the table's columns have. It releases
// recs; the caller releases the result.
func fit(ctx context.Context, recs []arrow.RecordBatch, s *arrow.Schema) (out []arrow.RecordBatch, err error) {
	defer release(recs)
	for _, rec := range recs {
		cols := make([]arrow.Array, 0, s.NumFields())
		for i := 0; i < s.NumFields() && err == nil; i++ {
			var c arrow.Array
			if c, err = castField(ctx, rec.Column(i), s.Field(i)); err == nil {
				cols = append(cols, c)
			}
		}
		if err == nil {
			out = append(out, array.NewRecordBatch(s, cols, rec.NumRows()))
		}
		for _, c := range cols {
			c.Release()
		}
		if err != nil {
			release(out)
			return nil, err
		}
	}
	return out, nil
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
func keep(ctx context.Context, recs []arrow.RecordBatch,
	want func(rec arrow.RecordBatch, i int) bool) (out []arrow.RecordBatch, gone int64, err error) {
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
