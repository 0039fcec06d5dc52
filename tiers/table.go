package tiers

import (
	"context"
	"errors"
	"io"
	"time"
)

// Mark says how far a source has been committed to a table. It is a table
// property written in the same commit as the files that it covers, and the
// only thing that a restart believes.
type Mark struct {
	Stream  string    `json:"stream"`
	Created time.Time `json:"created"` // of the stream: a recreated stream is another stream
	Filter  string    `json:"filter"`  // the consumer's subject filter
	Seq     uint64    `json:"seq"`     // last stream sequence covered, committed or skipped
	// Published is when the stream got the message at Seq; zero: not known. A
	// stream that was restored from an older copy has another message there.
	Published time.Time `json:"published,omitzero"`
	// Resets counts how often a person has moved the source to another place.
	// Each begins the sequences anew: they mean what they say with Created and
	// Resets only.
	Resets uint64 `json:"resets,omitempty"`
}

// SameStream reports whether the sequences of both marks mean the same messages.
func (m Mark) SameStream(o Mark) bool { return m.Created.Equal(o.Created) && m.Resets == o.Resets }

// Key identifies the source that the mark belongs to.
func (m Mark) Key() string { return m.Stream + "|" + m.Filter }

// SeqRange is an inclusive run of stream sequences.
type SeqRange struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// ColumnStats are the bounds and counts of one leaf column in one file.
// Lower and Upper are in Iceberg's single-value serialisation, nil if unknown.
type ColumnStats struct {
	FieldID      int
	Values       int64
	Nulls        int64
	NaNs         int64
	Size         int64 // compressed bytes
	Lower, Upper []byte
}

// DataFile describes one immutable Parquet file that has been written and
// synced, ready to be named by a commit.
type DataFile struct {
	Path    string // absolute location (file:// URL or object URL), which Table.WriteNew chooses
	Size    int64
	Rows    int64
	Day     int32     // partition: days of ColTime since 1970-01-01; ignored for unpartitioned tables
	CRC32C  uint32    // of the whole file; kept in its name, see ChecksumPath
	TimeMin time.Time // zero if the table has no time column
	TimeMax time.Time
	Columns []ColumnStats
	// SeqMax is the greatest sequence of its rows, and Ingested when the last of
	// them was decoded; zero: not known, or pipelines made it.
	SeqMax       uint64
	Ingested     time.Time
	SplitOffsets []int64
	Seqs         []SeqRange // stream sequences of its rows; empty for pipeline output
	// Clustered says that rows lie together by the values of lookup columns, not
	// in the order of their time.
	Clustered bool
	// Copies are the ids of the fields, members of structs, of which the file has
	// a copy at its top level, with bloom filters: see CopyID.
	Copies []int
	// Fields are the leaves that the file has a column for. They are known of
	// large files of the lake's own writers.
	Fields FieldSet
}

// copyBase is above every id that a schema gets and below those that Iceberg
// reserves.
const copyBase = 1 << 30

// CopyID is the field id under which a file holds the copy of a field. Engines
// skip row groups by the bloom filter of a top-level column; not all do by that
// of a struct's member. No schema has the id, so that readers pass the copy over.
func CopyID(field int) int { return copyBase + field }

// CopyOf is the field whose copy has the id.
func CopyOf(id int) (field int, ok bool) { return id - copyBase, id > copyBase && id < 2*copyBase-1000 }

// Snapshot names one version of a table.
type Snapshot struct {
	ID        int64
	Parent    int64 // 0 if none
	Sequence  int64
	Time      time.Time
	Operation string // append, overwrite, replace, delete
	Summary   map[string]string
}

