package duckdb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	duck "github.com/duckdb/duckdb-go-bindings"
)

// reassert is how often an interrupt is repeated until the call returns: the
// engine forgets one that arrives while a statement is being started.
const reassert = 20 * time.Millisecond

var errClosed = errors.New("connection is closed")

// Conn is one trusted connection to an instance. It is not safe for concurrent
// use, except Progress; the caller closes it. At most one reader is open on a
// connection: a statement started while one is open is an error.
type Conn struct {
	mu      sync.Mutex // guards raw against Close while Progress reads it
	raw     duck.Connection
	reader  *reader
	onClose func()
	onError func(error) // nil: nobody looks at errors
	started time.Time
}

func newConn(db duck.Database, onClose func()) (*Conn, error) {
	c := &Conn{onClose: onClose}
	if duck.Connect(db, &c.raw) == duck.StateError {
		return nil, errors.New("connect to DuckDB: no connection")
	}
	return c, nil
}

// Close ends the connection and any reader that is open on it.
func (c *Conn) Close() error {
	if c.reader != nil {
		c.reader.finish()
	}
	c.mu.Lock()
	if c.raw.Ptr == nil {
		c.mu.Unlock()
		return nil
	}
	duck.Disconnect(&c.raw)
	c.raw.Ptr = nil
	c.mu.Unlock()
	if c.onClose != nil {
		c.onClose()
	}
	return nil
}

// guard runs f, which calls into DuckDB, and interrupts it when ctx ends.
func (c *Conn) guard(ctx context.Context, f func() error) (err error) {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	done, quiet := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(quiet)
		c.interruptUntil(done)
	})
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("DuckDB call panicked: %v", p)
		}
		close(done)
		if !stop() {
			<-quiet
		}
		if err != nil && c.onError != nil {
			c.onError(err)
		}
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}()
	return f()
}

func (c *Conn) interruptUntil(done <-chan struct{}) {
	t := time.NewTicker(reassert)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		default:
			duck.Interrupt(c.raw)
		}
		select {
		case <-done:
			return
		case <-t.C:
		}
	}
}

// Exec runs one statement and returns the number of rows that it changed.
func (c *Conn) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	var n int64
	err := c.run(ctx, sql, args, func(stmt *duck.PreparedStatement, res *duck.Result) error {
		n = int64(duck.RowsChanged(res))
		duck.DestroyResult(res)
		duck.DestroyPrepare(stmt)
		return nil
	}, false)
	return n, err
}

// Query runs one statement and streams its result. The reader lives at most as
// long as ctx; the caller releases it.
func (c *Conn) Query(ctx context.Context, sql string, args ...any) (array.RecordReader, error) {
	return c.query(ctx, sql, limits{}, args)
}

func (c *Conn) query(ctx context.Context, sql string, l limits, args []any) (*reader, error) {
	ctx, cancel := l.bound(ctx)
	var r *reader
	err := c.run(ctx, sql, args, func(stmt *duck.PreparedStatement, res *duck.Result) error {
		var err error
		r, err = newReader(ctx, c, stmt, res, l)
		return err
	}, true)
	if err != nil {
		cancel()
		return nil, err
	}
	r.cancel = cancel
	c.reader = r
	return r, nil
}

// run prepares, binds and starts one statement; take owns both handles.
func (c *Conn) run(ctx context.Context, sql string, args []any, take func(*duck.PreparedStatement, *duck.Result) error,
	stream bool) error {
	if c.raw.Ptr == nil {
		return errClosed
	}
	if c.reader != nil {
		return errors.New("a result is still being read on this connection; release it first")
	}
	c.mu.Lock()
	c.started = time.Now()
	c.mu.Unlock()
	return c.guard(ctx, func() error {
		stmt, err := c.prepare(sql)
		if err != nil {
			return err
		}
		if err := bindAll(stmt, args); err != nil {
			duck.DestroyPrepare(&stmt)
			return err
		}
		var res duck.Result
		if err := execute(sql, stmt, &res, stream); err != nil {
			duck.DestroyPrepare(&stmt)
			return err
		}
		return take(&stmt, &res)
	})
}

func (c *Conn) prepare(sql string) (duck.PreparedStatement, error) {
	var all duck.ExtractedStatements
	n := duck.ExtractStatements(c.raw, sql, &all)
	defer duck.DestroyExtracted(&all)
	var stmt duck.PreparedStatement
	switch {
	case n == 0 && duck.ExtractStatementsError(all) != "":
		return stmt, parseError(sql, duck.ExtractStatementsError(all))
	case n == 0:
		return stmt, errors.New("no statement to run")
	case n > 1:
		return stmt, fmt.Errorf("%d statements where one was expected", n)
	}
	if duck.PrepareExtractedStatement(c.raw, all, 0, &stmt) == duck.StateError {
		msg := duck.PrepareError(stmt)
		duck.DestroyPrepare(&stmt)
		if conflict(msg) {
			return stmt, &conflictError{msg}
		}
		return stmt, parseError(sql, msg)
	}
	return stmt, nil
}

func execute(sql string, stmt duck.PreparedStatement, res *duck.Result, stream bool) error {
	var pending duck.PendingResult
	start := duck.PendingPrepared
	if stream {
		start = duck.PendingPreparedStreaming
	}
	state := start(stmt, &pending)
	defer duck.DestroyPending(&pending)
	if state == duck.StateError {
		return runError(sql, duck.PendingError(pending))
	}
	if duck.ExecutePending(pending, res) == duck.StateError {
		err := runError(sql, duck.ResultError(res))
		duck.DestroyResult(res)
		return err
	}
	return nil
}

// progress returns the fraction done (-1 if unknown), rows processed and time
// since the last statement began. Safe to call at any time.
func (c *Conn) progress() (float64, int64, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw.Ptr == nil || c.started.IsZero() {
		return -1, 0, 0
	}
	p := duck.QueryProgress(c.raw)
	pct, rows, _ := duck.QueryProgressTypeMembers(&p)
	if pct < 0 {
		pct = -100
	}
	return pct / 100, int64(rows), time.Since(c.started)
}

// quoteIdent quotes an identifier.

// quoteText quotes a string literal.
