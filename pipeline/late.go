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
	"github.com/lakeward/lakeward/tiers"
)

// Late lists the windows within the definition's lateness that have been run,
// and into which rows have come since. Oldest first. Only the rows' own times
// count: a file that spans a window but holds nothing in it re-opens nothing.
func (r *Runner) Late(ctx context.Context, d *Definition, now time.Time) ([]Record, error) {
	if d.Lateness <= 0 {
		return nil, nil
	}
	p, err := pin(ctx, r.o.Lake, d.Reads, nil)
	if err != nil {
		return nil, err
	}
	return r.late(ctx, d, p, now)
}

func (r *Runner) late(ctx context.Context, d *Definition, p *pins, now time.Time) ([]Record, error) {
	if d.Lateness <= 0 || r.unchanged(d, p) {
		return nil, nil
	}
	runs, err := r.History(ctx, HistoryFilter{Pipeline: d.Name, Since: now.Add(-d.Lateness)})
	if err != nil {
		return nil, err
	}
	var out []Record
	for _, rec := range latest(runs, d.Hash) {
		changed, err := r.changed(ctx, p, d, rec)
		if err != nil {
			return nil, fmt.Errorf("look for late rows of %s in [%s, %s): %w", d.Name, stamp(rec.Window.Start), stamp(rec.Window.End), err)
		}
		if changed {
			out = append(out, rec)
		}
	}
	slices.SortFunc(out, func(a, b Record) int { return a.Window.Start.Compare(b.Window.Start) })
	return out, nil
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

// changed reports whether rows of the window were added after the run.
func (r *Runner) changed(ctx context.Context, p *pins, d *Definition, rec Record) (bool, error) {
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
		n, err := r.rowsIn(ctx, p, name, overlapping(files, rec.Window), rec.Window)
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
	return count(ctx, s, "lake."+quote(table)+` WHERE "time" >= ? AND "time" < ?`, w.Start, w.End)
}

// RunDue runs one logical time of a pipeline: first the windows that late rows
// have re-opened, then the window itself. clock is the schedule of a pipeline
// that runs after others.
func (r *Runner) RunDue(ctx context.Context, d *Definition, clock *schedule.Cron, at time.Time) ([]Result, error) {
	p, err := pin(ctx, r.o.Lake, d.Reads, nil) // one for all: what comes meanwhile is late at the next run
	if err != nil {
		return r.runDamaged(ctx, d, clock, at, err)
	}
	late, err := r.late(ctx, d, p, at)
	if err != nil {
		return r.runDamaged(ctx, d, clock, at, err)
	}
	var out []Result
	for _, rec := range late {
		res, err := r.Run(ctx, d, rec.Window, RunOptions{At: rec.At, Trigger: TriggerLate, pins: p})
		out = append(out, res)
		if err != nil {
			return out, err
		}
	}
	r.dealtWith(d, p)
	w, err := d.WindowAt(at, clock)
	if errors.Is(err, ErrNoWindow) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if slices.ContainsFunc(late, func(rec Record) bool { return rec.Window == w }) {
		return out, nil
	}
	res, err := r.Run(ctx, d, w, RunOptions{At: at, Trigger: TriggerSchedule, pins: p})
	return append(out, res), err
}

// runDamaged runs the window of a logical time although damage kept late rows
// from being looked for, so that the history says why nothing came of it.
func (r *Runner) runDamaged(ctx context.Context, d *Definition, clock *schedule.Cron, at time.Time, cause error) ([]Result, error) {
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
