// Package query is the seam to the batch engine: a View pins what can be
// read, a Session runs SQL over it, and results leave as Arrow.
package query

import (
	"context"
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
}

// View is everything that a session can see of the lake. Analytics tables are
// always visible as analytics.NAME.
type View struct{ Tables []TableView }

// Options bound a session.
type Options struct {
	// Trusted sessions run compiled pipelines: they may create temporary
	// tables and write the catalogs "state" and "analytics". Others may only
	// SELECT from what the view names.
	Trusted bool
	MaxRows int64         // 0: no limit; one row more is ErrTooManyRows
	Timeout time.Duration // 0: none
}

// Progress reports how far the running query is.
type Progress struct {
	Fraction float64 // 0 to 1, or -1 if unknown
	Rows     int64   // processed
	Elapsed  time.Duration
}

// Engine runs sessions. Safe for concurrent use.
type Engine interface {
	Open(ctx context.Context, v View, o Options) (Session, error)
	Close() error
}

// Session is one connection over one view. Not safe for concurrent use;
// the caller closes it.
type Session interface {
	// Query runs one SELECT. The caller releases the reader.
	Query(ctx context.Context, sql string, args ...any) (array.RecordReader, error)
	// Exec runs one statement; only in trusted sessions.
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
	// Progress of the running query; may be called from another goroutine.
	Progress() Progress
	Close() error
}
