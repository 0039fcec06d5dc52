package columnar

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// Meta is what the stream says of a message.
type Meta struct {
	Seq       uint64
	ID        []byte // of the message, or empty
	Index     int    // of the event in its message, from 0
	Published time.Time
	Subject   []byte // as far as it is to be kept
	Header    []byte // as the protocol has it, if it is to be kept
}

// Limits bound events and tables. Zero means the default.
type Limits struct {
	MaxColumns    int // leaves of a table; 1,000
	MaxDepth      int // of columns: a column at the top has depth 1; 16
	MaxEventBytes int // 8 MiB
}

// Options are those of a table.
type Options struct {
	Limits     Limits
	TimePath   string       // dotted; empty: the usual names
	TimeFormat string       // rfc3339, unix, unix_ms, unix_us, unix_ns or a layout; empty: by what the value looks like
	Metadata   []string     // subject, sequence, published, headers.NAME; nil: Meta.Subject becomes stream_subject
	StreamTag  string       // short, of the stream's identity: the ids of events begin with it
	Declared   tiers.Schema // columns whose type stands before a value comes
	// Mapped events are rows that somebody made: their member unmapped is what is
	// left of the raw event, where the text of their time is as well.
	Mapped bool

	// Writer is used by Files, and can be shared by batches that are not
	// written at the same time. nil: the batch has its own.
	Writer *parquetfile.Writer
}

// Reject is the reason why an event belongs in quarantine.
type Reject struct{ Reason string }

// Error is the reason.
func (r *Reject) Error() string { return r.Reason }

// ErrFull is returned for an event that does not fit the batch any more: a column
// holds at most 4 GiB of text. The batch is unchanged; write it and begin another.
var ErrFull = errors.New("batch is full")

// Batch decodes events into the columns of one table. Not safe for concurrent
// use.
type Batch struct {
	o          Options
	timePath   []string // Options.TimePath in parts
	layoutYear bool     // Options.TimeFormat has a year, if it is a layout
	usual      []usualTime
	below      [][][]string     // the paths of usual in parts
	otherHalf  []uint8          // the place of the other half, if a time is in two fields; 0: the name does not tell
	timeOther  []string         // the path of the other half of timePath
	timePlace  map[string]uint8 // of a name in usual
	schema     int              // its id
	t          parquetfile.Table
	root       *node
	leaves     int
	room       int    // leaves that the event at hand may bring the table to
	idName     string // of Lakeward's event_id

	time, ingest, seq, id, rest *parquetfile.Column
	timeFrom                    *parquetfile.Column // time_source; nil: the table has another column of that name
	// events that have the time of publishing, by place; the last: nothing was there
	misses []uint64

	seqs []tiers.SeqRange

	memory    int64
	unweighed int // bytes of events since memory was counted
	weighed   int // rows then

	// Of the event that is being read.
	s       scanner
	stamp   uint64
	stamps  uint64
	inList  int
	limited bool // a column could not be made for the limits
	vacancy bool // something in the list at hand told no type
	path    []span
	paths   []span
	strays  []strayed
	strayed [][]byte
	noted   []noted
	created []*node
	left    span // the member unmapped of a mapped event
	timeKey span
	timeRaw span
	times   []timeAt

	reference int64 // when the message was published, in microseconds
	meta      []metaColumn
	subject   *parquetfile.Column // stream_subject, once there is one

	source      span   // where the time stands; empty: it is a pair's, or the message's
	sourceBelow string // and the path below
	clockAt     timeAt // the first time of day without a date at a usual place
	joined      span   // the key of the time of day that was added to a date
	unread      int    // the place of what was there and is not a time; noPlace: nothing was
	received    bool   // the time is the one of publishing
	scratch     []byte

	misfits map[string]*tiers.Misfit // by reason and path
}

// NewBatch makes an empty batch for a table with the known schema (ids set).
// Columns that every table of events has are added if it lacks them.
func NewBatch(known tiers.Schema, o Options) *Batch {
	def := func(v *int, usual int) {
		if *v <= 0 {
			*v = usual
		}
	}
	def(&o.Limits.MaxColumns, 1000)
	def(&o.Limits.MaxDepth, 16)
	def(&o.Limits.MaxEventBytes, 8<<20)
	if o.Writer == nil {
		o.Writer = parquetfile.NewWriter()
	}
	b := &Batch{o: o}
	if o.TimePath != "" {
		b.timePath = strings.Split(o.TimePath, ".")
	}
	b.learnTimes()
	b.Reset(known)
	return b
}

