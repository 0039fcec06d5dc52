package sqltext

import (
	"slices"
	"time"
)

// Range is the half-open interval [Start, End). A zero Start or End is
// unbounded on that side.
type Range struct {
	Start time.Time `json:"start,omitzero"`
	End   time.Time `json:"end,omitzero"`
}

// Empty reports whether nothing lies in the range.
func (r Range) Empty() bool {
	return !r.Start.IsZero() && !r.End.IsZero() && !r.Start.Before(r.End)
}

// Merge sorts ranges and joins those that touch or overlap.
func Merge(rs []Range) []Range {
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

// Floor rounds down to a multiple of d since the epoch.
func Floor(t time.Time, d time.Duration) time.Time {
	us, w := t.UnixMicro(), d.Microseconds()
	n := us / w
	if us%w < 0 {
		n--
	}
	return time.UnixMicro(n * w).UTC()
}

// Align widens a range to whole buckets.
func Align(r Range, d time.Duration) Range {
	out := Range{Start: Floor(r.Start, d), End: Floor(r.End, d)}
	if out.End.Before(r.End) {
		out.End = out.End.Add(d)
	}
	return out
}

// BucketNo is the number of the bucket that starts at t.
func BucketNo(t time.Time, d time.Duration) int64 {
	return Floor(t, d).UnixMicro() / d.Microseconds()
}

// Day is a day of 24 hours.
const Day = 24 * time.Hour
