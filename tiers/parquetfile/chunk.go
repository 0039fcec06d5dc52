package parquetfile

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lakeward/lakeward/tiers"
)

// A page ends at the first row after so many bytes of values, or entries.
const (
	pageBytes   = 16 << 20
	pageEntries = 1 << 20
)

// chunk writes one column of one row group.
func (w *encoder) chunk(l *leaf, lv levels) (chunk, error) {
	vals := w.buf.values(lv)
	data := w.gather(l, vals)
	b, nans := data.bounds()
	nulls := int64(len(lv.slots) - len(vals))
	l.rows += int64(len(lv.slots))
	l.nulls += nulls
	l.nans += nans
	l.total.merge(b)
	if l.bloom {
		if err := l.filter(&data); err != nil {
			return chunk{}, err
		}
	}
	lay := w.choose(l.col, &data)

	start := len(w.out)
	c, err := w.laidOut(lay, &data, lv)
	if err != nil && lay.enc != format.Plain {
		w.out = w.out[:start]
		l.col.choice = choice{}
		c, err = w.laidOut(w.plainly(&data), &data, lv)
	}
	if err != nil {
		return chunk{}, err
	}
	m := &c.MetaData
	m.PathInSchema, m.Statistics = thrift.Slice[string](l.path), b.statistics(l.col.Kind, nulls)
	l.size += m.TotalCompressedSize
	return c, nil
}

// laidOut appends the pages of a chunk in a layout for which the values are
// prepared.
func (w *encoder) laidOut(lay layout, data *values, lv levels) (chunk, error) {
	start := int64(len(w.out))
	meta := format.ColumnMetaData{
		Type: data.physical, Codec: format.Zstd, NumValues: int64(len(lv.slots)),
		Encoding: thrift.Slice[format.Encoding]{format.RLE, lay.enc},
	}
	var raw int64
	if lay.enc == format.RLEDictionary {
		meta.Encoding = append(meta.Encoding, format.Plain)
		meta.DictionaryPageOffset = start
		n, err := w.dictionaryPage(data)
		if err != nil {
			return chunk{}, err
		}
		raw += n
	}
	meta.DataPageOffset = int64(len(w.out))
	var pages []format.PageLocation
	for e, v, row := 0, 0, 0; e < len(lv.slots) || e == 0; {
		at := len(w.out)
		toE, toV, rows := data.pageEnd(lv, e, v, w.pageRows)
		n, err := w.dataPage(lay, data, lv, e, toE, v, toV)
		if err != nil {
			return chunk{}, err
		}
		pages = append(pages, format.PageLocation{Offset: int64(at), CompressedPageSize: int32(len(w.out) - at),
			FirstRowIndex: int64(row)})
		raw += n
		e, v, row = toE, toV, row+rows
	}
	meta.TotalUncompressedSize = raw
	meta.TotalCompressedSize = int64(len(w.out)) - start
	return chunk{format.ColumnChunk{FileOffset: start, MetaData: meta}, pages}, nil
}

// pageEnd returns where the page ends that begins at entry e and value v. limit
// is the most rows that it may have (0: any number); then rows is how many.
func (d *values) pageEnd(lv levels, e, v, limit int) (toE, toV, rows int) {
	left := len(lv.slots) - e
	if fits := limit == 0 || lv.rep == nil && left <= limit; fits && left <= pageEntries && d.size(v, d.n) <= pageBytes {
		return len(lv.slots), d.n, left
	}
	from, first := v, e
	for ; e < len(lv.slots); e++ {
		if lv.rep == nil || lv.rep[e] == 0 { // a row begins
			if e > first && (limit > 0 && rows == limit || e-first >= pageEntries || d.size(from, v) >= pageBytes) {
				break
			}
			rows++
		}
		if lv.def == nil || lv.def[e] == lv.maxDef {
			v++
		}
	}
	return e, v, rows
}

// dataPage appends the entries [e, toE) with the values [v, toV).
func (w *encoder) dataPage(lay layout, d *values, lv levels, e, toE, v, toV int) (int64, error) {
	page := w.buf.page[:0]
	var err error
	if lv.maxRep > 0 {
		if page, err = w.appendLevels(page, lv.rep, e, toE, lv.maxRep); err != nil {
			return 0, err
		}
	}
	if lv.maxDef > 0 {
		if page, err = w.appendLevels(page, lv.def, e, toE, lv.maxDef); err != nil {
			return 0, err
		}
	}
	body, err := w.encode(lay, d, v, toV)
	if err != nil {
		return 0, err
	}
	page = append(page, body...)
	w.buf.page = page
	h := format.PageHeader{Type: format.DataPage}
	h.DataPageHeader.Set(format.DataPageHeader{
		NumValues: int32(toE - e), Encoding: lay.enc,
		DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
	})
	return w.writePage(h, page)
}

