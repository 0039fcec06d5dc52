package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/ingest/format"
	"github.com/lakeward/lakeward/tiers"
)

// errOrder is a reader that broke its promise.
var errOrder = errors.New("the stream's sequences do not rise")

// message gives a message its say: its events to their table, what cannot be
// decoded to quarantine, a repeat to ingest_skipped.
func (d *decoder) message(ctx context.Context, m *Message, now time.Time) error {
	if m.Seq <= d.last {
		return fmt.Errorf("%w: %d after %d", errOrder, m.Seq, d.last)
	}
	if m.Seq > d.last+1 && d.e.info.Covered {
		if err := d.jump(ctx, m, now); err != nil {
			return err
		}
	}
	r, err := d.route(ctx, m.Subject)
	if err != nil {
		return err
	}
	m.subject = r.subject
	if d.mapper.chooser != nil {
		return d.mappedMessage(ctx, m, r, now)
	}
	known := d.e.has(Skipped, m.Seq, -1) || d.e.has(Quarantine, m.Seq, -1) || r.feed != nil && m.Seq <= r.feed.through
	var id lookedUp
	if !known && r.feed != nil && len(m.ID) > 0 {
		if id, err = d.lookUp(ctx, r.feed, m, now); err != nil {
			return err
		}
	}
	d.last, d.lastAt, d.newest = m.Seq, m.Published, m.Published
	d.bytes += uint64(len(m.Data))
	switch {
	case known:
		return nil
	case r.feed == nil:
		d.reject(m, -1, m.Data, r.reason, now)
		return nil
	case id.known:
		d.repeat(r.feed, m, id.at, now)
		return nil
	}
	stored, err := d.events(r.feed, m, now)
	if stored && len(m.ID) > 0 {
		d.ids.add(r.feed, id, positionOf(d.e.resets, m.Seq), now)
	}
	return err
}

// events adds the events of a message to the table's batch; stored is whether
// there was one.
func (d *decoder) events(f *feed, m *Message, now time.Time) (stored bool, err error) {
	d.index = 0
	data, err := d.unpacker.Unpack(m.Data)
	if err != nil {
		d.reject(m, -1, m.Data, err.Error(), now)
		return false, nil
	}
	written := format.Of(d.s.o.Format, m.Header, data)
	how, is := format.JSON(written, data)
	if !is {
		return d.otherEvents(f, m, written, data, now)
	}
	d.look(data)
	p := parts{d: d, f: f, m: m, now: now, weight: d.weigh(f, len(data))}
	for event, bad := range columnar.Split(how, data) {
		if err := p.take(event, event, bad); err != nil {
			return p.stored, err
		}
	}
	p.end()
	return p.stored, nil
}

// otherEvents is events of what is not JSON. It is apart because it allocates.
func (d *decoder) otherEvents(f *feed, m *Message, how format.Format, data []byte, now time.Time) (stored bool,
	err error) {
	p := parts{d: d, f: f, m: m, now: now, weight: d.weigh(f, weightOf(data))}
	for event, bad := range how.Events(data) {
		d.look(event)
		if err := p.take(event, event, bad); err != nil {
			return p.stored, err
		}
	}
	p.end()
	return p.stored, nil
}

// weightOf is the size by which a message is weighed: one that expands is never
// too small for it.
func weightOf(data []byte) int {
	if format.Expands(data) {
		return max(len(data), smallMessage+1)
	}
	return len(data)
}

// parts takes the parts of one message.
type parts struct {
	d   *decoder
	f   *feed
	m   *Message
	now time.Time
	weight
	index  int // of the next part
	stored bool
}

// take stores an event as a row, which is the event itself if nobody mapped it,
// or puts it into quarantine.
func (p *parts) take(event, row []byte, bad error) error {
	index := p.index
	p.index++
	if reason := p.tooMuch(p.d); reason != "" {
		p.d.reject(p.m, index, event, reason, p.now)
		return nil
	}
	if bad != nil {
		if _, whole := errors.AsType[*format.Whole](bad); whole {
			index, event = -1, p.m.Data
		}
		p.d.reject(p.m, index, event, bad.Error(), p.now)
		return nil
	}
	p.d.index = index
	ok, err := p.d.event(p.f, p.m, index, event, row, p.now)
	p.stored = p.stored || ok
	return err
}

// end puts a message without parts into quarantine.
func (p *parts) end() {
	if p.index == 0 {
		p.d.reject(p.m, -1, p.m.Data, "the message is empty", p.now)
	}
}

// weight watches the memory that the events of one message take: a message is
// in one batch, so that it cannot be divided.
type weight struct {
	of           *feed // nil: any table
	most         int64 // bytes of its events as columns
	before       int64 // what the batches held
	growth, step int64 // at the last look, and until the next
	message      int   // its bytes
	reason       string
}

