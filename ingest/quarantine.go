package ingest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// Rejected is a row of lake.quarantine: an event, or a whole message, that
// could not be decoded.
type Rejected struct {
	ID        string    `json:"id"`     // of the row
	Source    string    `json:"source"` // key of the source's marks: stream and filter
	Subject   string    `json:"subject"`
	Seq       uint64    `json:"stream_seq"`
	Index     int       `json:"message_index"` // of the event in its message; -1: the whole message
	Published time.Time `json:"published"`
	Ingested  time.Time `json:"ingested"`
	MessageID string    `json:"message_id,omitempty"` // that the publisher gave
	EventID   string    `json:"event_id"`             // that the event has, or would have, in its table
	Reason    string    `json:"reason"`
	Bytes     []byte    `json:"bytes"`
	Headers   string    `json:"headers,omitempty"` // of the message, in its first row
	// Replayed is the table that has it by now; empty: none.
	Replayed string `json:"replayed,omitempty"`

	stream   string // identity of the stream that it came from
	repeats  string // identity of the stream of the message that it turned out to repeat
	repeated uint64 // its sequence
}

// String is the row for people.
func (r Rejected) String() string {
	var b strings.Builder
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", what, value)
		}
	}
	part := fmt.Sprintf("event %d of the message", r.Index)
	if r.Index < 0 {
		part = "the whole message"
	}
	line("id", r.ID)
	line("reason", r.Reason)
	line("source", r.Source)
	line("subject", r.Subject)
	line("sequence", fmt.Sprintf("%d, %s", r.Seq, part))
	line("published", r.Published.Format(time.RFC3339Nano))
	line("ingested", r.Ingested.Format(time.RFC3339Nano))
	line("message id", r.MessageID)
	line("event id", r.EventID)
	line("headers", strings.Join(strings.Fields(r.Headers), " "))
	if r.Replayed != "" {
		line("replayed", "lake."+r.Replayed+" has it")
	}
	fmt.Fprintf(&b, "%-12s %d\n%q\n", "bytes", len(r.Bytes), r.Bytes)
	return b.String()
}

// rejectedID names a row by what it is about, so that it stays the same when
// files are rewritten. A stream that was rolled back gives the same sequence to
// another message, but not at the same time.
func rejectedID(source string, seq uint64, index int, micros int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d\x00%d", source, seq, index, micros))
	return hex.EncodeToString(sum[:8])
}

// RejectedFilter selects rows of lake.quarantine; zero values select all.
type RejectedFilter struct {
	Source string    // key of marks
	Since  time.Time // of ingesting
	Reason string    // part of it
	IDs    []string  // or beginnings of them
}

func (f RejectedFilter) takes(r *Rejected) bool {
	return (f.Source == "" || r.Source == f.Source) && !r.Ingested.Before(f.Since) &&
		strings.Contains(r.Reason, f.Reason) &&
		(len(f.IDs) == 0 || slices.ContainsFunc(f.IDs, func(id string) bool { return strings.HasPrefix(r.ID, id) }))
}

// Books reads the tables of ingest's own bookkeeping.
type Books struct {
	Lake tiers.Lake

	outside func(func()) // a test's, see dataFiles
}

// RejectedGroup are rows with reasons that differ in figures and quotes only.
type RejectedGroup struct {
	Reason   string    `json:"reason"` // of the last one
	Source   string    `json:"source"`
	Count    int       `json:"count"`
	Replayed int       `json:"replayed"` // of these
	First    time.Time `json:"first"`    // ingested
	Last     time.Time `json:"last"`
	Example  string    `json:"example"` // id of the last one
}

var particulars = regexp.MustCompile(`"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[0-9]+`)

// Groups counts the rows of lake.quarantine by reason, the most frequent first.
func (b Books) Groups(ctx context.Context, f RejectedFilter) ([]RejectedGroup, error) {
	groups := map[[2]string]*RejectedGroup{}
	err := b.each(ctx, f, false, func(r Rejected) {
		key := [2]string{r.Source, particulars.ReplaceAllString(r.Reason, "#")}
		g := groups[key]
		if g == nil {
			g = &RejectedGroup{Source: r.Source, First: r.Ingested}
			groups[key] = g
		}
		g.Count++
		if r.Replayed != "" {
			g.Replayed++
		}
		if r.Ingested.Before(g.First) {
			g.First = r.Ingested
		}
		if !r.Ingested.Before(g.Last) {
			g.Last, g.Reason, g.Example = r.Ingested, r.Reason, r.ID
		}
	})
	out := make([]RejectedGroup, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(x, y RejectedGroup) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), strings.Compare(x.Reason, y.Reason), strings.Compare(x.Source, y.Source))
	})
	return out, err
}

// Errors of a look-up by id.
var (
	ErrNoRejected   = errors.New("there is no such row in lake.quarantine")
	ErrManyRejected = errors.New("several rows of lake.quarantine begin like this")
)

