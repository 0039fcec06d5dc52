package worker

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
)

const progressEvery = 200 * time.Millisecond

// host is the inside of a worker: its engines, by number.
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

// server answers the requests of one channel, one after the other. What it has
// opened ends with the channel.
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

// statements are what a session and a connection share.
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

// noted is about the request that is being answered.
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

// begin is the context of a request, which ends when the daemon says so.
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

// answer does one request; its error is the channel's end.
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

// ask is about an engine without a session.
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

func (s *server) openEngine(ctx context.Context, req request) (int64, error) {
	if req.Options == nil || s.engine != 0 {
		return 0, fmt.Errorf("%w: an engine without options, or twice", errFrame)
	}
	o := req.Options.duckdb(s.h.log)
	if req.Options.Remote {
		o.Remote = remote{}
	}
	e, err := duckdb.Open(ctx, o)
	if err != nil {
		return 0, err
	}
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.h.last++
	s.engine = s.h.last
	s.h.engines[s.engine] = e
	return s.engine, nil
}

func (s *server) open(ctx context.Context, req request) error {
	e, err := s.h.engine(req.Engine)
	if err != nil {
		return err
	}
	if s.session != nil || s.conn != nil {
		return fmt.Errorf("%w: a session in a session", errFrame)
	}
	if req.Op == opConn {
		s.conn, err = e.Connect(ctx)
		return err
	}
	if req.View == nil {
		return fmt.Errorf("%w: a session without a view", errFrame)
	}
	v := query.View{Fill: s.fill}
	for _, t := range req.View.Tables {
		v.Tables = append(v.Tables, query.TableView{Name: t})
	}
	for _, w := range req.View.Analytics {
		value, err := w.value()
		if err != nil {
			return err
		}
		v.Analytics = append(v.Analytics, value)
	}
	s.session, err = e.Open(ctx, v, query.Options{Trusted: req.View.Trusted, MaxRows: req.View.MaxRows,
		MaxBytes: req.View.MaxBytes, Timeout: req.View.Timeout,
		OnTables: func(names []string) { s.names = names }})
	return err
}

func (s *server) statement(req request) (statements, []any, error) {
	args, err := valuesOf(req.Args)
	switch {
	case err != nil:
		return nil, nil, err
	case s.session != nil:
		return s.session, args, nil
	case s.conn != nil:
		return s.conn, args, nil
	}
	return nil, nil, fmt.Errorf("%w: a statement without a session", errFrame)
}

