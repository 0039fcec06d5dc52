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
		return nil, fmt.Errorf("schedule %s: `after` goes in a circle: %s", path[0], strings.Join(append(path, j.Name), " -> "))
	}
	path = append(path, j.Name)
	var first *Cron
	for i, up := range j.After {
		u, ok := byName[up]
		if !ok {
			return nil, fmt.Errorf("schedule %s: runs after %q, which is no active pipeline", j.Name, up)
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
	p := Plan{Skipped: map[string]int{}}
	byName := map[string]Job{}
	for _, j := range jobs {
		byName[j.Name] = j
	}
	for _, j := range jobs {
		if next := j.Cron.Next(now); !next.IsZero() {
			p.wake(next)
		}
		if s.Running[j.Name] {
			continue
		}
		t, skipped := nextTime(now, j, s)
		if skipped > 0 {
			p.Skipped[j.Name] = skipped
		}
		if t.IsZero() || !upstreamDone(t, j, byName, s) {
			continue
		}
		if f, ok := s.Failed[j.Name]; ok && f.At.Equal(t) && now.Before(f.Retry) {
			p.wake(f.Retry)
			continue
		}
		p.Due = append(p.Due, Due{j.Name, t})
	}
	slices.SortStableFunc(p.Due, func(a, b Due) int { return a.At.Compare(b.At) })
	return p
}

func (p *Plan) wake(t time.Time) {
	if p.Wake.IsZero() || t.Before(p.Wake) {
		p.Wake = t
	}
}

// nextTime is the oldest logical time that the job has yet to run. A job that
// has never run starts with the last one only.
func nextTime(now time.Time, j Job, s State) (time.Time, int) {
	done, ok := s.Done[j.Name]
	if !ok {
		return j.Cron.At(now), 0
	}
	times, dropped := j.Cron.Between(done, now, max(1, j.CatchUp))
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
