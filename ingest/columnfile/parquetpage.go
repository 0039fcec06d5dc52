package columnfile

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// The kinds of pages, and how values are encoded in them.
const (
	pageData       = 0
	pageDictionary = 2
	pageDataV2     = 3

	encodingPlain           = 0
	encodingPlainDictionary = 2
	encodingRLE             = 3
	encodingDelta           = 5
	encodingDeltaLength     = 6
	encodingDeltaBytes      = 7
	encodingDictionary      = 8
	encodingSplit           = 9
)

// pageHeader says what a page has; numbers of kinds that it is not of are 0.
type pageHeader struct {
	kind, full, packed             int64 // and its sizes, decompressed and as it is
	sum                            int64 // CRC32 of the page as it is; 0: its writer made none
	values, encoding               int64
	defEncoding, repEncoding       int64
	nulls, defBytes, repBytes, zip int64 // of pageDataV2
}

func readPageHeader(t *thrift) pageHeader {
	h := pageHeader{zip: 1}
	into := map[int64]*int64{1: &h.kind, 2: &h.full, 3: &h.packed, 4: &h.sum}
	t.fields(func(id int64, typ byte) bool {
		switch p := into[id]; {
		case p != nil && typ > thriftByte && typ < thriftDouble:
			*p = t.integer()
		case id == 5 && typ == thriftStruct:
			t.numbers(map[int64]*int64{1: &h.values, 2: &h.encoding, 3: &h.defEncoding, 4: &h.repEncoding})
		case id == 7 && typ == thriftStruct:
			t.numbers(map[int64]*int64{1: &h.values, 2: &h.encoding})
		case id == 8 && typ == thriftStruct:
			t.numbers(map[int64]*int64{1: &h.values, 2: &h.nulls, 4: &h.encoding, 5: &h.defBytes, 6: &h.repBytes, 7: &h.zip})
		default:
			return false
		}
		return true
	})
	return h
}

// load reads a column of a row group.
func (n *parquetNode) load(r *parquetReader, c parquetChunk) {
	n.defs, n.reps, n.ints, n.texts, n.at, n.value = nil, nil, nil, nil, 0, 0
	pages := r.pages(c)
	var dict *parquetNode // of the same type, with the values of the dictionary
	for len(pages) > 0 && int64(len(n.defs)) < c.values {
		t := &thrift{b: pages}
		h := readPageHeader(t)
		rest := pages[t.at:]
		if h.packed < 0 || h.packed > int64(len(rest)) || h.full < 0 || h.values < 0 {
			fail(ErrDamaged, "column %s has a page that does not end", n.name)
		}
		page := rest[:h.packed]
		pages = rest[h.packed:]
		if h.sum != 0 && crc32.ChecksumIEEE(page) != uint32(h.sum) {
			fail(ErrDamaged, "column %s has a page with another checksum", n.name)
		}
		switch h.kind {
		case pageDictionary:
			dict = &parquetNode{name: n.name, typ: n.typ, length: n.length}
			dict.plain(r, n.unpacked(r, c, h, page), r.count(h.values))
		case pageData:
			n.pageV1(r, h, n.unpacked(r, c, h, page), dict)
		case pageDataV2:
			n.pageV2(r, c, h, page, dict)
		}
	}
	if int64(len(n.defs)) != c.values {
		fail(ErrDamaged, "column %s has %d of %d values", n.name, len(n.defs), c.values)
	}
}

// count is how many values somebody wrote there are; there is memory for them.
func (r *parquetReader) count(n int64) int {
	if n < 0 || n > int64(r.Held) {
		fail(ErrTooMuch, "its values take more memory than is granted")
	}
	r.hold(int(n), 2) // for the levels
	return int(n)
}

// unpacked is a page as it was before it was compressed.
func (n *parquetNode) unpacked(r *parquetReader, c parquetChunk, h pageHeader, page []byte) []byte {
	if c.codec == codecNone {
		return page
	}
	r.hold(int(h.full), 1)
	return unpack(c.codec, page, int(h.full))
}

