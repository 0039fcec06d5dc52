package daemon

import (
	"context"
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/lakeward/lakeward/serve"
)

// restEvery is how long nothing must have been committed before memory that
// batches needed goes back to the system. Go's runtime alone keeps it for
// minutes, and under a limit far above what is used, for ever.
const restEvery = 4 * time.Second

// trimEvery is how often the engine is asked whether it remembers too much.
const trimEvery = 5 * time.Minute

// gcPercent trades processor time for memory: a batch is few large slices
// without pointers, which cost the collector next to nothing to look at again.
const gcPercent = 32

// rest gives memory back each time that ingest falls silent, and again when
// the last batch's memory and the stream's caches have been let go of, too. What
// starting has touched of the program is let go of before ingest needs memory.
func (a *Daemon) rest(ctx context.Context) error {
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	trim := time.NewTicker(trimEvery)
	defer trim.Stop()
	var seen uint64
	silent := 0 // ticks
	a.unmap()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-trim.C:
			if err := a.engine.owner.Trim(ctx); err != nil && ctx.Err() == nil {
				a.log.Debug("the engine does not say what it remembers", "error", err)
			}
			continue
		case <-tick.C:
		}
		var commits uint64
		for _, s := range a.sources.list() {
			commits += s.Status().Commits
		}
		silent++
		if commits != seen {
			seen, silent = commits, 0
		}
		switch silent {
		case 1, 2, 4:
			debug.FreeOSMemory()
			fallthrough
		case 0: // batches need the memory
			a.unmap()
		}
	}
}

func (a *Daemon) unmap() {
	if err := unmapProgram(); err != nil {
		a.log.Debug("the program's pages stay mapped", "error", err)
	}
}

// memory is the budget and what is used of it.
func (a *Daemon) memory(ctx context.Context) (serve.Memory, error) {
	engine, err := a.engine.owner.Usage(ctx)
	if err != nil { // it may be out of memory, and that is no reason to say nothing
		a.log.Debug("the engine does not say what it holds", "error", err)
		engine.Memory = -1
	}
	resident, err := residentBytes()
	if err != nil {
		return serve.Memory{}, fmt.Errorf("read the memory in use: %w", err)
	}
	used := map[string]int64{"go": goBytes(), "runs": engine.Memory, "queries": a.engine.pool.Usage().Memory,
		"batches": a.batches.Used()}
	for _, s := range a.sources.list() {
		used["message_ids"] += s.Status().IDs.Bytes
	}
	m := serve.Memory{Spill: engine.Spill, Parts: []serve.MemoryPart{{Name: "total", Budget: a.cfg.Memory.Budget,
		Used: resident, What: "memory.budget"}}}
	for _, p := range a.cfg.Memory.Parts() {
		part := serve.MemoryPart{Name: p.Name, Of: p.Of, Budget: p.Bytes, Used: -1, What: p.What}
		if n, ok := used[p.Name]; ok {
			part.Used = n
		}
		m.Parts = append(m.Parts, part)
	}
	return m, nil
}

// goBytes is what the soft limit of Go's runtime is about.
func goBytes() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}
