package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// What a run finds is a function of the rows and of what the windows before it
// flagged, however they were run: a finished window is run again, in its place,
// once rows have come into what it looks back on, or an earlier window, run late
// or again, flags something else. The latter is kept in state.main.reopened, in
// the transaction that changes the flags.
const reopenedTable = "state.main.reopened"

const reopenedDDL = "CREATE TABLE IF NOT EXISTS " + reopenedTable +
	" (pipeline VARCHAR, hash VARCHAR, window_start TIMESTAMPTZ)"

// Why a finished window is run again.
const (
	whyRows  = "run again: rows have come into it"
	whyPast  = "run again: rows have come into what it looks back on"
	whyFlags = "run again: what was flagged before it has changed"
)

// again is a finished window that must be run again.
type again struct {
	Record
	why string
}

// flagsChanged reports whether the run flags other entities than the window had.
func (e *execution) flagsChanged(ctx context.Context, s query.Session, run compile.Run) (bool, error) {
	sql := e.program.Reflagged(run)
	if sql == "" {
		return false, nil
	}
	n, err := count(ctx, s, "("+sql+")")
	if err != nil {
		return false, fmt.Errorf("compare what was flagged: %w", err)
	}
	return n > 0, nil
}

// settleFlags notes, in the run's transaction, that the window is done and, if
// its flags changed, that the finished windows which look back on it are not.
func (e *execution) settleFlags(ctx context.Context, s query.Session) error {
	if _, err := s.Exec(ctx, "DELETE FROM "+reopenedTable+" WHERE pipeline = ? AND hash = ? AND window_start = ?",
		e.d.Name, e.d.Hash, e.window.Start); err != nil {
		return fmt.Errorf("note that the window is done: %w", err)
	}
	if !e.reflagged {
		return nil
	}
	e.r.noteWaiting(e.d, false)
	var history time.Duration
	for _, b := range e.bases {
		history = max(history, b.History+b.Bucket)
	}
	runs, err := e.r.History(ctx, HistoryFilter{Pipeline: e.d.Name, Since: e.window.Start})
	if err != nil {
		return err
	}
	for _, rec := range latest(runs, e.d.Hash) {
		if !rec.Window.Start.After(e.window.Start) || rec.Window.Start.After(e.window.End.Add(history)) {
			continue
		}
		e.res.reopens = append(e.res.reopens, rec)
		if _, err := s.Exec(ctx, "INSERT INTO "+reopenedTable+" SELECT ?, ?, ? WHERE NOT EXISTS (FROM "+reopenedTable+
			" WHERE pipeline = ? AND hash = ? AND window_start = ?)",
			e.d.Name, e.d.Hash, rec.Window.Start, e.d.Name, e.d.Hash, rec.Window.Start); err != nil {
			return fmt.Errorf("note which windows are to be run again: %w", err)
		}
	}
	if n := len(e.res.reopens); n > 0 {
		e.say(fmt.Sprintf("what it flags has changed: %d finished windows after it are run again", n))
	}
	return nil
}

// say adds to the run's note.
func (e *execution) say(text string) {
	if e.res.Note != "" {
		e.res.Note += "; "
	}
	e.res.Note += text
}

// reopened are the finished windows that wait because of what was flagged.
func (r *Runner) reopened(ctx context.Context, d *Definition) ([]again, error) {
	if r.isCalm(d) {
		return nil, nil
	}
	s, err := r.o.Engine.Open(ctx, query.View{}, query.Options{Trusted: true})
	if err != nil {
		return nil, err
	}
	defer r.closing(s)
	if _, err := s.Exec(ctx, reopenedDDL); err != nil {
		return nil, fmt.Errorf("make the table of windows to run again: %w", err)
	}
	rows, err := queryRows(ctx, s, 0, "SELECT DISTINCT window_start FROM "+reopenedTable+
		" WHERE pipeline = ? AND hash = ? ORDER BY 1", d.Name, d.Hash)
	if err != nil || len(rows) == 0 {
		r.noteWaiting(d, err == nil)
		return nil, err
	}
	runs, err := r.History(ctx, HistoryFilter{Pipeline: d.Name, Since: moment(rows[0], "window_start")})
	if err != nil {
		return nil, err
	}
	wait := map[time.Time]bool{}
	for _, row := range rows {
		wait[moment(row, "window_start")] = true
	}
	var out []again
	for _, rec := range latest(runs, d.Hash) {
		if wait[rec.Window.Start] {
			out = append(out, again{rec, whyFlags})
		}
	}
	return out, nil
}

