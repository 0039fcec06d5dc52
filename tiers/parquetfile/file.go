package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lakeward/lakeward/internal/version"
	"github.com/lakeward/lakeward/tiers"
)

// RowGroup is the usual number of rows of a row group.
const RowGroup = 122_880

const magic = "PAR1"

// ours reports whether a file was written by a Lakeward, by what its footer says:
// older versions wrote the name alone.
func ours(createdBy string) bool {
	return createdBy == "lakeward" || strings.HasPrefix(createdBy, "lakeward version ")
}

// Options say what goes into a file besides its rows.
type Options struct {
	Schema   tiers.Schema // every id set; a table's column that it lacks is not written
	Bloom    []string     // dotted paths of columns that get a bloom filter
	RowGroup int          // rows; 0: RowGroup
	// rows of a page, the same in all columns, and an index of the pages; 0: pages are large, without an index
	PageRows int
	Stream   string           // identity of the stream of Seqs; empty: no stream is recorded
	IDs      string           // how the event ids of its rows are made; recorded with a stream unless empty
	Seqs     []tiers.SeqRange // ascending, disjoint
	Sorted   []string         // top-level columns by which the rows are sorted, ascending
	// Copies are dotted paths of members of structs, scalar and not in lists. Each
	// is written once more at the top level, with a bloom filter: tiers.CopyID.
	Copies []string
}

// File is a complete Parquet file, and what a commit has to say of it.
type File struct {
	Data []byte
	Info tiers.DataFile // Path is empty
}

// Writer writes files one after the other and keeps its buffers between them.
// Not safe for concurrent use.
type Writer struct {
	mu       sync.Mutex // of everything below
	encoders []*encoder // the columns of a row group are divided among them; nil: not made yet
	rows     []uint32
	out      []byte

	leaves []*leaf
	groups []format.RowGroup
	pages  [][]format.PageLocation // of each chunk of each row group
}

// NewWriter makes a writer.
func NewWriter() *Writer { return NewParallelWriter(1) }

// NewParallelWriter makes a writer that encodes up to n columns at a time, each
// with buffers of its own. The files are the same.
func NewParallelWriter(n int) *Writer {
	return &Writer{encoders: make([]*encoder, max(n, 1))}
}

// Release gives up the buffers, which the next Write makes anew. While a Write
// is under way it does nothing.
func (w *Writer) Release() {
	if !w.mu.TryLock() {
		return
	}
	defer w.mu.Unlock()
	clear(w.encoders)
	w.rows, w.out, w.leaves, w.groups, w.pages = nil, nil, nil, nil, nil
}

// encoder makes column chunks one after the other.
type encoder struct {
	zstd     *zstd.Encoder
	out      []byte
	buf      buffers
	pageRows int // of a page; 0: any number
}

func newEncoder() *encoder {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // only wrong options
	}
	return &encoder{zstd: z}
}

// Write makes a file of the table's rows in the given order (nil: all, as they
// are). The rows must be at least one, and of one day if the table has a time.
// A column without any value is left out of the file, as Iceberg allows,
// unless it is required. The returned bytes are the caller's.
func (w *Writer) Write(t *Table, rows []uint32, o Options) (File, error) {
	n := t.N
	if rows != nil {
		n = len(rows)
	}
	if n == 0 {
		return File{}, errors.New("write Parquet file: no rows")
	}
	p, err := newPlan(t, o)
	if err != nil {
		return File{}, fmt.Errorf("write Parquet file: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaves, w.groups, w.pages, w.out = p.leaves, nil, nil, append(w.out[:0], magic...)
	defer func() { w.leaves, w.groups, w.pages = nil, nil, nil }() // they hold the table's memory
	for i, e := range w.encoders {
		if e == nil {
			e = newEncoder()
			w.encoders[i] = e
		}
		e.pageRows = o.PageRows
	}
	size := o.RowGroup
	if size <= 0 {
		size = RowGroup
	}
	var splits []int64
	for lo := 0; lo < n; lo += size {
		splits = append(splits, int64(len(w.out)))
		if err := w.rowGroup(t, p, rows, lo, min(lo+size, n)); err != nil {
			return File{}, fmt.Errorf("write Parquet row group: %w", err)
		}
	}
	w.blooms()
	if o.PageRows > 0 {
		if err := w.pageIndex(); err != nil {
			return File{}, fmt.Errorf("write Parquet page index: %w", err)
		}
	}
	if err := w.footer(p, int64(n), o); err != nil {
		return File{}, fmt.Errorf("write Parquet footer: %w", err)
	}
	data := append(make([]byte, 0, len(w.out)), w.out...)
	f := File{Data: data, Info: tiers.DataFile{
		Size: int64(len(data)), Rows: int64(n),
		CRC32C:       crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)),
		SplitOffsets: splits, Seqs: o.Seqs,
	}}
	w.describe(&f.Info)
	return f, nil
}

// describe fills what the leaves learnt of their values.
func (w *Writer) describe(d *tiers.DataFile) {
	for _, l := range w.leaves {
		d.Columns = append(d.Columns, l.columnStats())
		if f, copied := tiers.CopyOf(l.id); copied {
			d.Copies = append(d.Copies, f)
		}
		if l.name == tiers.ColTime && l.top && l.col.Kind == tiers.KindTimestamp && l.total.has {
			d.TimeMin = time.UnixMicro(l.total.minInt).UTC()
			d.TimeMax = time.UnixMicro(l.total.maxInt).UTC()
			d.Day = int32(floorDiv(l.total.minInt, 24*3600*1e6))
		}
		if l.name == tiers.ColStreamSeq && l.top && l.col.Kind == tiers.KindLong && l.total.has {
			d.SeqMax = uint64(l.total.maxInt)
		}
		if l.name == tiers.ColIngestTime && l.top && l.col.Kind == tiers.KindTimestamp && l.total.has {
			d.Ingested = time.UnixMicro(l.total.maxInt).UTC()
		}
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// footer appends the metadata, its length and the magic.
func (w *Writer) footer(p *plan, rows int64, o Options) error {
	meta := format.FileMetaData{
		Version: 2, Schema: thrift.Slice[format.SchemaElement](p.schema),
		NumRows: rows, RowGroups: w.groups, CreatedBy: version.CreatedBy(),
	}
	js, err := schemaJSON(o.Schema)
	if err != nil {
		return err
	}
	meta.KeyValueMetadata = append(meta.KeyValueMetadata, format.KeyValue{Key: KeySchema, Value: js})
	if o.Stream != "" {
		meta.KeyValueMetadata = append(meta.KeyValueMetadata,
			format.KeyValue{Key: KeyStream, Value: o.Stream},
			format.KeyValue{Key: KeySeqs, Value: EncodeSeqs(o.Seqs)})
		if o.IDs != "" {
			meta.KeyValueMetadata = append(meta.KeyValueMetadata, format.KeyValue{Key: KeyIDs, Value: o.IDs})
		}
	}
	for range p.leaves {
		meta.ColumnOrders = append(meta.ColumnOrders, format.ColumnOrder{Value: &format.TypeDefinedOrder{}})
	}
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &meta)
	if err != nil {
		return err
	}
	w.out = append(w.out, b...)
	w.out = binary.LittleEndian.AppendUint32(w.out, uint32(len(b)))
	w.out = append(w.out, magic...)
	return nil
}
