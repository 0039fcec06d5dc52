// Package ingest puts the messages of a stream into the lake, each exactly
// once. It knows no NATS and no Iceberg.
//
// The invariant: files and the mark become visible in one commit, which is
// accepted only if the table's mark for the source still equals the one that
// the batch started from; the stream may drop a message only afterwards. A
// restart reads the marks, one a table, and starts at the smallest:
//
//   - Before the first file of a batch is committed, every table of the batch
//     holds a mark of the source, so that the smallest mark is before whatever
//     a crash leaves undone. A table skips what its own mark covers.
//   - The tables quarantine and ingest_skipped are committed first. So where a
//     message's table has it, all that was said about it is committed; where
//     it has not, what was said is read back and not said again.
//   - Any doubt ends the epoch: what is in memory is dropped, and the next
//     epoch starts from the marks.
package ingest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/lakeward/lakeward/ingest/format"
	"github.com/lakeward/lakeward/ingest/mapping"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lease"
)

// Options are what a source needs. Zero values of the bounds have defaults.
type Options struct {
	Name   string // for logs
	Filter string // subjects of the stream
	Stream Stream
	Lake   tiers.Lake

	Table      string        // empty: the subject's last token names it
	Format     format.Format // of a message; nil: the default
	TimePath   string        // of the event time; empty: the usual names
	TimeFormat string        // empty: by what the value looks like
	// Metadata are the columns of what the stream says of a message: subject,
	// sequence, published, headers.NAME. nil: stream_subject, where the table's
	// name does not tell the subject.
	Metadata []string

	// Mappings turn events into rows of OCSF, whose class is their table; those
	// that none takes go to Table. Known are all that there are: a source without
	// mappings says which of them fits.
	Mappings, Known mapping.Set

	Flush     Flush
	Memory    *Memory // shared by the sources of a process; nil: 1 GiB of its own
	Limits    Limits
	MaxTables int                             // beyond it, new names go to quarantine; default 5,000
	Tables    func(table string) TableOptions // nil: nothing is declared
	// message ids that are remembered, and at least half of it; default 1,800,000
	Recent int
	// WindowBytes bounds the memory of the message ids of each length of
	// TableOptions.Repeats that there is; default 256 MiB.
	WindowBytes int64
	// SyncDelay is how old a batch's newest message must be before the batch is
	// committed. A stream that syncs at intervals may lose its last messages
	// with the power; the lake must not be ahead of it then. Twice the interval.
	SyncDelay time.Duration
	Grace     time.Duration // for the last batch once Run's context ends; default 30s
	// Catalog is an error that wraps tiers.ErrHalt if the lake's catalog is older
	// than the lake, and its marks cannot be believed; nil: it is not asked.
	Catalog func(context.Context) error
	// Lease says which of several daemons on the source works; nil: this one, as
	// far as the fence lets it.
	Lease *lease.Lease

	// Committed is told how long each commit took, until it was known to be done;
	// nil: nobody asks.
	Committed func(took time.Duration)

	Logger *slog.Logger
	Now    func() time.Time // default time.Now

	outside func(func()) // a test's, see dataFiles
	encode  encodeRows   // a test's, which fails; nil: rows.Part
	decode  func([]byte) // a test's, which panics; nil: nothing
}

// Flush says when a batch is committed; whichever is first.
type Flush struct {
	Rows  int           // default 500,000
	Bytes int64         // in memory; default 128 MiB
	Age   time.Duration // of the batch's first message when it is committed, Settle included; default 5s
}

// Limits bound an event and a table; zero is the default of columnar.Limits.
type Limits struct {
	MaxColumns    int
	MaxDepth      int
	MaxEventBytes int64
}

// TableOptions are what is declared about a table.
type TableOptions struct {
	Declared tiers.Schema
	Bloom    []string // dotted paths of columns with a bloom filter
	// Repeats is how far back a message id is found; 0: as far as Options.Recent says.
	Repeats time.Duration
}

// The states of a source.
const (
	Running = "running"
	Waiting = "waiting" // for the stream or the lake; it goes on by itself
	Standby = "standby" // another daemon commits this source; this one takes over when that one is still
	Halted  = "halted"  // an operator must decide; see the reason
	Stopped = "stopped"
)

// Status is a source at one moment.
type Status struct {
	Name        string
	Stream      string
	State       string
	Reason      string // of a state that is not running, or of what is being tried again
	Events      uint64 // committed to tables of events
	Bytes       uint64 // of the messages
	Quarantined uint64
	Repeats     uint64
	Gaps        uint64 // messages that the stream dropped before they were read
	Commits     uint64
	Tables      int                           // of events, that it feeds
	MaxTables   int                           // that it may feed
	Misfits     map[tiers.MisfitReason]uint64 // values that are not, or not only, in their column; must not be changed
	Conflicts   uint64
	Retries     uint64    // of steps that failed and changed nothing
	Divided     uint64    // batches that could not be written whole
	Refused     uint64    // events that were found in them, or while decoding, and go to quarantine
	Failing     time.Time // since when nothing gets on, over epochs, whatever is tried; zero: it does, or nothing is tried
	Committed   uint64    // sequence up to which everything is in the lake
	Last        uint64    // last sequence that was read
	LastCommit  time.Time
	Fenced      uint64 // times that another writer was first, so that what was read was read again
	IDs         MessageIDs
	Holder      string // name of the daemon that has the source's lease; empty: none, or not known

	Unmapped  uint64 // events that no rule of the source's mappings took
	LooksLike string // the mapping that fits the events of a source without one; empty: none that is known

	// TimeMisses are events committed with the time of publishing, by the path at
	// which something stood that is not a time.
	TimeMisses []TimeMiss

	unable bool      // of a stand-by: it could not take over at the moment
	lastAt time.Time // when the stream got the message at Last; zero: not known
}