func (n *parquetNode) pageV1(r *parquetReader, h pageHeader, page []byte, dict *parquetNode) {
	count := r.count(h.values)
	levels := func(most int, encoding int64) []byte {
		if most == 0 {
			return make([]byte, count)
		}
		if encoding != encodingRLE {
			fail(ErrDamaged, "column %s has levels in an encoding that is no longer used", n.name)
		}
		size := int(binary.LittleEndian.Uint32(page))
		out := hybrid[byte](page[4:4+size], bits.Len(uint(most)), count)
		page = page[4+size:]
		return out
	}
	reps := levels(n.rep, h.repEncoding)
	n.page(r, h, reps, levels(n.def, h.defEncoding), page, dict)
}

func (n *parquetNode) pageV2(r *parquetReader, c parquetChunk, h pageHeader, page []byte, dict *parquetNode) {
	count := r.count(h.values)
	levels := func(most int, size int64) []byte {
		of := page[:size]
		page = page[size:]
		if most == 0 {
			return make([]byte, count)
		}
		return hybrid[byte](of, bits.Len(uint(most)), count)
	}
	reps := levels(n.rep, h.repBytes)
	defs := levels(n.def, h.defBytes)
	h.full -= h.repBytes + h.defBytes
	if h.full < 0 {
		fail(ErrDamaged, "column %s has a page that is smaller than its parts", n.name)
	}
	if h.zip != 0 && len(page) > 0 {
		page = n.unpacked(r, c, h, page)
	}
	n.page(r, h, reps, defs, page, dict)
}

// page takes the values of a page.
func (n *parquetNode) page(r *parquetReader, h pageHeader, reps, defs, page []byte, dict *parquetNode) {
	there := 0
	for i, d := range defs {
		if int(d) > n.def || int(reps[i]) > n.rep {
			fail(ErrDamaged, "column %s has levels that it cannot have", n.name)
		}
		if int(d) == n.def {
			there++
		}
	}
	n.defs, n.reps = append(n.defs, defs...), append(n.reps, reps...)
	if there == 0 {
		return
	}
	switch h.encoding {
	case encodingPlain:
		n.plain(r, page, there)
	case encodingPlainDictionary, encodingDictionary:
		n.indexed(r, page, there, dict)
	case encodingRLE:
		size := int(binary.LittleEndian.Uint32(page))
		for _, v := range hybrid[byte](page[4:4+size], 1, there) {
			n.ints = append(n.ints, uint64(v))
		}
	case encodingDelta:
		r.hold(there, 8)
		values, _ := deltas(page, there)
		n.ints = append(n.ints, values...)
	case encodingDeltaLength:
		n.deltaLength(r, page, there)
	case encodingDeltaBytes:
		n.deltaBytes(r, page, there)
	case encodingSplit:
		n.plain(r, joined(page, n.size(), there), there)
	default:
		fail(ErrDamaged, "column %s has values in encoding %d, which is not read", n.name, h.encoding)
	}
}

// size is how many bytes a value has; 0 if that differs, or it is a bit.
func (n *parquetNode) size() int {
	switch n.typ {
	case parquetInt32, parquetFloat:
		return 4
	case parquetInt64, parquetDouble:
		return 8
	case parquetInt96:
		return 12
	case parquetFixed:
		return int(n.length)
	}
	return 0
}

// plain takes values that follow each other.
func (n *parquetNode) plain(r *parquetReader, page []byte, count int) {
	r.hold(count, 24)
	size := n.size()
	for i := range count {
		switch n.typ {
		case parquetBool:
			n.ints = append(n.ints, uint64(page[i/8]>>(i%8)&1))
		case parquetInt32, parquetFloat:
			n.ints = append(n.ints, uint64(binary.LittleEndian.Uint32(page[4*i:])))
		case parquetInt64, parquetDouble:
			n.ints = append(n.ints, binary.LittleEndian.Uint64(page[8*i:]))
		case parquetBytes:
			size := int(binary.LittleEndian.Uint32(page))
			n.texts = append(n.texts, page[4:4+size])
			page = page[4+size:]
		default:
			n.texts = append(n.texts, page[i*size:(i+1)*size])
		}
	}
}

