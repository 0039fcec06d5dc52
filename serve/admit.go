package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lakeward/lakeward/query"
)

const (
	defaultRunning = 4
	waitMost       = 30 * time.Second // for another query to end
	retryAfter     = "5"              // seconds
)

// ErrStopping ends what is asked of a daemon that stops.
var ErrStopping = errors.New("the daemon stops: ask again when it is back")

// admission lets few queries run at a time, and few wait: their memory is the
// engine's, which pipelines need too.
type admission struct {
	running chan struct{} // one for each that runs
	places  chan struct{} // one for each that runs or waits
}

func newAdmission(running, waiting int) *admission {
	if running <= 0 {
		running = defaultRunning
	}
	return &admission{running: make(chan struct{}, running), places: make(chan struct{}, running+max(waiting, 0))}
}

// enter waits for a turn, for at most within. The caller calls leave.
func (a *admission) enter(ctx context.Context, within time.Duration) (leave func(), err error) {
	select {
	case a.places <- struct{}{}:
	default:
		return nil, fmt.Errorf("%w: %d run (query.max_running) and %d wait (query.max_waiting); try again in a few seconds",
			query.ErrBusy, cap(a.running), cap(a.places)-cap(a.running))
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case a.running <- struct{}{}:
		return func() { <-a.running; <-a.places }, nil
	case <-timer.C:
		err = fmt.Errorf("%w: none of the %d that run (query.max_running) ended within %s; try again later", query.ErrBusy,
			cap(a.running), within)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	<-a.places
	return nil, err
}

// life is how long the server does what takes long. It has an end of its own,
// before that of the server.
type life struct {
	ctx context.Context
	end context.CancelCauseFunc

	mu       sync.Mutex
	stopping bool
}

func newLife() *life {
	l := &life{}
	l.ctx, l.end = context.WithCancelCause(context.Background())
	return l
}

// within is ctx, which ends with the life too. It fails once the end is near.
func (l *life) within(ctx context.Context) (context.Context, context.CancelFunc, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return nil, nil, ErrStopping
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.ctx, func() { cancel(ErrStopping) })
	return ctx, func() { stop(); cancel(nil) }, nil
}

// Drain refuses new queries and commands, and ends those that still run once
// ctx ends. What is quick is answered until Run's context ends.
func (s *Server) Drain(ctx context.Context) {
	s.life.mu.Lock()
	s.life.stopping = true
	s.life.mu.Unlock()
	context.AfterFunc(ctx, func() { s.life.end(ErrStopping) })
}

// refusals counts queries that were beyond a limit.
func newRefusals() *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lakeward_queries_refused_total",
		Help: "Queries that ended with an error because of a limit: too many at once (busy), memory or disk of the engine " +
			"(memory), rows or bytes of the result (rows, bytes), time (timeout), or because the worker ended (crash)."},
		[]string{"limit"})
	for _, l := range limits {
		c.WithLabelValues(l.name)
	}
	return c
}

// limits are those of a query, with the status of an answer beyond one.
var limits = []struct {
	name   string
	err    error
	status int
}{
	{"busy", query.ErrBusy, http.StatusServiceUnavailable},
	{"memory", query.ErrMemory, http.StatusUnprocessableEntity},
	{"rows", query.ErrTooManyRows, http.StatusUnprocessableEntity},
	{"bytes", query.ErrTooManyBytes, http.StatusUnprocessableEntity},
	{"timeout", query.ErrTimeout, http.StatusGatewayTimeout},
	{"crash", query.ErrCrashed, http.StatusUnprocessableEntity},
}

// countRefusal counts err if it is about a limit.
func (s *Server) countRefusal(err error) {
	for _, l := range limits {
		if errors.Is(err, l.err) {
			s.metrics.refused.WithLabelValues(l.name).Inc()
			return
		}
	}
}