// appendLevels appends levels with their length. nil levels are all at the maximum.
func (w *encoder) appendLevels(page, lv []byte, from, to int, maxLevel byte) ([]byte, error) {
	width := bitWidth(int(maxLevel))
	if lv == nil {
		page = append(page, 0, 0, 0, 0)
		at := len(page)
		page = binary.AppendUvarint(page, uint64(to-from)<<1)
		page = append(page, maxLevel)
		binary.LittleEndian.PutUint32(page[at-4:], uint32(len(page)-at))
		return page, nil
	}
	e := rle.Encoding{BitWidth: width}
	b, err := e.EncodeLevels(w.buf.enc[:0], lv[from:to])
	if err != nil {
		return nil, err
	}
	w.buf.enc = b
	page = binary.LittleEndian.AppendUint32(page, uint32(len(b)))
	return append(page, b...), nil
}

func (w *encoder) dictionaryPage(d *values) (int64, error) {
	h := format.PageHeader{Type: format.DictionaryPage}
	h.DictionaryPageHeader.Set(format.DictionaryPageHeader{NumValues: int32(d.entries), Encoding: format.Plain})
	return w.writePage(h, d.dict)
}

// writePage compresses and appends a page, and returns its size uncompressed.
func (w *encoder) writePage(h format.PageHeader, body []byte) (int64, error) {
	z := w.zstd.EncodeAll(body, w.buf.out[:0])
	w.buf.out = z
	h.UncompressedPageSize, h.CompressedPageSize = int32(len(body)), int32(len(z))
	hb, err := thrift.Marshal(new(thrift.CompactProtocol), &h)
	if err != nil {
		return 0, err
	}
	w.out = append(w.out, hb...)
	w.out = append(w.out, z...)
	return int64(len(hb) + len(body)), nil
}

// values are the values of one column chunk, end to end.
type values struct {
	kind     tiers.Kind
	physical format.Type
	n        int

	ints   []int64
	ints32 []int32
	nums   []float64
	bools  []byte // packed
	trues  int
	data   []byte   // texts: where offs point
	offs   []uint32 // n+1; nil if texts come as index

	index   []int32 // of dictionary entries, if there is a dictionary
	dict    []byte  // the entries in PLAIN
	entries int
	dictTxt []byte // the entries of texts end to end
	dictOff []uint32
}

// size is the rough number of bytes of the values [from, to).
func (d *values) size(from, to int) int {
	if d.offs != nil {
		return int(d.offs[to] - d.offs[from])
	}
	return (to - from) * 8
}

func (d *values) bounds() (b bounds, nans int64) {
	switch d.kind {
	case tiers.KindDecimal: // has no bounds: bytes do not sort as the numbers do
	case tiers.KindDouble:
		nans = b.addNums(d.nums)
	case tiers.KindString, tiers.KindBinary:
		if d.dictOff != nil {
			b.addTexts(d.dictTxt, d.dictOff)
		} else {
			b.addTexts(d.data, d.offs)
		}
	case tiers.KindBool:
		if d.n > 0 {
			b.has = true
			if d.trues > 0 {
				b.maxInt = 1
			}
			if d.trues == d.n {
				b.minInt = 1
			}
		}
	default:
		b.addInts(d.ints)
	}
	return b, nans
}

// gather brings the values of the slots together.
func (w *encoder) gather(l *leaf, slots []uint32) values {
	c, b := l.col, &w.buf
	d := values{kind: c.Kind, n: len(slots)}
	switch c.Kind {
	case tiers.KindBool:
		d.physical = format.Boolean
		d.bools = slices.Grow(b.bytes[:0], (len(slots)+7)/8)[:(len(slots)+7)/8]
		clear(d.bools)
		for i, s := range slots {
			if c.bools.has(int(s)) {
				d.bools[i>>3] |= 1 << (i & 7)
				d.trues++
			}
		}
		b.bytes = d.bools
	case tiers.KindDouble:
		d.physical = format.Double
		d.nums = b.nums[:0]
		for _, s := range slots {
			d.nums = append(d.nums, c.nums[int(s)-c.base])
		}
		b.nums = d.nums
	case tiers.KindDecimal:
		d.physical = format.FixedLenByteArray
		w.gatherPlain(&d, &c.text, slots)
	case tiers.KindString, tiers.KindBinary:
		d.physical = format.ByteArray
		if c.text.plain {
			w.gatherPlain(&d, &c.text, slots)
		} else {
			w.gatherDict(&d, &c.text, slots)
		}
	default:
		d.physical = format.Int64
		d.ints = b.ints[:0]
		for _, s := range slots {
			d.ints = append(d.ints, c.ints[int(s)-c.base])
		}
		b.ints = d.ints
		if c.Kind == tiers.KindDate {
			d.physical = format.Int32
			d.ints32 = b.ints32[:0]
			for _, v := range d.ints {
				d.ints32 = append(d.ints32, int32(v))
			}
			b.ints32 = d.ints32
		}
	}
	return d
}

