package ingest

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// recent remembers the message ids of late and where their messages are, in two
// generations. When the young one is full it becomes the old one, and what
// was old is forgotten; so between half and all of the capacity is remembered.
// Memory grows with what is in it. Not safe for concurrent use.
type recent struct {
	most       int // of one generation
	young, old generation
}

// fingerprint is of a table and a message id. Nobody who does not know the seeds
// can choose ids that have the same.
type fingerprint [2]uint64

// printer makes fingerprints. Not safe for concurrent use.
type printer struct {
	seeds     [2]maphash.Seed
	table     string // the last one
	tableHash uint64
}

func newPrinter() *printer {
	return &printer{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

// of is the fingerprint of an id in a table.
func (p *printer) of(table string, id []byte) fingerprint {
	if table != p.table {
		p.table, p.tableHash = table, maphash.String(p.seeds[0], table)
	}
	return fingerprint{maphash.Bytes(p.seeds[0], id), maphash.Bytes(p.seeds[1], id) ^ p.tableHash}
}

// position is a message's: how often its source had been reset, and the
// sequence. Later messages have greater ones.
type position uint64

const seqBits = 48

func positionOf(resets, seq uint64) position { return position(resets<<seqBits | seq&(1<<seqBits-1)) }

func (p position) resets() uint64 { return uint64(p) >> seqBits }
func (p position) seq() uint64    { return uint64(p) & (1<<seqBits - 1) }

// generation is a table of slots with linear probing. Most of what is looked up
// is not there; the tags, a byte for each slot, tell that from one line of the
// processor's cache.
type generation struct {
	tags  []uint8  // 0: the slot is empty; the first eight again after the last
	slots []record // a multiple of eight, or none
	n     int
}

// record holds 96 bits of a fingerprint, beside the tag, and where the message
// is. It has 20 bytes.
type record struct {
	id [3]uint32
	at [2]uint32
}

func (f fingerprint) tag() uint8 { return max(uint8(f[1]>>32), 1) }

func (f fingerprint) id() [3]uint32 { return [3]uint32{uint32(f[0]), uint32(f[0] >> 32), uint32(f[1])} }

// fingerprint is as much of it as a slot with that tag tells: all that find and
// put look at.
func (r *record) fingerprint(tag uint8) fingerprint {
	return fingerprint{uint64(r.id[0]) | uint64(r.id[1])<<32, uint64(r.id[2]) | uint64(tag)<<32}
}

func (r *record) position() position { return position(r.at[0]) | position(r.at[1])<<32 }

const firstSlots = 1 << 10

// newRecent remembers up to capacity ids.
func newRecent(capacity int) *recent {
	return &recent{most: max(capacity/2, 1)}
}

// lookUp reports whether f is known, and where its message is. If not, slot is
// for add.
func (r *recent) lookUp(f fingerprint) (slot uint64, at position, known bool) {
	if slot, known = r.young.find(f); known {
		return slot, r.young.slots[slot].position(), true
	}
	if old, known := r.old.find(f); known {
		return slot, r.old.slots[old].position(), true
	}
	return slot, 0, false
}

// add adds what is not known, at the slot that lookUp gave; nothing was added
// meanwhile.
func (r *recent) add(f fingerprint, slot uint64, at position) {
	g := &r.young
	if g.n >= r.most {
		r.young, r.old = r.old, r.young
		g.clear()
		slot, _ = g.find(f)
	}
	if g.n+1 > len(g.slots)/8*7 { // an eighth stays free
		g.grow()
		slot, _ = g.find(f)
	}
	g.put(slot, f, at)
	g.n++
}

// Of each byte of a word, the lowest and the highest bit: eight tags are looked
// at at once.
const (
	tagOnes  = 0x0101010101010101
	tagHighs = 0x8080808080808080
)

// find returns the slot that holds f, or the empty one where it belongs.
func (g *generation) find(f fingerprint) (slot uint64, there bool) {
	if len(g.slots) == 0 {
		return 0, false
	}
	n, tags, id := uint64(len(g.slots)), tagOnes*uint64(f.tag()), f.id()
	i, _ := bits.Mul64(f[0], n)
	for ; ; i = within8(i+8, n) {
		w := binary.LittleEndian.Uint64(g.tags[i:])
		// The lowest bit that is set is exact. One above it may be wrong: behind the
		// first empty slot it does not count, and before it slots are compared.
		empty, same := (w-tagOnes)&^w&tagHighs, w^tags
		for same = (same - tagOnes) &^ same & tagHighs & (empty&-empty - 1); same != 0; same &= same - 1 {
			if k := within8(i+uint64(bits.TrailingZeros64(same))/8, n); g.slots[k].id == id {
				return k, true
			}
		}
		if empty != 0 {
			return within8(i+uint64(bits.TrailingZeros64(empty))/8, n), false
		}
	}
}

// within8 is the slot at most eight beyond the last, from the start again.
func within8(i, n uint64) uint64 {
	if i >= n {
		return i - n
	}
	return i
}

func (g *generation) put(i uint64, f fingerprint, at position) {
	g.tags[i], g.slots[i] = f.tag(), record{f.id(), [2]uint32{uint32(at), uint32(at >> 32)}}
	if i < 8 {
		g.tags[uint64(len(g.slots))+i] = f.tag()
	}
}

func newGeneration(slots int) generation {
	return generation{tags: make([]uint8, slots+8), slots: make([]record, slots)}
}

func (g *generation) grow() {
	old := *g
	*g = newGeneration(max(2*len(old.slots), firstSlots))
	g.n = old.n
	for k, tag := range old.tags[:len(old.slots)] {
		if tag != 0 {
			s := &old.slots[k]
			f := s.fingerprint(tag)
			i, _ := g.find(f)
			g.put(i, f, s.position())
		}
	}
}

func (g *generation) clear() {
	clear(g.tags)
	g.n = 0
}
