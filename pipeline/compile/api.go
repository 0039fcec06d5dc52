// Package compile turns a parsed pipeline into SQL for the batch engine. It
// is pure: it opens nothing and reads no clock. A pipeline compiles once; each
// run then asks for what it needs to read and for its statements.
//
// The SQL expects a trusted session in which lake.NAME are views on pinned
// files, analytics.NAME is the analytics tier, and state.main holds the
// aggregates that baselines keep. Times are UTC and ranges half-open.
package compile

import (
	"time"

	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// Range is the half-open interval [Start, End). A zero Start or End is
// unbounded on that side.
type Range = sqltext.Range

// Baseline describes the aggregates that one baseline step keeps.
type Baseline struct {
	Step    string        // the step's name
	Key     string        // hash of what determines the aggregates: another key is another table
	Tables  []string      // lake tables that it reads, as "lake.NAME"
	Bucket  time.Duration // width of one aggregate
	History time.Duration // how far it looks back from the window's start
}

// Run is one evaluation of a pipeline.
type Run struct {
	ID     string // goes into the findings' run_id
	Window Range
	// Refresh names, for each baseline step, the ranges of buckets to
	// recompute from raw rows. The runner puts the whole history here at the
	// first run, and the window and late buckets afterwards.
	Refresh map[string][]Range
	// Stateless computes aggregates from raw history and touches no state.
	Stateless bool
}

// Purpose says why a statement runs.
type Purpose string

// What statements are for. State statements change state.main; the others
// only make temporary tables and views.
const (
	PurposeStep  Purpose = "step"  // makes the step's table or view
	PurposeWork  Purpose = "work"  // makes an intermediate temporary table
	PurposeState Purpose = "state" // brings kept aggregates up to date
)

// Stmt is one statement to execute, in order.
type Stmt struct {
	Step    string
	SQL     string
	Args    []any
	Purpose Purpose
}

// Confiner refuses SQL that reaches beyond its inputs. query/duckdb
// implements it on the engine's own parser.
type Confiner interface {
	// Confine accepts a scalar or aggregate expression over the columns
	// (top-level names; nil means any column).
	Confine(expr string, columns []string) error
	// ConfineSelect accepts one SELECT over the named inputs.
	ConfineSelect(sql string, inputs []string) error
	// Lenient is an accepted expression in which a conversion that fails gives
	// NULL. The conditions hold for the rows that have such a value.
	Lenient(expr string) (lenient string, misfits []string, err error)
	// LenientSelect does the same for an accepted SELECT. The counts are
	// SELECTs over its inputs of the rows that have such a value, one a conversion.
	LenientSelect(sql string) (lenient string, counts []string, err error)
}
