package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// Sinks are the tiers that outputs go to. Lake may be nil.
type Sinks struct{ Lake, Analytics tiers.Sink }

// Options wire a Runner.
type Options struct {
	Lake      tiers.Lake
	Engine    query.Engine // with the catalogs analytics and state
	Rehearsal query.Engine // for plans, with an empty catalog state; nil: Engine
	Sinks     Sinks
	Publisher Publisher        // nil: findings are not published
	Now       func() time.Time // nil: time.Now
	Logger    *slog.Logger     // nil: discard
	Budget    Budget           // for what a pipeline's own budget leaves open
	PlanTime  time.Duration    // of a plan or an explanation; 0: no limit
	// AllowDamaged runs pipelines without the files that are damaged, with a
	// warning. Otherwise a run that would read one fails with a
	// *tiers.DamageError.
	AllowDamaged bool
}

// Runner executes pipelines. Safe for concurrent use: runs of one pipeline, and
// runs that share a baseline's aggregates, wait for each other.
type Runner struct {
	o     Options
	keys  keyLocks
	known *recollection
}

// NewRunner returns a runner.
func NewRunner(o Options) *Runner {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Rehearsal == nil {
		o.Rehearsal = o.Engine
	}
	return &Runner{o: o, keys: keyLocks{held: map[string]chan struct{}{}}, known: newRecollection()}
}

// RunOptions vary one run.
type RunOptions struct {
	At        time.Time // logical time, for the history; zero: the window's end
	Trigger   string    // schedule, late, backfill, manual, test
	DryRun    bool      // compute, write nothing, keep nothing
	Stateless bool      // neither read nor keep aggregates
	Snapshots map[string]int64
	Collect   []string // steps whose rows the result holds, at most CollectLimit each

	pins *pins  // already taken, for the same tables; nil: take them
	why  string // a finished window is run again; for the note
}

// CollectLimit bounds the rows that a result holds for each collected step.
const CollectLimit = 10_000

// The statuses of a run.
const (
	StatusSucceeded = "succeeded"
	StatusFailed    = "failed"
	StatusSkipped   = "skipped" // a table that it reads does not exist yet
)

// Result is what a run did.
type Result struct {
	Record
	Rows      map[string][]Row `json:"rows,omitempty"` // collected steps
	Published int              `json:"published"`

	reopens []Record // finished windows that are to be run again
}

// Run evaluates the pipeline over one window. A failure is in the history (but
// for dry runs) and is returned.
func (r *Runner) Run(ctx context.Context, d *Definition, w compile.Range, o RunOptions) (Result, error) {
	began := r.o.Now()
	if o.At.IsZero() {
		o.At = w.End
	}
	key := RunKey(d.Name, d.Hash, w)
	rec := Record{RunKey: key, Pipeline: d.Name, Hash: d.Hash, Window: w, At: o.At, Trigger: o.Trigger,
		Status: StatusSucceeded, Started: began}
	rec.Attempt = 1
	if !o.DryRun {
		unlock, err := r.keys.lock(ctx, []string{"run of " + d.Name})
		if err != nil {
			return Result{Record: rec}, err
		}
		defer unlock()
		n, err := r.attempts(ctx, d.Name, key)
		if err != nil {
			return Result{Record: rec}, err
		}
		rec.Attempt = n + 1
	}
	rec.RunID = RunID(key, rec.Attempt)
	e := &execution{r: r, d: d, o: o, window: w, res: Result{Record: rec, Rows: map[string][]Row{}},
		coverage: map[string]coverage{}}
	err := e.bounded(ctx)
	e.res.Duration = r.o.Now().Sub(began)
	if err != nil {
		e.res.Status, e.res.Error, e.res.RowsOut = StatusFailed, err.Error(), 0
		err = fmt.Errorf("run %s over [%s, %s): %w", d.Name, stamp(w.Start), stamp(w.End), err)
	}
	if o.DryRun {
		return e.res, err
	}
	// The history is kept even if the run was cancelled.
	if herr := r.record(context.WithoutCancel(ctx), e.res.Record); herr != nil {
		err = errors.Join(err, herr)
	}
	return e.res, err
}

// execution is the state of one run.
type execution struct {
	r        *Runner
	d        *Definition
	o        RunOptions
	window   compile.Range
	res      Result
	pins     *pins
	program  Program
	bases    []compile.Baseline
	coverage map[string]coverage // by key: what the state will hold

	reflagged bool // the window flags something else than before
}

