package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/internal/version"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/serve"
)

// status is the state of every part. The daemon is ready if its sources run,
// or stand by and could take over.
func (a *Daemon) status(ctx context.Context) (serve.Status, error) {
	st := serve.Status{Version: version.String(), Started: a.started, NATS: a.NATSURL(), Warehouse: a.cfg.Lake.Warehouse}
	st.Disks, st.Reasons, st.Degraded = diskStatus(a.disks.States())
	if why := a.trouble.reason(); why != "" {
		st.Reasons = append(st.Reasons, why)
	}
	for _, s := range a.sources.list() {
		is := s.Status()
		x := sourceStatus(is)
		x.Since = s.since
		st.Sources = append(st.Sources, x)
		if x.State == ingest.Standby {
			st.Standby = append(st.Standby, fmt.Sprintf("source %s: %s", x.Name, x.Reason))
		}
		if why := shortOfIDs(is); why != "" {
			st.Degraded = append(st.Degraded, why)
		}
		if why := notReady(is, time.Now()); why != "" {
			st.Reasons = append(st.Reasons, why)
		}
	}
	var err error
	if st.Memory, err = a.memory(ctx); err != nil {
		return st, err
	}
	st.WorkersEnded = a.engine.ends.count()
	st.Degraded = append(st.Degraded, a.engine.ends.degraded(time.Now())...)
	if held := a.heldByClock(); held != "" {
		st.Degraded = append(st.Degraded, held)
	}
	if err := a.lake.Ping(ctx); err != nil {
		st.Reasons = append(st.Reasons, fmt.Sprintf("%v; events wait in their streams and none is lost, queries and "+
			"pipelines wait too; it goes on by itself", err))
	} else {
		unreadable, why := a.backend.unreadable(ctx)
		st.Unreadable, st.Degraded = unreadable, append(st.Degraded, why...)
		files, err := a.lake.Damaged(ctx)
		st.Damaged, st.Degraded = damaged(files), append(st.Degraded, degraded(files)...)
		if err != nil {
			st.Degraded = append(st.Degraded, fmt.Sprintf("damaged files could not be looked at again: %v", err))
		}
	}
	st.Pipelines, err = a.pipelines(ctx)
	if err == nil { // the scheduler reads all of it, and may wait for that
		err = a.history.unread()
	}
	sayUnread(&st, err)
	st.Ready = len(st.Reasons) == 0
	return st, nil
}

// shortOfIDs says that a source finds repeats over less than their window, or
// nothing if it does not.
func shortOfIDs(s ingest.Status) string {
	if s.IDs.Window == 0 {
		return ""
	}
	return fmt.Sprintf("source %s finds repeats over the last %s only, not over their window of %s: the message ids do "+
		"not fit into memory; raise ingest.repeats.memory or memory.budget, or make the window "+
		"shorter", s.Name, s.IDs.Reach, s.IDs.Window)
}

// failingFor is how long a source may fail before the daemon is not ready. What a
// second attempt mends needs no attention.
const failingFor = 5 * time.Second

// notReady returns why a source keeps the daemon from being ready, or nothing.
func notReady(s ingest.Status, now time.Time) string {
	switch failing := now.Sub(s.Failing); {
	case !s.Ready():
		return fmt.Sprintf("source %s is %s: %s", s.Name, s.State, s.Reason)
	case !s.Failing.IsZero() && failing >= failingFor:
		return fmt.Sprintf("source %s has been unable to commit for %s and tries again; nothing is lost, the stream keeps "+
			"what is not committed: %s", s.Name, failing.Round(time.Second), s.Reason)
	}
	return ""
}

// pipelines is one line for each file, and the last run of each pipeline; if
// the history cannot be read, without those, beside the error.
func (a *Daemon) pipelines(ctx context.Context) ([]serve.Pipeline, error) {
	g := a.folder.Current()
	ls, err := a.runner.List(ctx, g.List())
	byName := map[string]pipeline.Listing{}
	for _, l := range ls {
		byName[l.Name] = l
	}
	out := []serve.Pipeline{}
	for _, f := range g.Files {
		p := serve.Pipeline{Name: f.Pipeline, File: f.File, Active: f.Pipeline != "", Generation: f.Active}
		if p.Name == "" {
			p.Name = f.File
		}
		if err != nil {
			p.LastStatus = serve.LastUnknown
		}
		for _, problem := range f.Problems {
			p.Problems = append(p.Problems, problem.String())
		}
		if l, ok := byName[f.Pipeline]; ok {
			p.Schedule, p.Next = l.Schedule, l.Next
			if l.Last != nil {
				p.LastStatus, p.RowsOut, p.LastRun = l.Last.Status, l.Last.RowsOut, l.Last.Started.Add(l.Last.Duration)
			}
		}
		out = append(out, p)
	}
	return out, err
}

// caughtUpEvery is how often a wait for the sources looks.
const caughtUpEvery = 100 * time.Millisecond

// CaughtUp waits until the sources have committed all that their streams hold.
func (a *Daemon) CaughtUp(ctx context.Context) error {
	tick := time.NewTicker(caughtUpEvery)
	defer tick.Stop()
	for {
		done := true
		for _, s := range a.sources.list() {
			st := s.Status()
			if st.State != ingest.Running && st.State != ingest.Waiting {
				return fmt.Errorf("wait for source %s: it is %s: %s", st.Name, st.State, st.Reason)
			}
			last, err := s.Last(ctx)
			if err != nil {
				return err
			}
			done = done && st.Committed >= last
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
