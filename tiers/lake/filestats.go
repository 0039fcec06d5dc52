package lake

import (
	"github.com/apache/iceberg-go"

	"github.com/lakeward/lakeward/tiers"
)

// fileStats answers what a file can hold, from its manifest entry alone.
type fileStats struct {
	v *version
	f iceberg.DataFile
}

func (s fileStats) bounds(column string) (lo, hi []byte, ok bool) {
	f, found := s.v.schema.Lookup(column)
	if !found {
		return nil, nil, false
	}
	lo, okLo := s.f.LowerBoundValues()[f.ID]
	hi, okHi := s.f.UpperBoundValues()[f.ID]
	return lo, hi, okLo && okHi
}

// times returns the bounds of a timestamp column in microseconds.
func (s fileStats) times(column string) (lo, hi int64, ok bool) {
	l, h, ok := s.bounds(column)
	if !ok {
		return 0, 0, false
	}
	lo, okLo := bound(l)
	hi, okHi := bound(h)
	return lo, hi, okLo && okHi
}

// mayHold reports whether a text column can have the value.
func (s fileStats) mayHold(column, value string) bool {
	lo, hi, ok := s.bounds(column)
	return !ok || (string(lo) <= value && value <= string(hi))
}

// touches reports whether the file may hold rows that the write replaces.
func (p *promotion) touches(f fileStats) bool {
	switch p.write.Mode {
	case tiers.Overwrite:
		return true
	case tiers.Merge:
		if len(p.keys) > 0 {
			return true // any file can hold any key
		}
	}
	if !f.mayHold(tiers.ColPipeline, p.write.Pipeline) {
		return false
	}
	if p.write.Mode == tiers.Append && f.mayHold(tiers.ColRunID, p.write.RunID) {
		return true
	}
	start, _, okStart := f.times(tiers.ColWindowStart)
	_, end, okEnd := f.times(tiers.ColWindowEnd)
	if !okStart || !okEnd {
		return true
	}
	from, to := p.write.Start.UnixMicro(), p.write.End.UnixMicro()
	return start <= to && end >= from
}
