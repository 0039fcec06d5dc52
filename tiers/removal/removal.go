// Package removal is the record of what was taken out of the lake on purpose:
// which messages of which stream are gone, so that a proof that nothing is lost
// can tell them from lost ones.
//
// A removal commits the files that it takes out together with a Record, as a
// property of the table: both or neither. The record is then copied to the
// table ingest_removed, the ledger, and the property shrinks to the removal's
// id; a crash in between leaves the sequences in both places, which is the same
// set. So the property holds one removal at most, and what is kept for ever is
// in the ledger, whose files hold sequences in their footers as every data file
// does. Their union is small: what separates two of its ranges are messages
// that the lake still has, or that never were in it.
//
// Only messages of which the table has nothing left are recorded. Where a
// message had several events and some are still there, losing those is a loss.
package removal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

const (
	// Table is the ledger's name.
	Table = "ingest_removed"
	// Property holds a table's last removal.
	Property = "lakeward.removed"
)

// The columns of the ledger, one row for each stream of a removal.
const (
	ColID       = "id"
	ColTime     = tiers.ColTime
	ColTable    = "table_name"
	ColKind     = "kind"
	ColBy       = "by"
	ColReason   = "reason"
	ColStream   = "stream"
	ColFiles    = "files"
	ColRows     = "rows"
	ColMessages = "messages"
)

// The kinds of removal.
const (
	Retain = "retain" // a day that is older than the table's retention
	Erase  = "erase"  // rows that a person chose by a predicate
)

// SummaryKey is in the summary of a snapshot that maintenance made: the kind of
// removal, or what else it did.
const SummaryKey = "lakeward.maintenance"

// Schema is the ledger's, without ids.
func Schema() tiers.Schema {
	str, long := tiers.Type{Kind: tiers.KindString}, tiers.Type{Kind: tiers.KindLong}
	return tiers.Schema{Fields: []tiers.Field{
		{Name: ColTime, Type: tiers.Type{Kind: tiers.KindTimestamp}, Required: true, Doc: "when, UTC"},
		{Name: ColID, Type: str, Required: true, Doc: "of the removal's commit"},
		{Name: ColTable, Type: str, Required: true, Doc: "lake table that the rows were in"},
		{Name: ColKind, Type: str, Required: true, Doc: "retain or erase"},
		{Name: ColBy, Type: str, Doc: "who asked"},
		{Name: ColReason, Type: str, Doc: "why, in words"},
		{Name: ColStream, Type: str, Doc: "identity of the stream of the messages"},
		{Name: ColFiles, Type: long, Required: true, Doc: "files that were removed or rewritten"},
		{Name: ColRows, Type: long, Required: true, Doc: "rows that were removed"},
		{Name: ColMessages, Type: long, Required: true, Doc: "messages of the stream of which the table has nothing left"},
	}}
}

// Record is one removal from one table.
type Record struct {
	ID     string
	At     time.Time
	Kind   string
	By     string
	Reason string
	Files  int
	Rows   int64
	// Gone are the messages of which the table has nothing left, by the identity
	// of their stream; ascending and disjoint.
	Gone map[string][]tiers.SeqRange
	// Settled: the ledger has it, and nothing but the id is left here.
	Settled bool
}

type wire struct {
	ID      string            `json:"id"`
	At      time.Time         `json:"at,omitzero"`
	Kind    string            `json:"kind,omitempty"`
	By      string            `json:"by,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Files   int               `json:"files,omitempty"`
	Rows    int64             `json:"rows,omitempty"`
	Gone    map[string]string `json:"gone,omitempty"`
	Settled bool              `json:"settled,omitempty"`
}

// Encode is the record as a property's value.
func (r Record) Encode() (string, error) {
	w := wire{ID: r.ID, Settled: true}
	if !r.Settled {
		w = wire{ID: r.ID, At: r.At.UTC(), Kind: r.Kind, By: r.By, Reason: r.Reason, Files: r.Files, Rows: r.Rows,
			Gone: map[string]string{}}
		for stream, rs := range r.Gone {
			w.Gone[stream] = parquetfile.EncodeSeqs(rs)
		}
	}
	b, err := json.Marshal(w)
	if err != nil {
		return "", fmt.Errorf("encode removal %s: %w", r.ID, err)
	}
	return string(b), nil
}

// Last is the table's last removal; its id is empty if there was none.
func Last(t tiers.Table) (Record, error) {
	r, err := decode(t.Properties()[Property])
	if err != nil {
		return Record{}, fmt.Errorf("read last removal from lake.%s: %w", t.Name(), err)
	}
	return r, nil
}

func decode(text string) (Record, error) {
	if text == "" {
		return Record{Settled: true}, nil
	}
	var w wire
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return Record{}, err
	}
	r := Record{ID: w.ID, At: w.At, Kind: w.Kind, By: w.By, Reason: w.Reason, Files: w.Files, Rows: w.Rows,
		Settled: w.Settled, Gone: map[string][]tiers.SeqRange{}}
	for stream, text := range w.Gone {
		rs, err := parquetfile.DecodeSeqs(text)
		if err != nil {
			return Record{}, err
		}
		r.Gone[stream] = rs
	}
	return r, nil
}

// Gone are the messages that were removed from any table, by the identity of
// their stream. The tables must have been opened before: a record is in the
// ledger before it leaves its table. Of the ledger, whose footers seqs reads,
// it takes those streams that want names.
func Gone(ctx context.Context, l tiers.Lake, tables []tiers.Table, want func(stream string) bool,
	seqs func(path string) (parquetfile.Seqs, error)) (map[string][]tiers.SeqRange, error) {
	out := map[string][]tiers.SeqRange{}
	add := func(stream string, rs []tiers.SeqRange) {
		if want(stream) {
			out[stream] = append(out[stream], rs...)
		}
	}
	for _, t := range tables {
		r, err := Last(t)
		if err != nil {
			return nil, err
		}
		for stream, rs := range r.Gone {
			add(stream, rs)
		}
	}
	t, err := l.Open(ctx, Table)
	if err != nil && !errors.Is(err, tiers.ErrNoTable) {
		return nil, fmt.Errorf("open lake.%s: %w", Table, err)
	}
	if err == nil {
		files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
		if err != nil {
			return nil, fmt.Errorf("list files of lake.%s: %w", Table, err)
		}
		for _, f := range files {
			s, err := seqs(f.Path)
			if err != nil {
				return nil, fmt.Errorf("read lake.%s: %w", Table, err)
			}
			add(s.Stream, s.Ranges)
		}
	}
	for stream, rs := range out {
		out[stream] = tiers.MergeSeqs(rs)
	}
	return out, nil
}