// Reset empties the batch for a table whose schema is now known, and keeps its
// memory.
func (b *Batch) Reset(known tiers.Schema) {
	old := b.t
	b.t, b.leaves, b.schema = parquetfile.Table{}, 0, known.ID
	b.root = &node{keys: map[string]*key{}, fold: map[string]*node{}, places: b.timePlace, reserved: b.metadataNames()}
	b.misfits = map[string]*tiers.Misfit{}
	b.idName = idName(known, b.o.Declared)
	fields := withDeclared(withDeclared(withBase(known.Fields, b.idName), metadataFields(b.o.Metadata)),
		b.o.Declared.Fields)
	for _, f := range fields {
		f.Required = f.Required && b.roleOf(f.Name) != plainKey
		col := parquetfile.Reuse(f, old.Column(f.Name))
		b.t.Columns = append(b.t.Columns, col)
		b.adopt(b.root, b.newNode(b.root, f, col, true))
	}
	c := b.t.Column
	b.time, b.ingest, b.seq = c(tiers.ColTime), c(tiers.ColIngestTime), c(tiers.ColStreamSeq)
	b.id, b.rest = c(b.idName), c(tiers.ColUnmapped)
	if b.timeFrom = b.root.fold[tiers.ColTimeSource].col; b.timeFrom.Kind != tiers.KindString {
		b.timeFrom = nil
	}
	clear(b.misses)
	b.bindMetadata()
	b.seqs, b.created = b.seqs[:0], b.created[:0]
	b.memory, b.unweighed, b.weighed = b.t.Memory(), 0, 0
}

// idName is what Lakeward's event_id is called: a new table whose events are
// declared to have one of their own gives its own another name.
func idName(known, declared tiers.Schema) string {
	if _, ok := known.Lookup(tiers.ColEventID); !ok {
		own := func(f tiers.Field) bool { return strings.EqualFold(f.Name, tiers.ColEventID) }
		if slices.ContainsFunc(declared.Fields, own) {
			return tiers.ColOwnEventID
		}
	}
	return known.EventID()
}

// giveWay gives Lakeward's event_id another name, because the events of this
// table, which has not been made yet, have one of their own. It reports whether
// the name is free now.
func (b *Batch) giveWay() bool {
	if b.idName != tiers.ColEventID || b.root.fold[tiers.ColOwnEventID] != nil {
		return false
	}
	n := b.root.keys[tiers.ColEventID].to
	if n.id != 0 {
		return false
	}
	b.forget(n)
	n.aliases = nil
	delete(b.root.fold, n.name)
	b.idName = tiers.ColOwnEventID
	n.name, n.col.Name = b.idName, b.idName
	b.root.fold[n.name] = n
	b.addKey(b.root, &key{name: n.name, to: n})
	return true
}

func withBase(fields []tiers.Field, idName string) []tiers.Field {
	out := slices.Clone(fields)
	for i, f := range tiers.BaseFields() {
		if f.Name == tiers.ColEventID {
			f.Name = idName
		}
		if !slices.ContainsFunc(out, func(g tiers.Field) bool { return g.Name == f.Name }) {
			out = slices.Insert(out, min(i, len(out)), f)
		}
	}
	if !slices.ContainsFunc(out, func(g tiers.Field) bool { return strings.EqualFold(g.Name, tiers.ColTimeSource) }) {
		out = append(out, tiers.TimeSourceField())
	}
	return out
}

// withDeclared adds declared fields that the table lacks, members of structs
// included. Names that differ only in case are one, as in SQL.
func withDeclared(fields, declared []tiers.Field) []tiers.Field {
	out := slices.Clone(fields)
	for _, d := range declared {
		i := slices.IndexFunc(out, func(g tiers.Field) bool { return strings.EqualFold(g.Name, d.Name) })
		switch {
		case i < 0:
			out = append(out, d)
		case out[i].Type.Kind == tiers.KindStruct && d.Type.Kind == tiers.KindStruct:
			out[i].Type.Fields = withDeclared(out[i].Type.Fields, d.Type.Fields)
		}
	}
	return out
}

// Rows is the number of events.
func (b *Batch) Rows() int { return b.t.N }

// Bytes is the memory held, to within the last few hundred KiB of events. A row
// may take a slot of every column, whatever the event's size.
func (b *Batch) Bytes() int64 {
	if b.unweighed > 256<<10 || (b.t.N-b.weighed)*b.leaves > 32<<10 {
		b.memory, b.unweighed, b.weighed = b.t.Memory(), 0, b.t.N
	}
	return b.memory + int64(b.unweighed) + int64(b.leaves)*leafBytes
}

// leafBytes is what a column takes before it has a value, about.
const leafBytes = 768

// Used is what Bytes would be if nothing were kept to be filled again.
func (b *Batch) Used() int64 { return b.t.Used() + int64(b.leaves)*leafBytes }

// Leaves is the number of columns, members of structs counted.
func (b *Batch) Leaves() int { return b.leaves }

