package parquetfile

import "math/bits"

// bitset is a set of slots that grows as slots are set, in increasing order.
// While no slot was left out it is only a count.
type bitset struct {
	first  int // word of a slot that words begin with
	words  []uint64
	count  int // slots in the set
	sparse bool
}

func (b *bitset) set(i int) {
	if !b.sparse {
		if i == b.count {
			b.count++
			return
		}
		if i < b.count {
			return
		}
		b.spread()
	}
	if b.count == 0 {
		b.first, b.words = i>>6, b.words[:0]
	}
	w := i>>6 - b.first
	if n := w + 1 - len(b.words); n > 0 {
		b.words = append(b.words, make([]uint64, n)...)
	}
	if m := uint64(1) << (i & 63); b.words[w]&m == 0 {
		b.words[w] |= m
		b.count++
	}
}

// spread writes out the slots that so far were a count.
func (b *bitset) spread() {
	b.sparse, b.first, b.words = true, 0, b.words[:0]
	for n := b.count; n > 0; n -= 64 {
		w := ^uint64(0)
		if n < 64 {
			w = 1<<n - 1
		}
		b.words = append(b.words, w)
	}
}

func (b *bitset) has(i int) bool {
	if !b.sparse {
		return i < b.count
	}
	w := i>>6 - b.first
	return w >= 0 && w < len(b.words) && b.words[w]>>(i&63)&1 != 0
}

// truncate forgets the slots from n on.
func (b *bitset) truncate(n int) {
	if !b.sparse {
		b.count = min(b.count, n)
		return
	}
	end := n>>6 - b.first // the word that n is in
	for w := max(end, 0); w < len(b.words); w++ {
		drop := b.words[w]
		if w == end {
			drop &^= 1<<(n&63) - 1
		}
		b.words[w] &^= drop
		b.count -= bits.OnesCount64(drop)
	}
	b.words = b.words[:min(len(b.words), max((n+63)>>6-b.first, 0))]
}

func (b *bitset) reset() { b.words, b.count, b.sparse = b.words[:0], 0, false }
