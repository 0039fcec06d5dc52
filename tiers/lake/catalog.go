package lake

import (
	"context"
	"path/filepath"
	"time"
)

// The name of the catalog, part of every key in its tables, and the namespace
// that holds the lake's tables. PyIceberg and Spark must use the same.
const (
	CatalogName = "lakeward"
	Namespace   = "lake"
)

// swapTimeout bounds the compare-and-swap itself, which a caller's
// cancellation does not interrupt: its outcome must be known. readTimeout
// bounds a look-up in a catalog that does not answer.
const (
	swapTimeout = 30 * time.Second
	readTimeout = time.Minute
)

// Catalog says where the metadata of each table is, and keeps a few short values
// for the lake as a whole. Everything else is in files of the warehouse. It is
// safe for concurrent use, also by several processes.
//
// Insert, Swap and Drop end in one of the ways of tiers.Table.Commit: an error
// wraps tiers.ErrConflict if the table is not as the caller says, or
// tiers.ErrUnknown if the change may have taken effect. After any other error it
// has not. A caller that gives up does not interrupt them.
//
// A server that writes metadata itself, as Iceberg's REST catalog does, takes
// commits where fenced has their requirements and updates in hand; Insert and
// Swap register metadata that is there.
type Catalog interface {
	// Name is the catalog for people: without a password.
	Name() string
	// Ping is an error if the catalog cannot be reached.
	Ping(ctx context.Context) error
	// Tables are the locations of the metadata of all tables, by their names.
	Tables(ctx context.Context) (map[string]string, error)
	// Metadata is where a table's metadata is; tiers.ErrNoTable.
	Metadata(ctx context.Context, table string) (string, error)
	// Insert makes a table that must not exist.
	Insert(ctx context.Context, table, at string) error
	// Swap points a table at new metadata if it still points at old.
	Swap(ctx context.Context, table, old, new string) error
	// Drop forgets a table that must exist.
	Drop(ctx context.Context, table string) error
	// Settle returns once no change of the table that began earlier can still take
	// effect: a server may only come to it after its sender has given up.
	Settle(ctx context.Context, table string) error
	// Value is what is kept under a key; empty if nothing is.
	Value(ctx context.Context, key string) (string, error)
	// SwapValue keeps v.New if what is kept still is v.Old, and reports whether it
	// has done so. It is one request, so that a daemon which is paused within it
	// keeps nobody else waiting.
	SwapValue(ctx context.Context, v Value) (bool, error)
	Close() error
}

// Value is a change of what a catalog keeps under a key. Keys are of at most 255
// letters, digits and points. Empty texts stand for nothing.
type Value struct {
	Key, Old, New string
	// Fleeting values may be those of some seconds ago after a power failure.
	Fleeting bool
}

// Portable is a catalog that can be copied, and moved with its lake. Backup,
// restore and relocation need one.
type Portable interface {
	// Copy reads everything but leases, at one moment. The record is the caller's.
	Copy(ctx context.Context) (CatalogCopy, error)
	// Fill puts a copy into a catalog that has no tables: all of it or nothing.
	Fill(ctx context.Context, c CatalogCopy) error
	// Move points tables at new metadata and records r, all of it or nothing.
	// Leases are of the daemons of the former place, and go. A table that has
	// changed is tiers.ErrConflict.
	Move(ctx context.Context, tables map[string]Move, r Record) error
}

// Move is what the catalog has of a table before and after a relocation.
type Move struct{ From, To, Previous string }

// Step is a moment of the catalog's commit at which a test can fail.
type Step string

// The steps of a commit.
const (
	StepBegin     Step = "begin"
	StepUpdate    Step = "update"
	StepCommit    Step = "commit"
	StepCommitted Step = "committed" // after the catalog has committed: a lost reply
)

// catalogOptions are what an implementation is opened with.
type catalogOptions struct {
	at        string // as in Options.Catalog
	warehouse string
	readOnly  bool
	files     *durable
	fault     func(Step) error // nil: none
}

// openCatalog opens the catalog that its location asks for, and makes what it
// needs unless it is only read.
func openCatalog(ctx context.Context, o catalogOptions) (Catalog, error) {
	if isPostgres(o.at) {
		return openPostgres(ctx, o)
	}
	return openSQLite(ctx, o)
}

// catalogAt makes the location of a catalog independent of the working directory.
func catalogAt(at string) (string, error) {
	if isPostgres(at) {
		return at, nil
	}
	return filepath.Abs(at)
}
