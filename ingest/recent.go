package ingest

import "hash/maphash"

// recent remembers the message ids of late: a set of 16-byte fingerprints in
// two generations. When the young one is full it becomes the old one, and what
// was old is forgotten; so between half and all of the capacity is remembered.
// Memory grows with what is in it. Not safe for concurrent use.
type recent struct {
	most       int // of one generation
	seeds      [2]maphash.Seed
	young, old generation
}

// fingerprint is of a table and a message id.
type fingerprint [2]uint64

// generation is a table of slots with linear probing. Most of what is looked up
// is not there; the tags, a byte for each slot, tell that from one line of the
// processor's cache.
type generation struct {
	tags  []uint8       // 0: the slot is empty
	slots []fingerprint // a power of two, or none
	n     int
}

func (f fingerprint) tag() uint8 { return uint8(f[1]) | 1 }

const firstSlots = 1 << 10

// newRecent remembers up to capacity ids.
func newRecent(capacity int) *recent {
	return &recent{most: max(capacity/2, 1), seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

// of is the fingerprint of an id in a table.
func (r *recent) of(table string, id []byte) fingerprint {
	return fingerprint{maphash.Bytes(r.seeds[0], id), maphash.Bytes(r.seeds[1], id) ^ maphash.String(r.seeds[0], table)}
}

func (r *recent) has(f fingerprint) bool { return r.young.has(f) || r.old.has(f) }

func (r *recent) add(f fingerprint) {
	if r.young.n >= r.most && !r.young.has(f) {
		r.young, r.old = r.old, r.young
		r.young.clear()
	}
	r.young.add(f)
}

func (g *generation) has(f fingerprint) bool {
	if g.n == 0 {
		return false
	}
	_, there := g.find(f)
	return there
}

// find returns the slot that holds f, or the empty one where it belongs.
func (g *generation) find(f fingerprint) (slot uint64, there bool) {
	mask, tag := uint64(len(g.slots)-1), f.tag()
	for i := f[0] & mask; ; i = (i + 1) & mask {
		switch g.tags[i] {
		case 0:
			return i, false
		case tag:
			if g.slots[i] == f {
				return i, true
			}
		}
	}
}

// add adds what is not in it, and keeps an eighth of the slots free.
func (g *generation) add(f fingerprint) {
	if g.n+1 > len(g.slots)/8*7 {
		g.grow()
	}
	if i, there := g.find(f); !there {
		g.tags[i], g.slots[i] = f.tag(), f
		g.n++
	}
}

func (g *generation) grow() {
	old := *g
	n := max(2*len(old.slots), firstSlots)
	g.tags, g.slots = make([]uint8, n), make([]fingerprint, n)
	for k, f := range old.slots {
		if old.tags[k] != 0 {
			i, _ := g.find(f)
			g.tags[i], g.slots[i] = f.tag(), f
		}
	}
}

func (g *generation) clear() {
	clear(g.tags)
	g.n = 0
}
