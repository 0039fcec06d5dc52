package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lakeward/lakeward/query"
)

// Options are how the engines of a program are started.
type Options struct {
	Config Config        // of each worker
	Engine EngineOptions // TempDir is the directory that each has a directory in
	Most   int           // of a pool: workers at a time; 0: 1
	Total  int64         // of a pool: bytes that all may have together; 0: no limit
	Ended  func(Ended)   // is told of workers that ended by themselves or for a limit; nil: nobody
}

// Ended is the end of a worker.
type Ended struct {
	Worker string
	Reason string
	At     time.Time
}

// Owner is the engine of the databases. Its worker is started when it is first
// needed, and again after it has ended; sessions that were open fail with an
// *EndedError. It implements query.Engine. Safe for concurrent use.
type Owner struct {
	o   Options
	log *slog.Logger

	mu     sync.Mutex // held while a worker starts
	cur    *started
	use    use       // sessions and connections, and those that are being opened
	born   time.Time // the worker
	ends   int       // in a row, each soon after the one before
	last   time.Time // when the last one ended
	said   bool      // what the system lacks
	closed bool
}

var _ query.Engine = (*Owner)(nil)

// started is a running worker and its engine.
type started struct {
	p    *Process
	e    *Engine
	temp string
}

// NewOwner starts nothing yet.
func NewOwner(o Options) *Owner {
	if o.Config.Logger == nil {
		o.Config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Owner{o: o, log: o.Config.Logger, use: newUse()}
}

const (
	calm        = time.Minute // without an end: the next one is the first again
	firstPause  = time.Second
	longPause   = 30 * time.Second
	patientWith = 3 * time.Second // a pause that a caller waits for
)

// Start starts the worker, so that what is wrong with its databases is known.
func (o *Owner) Start(ctx context.Context) error {
	_, err := o.engine(ctx)
	return err
}

// engine returns the engine of the running worker, starting one if need be.
func (o *Owner) engine(ctx context.Context) (*Engine, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ensure(ctx)
}

// ensure is engine; the caller holds o.mu.
func (o *Owner) ensure(ctx context.Context) (*Engine, error) {
	if o.closed {
		return nil, errors.New("the engine is closed")
	}
	if o.cur != nil {
		failed := o.cur.p.Failed()
		if failed == nil {
			return o.cur.e, nil
		}
		o.bury(failed)
	}
	if err := o.pause(ctx); err != nil {
		return nil, err
	}
	s, err := start(ctx, o.o, 1)
	if err != nil {
		if errors.Is(err, query.ErrCrashed) {
			o.mourn(err.Error())
		}
		return nil, err
	}
	if len(s.p.lacks) > 0 && !o.said {
		o.said = true
		o.log.Warn("the system does not keep engine workers apart in every way", "lacks", s.p.lacks)
	}
	o.cur, o.born = s, time.Now()
	go o.watch(s)
	return s.e, nil
}

// bury takes note of the end of the worker. o.mu is held.
func (o *Owner) bury(failed *EndedError) {
	o.cur.discard()
	o.cur = nil
	o.mourn(failed.Reason)
}

func (o *Owner) mourn(reason string) {
	now := time.Now()
	if now.Sub(o.last) > calm {
		o.ends = 0
	}
	o.ends, o.last = o.ends+1, now
	o.o.tell(o.log, o.o.Config.Name, reason)
}

func (o Options) tell(log *slog.Logger, name, reason string) {
	log.Error("an engine worker ended; its statements failed, nothing else is touched", "worker", name, "reason", reason)
	if o.Ended != nil {
		o.Ended(Ended{Worker: name, Reason: reason, At: time.Now()})
	}
}

// pause waits between one end and the next start. o.mu is held.
func (o *Owner) pause(ctx context.Context) error {
	if o.ends < 2 {
		return nil
	}
	wait := min(firstPause<<min(o.ends-2, 10), longPause)
	left := time.Until(o.last.Add(wait))
	if left > patientWith {
		return fmt.Errorf("%w: its worker has ended %d times in a row and is started again in %s", query.ErrUnavailable,
			o.ends, left.Round(time.Second))
	}
	select {
	case <-time.After(left):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Open implements query.Engine.
func (o *Owner) Open(ctx context.Context, v query.View, opts query.Options) (query.Session, error) {
	e, err := o.enter(ctx)
	if err != nil {
		return nil, err
	}
	s, err := e.Open(ctx, v, opts)
	if err != nil {
		o.leave()
		return nil, err
	}
	return &ownedSession{session: s.(*session), leave: sync.OnceFunc(o.leave)}, nil
}

// Connect opens a trusted connection without a view.
func (o *Owner) Connect(ctx context.Context) (query.Conn, error) {
	e, err := o.enter(ctx)
	if err != nil {
		return nil, err
	}
	c, err := e.Connect(ctx)
	if err != nil {
		o.leave()
		return nil, err
	}
	return &ownedConn{Conn: c, leave: sync.OnceFunc(o.leave)}, nil
}

// ownedSession keeps the worker from being replaced while it is open.
type ownedSession struct {
	*session
	leave func()
}

// Close implements query.Session.
func (s *ownedSession) Close() error {
	defer s.leave()
	return s.session.Close()
}

// ownedConn is like ownedSession, for a connection.
type ownedConn struct {
	query.Conn
	leave func()
}

// Close implements query.Conn.
func (c *ownedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// enter is engine; the caller is counted until it calls leave.
func (o *Owner) enter(ctx context.Context) (*Engine, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, err := o.ensure(ctx)
	if err == nil {
		o.use.enter()
	}
	return e, err
}

func (o *Owner) leave() { o.use.leave() }

// running returns the running worker, or nil.
func (o *Owner) running() *started {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cur == nil || o.cur.p.Failed() != nil {
		return nil
	}
	return o.cur
}

// Usage is what the worker holds: all of its memory, and of the disk.
func (o *Owner) Usage(ctx context.Context) (query.Usage, error) {
	s := o.running()
	if s == nil {
		return query.Usage{}, nil
	}
	u, err := s.e.Usage(ctx)
	u.Memory = s.p.Memory()
	return u, err
}

// Trim has the engine forget files that are gone. A worker that nobody uses and
// that holds much after a while is ended, which gives all of it back; the next one
// who needs it starts another.
func (o *Owner) Trim(ctx context.Context) error {
	s := o.running()
	if s == nil {
		return nil
	}
	o.mu.Lock()
	idle := o.cur == s && o.use.n.Load() == 0
	if most := o.o.Config.Memory; idle && most > 0 && time.Since(o.born) > restfulFor && s.p.Memory() > most/2 {
		defer o.mu.Unlock()
		o.cur = nil
		return s.stop()
	}
	o.mu.Unlock()
	return s.e.Trim(ctx)
}

const restfulFor = 10 * time.Minute

// PIDs are the processes of the workers.
func (o *Owner) PIDs() []int {
	if s := o.running(); s != nil {
		return []int{s.p.PID()}
	}
	return nil
}

// quietLook is the interval at which Quiet checks whether the databases are unused.
const quietLook = 20 * time.Millisecond

// Quiet calls f once nobody uses the databases, which are closed while it runs:
// whoever needs them waits. Those who come before that go first.
func (o *Owner) Quiet(ctx context.Context, f func() error) error {
	tick := time.NewTicker(quietLook)
	defer tick.Stop()
	for {
		o.mu.Lock()
		if o.use.n.Load() == 0 {
			break
		}
		o.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until no pipeline and no query uses the databases: %w", context.Cause(ctx))
		}
	}
	defer o.mu.Unlock()
	if o.cur != nil {
		err := o.cur.stop()
		o.cur = nil
		if err != nil {
			return fmt.Errorf("close the databases: %w", err)
		}
	}
	return f()
}

// Close waits until every session is closed, then closes the databases and
// ends the worker.
func (o *Owner) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.cur == nil {
		return nil
	}
	err := o.cur.stop()
	o.cur = nil
	return err
}
