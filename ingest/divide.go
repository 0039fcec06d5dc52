package ingest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// A batch whose rows cannot be encoded says nothing of the lake or its disk:
// it fails as often as it is tried. So the second time, after the messages were
// read again into new memory, its rows are divided until the events that
// cannot be written are known. They are refused: the epoch ends, and the next
// one puts them into quarantine in the usual order and all others into their
// tables. What is refused is remembered by the process alone. After a crash it
// is found anew, or stands in quarantine and is not said again.

const (
	triesWhole  = 2      // of encoding a table's rows all together, before they are divided
	mostRefused = 10_000 // events in one division; the next epoch divides again
)

// refusals are events that cannot be written, with the reason, by sequence and
// event id. The empty id is all events of the message.
type refusals map[uint64]map[string]string

// of returns why an event is refused; empty: it is not.
func (r refusals) of(seq uint64, id string) string {
	if whole := r[seq][""]; whole != "" {
		return whole
	}
	return r[seq][id]
}

// add refuses an event, or its whole message if refusing the event alone did not
// help: nothing may be tried for ever.
func (r refusals) add(seq uint64, id, reason string) {
	if r[seq] == nil {
		r[seq] = map[string]string{}
	}
	if _, before := r[seq][id]; before {
		id = ""
	}
	r[seq][id] = reason
}

// through forgets what is in the lake.
func (r refusals) through(seq uint64) {
	for s := range r {
		if s <= seq {
			delete(r, s)
		}
	}
}

// found ends an epoch: these events are refused from now on.
type found struct {
	events []refusal
	more   bool // there may be more, which the next division finds
}

type refusal struct {
	seq        uint64
	id, reason string
}

func (f *found) Error() string {
	e := f.events[0]
	switch {
	case f.more:
		return fmt.Sprintf("more than %d events cannot be written and go to quarantine, the first of message %d: %s",
			len(f.events), e.seq, e.reason)
	case len(f.events) > 1:
		return fmt.Sprintf("%d events cannot be written and go to quarantine, the first of message %d: %s", len(f.events),
			e.seq, e.reason)
	}
	return fmt.Sprintf("an event of message %d cannot be written and goes to quarantine: %s", e.seq, e.reason)
}

// quarantines has the next epochs refuse what one found.
func (s *Source) quarantines(f *found) {
	for _, e := range f.events {
		s.refused.add(e.seq, e.id, e.reason)
	}
	s.note(func(st *Status) { st.Refused += uint64(len(f.events)) })
}

// encode makes the files of a part, whatever its events are.
func (c *committer) encode(ctx context.Context, p part, s tiers.Schema) ([]parquetfile.File, error) {
	name := p.feed.name
	v := &division{c: c, rows: p.rows, schema: s, bloom: p.feed.opts.Bloom}
	files, err := v.part(0, p.rows.Rows())
	if err == nil {
		delete(c.s.unwritten, name)
		return files, nil
	}
	if c.s.unwritten[name]++; c.s.unwritten[name] < triesWhole {
		return nil, err
	}
	return c.divide(ctx, name, v, err)
}

// divide encodes the rows of a table in parts. Its error is *found if some of
// them cannot be written even alone.
func (c *committer) divide(ctx context.Context, table string, v *division, cause error) ([]parquetfile.File, error) {
	n := v.rows.Rows()
	first, last := v.seq(0), v.seq(n-1)
	c.s.log.Error("a batch is divided", "table", "lake."+table, "rows", n, "first", first, "last", last, "error", cause,
		"stack", stackOf(cause))
	c.s.note(func(st *Status) { st.Divided++ })
	c.s.state(Waiting, fmt.Sprintf("messages %d to %d for lake.%s cannot be written together; they are divided until "+
		"the events that cannot be written are known: %v", first, last, table, cause))
	if err := v.halves(ctx, 0, n, cause); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	if len(v.found.events) == 0 {
		c.s.state(Running, "")
		c.s.log.Warn("a divided batch is committed as several files", "table", "lake."+table, "files", len(v.files))
		return v.files, nil
	}
	if table == Quarantine || table == Skipped { // nowhere is left to say it
		return nil, fmt.Errorf("%w: rows of ingest's own bookkeeping cannot be written: %w", tiers.ErrHalt, &v.found)
	}
	return nil, &v.found
}

