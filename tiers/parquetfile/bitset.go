package parquetfile

// bitset is a set of slots that grows as slots are set.
type bitset struct {
	words []uint64
	count int // slots in the set
}

func (b *bitset) set(i int) {
	w := i >> 6
	for w >= len(b.words) {
		b.words = append(b.words, 0)
	}
	if m := uint64(1) << (i & 63); b.words[w]&m == 0 {
		b.words[w] |= m
		b.count++
	}
}

func (b *bitset) has(i int) bool {
	w := i >> 6
	return w < len(b.words) && b.words[w]>>(i&63)&1 != 0
}

// truncate forgets the slots from n on.
func (b *bitset) truncate(n int) {
	for i := len(b.words)*64 - 1; i >= n; i-- {
		if b.words[i>>6] == 0 {
			i = i &^ 63 // the loop steps to the next word
			continue
		}
		if b.has(i) {
			b.words[i>>6] &^= 1 << (i & 63)
			b.count--
		}
	}
	b.words = b.words[:min(len(b.words), (n+63)>>6)]
}

func (b *bitset) reset() { b.words, b.count = b.words[:0], 0 }
