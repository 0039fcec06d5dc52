package daemon

import (
	"context"
	"time"
)

// clockLook is how often the clock is read, to tell a leap from time that passes.
const clockLook = time.Minute

// watchClock looks at the clock until ctx ends.
func (a *Daemon) watchClock(ctx context.Context) error {
	tick := time.NewTicker(clockLook)
	defer tick.Stop()
	was := ""
	for {
		held, err := a.clock.Look()
		if err != nil {
			a.log.Debug("watch the clock", "error", err) // the disk is watched by itself
		}
		if held != "" && was == "" {
			a.log.Error(held)
		}
		was = held
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// heldByClock returns why nothing may be deleted for its age, or nothing if it may.
func (a *Daemon) heldByClock() string {
	held, err := a.clock.Look()
	if err != nil {
		a.log.Debug("watch the clock", "error", err)
	}
	return held
}
