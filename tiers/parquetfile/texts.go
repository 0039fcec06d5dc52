package parquetfile

import (
	"bytes"
	"hash/maphash"
)

// texts is a vector of byte strings. It starts as a dictionary, which is what
// most columns of events are, and gives that up for one arena of values when
// most values turn out to be new.
type texts struct {
	plain bool
	slots []uint32 // dictionary: entry+1, or 0; plain: end of the slot's value in bytes
	bytes []byte   // dictionary: the entries; plain: the values in order of slots

	entries []entry // dictionary only
	table   []uint32
	last    uint32 // entry+1 that was set last
	age     uint8  // resets since the dictionary was given up
}

// entry is one distinct value: its end in bytes, and part of its hash.
type entry struct{ end, hash uint32 }

const (
	minDistinct = 4096 // before that many, no judgement
	retryAfter  = 32   // resets after which a plain column tries a dictionary again
)

var textSeed = maphash.MakeSeed()

func (t *texts) set(slot int, v []byte) {
	if t.plain {
		t.setPlain(slot, v)
		return
	}
	for len(t.slots) < slot {
		t.slots = append(t.slots, 0)
	}
	t.slots = append(t.slots[:slot], t.intern(v))
	if len(t.entries) >= minDistinct && len(t.entries)*2 > len(t.slots) {
		t.flatten()
	}
}

func (t *texts) setPlain(slot int, v []byte) {
	end := uint32(len(t.bytes))
	for len(t.slots) < slot {
		t.slots = append(t.slots, end)
	}
	t.bytes = append(t.bytes, v...)
	t.slots = append(t.slots[:slot], uint32(len(t.bytes)))
}

// intern returns entry+1 of the value.
func (t *texts) intern(v []byte) uint32 {
	if t.last != 0 && bytes.Equal(t.entry(t.last-1), v) {
		return t.last
	}
	if len(t.entries)*2 >= len(t.table) {
		t.grow()
	}
	h64 := maphash.Bytes(textSeed, v)
	h, mask := uint32(h64>>32), uint32(len(t.table)-1)
	for i := uint32(h64) & mask; ; i = (i + 1) & mask {
		e := t.table[i]
		if e == 0 {
			t.bytes = append(t.bytes, v...)
			t.entries = append(t.entries, entry{uint32(len(t.bytes)), h})
			e = uint32(len(t.entries))
			t.table[i], t.last = e, e
			return e
		}
		if t.entries[e-1].hash == h && bytes.Equal(t.entry(e-1), v) {
			t.last = e
			return e
		}
	}
}

func (t *texts) entry(i uint32) []byte {
	from := uint32(0)
	if i > 0 {
		from = t.entries[i-1].end
	}
	return t.bytes[from:t.entries[i].end]
}

func (t *texts) grow() {
	n := max(64, len(t.table)*4)
	if cap(t.table) >= n {
		t.table = t.table[:n]
		clear(t.table)
	} else {
		t.table = make([]uint32, n)
	}
	mask := uint32(n - 1)
	for e := range t.entries {
		i := uint32(maphash.Bytes(textSeed, t.entry(uint32(e)))) & mask
		for t.table[i] != 0 {
			i = (i + 1) & mask
		}
		t.table[i] = uint32(e) + 1
	}
}

// flatten turns the dictionary into an arena.
func (t *texts) flatten() {
	var arena []byte
	for i, e := range t.slots {
		if e != 0 {
			arena = append(arena, t.entry(e-1)...)
		}
		t.slots[i] = uint32(len(arena))
	}
	t.plain, t.bytes, t.entries, t.table, t.last, t.age = true, arena, nil, nil, 0, 0
}

// get returns the value of a slot that was set.
func (t *texts) get(slot int) []byte {
	if !t.plain {
		return t.entry(t.slots[slot] - 1)
	}
	from := uint32(0)
	if slot > 0 {
		from = t.slots[slot-1]
	}
	return t.bytes[from:t.slots[slot]]
}

func (t *texts) truncate(n int) {
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
	return int64(cap(t.slots)+cap(t.table))*4 + int64(cap(t.bytes)) + int64(cap(t.entries))*8
}