// refuseAll has the events of a part go to quarantine because their table does
// not take their columns: which of them it would take is not known.
func refuseAll(p part, cause error) error {
	if p.feed.name == Quarantine || p.feed.name == Skipped {
		return fmt.Errorf("%w: columns of ingest's own bookkeeping: %w", tiers.ErrHalt, cause)
	}
	n := p.rows.Rows()
	f := &found{more: n > mostRefused}
	for row := range min(n, mostRefused) {
		seq, id := p.rows.Event(row)
		f.events = append(f.events, refusal{seq,
			id, fmt.Sprintf("the event came together with columns that lake.%s does not take; "+
				"once that is mended, quarantine replay brings it there: %v", p.feed.name, cause)})
	}
	return f
}

// division finds the rows that cannot be encoded. A message stays whole, so
// that no two files of a day have rows of it.
type division struct {
	c      *committer
	rows   rows
	schema tiers.Schema
	bloom  []string

	files []parquetfile.File // while nothing was found
	found found
}

var errEnough = errors.New("enough was found")

func (v *division) seq(row int) uint64 {
	seq, _ := v.rows.Event(row)
	return seq
}

func (v *division) part(from, to int) ([]parquetfile.File, error) {
	return recovered(func() ([]parquetfile.File, error) {
		if v.c.s.o.encode != nil {
			return v.c.s.o.encode(v.rows, from, to, v.schema, v.bloom)
		}
		return v.rows.Part(from, to, v.schema, v.bloom)
	})
}

// halves divides rows that cannot be encoded together because of cause.
func (v *division) halves(ctx context.Context, from, to int, cause error) error {
	mid := v.middle(from, to)
	if mid == to {
		return v.message(ctx, from, to, cause)
	}
	for _, half := range [][2]int{{from, mid}, {mid, to}} {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		files, err := v.part(half[0], half[1])
		if err != nil {
			if err := v.halves(ctx, half[0], half[1], err); err != nil {
				return err
			}
		} else if len(v.found.events) == 0 {
			v.files = append(v.files, files...)
		}
	}
	return nil
}

// middle is where a message begins, as near to the middle as there is one
// behind it or before it; to if the rows are of one message.
func (v *division) middle(from, to int) int {
	mid := from + (to-from)/2
	for mid < to && mid > from && v.seq(mid) == v.seq(mid-1) {
		mid++
	}
	if mid < to && mid > from {
		return mid
	}
	for mid = from + (to-from)/2; mid > from && v.seq(mid) == v.seq(mid-1); {
		mid--
	}
	if mid == from {
		return to
	}
	return mid
}

// message finds the events of one message that cannot be encoded: all of them,
// if each of them can.
func (v *division) message(ctx context.Context, from, to int, cause error) error {
	before := len(v.found.events)
	for row := from; row < to && to-from > 1; row++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := v.part(row, row+1); err != nil {
			seq, id := v.rows.Event(row)
			v.refuse(seq, id, err)
		}
	}
	if len(v.found.events) == before {
		seq, id := v.rows.Event(from)
		if to-from > 1 {
			id = ""
		}
		v.refuse(seq, id, cause)
	}
	if v.found.more = len(v.found.events) >= mostRefused; v.found.more {
		return errEnough
	}
	return nil
}

func (v *division) refuse(seq uint64, id string, cause error) {
	v.files = nil
	v.found.events = append(v.found.events, refusal{seq, id, "the event cannot be written: " + cause.Error()})
}

// undecodable is an event on which the decoder panicked. It is refused if that
// happens twice.
type undecodable struct {
	refusal
	cause error
}

func (u *undecodable) Error() string { return fmt.Sprintf("decode message %d: %s", u.seq, u.reason) }

func (u *undecodable) Unwrap() error { return u.cause }

// suspects is what is to be refused after an epoch, if anything.
func (s *Source) suspects(err error) *found {
	if f, ok := errors.AsType[*found](err); ok && !errors.Is(err, tiers.ErrHalt) {
		return f
	}
	u, ok := errors.AsType[*undecodable](err)
	if !ok {
		return nil
	}
	s.log.Error("an event cannot be decoded", "error", err, "stack", stackOf(err))
	if s.suspect.seq != u.seq || s.suspect.id != u.id {
		s.suspect = u.refusal
		return nil
	}
	s.suspect = refusal{}
	return &found{events: []refusal{u.refusal}}
}

// recovered makes an error of a panic.
func recovered[T any](f func() (T, error)) (out T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &parquetfile.Panic{Value: r, Stack: debug.Stack()}
		}
	}()
	return f()
}

// stackOf is where a panic was; empty for other errors.
func stackOf(err error) string {
	if p, ok := errors.AsType[*parquetfile.Panic](err); ok {
		return string(p.Stack)
	}
	return ""
}
