package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
)

const (
	// graceful is how long a statement may go on after it was told to end: some
	// functions of the engine cannot be interrupted.
	graceful = 2 * time.Second
	// closingTakes is how long it may take to close a session.
	closingTakes = 15 * time.Second
)

// client is the daemon's end of a channel. It makes one request at a time; only
// Progress may be called while a request runs.
type client struct {
	p                 *Process
	ch                *channel
	timeout           time.Duration // of a statement; 0: none
	asked             func(context.Context, question) error
	named             func(tables []string) // by a query; nil: nobody asks
	maxRows, maxBytes int64                 // of a result; 0: no limit
	questions         int                   // that one request may lead to
	answer            error                 // the last error that was answered with
	reader            *reader
	number            uint64

	mu       sync.Mutex
	progress query.Progress
	watch    *watch
	unwanted bool // the worker wants no more of what it asked for
}

// watch ends the worker of a request that does not end in time.
type watch struct {
	op   string
	once sync.Once
	stop []func() bool
}

func (w *watch) end() {
	w.once.Do(func() {
		for _, stop := range w.stop {
			stop()
		}
	})
}

func (p *Process) client() (*client, error) {
	conn, err := p.dial()
	if err != nil {
		return nil, err
	}
	c := &client{p: p}
	c.ch = newChannel(conn, ofWorker(), c.noted)
	c.ch.start()
	return c, nil
}

// noted is called by the goroutine that reads the channel.
func (c *client) noted(f frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f.kind {
	case kindProgress:
		var p query.Progress
		if json.Unmarshal(f.data, &p) == nil {
			c.progress = p
		}
	case kindCancel:
		c.unwanted = true
		c.ch.wake()
	case kindEnd:
		c.ended()
	case kindReply:
		if c.watch != nil && c.watch.op != opQuery {
			c.ended()
		}
	}
}

// ended stops watching the request. c.mu is held.
func (c *client) ended() {
	if c.watch != nil {
		c.watch.end()
		c.watch = nil
	}
}

func (c *client) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended()
}

// begin sends a request and watches it until its end is there.
func (c *client) begin(ctx context.Context, r request, within time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if c.reader != nil {
		return errors.New("a result is still being read on this connection; release it first")
	}
	if err := c.ch.silent(); err != nil {
		return c.lost(err)
	}
	c.number++
	r.Number = c.number
	n := c.number
	w := &watch{op: r.Op}
	c.mu.Lock()
	c.watch, c.unwanted, c.progress = w, false, query.Progress{Fraction: -1}
	if within > 0 {
		t := time.AfterFunc(within+graceful, func() { c.p.kill(tooLong(within)) })
		w.stop = append(w.stop, t.Stop)
	}
	w.stop = append(w.stop, context.AfterFunc(ctx, func() { c.interrupt(w, n) }))
	c.mu.Unlock()
	if err := c.ch.sendJSON(kindRequest, r); err != nil {
		c.finish()
		return c.lost(err)
	}
	return nil
}

func tooLong(within time.Duration) *EndedError {
	return &EndedError{Reason: fmt.Sprintf("it went on for more than %s after its time of %s was over, in a function "+
		"that cannot be interrupted", graceful, within), limit: query.ErrTimeout}
}

