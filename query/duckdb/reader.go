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
	maxRows  int64         // 0: none
	maxBytes int64         // 0: none
	timeout  time.Duration // 0: none
	redact   bool          // take file names out of errors
	memory   int64         // of the engine, for errors
	spill    int64         // of the engine, for errors
}

// errTimeout is the cause of a context that ended because of the limits, which
// tells it from the caller's own deadline.
var errTimeout = fmt.Errorf("timeout: %w", context.DeadlineExceeded)

func (l limits) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.timeout > 0 {
		return context.WithTimeoutCause(ctx, l.timeout, errTimeout)
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
	chunk   duck.DataChunk // not yet all read; or nil
	at, n   int            // rows of it that were read, and that it has
	piece   int            // rows of the next record
	rows    int64
	bytes   int64
	err     error
	done    bool
}

// newReader takes ownership of both handles, also when it fails.
func newReader(ctx context.Context, c *Conn, stmt *duck.PreparedStatement, res *duck.Result, l limits) (*reader,
	error) {
	r := &reader{ctx: ctx, conn: c, stmt: *stmt, res: *res, limits: l}
	r.refs.Store(1)
	var err error
	if r.schema, err = resultSchema(res); err != nil {
		r.destroy()
		return nil, err
	}
	r.cols = resultColumns(res)
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
	if err = r.limits.beyond(err); err != nil && r.limits.redact {
		err = withoutPaths(err)
	}
	if r.err = err; err != nil || !more {
		r.end()
		return false
	}
	return true
}

// pieceBytes is about the size of a record: a chunk has up to 2,048 rows,
// however long their values are, and is copied in pieces.
const (
	pieceBytes = 1 << 20
	firstPiece = 256
)

func (r *reader) fetch() (bool, error) {
	if r.at == r.n {
		if more, err := r.next(); !more {
			return false, err
		}
	}
	n := min(max(r.piece, 1), r.n-r.at)
	for i := range r.cols {
		v := duck.DataChunkGetVector(r.chunk, duck.IdxT(i))
		if err := r.cols[i].fill(r.builder.Field(i), v, r.at, n); err != nil {
			return false, fmt.Errorf("column %s: %w", r.schema.Field(i).Name, err)
		}
	}
	r.rec = r.builder.NewRecordBatch()
	if r.at += n; r.at == r.n {
		r.drop()
	}
	bytes := recordBytes(r.rec)
	r.piece = int(min(pieceBytes*int64(n)/max(bytes, 1), 1<<16))
	if r.bytes += bytes; r.limits.maxBytes > 0 && r.bytes > r.limits.maxBytes {
		return false, fmt.Errorf("%w: more than %s (query.max_bytes); select fewer columns, add a LIMIT or aggregate",
			query.ErrTooManyBytes, size(r.limits.maxBytes))
	}
	return true, nil
}

// next gets the next chunk of the result that has rows.
func (r *reader) next() (bool, error) {
	r.chunk = duck.FetchChunk(r.res)
	if r.chunk.Ptr == nil {
		if msg := duck.ResultError(&r.res); msg != "" {
			return false, runError("", msg)
		}
		return false, nil
	}
	r.at, r.n = 0, int(duck.DataChunkGetSize(r.chunk))
	if r.n == 0 {
		r.drop()
		return false, nil
	}
	if r.rows += int64(r.n); r.limits.maxRows > 0 && r.rows > r.limits.maxRows {
		return false, fmt.Errorf("%w: more than %d (query.max_rows, or what was asked for); add a LIMIT or aggregate",
			query.ErrTooManyRows, r.limits.maxRows)
	}
	if r.piece == 0 {
		r.piece = firstPiece
	}
	return true, nil
}

// drop frees the chunk.
func (r *reader) drop() {
	if r.chunk.Ptr != nil {
		duck.DestroyDataChunk(&r.chunk)
		r.chunk.Ptr = nil
	}
	r.at, r.n = 0, 0
}

// recordBytes are those of a record's values.
func recordBytes(rec arrow.RecordBatch) (n int64) {
	for _, c := range rec.Columns() {
		n += int64(c.Data().SizeInBytes())
	}
	return n
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
	r.drop()
	duck.DestroyResult(&r.res)
	duck.DestroyPrepare(&r.stmt)
}