// Schema is the table's schema with the columns that the events added, whose
// ids are zero.
func (b *Batch) Schema() tiers.Schema {
	s := tiers.Schema{ID: b.schema}
	for _, n := range b.root.members {
		s.Fields = append(s.Fields, n.field())
	}
	return s
}

// Append decodes one event. Its error is a *Reject, or ErrFull; the batch is
// then as it was. event is not kept.
func (b *Batch) Append(m Meta, ingest time.Time, event []byte) error {
	if len(event) > b.o.Limits.MaxEventBytes {
		return &Reject{"larger than " + strconv.Itoa(b.o.Limits.MaxEventBytes) + " bytes"}
	}
	if b.t.N == math.MaxInt32 {
		return ErrFull
	}
	b.begin(event)
	at, reason := b.decode(m, ingest)
	if reason == "" && b.full() {
		b.undo()
		return ErrFull
	}
	if reason != "" {
		b.undo()
		return &Reject{reason}
	}
	row := b.t.N
	b.time.SetInt(row, at)
	b.ingest.SetInt(row, ingest.UnixMicro())
	b.seq.SetInt(row, int64(m.Seq))
	b.id.SetBytes(row, b.eventID(m))
	if b.timeFrom != nil {
		b.timeFrom.SetBytes(row, b.timeSource())
	}
	if b.received {
		b.countMiss()
	}
	b.setMetadata(row, m)
	if len(b.strays) > 0 || b.left.to > 0 {
		b.scratch = b.unmapped(b.scratch[:0])
		b.rest.SetBytes(row, b.scratch)
	}
	if len(b.noted) > 0 {
		b.count(ingest)
	}
	b.t.N++
	b.addSeq(m.Seq)
	b.unweighed += len(event)
	return nil
}

func (b *Batch) begin(event []byte) {
	b.s.buf, b.s.p, b.s.nesting, b.s.fault = event, 0, 0, ""
	b.stamps++
	b.stamp, b.inList, b.times, b.received = b.stamps, 0, b.times[:0], false
	b.path, b.paths, b.strays, b.strayed = b.path[:0], b.paths[:0], b.strays[:0], b.strayed[:0]
	b.created, b.noted = b.created[:0], b.noted[:0]
	b.timeRaw, b.left = span{}, span{}
	b.room = b.leaves + eventRoom(b.o.Limits.MaxColumns-b.leaves)
}

// eventRoom is how many columns one event may add: half of those that are left,
// so that one wide event does not lock out the fields of all that follow.
func eventRoom(left int) int {
	const few = 64
	return max(left/2, min(left, few))
}

// decode reads the event into its row and returns its time in microseconds.
func (b *Batch) decode(m Meta, ingest time.Time) (at int64, reason string) {
	pair := false
	switch c := b.s.space(); {
	case c == '{':
	case c == '[' && b.pair():
		pair = true
	case b.s.p == len(b.s.buf):
		return 0, "not JSON: empty"
	default:
		if _, ok := b.s.skip(); !ok {
			return 0, b.s.fault
		}
		return 0, "not a JSON object"
	}
	if b.object(b.root, b.t.N) == refuse {
		return 0, b.s.fault
	}
	if pair && b.s.space() == ']' {
		b.s.leave()
	}
	if b.s.space(); b.s.p < len(b.s.buf) {
		return 0, "not JSON: something follows the object"
	}
	return b.eventTime(m, ingest)
}

// full reports whether a text column nears its limit.
func (b *Batch) full() bool {
	return b.memory > math.MaxUint32/2 && slices.ContainsFunc(b.t.Columns, (*parquetfile.Column).Full)
}

// undo takes back the row that was being read, and the columns that it made.
func (b *Batch) undo() {
	b.uncreate(0)
	for _, c := range b.t.Columns {
		c.Truncate(b.t.N)
	}
}

// Seq is the stream sequence of a row's message.
func (b *Batch) Seq(row int) uint64 { return uint64(b.seq.Int(row)) }

// EventID is the id of a row's event, valid until the batch changes.
func (b *Batch) EventID(row int) []byte { return b.id.Bytes(row) }

// eventID is the id of a message's event.
func (b *Batch) eventID(m Meta) []byte {
	b.scratch = AppendEventID(b.scratch[:0], b.o.StreamTag, m)
	return b.scratch
}

// addSeq adds the sequence of an event's message.
func (b *Batch) addSeq(seq uint64) {
	if n := len(b.seqs) - 1; n >= 0 {
		if last := &b.seqs[n]; seq == last.Last || seq == last.Last+1 {
			last.Last = seq
			return
		}
	}
	b.seqs = append(b.seqs, tiers.SeqRange{First: seq, Last: seq})
}

// Seqs are the stream sequences of the rows, ascending.
func (b *Batch) Seqs() []tiers.SeqRange { return tiers.MergeSeqs(b.seqs) }
