package ingest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// The columns of quarantine and ingest_skipped besides those of every table.
const (
	colSource    = "source"        // the stream and filter of the marks
	colSubject   = "subject"       // of the message
	colReason    = "reason"        // in words
	colMessageID = "message_id"    // that the publisher gave
	colIndex     = "message_index" // of the event in its message; -1: the whole message
	colBytes     = "bytes"         // quarantine: the event as it came
	colHeaders   = "headers"       // quarantine: of the message, as the protocol has them, in its first row
	colTable     = "table_name"    // ingest_skipped: that holds it already
	colFirst     = "first_seq"     // ingest_skipped: where a gap begins; it ends at stream_seq
	colOfStream  = "of_stream"     // ingest_skipped: identity of the stream of the message that is repeated
	colOfSeq     = "of_seq"        // ingest_skipped: its sequence
)

// reasonGap begins the reason of rows that stand for messages that the stream
// had dropped before they were read.
const (
	reasonGap    = "gap"
	reasonRepeat = "repeat"
	reasonReplay = "replayed"
)

// entry is a row of one of the two tables.
type entry struct {
	seq       uint64
	first     uint64 // of a gap
	index     int
	id        string
	at        time.Time // of publishing; what the day is made of
	subject   string
	messageID string
	table     string
	reason    string
	bytes     []byte
	header    []byte
	ofStream  string // of a repeat: identity of the stream of the message that it repeats
	ofSeq     uint64
}

// bookSchema is the schema of a table of bookkeeping.
func bookSchema(table string) tiers.Schema {
	str, long := tiers.Type{Kind: tiers.KindString}, tiers.Type{Kind: tiers.KindLong}
	s := tiers.Schema{Fields: append(tiers.BaseFields(),
		tiers.Field{Name: colSource, Type: str, Doc: "stream and subject filter"},
		tiers.Field{Name: colSubject, Type: str, Doc: "subject of the message"},
		tiers.Field{Name: colReason, Type: str, Doc: "why, in words"},
		tiers.Field{Name: colMessageID, Type: str, Doc: "message id that the publisher gave"},
		tiers.Field{Name: colIndex, Type: long, Doc: "which event of the message; -1 is the whole message"},
	)}
	if table == Quarantine {
		binary := tiers.Type{Kind: tiers.KindBinary}
		s.Fields = append(s.Fields, tiers.Field{Name: colBytes, Type: binary, Doc: "the event as it came"},
			tiers.Field{Name: colHeaders, Type: binary, Doc: "headers of the message as they came, in its first row"})
	} else {
		s.Fields = append(s.Fields,
			tiers.Field{Name: colTable, Type: str, Doc: "table that holds the event already"},
			tiers.Field{Name: colFirst, Type: long, Doc: "first sequence of a gap that ends at stream_seq"},
			tiers.Field{Name: colOfStream, Type: str, Doc: "identity of the stream of the message that this one repeats"},
			tiers.Field{Name: colOfSeq, Type: long, Doc: "sequence of the message that this one repeats"})
	}
	return s
}

// bookRows are the rows of a table of bookkeeping in one batch.
type bookRows struct {
	table   string
	source  string
	stream  string // identity that files record
	now     time.Time
	entries []entry
	bytes   int64
}

var _ rows = (*bookRows)(nil)

func (b *bookRows) add(e entry) {
	b.entries = append(b.entries, e)
	b.bytes += 200 + int64(len(e.bytes)+len(e.header)+len(e.reason)+len(e.subject)+2*len(e.id)+len(e.ofStream))
}

func (b *bookRows) Rows() int            { return len(b.entries) }
func (b *bookRows) Bytes() int64         { return b.bytes }
func (b *bookRows) Used() int64          { return b.bytes }
func (b *bookRows) Schema() tiers.Schema { return bookSchema(b.table) }

// Event names a row.
func (b *bookRows) Event(row int) (uint64, string) { return b.entries[row].seq, b.entries[row].id }

// Part makes one file a day, sorted by time.
func (b *bookRows) Part(from, to int, schema tiers.Schema, bloom []string) ([]parquetfile.File, error) {
	sorted := slices.SortedStableFunc(slices.Values(b.entries[from:to]), func(x, y entry) int {
		return cmp.Or(x.at.Compare(y.at), cmp.Compare(x.seq, y.seq), cmp.Compare(x.index, y.index))
	})
	w := parquetfile.NewWriter()
	var out []parquetfile.File
	for rest := sorted; len(rest) > 0; {
		n := 1
		for n < len(rest) && sameDay(rest[0].at, rest[n].at) {
			n++
		}
		t := parquetfile.NewTable(b.Schema())
		for i, e := range rest[:n] {
			b.set(t, i, e)
		}
		t.N = n
		f, err := w.Write(t, nil, parquetfile.Options{Schema: schema, Bloom: bloom, Stream: b.stream,
			IDs: columnar.EventIDForm, Seqs: b.seqs(rest[:n]), Sorted: []string{tiers.ColTime}})
		if err != nil {
			return nil, fmt.Errorf("write rows of %s: %w", b.table, err)
		}
		out, rest = append(out, f), rest[n:]
	}
	return out, nil
}

func sameDay(a, b time.Time) bool {
	return a.UTC().Format(time.DateOnly) == b.UTC().Format(time.DateOnly)
}

func (b *bookRows) set(t *parquetfile.Table, i int, e entry) {
	str := func(name, v string) {
		if v != "" {
			t.Column(name).SetString(i, v)
		}
	}
	t.Column(tiers.ColTime).SetInt(i, e.at.UnixMicro())
	t.Column(tiers.ColIngestTime).SetInt(i, b.now.UnixMicro())
	t.Column(tiers.ColStreamSeq).SetInt(i, int64(e.seq))
	t.Column(tiers.ColEventID).SetString(i, e.id)
	t.Column(colSource).SetString(i, b.source)
	str(colSubject, e.subject)
	str(colReason, e.reason)
	str(colMessageID, e.messageID)
	t.Column(colIndex).SetInt(i, int64(e.index))
	if b.table == Quarantine {
		t.Column(colBytes).SetBytes(i, e.bytes)
		if len(e.header) > 0 {
			t.Column(colHeaders).SetBytes(i, e.header)
		}
		return
	}
	str(colTable, e.table)
	if e.first > 0 {
		t.Column(colFirst).SetInt(i, int64(e.first))
	}
	if e.ofSeq > 0 {
		str(colOfStream, e.ofStream)
		t.Column(colOfSeq).SetInt(i, int64(e.ofSeq))
	}
}

// seqs are the ranges of the entries' sequences, ascending.
func (b *bookRows) seqs(entries []entry) []tiers.SeqRange {
	all := make([]uint64, len(entries))
	for i, e := range entries {
		all[i] = e.seq
	}
	slices.Sort(all)
	var out []tiers.SeqRange
	for _, s := range all {
		if n := len(out); n > 0 && s <= out[n-1].Last+1 {
			out[n-1].Last = s
			continue
		}
		out = append(out, tiers.SeqRange{First: s, Last: s})
	}
	return out
}
