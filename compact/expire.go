package compact

import (
	"slices"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/removal"
)

// Expiry says which snapshots of a table are kept: those younger than Age, but
// no more than Most, and the last Least whatever their age. Those before a
// removal (retention, an erasure) go by age alone, counted from when the next
// snapshot took their place, or a quiet table would keep what was removed.
type Expiry struct {
	Least int
	Most  int
	Age   time.Duration
}

// DefaultExpiry keeps what an hourly pipeline has to compare with, and bounds
// what a commit has to write: a snapshot is about 0.9 KB of metadata.
func DefaultExpiry() Expiry { return Expiry{Least: 50, Most: 500, Age: 26 * time.Hour} }

// Expired lists the snapshots to forget, oldest first. What is kept is always
// one unbroken line up to the newest, so that "what came since" stays known.
func (e Expiry) Expired(snapshots []tiers.Snapshot, now time.Time) []int64 {
	s := slices.SortedFunc(slices.Values(snapshots), func(a, b tiers.Snapshot) int { return int(a.Sequence - b.Sequence) })
	keep, removed := 0, false
	for ; keep < len(s); keep++ {
		x := s[len(s)-1-keep]
		since := x.Time
		if removed {
			since = s[len(s)-keep].Time
		}
		if (removed || keep >= max(e.Least, 1)) && (keep >= e.Most || now.Sub(since) >= e.Age) {
			break
		}
		removed = removed || removes(x)
	}
	var ids []int64
	for _, x := range s[:len(s)-keep] {
		ids = append(ids, x.ID)
	}
	return ids
}

// removes reports whether the snapshot took rows out on purpose.
func removes(s tiers.Snapshot) bool {
	kind := s.Summary[removal.SummaryKey]
	return kind == removal.Retain || kind == removal.Erase
}
