package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/tiers"
)

// Late lists the windows within the definition's lateness that have been run,
// and into which rows have come since, or into what they look back on. Oldest
// first. Only the rows' own times count: a file that spans a window but holds
// nothing in it re-opens nothing.
func (r *Runner) Late(ctx context.Context, d *Definition, now time.Time) ([]Record, error) {
	p, err := pin(ctx, r.o.Lake, d.Reads, nil)
	if err != nil {
		return nil, err
	}
	late, err := r.late(ctx, d, p, now)
	var out []Record
	for _, a := range late {
		out = append(out, a.Record)
	}
	return out, err
}

func (r *Runner) late(ctx context.Context, d *Definition, p *pins, now time.Time) ([]again, error) {
	if d.Lateness <= 0 || r.unchanged(d, p) {
		return nil, nil
	}
	since := now.Add(-d.Lateness)
	runs, err := r.History(ctx, HistoryFilter{Pipeline: d.Name, Since: since})
	if err != nil {
		return nil, err
	}
	back := lookback(d, p)
	var out []again
	for _, rec := range latest(runs, d.Hash) {
		why := whyRows
		changed, err := r.changed(ctx, p, d, rec, func(string) compile.Range { return rec.Window })
		if err == nil && !changed {
			why = whyPast
			changed, err = r.changed(ctx, p, d, rec, func(table string) compile.Range {
				w := back(rec.Window, table)
				if w.Start.Before(since) {
					w.Start = since
				}
				return w
			})
		}
		if err != nil {
			return nil, fmt.Errorf("look for late rows of %s in [%s, %s): %w", d.Name, stamp(rec.Window.Start),
				stamp(rec.Window.End), err)
		}
		if changed {
			out = append(out, again{rec, why})
		}
	}
	slices.SortFunc(out, func(a, b again) int { return a.Window.Start.Compare(b.Window.Start) })
	return out, nil
}

// lookback says how far a window reaches back in a table, to its own end: rows
// of context, which have no bounds, re-open nothing.
func lookback(d *Definition, p *pins) func(w compile.Range, table string) compile.Range {
	program, _, err := d.Compile(p.schema)
	if err != nil { // the run says why
		return func(w compile.Range, _ string) compile.Range { return w }
	}
	return func(w compile.Range, table string) compile.Range {
		out := w
		for _, need := range program.Needs(compile.Run{ID: "look back", Window: w, Stateless: true})["lake."+table] {
			if !need.Start.IsZero() && need.Start.Before(out.Start) {
				out.Start = need.Start
			}
		}
		return out
	}
}

// latest keeps the newest finished run of each window. runs are newest first.
func latest(runs []Record, hash string) []Record {
	seen := map[string]bool{}
	var out []Record
	for _, rec := range runs {
		if rec.Status == StatusFailed || rec.Hash != hash || seen[rec.RunKey] {
			continue
		}
		seen[rec.RunKey] = true
		out = append(out, rec)
	}
	return out
}

// changed reports whether rows in a range were added after the run.
func (r *Runner) changed(ctx context.Context, p *pins, d *Definition, rec Record,
	of func(table string) compile.Range) (bool, error) {
	for _, t := range d.Reads {
		name := strings.TrimPrefix(t, "lake.")
		if p.tables[name] == nil {
			continue
		}
		if _, timed := p.tables[name].Schema().Lookup("time"); !timed {
			continue
		}
		files, ok, err := p.added(ctx, name, rec.Snapshots[name])
		if err != nil {
			return false, err
		}
		if !ok { // the run's snapshot has expired: whether rows came is not known, so look at the window again
			return true, nil
		}
		w := of(name)
		n, err := r.rowsIn(ctx, p, name, overlapping(files, w), w)
		if err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

func (r *Runner) rowsIn(ctx context.Context, p *pins, table string, files []file, w compile.Range) (int64, error) {
	if len(files) == 0 {
		return 0, nil
	}
	s, err := r.session(ctx, p.only(table, files))
	if err != nil {
		return 0, err
	}
	defer r.closing(s)
	return count(ctx, s, "lake."+sqltext.Ident(table)+` WHERE "time" >= ? AND "time" < ?`, w.Start, w.End)
}

// RunDue runs one logical time of a pipeline: first the windows that late rows,
// or what an earlier window now flags, have re-opened, then the window itself.
// Of those that only look back on what changed it runs at most as many as are
// made up for after downtime, and leaves the others to the next logical time.
// clock returns the schedule of a pipeline that runs after others.
func (r *Runner) RunDue(ctx context.Context, d *Definition, clock *schedule.Cron, at time.Time) ([]Result, error) {
	p, err := pin(ctx, r.o.Lake, d.Reads, nil) // one for all: what comes meanwhile is late at the next run
	if err != nil {
		return r.runDamaged(ctx, d, clock, at, err)
	}
	todo, err := r.late(ctx, d, p, at)
	if err != nil {
		return r.runDamaged(ctx, d, clock, at, err)
	}
	wait, err := r.reopened(ctx, d)
	if err != nil {
		return nil, err
	}
	for _, w := range wait {
		if !slices.ContainsFunc(todo, func(a again) bool { return a.RunKey == w.RunKey }) {
			todo = append(todo, w)
		}
	}
	out, left, err := r.runAgain(ctx, d, todo, p, max(1, d.CatchUp), TriggerLate, nil)
	if err != nil {
		return out, err
	}
	if left == 0 {
		r.dealtWith(d, p)
	}
	w, err := d.WindowAt(at, clock)
	if errors.Is(err, ErrNoWindow) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if slices.ContainsFunc(out, func(res Result) bool { return res.Window == w }) {
		return out, nil
	}
	res, err := r.Run(ctx, d, w, RunOptions{At: at, Trigger: TriggerSchedule, pins: p})
	return append(out, res), err
}

// runDamaged runs the window of a logical time although damage kept late rows
// from being looked for, so that the history says why nothing came of it.
func (r *Runner) runDamaged(ctx context.Context, d *Definition, clock *schedule.Cron, at time.Time,
	cause error) ([]Result, error) {
	w, err := d.WindowAt(at, clock)
	if err != nil || !errors.Is(cause, tiers.ErrDamaged) {
		return nil, cause
	}
	res, err := r.Run(ctx, d, w, RunOptions{At: at, Trigger: TriggerSchedule})
	if err == nil {
		err = cause
	}
	return []Result{res}, err
}