// bounded runs within the budget of time.
func (e *execution) bounded(ctx context.Context) error {
	limit := e.budget().Time
	if limit <= 0 {
		return e.run(ctx)
	}
	over := &BudgetError{Pipeline: e.d.Name, What: "time", Limit: limit.Milliseconds()}
	bctx, cancel := context.WithTimeoutCause(ctx, limit, over)
	defer cancel()
	began := e.r.o.Now()
	err := e.run(bctx)
	if err != nil && errors.Is(context.Cause(bctx), over) {
		over.Used = e.r.o.Now().Sub(began).Milliseconds()
		return over
	}
	return err
}

func (e *execution) budget() Budget {
	b, d := e.d.Budget, e.r.o.Budget
	if b.Rows == 0 {
		b.Rows = d.Rows
	}
	if b.Bytes == 0 {
		b.Bytes = d.Bytes
	}
	if b.Time == 0 {
		b.Time = d.Time
	}
	return b
}

func (e *execution) run(ctx context.Context) error {
	ok, err := e.prepare(ctx)
	if err != nil || !ok {
		return err
	}
	unlock, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	run, err := e.plan(ctx)
	if err != nil {
		return err
	}
	s, err := e.open(ctx, run)
	if err != nil {
		return err
	}
	defer e.r.closing(s) // undoes what is not committed
	if err := e.compute(ctx, s, run); err != nil {
		return err
	}
	if e.o.DryRun {
		return nil
	}
	return e.promote(ctx, s)
}

// prepare pins and compiles. It is false if the run has nothing to read yet.
func (e *execution) prepare(ctx context.Context) (bool, error) {
	var err error
	if e.pins = e.o.pins; e.pins == nil {
		if e.pins, err = pin(ctx, e.r.o.Lake, e.d.Reads, e.o.Snapshots); err != nil {
			return false, err
		}
	}
	e.res.Snapshots = e.pins.at
	required := slices.DeleteFunc(slices.Clone(e.d.Reads), func(t string) bool { return slices.Contains(e.d.Optional, t) })
	if gone := e.pins.missing(required); len(gone) > 0 {
		return e.skip("%s does not exist yet; it appears with its first event", strings.Join(gone, ", "))
	}
	if gone, err := e.r.absent(ctx, e.d.ReadsAnalytics); err != nil || len(gone) > 0 {
		if err != nil {
			return false, err
		}
		return e.skip("%s does not exist yet; it appears when a pipeline first writes it", strings.Join(gone, ", "))
	}
	e.program, e.bases, err = e.d.Compile(e.pins.schema)
	if lacks := (*MissingError)(nil); errors.As(err, &lacks) {
		return e.skip("%s", lacks.Error())
	}
	return err == nil, err
}

// skip ends the run because what it reads is not there yet.
func (e *execution) skip(format string, args ...any) (bool, error) {
	e.res.Status, e.res.Error = StatusSkipped, fmt.Sprintf(format, args...)
	return false, nil
}

// absent lists those analytics tables that do not exist.
func (r *Runner) absent(ctx context.Context, names []string) ([]string, error) {
	var gone []string
	for _, n := range names {
		ok, err := r.have(ctx, strings.TrimPrefix(n, "analytics."))
		if err != nil {
			return nil, err
		}
		if !ok {
			gone = append(gone, n)
		}
	}
	return gone, nil
}

// lock takes the aggregates of the run's baselines, in a fixed order.
func (e *execution) lock(ctx context.Context) (func(), error) {
	if e.o.Stateless {
		return func() {}, nil
	}
	keys := make([]string, len(e.bases))
	for i, b := range e.bases {
		keys[i] = "baseline " + b.Key
	}
	slices.Sort(keys)
	return e.r.keys.lock(ctx, slices.Compact(keys))
}

// plan finds what the run's baselines have to read.
func (e *execution) plan(ctx context.Context) (compile.Run, error) {
	run := compile.Run{ID: e.res.RunID, Window: e.window, Stateless: e.o.Stateless, Refresh: map[string][]compile.Range{}}
	if e.o.Stateless || len(e.bases) == 0 {
		return run, nil
	}
	s, err := e.r.o.Engine.Open(ctx, query.View{}, query.Options{Trusted: true})
	if err != nil {
		return run, err
	}
	defer e.r.closing(s)
	if _, err := s.Exec(ctx, metaDDL); err != nil {
		return run, fmt.Errorf("make the table of baselines' states: %w", err)
	}
	if _, err := s.Exec(ctx, reopenedDDL); err != nil {
		return run, fmt.Errorf("make the table of windows to run again: %w", err)
	}
	for _, b := range e.bases {
		if run.Refresh[b.Step], err = e.refreshBaseline(ctx, s, b); err != nil {
			return run, err
		}
	}
	return run, nil
}

