package tiers

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// bits are the ranges of the set bits of a number, counted from 1.
func bits(n uint32) (out []SeqRange) {
	for i := range uint64(32) {
		if n&(1<<i) != 0 {
			out = append(out, SeqRange{First: i + 1, Last: i + 1})
		}
	}
	return MergeSeqs(out)
}

func TestRangesAreSets(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		a, b := r.Uint32()&r.Uint32(), r.Uint32()|r.Uint32()
		if got, want := SubtractSeqs(bits(a), bits(b)), bits(a&^b); !slices.Equal(got, want) {
			t.Fatalf("%v less %v is %v, want %v", bits(a), bits(b), got, want)
		}
		if got, want := MergeSeqs(slices.Concat(bits(a), bits(b))), bits(a|b); !slices.Equal(got, want) {
			t.Fatalf("%v and %v are %v, want %v", bits(a), bits(b), got, want)
		}
	}
	if n := CountSeqs(bits(0b1011)); n != 3 {
		t.Errorf("count is %d", n)
	}
}

func TestASequenceInTwoRangesIsFound(t *testing.T) {
	r := func(first, last uint64) SeqRange { return SeqRange{First: first, Last: last} }
	for _, c := range []struct {
		in   []SeqRange
		want uint64
	}{
		{nil, 0}, {[]SeqRange{r(5, 6), r(1, 4)}, 0}, {[]SeqRange{r(4, 6), r(1, 4)}, 4},
		{[]SeqRange{r(1, 9), r(3, 4), r(6, 7)}, 3}, {[]SeqRange{r(2, 2), r(2, 2)}, 2},
	} {
		if got, ok := Twice(c.in); got != c.want || ok != (c.want > 0) {
			t.Errorf("%v: %d, %t", c.in, got, ok)
		}
	}
}
