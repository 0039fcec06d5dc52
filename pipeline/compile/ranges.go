package compile

import (
	"slices"
	"time"
)

// merge sorts ranges and joins those that touch or overlap.
func merge(rs []Range) []Range {
	rs = slices.DeleteFunc(slices.Clone(rs), Range.Empty)
	slices.SortFunc(rs, func(a, b Range) int { return a.Start.Compare(b.Start) })
	var out []Range
	for _, r := range rs {
		n := len(out)
		if n == 0 || (!out[n-1].End.IsZero() && r.Start.After(out[n-1].End)) {
			out = append(out, r)
			continue
		}
		if r.End.IsZero() || (!out[n-1].End.IsZero() && r.End.After(out[n-1].End)) {
			out[n-1].End = r.End
		}
	}
	return out
}

// floorTo rounds down to a multiple of d since the epoch.
func floorTo(t time.Time, d time.Duration) time.Time {
	us, w := t.UnixMicro(), d.Microseconds()
	n := us / w
	if us%w < 0 {
		n--
	}
	return time.UnixMicro(n * w).UTC()
}

// align widens a range to whole buckets.
func align(r Range, d time.Duration) Range {
	out := Range{Start: floorTo(r.Start, d), End: floorTo(r.End, d)}
	if out.End.Before(r.End) {
		out.End = out.End.Add(d)
	}
	return out
}

// bucketNo is the number of the bucket that starts at t.
func bucketNo(t time.Time, d time.Duration) int64 {
	return floorTo(t, d).UnixMicro() / d.Microseconds()
}
