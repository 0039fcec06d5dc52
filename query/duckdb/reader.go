package duckdb

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/lakeward/lakeward/query"
)

// limits bound one query.
type limits struct {
	maxRows int64         // 0: none
	timeout time.Duration // 0: none
	redact  bool          // take file names out of errors
}

func (l limits) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.timeout > 0 {
		return context.WithTimeout(ctx, l.timeout)
	}
	return context.WithCancel(ctx)
}

// reader streams a result chunk by chunk as Arrow records.
type reader struct {
	refs    atomic.Int64
	ctx     context.Context
	cancel  context.CancelFunc
	conn    *Conn
	stmt    duck.PreparedStatement
	res     duck.Result
	schema  *arrow.Schema
	cols    []column
	builder *array.RecordBuilder
	rec     arrow.RecordBatch
	limits  limits
	rows    int64
	err     error
	done    bool
}

// newReader takes ownership of both handles, also when it fails.
func newReader(ctx context.Context, c *Conn, stmt *duck.PreparedStatement, res *duck.Result, l limits) (*reader, error) {
	r := &reader{ctx: ctx, conn: c, stmt: *stmt, res: *res, limits: l}
	r.refs.Store(1)
	var err error
	if r.schema, err = resultSchema(res); err == nil {
		r.cols, err = resultColumns(res)
	}
	if err != nil {
		r.destroy()
		return nil, err
	}
	r.builder = array.NewRecordBuilder(memory.DefaultAllocator, r.schema)
	return r, nil
}

func (r *reader) Schema() *arrow.Schema          { return r.schema }
func (r *reader) RecordBatch() arrow.RecordBatch { return r.rec }
func (r *reader) Record() arrow.RecordBatch      { return r.rec }
func (r *reader) Err() error                     { return r.err }
func (r *reader) Retain()                        { r.refs.Add(1) }

// Release ends the query when the last reference goes.
func (r *reader) Release() {
	if r.refs.Add(-1) == 0 {
		r.finish()
	}
}

// Next reads the next chunk. It is false at the end or on an error.
func (r *reader) Next() bool {
	if r.rec != nil {
		r.rec.Release()
		r.rec = nil
	}
	if r.done || r.err != nil {
		return false
	}
	more := false
	err := r.conn.guard(r.ctx, func() (err error) {
		more, err = r.fetch()
		return err
	})
	if err != nil && r.limits.redact {
		err = withoutPaths(err)
	}
	if r.err = err; err != nil || !more {
		r.end()
		return false
	}
	return true
}

func (r *reader) fetch() (bool, error) {
	chunk := duck.FetchChunk(r.res)
	if chunk.Ptr == nil {
		if msg := duck.ResultError(&r.res); msg != "" {
			return false, runError("", msg)
		}
		return false, nil
	}
	defer duck.DestroyDataChunk(&chunk)
	n := int(duck.DataChunkGetSize(chunk))
	if n == 0 {
		return false, nil
	}
	if r.rows += int64(n); r.limits.maxRows > 0 && r.rows > r.limits.maxRows {
		return false, fmt.Errorf("%w: more than %d; add a LIMIT or aggregate", query.ErrTooManyRows, r.limits.maxRows)
	}
	for i := range r.cols {
		v := duck.DataChunkGetVector(chunk, duck.IdxT(i))
		if err := r.cols[i].fill(r.builder.Field(i), v, 0, n); err != nil {
			return false, fmt.Errorf("column %s: %w", r.schema.Field(i).Name, err)
		}
	}
	r.rec = r.builder.NewRecordBatch()
	return true, nil
}

// end frees the engine's part of the result; the connection is usable again.
func (r *reader) end() {
	if r.done {
		return
	}
	r.done = true
	r.destroy()
	r.builder.Release()
	if r.conn.reader == r {
		r.conn.reader = nil
	}
	r.cancel()
}

// finish is end, and the last record is released too.
func (r *reader) finish() {
	r.end()
	if r.rec != nil {
		r.rec.Release()
		r.rec = nil
	}
}

func (r *reader) destroy() {
	duck.DestroyResult(&r.res)
	duck.DestroyPrepare(&r.stmt)
}
