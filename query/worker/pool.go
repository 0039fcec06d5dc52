package worker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
)

const (
	mostStatements = 500              // of one worker
	mostAge        = time.Hour        // of one worker
	idleFor        = 30 * time.Second // after which all but one that have nothing to do are ended
)

// Pool is an engine without databases of its own, for what people send: each
// session has a worker to itself while it lasts. It implements query.Engine and
// query.Confiner. Safe for concurrent use.
type Pool struct {
	o      Options
	log    *slog.Logger
	places chan struct{} // one for each session
	asking chan struct{} // one for each question about SQL text, beside the sessions

	mu     sync.Mutex
	idle   []*pooled // the last one was used last
	all    []*pooled
	named  int
	closed bool
	wake   chan struct{} // the watcher
	stop   chan struct{}
	ended  chan struct{} // closed by the watcher
}

var (
	_ query.Engine   = (*Pool)(nil)
	_ query.Confiner = (*Pool)(nil)
)

// pooled is a worker that belongs to a pool.
type pooled struct {
	*started
	name       string
	born       time.Time
	since      time.Time // idle
	statements int
	busy       bool
	sql        string // what it does
}

// NewPool starts no worker yet. The caller closes it.
func NewPool(o Options) *Pool {
	if o.Config.Logger == nil {
		o.Config.Logger = slog.New(slog.DiscardHandler)
	}
	o.Most = max(o.Most, 1)
	p := &Pool{o: o, log: o.Config.Logger, places: make(chan struct{}, o.Most), asking: make(chan struct{}, 1),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
	go p.watch()
	return p
}

// Warm starts a worker, so that the first statement finds one.
func (p *Pool) Warm(ctx context.Context) error {
	w, err := p.take(ctx)
	if err != nil {
		return err
	}
	p.give(w, true)
	return nil
}

// take returns an idle worker or starts a new one, for the caller alone. The
// caller must have a place.
func (p *Pool) take(ctx context.Context) (*pooled, error) {
	p.mu.Lock()
	for len(p.idle) > 0 && !p.closed {
		w := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if w.p.Failed() != nil {
			p.mu.Unlock()
			p.drop(w)
			p.mu.Lock()
			continue
		}
		w.busy = true
		p.mu.Unlock()
		p.poke()
		return w, nil
	}
	if p.closed {
		p.mu.Unlock()
		return nil, fmt.Errorf("%w: it is closed", query.ErrUnavailable)
	}
	p.named++
	w := &pooled{name: fmt.Sprintf("%s%d", p.o.Config.Name, p.named), born: time.Now(), busy: true}
	p.mu.Unlock()
	o := p.o
	o.Config.Name = w.name
	var err error
	if w.started, err = start(ctx, o, int64(p.o.Most)); err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.all = append(p.all, w)
	p.mu.Unlock()
	p.poke()
	return w, nil
}

// give takes a worker back. One that has ended, or is not as it was, is dropped.
func (p *Pool) give(w *pooled, whole bool) {
	w.statements++
	w.p.look()
	tired := w.statements >= mostStatements || time.Since(w.born) > mostAge ||
		w.p.Memory() > p.o.Config.Memory/2 && p.o.Config.Memory > 0
	p.mu.Lock()
	if whole && !tired && !p.closed && w.p.Failed() == nil {
		w.busy, w.since, w.sql = false, time.Now(), ""
		p.idle = append(p.idle, w)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.drop(w)
}

// drop ends an idle worker.
func (p *Pool) drop(w *pooled) {
	if f := w.p.Failed(); f != nil {
		log := p.log
		if w.sql != "" {
			log = log.With("statement", w.sql)
		}
		p.o.tell(log, w.name, f.Reason)
	}
	w.discard()
	p.mu.Lock()
	p.all = slices.DeleteFunc(p.all, func(o *pooled) bool { return o == w })
	p.mu.Unlock()
}

// Open implements query.Engine. It waits for a place, which is of the time that a
// statement has.
func (p *Pool) Open(ctx context.Context, v query.View, o query.Options) (query.Session, error) {
	began := time.Now()
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("%w: no worker was free", query.ErrBusy))
		defer cancel()
	}
	select {
	case p.places <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	w, err := p.take(ctx)
	if err != nil {
		<-p.places
		return nil, err
	}
	if o.Timeout > 0 {
		o.Timeout = max(o.Timeout-time.Since(began), time.Millisecond)
	}
	s, err := w.e.Open(ctx, v, o)
	if err != nil {
		p.give(w, false)
		<-p.places
		return nil, err
	}
	return &pooledSession{session: s.(*session), p: p, w: w}, nil
}

// pooledSession gives its worker back when it is closed.
type pooledSession struct {
	*session
	p    *Pool
	w    *pooled
	once sync.Once
}

// Query implements query.Session.
func (s *pooledSession) Query(ctx context.Context, sql string, args ...any) (array.RecordReader, error) {
	s.w.sql = shortened(sql)
	return s.session.Query(ctx, sql, args...)
}

// Close implements query.Session.
func (s *pooledSession) Close() (err error) {
	s.once.Do(func() {
		err = s.session.Close()
		s.p.give(s.w, err == nil && !s.o.Trusted)
		<-s.p.places
	})
	return err
}

// ask gives f a worker for a question about a text.
func (p *Pool) ask(sql string, f func(*Engine) error) error {
	p.asking <- struct{}{}
	defer func() { <-p.asking }()
	ctx, cancel := context.WithTimeout(context.Background(), openingTakes)
	defer cancel()
	w, err := p.take(ctx)
	if err != nil {
		return err
	}
	w.sql = shortened(sql)
	err = f(w.e)
	p.give(w, true)
	return err
}

const shownSQL = 200

func shortened(sql string) string {
	if len(sql) > shownSQL {
		return sql[:shownSQL] + "..."
	}
	return sql
}

// Confine implements query.Confiner.
func (p *Pool) Confine(expr string, columns []string) error {
	return p.ask(expr, func(e *Engine) error { return e.Confine(expr, columns) })
}

// ConfineSelect implements query.Confiner.
func (p *Pool) ConfineSelect(sql string, inputs []string) error {
	return p.ask(sql, func(e *Engine) error { return e.ConfineSelect(sql, inputs) })
}

// Lenient is that of the engine's parser.
func (p *Pool) Lenient(expr string) (out string, misfits []string, err error) {
	err = p.ask(expr, func(e *Engine) error { out, misfits, err = e.Lenient(expr); return err })
	return out, misfits, err
}

// LenientSelect is that of the engine's parser.
func (p *Pool) LenientSelect(sql string) (out string, counts []string, err error) {
	err = p.ask(sql, func(e *Engine) error { out, counts, err = e.LenientSelect(sql); return err })
	return out, counts, err
}

// Usage is what the workers hold.
func (p *Pool) Usage() query.Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	var u query.Usage
	for _, w := range p.all {
		u.Memory += w.p.Memory()
	}
	return u
}

// PIDs are the processes of the workers.
func (p *Pool) PIDs() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []int
	for _, w := range p.all {
		out = append(out, w.p.PID())
	}
	return out
}

// Close ends the workers. Sessions that are open fail.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	close(p.stop)
	<-p.ended
	for _, w := range idle {
		p.drop(w)
	}
	return nil
}
