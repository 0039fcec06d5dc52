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

// fingerprint is of a table and a message id. Zero stands for an empty slot.
type fingerprint [2]uint64

type generation struct {
	slots []fingerprint // a power of two, or none
	n     int
}

const firstSlots = 1 << 10

// newRecent remembers up to capacity ids.
func newRecent(capacity int) *recent {
	return &recent{most: max(capacity/2, 1), seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

// of is the fingerprint of an id in a table.
func (r *recent) of(table string, id []byte) fingerprint {
	f := fingerprint{maphash.Bytes(r.seeds[0], id), maphash.Bytes(r.seeds[1], id) ^ maphash.String(r.seeds[0], table)}
	if f == (fingerprint{}) {
		f[0] = 1
	}
	return f
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
	mask := uint64(len(g.slots) - 1)
	for i := f[0] & mask; ; i = (i + 1) & mask {
		switch g.slots[i] {
		case f:
			return true
		case fingerprint{}:
			return false
		}
	}
}

// add adds what is not in it, and keeps an eighth of the slots free.
func (g *generation) add(f fingerprint) {
	if g.n+1 > len(g.slots)/8*7 {
		g.grow()
	}
	if g.put(f) {
		g.n++
	}
}

// put reports whether f was not there.
func (g *generation) put(f fingerprint) bool {
	mask := uint64(len(g.slots) - 1)
	for i := f[0] & mask; ; i = (i + 1) & mask {
		switch g.slots[i] {
		case f:
			return false
		case fingerprint{}:
			g.slots[i] = f
			return true
		}
	}
}

func (g *generation) grow() {
	old := g.slots
	g.slots = make([]fingerprint, max(2*len(old), firstSlots))
	for _, f := range old {
		if f != (fingerprint{}) {
			g.put(f)
		}
	}
}

func (g *generation) clear() {
	clear(g.slots)
	g.n = 0
}