// Commit is one atomic change of a table: files in, files out, and for
// ingest the mark. Exactly one of the three outcomes of Table.Commit follows.
type Commit struct {
	ID     string // unique; found again in the snapshot summary and a table property
	Add    []DataFile
	Remove []DataFile // by path
	From   *Mark      // the mark that the table must still hold (nil: must hold none for To's key)
	To     *Mark      // nil for commits that are not ingest's; marks are then untouched
	// Base is the snapshot the change was planned on. With 0 the commit lands on
	// any later one, as long as the files to remove are still there.
	Base    int64
	Summary map[string]string
	// Properties of the table that are set with it; the lake's own are not among them.
	Properties map[string]string
	// Required are properties that the table must still have; empty: must not have.
	// Others are ErrConflict.
	Required map[string]string
	// SameRows says that Add holds exactly the rows of Remove (compaction):
	// the commit may then land on a later snapshot than Base, as long as the
	// files to remove are still there. Without it a moved head is ErrConflict.
	SameRows bool
}

// Table is one lake table. Its methods are safe for concurrent use; what they
// return is a value of the moment.
type Table interface {
	Name() string
	Schema() Schema
	Marks() map[string]Mark
	Properties() map[string]string
	Current() (Snapshot, bool)
	Snapshots() []Snapshot // oldest first
	// Refresh reloads the table's metadata from the catalog.
	Refresh(ctx context.Context) error
	// Evolve adds the fields of want that the table lacks (by path) and
	// returns the schema with every id assigned. Existing fields keep type.
	Evolve(ctx context.Context, want Schema) (Schema, error)
	// Commit applies c. Its error is ErrConflict, ErrUnknown or ErrHalt. Any other
	// error means that nothing changed and that the commit can be retried.
	Commit(ctx context.Context, c Commit) (Snapshot, error)
	// Committed reports whether the commit with this id took effect.
	Committed(ctx context.Context, id string) (bool, error)
	// Files lists the data files of a snapshot (0: the current one) whose time
	// range intersects [from, to); zero times mean unbounded. Column statistics
	// and stream ranges are not kept in the listing.
	Files(ctx context.Context, snapshot int64, from, to time.Time) ([]DataFile, error)
	// Added lists files that appends added after snapshot since, up to and
	// including until (0: current). ok is false if since is not an ancestor, or
	// if rows were changed or deleted in between, so that the files of appends
	// alone do not tell what is new. Retention, which takes out old days whole,
	// brings nothing new and is passed over.
	Added(ctx context.Context, since, until int64) (files []DataFile, ok bool, err error)
	// WriteNew stores data durably (file, then directory entry, synced) as a new
	// data file of the day f.Day, and returns f with its path, size and checksum,
	// which is an error if f has another. Where a file goes is the table's matter.
	// No commit names it yet; after an error there is none.
	WriteNew(ctx context.Context, f DataFile, data []byte) (DataFile, error)
}

// FileReader is an open data file. The caller closes it.
type FileReader interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Orphan is a file below the warehouse that no table names.
type Orphan struct {
	Path     string // local
	Size     int64
	Modified time.Time
}

// Options are a table's settings at creation.
type Options struct {
	Unpartitioned bool // otherwise by day(time)
	Properties    map[string]string
}

// Lake is the set of lake tables. Names are bare ("signin"); the namespace
// belongs to the implementation.
type Lake interface {
	Tables(ctx context.Context) ([]string, error)
	Open(ctx context.Context, name string) (Table, error) // ErrNoTable
	Create(ctx context.Context, name string, s Schema, o Options) (Table, error)
	Drop(ctx context.Context, name string) error
	// OpenFile opens a data file whose bytes are those that were committed; the
	// error wraps ErrDamaged if they are not, or if it is missing. It may read the
	// whole file first, which ctx ends. The caller closes it.
	OpenFile(ctx context.Context, path string) (FileReader, error)
	// RemoveFile deletes a file that no commit ever named.
	RemoveFile(ctx context.Context, path string) error
	Close() error
}

// The classes of error. Callers branch on these with errors.Is and nothing else.
var (
	ErrNoTable  = errors.New("no such table")
	ErrConflict = errors.New("conflict")          // reload, check the mark, retry
	ErrUnknown  = errors.New("outcome unknown")   // look up by commit id before anything else
	ErrHalt     = errors.New("halted")            // this source stops; the daemon stays up, not ready
	ErrAway     = errors.New("cannot be reached") // nothing is wrong with what was asked: wait and ask again
	ErrRefused  = errors.New("refused")           // the table takes no such columns, however often it is asked
)
