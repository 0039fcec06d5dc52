// Package serve is what listens: SQL over HTTP, health, metrics and the status
// page. It knows the daemon only through Backend, and Client is the same
// Backend at the other end of the wire, so that a command works alike with and
// without a running daemon.
package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
)

// Backend is what the daemon does for those who ask.
type Backend interface {
	// Query runs one read-only statement. The caller releases the reader,
	// which ends the query.
	Query(ctx context.Context, q Query) (array.RecordReader, error)
	// Tables lists the tables of both tiers. Those of a tier that answers
	// come beside the error of the other.
	Tables(ctx context.Context) ([]Table, error)
	// Describe says everything about one table, named lake.x or analytics.x.
	Describe(ctx context.Context, name string) (TableDetail, error)
	// Status is the state of every part, and whether the daemon is ready.
	Status(ctx context.Context) (Status, error)
	// Do carries out a verb on pipelines, findings or sources.
	Do(ctx context.Context, c Command) (Report, error)
}

// Query is one statement to run.
type Query struct {
	SQL string `json:"sql"`
	// MaxRows bounds the answer; 0 is the daemon's own limit.
	MaxRows int64 `json:"max_rows,omitempty"`
	// Timeout bounds the run; 0 is the daemon's own limit. In JSON it is text,
	// such as 30s, or a number of nanoseconds.
	Timeout time.Duration `json:"timeout,omitempty"`
	// OnProgress is called about four times a second while the query runs.
	OnProgress func(query.Progress) `json:"-"`
	// OnWarning is told what the answer lacks, before Query returns.
	OnWarning func(string) `json:"-"`
	// OnTables is told what the query names or reads: see query.Options.
	OnTables func(names []string) `json:"-"`
}

// queryJSON is a Query in JSON.
type queryJSON struct {
	SQL     string   `json:"sql"`
	MaxRows int64    `json:"max_rows,omitempty"`
	Timeout duration `json:"timeout,omitzero"`
}

// MarshalJSON writes the timeout as text.
func (q Query) MarshalJSON() ([]byte, error) {
	return json.Marshal(queryJSON{q.SQL, q.MaxRows, duration(q.Timeout)})
}

// UnmarshalJSON refuses members that it does not know.
func (q *Query) UnmarshalJSON(data []byte) error {
	var j queryJSON
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return err
	}
	q.SQL, q.MaxRows, q.Timeout = j.SQL, j.MaxRows, time.Duration(j.Timeout)
	return nil
}

// duration is a length of time that is text in JSON, such as 1m30s. A number of
// nanoseconds is read, too.
type duration time.Duration

func (d duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

func (d *duration) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] != '"' {
		return json.Unmarshal(data, (*int64)(d))
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a length of time: write it as 30s or 1m30s", text)
	}
	*d = duration(parsed)
	return nil
}

// Table is one line of the list of tables.
type Table struct {
	Name      string    `json:"name"` // with its tier
	Rows      int64     `json:"rows"`
	Bytes     int64     `json:"bytes"`
	Files     int       `json:"files"`
	Columns   int       `json:"columns"`
	Newest    time.Time `json:"newest,omitzero"`         // latest event time
	Committed time.Time `json:"committed,omitzero"`      // last snapshot
	Misfits   uint64    `json:"misfit_values,omitempty"` // values that are not, or not only, in their column
	Problem   string    `json:"problem,omitempty"`       // why it cannot be read; nothing was counted then
}

// TableDetail is a table with its columns, snapshots and marks.
type TableDetail struct {
	Table
	Oldest    time.Time  `json:"oldest,omitzero"`
	Schema    []Column   `json:"schema"`
	Snapshots []Snapshot `json:"snapshots,omitempty"` // newest first, at most 10
	Total     int        `json:"snapshot_count,omitempty"`
	Marks     []string   `json:"marks,omitempty"`
	Damaged   []Damaged  `json:"damaged,omitempty"`    // files that queries leave out
	Leaves    int        `json:"leaves,omitempty"`     // columns, members of structs counted
	MaxLeaves int        `json:"max_leaves,omitempty"` // what ingest.max_columns allows
	Paths     []Misfit   `json:"misfits,omitempty"`    // most values first
}

// Misfit counts the values of a path of a table that are not, or not only, in
// the column of that path.
type Misfit struct {
	Path   string    `json:"path"`
	Reason string    `json:"reason"`
	Column string    `json:"column"` // where they are
	Values uint64    `json:"values"`
	First  time.Time `json:"first"` // when the first was ingested, and the last
	Last   time.Time `json:"last"`
	Advice string    `json:"advice"`
}

// Damaged is a data file that is missing or is not what was committed.
type Damaged struct {
	Table  string `json:"table"` // with its tier
	File   string `json:"file"`
	Rows   int64  `json:"rows"` // that are lost with it
	Reason string `json:"reason"`
}

// String is the damage in words.
func (d Damaged) String() string {
	return fmt.Sprintf("%s lacks %d rows: file %s %s", d.Table, d.Rows, d.File, d.Reason)
}

// Column is a leaf or a nested column.
type Column struct {
	ID       int    `json:"id,omitempty"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required,omitempty"`
	Doc      string `json:"doc,omitempty"`
}

// Snapshot is one committed version of a table.
type Snapshot struct {
	ID        int64     `json:"id"`
	Time      time.Time `json:"time"`
	Operation string    `json:"operation"`
}

