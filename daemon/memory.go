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

// gcPercent trades processor time for memory: a batch is few large slices
// without pointers, which cost the collector next to nothing to look at again.
const gcPercent = 30

// rest gives memory back each time that ingest falls silent, and again when
// the last batch's memory and the stream's caches have been let go of, too.
func (a *app) rest(ctx context.Context) error {
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	var seen uint64
	silent := 0 // ticks
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
		if commits != seen {
			seen, silent = commits, 0
			continue
		}
		switch silent++; silent {
		case 1, 2, 4:
			debug.FreeOSMemory()
			if err := unmapProgram(); err != nil {
				a.log.Debug("the program's pages stay mapped", "error", err)
			}
		}
	}
}
