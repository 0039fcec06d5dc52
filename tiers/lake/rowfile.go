package lake

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/lakeward/lakeward/tiers"
)

// The files of pipelines' rows are small and come as Arrow, so they go through
// arrow-go's Parquet, both ways; the hot path of ingest does not.

// maxBound is the longest string whose bounds are kept.
const maxBound = 128

const fieldIDKey = "PARQUET:field_id"

// withIDs gives the columns of a batch the ids and types of the table's fields.
func withIDs(s *arrow.Schema, t tiers.Schema) (*arrow.Schema, error) {
	fields, err := fieldsWithIDs(s.Fields(), t.Fields)
	if err != nil {
		return nil, err
	}
	return arrow.NewSchema(fields, nil), nil
}

func fieldsWithIDs(in []arrow.Field, have []tiers.Field) ([]arrow.Field, error) {
	out := make([]arrow.Field, len(in))
	for i, f := range in {
		found := false
		for _, h := range have {
			if h.Name != f.Name {
				continue
			}
			g, err := fieldWithID(f, h)
			if err != nil {
				return nil, err
			}
			out[i], found = g, true
		}
		if !found {
			return nil, fmt.Errorf("the table has no column %s", f.Name)
		}
	}
	return out, nil
}

func fieldWithID(f arrow.Field, h tiers.Field) (arrow.Field, error) {
	_, kind, err := lakeType(f.Type)
	if err != nil {
		return f, err
	}
	if !h.Type.Takes(kind) {
		return f, fmt.Errorf("column %s is %s in the table, %s in the rows: cast it, or name it otherwise", f.Name, h.Type,
			kind)
	}
	f.Metadata = arrow.NewMetadata([]string{fieldIDKey}, []string{strconv.Itoa(h.ID)})
	switch t := f.Type.(type) {
	case *arrow.StructType:
		fields, err := fieldsWithIDs(t.Fields(), h.Type.Fields)
		if err != nil {
			return f, fmt.Errorf("%s: %w", f.Name, err)
		}
		f.Type = arrow.StructOf(fields...)
	case *arrow.ListType:
		elem := t.ElemField()
		elem.Name = "element"
		if elem, err = fieldWithID(elem, *h.Type.Elem); err != nil {
			return f, fmt.Errorf("%s: %w", f.Name, err)
		}
		f.Type = arrow.ListOfField(elem)
	default:
		f.Type = arrowOf(h.Type)
	}
	return f, nil
}

// writeRows stores the batches as one file of the table. The schema carries
// the field ids.
func (t *Table) writeRows(ctx context.Context, s *arrow.Schema, recs []arrow.RecordBatch) (tiers.DataFile, error) {
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(s, &buf, parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithStats(true), parquet.WithMaxRowGroupLength(122_880)),
		pqarrow.DefaultWriterProps())
	if err != nil {
		return tiers.DataFile{}, fmt.Errorf("begin file of rows: %w", err)
	}
	for _, rec := range recs {
		typed := array.NewRecordBatch(s, rec.Columns(), rec.NumRows())
		err := w.WriteBuffered(typed)
		typed.Release()
		if err != nil {
			return tiers.DataFile{}, fmt.Errorf("encode rows: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return tiers.DataFile{}, fmt.Errorf("encode rows: %w", err)
	}
	f, err := inspect(buf.Bytes())
	if err != nil {
		return tiers.DataFile{}, fmt.Errorf("inspect file of rows: %w", err)
	}
	if id := t.version().boundIDs().time; id != 0 {
		for _, c := range f.Columns {
			lo, okLo := bound(c.Lower)
			hi, okHi := bound(c.Upper)
			if c.FieldID == id && okLo && okHi {
				f.TimeMin, f.TimeMax = time.UnixMicro(lo).UTC(), time.UnixMicro(hi).UTC()
			}
		}
	}
	return t.WriteNew(ctx, f, buf.Bytes())
}

// readRows reads a file of the table that was written by writeRows. The caller
// releases the batches.
func (l *Lake) readRows(ctx context.Context, path string, size int64) (*arrow.Schema, []arrow.RecordBatch, error) {
	b, err := l.io.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read rows: %w", err)
	}
	if int64(len(b)) != size {
		return nil, nil, fmt.Errorf("%w: %s has %d bytes, %d were committed", tiers.ErrHalt, path, len(b), size)
	}
	if want, ok := tiers.PathChecksum(path); ok {
		if got := tiers.AddCRC32C(0, b); got != want {
			return nil, nil, fmt.Errorf("%w: %w: %s %s", tiers.ErrHalt, tiers.ErrDamaged, path, wrongChecksum(got, want))
		}
	}
	pf, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		return nil, nil, fmt.Errorf("read rows of %s: %w", path, err)
	}
	defer pf.Close()
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: 8192}, memory.DefaultAllocator)
	if err != nil {
		return nil, nil, fmt.Errorf("read rows of %s: %w", path, err)
	}
	rr, err := fr.GetRecordReader(ctx, nil, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("read rows of %s: %w", path, err)
	}
	defer rr.Release()
	var recs []arrow.RecordBatch
	for rr.Next() {
		rec := rr.RecordBatch()
		rec.Retain()
		recs = append(recs, rec)
	}
	if err := rr.Err(); err != nil {
		release(recs)
		return nil, nil, fmt.Errorf("read rows of %s: %w", path, err)
	}
	return rr.Schema(), recs, nil
}

