package daemon

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/serve"
)

func pid() int { return os.Getpid() }

// status is the state of every part. The daemon is ready if its sources run.
func (a *app) status(ctx context.Context) (serve.Status, error) {
	st := serve.Status{Ready: true, Version: version(), Started: a.started, NATS: a.natsURL(), Warehouse: a.cfg.Lake.Warehouse}
	for _, s := range a.sources {
		x := sourceStatus(s.Status())
		st.Sources = append(st.Sources, x)
		if x.State != ingest.Running {
			st.Ready = false
			st.Reasons = append(st.Reasons, fmt.Sprintf("source %s is %s: %s", x.Name, x.State, x.Reason))
		}
	}
	var err error
	if st.Memory, err = a.memory(ctx); err != nil {
		return st, err
	}
	files, err := a.lake.Damaged(ctx)
	st.Damaged, st.Degraded = damaged(files), degraded(files)
	if err != nil {
		st.Degraded = append(st.Degraded, fmt.Sprintf("damaged files could not be looked at again: %v", err))
	}
	if st.Pipelines, err = a.pipelines(ctx); err != nil { // the engine may be out of memory for the moment
		st.Pipelines = []serve.Pipeline{}
		st.Degraded = append(st.Degraded, fmt.Sprintf("the state of pipelines could not be read: %v", err))
	}
	return st, nil
}

// pipelines is one line for each file, and the last run of each pipeline.
func (a *app) pipelines(ctx context.Context) ([]serve.Pipeline, error) {
	g := a.folder.Current()
	ls, err := a.runner.List(ctx, g.List())
	if err != nil {
		return nil, err
	}
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
	return out, nil
}

// caughtUpEvery is how often a wait for the sources looks.
const caughtUpEvery = 100 * time.Millisecond

// caughtUp waits until the sources have committed all that their streams hold.
func (a *app) caughtUp(ctx context.Context) error {
	tick := time.NewTicker(caughtUpEvery)
	defer tick.Stop()
	for {
		done := true
		for _, s := range a.sources {
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
