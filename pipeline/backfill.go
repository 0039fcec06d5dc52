package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lakeward/lakeward/pipeline/schedule"
)

// MaxBackfill bounds one backfill, in runs of one pipeline.
const MaxBackfill = 10_000

// ErrTooManyRuns is a plan or a backfill over too long a time.
var ErrTooManyRuns = errors.New("too many runs")

// Backfill runs the windows of the logical times in (from, to] that this
// version of each pipeline has not finished. Definitions are taken in time
// order, and at one time in the order given: put upstreams first (see Order).
// Finished windows that look back on what has changed by it are run again. It stops
// at the first error. done is called after each run.
func (r *Runner) Backfill(ctx context.Context, ds []*Definition, clocks map[string]*schedule.Cron, from, to time.Time,
	done func(Result)) error {
	type item struct {
		d  *Definition
		at time.Time
	}
	var todo []item
	for _, d := range ds {
		times, more := d.times(clocks[d.Name], from, to, MaxBackfill)
		if more {
			return fmt.Errorf("backfill %s: %w: there are more than %d from %s to %s; take a shorter time", d.Name,
				ErrTooManyRuns, MaxBackfill, stamp(from), stamp(to))
		}
		for _, t := range times {
			todo = append(todo, item{d, t})
		}
	}
	slices.SortStableFunc(todo, func(a, b item) int { return a.at.Compare(b.at) })
	finished, err := r.finished(ctx)
	if err != nil {
		return err
	}
	for _, it := range todo {
		if err := ctx.Err(); err != nil {
			return err
		}
		w, err := it.d.WindowAt(it.at, clocks[it.d.Name])
		if errors.Is(err, ErrNoWindow) {
			continue
		}
		if err != nil {
			return err
		}
		if finished[RunKey(it.d.Name, it.d.Hash, w)] {
			continue
		}
		res, err := r.Run(ctx, it.d, w, RunOptions{At: it.at, Trigger: TriggerBackfill})
		if done != nil {
			done(res)
		}
		if err != nil {
			return err
		}
	}
	return r.runReopened(ctx, ds, done)
}

// runReopened runs the finished windows again that look back on what the
// backfill has flagged.
func (r *Runner) runReopened(ctx context.Context, ds []*Definition, done func(Result)) error {
	for _, d := range ds {
		todo, err := r.reopened(ctx, d)
		if err != nil {
			return err
		}
		if _, _, err := r.runAgain(ctx, d, todo, nil, MaxBackfill, TriggerBackfill, done); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) finished(ctx context.Context) (map[string]bool, error) {
	runs, err := r.History(ctx, HistoryFilter{Status: StatusSucceeded})
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, rec := range runs {
		out[rec.RunKey] = true
	}
	return out, nil
}

// Jobs are the schedule's view of the definitions.
func Jobs(ds []*Definition) []schedule.Job {
	var out []schedule.Job
	for _, d := range ds {
		if !d.Disabled {
			out = append(out, schedule.Job{Name: d.Name, Cron: d.Cron, After: d.After, CatchUp: d.CatchUp})
		}
	}
	return out
}

// Clocks resolves the schedule of each definition, those that run after others
// included.
func Clocks(ds []*Definition) (map[string]*schedule.Cron, []error) {
	jobs, errs := schedule.Resolve(Jobs(ds))
	return clocksOf(jobs), errs
}

func clocksOf(jobs []schedule.Job) map[string]*schedule.Cron {
	out := map[string]*schedule.Cron{}
	for _, j := range jobs {
		out[j.Name] = j.Cron
	}
	return out
}

// Order puts every definition behind those that it runs after, and is by name
// otherwise.
func Order(ds []*Definition) []*Definition {
	byName := map[string]*Definition{}
	for _, d := range ds {
		byName[d.Name] = d
	}
	seen := map[string]bool{}
	var out []*Definition
	var visit func(name string)
	visit = func(name string) {
		d := byName[name]
		if d == nil || seen[name] {
			return
		}
		seen[name] = true
		for _, up := range d.After {
			visit(up)
		}
		out = append(out, d)
	}
	for _, name := range sortedKeys(byName) {
		visit(name)
	}
	return out
}

// Listing is a pipeline's place in the schedule.
type Listing struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	File        string    `json:"file"`
	Schedule    string    `json:"schedule"`
	Next        time.Time `json:"next,omitzero"`  // zero if disabled
	Last        *Record   `json:"last,omitempty"` // newest run
	Disabled    bool      `json:"disabled"`
}

// List shows the definitions with their next and last runs. If the history
// cannot be read, they come without last runs, beside the error.
func (r *Runner) List(ctx context.Context, ds []*Definition) ([]Listing, error) {
	clocks, _ := Clocks(ds) // what does not resolve has no next run; the folder reports why
	last, err := r.newest(ctx)
	var out []Listing
	for _, d := range Order(ds) {
		l := Listing{Name: d.Name, Description: d.Description, File: d.File, Disabled: d.Disabled, Last: last[d.Name]}
		if d.Cron != nil {
			l.Schedule = d.Cron.String()
		} else {
			l.Schedule = "after " + join(d.After)
		}
		if c := clocks[d.Name]; c != nil {
			l.Next = c.Next(r.o.Now())
		}
		out = append(out, l)
	}
	return out, err
}
