package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lakeward/lakeward/tiers"
)

// ErrNoIndex is of a file that was not written with Options.PageRows.
var ErrNoIndex = errors.New("the file has no index of its pages")

// Index is what look-ups need to know of a file: where the bloom filters and
// the page indexes of its row groups are. It is small, never changes, and is
// safe for concurrent use.
type Index struct {
	schema []format.SchemaElement
	key    string // of the schema: files with the same can be in one extract
	leaves []leafType
	blooms []int // leaves that have filters, by field id
	groups []groupIndex
}

// leafType is what is to be known of a column to read its pages.
type leafType struct {
	id       int
	physical format.Type
	path     []string
	text     bool
	repeated bool
	optional int // levels of it that may be absent
}

type groupIndex struct {
	rows   int64
	start  int64 // of its first chunk
	pages  span  // offset indexes of all chunks
	blooms []span
}

type span struct{ at, size int64 }

func (s span) end() int64 { return s.at + s.size }

// The part of a footer that is of interest here.
type (
	leanFooter struct {
		Schema    thrift.Slice[format.SchemaElement] `thrift:"2,required"`
		Groups    []leanGroup                        `thrift:"4,required"`
		CreatedBy string                             `thrift:"6,optional"`
	}
	leanGroup struct {
		Columns []leanChunk `thrift:"1,required"`
		Rows    int64       `thrift:"3,required"`
	}
	leanChunk struct {
		Meta       leanMeta `thrift:"3,optional"`
		PagesAt    int64    `thrift:"4,optional"`
		PagesBytes int32    `thrift:"5,optional"`
	}
	leanMeta struct {
		Codec      format.CompressionCodec `thrift:"4,required"`
		Bytes      int64                   `thrift:"7,required"`
		DataAt     int64                   `thrift:"9,required"`
		DictAt     int64                   `thrift:"11,optional"`
		BloomAt    int64                   `thrift:"14,optional"`
		BloomBytes int32                   `thrift:"15,optional"`
	}
)

// start is where a chunk's first page is.
func (m leanMeta) start() int64 {
	if m.DictAt > 0 {
		return m.DictAt
	}
	return m.DataAt
}

// mostFooter bounds the memory that a damaged length can ask for.
const mostFooter = 256 << 20

