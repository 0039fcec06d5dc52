// Package query is the seam to the batch engine: a View pins what can be
// read, a Session runs SQL over it, and results leave as Arrow.
package query

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/tiers"
)

// TableView is one lake table at one snapshot, as an explicit list of files.
type TableView struct {
	Name     string // bare; visible as lake.NAME
	Snapshot int64
	Schema   tiers.Schema
	Files    []tiers.DataFile
	// Problem is why the table cannot be read. The table then lacks a schema and
	// files; only statements that read it fail, with this error.
	Problem error
}

// View is everything that a session can see of the lake. Analytics tables are
// always visible as analytics.NAME, but for a trusted session of an engine with
// a Remote, which sees those of Analytics as they are when it opens. In other
// sessions Analytics is what SHOW TABLES lists of them.
type View struct {
	Tables    []TableView
	Analytics []Want
	// Fill gives a table's schema and files when a statement first reads it, of
	// which the files can be trusted; nil: Tables have them.
	Fill func(ctx context.Context, table string) (TableView, error)
	// At is a table at a version, with the columns that it has now; the files are
	// trusted if Fill is there. nil: statements that say AT are refused.
	At func(ctx context.Context, table string, v Version) (TableView, error)
}

// Want is what a session needs of a table of a Remote, or more.
type Want struct {
	Table   string   // bare
	Columns []string // in any case; nil: all
	Times   []Span   // of the column time, any of them; nil: all rows
	Where   []Condition
}

// Span is [From, To); a zero time does not bound.
type Span struct{ From, To time.Time }

// Condition compares a column with a text, a whole number or a time. A remote
// that cannot evaluate it as the engine does leaves it out.
type Condition struct {
	Column string
	Op     string // =, <, <=, >, >=
	Value  any    // string, int64 or time.Time
}

// Remote is an analytics tier outside of the engine, whose rows a session
// copies before a statement reads them.
type Remote interface {
	// Read calls each with the rows of every wanted table that exists, all at
	// one moment, in the order of wants; after a lost connection, again from the
	// first. The rows are released by Read. The error wraps ErrTooMuch if there
	// is more than the tier's limit, and tiers.ErrAway if it cannot be reached.
	Read(ctx context.Context, wants []Want, each func(table string, rows array.RecordReader) error) error
}

// Options bound a session.
type Options struct {
	// Trusted sessions run compiled pipelines: they may create temporary
	// tables and write the catalogs "state" and "analytics". Others may only
	// SELECT from what the view names.
	Trusted  bool
	MaxRows  int64         // 0: no limit; one row more is ErrTooManyRows
	MaxBytes int64         // of the result; 0: no limit; more is ErrTooManyBytes
	Timeout  time.Duration // 0: none; beyond it is ErrTimeout
	// OnDamage is told of the files of a table that are left out because they
	// are not what was committed, before the table is read. If it is nil, the
	// session fails with a *tiers.DamageError instead.
	OnDamage func([]tiers.Damage)
	// OnTables is told which tables with a tier a statement names or reads, in
	// lower case, before Query returns; in sessions that are not trusted. The
	// text of a statement that cannot be parsed names none.
	OnTables func(names []string)
}

// Least returns the smaller of two bounds. 0 means unbounded.
func Least[T int64 | time.Duration](a, b T) T {
	if a <= 0 || (b > 0 && b < a) {
		return b
	}
	return a
}

// Checker finds the files of a table that cannot be trusted. Every file goes
// through it before the engine opens it.
type Checker interface {
	Check(ctx context.Context, table string, files []tiers.DataFile) ([]tiers.Damage, error)
}

// Progress reports how far the running query is.
type Progress struct {
	Fraction float64 // 0 to 1, or -1 if unknown
	Rows     int64   // processed
	Elapsed  time.Duration
}

// Report tells report how far the session's query is, time and again, until the
// returned function is called, which waits for the last report to end. A nil
// report is told nothing.
func Report(s Session, every time.Duration, report func(Progress)) (stop func()) {
	if report == nil {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				report(s.Progress())
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		wg.Wait()
	})
}

// Usage is the memory and disk that an engine uses, in bytes.
type Usage struct {
	Memory int64
	Spill  int64 // on disk
}