// Status is the state of the daemon at one moment.
type Status struct {
	Ready     bool       `json:"ready"`
	Reasons   []string   `json:"reasons,omitempty"` // why not, in words
	Version   string     `json:"version"`
	Started   time.Time  `json:"started"`
	NATS      string     `json:"nats"`
	Warehouse string     `json:"warehouse"`
	Sources   []Source   `json:"sources"`
	Pipelines []Pipeline `json:"pipelines"`
	// Standby says of each source that another daemon commits, which one does.
	Standby []string `json:"standby,omitempty"`
	// Degraded says in words what is wrong although the daemon is ready.
	Degraded []string  `json:"degraded,omitempty"`
	Damaged  []Damaged `json:"damaged,omitempty"` // files of current snapshots, as far as they were examined
	// Unreadable are the tables of the lake of which nothing can be read, with
	// their tier.
	Unreadable []string `json:"unreadable,omitempty"`
	Memory     Memory   `json:"memory"`
	Disks      []Disk   `json:"disks,omitempty"`
	// WorkersEnded counts, by kind, the engine workers that ended by themselves or
	// for a limit since the start.
	WorkersEnded map[string]int64 `json:"workers_ended,omitempty"`
}

// Disk is a disk that the daemon writes to.
type Disk struct {
	Use   string    `json:"use"`  // what for
	Path  string    `json:"path"` // a directory on it
	Free  uint64    `json:"free_bytes"`
	Size  uint64    `json:"size_bytes"`
	Error string    `json:"error,omitempty"` // of writing, in words
	Since time.Time `json:"failing_since,omitzero"`
}

// Memory is how the budget is divided, and what is used of it.
type Memory struct {
	Parts []MemoryPart `json:"parts"`
	Spill int64        `json:"spill"` // bytes of intermediate results on disk
}

// MemoryPart is a part of the budget, in bytes. The part "total" is all of it.
type MemoryPart struct {
	Name   string `json:"name"`
	Of     string `json:"of,omitempty"` // the part that it is a part of
	Budget int64  `json:"budget"`
	Used   int64  `json:"used"` // -1: it is not known
	What   string `json:"what"`
}

// Source is the state of one source of events.
type Source struct {
	Name   string `json:"name"`
	Stream string `json:"stream"`
	State  string `json:"state"` // running, waiting, standby, halted, stopped
	Reason string `json:"reason,omitempty"`
	// Since is when the counters began: with the daemon, or when a reload opened
	// the source again.
	Since       time.Time `json:"since,omitzero"`
	Holder      string    `json:"committed_by,omitempty"` // name of the daemon that commits the source
	Events      uint64    `json:"events"`
	Bytes       uint64    `json:"bytes"`
	Quarantined uint64    `json:"quarantined"`
	Repeats     uint64    `json:"repeats"`
	Gaps        uint64    `json:"gaps"`
	Commits     uint64    `json:"commits"`
	Conflicts   uint64    `json:"conflicts"`
	Fenced      uint64    `json:"fenced"` // times that another daemon was first, and what was read was read again
	Retries     uint64    `json:"retries"`
	Tables      int       `json:"tables"`
	MaxTables   int       `json:"max_tables"`
	// values that are not, or not only, in their column, by reason
	Misfits map[string]uint64 `json:"misfits,omitempty"`
	Divided uint64            `json:"divided"` // batches that could not be written whole
	// events that cannot be written, which are in lake.quarantine
	Refused    uint64    `json:"refused"`
	Failing    time.Time `json:"failing_since,omitzero"` // since then nothing is committed, although it is tried
	Committed  uint64    `json:"committed_seq"`
	Last       uint64    `json:"last_seq"`
	LastCommit time.Time `json:"last_commit,omitzero"`
	Unmapped   uint64    `json:"unmapped"` // events that no rule of the source's mappings took
	// LooksLike is the mapping that fits the events of a source without one.
	LooksLike string `json:"looks_like,omitempty"`
	// TimeMisses are events with the time of publishing, by the path at which
	// something stood that is not a time; the empty path: nothing was there.
	TimeMisses map[string]uint64 `json:"time_misses,omitempty"`
}

// Pipeline is the state of one pipeline file.
type Pipeline struct {
	Name       string    `json:"name"`
	File       string    `json:"file"`
	Schedule   string    `json:"schedule"`
	Active     bool      `json:"active"`
	Problems   []string  `json:"problems,omitempty"`
	Next       time.Time `json:"next,omitzero"`
	LastStatus string    `json:"last_status,omitempty"`
	LastRun    time.Time `json:"last_run,omitzero"`
	RowsOut    int64     `json:"rows_out"`
	Generation string    `json:"generation,omitempty"` // hash of the active specification
}

// LastUnknown is the LastStatus of a pipeline whose history cannot be read.
const LastUnknown = "unknown"

// Known reports whether the last run, if there was one, could be read.
func (p Pipeline) Known() bool { return p.LastStatus != LastUnknown }

// Command is a verb with its object, such as pipeline run NAME.
type Command struct {
	Noun string            `json:"noun"` // pipeline, finding, lake, source, quarantine
	Verb string            `json:"verb"`
	Name string            `json:"name,omitempty"`
	Args map[string]string `json:"args,omitempty"`
}

// Report is the answer to a command: for people, for scripts, and whether
// what was asked about is in order.
type Report struct {
	Text   string          `json:"text"`
	Data   json.RawMessage `json:"data,omitempty"`
	Failed bool            `json:"failed,omitempty"`
}