// runAgain runs finished windows again, oldest first, and after them those that
// they re-open. Of those that only look back on what changed it runs at most
// most; left are the others.
func (r *Runner) runAgain(ctx context.Context, d *Definition, todo []again, p *pins, most int, trigger string,
	done func(Result)) (out []Result, left int, err error) {
	for len(todo) > 0 {
		slices.SortFunc(todo, func(a, b again) int { return a.Window.Start.Compare(b.Window.Start) })
		next := todo[0]
		todo = todo[1:]
		if next.why != whyRows {
			if most <= 0 {
				left++
				continue
			}
			most--
		}
		res, err := r.Run(ctx, d, next.Window, RunOptions{At: next.At, Trigger: trigger, pins: p, why: next.why})
		out = append(out, res)
		if done != nil {
			done(res)
		}
		if err != nil {
			return out, left, err
		}
		for _, rec := range res.reopens {
			if !slices.ContainsFunc(todo, func(a again) bool { return a.RunKey == rec.RunKey }) {
				todo = append(todo, again{rec, whyFlags})
			}
		}
	}
	if left > 0 {
		r.o.Logger.Warn("finished windows wait to be run again, for the next logical time", "pipeline", d.Name, "windows",
			left)
	}
	return out, left, nil
}

// laterKeys returns the keys of an output that a later window of the pipeline has
// written. That window's rows are newer, so they are kept.
func (e *execution) laterKeys(ctx context.Context, s query.Session, outs []Output) ([]string, error) {
	out := outs[0]
	if out.Mode != tiers.Merge || len(out.Key) != 1 || out.Tier != "analytics" || e.o.Trigger == TriggerSchedule ||
		e.o.Trigger == "" {
		return nil, nil
	}
	if have, err := e.r.have(ctx, out.Table); err != nil || !have {
		return nil, err
	}
	key := sqltext.Ident(out.Key[0])
	rows, err := queryRows(ctx, s, 0, "SELECT DISTINCT "+key+"::VARCHAR AS k FROM ("+rowsOf(outs)+") WHERE "+key+
		" IS NOT NULL")
	if err != nil {
		return nil, fmt.Errorf("list the keys of what is written to %s: %w", out.Table, err)
	}
	mine := map[string]bool{}
	for _, row := range rows {
		mine[text(row, "k")] = true
	}
	if len(mine) == 0 {
		return nil, nil
	}
	pipeline, _ := tiers.Owner(out.Table)
	held, err := e.r.ask(ctx, 0, "SELECT DISTINCT "+key+"::VARCHAR AS k FROM analytics."+sqltext.Ident(out.Table)+
		" WHERE "+sqltext.Ident(pipeline)+" = ? AND "+sqltext.Ident(tiers.ColWindowStart)+" > ?", e.d.Name, e.window.Start)
	if err != nil {
		return nil, fmt.Errorf("look for later windows' rows of %s: %w", out.Table, err)
	}
	var later []string
	for _, row := range held {
		if k := text(row, "k"); mine[k] {
			later = append(later, k)
		}
	}
	return later, nil
}

// withoutKeys returns a SELECT of the rows that outputs of one table write, without
// those that have the keys.
func withoutKeys(outs []Output, later []string) string {
	key := sqltext.Ident(outs[0].Key[0])
	return "SELECT * FROM (" + rowsOf(outs) + ") WHERE " + key + " IS NULL OR " + key + "::VARCHAR NOT IN (" +
		sqltext.Literals(later) + ")"
}