// Engine runs sessions. Safe for concurrent use.
type Engine interface {
	Open(ctx context.Context, v View, o Options) (Session, error)
	Close() error
}

// Session is one connection over one view. Not safe for concurrent use;
// the caller closes it.
type Session interface {
	// Query runs one SELECT; in sessions that are not trusted also DESCRIBE, SHOW
	// TABLES, or EXPLAIN of a SELECT. The caller releases the reader.
	Query(ctx context.Context, sql string, args ...any) (array.RecordReader, error)
	// Exec runs one statement; only in trusted sessions.
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
	// Progress of the running query; may be called from another goroutine.
	Progress() Progress
	Close() error
}

// The errors of a session that a caller may branch on.
var (
	// ErrTooManyRows ends a reader whose result has more than Options.MaxRows.
	ErrTooManyRows = errors.New("result has more rows than allowed")
	// ErrTooMuch is a statement that would copy more of a Remote than allowed.
	ErrTooMuch = errors.New("more than one statement may copy")
	// ErrUnavailable is an engine that does not work at the moment, because its
	// disk failed. It works again by itself.
	ErrUnavailable = errors.New("the query engine is out of use for now")
	// ErrTooManyBytes ends a reader whose result is larger than Options.MaxBytes.
	ErrTooManyBytes = errors.New("result is larger than allowed")
	// ErrTimeout is a statement that took longer than Options.Timeout. It wraps
	// context.DeadlineExceeded.
	ErrTimeout = fmt.Errorf("the query took too long: %w", context.DeadlineExceeded)
	// ErrMemory is a statement that needs more memory, or more disk for
	// intermediate results, than the engine has left.
	ErrMemory = errors.New("the query needs more memory than there is for it")
	// ErrBusy is a query that was not begun: too many run and wait already.
	ErrBusy = errors.New("too many queries")
	// ErrRefused is a statement that an untrusted session may not run, or an
	// expression that reaches beyond its inputs.
	ErrRefused = errors.New("not allowed")
	// ErrStatement is a statement that failed on the values that it met, such as
	// a text that is not a number: whoever wrote it can mend it.
	ErrStatement = errors.New("the statement failed")
	// ErrConflict is a statement of a transaction that failed because another
	// transaction changed the same rows or table: begin it again.
	ErrConflict = errors.New("another transaction was first")
	// ErrCrashed is a statement that ended the process which evaluated it, or
	// that was ended with it because of a limit. The same statement may do so again.
	ErrCrashed = errors.New("the process that evaluated the statement has ended")
)

// ParseError is SQL that the engine could not parse or bind.
type ParseError struct {
	Line    int // from 1; 0 if unknown
	Column  int // in bytes, from 1; 0 if unknown
	Message string
}

// Error gives the position first, when it is known.
func (e *ParseError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// NoColumnError is an expression that names a column which it may not: its input
// has none of this name. It wraps ErrRefused.
type NoColumnError struct {
	Column  string // as the expression has it
	Refused error
}

// Error is that of the refusal.
func (e *NoColumnError) Error() string { return e.Refused.Error() }

// Unwrap gives the refusal.
func (e *NoColumnError) Unwrap() error { return e.Refused }

// Confiner checks SQL by its syntax tree, without running it. Its errors are
// a *ParseError or wrap ErrRefused, of an unknown column a *NoColumnError. Safe for concurrent use.
type Confiner interface {
	// Confine accepts one scalar or aggregate expression over the given columns
	// (nil: any): no subquery, no parameter, no file, setting or host function.
	Confine(expr string, columns []string) error
	// ConfineSelect accepts one SELECT whose tables are among the inputs, its
	// own CTEs and subqueries. An input is NAME or SCHEMA.NAME; SCHEMA.*
	// stands for every table of a schema.
	ConfineSelect(sql string, inputs []string) error
}

// Loader is implemented by trusted sessions: Load creates the temporary table
// and fills it. It returns the number of rows; if it fails there is no table.
// The caller releases rows.
type Loader interface {
	Load(ctx context.Context, table string, rows array.RecordReader) (int64, error)
}

// Conn is a trusted connection without a view, to the catalogs "analytics" and
// "state". Not safe for concurrent use; the caller closes it.
type Conn interface {
	tiers.Statements
	Loader
	Close() error
}
