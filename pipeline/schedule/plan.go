package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Job is what the planner knows of a pipeline.
type Job struct {
	Name  string
	Cron  *Cron    // nil: After decides
	After []string // runs at the first's logical times, once all have completed theirs
	// CatchUp is how many missed logical times are made up after a pause; the
	// older ones are left to a backfill. At least 1.
	CatchUp int
}

// Due is one run to start.
type Due struct {
	Job string
	At  time.Time // logical time
}

// Failure is a logical time that failed.
type Failure struct {
	At       time.Time
	Attempts int
	Retry    time.Time // not before
}

// State is what has been done.
type State struct {
	Done    map[string]time.Time // last logical time completed, or given up
	Failed  map[string]Failure   // the logical time that is being retried
	Running map[string]bool
}

// Plan is what to do at one moment.
type Plan struct {
	Due     []Due          // at most one for a job, oldest logical time first
	Skipped map[string]int // logical times beyond the catch-up bound
	Wake    time.Time      // when to look again; zero: only after a run ends
}

// Resolve gives each job that runs after others the clock of its first
// upstream. Its errors are unknown names and cycles; the jobs concerned are
// left out.
func Resolve(jobs []Job) ([]Job, []error) {
	byName := map[string]Job{}
	for _, j := range jobs {
		byName[j.Name] = j
	}
	var out []Job
	var errs []error
	for _, j := range jobs {
		c, err := clock(j, byName, nil)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		j.Cron = c
		out = append(out, j)
	}
	slices.SortFunc(out, func(a, b Job) int { return strings.Compare(a.Name, b.Name) })
	return out, errs
}

func clock(j Job, byName map[string]Job, path []string) (*Cron, error) {
	if slices.Contains(path, j.Name) {
		return nil, fmt.Errorf("schedule %s: `after` goes in a circle: %s", path[0],
			strings.Join(append(path, j.Name), " -> "))
	}
	path = append(path, j.Name)
	var first *Cron
	for i, up := range j.After {
		u, ok := byName[up]
		if !ok {
			return nil, fmt.Errorf("schedule %s: runs after %q, which is not an active pipeline", j.Name, up)
		}
		c, err := clock(u, byName, path)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = c
		}
	}
	if j.Cron != nil {
		return j.Cron, nil
	}
	if first == nil {
		return nil, fmt.Errorf("schedule %s: has neither a schedule nor `after`; add one", j.Name)
	}
	return first, nil
}

// PlanAt plans the moment now for jobs that Resolve has returned. It is pure.
func PlanAt(now time.Time, jobs []Job, s State) Plan {
	p := newPlanner(jobs)
	p.lookAtAll(now, s)
	return p.plan()
}

// planner remembers what it found of each job, so that a look costs what has
// changed since the last one.
type planner struct {
	jobs   []Job
	byName map[string]Job
	after  map[string][]string // a job to those that run after it
	found  map[string]prospect
	at     time.Time // of the last look at all
	wake   time.Time // when another look at all is due; zero: none
}

// prospect is what a look at one job found.
type prospect struct {
	due     time.Time // zero: nothing
	skipped int
	wake    time.Time // when it may be due next; zero: after another run
}

func newPlanner(jobs []Job) *planner {
	p := &planner{jobs: jobs, byName: map[string]Job{}, after: map[string][]string{}, found: map[string]prospect{}}
	for _, j := range jobs {
		p.byName[j.Name] = j
		for _, up := range j.After {
			p.after[up] = append(p.after[up], j.Name)
		}
	}
	return p
}

// lookAtAll looks at every job.
func (p *planner) lookAtAll(now time.Time, s State) {
	p.at, p.wake = now, time.Time{}
	for _, j := range p.jobs {
		p.look(now, j, s)
	}
}

// stale reports whether time alone may have made another job due, or the clock
// was put back.
func (p *planner) stale(now time.Time) bool {
	return now.Before(p.at) || !p.wake.IsZero() && !now.Before(p.wake)
}

// lookAt looks at a job whose state has changed, and at those that run after it.
func (p *planner) lookAt(now time.Time, name string, s State) {
	for _, n := range append([]string{name}, p.after[name]...) {
		if j, ok := p.byName[n]; ok {
			p.look(now, j, s)
		}
	}
}

func (p *planner) look(now time.Time, j Job, s State) {
	f := prospect{wake: j.Cron.Next(now)}
	if !s.Running[j.Name] {
		var t time.Time
		t, f.skipped = nextTime(now, j, s)
		switch failed, ok := s.Failed[j.Name]; {
		case t.IsZero() || !upstreamDone(t, j, p.byName, s):
		case ok && failed.At.Equal(t) && now.Before(failed.Retry):
			f.wake = earlier(f.wake, failed.Retry)
		default:
			f.due = t
		}
	}
	p.found[j.Name] = f
	p.wake = earlier(p.wake, f.wake)
}

// plan is what was found, in the order in which to do it.
func (p *planner) plan() Plan {
	out := Plan{Skipped: map[string]int{}, Wake: p.wake}
	for _, j := range p.jobs {
		f := p.found[j.Name]
		if f.skipped > 0 {
			out.Skipped[j.Name] = f.skipped
		}
		if !f.due.IsZero() {
			out.Due = append(out.Due, Due{j.Name, f.due})
		}
	}
	slices.SortStableFunc(out.Due, func(a, b Due) int { return a.At.Compare(b.At) })
	return out
}

// earlier returns the earlier of two times. A zero time does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// nextTime is the oldest logical time that the job has yet to run. A job that
// has never run starts with the last one only.
func nextTime(now time.Time, j Job, s State) (time.Time, int) {
	done, ok := s.Done[j.Name]
	if !ok {
		return j.Cron.At(now), 0
	}
	times, dropped := j.Cron.Newest(done, now, max(1, j.CatchUp))
	if len(times) == 0 {
		return time.Time{}, 0
	}
	return times[0], dropped
}

// upstreamDone reports whether each upstream has completed every logical time
// of its own up to t.
func upstreamDone(t time.Time, j Job, byName map[string]Job, s State) bool {
	for _, up := range j.After {
		u, ok := byName[up]
		if !ok {
			return false
		}
		last := u.Cron.At(t)
		done, ran := s.Done[up]
		if !last.IsZero() && (!ran || done.Before(last)) {
			return false
		}
	}
	return true
}
