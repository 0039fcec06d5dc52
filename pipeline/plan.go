package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// PlanReport is what a pipeline would have found.
type PlanReport struct {
	Pipeline string         `json:"pipeline"`
	From     time.Time      `json:"from"`
	To       time.Time      `json:"to"`
	Windows  int            `json:"windows"`
	Findings []Row          `json:"findings,omitempty"`
	ByDay    map[string]int `json:"by_day,omitempty"` // day of the finding's time, UTC
	Top      []EntityCount  `json:"top,omitempty"`
	Rows     int64          `json:"rows"` // of the files that would be read
	Bytes    int64          `json:"bytes"`
	Duration time.Duration  `json:"duration_ns"`
	// Against the live version over the same windows, if there is one.
	Compared bool  `json:"compared"`
	Added    []Row `json:"added,omitempty"`
	Removed  []Row `json:"removed,omitempty"`
}

// EntityCount is an entity and its findings.
type EntityCount struct {
	Entity string `json:"entity"`
	Count  int    `json:"count"`
}

// maxPlanWindows bounds a plan: a year of hours.
const maxPlanWindows = 366 * 24

const topEntities = 10

// Plan evaluates a definition at its logical times in (from, to], and the live
// one if given, without keeping anything. Runs that share its baselines wait
// meanwhile.
func (r *Runner) Plan(ctx context.Context, d, live *Definition, clock *schedule.Cron, from,
	to time.Time) (rep PlanReport, err error) {
	err = Within(ctx, r.o.PlanTime, "plan "+d.Name, func(ctx context.Context) error {
		rep, err = r.planned(ctx, d, live, clock, from, to)
		return err
	})
	return rep, err
}

func (r *Runner) planned(ctx context.Context, d, live *Definition, clock *schedule.Cron, from,
	to time.Time) (PlanReport, error) {
	rep, err := r.rehearse(ctx, d, clock, from, to)
	if err != nil {
		return rep, fmt.Errorf("plan %s: %w", d.Name, err)
	}
	if live == nil {
		return rep, nil
	}
	old, err := r.rehearse(ctx, live, clock, from, to)
	if err != nil {
		return rep, fmt.Errorf("plan the live version of %s: %w", d.Name, err)
	}
	rep.Compared = true
	rep.Added, rep.Removed = without(rep.Findings, old.Findings), without(old.Findings, rep.Findings)
	return rep, nil
}

func without(rows, others []Row) []Row {
	known := map[string]bool{}
	for _, o := range others {
		known[text(o, "finding_id")] = true
	}
	return slices.DeleteFunc(slices.Clone(rows), func(f Row) bool { return known[text(f, "finding_id")] })
}

func (r *Runner) rehearse(ctx context.Context, d *Definition, clock *schedule.Cron, from, to time.Time) (PlanReport,
	error) {
	began := r.o.Now()
	rep := PlanReport{Pipeline: d.Name, From: from, To: to, ByDay: map[string]int{}}
	times, more := d.times(clock, from, to, maxPlanWindows)
	if more {
		return rep, fmt.Errorf("%w: there are more than %d from %s to %s; plan over fewer days", ErrTooManyRuns,
			maxPlanWindows, stamp(from), stamp(to))
	}
	e := &execution{r: r, d: d}
	ok, err := e.prepare(ctx)
	if err != nil {
		return rep, err
	}
	if !ok {
		return rep, fmt.Errorf("%s", e.res.Error)
	}
	unlock, err := e.lock(ctx)
	if err != nil {
		return rep, err
	}
	defer unlock()
	runs, err := e.rehearsals(ctx, times, clock)
	if err != nil {
		return rep, err
	}
	rep.Windows = len(runs)
	if len(runs) == 0 {
		return rep, nil
	}
	found, err := e.rehearse(ctx, runs, &rep)
	if err != nil {
		return rep, err
	}
	rep.Findings = found
	rep.ByDay, rep.Top = tally(found)
	rep.Duration = r.o.Now().Sub(began)
	return rep, nil
}

// times are the oldest logical times in (from, to], at most max; more reports
// whether there are others.
func (d *Definition) times(clock *schedule.Cron, from, to time.Time, max int) (times []time.Time, more bool) {
	c := d.Cron
	if c == nil {
		c = clock
	}
	if c == nil {
		return nil, false
	}
	return c.First(from, to, max)
}