// ReadIndex reads the index of a file of the given size. The error wraps
// ErrNoIndex if it has none.
func ReadIndex(r io.ReaderAt, size int64) (*Index, error) {
	var meta leanFooter
	if err := readFooter(r, size, &meta); err != nil {
		return nil, fmt.Errorf("read Parquet footer: %w", err)
	}
	if !ours(meta.CreatedBy) {
		return nil, ErrNoIndex
	}
	x := &Index{schema: meta.Schema}
	for i := range x.schema { // a name is a part of the footer, all of which would stay
		x.schema[i].Name = strings.Clone(x.schema[i].Name)
	}
	if err := x.columns(); err != nil {
		return nil, err
	}
	for _, g := range meta.Groups {
		if err := x.group(g, size); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func readFooter(r io.ReaderAt, size int64, to *leanFooter) error {
	var tail [8]byte
	if size < int64(len(tail)) {
		return io.ErrUnexpectedEOF
	}
	if _, err := r.ReadAt(tail[:], size-int64(len(tail))); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if string(tail[4:]) != magic || n > min(mostFooter, size-int64(len(tail))) {
		return errors.New("it does not end as a Parquet file does")
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, size-int64(len(tail))-n); err != nil {
		return err
	}
	return thrift.NewDecoder(new(thrift.CompactProtocol).NewReaderFromBytes(b)).Decode(to)
}

// columns walks the schema, whose elements are in depth-first order.
func (x *Index) columns() error {
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &format.FileMetaData{Schema: x.schema})
	if err != nil {
		return err
	}
	x.key = string(b)
	if len(x.schema) == 0 {
		return ErrNoIndex
	}
	rest, err := x.below(x.schema[1:], int(x.schema[0].NumChildren.V), leafType{})
	if err != nil || len(rest) > 0 {
		return errors.Join(errors.New("the schema is not a tree"), err)
	}
	return nil
}

// below adds the leaves of n fields; in is of their parent.
func (x *Index) below(elements []format.SchemaElement, n int, in leafType) ([]format.SchemaElement, error) {
	for range n {
		if len(elements) == 0 || len(in.path) > maxDepth {
			return nil, io.ErrUnexpectedEOF
		}
		e := elements[0]
		elements = elements[1:]
		l := leafType{id: int(e.FieldID), path: append(slices.Clone(in.path), e.Name), repeated: in.repeated,
			optional: in.optional}
		switch e.RepetitionType.V {
		case format.Optional:
			l.optional++
		case format.Repeated:
			l.repeated = true
		}
		if e.NumChildren.V > 0 {
			var err error
			if elements, err = x.below(elements, int(e.NumChildren.V), l); err != nil {
				return nil, err
			}
			continue
		}
		l.physical = e.Type.V
		l.text = e.Type.Valid && e.Type.V == format.ByteArray
		x.leaves = append(x.leaves, l)
	}
	return elements, nil
}

// maxDepth bounds the nesting of a schema.
const maxDepth = 64

// group adds a row group, whose chunks, and whose page indexes, must lie one
// after the other: what is between two chunks' data pages is a dictionary.
func (x *Index) group(g leanGroup, size int64) error {
	if len(g.Columns) != len(x.leaves) || len(g.Columns) == 0 || g.Columns[0].PagesBytes == 0 {
		return ErrNoIndex
	}
	first := g.Columns[0]
	out := groupIndex{rows: g.Rows, start: first.Meta.start(), pages: span{at: first.PagesAt}}
	at := out.start
	var blooms []int
	for i, c := range g.Columns {
		if c.Meta.Codec != format.Zstd || c.Meta.start() != at || c.Meta.Bytes < 0 || c.PagesAt != out.pages.end() ||
			c.PagesBytes < 0 {
			return ErrNoIndex
		}
		at += c.Meta.Bytes
		out.pages.size += int64(c.PagesBytes)
		if s, ok := filterOf(c.Meta); ok && x.leaves[i].text && !x.leaves[i].repeated && x.leaves[i].optional <= 1 {
			blooms, out.blooms = append(blooms, i), append(out.blooms, s)
		}
	}
	if out.start < 0 || at > size || out.pages.at < 0 || out.pages.end() > size || g.Rows < 0 {
		return fmt.Errorf("a row group ends after the file")
	}
	if len(x.groups) > 0 && !slices.Equal(blooms, x.blooms) {
		return ErrNoIndex
	}
	x.blooms, x.groups = blooms, append(x.groups, out)
	return nil
}

// filterOf is where the bits of a chunk's bloom filter are.
func filterOf(m leanMeta) (span, bool) {
	bits := int64(m.BloomBytes) &^ (bloom.BlockSize - 1)
	head, err := filterHead(int(bits))
	if err != nil || bits <= 0 || m.BloomAt <= 0 || int64(len(head))+bits != int64(m.BloomBytes) {
		return span{}, false
	}
	return span{at: m.BloomAt + int64(len(head)), size: bits}, true
}

// Key is the same for files whose pages can be in one Extract.
func (x *Index) Key() string { return x.key }

// Memory is about how many bytes the index takes.
func (x *Index) Memory() int64 {
	return int64(len(x.key)) + int64(len(x.schema)+len(x.leaves))*200 + int64(len(x.groups))*int64(64+16*len(x.blooms))
}

// bloomOf is the number of the field's filter in each row group, or -1.
func (x *Index) bloomOf(field int) int {
	return slices.IndexFunc(x.blooms, func(leaf int) bool {
		id := x.leaves[leaf].id
		of, copied := tiers.CopyOf(id)
		return copied && of == field || id == field && len(x.leaves[leaf].path) == 1
	})
}

// Finds reports whether rows can be looked up by the text of the field: it has
// a bloom filter, at the top level or as a copy there.
func (x *Index) Finds(field int) bool { return x.bloomOf(field) >= 0 }

// offsets reads where the pages of each chunk of a row group are.
func (x *Index) offsets(r io.ReaderAt, g *groupIndex) ([]format.OffsetIndex, error) {
	b := make([]byte, g.pages.size)
	if _, err := r.ReadAt(b, g.pages.at); err != nil {
		return nil, err
	}
	out := make([]format.OffsetIndex, len(x.leaves))
	d := thrift.NewDecoder(new(thrift.CompactProtocol).NewReaderFromBytes(b))
	at := g.start
	for i := range out {
		if err := d.Decode(&out[i]); err != nil {
			return nil, err
		}
		for _, p := range out[i].PageLocations {
			if p.Offset < at || p.CompressedPageSize <= 0 || p.Offset+int64(p.CompressedPageSize) > g.pages.at {
				return nil, errors.New("a page is not where its row group is")
			}
			at = p.Offset + int64(p.CompressedPageSize)
		}
		if len(out[i].PageLocations) == 0 {
			return nil, errors.New("a column has no pages")
		}
	}
	return out, nil
}
