package columnfile

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
	"strconv"
)

// member appends a column's value to an object, unless it is null.
func (r *arrowReader) member(dst []byte, c *arrowColumn, i int) []byte {
	had := len(dst)
	dst = append(comma(dst), c.key...)
	dst, ok := r.value(dst, c, i)
	if !ok {
		return dst[:had]
	}
	return dst
}

// element appends a value to an array.
func (r *arrowReader) element(dst []byte, c *arrowColumn, i int) []byte {
	dst, ok := r.value(comma(dst), c, i)
	if !ok {
		dst = append(dst, "null"...)
	}
	return dst
}

// value appends a value; ok is false if it is null, and nothing is appended.
func (r *arrowReader) value(dst []byte, c *arrowColumn, i int) (_ []byte, ok bool) {
	r.visit(dst)
	if i < 0 || i >= c.n {
		fail(ErrDamaged, "column %s does not have the value %d", c.name, i)
	}
	if len(c.valid) > 0 && c.valid[i/8]>>(i%8)&1 == 0 {
		return dst, false
	}
	if r.nested++; r.nested > 2*mostDepth {
		fail(ErrTooMuch, "it has values that are too deep in each other")
	}
	defer func() { r.nested-- }()
	if c.index {
		of, at := r.dicts[c.dict].at(int(c.integer(c.values, i)))
		return r.value(dst, of, at)
	}
	switch c.kind {
	case arrowNull:
		return dst, false
	case arrowUnion:
		return r.union(dst, c, i)
	case arrowRunEnd:
		ends := &c.kids[0]
		run := sort.Search(ends.n, func(k int) bool { return ends.integer(ends.values, k) > int64(i) })
		return r.value(dst, &c.kids[1], run)
	case arrowStruct:
		dst = append(dst, '{')
		for k := range c.kids {
			dst = r.member(dst, &c.kids[k], i)
		}
		return append(dst, '}'), true
	case arrowMap:
		return r.mapped(dst, c, i), true
	case arrowList, arrowLargeList, arrowFixedList, arrowListView, arrowLargeListView:
		from, to := c.span(i)
		if to < from {
			fail(ErrDamaged, "column %s has a list that ends before it begins", c.name)
		}
		dst = append(dst, '[')
		for k := from; k < to; k++ {
			dst = r.element(dst, &c.kids[0], k)
		}
		return append(dst, ']'), true
	case arrowUTF8, arrowLargeUTF8, arrowUTF8View:
		return appendText(dst, c.bytes(i)), true
	case arrowBinary, arrowLargeBinary, arrowBinaryView, arrowFixedBinary:
		return appendBase64(dst, c.bytes(i)), true
	}
	return c.scalar(dst, i), true
}

// union appends the value of one of the columns.
func (r *arrowReader) union(dst []byte, c *arrowColumn, i int) ([]byte, bool) {
	for k := range c.kids {
		if int8(c.offsets[i]) != int8(c.ids[4*k]) {
			continue
		}
		at := i
		if c.dense {
			at = int(int32(binary.LittleEndian.Uint32(c.sizes[4*i:])))
		}
		return r.value(dst, &c.kids[k], at)
	}
	fail(ErrDamaged, "column %s is none of its types", c.name)
	return dst, false
}

// mapped appends a map as an object.
func (r *arrowReader) mapped(dst []byte, c *arrowColumn, i int) []byte {
	from, to := c.span(i)
	keys, values := &c.kids[0].kids[0], &c.kids[0].kids[1]
	dst = append(dst, '{')
	var key []byte
	for k := from; k < to; k++ {
		r.visit(dst)
		had := len(dst)
		var ok bool
		if key, ok = r.value(key[:0], keys, k); !ok {
			fail(ErrDamaged, "column %s has a key that is null", c.name)
		}
		if dst, ok = r.value(appendKey(comma(dst), key), values, k); !ok {
			dst = dst[:had]
		}
	}
	return append(dst, '}')
}

// span is which values of the column in it are a list's.
func (c *arrowColumn) span(i int) (from, to int) {
	switch c.kind {
	case arrowFixedList:
		return i * c.width, (i + 1) * c.width
	case arrowListView, arrowLargeListView:
		from = int(c.offset(c.offsets, i))
		return from, from + int(c.offset(c.sizes, i))
	}
	return int(c.offset(c.offsets, i)), int(c.offset(c.offsets, i+1))
}