// Source feeds tables from one stream. Its methods are safe for concurrent
// use, but Run runs once.
type Source struct {
	o        Options
	log      *slog.Logger
	flush    chan flushRequest
	turn     chan struct{} // holds one while somebody has the source: Run, or who holds it
	batchAge time.Duration // how long a batch takes events
	key      string        // of the source's marks; set at the start of an epoch, by who has the source
	// Between epochs they are of who has the source, as key is.
	refused   refusals       // an epoch only reads it
	suspect   refusal        // the event that could not be decoded in the last epoch
	unwritten map[string]int // by table: times in a row that its rows could not be encoded; the committer's

	mu      sync.Mutex
	status  Status
	misses  misses
	yield   context.CancelFunc // ends what Run does at the moment; nil: nothing
	holders int                // that want the source, or have it
}

// flushRequest asks for the batch to be closed; done gets the outcome.
type flushRequest struct{ done chan error }

// mostBytes of a batch keep its texts within what a column can address.
const mostBytes = 1 << 30

const defaultMemory = 1 << 30

// New makes a source; Run makes it work.
func New(o Options) *Source {
	fill(&o.Flush.Rows, 500_000)
	fill(&o.Flush.Bytes, 128<<20)
	fill(&o.Flush.Age, 5*time.Second)
	fill(&o.MaxTables, 5000)
	fill(&o.Recent, 1_800_000)
	fill(&o.WindowBytes, 256<<20)
	fill(&o.Grace, 30*time.Second)
	o.Flush.Bytes = min(o.Flush.Bytes, mostBytes)
	if o.Memory == nil {
		o.Memory = NewMemory(defaultMemory)
	}
	if o.Format == nil {
		o.Format = format.All()[0]
	}
	if o.Tables == nil {
		o.Tables = func(string) TableOptions { return TableOptions{} }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Committed == nil {
		o.Committed = func(time.Duration) {}
	}
	return &Source{o: o, log: o.Logger.With("source", o.Name), batchAge: filling(o.Flush.Age, o.SyncDelay),
		flush: make(chan flushRequest), turn: make(chan struct{}, 1),
		refused: refusals{}, unwritten: map[string]int{}, status: Status{Name: o.Name, State: Stopped, Reason: "not started"}}
}

// filling is how long a batch takes events, so that its first one is committed
// at the age although the last one waits for the sync delay. A batch is not made shorter
// than that delay: until then the one before it is not out of the way.
func filling(age, delay time.Duration) time.Duration {
	return max(age-delay, min(age, delay))
}

func fill[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// Status is what the source has done, and how it is.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.TimeMisses = slices.Clone(s.misses.all)
	return st
}

func (s *Source) note(f func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.status)
}

// state is the source's from now on. Only one that waits may be failing still.
func (s *Source) state(state, reason string) {
	s.note(func(st *Status) {
		if st.State, st.Reason = state, reason; state != Waiting {
			st.Failing = time.Time{}
		}
	})
}

// fails notes what was tried in vain, and since when nothing gets on. A source
// that does not get on for long is not ready, and does not renew its lease:
// another daemon may be able to.
func (s *Source) fails(f func(*Status)) {
	now := s.o.Now()
	s.note(func(st *Status) {
		if f(st); st.Failing.IsZero() {
			st.Failing = now
		}
	})
}

// works notes that something was committed. A step on the way to that does not
// tell: a disk that is full takes small files.
func (s *Source) works() {
	s.note(func(st *Status) {
		if !st.Failing.IsZero() && st.State == Running {
			st.Reason = ""
		}
		st.Failing = time.Time{}
	})
}

// Ready reports whether the source does its work: it runs, or it stands by and
// could take over.
func (st Status) Ready() bool { return st.State == Running || st.State == Standby && !st.unable }

// Last is the last sequence of the stream that the source has to commit.
func (s *Source) Last(ctx context.Context) (uint64, error) {
	info, err := s.o.Stream.Info(ctx, s.o.Filter)
	return info.Matched, err
}

// errNotRunning answers a flush that nobody will do.
var errNotRunning = errors.New("the source is not running")

// Flush commits what has been read so far, and waits for it.
func (s *Source) Flush(ctx context.Context) error {
	req := flushRequest{done: make(chan error, 1)}
	select {
	case s.flush <- req:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-req.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
