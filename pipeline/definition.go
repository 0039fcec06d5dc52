// Package pipeline runs compiled pipelines over pinned snapshots of the lake,
// promotes what they find, and keeps their history.
//
// A run has a logical time: it sees a half-open window, on snapshots that it
// records, so that it can be repeated. It writes all of its outputs or, beyond
// its budget, none. The aggregates of its baselines become visible last, so a
// run that is cut short is run again as if it had never begun.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/tiers"
)

// Definition is a checked pipeline, independent of the language that it was
// written in. It is immutable.
type Definition struct {
	Name        string
	Description string
	Hash        string // of the specification
	File        string
	Places      Places
	Disabled    bool

	Cron     *schedule.Cron // nil: After decides
	After    []string
	Window   time.Duration // how far a run looks back from its end; 0: to the run before
	Settle   time.Duration
	Lateness time.Duration // how far back late rows re-open windows
	CatchUp  int
	Bucket   time.Duration // windows are rounded to it; 0: one minute

	Budget   Budget
	Reads    []string // lake tables, as "lake.NAME"
	Optional []string // those of Reads that need not exist
	// ReadsAnalytics are the analytics tables that must exist, as "analytics.NAME".
	ReadsAnalytics []string
	Outputs        []Output
	Tests          []Case

	// Compile makes the program for the tables as they are now.
	Compile func(schemas func(table string) (tiers.Schema, bool)) (Program, []compile.Baseline, error)
}

// Places are where a file says what concerns other pipelines, too.
type Places struct {
	Name   spec.Pos
	After  []spec.Pos   // as Definition.After
	Tables []spec.Table // that it reads
}

// Program is a compiled pipeline.
type Program interface {
	Steps() []string
	Needs(compile.Run) map[string][]compile.Range
	Statements(compile.Run) ([]compile.Stmt, error)
	BucketProbe(compile.Baseline) string
	// Learning counts a baseline's entities that still learn, and all.
	Learning(compile.Baseline) string
	// Misfits counts, by step, the rows whose values do not convert; empty: none can be.
	Misfits(compile.Run) string
	// Reflagged are the buckets that the run has flagged and its window had not
	// before, or had; empty: none can be.
	Reflagged(compile.Run) string
	// Lacking are the columns that are not there.
	Lacking() []compile.Absence
	// Bindings are a SELECT for each expression of the file.
	Bindings() []compile.Binding
	FindingQuery(step, entity string, start, end time.Time) (compile.Explained, bool)
}

var _ Program = (*compile.Compiled)(nil)

// Budget bounds a run. Zero means no limit.
type Budget struct {
	Rows  int64 // rows of the files that it reads, and rows that a step to write holds
	Bytes int64 // bytes of the files that it reads
	Time  time.Duration
}

// BudgetError is a run that went beyond its budget. It has written nothing.
type BudgetError struct {
	Pipeline string
	What     string // rows, bytes, output rows, time
	Used     int64  // for time in milliseconds
	Limit    int64
}

// Error says which budget, by how much, and what to do.
func (e *BudgetError) Error() string {
	unit := ""
	if e.What == "time" {
		unit = " ms"
	}
	return fmt.Sprintf("pipeline %s: over its budget of %s: %d%s, limit %d%s; nothing was written. Narrow its window "+
		"or where, or raise budget in its file",
		e.Pipeline, e.What, e.Used, unit, e.Limit, unit)
}

// Output promotes a step's rows.
type Output struct {
	From    string
	Tier    string // lake or analytics
	Table   string // bare
	Mode    tiers.WriteMode
	Key     []string
	Publish string // NATS subject; empty: none
}

// Publisher puts a finding on the bus. msgID lets the stream drop repeats.
type Publisher interface {
	Publish(ctx context.Context, subject, msgID string, data []byte) error
}

// Problem is one mistake in a pipeline's files.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
	Warning bool   `json:"warning,omitempty"` // nothing is wrong with the file itself
}

// String is file:line:column: message; remedy.
func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	s += ": "
	if p.Warning {
		s += "warning: "
	}
	s += p.Message
	if p.Remedy != "" {
		s += "; " + p.Remedy
	}
	return s
}

// WindowAt is the window of the run at logical time t, by the definition's own
// schedule or, for a pipeline that runs after others, by the given clock.
func (d *Definition) WindowAt(t time.Time, clock *schedule.Cron) (compile.Range, error) {
	c := d.Cron
	if c == nil {
		c = clock
	}
	if c == nil {
		return compile.Range{}, fmt.Errorf("window of %s at %s: it has no schedule of its own; name the pipeline that it "+
			"runs after", d.Name, stamp(t))
	}
	start, end, ok := c.Window(t, d.Settle, d.Bucket)
	if !ok {
		return compile.Range{}, fmt.Errorf("window of %s at %s: %w", d.Name, stamp(t), ErrNoWindow)
	}
	if d.Window > 0 {
		start = end.Add(-d.Window)
	}
	return compile.Range{Start: start, End: end}, nil
}

// ErrNoWindow is a logical time at which no whole bucket has settled since the
// one before: there is nothing to run.
var ErrNoWindow = errors.New("no whole bucket has settled since the run before")

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
