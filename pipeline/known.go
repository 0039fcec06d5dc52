package pipeline

import (
	"context"
	"fmt"
	"sync"
)

// recollection is what a runner knows without asking the tiers again, so that a run
// with nothing to do costs little. The runner is the only writer of its
// history; what it forgets with the process it reads again.
type recollection struct {
	mu       sync.Mutex
	tables   map[string]bool           // analytics tables that were seen: tables stay
	attempts map[string]map[string]int // by pipeline and run key; a pipeline that is absent was not asked for yet
	checked  map[string]map[string]int64
	calm     map[string]bool // by version of a pipeline: no window waits because of what was flagged
}

func newRecollection() *recollection {
	return &recollection{tables: map[string]bool{}, attempts: map[string]map[string]int{},
		checked: map[string]map[string]int64{}, calm: map[string]bool{}}
}

// have reports whether an analytics table exists.
func (r *Runner) have(ctx context.Context, table string) (bool, error) {
	r.known.mu.Lock()
	seen := r.known.tables[table]
	r.known.mu.Unlock()
	if seen {
		return true, nil
	}
	all, err := r.tables(ctx)
	if err != nil {
		return false, err
	}
	r.known.mu.Lock()
	defer r.known.mu.Unlock()
	for name := range all {
		r.known.tables[name] = true
	}
	return all[table], nil
}

// attempts returns how often a window was run.
func (r *Runner) attempts(ctx context.Context, pipeline, key string) (int, error) {
	r.known.mu.Lock()
	runs, ok := r.known.attempts[pipeline]
	n := runs[key]
	r.known.mu.Unlock()
	if ok {
		return n, nil
	}
	read, err := r.readAttempts(ctx, pipeline)
	if err != nil {
		return 0, err
	}
	r.known.mu.Lock()
	defer r.known.mu.Unlock()
	if runs, ok := r.known.attempts[pipeline]; ok { // another run was first
		return runs[key], nil
	}
	r.known.attempts[pipeline] = read
	return read[key], nil
}

func (r *Runner) readAttempts(ctx context.Context, pipeline string) (map[string]int, error) {
	out := map[string]int{}
	have, err := r.have(ctx, RunsTable)
	if err != nil || !have {
		return out, err
	}
	rows, err := r.ask(ctx, 0, "SELECT run_key, max(attempt) AS attempt FROM analytics."+RunsTable+
		" WHERE pipeline = ? GROUP BY 1", pipeline)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	for _, row := range rows {
		out[text(row, "run_key")] = int(integer(row, "attempt"))
	}
	return out, nil
}

// attempted notes a run that the history holds.
func (r *Runner) attempted(rec Record) {
	r.known.mu.Lock()
	defer r.known.mu.Unlock()
	if runs := r.known.attempts[rec.Pipeline]; runs != nil {
		runs[rec.RunKey] = max(runs[rec.RunKey], rec.Attempt)
	}
}

// unchanged reports whether the tables are as they were when this version of
// the pipeline had last dealt with its late rows.
func (r *Runner) unchanged(d *Definition, p *pins) bool {
	r.known.mu.Lock()
	defer r.known.mu.Unlock()
	at, ok := r.known.checked[d.Name+" "+d.Hash]
	if !ok || len(at) != len(p.at) {
		return false
	}
	for table, snapshot := range p.at {
		if have, ok := at[table]; !ok || have != snapshot {
			return false
		}
	}
	return true
}

func (r *Runner) dealtWith(d *Definition, p *pins) {
	r.known.mu.Lock()
	defer r.known.mu.Unlock()
	r.known.checked[d.Name+" "+d.Hash] = p.at
}

// noteWaiting notes whether no window of this version waits because of what was
// flagged.
func (r *Runner) noteWaiting(d *Definition, none bool) {
	r.known.mu.Lock()
	defer r.known.mu.Unlock()
	r.known.calm[d.Name+" "+d.Hash] = none
}

// isCalm is false where that is not known.
func (r *Runner) isCalm(d *Definition) bool {
	r.known.mu.Lock()
	defer r.known.mu.Unlock()
	return r.known.calm[d.Name+" "+d.Hash]
}