// end closes what the channel has opened, and says how that went.
func (s *server) end() error {
	var errs []error
	if s.session != nil {
		errs = append(errs, s.session.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	s.session, s.conn = nil, nil
	if s.engine != 0 {
		errs = append(errs, s.closeEngine())
	}
	return errors.Join(errs...)
}

// query replies once the statement has begun to give rows, then sends them.
func (s *server) query(ctx context.Context, req request) error {
	stop := s.progress()
	defer stop()
	s.names = nil
	c, args, err := s.statement(req)
	var rows array.RecordReader
	if err == nil {
		rows, err = c.Query(ctx, req.SQL, args...)
	}
	if err != nil {
		return s.ch.sendJSON(kindReply, reply{Of: req.Number, Names: s.names, Error: toWire(err)})
	}
	defer rows.Release()
	columns, err := columnsOf(rows.Schema())
	if err != nil {
		return s.ch.sendJSON(kindReply, reply{Of: req.Number, Names: s.names, Error: toWire(err)})
	}
	if err := s.ch.sendJSON(kindReply, reply{Of: req.Number, Names: s.names, Columns: columns}); err != nil {
		return err
	}
	err = newRowWriter(s.ch, rows.Schema(), ctx.Err).all(rows)
	if err != nil && over(err) {
		return err
	}
	stop() // nothing comes after the end
	return s.ch.sendJSON(kindEnd, reply{Of: req.Number, Error: toWire(err)})
}

// progress says how far the session's statement is, until the function that it
// returns is called.
func (s *server) progress() (stop func()) {
	if s.session == nil {
		return func() {}
	}
	return query.Report(s.session, progressEvery, func(p query.Progress) {
		_ = s.ch.sendJSON(kindProgress, p) // if the channel has ended, the statement hears of it
	})
}

func (s *server) load(ctx context.Context, req request) (int64, error) {
	rows, err := s.incoming(req.Schema)
	if err != nil {
		return 0, err
	}
	defer rows.Release()
	var l query.Loader = s.conn
	if s.session != nil {
		l, _ = s.session.(query.Loader)
	}
	if l == nil {
		return 0, fmt.Errorf("%w: rows without a session", errFrame)
	}
	n, err := l.Load(ctx, req.Table, rows)
	if err != nil && !rows.ended {
		if err := s.ch.sendNumber(kindCancel, req.Number); err != nil { // of what is still to come
			return n, err
		}
		rows.drain()
	}
	return n, err
}

// incoming reads the rows that the daemon sends.
func (s *server) incoming(schema []byte) (*incoming, error) {
	in := &incoming{s: s}
	in.messages = &messages{left: schema, next: in.frame}
	r, err := ipc.NewReaderFromMessageReader(in.messages)
	if err != nil {
		return nil, fmt.Errorf("%w: schema: %w", errFrame, err)
	}
	in.Reader = r
	return in, nil
}

// incoming is a reader of rows that the daemon sends, up to the frame that
// ends them.
type incoming struct {
	*ipc.Reader
	s        *server
	messages *messages
	ended    bool
	lost     error // what the daemon says about rows that did not all come
}

func (in *incoming) frame() ([]byte, error) {
	if in.ended {
		return nil, io.EOF
	}
	f, err := in.s.ch.next()
	switch {
	case err != nil:
		in.ended, in.lost = true, err
	case f.kind == kindRows:
		return f.data, in.s.ch.sendNumber(kindCredit, uint64(len(f.data)))
	case f.kind == kindEnd:
		var r reply
		in.ended, in.lost = true, decode(f, &r)
		if r.Error != nil {
			in.lost = &askedError{r.Error.Text}
		}
	default:
		in.ended, in.lost = true, fmt.Errorf("%w: %d among rows", errFrame, f.kind)
	}
	if in.lost != nil {
		return nil, in.lost
	}
	return nil, io.EOF
}

// Err implements array.RecordReader.
func (in *incoming) Err() error {
	if in.lost != nil {
		return in.lost
	}
	return in.Reader.Err()
}

// drain passes over the rows that are still to come.
func (in *incoming) drain() {
	for !in.ended {
		_, _ = in.frame() // how they end is nobody's concern any more
	}
}

// fill asks the daemon for a table of the lake.
func (s *server) fill(_ context.Context, table string) (query.TableView, error) {
	t := query.TableView{Name: table}
	f, err := s.question(question{Table: table})
	if err != nil {
		return t, err
	}
	head, files, _ := bytes.Cut(f.data, []byte("\n"))
	var a answer
	if err := json.Unmarshal(head, &a); err != nil {
		return t, fmt.Errorf("%w: %w", errFrame, err)
	}
	if a.Error != nil {
		return t, &askedError{a.Error.Text}
	}
	t.Schema, t.Snapshot = a.Schema, a.Snapshot
	t.Files, err = decodeFiles(files)
	return t, err
}

// question asks the daemon something about the request that it waits for.
func (s *server) question(q question) (frame, error) {
	if err := s.ch.sendJSON(kindAsk, q); err != nil {
		return frame{}, err
	}
	f, err := s.ch.next()
	if err == nil && f.kind != kindAnswer {
		err = fmt.Errorf("%w: %d where an answer was expected", errFrame, f.kind)
	}
	return f, err
}

// remote is the analytics tier outside of the worker: the daemon reads it.
type remote struct{}

// Read implements query.Remote, within a request.
func (remote) Read(ctx context.Context, wants []query.Want, each func(string, array.RecordReader) error) error {
	s, ok := ctx.Value(serverKey{}).(*server)
	if !ok {
		return errors.New("the analytics tier is read outside of a request")
	}
	list, err := wantsOf(wants)
	if err != nil {
		return err
	}
	if err := s.ch.sendJSON(kindAsk, question{Read: list}); err != nil {
		return err
	}
	var failed error
	for {
		f, err := s.ch.next()
		if err != nil {
			return err
		}
		var r reply
		if f.kind != kindTable && f.kind != kindAnswer {
			return fmt.Errorf("%w: %d where a table was expected", errFrame, f.kind)
		}
		if err := decode(f, &r); err != nil {
			return err
		}
		if f.kind == kindAnswer {
			if failed == nil && r.Error != nil {
				failed = &askedError{r.Error.Text}
			}
			return failed
		}
		if err := s.readTable(r, failed != nil, each); err != nil && failed == nil {
			failed = err
			if err := s.ch.sendNumber(kindCancel, s.number); err != nil { // of what is still to come
				return err
			}
		}
	}
}

// readTable takes the rows of one table, or passes over them. That they do not
// all come is not its error: the daemon says what that means.
func (s *server) readTable(r reply, skip bool, each func(string, array.RecordReader) error) error {
	if len(r.Names) != 1 {
		return fmt.Errorf("%w: a table without a name", errFrame)
	}
	rows, err := s.incoming(r.Schema)
	if err != nil {
		return err
	}
	defer rows.Release()
	if !skip {
		err = each(r.Names[0], rows)
	}
	rows.drain()
	if rows.lost != nil {
		return nil
	}
	return err
}