// open builds the view, checks what it would read, and opens a session on it.
func (e *execution) open(ctx context.Context, run compile.Run) (query.Session, error) {
	v, err := e.pins.view(ctx, e.program.Needs(run))
	if err != nil {
		return nil, err
	}
	e.res.RowsIn, e.res.BytesIn = size(v)
	b := e.budget()
	if b.Rows > 0 && e.res.RowsIn > b.Rows {
		return nil, &BudgetError{e.d.Name, "rows", e.res.RowsIn, b.Rows}
	}
	if b.Bytes > 0 && e.res.BytesIn > b.Bytes {
		return nil, &BudgetError{e.d.Name, "bytes", e.res.BytesIn, b.Bytes}
	}
	return e.r.session(ctx, v)
}

// compute executes the statements in a transaction that stays open, and
// collects what was asked for.
func (e *execution) compute(ctx context.Context, s query.Session, run compile.Run) error {
	if _, err := s.Exec(ctx, "BEGIN TRANSACTION"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := execute(ctx, s, e.program, run); err != nil {
		return err
	}
	if err := e.note(ctx, s, run); err != nil {
		return err
	}
	var err error
	if e.reflagged, err = e.flagsChanged(ctx, s, run); err != nil {
		return err
	}
	for _, step := range e.o.Collect {
		rows, err := queryRows(ctx, s, CollectLimit, "SELECT * FROM "+sqltext.Ident(step))
		if err != nil {
			return fmt.Errorf("read step %s: %w", step, err)
		}
		e.res.Rows[step] = rows
	}
	for _, out := range e.d.Outputs {
		n, err := count(ctx, s, sqltext.Ident(out.From))
		if err != nil {
			return fmt.Errorf("count the rows of step %s: %w", out.From, err)
		}
		if limit := e.budget().Rows; limit > 0 && n > limit {
			return &BudgetError{e.d.Name, "output rows", n, limit}
		}
		e.res.RowsOut += n
	}
	return nil
}

// note says which baselines still learn, which keys were left out because the
// lake lacks their columns, and how many rows have values that do not convert.
func (e *execution) note(ctx context.Context, s query.Session, run compile.Run) error {
	var notes []string
	if e.o.why != "" {
		notes = append(notes, e.o.why)
	}
	for _, b := range e.bases {
		rows, err := queryRows(ctx, s, 1, e.program.Learning(b))
		if err != nil {
			return fmt.Errorf("count who still learns in step %s: %w", b.Step, err)
		}
		for _, r := range rows {
			if n := integer(r, "learning"); n > 0 {
				notes = append(notes, fmt.Sprintf("%s: %d of %d entities are still learning", b.Step, n, integer(r, "entities")))
			}
		}
	}
	if c, ok := e.program.(*compile.Compiled); ok {
		for _, d := range c.Dropped {
			notes = append(notes, "left out: "+d)
		}
	}
	if sql := e.program.Misfits(run); sql != "" {
		rows, err := queryRows(ctx, s, 0, sql)
		if err != nil {
			return fmt.Errorf("count the rows that do not convert: %w", err)
		}
		for _, r := range rows {
			notes = append(notes, fmt.Sprintf("%s: %d rows have a value that does not convert or overflows, taken as null",
				text(r, "step"), integer(r, "n")))
		}
	}
	e.res.Note = strings.Join(notes, "; ")
	return nil
}

func execute(ctx context.Context, s query.Session, p Program, run compile.Run) error {
	stmts, err := p.Statements(run)
	if err != nil {
		return err
	}
	for _, st := range stmts {
		if _, err := s.Exec(ctx, st.SQL, st.Args...); err != nil {
			return stepError(st.Step, err)
		}
	}
	return nil
}

// closing closes a session; that it failed changes nothing for the caller.
func (r *Runner) closing(c io.Closer) {
	if err := c.Close(); err != nil {
		r.o.Logger.Warn("close session", "error", err)
	}
}

// keyLocks are mutexes by name, whose wait takes a context.
type keyLocks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock takes sorted, distinct keys, all or none.
func (k *keyLocks) lock(ctx context.Context, keys []string) (func(), error) {
	var got []string
	unlock := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, key := range got {
			close(k.held[key])
			delete(k.held, key)
		}
	}
	for _, key := range keys {
		if err := k.one(ctx, key); err != nil {
			unlock()
			return nil, fmt.Errorf("wait for the %s: %w", key, err)
		}
		got = append(got, key)
	}
	return unlock, nil
}

func (k *keyLocks) one(ctx context.Context, key string) error {
	for {
		k.mu.Lock()
		busy, taken := k.held[key]
		if !taken {
			k.held[key] = make(chan struct{})
			k.mu.Unlock()
			return nil
		}
		k.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-busy:
		}
	}
}
