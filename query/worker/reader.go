package worker

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// reader reads a result from the worker.
type reader struct {
	c        *client
	ctx      context.Context
	number   uint64 // of the request
	rows     *ipc.Reader
	fields   int   // of the result, nested ones included
	count    int64 // of rows
	bytes    int64 // of rows, less what the form adds
	refs     atomic.Int64
	consumed uint64 // bytes that the worker does not know of yet
	ended    bool
	err      error
}

func (r *reader) Schema() *arrow.Schema          { return r.rows.Schema() }
func (r *reader) RecordBatch() arrow.RecordBatch { return r.rows.RecordBatch() }
func (r *reader) Record() arrow.RecordBatch      { return r.rows.RecordBatch() }
func (r *reader) Retain()                        { r.refs.Add(1) }

// Err implements array.RecordReader.
func (r *reader) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.rows.Err()
}

// Next implements array.RecordReader.
func (r *reader) Next() bool {
	if r.err != nil {
		return false
	}
	if r.rows.Next() {
		if err := r.check(); err != nil {
			r.err = r.c.lost(err)
			return false
		}
		return true
	}
	if err := r.rows.Err(); err != nil && r.err == nil {
		r.err = r.c.lost(fmt.Errorf("%w: rows: %w", errFrame, err))
	}
	return false
}

// check looks at rows before anybody believes them, and holds the limits of the
// statement, which the worker should have held.
func (r *reader) check() error {
	rec := r.rows.RecordBatch()
	r.count += rec.NumRows()
	if r.c.maxRows > 0 && r.count > r.c.maxRows {
		return fmt.Errorf("%w: %d rows where %d are allowed", errFrame, r.count, r.c.maxRows)
	}
	if r.c.maxBytes > 0 && r.bytes > r.c.maxBytes {
		return fmt.Errorf("%w: rows of %d bytes where %d are allowed", errFrame, r.bytes, r.c.maxBytes)
	}
	return checkRows(rec)
}

// frame returns the next message of the stream.
func (r *reader) frame() ([]byte, error) {
	if r.ended {
		return nil, io.EOF
	}
	if r.consumed > window/4 {
		if err := r.c.ch.sendNumber(kindCredit, r.consumed); err != nil {
			return nil, r.end(r.c.lost(err))
		}
		r.consumed = 0
	}
	f, err := r.c.ch.next()
	if err != nil {
		return nil, r.end(r.c.lost(err))
	}
	switch f.kind {
	case kindRows:
		r.consumed += uint64(len(f.data))
		r.bytes += max(0, int64(len(f.data)-formBytes*(r.fields+2)))
		return f.data, nil
	case kindEnd:
		var rep reply
		if err := r.c.decode(f, &rep, r.number); err != nil {
			return nil, r.end(r.c.lost(err))
		}
		return nil, r.end(fromWire(rep.Error, nil))
	}
	return nil, r.end(r.c.lost(fmt.Errorf("%w: %d among rows", errFrame, f.kind)))
}

// end notes how the stream ended; the channel can be used again.
func (r *reader) end(err error) error {
	r.ended = true
	if r.err = r.c.of(r.ctx, err); err == nil {
		r.err = nil
	}
	r.c.finish()
	if r.c.reader == r {
		r.c.reader = nil
	}
	return io.EOF
}

// Release ends the query when the last reference goes.
func (r *reader) Release() {
	if r.refs.Add(-1) == 0 {
		r.finish()
	}
}

// finish passes over what is still to come.
func (r *reader) finish() {
	if !r.ended {
		r.c.mu.Lock()
		w := r.c.watch
		r.c.mu.Unlock()
		if w != nil {
			r.c.interrupt(w, r.number)
		}
	}
	for !r.ended {
		_, _ = r.frame() // nobody wants it
	}
	if r.rows != nil {
		r.rows.Release()
		r.rows = nil
	}
}
