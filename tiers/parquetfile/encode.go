package parquetfile

import (
	"math/bits"

	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lakeward/lakeward/tiers"
)

// choice remembers the encoding of a column, so that not every row group has
// to try them all.
type choice struct {
	layout
	known bool
	age   int
}

// layout is an encoding. wide gives dictionary indices whole bytes, in which
// zstd finds what repeats; that beats the narrowest width when it does.
type layout struct {
	enc  format.Encoding
	wide bool
}

const (
	sample      = 8192 // values on which the encodings are tried
	choiceLives = 16   // row groups for which a choice stands
)

// choose returns the encoding that makes the chunk smallest, judged by a
// sample from its middle.
func (w *encoder) choose(c *Column, d *values) layout {
	if c.Kind == tiers.KindBool || d.n == 0 {
		return w.plainly(d)
	}
	if c.choice.known && c.choice.age < choiceLives {
		c.choice.age++
		if w.can(c.choice.enc, d) {
			return c.choice.layout
		}
	}
	from, to := 0, d.n
	if d.n > sample {
		from = (d.n - sample) / 2
		to = from + sample
	}
	best, least := layout{enc: format.Plain}, -1.0
	for _, lay := range candidates(c.Kind) {
		if !w.can(lay.enc, d) || (lay.wide && d.entries < 8) {
			continue
		}
		body, err := w.encode(lay, d, from, to)
		if err != nil {
			continue
		}
		size := float64(w.packed(body)) * float64(d.n) / float64(max(to-from, 1))
		if lay.enc == format.RLEDictionary {
			size += float64(w.packed(d.dict))
		}
		if least < 0 || size < least {
			best, least = lay, size
		}
	}
	if least < 0 {
		return w.plainly(d)
	}
	c.choice = choice{layout: best, known: d.n >= sample/4}
	return best
}

// plainly is the layout that takes any values, and none at all: a dictionary
// without entries has no width for its indices.
func (w *encoder) plainly(d *values) layout {
	w.can(format.Plain, d)
	return layout{enc: format.Plain}
}

func (w *encoder) packed(body []byte) int {
	w.buf.z = w.zstd.EncodeAll(body, w.buf.z[:0])
	return len(w.buf.z)
}

func candidates(k tiers.Kind) []layout {
	if k == tiers.KindDecimal {
		return []layout{{enc: format.Plain}}
	}
	out := []layout{{enc: format.RLEDictionary}, {enc: format.RLEDictionary, wide: true}}
	switch k {
	case tiers.KindString, tiers.KindBinary:
		return append(out, layout{enc: format.DeltaByteArray}, layout{enc: format.DeltaLengthByteArray})
	case tiers.KindDouble:
		return append(out, layout{enc: format.Plain})
	default:
		return append(out, layout{enc: format.DeltaBinaryPacked}, layout{enc: format.Plain})
	}
}

// can prepares the values for an encoding, and reports whether it is possible.
func (w *encoder) can(enc format.Encoding, d *values) bool {
	text := d.physical == format.ByteArray
	switch {
	case enc == format.RLEDictionary && text:
		return d.index != nil
	case enc == format.RLEDictionary:
		return w.number(d)
	case text:
		w.spell(d)
	}
	return true
}

// encode returns the values [from, to) in an encoding for which can was true.
// The bytes are valid until the next call.
func (w *encoder) encode(lay layout, d *values, from, to int) ([]byte, error) {
	var e encoding.Encoding
	switch lay.enc {
	case format.RLEDictionary:
		return w.encodeIndex(d.index[from:to], bitWidth(d.entries-1), lay.wide)
	case format.DeltaBinaryPacked:
		e = new(delta.BinaryPackedEncoding)
	case format.DeltaByteArray:
		e = new(delta.ByteArrayEncoding)
	case format.DeltaLengthByteArray:
		e = new(delta.LengthByteArrayEncoding)
	default:
		e = new(plain.Encoding)
	}
	out, err := w.encodeWith(e, d, from, to)
	w.buf.enc = out
	return out, err
}

// encodeIndex writes the width and then runs of indices.
func (w *encoder) encodeIndex(index []int32, width int, wide bool) ([]byte, error) {
	if wide {
		width = (width + 7) &^ 7
	}
	e := rle.Encoding{BitWidth: width}
	out, err := e.EncodeInt32(w.buf.dictEnc[:0], index)
	w.buf.dictEnc = out
	w.buf.enc = append(append(w.buf.enc[:0], byte(width)), out...)
	return w.buf.enc, err
}

