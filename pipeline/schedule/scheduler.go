package schedule

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Retries of a failed logical time: after that it is given up (and in the
// history), and the next one's turn comes.
const (
	maxAttempts = 3
	retryDelay  = time.Minute
	waitDelay   = 10 * time.Second // after ErrWait
)

// ErrWait is wrapped by the error of a run that failed because something that
// every run needs is away or out of order, such as a disk: it is repeated until
// that is well, and not given up.
var ErrWait = errors.New("what runs need is away or out of order")

// Options wire a Scheduler.
type Options struct {
	// Jobs returns the active jobs, resolved; called at each look. It returns the
	// same slice as long as nothing has changed.
	Jobs func() []Job
	// Run executes one logical time. It is never called twice at once for a job.
	Run     func(ctx context.Context, d Due) error
	Workers int // runs at the same time; 0: 1
	// Now is the clock; nil: time.Now.
	Now    func() time.Time
	Logger *slog.Logger // nil: discard
}

// Scheduler runs jobs at their logical times. Create it with New, call Run
// once.
type Scheduler struct {
	o     Options
	poke  chan struct{}
	ended chan ended
	state State
	plans *planner
	fresh []string // jobs whose state has changed since the last look
	// warned holds what was last said of a job, so that it is said once.
	warned map[string]string
}

type ended struct {
	due Due
	err error
}

// New returns a scheduler.
func New(o Options) *Scheduler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Workers = max(1, o.Workers)
	s := &Scheduler{
		o: o, poke: make(chan struct{}, 1), ended: make(chan ended, o.Workers),
		state:  State{Done: map[string]time.Time{}, Failed: map[string]Failure{}, Running: map[string]bool{}},
		warned: map[string]string{}, plans: newPlanner(nil),
	}
	return s
}

// Resume says where each job stood when the process last ended. It is called
// before Run.
func (s *Scheduler) Resume(done map[string]time.Time) { maps.Copy(s.state.Done, done) }

// Poke asks for a look now: the jobs have changed.
func (s *Scheduler) Poke() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// idle bounds the sleep, so that a changed wall clock is noticed.
const idle = time.Minute

// Run schedules until ctx ends, then waits for the runs that are under way:
// they see the ended context and decide how to finish. It returns nil.
func (s *Scheduler) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		wake := s.start(ctx, &wg)
		timer := time.NewTimer(wake)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case e := <-s.ended:
			s.finish(e)
		case <-s.poke:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// start begins what is due, as far as workers are free, and says how long to
// sleep.
func (s *Scheduler) start(ctx context.Context, wg *sync.WaitGroup) time.Duration {
	now := s.o.Now()
	p := s.look(now)
	for job, n := range p.Skipped {
		s.warn(job, "missed runs are beyond the catch-up bound; backfill them", "pipeline", job, "runs", n)
	}
	for _, d := range p.Due {
		if len(s.state.Running) >= s.o.Workers || ctx.Err() != nil {
			break
		}
		s.state.Running[d.Job] = true
		s.fresh = append(s.fresh, d.Job)
		wg.Go(func() { s.ended <- ended{d, s.o.Run(ctx, d)} })
	}
	if p.Wake.IsZero() {
		return idle
	}
	return min(idle, max(0, p.Wake.Sub(now)))
}

// look brings the plan up to date: for every job if time or the jobs have moved
// on, otherwise for those whose state has changed.
func (s *Scheduler) look(now time.Time) Plan {
	jobs := s.o.Jobs()
	if same := sameSlice(jobs, s.plans.jobs); !same || s.plans.stale(now) {
		if !same {
			s.plans = newPlanner(jobs)
		}
		s.rewind(now, jobs)
		s.plans.lookAtAll(now, s.state)
	} else {
		for _, job := range s.fresh {
			s.plans.lookAt(now, job, s.state)
		}
	}
	s.fresh = s.fresh[:0]
	return s.plans.plan()
}

func sameSlice(a, b []Job) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// ahead is how far a completed logical time may be ahead of the clock before
// the clock is taken to have been put back.
const ahead = time.Minute

// rewind lets jobs go on that ran while the clock was ahead: otherwise they
// would wait until it is there again. What ran ahead of its time runs again when
// its time comes, over all that has come by then, and replaces what it wrote.
func (s *Scheduler) rewind(now time.Time, jobs []Job) {
	for _, j := range jobs {
		done, ok := s.state.Done[j.Name]
		if !ok || done.Sub(now) <= ahead {
			continue
		}
		s.state.Done[j.Name] = j.Cron.At(now)
		delete(s.state.Failed, j.Name)
		s.o.Logger.Warn("the clock was put back: the pipeline goes on from now", "pipeline", j.Name, "had_run", done, "now",
			now)
	}
	for job, f := range s.state.Failed {
		if f.Retry.Sub(now) > retryDelay+ahead {
			f.Retry = now.Add(retryDelay)
			s.state.Failed[job] = f
		}
	}
}

func (s *Scheduler) warn(key, msg string, args ...any) {
	if s.warned[key] == msg {
		return
	}
	s.warned[key] = msg
	s.o.Logger.Warn(msg, args...)
}

// finish notes how a run ended.
func (s *Scheduler) finish(e ended) {
	job := e.due.Job
	delete(s.state.Running, job)
	s.fresh = append(s.fresh, job)
	if e.err == nil {
		s.complete(e.due)
		return
	}
	f := s.state.Failed[job]
	if !f.At.Equal(e.due.At) {
		f = Failure{At: e.due.At}
	}
	if errors.Is(e.err, ErrWait) {
		f.Retry = s.o.Now().Add(waitDelay)
		s.state.Failed[job] = f
		s.warn(job, "run waits for what is away", "pipeline", job, "logical_time", e.due.At, "error", e.err)
		return
	}
	f.Attempts++
	if f.Attempts >= maxAttempts {
		s.o.Logger.Error("run given up", "pipeline", job, "logical_time", e.due.At, "attempts", f.Attempts, "error", e.err)
		s.complete(e.due)
		return
	}
	f.Retry = s.o.Now().Add(retryDelay)
	s.state.Failed[job] = f
	s.o.Logger.Warn("run will be repeated", "pipeline", job, "logical_time", e.due.At, "retry", f.Retry, "error", e.err)
}

func (s *Scheduler) complete(d Due) {
	delete(s.state.Failed, d.Job)
	delete(s.warned, d.Job)
	delete(s.warned, d.Job+" later")
	s.state.Done[d.Job] = d.At
}
