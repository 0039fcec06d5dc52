package worker

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
)

const progressEvery = 200 * time.Millisecond

// host is the state of a worker process: its engines by number.
type host struct {
	log *slog.Logger

	mu      sync.Mutex
	engines map[int64]*duckdb.Engine
	last    int64
}

func (h *host) engine(n int64) (*duckdb.Engine, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.engines[n]
	if e == nil {
		return nil, fmt.Errorf("%w: no engine %d", errFrame, n)
	}
	return e, nil
}

// server answers the requests of one channel in turn. What it has opened is closed
// when the channel ends.
type server struct {
	h  *host
	ch *channel

	mu       sync.Mutex
	number   uint64 // of the request that is being answered
	canceled uint64 // the newest request that is to end
	cancel   context.CancelFunc

	engine  int64 // opened by this channel
	session query.Session
	conn    query.Conn
	names   []string // of tables that the statement names
}

// statements is what a session and a connection have in common.
type statements interface {
	Query(ctx context.Context, sql string, args ...any) (array.RecordReader, error)
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
}

// serve serves a channel until it ends, and owns it.
func (h *host) serve(conn net.Conn) {
	s := &server{h: h}
	s.ch = newChannel(conn, ofDaemon(), s.noted)
	s.ch.start()
	s.run()
}

func (s *server) run() {
	defer s.close()
	for {
		f, err := s.ch.next()
		if err != nil {
			return
		}
		if f.kind != kindRequest {
			continue // what is left of an answer that nobody waits for
		}
		var req request
		if err := decode(f, &req); err != nil {
			return
		}
		if err := s.answer(req); err != nil {
			return
		}
	}
}

// noted handles a frame that concerns the request being answered.
func (s *server) noted(f frame) {
	if f.kind != kindCancel {
		return
	}
	n, k := binary.Uvarint(f.data)
	if k <= 0 {
		return
	}
	s.mu.Lock()
	s.canceled = max(s.canceled, n)
	if s.cancel != nil && s.number <= n {
		s.cancel()
	}
	s.mu.Unlock()
	s.ch.wake()
}

// begin returns the context of a request, which the daemon can cancel.
func (s *server) begin(n uint64) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), serverKey{}, s))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number, s.cancel = n, cancel
	if s.canceled >= n {
		cancel()
	}
	stop := context.AfterFunc(ctx, s.ch.wake)
	return ctx, func() {
		s.mu.Lock()
		s.cancel = nil
		s.mu.Unlock()
		stop()
		cancel()
	}
}

type serverKey struct{}

func (s *server) close() {
	if s.session != nil {
		_ = s.session.Close() // nobody is left to hear of it
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
	if s.engine != 0 {
		_ = s.closeEngine()
	}
	s.ch.close()
}

func (s *server) closeEngine() error {
	s.h.mu.Lock()
	e := s.h.engines[s.engine]
	delete(s.h.engines, s.engine)
	s.h.mu.Unlock()
	s.engine = 0
	if e == nil {
		return nil
	}
	return e.Close()
}

// answer serves one request. An error ends the channel.
func (s *server) answer(req request) error {
	ctx, end := s.begin(req.Number)
	defer end()
	if req.Op == opQuery {
		return s.query(ctx, req)
	}
	r, err := s.do(ctx, req)
	r.Of, r.Error = req.Number, toWire(err)
	return s.ch.sendJSON(kindReply, r)
}

func (s *server) do(ctx context.Context, req request) (r reply, err error) {
	switch req.Op {
	case opEngine:
		r.Number, err = s.openEngine(ctx, req)
		return r, err
	case opSession, opConn:
		return r, s.open(ctx, req)
	case opExec:
		defer s.progress()()
		c, args, err := s.statement(req)
		if err == nil {
			r.Number, err = c.Exec(ctx, req.SQL, args...)
		}
		return r, err
	case opLoad:
		r.Number, err = s.load(ctx, req)
		return r, err
	case opClose:
		return r, s.end()
	}
	return s.ask(ctx, req)
}

// ask serves a request about an engine, outside of a session.
func (s *server) ask(ctx context.Context, req request) (r reply, err error) {
	e, err := s.h.engine(req.Engine)
	if err != nil {
		return r, err
	}
	names := req.Names
	if names == nil && !req.Any {
		names = []string{}
	}
	switch req.Op {
	case opUsage:
		u, err := e.Usage(ctx)
		r.Number, r.Spill = u.Memory, u.Spill
		return r, err
	case opTrim:
		return r, e.Trim(ctx)
	case opConfine:
		return r, e.Confine(req.SQL, names)
	case opSelect:
		return r, e.ConfineSelect(req.SQL, names)
	case opLenient:
		r.SQL, r.Names, err = e.Lenient(req.SQL)
		return r, err
	case opWhole:
		r.SQL, r.Names, err = e.LenientSelect(req.SQL)
		return r, err
	}
	return r, fmt.Errorf("%w: request %q", errFrame, req.Op)
}
