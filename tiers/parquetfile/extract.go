package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lakeward/lakeward/internal/version"
)

// ErrTooMuch is of an extract that would be larger than its limit.
var ErrTooMuch = errors.New("too many pages may have what is looked up")

// Equal asks that a field has a text.
type Equal struct {
	Field int // id
	Value string
}

// Extract is a Parquet file of those pages of other files that may have rows
// that are looked up; nothing is decoded but the columns that are asked about.
// Not safe for concurrent use.
type Extract struct {
	w      io.Writer
	limit  int64
	at     int64
	like   *Index
	groups []format.RowGroup
	rows   int64

	zstd  *zstd.Decoder
	buf   []byte // pages on their way
	page  []byte // a page as it was before compression
	index []int32
	text  []byte
	offs  []uint32
}

// NewExtract begins a file of at most limit bytes, without its footer. All that
// is added must have the same Key as like. The caller calls Close.
func NewExtract(w io.Writer, like *Index, limit int64) (*Extract, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(mostPage))
	if err != nil {
		return nil, err
	}
	e := &Extract{w: w, limit: limit, like: like, zstd: z}
	if err := e.put([]byte(magic)); err != nil {
		z.Close()
		return nil, err
	}
	return e, nil
}

// mostPage bounds the memory that a damaged page can ask for.
const mostPage = 1 << 30

func (e *Extract) put(b []byte) error {
	n, err := e.w.Write(b)
	e.at += int64(n)
	return err
}

// sought is a text that is looked up in a file.
type sought struct {
	bloom, leaf int // numbers of the filter in a row group, and of its column
	hash        uint64
	value       string
}

// Add adds the pages of a file in which a row may have all the texts. For each
// of the fields x.Finds must be true. The error wraps ErrTooMuch if the file
// gets larger than its limit.
func (e *Extract) Add(r io.ReaderAt, x *Index, want []Equal) error {
	texts := make([]sought, len(want))
	for i, w := range want {
		b := x.bloomOf(w.Field)
		texts[i] = sought{b, x.blooms[b], bloom.XXH64{}.Sum64([]byte(w.Value)), w.Value}
	}
	for i := range x.groups {
		g := &x.groups[i]
		maybe, err := g.maybe(r, texts)
		if err != nil {
			return fmt.Errorf("read a bloom filter: %w", err)
		}
		if !maybe {
			continue
		}
		if err := e.group(r, x, g, texts); err != nil {
			return fmt.Errorf("extract pages of row group %d: %w", i, err)
		}
	}
	return nil
}

// maybe asks the bloom filters.
func (g *groupIndex) maybe(r io.ReaderAt, texts []sought) (bool, error) {
	for _, s := range texts {
		f := g.blooms[s.bloom]
		found, err := bloom.CheckSplitBlock(io.NewSectionReader(r, f.at, f.size), f.size, s.hash)
		if err != nil || !found {
			return false, err
		}
	}
	return true, nil
}

// group adds what of a row group may have the texts.
func (e *Extract) group(r io.ReaderAt, x *Index, g *groupIndex, texts []sought) error {
	pages, err := x.offsets(r, g)
	if err != nil {
		return err
	}
	// Pages of a column that are cut otherwise than the others', because values
	// are very long, are all taken, and so are then all of the others.
	aligned := true
	for _, p := range pages[1:] {
		aligned = aligned && slices.EqualFunc(p.PageLocations, pages[0].PageLocations,
			func(a, b format.PageLocation) bool { return a.FirstRowIndex == b.FirstRowIndex })
	}
	take := make([]bool, len(pages[0].PageLocations))
	for i := range take {
		take[i] = true
	}
	for _, s := range texts {
		l := x.leaves[s.leaf]
		has, err := e.find(r, dictionary(g, pages, s.leaf), pages[s.leaf].PageLocations, l, s.value)
		if err != nil {
			return fmt.Errorf("column %s: %w", l.path[0], err)
		}
		if !slices.Contains(has, true) {
			return nil
		}
		for i := range take {
			take[i] = take[i] && (!aligned || has[i])
		}
	}
	if !slices.Contains(take, true) {
		return nil
	}
	return e.copy(r, x, g, pages, take, aligned)
}