func (w *encoder) encodeWith(e encoding.Encoding, d *values, from, to int) ([]byte, error) {
	dst := w.buf.enc[:0]
	switch d.physical {
	case format.Boolean:
		return appendBits(dst, d.bools, from, to), nil
	case format.Int32:
		return e.EncodeInt32(dst, d.ints32[from:to])
	case format.Int64:
		return e.EncodeInt64(dst, d.ints[from:to])
	case format.Double:
		return e.EncodeDouble(dst, d.nums[from:to])
	case format.FixedLenByteArray: // PLAIN
		return append(dst, d.data[d.offs[from]:d.offs[to]]...), nil
	default:
		lo, hi := d.offs[from], d.offs[to]
		offs := d.offs[from : to+1]
		if lo == 0 {
			return e.EncodeByteArray(dst, d.data[:hi], offs)
		}
		w.buf.rebased = w.buf.rebased[:0]
		for _, o := range offs {
			w.buf.rebased = append(w.buf.rebased, o-lo)
		}
		return e.EncodeByteArray(dst, d.data[lo:hi], w.buf.rebased)
	}
}

// appendBits appends the bits [from, to) of a packed array.
func appendBits(dst, packed []byte, from, to int) []byte {
	if from&7 == 0 {
		return append(dst, packed[from>>3:(to+7)>>3]...)
	}
	for i := from; i < to; i++ {
		if (i-from)&7 == 0 {
			dst = append(dst, 0)
		}
		dst[len(dst)-1] |= packed[i>>3] >> (i & 7) & 1 << ((i - from) & 7)
	}
	return dst
}

func bitWidth(n int) int { return bits.Len(uint(n)) }

// filter makes the bloom filter of one row group, of about 1% false positives.
func (l *leaf) filter(d *values) error {
	n, text := d.n, d.physical == format.ByteArray
	data, offs := d.data, d.offs
	if text && d.dictOff != nil {
		data, offs, n = d.dictTxt, d.dictOff, d.entries
	}
	f := make(bloom.SplitBlockFilter, max(1, bloom.NumSplitBlocksOf(int64(n), 10)))
	h := bloom.XXH64{}
	switch {
	case d.kind == tiers.KindBool, d.kind == tiers.KindDecimal:
		return nil
	case text:
		for i := range n {
			f.Insert(h.Sum64(data[offs[i]:offs[i+1]]))
		}
	case d.ints32 != nil:
		for _, v := range d.ints32 {
			f.Insert(h.Sum64Uint32(uint32(v)))
		}
	default:
		for i := range n {
			f.Insert(h.Sum64Uint64(d.word(i)))
			if d.nums != nil && d.nums[i] == 0 { // equals the zero of the other sign
				f.Insert(h.Sum64Uint64(d.word(i) ^ 1<<63))
			}
		}
	}
	body := f.Bytes()
	head, err := filterHead(len(body))
	l.filters = append(l.filters, append(head, body...))
	return err
}

// filterHead is what stands before a bloom filter of so many bytes.
func filterHead(n int) ([]byte, error) {
	return thrift.Marshal(new(thrift.CompactProtocol), &format.BloomFilterHeader{
		NumBytes:    int32(n),
		Algorithm:   format.BloomFilterAlgorithm{Value: &format.SplitBlockAlgorithm{}},
		Hash:        format.BloomFilterHash{Value: &format.XxHash{}},
		Compression: format.BloomFilterCompression{Value: &format.BloomFilterUncompressed{}},
	})
}

// blooms appends the filters after the row groups.
func (w *Writer) blooms() {
	for g := range w.groups {
		for i, l := range w.leaves {
			if g >= len(l.filters) {
				continue
			}
			m := &w.groups[g].Columns[i].MetaData
			m.BloomFilterOffset, m.BloomFilterLength = int64(len(w.out)), int32(len(l.filters[g]))
			w.out = append(w.out, l.filters[g]...)
		}
	}
}

// pageIndex appends the locations of the pages, grouped by row group.
func (w *Writer) pageIndex() error {
	for g := range w.groups {
		for i := range w.leaves {
			b, err := thrift.Marshal(new(thrift.CompactProtocol), &format.OffsetIndex{PageLocations: w.pages[g*len(w.leaves)+i]})
			if err != nil {
				return err
			}
			c := &w.groups[g].Columns[i]
			c.OffsetIndexOffset, c.OffsetIndexLength = int64(len(w.out)), int32(len(b))
			w.out = append(w.out, b...)
		}
	}
	return nil
}
