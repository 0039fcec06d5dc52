package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
	"github.com/lakeward/lakeward/tiers/removal"
)

// lookedUp is what is known of a message's id.
type lookedUp struct {
	of    fingerprint
	slot  uint64 // for add to recent, if it is not known
	at    position
	known bool // a message with the id is in the table, at that position
}

// lookUp looks for a message's id among those of its table. A message of which
// a removal has left nothing is not known: the same can be taken again.
func (d *decoder) lookUp(ctx context.Context, f *feed, m *Message, now time.Time) (l lookedUp, err error) {
	if d.ids == nil {
		if d.ids, err = d.remember(ctx, m.Published); err != nil {
			return l, err
		}
	}
	if l = d.ids.lookUp(f, m); !l.known {
		return l, nil
	}
	gone, err := d.gone(ctx, f, l.at)
	if !gone || err != nil {
		return l, err
	}
	if err := d.reread(ctx, m, now); err != nil {
		return l, err
	}
	return d.ids.lookUp(f, m), nil
}

// gone reports whether the table has lost the message at a position to a
// removal since the ids were read. The table is asked once in a chunk: what was
// removed before a message was published is removed before its chunk comes.
func (d *decoder) gone(ctx context.Context, f *feed, at position) (bool, error) {
	if f.asked != d.chunks {
		var err error
		if f.removed, err = d.removed(ctx, f); err != nil {
			return false, err
		}
		f.asked = d.chunks
	}
	return within(f.removed[at.resets()], at.seq()), nil
}

// removed are the messages that removals have taken out of the lake, by the
// resets of the source when they were read; none if the table has lost none
// since the ids were read.
func (d *decoder) removed(ctx context.Context, f *feed) (map[uint64][]tiers.SeqRange, error) {
	t, err := d.s.o.Lake.Open(ctx, f.name)
	if errors.Is(err, tiers.ErrNoTable) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open lake.%s: %w", f.name, err)
	}
	last, err := removal.Last(t)
	if err != nil || last.ID == d.removals[f.name] {
		return nil, err
	}
	ours := func(stream string) bool { _, ok := d.e.ours(stream); return ok }
	gone, err := removal.Gone(ctx, d.s.o.Lake, []tiers.Table{t}, ours, func(path string) (parquetfile.Seqs, error) {
		return d.s.o.data().seqs(ctx, path)
	})
	if err != nil {
		return nil, fmt.Errorf("read what was removed from lake.%s: %w", f.name, err)
	}
	out := map[uint64][]tiers.SeqRange{}
	for stream, rs := range gone {
		resets, _ := d.e.ours(stream)
		out[resets] = tiers.MergeSeqs(append(out[resets], rs...))
	}
	return out, nil
}

// reread commits everything that was taken, and then reads the ids from the
// tables again.
func (d *decoder) reread(ctx context.Context, m *Message, now time.Time) (err error) {
	d.s.log.Info("events were removed: message ids are read from the tables again")
	done := make(chan error, 1)
	if err := d.seal(ctx, fromQuiet, done); err != nil {
		return err
	}
	d.began = now
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err == nil {
		d.ids = nil // its memory is needed
		d.ids, err = d.remember(ctx, m.Published)
	}
	for _, f := range d.e.feeds {
		f.asked, f.removed = 0, nil
	}
	return err
}

// sayIDs notes the ids that are in memory, and says, at most once a minute, that
// those of a window do not fit.
func (d *decoder) sayIDs(now time.Time) {
	st := d.ids.status()
	d.s.note(func(s *Status) { s.IDs = st })
	if st.Window > 0 && now.Sub(d.short) >= time.Minute {
		d.short = now
		d.s.log.Warn("repeats are found over less than their window: its message ids do not fit into memory; "+
			"raise ingest.repeats.memory or memory.budget, or make the window shorter",
			"window", st.Window, "found_over", st.Reach, "ids", st.Known, "bytes", st.Bytes)
	}
}

// repeat records a message whose id is known in the table, and which message
// it repeats.
func (d *decoder) repeat(f *feed, m *Message, at position, now time.Time) {
	d.book(Skipped, now).add(entry{seq: m.Seq, index: -1, id: d.id(m, 0), at: m.Published, subject: m.Subject,
		messageID: string(m.ID),
		table:     f.name, reason: reasonRepeat + ": a message with this id is in the table",
		ofStream: identity(d.s.key, d.e.info.Created, at.resets()), ofSeq: at.seq()})
	d.rows++
	d.repeats++
}