// inspect describes a Parquet file by its own footer.
func inspect(b []byte) (tiers.DataFile, error) {
	pf, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		return tiers.DataFile{}, err
	}
	defer pf.Close()
	md := pf.MetaData()
	f := tiers.DataFile{Size: int64(len(b)), Rows: md.GetNumRows(), CRC32C: tiers.AddCRC32C(0, b)}
	for i := range md.Schema.NumColumns() {
		c := tiers.ColumnStats{FieldID: int(md.Schema.Column(i).SchemaNode().FieldID())}
		b := bounds{ok: md.Schema.Column(i).MaxRepetitionLevel() == 0}
		for g := range md.NumRowGroups() {
			chunk, err := md.RowGroup(g).ColumnChunk(i)
			if err != nil {
				return f, err
			}
			if err := addChunk(&c, &b, chunk); err != nil {
				return f, err
			}
		}
		c.Lower, c.Upper = b.encode()
		f.Columns = append(f.Columns, c)
	}
	for g := range md.NumRowGroups() {
		chunk, err := md.RowGroup(g).ColumnChunk(0)
		if err != nil {
			return f, err
		}
		at := chunk.DataPageOffset()
		if chunk.HasDictionaryPage() {
			at = min(at, chunk.DictionaryPageOffset())
		}
		f.SplitOffsets = append(f.SplitOffsets, at)
	}
	return f, nil
}

func addChunk(c *tiers.ColumnStats, b *bounds, chunk *metadata.ColumnChunkMetaData) error {
	c.Values += chunk.NumValues()
	c.Size += chunk.TotalCompressedSize()
	st, err := chunk.Statistics()
	if err != nil {
		return err
	}
	if st == nil {
		b.ok = false
		return nil
	}
	c.Nulls += st.NullCount()
	b.add(st, chunk.NumValues() == st.NullCount())
	return nil
}

// bounds collects the least and greatest value of a column over row groups.
type bounds struct {
	ok, any bool
	lo, hi  any
}

func (b *bounds) add(st metadata.TypedStatistics, allNull bool) {
	if !b.ok || allNull {
		return
	}
	if !st.HasMinMax() {
		b.ok = false
		return
	}
	switch st := st.(type) {
	case *metadata.BooleanStatistics:
		widen(b, st.Min(), st.Max(), func(x, y bool) bool { return !x && y })
	case *metadata.Int32Statistics:
		widen(b, st.Min(), st.Max(), func(x, y int32) bool { return x < y })
	case *metadata.Int64Statistics:
		widen(b, st.Min(), st.Max(), func(x, y int64) bool { return x < y })
	case *metadata.Float64Statistics:
		widen(b, st.Min(), st.Max(), func(x, y float64) bool { return x < y })
	case *metadata.ByteArrayStatistics:
		widen(b, string(st.Min()), string(st.Max()), func(x, y string) bool { return x < y })
	default:
		b.ok = false
	}
}

func widen[T any](b *bounds, lo, hi T, less func(x, y T) bool) {
	if !b.any || less(lo, b.lo.(T)) {
		b.lo = lo
	}
	if !b.any || less(b.hi.(T), hi) {
		b.hi = hi
	}
	b.any = true
}

func (b *bounds) encode() (lower, upper []byte) {
	if !b.ok || !b.any {
		return nil, nil
	}
	return single(b.lo), single(b.hi)
}

// single is Iceberg's single-value serialisation.
func single(v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return []byte{1}
		}
		return []byte{0}
	case int32:
		return binary.LittleEndian.AppendUint32(nil, uint32(v))
	case int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(v))
	case float64:
		if math.IsNaN(v) {
			return nil
		}
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))
	case string:
		if len(v) <= maxBound {
			return []byte(v)
		}
	}
	return nil
}