func (c *arrowColumn) offset(of []byte, i int) int64 {
	if c.large() {
		return int64(binary.LittleEndian.Uint64(of[8*i:]))
	}
	return int64(int32(binary.LittleEndian.Uint32(of[4*i:])))
}

// bytes are a text or a binary value.
func (c *arrowColumn) bytes(i int) []byte {
	switch c.kind {
	case arrowFixedBinary:
		return c.values[i*c.width : (i+1)*c.width]
	case arrowBinaryView, arrowUTF8View:
		view := c.values[16*i : 16*i+16]
		n := int(binary.LittleEndian.Uint32(view))
		if n <= 12 {
			return view[4 : 4+n]
		}
		of, at := int(binary.LittleEndian.Uint32(view[8:])), int(binary.LittleEndian.Uint32(view[12:]))
		return c.views[of][at:][:n]
	}
	return c.values[c.offset(c.offsets, i):c.offset(c.offsets, i+1)]
}

// integer is a whole number of the field's width.
func (c *arrowColumn) integer(of []byte, i int) int64 {
	b := of[i*c.width : (i+1)*c.width]
	switch {
	case c.width == 1 && c.signed:
		return int64(int8(b[0]))
	case c.width == 1:
		return int64(b[0])
	case c.width == 2 && c.signed:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case c.width == 2:
		return int64(binary.LittleEndian.Uint16(b))
	case c.width == 4 && (c.signed || c.kind != arrowInt):
		return int64(int32(binary.LittleEndian.Uint32(b)))
	case c.width == 4:
		return int64(binary.LittleEndian.Uint32(b))
	case c.width == 8:
		return int64(binary.LittleEndian.Uint64(b))
	}
	fail(ErrDamaged, "column %s has whole numbers of %d bytes", c.name, c.width)
	return 0
}

// scalar appends a value of a fixed size.
func (c *arrowColumn) scalar(dst []byte, i int) []byte {
	switch c.kind {
	case arrowBool:
		return strconv.AppendBool(dst, c.values[i/8]>>(i%8)&1 == 1)
	case arrowInt:
		if n := c.integer(c.values, i); c.signed || c.width < 8 {
			return strconv.AppendInt(dst, n, 10)
		}
		return strconv.AppendUint(dst, uint64(c.integer(c.values, i)), 10)
	case arrowDecimal:
		b := slices.Clone(c.values[i*c.width : (i+1)*c.width])
		slices.Reverse(b)
		return appendDecimal(dst, bigOf(b), c.scale)
	case arrowInterval:
		return c.interval(dst, i)
	case arrowFloat:
		return c.float(dst, i)
	}
	n := c.integer(c.values, i)
	switch c.kind {
	case arrowDate:
		if c.unit == millis {
			n, _ = split(n, millis)
			return appendDate(dst, floorDays(n))
		}
		return appendDate(dst, n)
	case arrowTime:
		return appendTimeOfDay(dst, n, c.unit)
	case arrowTimestamp:
		return appendTimestamp(dst, n, c.unit, c.utc)
	}
	return strconv.AppendInt(dst, n, 10) // arrowDuration
}

func (c *arrowColumn) float(dst []byte, i int) []byte {
	switch b := c.values[i*c.width:]; c.width {
	case 2:
		return appendHalf(dst, binary.LittleEndian.Uint16(b))
	case 4:
		return appendFloat(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 32)
	default:
		return appendFloat(dst, math.Float64frombits(binary.LittleEndian.Uint64(b)), 64)
	}
}

// interval appends an object, since months have no one length.
func (c *arrowColumn) interval(dst []byte, i int) []byte {
	b := c.values[i*c.width : (i+1)*c.width]
	part := func(name string, n int64) {
		dst = append(comma(dst), name...)
		dst = strconv.AppendInt(dst, n, 10)
	}
	word := func(at int) int64 { return int64(int32(binary.LittleEndian.Uint32(b[at:]))) }
	dst = append(dst, '{')
	switch c.form {
	case 0:
		part(`"months":`, word(0))
	case 1:
		part(`"days":`, word(0))
		part(`"milliseconds":`, word(4))
	default:
		part(`"months":`, word(0))
		part(`"days":`, word(4))
		part(`"nanoseconds":`, int64(binary.LittleEndian.Uint64(b[8:])))
	}
	return append(dst, '}')
}
