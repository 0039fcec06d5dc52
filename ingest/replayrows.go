package ingest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/ingest/format"
	"github.com/lakeward/lakeward/tiers"
)

// origin is a table and the identity of a stream whose events it gets.
type origin struct{ table, stream string }

// chunk replays rows, table by table.
func (p *replay) chunk(ctx context.Context, rows []Rejected) error {
	parts, tables := map[origin][]Rejected{}, map[string]bool{}
	for _, r := range rows {
		table, reason := p.route(r, len(tables))
		if reason != "" {
			count(&p.r.Rejected, reason, 1)
			continue
		}
		o := origin{table, r.stream}
		parts[o], tables[table] = append(parts[o], r), true
	}
	order := func(a, b origin) int {
		return cmp.Or(strings.Compare(a.table, b.table), strings.Compare(a.stream, b.stream))
	}
	for _, o := range slices.SortedFunc(maps.Keys(parts), order) {
		if err := p.table(ctx, o, parts[o]); err != nil {
			return fmt.Errorf("replay to lake.%s: %w", o.table, err)
		}
	}
	return nil
}

// epoch is the one that makes batches of a stream's messages; it reads nothing.
func (p *replay) epoch(stream string) (*epoch, error) {
	rest, ok := strings.CutPrefix(stream, p.key+"|")
	made, resets, more := strings.Cut(rest, "|")
	created, err := time.Parse(time.RFC3339Nano, made)
	e := &epoch{s: p.s, writer: p.w, info: StreamInfo{Name: p.req.Stream, Created: created}}
	if more && err == nil {
		e.resets, err = strconv.ParseUint(resets, 10, 64)
	}
	if !ok || err != nil {
		return nil, fmt.Errorf("a file of lake.%s does not say which stream its rows came from, but %q", Quarantine, stream)
	}
	return e, nil
}

// route finds the table of a row.
func (p *replay) route(r Rejected, more int) (table, reason string) {
	if table, reason = p.mapped(r); reason != "" {
		return "", reason
	}
	if table == "" {
		table = p.s.o.Table
	}
	if table == "" {
		if table, reason = tableOf(r.Subject); reason != "" {
			return "", reason
		}
	}
	if f := p.feeds[table]; (f == nil || f.table == nil) && p.fed+more >= p.s.o.MaxTables {
		return "", tooManyTables(p.fed, table)
	}
	return table, ""
}

// mapped is the table that the source's mappings give the events of a row; none
// if they take none of them. A row is replayed whole or not at all, by one
// commit, so its events have to go to one table.
func (p *replay) mapped(r Rejected) (table, reason string) {
	if p.chooser == nil {
		return "", ""
	}
	if r.Index >= 0 {
		table, _, _ = p.chooser.Map(r.Bytes)
		return table, ""
	}
	data, err := new(format.Unpacker).Unpack(r.Bytes)
	if err != nil {
		return "", "" // decode says why
	}
	first := true
	for event, bad := range format.Of(p.s.o.Format, []byte(r.Headers), data).Events(data) {
		if bad != nil {
			continue
		}
		t, _, _ := p.chooser.Map(event)
		if !first && t != table {
			return "", "its events belong to several tables: publish them again, each in a message of its own"
		}
		table, first = t, false
	}
	return table, ""
}

// table commits what can be decoded of rows that belong to one table.
func (p *replay) table(ctx context.Context, o origin, rows []Rejected) error {
	f := p.feed(o.table, nil)
	e, err := p.epoch(o.stream)
	if err != nil {
		return err
	}
	if err := p.lookUp(ctx, f, e, rows); err != nil {
		return err
	}
	batch := eventRows{e.newBatch(f), replayKey + "|" + o.stream}
	var taken, repeats []Rejected
	for _, r := range rows {
		of := eventOf{o.table, r.MessageID, r.Index, e.info.Created.UnixNano()}
		if _, known := p.known[of]; known && r.MessageID != "" {
			repeats = append(repeats, r)
			continue
		}
		reason, err := p.decode(e, f, batch, r)
		if err != nil {
			return err
		}
		if reason != "" {
			count(&p.r.Rejected, reason, 1)
			continue
		}
		if r.MessageID != "" {
			p.known[of] = positionOf(e.resets, r.Seq)
		}
		taken = append(taken, r)
	}
	events := batch.Rows()
	if !p.req.DryRun {
		if err := p.commit(ctx, f, e, batch, taken, repeats); err != nil {
			return err
		}
	}
	p.r.Replayed, p.r.Repeats = p.r.Replayed+len(taken), p.r.Repeats+len(repeats)
	if events > 0 {
		count(&p.r.Events, o.table, events)
	}
	return nil
}

