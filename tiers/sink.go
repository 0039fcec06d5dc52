package tiers

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// WriteMode says how rows meet what a table already holds.
type WriteMode string

// The write modes of both tiers. All are atomic, and idempotent for the same
// (pipeline, window).
const (
	Append        WriteMode = "append"         // add; rows of the same run are replaced
	ReplaceWindow WriteMode = "replace_window" // delete this pipeline's rows of the window, then add
	Merge         WriteMode = "merge"          // replace_window, and rows with an equal key are replaced
	Overwrite     WriteMode = "overwrite"      // the table becomes exactly these rows
)

// Provenance columns are added to every row that a pipeline writes, in both
// tiers; in the analytics tier those of Owner.
const (
	ColPipeline    = "_pipeline"
	ColRunID       = "_run_id"
	ColWindowStart = "_window_start"
	ColWindowEnd   = "_window_end"
)

// IsProvenance reports whether a name, in any case, is one of them.
func IsProvenance(column string) bool {
	return slices.Contains([]string{ColPipeline, ColRunID, ColWindowStart, ColWindowEnd}, strings.ToLower(column))
}

// FindingsTable is the table of the analytics tier that has findings alone.
const FindingsTable = "findings"

// Owner names the columns of an analytics table that say which pipeline and
// which run wrote a row. A finding has them among its own.
func Owner(table string) (pipeline, run string) {
	if strings.EqualFold(table, FindingsTable) {
		return "pipeline", "run_id"
	}
	return ColPipeline, ColRunID
}

// Write is one atomic promotion of rows into a table.
type Write struct {
	Table    string // bare name, without tier
	Mode     WriteMode
	Key      []string // Merge only
	Pipeline string
	RunID    string
	Start    time.Time // window [Start, End)
	End      time.Time
	Rows     array.RecordReader // not released by the sink
}

var sinkTable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,127}$`)

// Check refuses a write that says too little, whatever its rows.
func (w Write) Check() error {
	switch {
	case !sinkTable.MatchString(w.Table):
		return fmt.Errorf("table name %q: use letters, digits, _ and -", w.Table)
	case w.Pipeline == "" || w.RunID == "":
		return errors.New("a write needs a pipeline and a run")
	case w.End.Before(w.Start):
		return errors.New("the window ends before it starts")
	}
	switch w.Mode {
	case Append, ReplaceWindow, Overwrite:
	case Merge:
		if len(w.Key) == 0 {
			return errors.New("merge needs a key")
		}
	default:
		return fmt.Errorf("no write mode %q", w.Mode)
	}
	return nil
}

// WriteResult counts what a write changed.
type WriteResult struct{ Inserted, Deleted int64 }

// TableInfo describes an analytics table.
type TableInfo struct {
	Name   string
	Schema Schema // ids are zero
	Rows   int64
	Bytes  int64
}

// Sink is a tier that takes pipeline output. One conformance suite
// (tiers/tierstest) passes on every implementation.
type Sink interface {
	Write(ctx context.Context, w Write) (WriteResult, error)
	Tables(ctx context.Context) ([]TableInfo, error)
	// Retain deletes rows whose column is older than the cut.
	Retain(ctx context.Context, table, column string, cut time.Time) (int64, error)
	Drop(ctx context.Context, table string) error
}

// LocalSink is a sink that lives in the engine that computes the rows: it takes
// them where they are.
type LocalSink interface {
	Sink
	// WriteFrom is Write of the rows of a table or view of the session, which is
	// in no transaction and is used by nobody else meanwhile; w.Rows is ignored.
	WriteFrom(ctx context.Context, s Statements, relation string, w Write) (WriteResult, error)
}

// RemoteSink is a sink outside of the engine, in a server that speaks SQL.
type RemoteSink interface {
	Sink
	// Query runs one SELECT in the server, whose tables are analytics.NAME there
	// too; arguments stand at ?. The caller releases the reader. The error wraps
	// ErrAway if the server cannot be reached.
	Query(ctx context.Context, sql string, args ...any) (array.RecordReader, error)
	// Ping is an error in words if the server cannot be used.
	Ping(ctx context.Context) error
}

// Statements run in one session of an engine, in which temporary tables last.
type Statements interface {
	Query(ctx context.Context, sql string, args ...any) (array.RecordReader, error)
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
}