// indexed takes values that are places in the dictionary.
func (n *parquetNode) indexed(r *parquetReader, page []byte, count int, dict *parquetNode) {
	if dict == nil {
		fail(ErrDamaged, "column %s lacks its dictionary", n.name)
	}
	r.hold(count, 28)
	for _, at := range hybrid[uint32](page[1:], int(page[0]), count) {
		if n.typ >= parquetBytes || n.typ == parquetInt96 {
			n.texts = append(n.texts, dict.texts[at])
		} else {
			n.ints = append(n.ints, dict.ints[at])
		}
	}
}

func (n *parquetNode) deltaLength(r *parquetReader, page []byte, count int) {
	r.hold(count, 32)
	sizes, rest := deltas(page, count)
	for _, size := range sizes {
		n.texts = append(n.texts, rest[:size])
		rest = rest[size:]
	}
}

// deltaBytes takes texts that begin like the one before.
func (n *parquetNode) deltaBytes(r *parquetReader, page []byte, count int) {
	r.hold(count, 40)
	prefixes, rest := deltas(page, count)
	sizes, rest := deltas(rest, count)
	var last []byte
	for i, size := range sizes {
		suffix := rest[:size]
		rest = rest[size:]
		begin := last[:prefixes[i]]
		r.hold(len(begin)+len(suffix), 1)
		last = append(append(make([]byte, 0, len(begin)+len(suffix)), begin...), suffix...)
		n.texts = append(n.texts, last)
	}
}

// joined puts the bytes of values together, whose first bytes come first, then
// the second ones.
func joined(page []byte, size, count int) []byte {
	page = page[:size*count]
	out := make([]byte, 0, len(page))
	for i := range count {
		for k := range size {
			out = append(out, page[k*count+i])
		}
	}
	return out
}

// hybrid reads numbers of width bits, in runs of equal ones and runs of any. The
// caller has memory for count of them.
func hybrid[T byte | uint32](b []byte, width, count int) []T {
	if width > 32 {
		fail(ErrDamaged, "numbers of %d bits", width)
	}
	out := make([]T, 0, count)
	t := &thrift{b: b}
	for len(out) < count {
		head := t.unsigned()
		if head&1 == 0 {
			var v uint64
			for k := range (width + 7) / 8 {
				v |= uint64(t.byte()) << (8 * k)
			}
			for range min(head>>1, uint64(count-len(out))) {
				out = append(out, T(v))
			}
			if head == 0 {
				fail(ErrDamaged, "a run of nothing")
			}
			continue
		}
		n := min((head>>1)*8, uint64(count-len(out)))
		if head>>1 > uint64(len(b)+8) {
			n = uint64(count - len(out))
		}
		from := t.at
		for i := range int(n) {
			out = append(out, T(bitsAt(b[from:], i*width, width)))
		}
		t.at = min(from+int(min(head>>1, uint64(len(b))))*width, len(b))
	}
	return out
}

// bitsAt is a number of up to 64 bits, the least significant first.
func bitsAt(b []byte, at, width int) uint64 {
	var v uint64
	for got := 0; got < width; {
		bit := (at + got) % 8
		n := min(8-bit, width-got)
		v |= uint64(b[(at+got)/8]>>bit) & (1<<n - 1) << got
		got += n
	}
	return v
}

// deltas reads numbers by what each differs from the one before; there must be
// count of them, which the caller has memory for.
func deltas(b []byte, count int) (out []uint64, rest []byte) {
	t := &thrift{b: b}
	block, minis, total := t.unsigned(), t.unsigned(), t.unsigned()
	if total != uint64(count) || block == 0 || minis == 0 || block > 1<<16 || block%minis != 0 {
		fail(ErrDamaged, "%d numbers in blocks of %d, where %d are due", total, block, count)
	}
	last := uint64(t.integer())
	out = append(make([]uint64, 0, count), last)
	per := int(block / minis)
	for len(out) < count {
		least := uint64(t.integer())
		widths := t.b[t.at:][:minis]
		t.at += int(minis)
		for _, width := range widths {
			if len(out) == count {
				break
			}
			if width > 64 {
				fail(ErrDamaged, "numbers of %d bits", width)
			}
			from := t.b[t.at:]
			for i := range min(per, count-len(out)) {
				last += least + bitsAt(from, i*int(width), int(width))
				out = append(out, last)
			}
			t.at = min(t.at+per*int(width)/8, len(b))
		}
	}
	return out[:count], b[t.at:]
}
