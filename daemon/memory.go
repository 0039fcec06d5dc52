package daemon

import (
	"context"
	"runtime/debug"
	"time"
)

// restEvery is how long nothing must have been committed before memory that
// batches needed goes back to the system. Go's runtime alone keeps it for
// minutes, and under a limit far above what is used, for ever.
const restEvery = 4 * time.Second

// rest gives memory back each time that ingest falls silent.
func (a *app) rest(ctx context.Context) error {
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	var seen, released uint64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var commits uint64
		for _, s := range a.sources {
			commits += s.Status().Commits
		}
		if commits == seen && commits != released {
			debug.FreeOSMemory()
			released = commits
		}
		seen = commits
	}
}