// dictionary is what stands before the first data page of a chunk.
func dictionary(g *groupIndex, pages []format.OffsetIndex, leaf int) span {
	at := g.start
	if leaf > 0 {
		last := pages[leaf-1].PageLocations
		at = last[len(last)-1].Offset + int64(last[len(last)-1].CompressedPageSize)
	}
	return span{at: at, size: pages[leaf].PageLocations[0].Offset - at}
}

// find says of each page whether it has the text.
func (e *Extract) find(r io.ReaderAt, dict span, pages []format.PageLocation, l leafType, value string) ([]bool,
	error) {
	out := make([]bool, len(pages))
	entry := int32(-1)
	if dict.size > 0 {
		head, body, err := e.read(r, dict)
		if err != nil {
			return nil, err
		}
		if entry, err = entryOf(body, head.DictionaryPageHeader.V.NumValues, value); err != nil {
			return nil, err
		}
	}
	for i, p := range pages {
		head, body, err := e.read(r, span{at: p.Offset, size: int64(p.CompressedPageSize)})
		if err != nil {
			return nil, err
		}
		if l.optional > 0 {
			if body, err = afterLevels(body); err != nil {
				return nil, err
			}
		}
		if out[i], err = e.has(head.DataPageHeader.V, body, entry, value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

var errShort = errors.New("a page is shorter than it says")

// entryOf is the number of a text in a dictionary, or -1.
func entryOf(dict []byte, n int32, value string) (int32, error) {
	for i := range n {
		if len(dict) < 4 {
			return 0, errShort
		}
		size := binary.LittleEndian.Uint32(dict)
		if dict = dict[4:]; int64(size) > int64(len(dict)) {
			return 0, errShort
		}
		if string(dict[:size]) == value {
			return i, nil
		}
		dict = dict[size:]
	}
	return -1, nil
}

func afterLevels(body []byte) ([]byte, error) {
	if len(body) < 4 {
		return nil, errShort
	}
	n := binary.LittleEndian.Uint32(body)
	if body = body[4:]; int64(n) > int64(len(body)) {
		return nil, errShort
	}
	return body[n:], nil
}

// has says whether the values of a page have the text, whose number in the
// dictionary is entry.
func (e *Extract) has(head format.DataPageHeader, body []byte, entry int32, value string) (bool, error) {
	var enc encoding.Encoding
	switch head.Encoding {
	case format.RLEDictionary:
		if entry < 0 || len(body) == 0 {
			return false, nil
		}
		if body[0] > 32 {
			return false, fmt.Errorf("dictionary indices of %d bits", body[0])
		}
		var err error
		if body[0] == 0 { // the only entry
			return entry == 0 && head.NumValues > 0, nil
		}
		e.index, err = (&rle.Encoding{BitWidth: int(body[0])}).DecodeInt32(e.index[:0], body[1:])
		return slices.Contains(e.index, entry), err
	case format.DeltaByteArray:
		enc = new(delta.ByteArrayEncoding)
	case format.DeltaLengthByteArray:
		enc = new(delta.LengthByteArrayEncoding)
	case format.Plain:
		enc = new(plain.Encoding)
	default:
		return false, fmt.Errorf("texts in the encoding %s", head.Encoding)
	}
	var err error
	if e.text, e.offs, err = enc.DecodeByteArray(e.text[:0], body, e.offs[:0]); err != nil {
		return false, err
	}
	for i := range max(len(e.offs), 1) - 1 {
		if string(e.text[e.offs[i]:e.offs[i+1]]) == value {
			return true, nil
		}
	}
	return false, nil
}

// read reads a page and decompresses it. What it returns is valid until the
// next call.
func (e *Extract) read(r io.ReaderAt, s span) (h format.PageHeader, body []byte, err error) {
	e.buf = slices.Grow(e.buf[:0], int(s.size))[:s.size]
	if _, err := r.ReadAt(e.buf, s.at); err != nil {
		return h, nil, err
	}
	h, body, err = pageOf(e.buf)
	if err != nil {
		return h, nil, err
	}
	if h.UncompressedPageSize < 0 || h.UncompressedPageSize > mostPage {
		return h, nil, errShort
	}
	e.page, err = e.zstd.DecodeAll(body, e.page[:0])
	if err == nil && len(e.page) != int(h.UncompressedPageSize) {
		err = errShort
	}
	return h, e.page, err
}

// pageOf divides a page into its header and the rest.
func pageOf(b []byte) (h format.PageHeader, body []byte, err error) {
	tr := new(thrift.CompactProtocol).NewReaderFromBytes(b)
	if err := thrift.NewDecoder(tr).Decode(&h); err != nil {
		return h, nil, fmt.Errorf("page header: %w", err)
	}
	return h, b[tr.BytesRead():], nil
}

// copy adds a row group of the pages to take, or of all if they are not aligned.
func (e *Extract) copy(r io.ReaderAt, x *Index, g *groupIndex, pages []format.OffsetIndex, take []bool,
	aligned bool) error {
	out := format.RowGroup{NumRows: g.rows, FileOffset: e.at}
	if aligned {
		out.NumRows = rowsTaken(pages[0].PageLocations, take, g.rows)
	}
	e.buf = e.buf[:0]
	for i, l := range x.leaves {
		from := int64(len(e.buf))
		meta := format.ColumnMetaData{Type: l.physical, Codec: format.Zstd, PathInSchema: l.path, NumValues: out.NumRows,
			Encoding: thrift.Slice[format.Encoding]{format.RLE, format.RLEDictionary, format.Plain}}
		if d := dictionary(g, pages, i); d.size > 0 {
			meta.DictionaryPageOffset = e.at + from
			if err := e.fetch(r, d); err != nil {
				return err
			}
		}
		meta.DataPageOffset = e.at + int64(len(e.buf))
		entries := int64(0)
		for k, p := range pages[i].PageLocations {
			if aligned && !take[k] {
				continue
			}
			at := len(e.buf)
			if err := e.fetch(r, span{at: p.Offset, size: int64(p.CompressedPageSize)}); err != nil {
				return err
			}
			if l.repeated {
				h, _, err := pageOf(e.buf[at:])
				if err != nil {
					return err
				}
				entries += int64(h.DataPageHeader.V.NumValues)
			}
		}
		if l.repeated {
			meta.NumValues = entries
		}
		meta.TotalCompressedSize = int64(len(e.buf)) - from
		meta.TotalUncompressedSize = meta.TotalCompressedSize // its true value is in the page headers; no reader asks
		out.TotalByteSize += meta.TotalCompressedSize
		out.Columns = append(out.Columns, format.ColumnChunk{FileOffset: e.at + from, MetaData: meta})
	}
	if e.at+int64(len(e.buf)) > e.limit {
		return fmt.Errorf("%w: over %d bytes", ErrTooMuch, e.limit)
	}
	out.TotalCompressedSize = out.TotalByteSize
	e.groups, e.rows = append(e.groups, out), e.rows+out.NumRows
	return e.put(e.buf)
}

// rowsTaken is how many rows the pages to take have.
func rowsTaken(pages []format.PageLocation, take []bool, rows int64) (n int64) {
	for i, p := range pages {
		end := rows
		if i+1 < len(pages) {
			end = pages[i+1].FirstRowIndex
		}
		if take[i] {
			n += end - p.FirstRowIndex
		}
	}
	return n
}

// fetch appends a part of a file to the buffer.
func (e *Extract) fetch(r io.ReaderAt, s span) error {
	n := len(e.buf)
	e.buf = slices.Grow(e.buf, int(s.size))[:n+int(s.size)]
	_, err := r.ReadAt(e.buf[n:], s.at)
	return err
}

// Rows is how many rows were added.
func (e *Extract) Rows() int64 { return e.rows }

// Close writes the footer. A file without rows is none, and must not be read.
func (e *Extract) Close() error {
	defer e.zstd.Close()
	meta := format.FileMetaData{Version: 2, Schema: e.like.schema, NumRows: e.rows, RowGroups: e.groups,
		CreatedBy: version.CreatedBy()}
	for i := range meta.RowGroups {
		meta.RowGroups[i].Ordinal = int16(min(i, 1<<15-1))
	}
	for range e.like.leaves {
		meta.ColumnOrders = append(meta.ColumnOrders, format.ColumnOrder{Value: &format.TypeDefinedOrder{}})
	}
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &meta)
	if err != nil {
		return fmt.Errorf("write the footer of extracted pages: %w", err)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(b)))
	return e.put(append(b, magic...))
}