// interrupt asks the worker to end a request, and ends the worker if it does not,
// or does not even read that.
func (c *client) interrupt(w *watch, n uint64) {
	c.ch.wake()                                           // who sends rows
	defer func() { _ = c.ch.sendNumber(kindCancel, n) }() // it may have ended
	t := time.AfterFunc(graceful, func() {
		c.p.kill(&EndedError{Reason: fmt.Sprintf("it went on for more than %s after it was told to end, in a function "+
			"that cannot be interrupted", graceful)})
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watch != w {
		t.Stop()
		return
	}
	w.stop = append(w.stop, t.Stop)
}

// lost returns the reason why the channel has ended, usually the end of the worker.
func (c *client) lost(err error) error {
	if !over(err) {
		return c.p.distrust(err)
	}
	return c.p.ended()
}

// reply waits for the reply, and answers what the worker asks before.
func (c *client) reply(ctx context.Context) (reply, error) {
	c.answer = nil
	for asked := 0; ; {
		f, err := c.ch.next()
		if err != nil {
			return reply{}, c.of(ctx, c.lost(err))
		}
		switch f.kind {
		case kindReply:
			var r reply
			if err := c.decode(f, &r, c.number); err != nil {
				return reply{}, c.lost(err)
			}
			return r, c.of(ctx, fromWire(r.Error, c.answer))
		case kindAsk:
			var q question
			asked++
			if err := decode(f, &q); err != nil || c.asked == nil || asked > c.questions {
				return reply{}, c.lost(errors.Join(fmt.Errorf("%w: question %d", errFrame, asked), err))
			}
			if err := c.asked(ctx, q); err != nil {
				return reply{}, c.of(ctx, c.lost(err))
			}
		default:
			return reply{}, c.lost(fmt.Errorf("%w: %d where a reply was expected", errFrame, f.kind))
		}
	}
}

// decode decodes a reply, which must be that of the request.
func (c *client) decode(f frame, r *reply, number uint64) error {
	if err := decode(f, r); err != nil {
		return err
	}
	if r.Of != number {
		return fmt.Errorf("%w: a reply to request %d instead of %d", errFrame, r.Of, number)
	}
	return nil
}

// of returns the error of a request, taking into account that its context may have ended it.
func (c *client) of(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// do makes a request whose answer has no rows.
func (c *client) do(ctx context.Context, r request, within time.Duration) (reply, error) {
	if err := c.begin(ctx, r, within); err != nil {
		return reply{}, err
	}
	defer c.finish()
	return c.reply(ctx)
}

// Query implements tiers.Statements.
func (c *client) Query(ctx context.Context, sql string, args ...any) (array.RecordReader, error) {
	list, err := argsOf(args)
	if err != nil {
		return nil, err
	}
	if err := c.begin(ctx, request{Op: opQuery, SQL: sql, Args: list}, c.timeout); err != nil {
		return nil, err
	}
	rep, err := c.reply(ctx)
	if c.named != nil && len(rep.Names) > 0 {
		c.named(rep.Names)
	}
	if err != nil {
		c.finish()
		return nil, err
	}
	r := &reader{c: c, ctx: ctx, number: c.number}
	r.refs.Store(1)
	if r.rows, r.fields, err = resultOf(rep.Columns, r.frame); err != nil {
		defer c.finish()
		return nil, c.of(ctx, c.lost(err))
	}
	c.reader = r
	return r, nil
}

// Exec implements tiers.Statements.
func (c *client) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	list, err := argsOf(args)
	if err != nil {
		return 0, err
	}
	r, err := c.do(ctx, request{Op: opExec, SQL: sql, Args: list}, c.timeout)
	return r.Number, err
}

// Load implements query.Loader.
func (c *client) Load(ctx context.Context, table string, rows array.RecordReader) (int64, error) {
	schema, err := schemaBytes(rows.Schema())
	if err != nil {
		return 0, err
	}
	if err := c.begin(ctx, request{Op: opLoad, Table: table, Schema: schema}, 0); err != nil {
		return 0, err
	}
	defer c.finish()
	sent := c.sendRows(ctx, rows)
	r, err := c.reply(ctx)
	if sent != nil && !over(sent) && !errors.Is(sent, errUnwanted) {
		err = c.of(ctx, sent) // the worker only repeats it
	}
	return r.Number, err
}

// sendRows sends rows and their end, which says why they are not all.
func (c *client) sendRows(ctx context.Context, rows array.RecordReader) error {
	err := newRowWriter(c.ch, rows.Schema(), func() error { return c.wanted(ctx) }).all(rows)
	if err != nil && over(err) {
		return err
	}
	return errors.Join(err, c.ch.sendJSON(kindEnd, reply{Error: toWire(err)}))
}

var errUnwanted = errors.New("the worker wants no more rows")

func (c *client) wanted(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unwanted {
		return errUnwanted
	}
	return context.Cause(ctx)
}

// Progress implements query.Session.
func (c *client) Progress() query.Progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.progress
}

// Close ends what the channel has opened, and the channel.
func (c *client) Close() error {
	if c.reader != nil {
		c.reader.finish()
	}
	_, err := c.do(context.Background(), request{Op: opClose}, closingTakes)
	c.ch.close()
	return err
}
