package ingest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
)

// TimeMiss counts events that have the time at which they were published,
// because no time of their own was found or read.
type TimeMiss struct {
	Path   string `json:"path"` // at which something stood that is not a time; empty: nothing was there
	Events uint64 `json:"events"`
}

// saidEvery is how often the log tells of events without a time.
const saidEvery = time.Minute

// misses are the events without a time of their own, and what the log has yet
// to tell of them.
type misses struct {
	all    []TimeMiss
	unsaid []TimeMiss
	said   time.Time
}

func (m *misses) add(ms []columnar.TimeMiss) {
	for _, x := range ms {
		m.all = plus(m.all, TimeMiss(x))
		m.unsaid = plus(m.unsaid, TimeMiss(x))
	}
}

func plus(all []TimeMiss, x TimeMiss) []TimeMiss {
	i, found := slices.BinarySearchFunc(all, x, func(a, b TimeMiss) int { return cmp.Compare(a.Path, b.Path) })
	if !found {
		return slices.Insert(all, i, x)
	}
	all[i].Events += x.Events
	return all
}

// tell returns what the log has to tell now; empty: nothing.
func (m *misses) tell(now time.Time) string {
	if len(m.unsaid) == 0 || now.Sub(m.said) < saidEvery && now.Sub(m.said) >= 0 {
		return ""
	}
	text := missesText(m.unsaid)
	m.said, m.unsaid = now, nil
	return text
}

// missesText lists the misses for people.
func missesText(ms []TimeMiss) string {
	parts := make([]string, len(ms))
	for i, m := range ms {
		if parts[i] = fmt.Sprintf("%d with no time", m.Events); m.Path != "" {
			parts[i] = fmt.Sprintf("%d with %s that is not a time", m.Events, m.Path)
		}
	}
	return strings.Join(parts, ", ")
}

// missed notes the events of a batch that have no time of their own, and logs
// them at most once a minute.
func (s *Source) missed(ms []columnar.TimeMiss, now time.Time) {
	s.mu.Lock()
	s.misses.add(ms)
	text := s.misses.tell(now)
	s.mu.Unlock()
	if text != "" {
		s.log.Warn("events have the time at which they were published, because none of their own was read; "+
			"set time.path and time.format of the source, or see the column time_source", "events", text)
	}
}