// commit is steps 1 and 2.
func (p *replay) commit(ctx context.Context, f *feed, e *epoch, batch eventRows, taken, repeats []Rejected) error {
	if len(taken) > 0 {
		if f.table == nil {
			if err := p.c.open(ctx, f, batch.Schema()); err != nil {
				return err
			}
			if p.feed(f.name, f.table); f.mark != nil {
				return fmt.Errorf("%w: lake.%s was made meanwhile", errStandby, f.name)
			}
			p.fed++
		}
		var ids []string
		for _, r := range taken {
			ids = append(ids, r.ID)
		}
		if err := p.c.add(ctx, part{feed: f, rows: batch},
			tiers.Commit{To: f.next(), Properties: map[string]string{replayProp: strings.Join(ids, " ")}},
			encodeOnce, time.Time{}); err != nil {
			return err
		}
		f.known = f.table.Schema()
	}
	for i, r := range repeats {
		at := p.known[eventOf{f.name, r.MessageID, r.Index, e.info.Created.UnixNano()}]
		repeats[i].repeats, repeats[i].repeated = identity(p.key, e.info.Created, at.resets()), at.seq()
	}
	return p.record(ctx, f.name, append(taken, repeats...))
}

// record puts rows into the ledger.
func (p *replay) record(ctx context.Context, table string, rows []Rejected) error {
	if len(rows) == 0 {
		return nil
	}
	now := p.s.o.Now()
	book := &bookRows{table: Skipped, source: p.key, stream: replayKey, now: now}
	for _, r := range rows {
		book.source = r.Source
		book.add(entry{seq: r.Seq, index: r.Index, id: r.ID, at: r.Published, subject: r.Subject, messageID: r.MessageID,
			table: table, reason: reasonReplay + ": from quarantine, by " + p.req.By, ofStream: r.repeats, ofSeq: r.repeated})
		p.done[r.ID] = table
	}
	f := p.feed(Skipped, nil)
	if f.table == nil {
		if err := p.c.open(ctx, f, book.Schema()); err != nil {
			return err
		}
		p.feed(Skipped, f.table)
	}
	return p.c.add(ctx, part{feed: f, rows: book}, tiers.Commit{To: f.next()}, encodeOnce, time.Time{})
}

// decode adds the events of a row to the batch, all or none; the reason says
// why none.
func (p *replay) decode(e *epoch, f *feed, batch eventRows, r Rejected) (reason string, err error) {
	m := columnar.Meta{Seq: r.Seq, ID: []byte(r.MessageID), Index: r.Index, Published: r.Published,
		Subject: p.s.keptSubject(r.Subject),
		Header:  p.heads[messageOf{r.stream, r.Seq}]}
	if r.Index >= 0 {
		return p.event(batch, m, r.Bytes)
	}
	var events [][]byte
	data, err := new(format.Unpacker).Unpack(r.Bytes)
	if err != nil {
		return err.Error(), nil
	}
	for event, bad := range format.Of(p.s.o.Format, []byte(r.Headers), data).Events(data) {
		if bad != nil {
			return bad.Error(), nil
		}
		events = append(events, bytes.Clone(event))
	}
	if len(events) == 0 {
		return "the message is empty", nil
	}
	batches := []eventRows{batch}
	if len(events) > 1 { // first on trial
		batches = []eventRows{{e.newBatch(f), batch.stream}, batch}
	}
	for _, b := range batches {
		for i, event := range events {
			m.Index = i
			reason, err := p.event(b, m, event)
			if reason != "" || err != nil {
				return reason, err
			}
		}
	}
	return "", nil
}

func (p *replay) event(b eventRows, m columnar.Meta, event []byte) (reason string, err error) {
	if p.chooser != nil {
		if _, row, ok := p.chooser.Map(event); ok {
			event = row
		}
	}
	err = b.Append(m, p.s.o.Now(), event)
	if bad := (*columnar.Reject)(nil); errors.As(err, &bad) {
		return bad.Reason, nil
	}
	if err != nil {
		return "", fmt.Errorf("decode message %d: %w", m.Seq, err)
	}
	return "", nil
}