// Show is the one row whose id begins with id.
func (b Books) Show(ctx context.Context, id string) (Rejected, error) {
	var found []Rejected
	err := b.each(ctx, RejectedFilter{IDs: []string{id}}, true, func(r Rejected) { found = append(found, r) })
	switch {
	case err != nil:
		return Rejected{}, err
	case len(found) == 0 || id == "":
		return Rejected{}, fmt.Errorf("%w: %q; `lakeward quarantine list` shows one of each kind", ErrNoRejected, id)
	case len(found) > 1:
		return Rejected{}, fmt.Errorf("%w: %q; write more of it", ErrManyRejected, id)
	}
	return found[0], nil
}

// each reads the rows that the filter takes; their bytes only if asked for.
func (b Books) each(ctx context.Context, f RejectedFilter, bytes bool, do func(Rejected)) error {
	t, files, err := b.quarantine(ctx)
	if t == nil || err != nil {
		return err
	}
	done, err := b.ledger(ctx)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := b.eachOf(ctx, file, f, bytes, done, do); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// quarantine is the table and its files; nil if there is none.
func (b Books) quarantine(ctx context.Context) (tiers.Table, []tiers.DataFile, error) {
	return b.files(ctx, Quarantine)
}

func (b Books) files(ctx context.Context, name string) (tiers.Table, []tiers.DataFile, error) {
	t, err := b.Lake.Open(ctx, name)
	if errors.Is(err, tiers.ErrNoTable) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open lake.%s: %w", name, err)
	}
	files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
	if err != nil {
		return nil, nil, fmt.Errorf("list files of lake.%s: %w", name, err)
	}
	return t, files, nil
}

var rejectedColumns = []string{colSource, colSubject, tiers.ColStreamSeq, colIndex, tiers.ColTime, tiers.ColIngestTime,
	colMessageID, tiers.ColEventID, colReason, colHeaders, colBytes}

func (b Books) eachOf(ctx context.Context, file tiers.DataFile, f RejectedFilter, bytes bool, done map[string]string,
	do func(Rejected)) error {
	columns := rejectedColumns
	if !bytes {
		columns = columns[:len(columns)-1]
	}
	seqs, err := b.data().seqs(ctx, file.Path)
	if err != nil {
		return fmt.Errorf("read lake.%s: %w", Quarantine, err)
	}
	err = b.data().columns(ctx, file.Path, columns, func(v []value) {
		r := Rejected{stream: seqs.Stream, Source: v[0].text, Subject: v[1].text, Seq: uint64(v[2].long),
			Index:     int(v[3].long),
			Published: time.UnixMicro(v[4].long).UTC(), Ingested: time.UnixMicro(v[5].long).UTC(),
			MessageID: v[6].text, EventID: v[7].text, Reason: v[8].text, Headers: v[9].text}
		r.ID = rejectedID(r.Source, r.Seq, r.Index, v[4].long)
		if !f.takes(&r) {
			return
		}
		r.Replayed = done[r.ID]
		if bytes {
			r.Bytes = []byte(v[10].text)
		}
		do(r)
	})
	if err != nil {
		return fmt.Errorf("read lake.%s: %w", Quarantine, err)
	}
	return nil
}

// messageOf is a message of which something is in quarantine.
type messageOf struct {
	stream string // its identity
	seq    uint64
}

// headers are those of the messages in quarantine that have any.
func (b Books) headers(ctx context.Context, files []tiers.DataFile) (map[messageOf][]byte, error) {
	out := map[messageOf][]byte{}
	for _, f := range files {
		seqs, err := b.data().seqs(ctx, f.Path)
		if err == nil {
			err = b.data().columns(ctx, f.Path, []string{tiers.ColStreamSeq, colHeaders}, func(v []value) {
				if v[1].text != "" {
					out[messageOf{seqs.Stream, uint64(v[0].long)}] = []byte(v[1].text)
				}
			})
		}
		if err != nil {
			return nil, fmt.Errorf("read headers in lake.%s: %w", Quarantine, err)
		}
	}
	return out, nil
}

// ledger is where each row that was replayed went, by its id.
func (b Books) ledger(ctx context.Context) (map[string]string, error) {
	_, files, err := b.files(ctx, Skipped)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, f := range files {
		seqs, err := b.data().seqs(ctx, f.Path)
		if err != nil {
			return nil, fmt.Errorf("read lake.%s: %w", Skipped, err)
		}
		if seqs.Stream != replayKey {
			continue
		}
		if err := b.data().columns(ctx, f.Path, []string{tiers.ColEventID, colTable},
			func(v []value) { out[v[0].text] = v[1].text }); err != nil {
			return nil, fmt.Errorf("read lake.%s: %w", Skipped, err)
		}
	}
	return out, nil
}
