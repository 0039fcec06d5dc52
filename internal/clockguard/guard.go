// Package clockguard keeps a clock that is far ahead from deleting what is not
// old. It remembers, on disk, when it last looked at the clock. A clock that has
// leapt since is either wrong or the daemon was off for long; either way it does
// no harm to delete nothing for a day, in which a person can look.
package clockguard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

const (
	leap = 24 * time.Hour // a step forward that is not believed at once
	hold = 24 * time.Hour // how long nothing is deleted then

	saveEvery = 30 * time.Second // at most, unless a hold begins or ends
)

// Guard says whether ages can be believed. Safe for concurrent use.
type Guard struct {
	path string
	now  func() time.Time

	mu    sync.Mutex
	state state
	saved state     // what the file holds; zero: not known
	until time.Time // of the hold, by the monotonic clock too; zero: there is none
}

// state is the file.
type state struct {
	Seen time.Time `json:"seen"`
	Held time.Time `json:"held_until,omitzero"`
	From time.Time `json:"leapt_from,omitzero"`
}

// Open reads the file, which need not exist.
func Open(path string, now func() time.Time) (*Guard, error) {
	g := &Guard{path: path, now: now}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read when the clock was last looked at: %w", err)
	}
	if json.Unmarshal(b, &g.state) != nil {
		g.state = state{} // as if there were none
	}
	g.until = g.state.Held
	return g, nil
}

// Look looks at the clock. Unless it is empty, held says why nothing may be
// deleted for its age. The error is of remembering, which held does not need.
func (g *Guard) Look() (held string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	wall := now.Round(0).UTC() // without the monotonic part
	was := g.state
	switch moved := wall.Sub(was.Seen); {
	case was.Seen.IsZero():
	case moved > leap:
		g.until = now.Add(hold)
		g.state.Held, g.state.From = g.until.Round(0).UTC(), was.Seen
	case !g.until.IsZero() && (wall.Sub(g.state.From) <= leap || !now.Before(g.until)):
		g.until, g.state.Held, g.state.From = time.Time{}, time.Time{}, time.Time{} // put right, or a day has passed
	}
	g.state.Seen = wall
	if !g.until.IsZero() {
		held = fmt.Sprintf("the clock says %s, and said %s when it was last looked at: if it is wrong, set it right; "+
			"nothing is deleted for its age before %s",
			wall.Format(time.RFC3339), g.state.From.Format(time.RFC3339), g.state.Held.Format(time.RFC3339))
	}
	if since := wall.Sub(g.saved.Seen); g.state.Held.Equal(g.saved.Held) && since >= 0 && since < saveEvery {
		return held, nil
	}
	return held, g.save()
}

func (g *Guard) save() error {
	b, err := json.Marshal(g.state)
	if err == nil {
		if err = os.WriteFile(g.path+".tmp", b, 0o640); err == nil {
			err = os.Rename(g.path+".tmp", g.path)
		}
	}
	if err != nil {
		return fmt.Errorf("remember when the clock was looked at: %w", err)
	}
	g.saved = g.state
	return nil
}
