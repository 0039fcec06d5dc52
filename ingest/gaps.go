package ingest

import (
	"context"
	"fmt"
	"time"
)

// jump sees to sequences that are missing before m: a gap, unless the stream
// got subjects meanwhile that are not the source's.
func (d *decoder) jump(ctx context.Context, m *Message, now time.Time) error {
	info, err := d.s.o.Stream.Info(ctx, d.s.o.Filter)
	if err != nil {
		return err
	}
	if d.e.info.Covered = info.Covered; info.Covered {
		d.gap(d.last+1, m, now)
	}
	return nil
}

// gap records the sequences from first on that were gone before m.
func (d *decoder) gap(first uint64, m *Message, now time.Time) {
	last := m.Seq - 1
	if last <= d.e.reached {
		return // every table that got rows has been here
	}
	if d.e.has(Skipped, last, -1) {
		return
	}
	reason := reasonGap + ": the stream had dropped these messages before they were read"
	if d.e.first && first == 1 {
		reason = reasonGap + ": the stream had dropped these messages before it was first read"
	} else {
		d.gaps += last - first + 1
		d.s.log.Error("the stream dropped messages before they were read", "first", first, "last", last)
	}
	d.book(Skipped, now).add(entry{seq: last, first: first, index: -1, at: m.Published, reason: reason,
		id: fmt.Sprintf("%s-%d-%d", reasonGap, first, last)})
	d.rows++
}

// vanished records the messages that an empty stream gave out and dropped: no
// message will come that shows the gap.
func (d *decoder) vanished(age *time.Timer) {
	in := d.e.info
	if !in.Covered || in.First <= in.Last || in.Last <= d.last {
		return
	}
	now := d.s.o.Now()
	d.began = now
	d.gap(d.last+1, &Message{Seq: in.Last + 1, Published: now}, now)
	d.last, d.lastAt = in.Last, time.Time{}
	age.Reset(d.s.batchAge)
}
