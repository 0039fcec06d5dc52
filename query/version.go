package query

import (
	"fmt"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// Version names a snapshot of a lake table, as AT (VERSION => n) and AT
// (TIMESTAMP => '...') do.
type Version struct {
	Snapshot int64     // 0: by the time
	Time     time.Time // the snapshot is the last that was committed until then
}

// Of finds the snapshot among those of a table that are kept, oldest first. The
// error is a *ParseError that says which there are.
func (v Version) Of(table string, kept []tiers.Snapshot) (tiers.Snapshot, error) {
	if len(kept) == 0 {
		return tiers.Snapshot{}, &ParseError{Message: fmt.Sprintf("lake.%s has no snapshots yet", table)}
	}
	for i := len(kept) - 1; i >= 0; i-- {
		if s := kept[i]; s.ID == v.Snapshot || v.Snapshot == 0 && !s.Time.After(v.Time) {
			return s, nil
		}
	}
	what := fmt.Sprintf("lake.%s has no snapshot %d", table, v.Snapshot)
	if v.Snapshot == 0 {
		what = fmt.Sprintf("lake.%s has no snapshot of %s or before", table, timeText(v.Time))
	}
	first, last := kept[0], kept[len(kept)-1]
	return tiers.Snapshot{}, &ParseError{Message: fmt.Sprintf("%s: it has %d, from %d (%s) to %d (%s), and older ones "+
		"have expired; `lakeward tables describe lake.%s` lists the newest", what, len(kept), first.ID,
		timeText(first.Time), last.ID, timeText(last.Time), table)}
}

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999Z07:00") }