func (d *decoder) weigh(f *feed, message int) weight {
	w := weight{of: f, most: max(d.s.o.Memory.mostFilling(), 4*int64(message)), growth: d.growth, step: d.step,
		message: message}
	if message > smallMessage {
		if f != nil {
			d.fill(f)
		}
		w.before = w.held(d)
	}
	return w
}

// held are the bytes of the batches that the message's events go to.
func (w *weight) held(d *decoder) (bytes int64) {
	if w.of != nil {
		return w.of.rows.Bytes()
	}
	for _, f := range d.filling {
		bytes += f.rows.Bytes()
	}
	return bytes
}

// smallMessage is too small for its events to be weighed: that many bytes are
// not many events.
const smallMessage = 4 << 10

// tooMuch says why the message's next event cannot be taken; empty if it can.
func (w *weight) tooMuch(d *decoder) string {
	if w.reason != "" || w.message <= smallMessage || d.growth-w.growth < w.step {
		return w.reason
	}
	w.growth = d.growth
	if w.held(d)-w.before > w.most {
		w.reason = fmt.Sprintf("the events of this message of %d bytes take more than %d MiB of memory as columns: "+
			"publish them in smaller messages, or raise memory.budget", w.message, w.most>>20)
	}
	return w.reason
}

// event adds a row to a table's batch; event is what was published of it.
func (d *decoder) event(f *feed, m *Message, index int, event, row []byte, now time.Time) (bool, error) {
	if d.e.has(Quarantine, m.Seq, index) || m.Seq <= f.through {
		return false, nil
	}
	if len(d.s.refused) > 0 {
		if reason := d.s.refused.of(m.Seq, d.id(m, index)); reason != "" {
			d.reject(m, index, event, reason, now)
			return false, nil
		}
	}
	if !f.held && m.Seq <= d.e.reached {
		return false, fmt.Errorf("%w: message %d was partly committed before the last stop, but to tables other than "+
			"lake.%s: start once with the configuration of then", tiers.ErrHalt, m.Seq, f.name)
	}
	rows := d.fill(f)
	if d.s.o.decode != nil {
		d.s.o.decode(event)
	}
	err := rows.Append(columnar.Meta{Seq: m.Seq, ID: m.ID, Index: index, Published: m.Published, Subject: m.subject,
		Header: m.Header}, now, row)
	if err == nil {
		d.rows++
		d.growth += int64(len(event) + slotBytes*rows.Leaves())
		return true, nil
	}
	if bad, ok := errors.AsType[*columnar.Reject](err); ok { // errors.As would cost each event an allocation
		d.reject(m, index, event, bad.Reason, now)
		return false, nil
	}
	return false, fmt.Errorf("decode message %d: %w", m.Seq, err)
}

// fill is the table's batch.
func (d *decoder) fill(f *feed) eventRows {
	if f.rows != nil {
		return f.rows.(eventRows)
	}
	var r eventRows
	select {
	case k := <-f.free:
		d.e.memory.update(func(h *holding) { h.idle -= k.bytes; h.filling += k.bytes })
		r = k.rows
		r.Reset(f.known)
	default:
		r = d.e.newEventRows(f)
	}
	f.rows = r
	d.filling = append(d.filling, f)
	return r
}

// book is the batch of a table of bookkeeping.
func (d *decoder) book(table string, now time.Time) *bookRows {
	f, ok := d.e.feeds[table]
	if !ok {
		f = newFeed(table, d.s.o.Tables(table))
		d.e.feeds[table] = f
	}
	if f.rows == nil {
		f.rows = &bookRows{table: table, source: d.s.key, stream: d.e.identity(), now: now}
		d.filling = append(d.filling, f)
	}
	return f.rows.(*bookRows)
}

// reject puts an event, or a whole message, into quarantine.
func (d *decoder) reject(m *Message, index int, data []byte, reason string, now time.Time) {
	if d.e.has(Quarantine, m.Seq, index) {
		return
	}
	e := entry{seq: m.Seq, index: index, id: d.id(m, index), at: m.Published, subject: m.Subject,
		messageID: string(m.ID), reason: reason, bytes: bytes.Clone(data)} // the memory is the reader's
	if d.rejected != m.Seq { // a message of many broken events has its headers once
		d.rejected, e.header = m.Seq, bytes.Clone(columnar.KeptHeader(m.Header))
	}
	d.book(Quarantine, now).add(e)
	d.rows++
	d.growth += int64(len(data)+len(e.header)) + entryBytes
}

// id is the id of an event as its table would have it.
func (d *decoder) id(m *Message, index int) string {
	return string(columnar.AppendEventID(nil, d.e.tag(), columnar.Meta{Seq: m.Seq, ID: m.ID, Index: index}))
}
