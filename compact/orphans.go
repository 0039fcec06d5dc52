package compact

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Orphans removes the files that no table has named for as long as the grace:
// they were found to be orphans that long ago, and are still. Their age alone
// would not do, since a query may be reading what has just been replaced.
func (m *Maintainer) Orphans(ctx context.Context, dry bool) (Report, error) {
	rep := Report{DryRun: dry}
	now := m.o.Now()
	found, err := m.o.Lake.Orphans(ctx, now.Add(-m.o.Grace))
	if err != nil {
		return rep, err
	}
	before, err := readSeen(m.o.Seen)
	if err != nil {
		return rep, err
	}
	seen := map[string]time.Time{}
	waiting := 0
	for _, f := range found {
		since, ok := before[f.Path]
		if !ok || since.After(now) { // the clock was ahead
			since = now
		}
		if now.Sub(since) < m.o.Grace {
			seen[f.Path] = since
			waiting++
			continue
		}
		if dry {
			rep.say("remove %s, %d bytes, of no table since %s", f.Path, f.Size, since.UTC().Format(time.RFC3339))
			continue
		}
		if err := m.o.Lake.RemoveFile(ctx, f.Path); err != nil {
			return rep, err
		}
		rep.Count, rep.Bytes = rep.Count+1, rep.Bytes+f.Size
	}
	if rep.Count > 0 {
		rep.say("removed %d files, %d bytes", rep.Count, rep.Bytes)
	}
	if waiting > 0 {
		rep.say("%d files are of no table; they are removed when that has been so for %s", waiting, m.o.Grace)
	}
	if dry {
		return rep, nil
	}
	return rep, writeSeen(m.o.Seen, seen)
}

// readSeen reads since when files are orphans; without the file, of none.
func readSeen(path string) (map[string]time.Time, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of orphans: %w", err)
	}
	var seen map[string]time.Time
	if err := json.Unmarshal(b, &seen); err != nil {
		return nil, nil // the wait begins anew
	}
	return seen, nil
}

func writeSeen(path string, seen map[string]time.Time) error {
	b, err := json.Marshal(seen)
	if err == nil {
		if err = os.WriteFile(path+".tmp", b, 0o640); err == nil {
			err = os.Rename(path+".tmp", path)
		}
	}
	if err != nil {
		return fmt.Errorf("write the list of orphans: %w", err)
	}
	return nil
}
