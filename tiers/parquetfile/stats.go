package parquetfile

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/format"

	"github.com/lakeward/lakeward/tiers"
)

const (
	icebergBound = 16 // characters of a string, or bytes of a binary, in a table's bounds
	parquetBound = 64 // bytes of either in a column chunk's statistics
)

// bounds are the least and greatest values seen.
type bounds struct {
	has            bool
	minInt, maxInt int64
	minNum, maxNum float64
	minText        []byte
	maxText        []byte
}

func (b *bounds) addInts(vs []int64) {
	if len(vs) == 0 {
		return
	}
	lo, hi := vs[0], vs[0]
	for _, v := range vs {
		lo, hi = min(lo, v), max(hi, v)
	}
	b.has, b.minInt, b.maxInt = true, lo, hi
}

// addNums leaves NaN out and returns how many there were.
func (b *bounds) addNums(vs []float64) (nans int64) {
	for _, v := range vs {
		switch {
		case v != v:
			nans++
		case !b.has:
			b.has, b.minNum, b.maxNum = true, v, v
		default:
			b.minNum, b.maxNum = min(b.minNum, v), max(b.maxNum, v)
		}
	}
	// Zero compares equal to its negative, which must not be lost.
	if b.has && b.minNum == 0 {
		b.minNum = math.Copysign(0, -1)
	}
	if b.has && b.maxNum == 0 {
		b.maxNum = 0
	}
	return nans
}

// addTexts takes values end to end with their offsets. The bounds point into them.
func (b *bounds) addTexts(data []byte, offs []uint32) {
	if len(offs) < 2 {
		return
	}
	lo := data[offs[0]:offs[1]]
	hi := lo
	for i := 1; i+1 < len(offs); i++ {
		v := data[offs[i]:offs[i+1]]
		if bytes.Compare(v, lo) < 0 {
			lo = v
		} else if bytes.Compare(v, hi) > 0 {
			hi = v
		}
	}
	b.has, b.minText, b.maxText = true, lo, hi
}

// merge takes the bounds of one more row group. Texts are copied.
func (b *bounds) merge(o bounds) {
	if !o.has {
		return
	}
	if !b.has {
		*b = o
		b.minText, b.maxText = bytes.Clone(o.minText), bytes.Clone(o.maxText)
		return
	}
	b.minInt, b.maxInt = min(b.minInt, o.minInt), max(b.maxInt, o.maxInt)
	b.minNum, b.maxNum = min(b.minNum, o.minNum), max(b.maxNum, o.maxNum)
	if bytes.Compare(o.minText, b.minText) < 0 {
		b.minText = bytes.Clone(o.minText)
	}
	if bytes.Compare(o.maxText, b.maxText) > 0 {
		b.maxText = bytes.Clone(o.maxText)
	}
}

// serial returns the bounds in the serialisation that Parquet's PLAIN encoding
// and Iceberg's single values share. Texts are whole.
func (b *bounds) serial(k tiers.Kind) (lo, hi []byte) {
	if !b.has {
		return nil, nil
	}
	switch k {
	case tiers.KindBool:
		return []byte{byte(b.minInt)}, []byte{byte(b.maxInt)}
	case tiers.KindDate:
		return binary.LittleEndian.AppendUint32(nil, uint32(b.minInt)),
			binary.LittleEndian.AppendUint32(nil, uint32(b.maxInt))
	case tiers.KindLong, tiers.KindTimestamp:
		return binary.LittleEndian.AppendUint64(nil, uint64(b.minInt)),
			binary.LittleEndian.AppendUint64(nil, uint64(b.maxInt))
	case tiers.KindDouble:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(b.minNum)),
			binary.LittleEndian.AppendUint64(nil, math.Float64bits(b.maxNum))
	default:
		return b.minText, b.maxText
	}
}

// statistics are those of a column chunk.
func (b *bounds) statistics(k tiers.Kind, nulls int64) format.Statistics {
	s := format.Statistics{NullCount: nulls}
	lo, hi := b.serial(k)
	if k == tiers.KindString || k == tiers.KindBinary {
		if len(lo) > parquetBound || len(hi) > parquetBound || (b.has && (len(lo) == 0 || len(hi) == 0)) {
			// A cut value is not a value of the column, and an empty one cannot be
			// told from none.
			return s
		}
	}
	s.MinValue, s.MaxValue = bytes.Clone(lo), bytes.Clone(hi)
	return s
}

// columnStats are Iceberg's, for the whole file.
func (l *leaf) columnStats() tiers.ColumnStats {
	s := tiers.ColumnStats{FieldID: l.id, Values: l.rows, Nulls: l.nulls, NaNs: l.nans, Size: l.size}
	lo, hi := l.total.serial(l.col.Kind)
	switch l.col.Kind {
	case tiers.KindString:
		lo, hi = cutString(lo), cutStringUp(hi)
	case tiers.KindBinary:
		lo, hi = cutBinary(lo), cutBinaryUp(hi)
	}
	s.Lower, s.Upper = lo, hi
	return s
}

// cutString keeps the first characters: a lower bound.
func cutString(s []byte) []byte {
	n := 0
	for i := range string(s) {
		if n == icebergBound {
			return s[:i]
		}
		n++
	}
	return s
}

// cutStringUp keeps the first characters and adds one to the last that can
// take it: an upper bound, or nil if there is none.
func cutStringUp(s []byte) []byte {
	cut := cutString(s)
	if len(cut) == len(s) {
		return s
	}
	for end := len(cut); end > 0; {
		r, n := utf8.DecodeLastRune(cut[:end])
		end -= n
		next := r + 1
		if next == 0xD800 {
			next = 0xE000
		}
		if next <= utf8.MaxRune {
			return utf8.AppendRune(bytes.Clone(cut[:end]), next)
		}
	}
	return nil
}

func cutBinary(s []byte) []byte { return s[:min(len(s), icebergBound)] }

func cutBinaryUp(s []byte) []byte {
	if len(s) <= icebergBound {
		return s
	}
	cut := bytes.Clone(s[:icebergBound])
	for i := len(cut) - 1; i >= 0; i-- {
		if cut[i] < 0xFF {
			cut[i]++
			return cut[:i+1]
		}
	}
	return nil
}