// rehearsals are the runs of a plan: the first computes each baseline's whole
// history, the others what is new.
func (e *execution) rehearsals(ctx context.Context, times []time.Time, clock *schedule.Cron) ([]compile.Run, error) {
	var runs []compile.Run
	have := map[string]coverage{}
	for _, t := range times {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w, err := e.d.WindowAt(t, clock)
		if err != nil {
			continue // no whole bucket has settled
		}
		run := compile.Run{ID: RunID(RunKey(e.d.Name, e.d.Hash, w), 0), Window: w, Refresh: map[string][]compile.Range{}}
		for _, b := range e.bases {
			refresh, covered := extend(have[b.Step], needed(b, w), nil)
			run.Refresh[b.Step] = refresh
			have[b.Step] = coverage{known: true, buckets: covered}
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// rehearse executes the runs in one transaction that is never committed.
func (e *execution) rehearse(ctx context.Context, runs []compile.Run, rep *PlanReport) ([]Row, error) {
	needs := map[string][]compile.Range{}
	for _, run := range runs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for table, rs := range e.program.Needs(run) {
			needs[table] = sqltext.Merge(append(needs[table], rs...))
		}
	}
	v, err := e.pins.view(ctx, needs)
	if err != nil {
		return nil, err
	}
	rep.Rows, rep.Bytes = size(v)
	s, err := e.r.sessionOn(ctx, e.r.o.Rehearsal, v)
	if err != nil {
		return nil, err
	}
	defer e.r.closing(s)
	if _, err := s.Exec(ctx, "BEGIN TRANSACTION"); err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	byID := map[string]Row{} // a later run replaces what it finds again
	for _, run := range runs {
		if err := execute(ctx, s, e.program, run); err != nil {
			return nil, fmt.Errorf("window [%s, %s): %w", stamp(run.Window.Start), stamp(run.Window.End), err)
		}
		for _, out := range e.d.Outputs {
			rows, err := queryRows(ctx, s, CollectLimit, "SELECT * FROM "+sqltext.Ident(out.From))
			if err != nil {
				return nil, fmt.Errorf("read step %s: %w", out.From, err)
			}
			for _, row := range rows {
				if id := text(row, "finding_id"); id != "" {
					byID[id] = row
				}
			}
		}
	}
	found := make([]Row, 0, len(byID))
	for _, id := range sortedKeys(byID) {
		found = append(found, byID[id])
	}
	slices.SortStableFunc(found, func(a, b Row) int { return moment(a, "time").Compare(moment(b, "time")) })
	return found, nil
}

func tally(found []Row) (map[string]int, []EntityCount) {
	days, entities := map[string]int{}, map[string]int{}
	for _, f := range found {
		days[moment(f, "time").Format(time.DateOnly)]++
		entities[text(f, "entity")]++
	}
	var top []EntityCount
	for _, e := range sortedKeys(entities) {
		top = append(top, EntityCount{e, entities[e]})
	}
	slices.SortStableFunc(top, func(a, b EntityCount) int { return cmp.Compare(b.Count, a.Count) })
	return days, top[:min(len(top), topEntities)]
}

// Explain is the SQL of a run at logical time t, in order.
func (r *Runner) Explain(ctx context.Context, d *Definition, clock *schedule.Cron, t time.Time) (text string,
	err error) {
	err = Within(ctx, r.o.PlanTime, "explain "+d.Name, func(ctx context.Context) error {
		text, err = r.explained(ctx, d, clock, t)
		return err
	})
	return text, err
}

func (r *Runner) explained(ctx context.Context, d *Definition, clock *schedule.Cron, t time.Time) (string, error) {
	w, err := d.WindowAt(t, clock)
	if err != nil {
		return "", err
	}
	e := &execution{r: r, d: d}
	ok, err := e.prepare(ctx)
	if err != nil {
		return "", fmt.Errorf("explain %s: %w", d.Name, err)
	}
	if !ok {
		return "", fmt.Errorf("explain %s: %s", d.Name, e.res.Error)
	}
	runs, err := e.rehearsals(ctx, []time.Time{t}, clock)
	if err != nil {
		return "", err
	}
	stmts, err := e.program.Statements(runs[0])
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- %s over [%s, %s), as its first run\n", d.Name, stamp(w.Start), stamp(w.End))
	for _, st := range stmts {
		fmt.Fprintf(&b, "\n-- step %s (%s)\n%s;\n", st.Step, st.Purpose, st.SQL)
		if len(st.Args) > 0 {
			fmt.Fprintf(&b, "-- bound: %v\n", st.Args)
		}
	}
	return b.String(), nil
}
