package mutations

import (
	"math/rand/v2"
	"slices"
)

// mutation changes a file's bytes, which it may keep. nil removes the file.
type mutation struct {
	name  string
	apply func(r *rand.Rand, b []byte) []byte
}

// footer is how far from the end the interesting bytes of a Parquet file are:
// its metadata, their length and the magic.
const footer = 64

func mutations() []mutation {
	return []mutation{
		{"one bit", func(r *rand.Rand, b []byte) []byte { return flip(r, b, 0, 1) }},
		{"some bits", func(r *rand.Rand, b []byte) []byte { return flip(r, b, 0, 2+r.IntN(30)) }},
		{"bits of the footer", func(r *rand.Rand, b []byte) []byte { return flip(r, b, len(b)-footer, 1+r.IntN(4)) }},
		{"random range", func(r *rand.Rand, b []byte) []byte {
			lo, hi := span(r, len(b))
			for i := lo; i < hi; i++ {
				b[i] = byte(r.Uint32())
			}
			return b
		}},
		{"zeroed range", func(r *rand.Rand, b []byte) []byte {
			lo, hi := span(r, len(b))
			clear(b[lo:hi])
			return b
		}},
		{"all zero", func(_ *rand.Rand, b []byte) []byte { clear(b); return b }},
		{"truncated", func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] }},
		{"truncated by a byte", func(_ *rand.Rand, b []byte) []byte { return b[:len(b)-1] }},
		{"empty", func(_ *rand.Rand, b []byte) []byte { return b[:0] }},
		{"extended", func(r *rand.Rand, b []byte) []byte { return append(b, make([]byte, 1+r.IntN(4096))...) }},
		{"repeated", func(_ *rand.Rand, b []byte) []byte { return append(b, b...) }},
		{"range left out", func(r *rand.Rand, b []byte) []byte {
			lo, hi := span(r, len(b))
			return slices.Delete(b, lo, hi)
		}},
		{"range inserted", func(r *rand.Rand, b []byte) []byte {
			lo, hi := span(r, len(b))
			return slices.Insert(b, lo, slices.Clone(b[lo:hi])...)
		}},
		{"two ranges exchanged", exchange},
		{"removed", func(*rand.Rand, []byte) []byte { return nil }},
	}
}

// flip inverts bits at or after from.
func flip(r *rand.Rand, b []byte, from, bits int) []byte {
	from = max(from, 0)
	for range bits {
		b[from+r.IntN(len(b)-from)] ^= 1 << r.IntN(8)
	}
	return b
}

// span is a range of at least one byte and at most a block of a disk.
func span(r *rand.Rand, n int) (lo, hi int) {
	lo = r.IntN(n)
	return lo, min(n, lo+1+r.IntN(4096))
}

func exchange(r *rand.Rand, b []byte) []byte {
	n := 1 + r.IntN(len(b)/4)
	first := r.IntN(len(b) - 2*n + 1)
	second := first + n + r.IntN(len(b)-first-2*n+1)
	held := slices.Clone(b[first : first+n])
	copy(b[first:], b[second:second+n])
	copy(b[second:], held)
	return b
}