func (w *encoder) gatherPlain(d *values, t *texts, slots []uint32) {
	b := &w.buf
	d.data, d.offs = b.bytes[:0], append(b.offs[:0], 0)
	for _, s := range slots {
		d.data = append(d.data, t.get(int(s))...)
		d.offs = append(d.offs, uint32(len(d.data)))
	}
	b.bytes, b.offs = d.data, d.offs
}

// gatherDict numbers the entries that the slots use in the order of their
// first appearance.
func (w *encoder) gatherDict(d *values, t *texts, slots []uint32) {
	b := &w.buf
	b.remap = slices.Grow(b.remap[:0], len(t.entries)+1)[:len(t.entries)+1]
	clear(b.remap)
	d.index, d.dict, d.dictTxt, d.dictOff = b.index[:0], b.dict[:0], b.dictTxt[:0], append(b.dictOff[:0], 0)
	for _, s := range slots {
		e := t.slots[int(s)-t.base]
		r := b.remap[e]
		if r == 0 {
			v := t.entry(e - 1)
			d.dict = binary.LittleEndian.AppendUint32(d.dict, uint32(len(v)))
			d.dict = append(d.dict, v...)
			d.dictTxt = append(d.dictTxt, v...)
			d.dictOff = append(d.dictOff, uint32(len(d.dictTxt)))
			d.entries++
			r = uint32(d.entries)
			b.remap[e] = r
		}
		d.index = append(d.index, int32(r-1))
	}
	b.index, b.dict, b.dictTxt, b.dictOff = d.index, d.dict, d.dictTxt, d.dictOff
}

// spell writes the texts out that so far are a dictionary.
func (w *encoder) spell(d *values) {
	if d.offs != nil {
		return
	}
	b := &w.buf
	d.data, d.offs = b.bytes[:0], append(b.offs[:0], 0)
	for _, i := range d.index {
		d.data = append(d.data, d.dictTxt[d.dictOff[i]:d.dictOff[i+1]]...)
		d.offs = append(d.offs, uint32(len(d.data)))
	}
	b.bytes, b.offs = d.data, d.offs
}

// number makes a dictionary of integers or doubles. It reports false if most
// values differ.
func (w *encoder) number(d *values) bool {
	if d.index != nil {
		return true
	}
	b := &w.buf
	limit := min(max(d.n/3, 16), 1<<16)
	size := 1 << bitWidth(limit*2)
	b.hash = slices.Grow(b.hash[:0], size)[:size]
	clear(b.hash)
	mask := uint64(size - 1)
	shift := 64 - bitWidth(size-1)
	index, words := b.index[:0], b.words[:0]
	for i := range d.n {
		v := d.word(i)
		h := v * 0x9E3779B97F4A7C15 >> shift
		for {
			e := b.hash[h&mask]
			if e == 0 {
				if len(words) == limit || (i > 1<<12 && len(words)*2 > i) {
					return false
				}
				words = append(words, v)
				e = uint32(len(words))
				b.hash[h&mask] = e
			}
			if words[e-1] == v {
				index = append(index, int32(e-1))
				break
			}
			h++
		}
	}
	b.index, b.words = index, words
	d.index, d.entries, d.dict = index, len(words), b.dict[:0]
	for _, v := range words {
		if d.ints32 != nil {
			d.dict = binary.LittleEndian.AppendUint32(d.dict, uint32(v))
		} else {
			d.dict = binary.LittleEndian.AppendUint64(d.dict, v)
		}
	}
	b.dict = d.dict
	return true
}

// word is an integer or double as its bits.
func (d *values) word(i int) uint64 {
	if d.nums != nil {
		return math.Float64bits(d.nums[i])
	}
	return uint64(d.ints[i])
}
