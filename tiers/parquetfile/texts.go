package parquetfile

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
)

// texts is a vector of byte strings. It starts as a dictionary, which is what
// most columns of events are, and gives that up for one arena of values when
// most values turn out to be new.
type texts struct {
	plain bool
	base  int      // the slot of the first of slots; those before have no value
	slots []uint32 // dictionary: entry+1, or 0; plain: end of the slot's value in bytes
	bytes []byte   // dictionary: the entries; plain: the values in order of slots

	entries []entry  // dictionary only
	table   []uint64 // entry+1, below the upper half of its hash
	last    uint32   // entry+1 that was set last
	age     uint8    // resets since the dictionary was given up
}

// entry is one distinct value: where it is in bytes, and enough of it to tell
// most values apart without looking there.
type entry struct {
	word
	off, len uint32
}

// word is the first and last eight bytes of a value; up to 16 bytes it is, with
// the length, the value itself.
type word struct{ first, last uint64 }

const (
	minDistinct = 4096 // before that many, no judgement
	retryAfter  = 32   // resets after which a plain column tries a dictionary again
)

var (
	textSeed = maphash.MakeSeed()
	wordSeed = maphash.String(textSeed, "") | 1
)

func wordOf(v []byte) word {
	n := len(v)
	switch {
	case n >= 8:
		return word{binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[n-8:])}
	case n >= 4:
		return word{first: uint64(binary.LittleEndian.Uint32(v)) | uint64(binary.LittleEndian.Uint32(v[n-4:]))<<32}
	case n > 0:
		return word{first: uint64(v[0]) | uint64(v[n/2])<<8 | uint64(v[n-1])<<16}
	}
	return word{}
}

// hash is seeded, so that nobody can choose values that collide.
func (w word) hash(v []byte) uint64 {
	if len(v) > 16 {
		return maphash.Bytes(textSeed, v)
	}
	hi, lo := bits.Mul64(w.first^wordSeed, w.last^uint64(len(v))*0x9E3779B97F4A7C15^0xA0761D6478BD642F)
	hi, lo = bits.Mul64(hi^lo^wordSeed, 0xE7037ED1A0B428DB)
	return hi ^ lo
}

func (t *texts) set(slot int, v []byte) {
	if t.plain {
		t.setPlain(slot, v)
		return
	}
	if t.base+len(t.slots) != slot {
		t.slots = upTo(t.slots, &t.base, slot)
	}
	t.slots = append(room(t.slots, 1), t.intern(v))
	if len(t.entries) >= minDistinct && len(t.entries)*2 > len(t.slots) {
		t.flatten()
	}
}

func (t *texts) setPlain(slot int, v []byte) {
	if len(t.slots) == 0 {
		t.base = slot
	}
	end := uint32(len(t.bytes))
	for t.base+len(t.slots) < slot {
		t.slots = append(room(t.slots, 1), end)
	}
	t.bytes = append(room(t.bytes, len(v)), v...)
	t.slots = append(room(t.slots[:slot-t.base], 1), uint32(len(t.bytes)))
}

// intern returns entry+1 of the value.
func (t *texts) intern(v []byte) uint32 {
	w := wordOf(v)
	if t.last != 0 && t.is(t.last-1, w, v) {
		return t.last
	}
	if len(t.entries)*2 >= len(t.table) {
		t.grow()
	}
	h := w.hash(v)
	tag, mask := h&^uint64(math.MaxUint32), uint32(len(t.table)-1)
	for i := uint32(h) & mask; ; i = (i + 1) & mask {
		x := t.table[i]
		if x == 0 {
			t.entries = append(room(t.entries, 1), entry{w, uint32(len(t.bytes)), uint32(len(v))})
			t.bytes = append(room(t.bytes, len(v)), v...)
			t.last = uint32(len(t.entries))
			t.table[i] = tag | uint64(t.last)
			return t.last
		}
		if e := uint32(x); x&^uint64(math.MaxUint32) == tag && t.is(e-1, w, v) {
			t.last = e
			return e
		}
	}
}

// is reports whether an entry is the value v, whose word is w.
func (t *texts) is(i uint32, w word, v []byte) bool {
	e := &t.entries[i]
	return e.word == w && int(e.len) == len(v) && (e.len <= 16 || bytes.Equal(t.entry(i), v))
}

func (t *texts) entry(i uint32) []byte {
	e := &t.entries[i]
	return t.bytes[e.off : e.off+e.len]
}

func (t *texts) grow() {
	n := max(64, len(t.table)*4)
	if cap(t.table) >= n {
		t.table = t.table[:n]
		clear(t.table)
	} else {
		t.table = make([]uint64, n)
	}
	mask := uint32(n - 1)
	for e := range t.entries {
		h := t.entries[e].hash(t.entry(uint32(e)))
		i := uint32(h) & mask
		for t.table[i] != 0 {
			i = (i + 1) & mask
		}
		t.table[i] = h&^uint64(math.MaxUint32) | uint64(e+1)
	}
}

// flatten turns the dictionary into an arena.
func (t *texts) flatten() {
	var arena []byte
	for i, e := range t.slots {
		if e != 0 {
			v := t.entry(e - 1)
			arena = append(room(arena, len(v)), v...)
		}
		t.slots[i] = uint32(len(arena))
	}
	t.plain, t.bytes, t.entries, t.table, t.last, t.age = true, arena, nil, nil, 0, 0
}

// get returns the value of a slot that was set.
func (t *texts) get(slot int) []byte {
	i := slot - t.base
	if !t.plain {
		return t.entry(t.slots[i] - 1)
	}
	from := uint32(0)
	if i > 0 {
		from = t.slots[i-1]
	}
	return t.bytes[from:t.slots[i]]
}

// truncate forgets the slots from slot on.
func (t *texts) truncate(slot int) {
	n := max(slot-t.base, 0)
	if n >= len(t.slots) {
		return
	}
	t.slots = t.slots[:n]
	if !t.plain {
		return
	}
	end := uint32(0)
	if n > 0 {
		end = t.slots[n-1]
	}
	t.bytes = t.bytes[:end]
}

func (t *texts) reset() {
	t.slots, t.bytes, t.entries, t.last = t.slots[:0], t.bytes[:0], t.entries[:0], 0
	clear(t.table)
	if t.plain {
		if t.age++; t.age >= retryAfter {
			t.plain = false
		}
	}
}

func (t *texts) memory() int64 {
	return int64(cap(t.slots))*4 + int64(cap(t.table))*8 + int64(cap(t.bytes)) + int64(cap(t.entries))*24
}
