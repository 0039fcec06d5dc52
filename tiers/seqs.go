package tiers

import (
	"cmp"
	"slices"
)

// MergeSeqs sorts ranges and joins those that touch or overlap. It leaves rs
// as it is.
func MergeSeqs(rs []SeqRange) []SeqRange {
	if len(rs) == 0 {
		return nil
	}
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(a, b SeqRange) int { return cmp.Compare(a.First, b.First) })
	out := rs[:1]
	for _, r := range rs[1:] {
		if last := &out[len(out)-1]; r.First <= last.Last+1 {
			last.Last = max(last.Last, r.Last)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// Twice finds a sequence that is in two of the ranges.
func Twice(rs []SeqRange) (seq uint64, ok bool) {
	rs = slices.SortedFunc(slices.Values(rs), func(a, b SeqRange) int { return cmp.Compare(a.First, b.First) })
	for i := 1; i < len(rs); i++ { // the first two that overlap are neighbours
		if rs[i].First <= rs[i-1].Last {
			return rs[i].First, true
		}
	}
	return 0, false
}

// SubtractSeqs is what the ranges a have and b have not. Both are as MergeSeqs
// returns them, and so is the result.
func SubtractSeqs(a, b []SeqRange) []SeqRange {
	var out []SeqRange
	for _, r := range a {
		for len(b) > 0 && b[0].Last < r.First {
			b = b[1:]
		}
		from, whole := r.First, true
		for _, x := range b {
			if x.First > r.Last {
				break
			}
			if x.First > from {
				out = append(out, SeqRange{First: from, Last: x.First - 1})
			}
			if x.Last >= r.Last {
				whole = false
				break
			}
			from = x.Last + 1
		}
		if whole {
			out = append(out, SeqRange{First: from, Last: r.Last})
		}
	}
	return out
}

// CountSeqs is the number of sequences in disjoint ranges.
func CountSeqs(rs []SeqRange) (n uint64) {
	for _, r := range rs {
		n += r.Last - r.First + 1
	}
	return n
}
