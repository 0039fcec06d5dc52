package ingest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/tiers"
)

// sealed is a batch that is full: every message of (from, to] has had its say.
type sealed struct {
	from, to place
	parts    []part
	newest   time.Time // of its messages, by the time of publishing
	bytes    uint64
	gaps     uint64
	repeats  uint64
	reuse    bool       // more of its kind will follow, and there is memory to wait for them with
	done     chan error // of a flush request; nil: nobody waits
}

// place is where the stream has been read to, with when it got the message
// there; zero if that is not known.
type place struct {
	seq uint64
	at  time.Time
}

// part is what one table gets.
type part struct {
	feed  *feed
	rows  rows
	bytes int64 // that rows hold
}

// Idle tables hold the stream back until their marks are moved on.
const (
	idleAge   = 30 * time.Second
	idleMore  = time.Second // for each table
	idleCount = 500_000
)

// committer puts batches into the lake, one after the other.
type committer struct {
	*commits
	e         *epoch
	feeds     []*feed
	settledAt time.Time // before it, nothing of the batch is committed; see Options.Settle
	done      place     // everything up to it is in the lake
	kept      uint64    // what the stream was last told
}

func newCommitter(e *epoch) *committer {
	c := &committer{commits: newCommits(e.s), e: e, done: place{e.start, e.startAt}}
	for _, f := range e.feeds {
		f.listed = true
		c.feeds = append(c.feeds, f)
	}
	return c
}

// run commits batches until there are no more, then moves every mark to the
// end, so that a restart reads nothing again.
func (c *committer) run(ctx context.Context, in <-chan sealed) error {
	for b := range in {
		err := c.batch(ctx, b)
		if b.done != nil {
			b.done <- err
		}
		if err != nil {
			return err
		}
	}
	if err := c.moveIdle(ctx, true); err != nil {
		return err
	}
	return c.release(ctx)
}

// batch commits the parts of a batch in their order, each to its table.
func (c *committer) batch(ctx context.Context, b sealed) error {
	order(b.parts)
	c.settledAt = b.newest.Add(c.s.o.SyncDelay)
	for _, p := range b.parts {
		if err := c.ready(ctx, p, b.from); err != nil {
			return err
		}
	}
	var counts Status
	var missed []columnar.TimeMiss
	for i, p := range b.parts {
		n, err := c.put(ctx, p, b)
		if err != nil {
			return err
		}
		switch p.feed.name {
		case Quarantine:
			counts.Quarantined += uint64(n)
		case Skipped:
		default:
			counts.Events += uint64(n)
			if r, ok := p.rows.(eventRows); ok && n > 0 {
				missed = append(missed, r.TimeMisses()...)
			}
		}
		c.e.recycle(p, b.reuse)
		b.parts[i].rows = nil
	}
	c.done = b.to
	now := c.s.o.Now()
	c.s.note(func(st *Status) {
		st.Events, st.Quarantined, st.Repeats = st.Events+counts.Events, st.Quarantined+counts.Quarantined,
			st.Repeats+b.repeats
		st.Bytes, st.Gaps, st.Committed, st.LastCommit = st.Bytes+b.bytes, st.Gaps+b.gaps, b.to.seq, now
	})
	c.s.missed(missed, now)
	if err := c.moveIdle(ctx, false); err != nil {
		return err
	}
	return c.release(ctx)
}

// order puts the tables of bookkeeping first, then by name.
func order(parts []part) {
	rank := func(name string) int { return slices.Index([]string{Quarantine, Skipped}, name) }
	slices.SortFunc(parts, func(a, b part) int {
		if ra, rb := rank(a.feed.name), rank(b.feed.name); ra != rb {
			return rb - ra
		}
		return strings.Compare(a.feed.name, b.feed.name)
	})
}

// ready makes sure that the table exists and holds a mark of the source.
func (c *committer) ready(ctx context.Context, p part, from place) error {
	f := p.feed
	if !f.listed {
		f.listed = true
		c.feeds = append(c.feeds, f)
	}
	if f.table == nil {
		if err := c.open(ctx, f, p.rows.Schema()); err != nil {
			return err
		}
	}
	if f.mark != nil {
		return nil
	}
	return c.commit(ctx, f, tiers.Commit{To: c.to(from)})
}

func (c *committer) to(p place) *tiers.Mark {
	return &tiers.Mark{Stream: c.e.info.Name, Created: c.e.info.Created, Filter: c.s.o.Filter, Seq: p.seq, Published: p.at,
		Resets: c.e.resets}
}

// put writes a part's files and commits them with the mark.
func (c *committer) put(ctx context.Context, p part, b sealed) (rows int, err error) {
	to := b.to
	if m := p.feed.mark; m != nil && m.Seq > to.seq {
		// An epoch began before this table's mark because of another one, and
		// refuses an event that was not refused before: the mark stays.
		to = place{m.Seq, m.Published}
	}
	cm := tiers.Commit{To: c.to(to), Summary: map[string]string{summarySource: c.s.key,
		summaryTo: strconv.FormatUint(to.seq, 10)}}
	if err := c.add(ctx, p, cm, c.encode, c.settledAt); err != nil {
		return 0, err
	}
	return p.rows.Rows(), nil
}

// moveIdle moves on the marks of tables that got no rows lately, at a low
// rate, or all of them.
func (c *committer) moveIdle(ctx context.Context, all bool) error {
	age := idleAge + time.Duration(len(c.feeds))*idleMore
	for _, f := range c.feeds {
		if f.mark == nil || f.mark.Seq >= c.done.seq {
			continue
		}
		if !all && c.s.o.Now().Sub(f.moved) < age && c.done.seq-f.mark.Seq < idleCount {
			continue
		}
		if err := c.commit(ctx, f, tiers.Commit{To: c.to(c.done)}); err != nil {
			return err
		}
	}
	return nil
}

// release tells the stream what it may drop: what every table is beyond.
func (c *committer) release(ctx context.Context) error {
	floor := c.done.seq
	for _, f := range c.feeds {
		if f.mark != nil {
			floor = min(floor, f.mark.Seq)
		}
	}
	if floor <= c.kept {
		return nil
	}
	if err := c.s.o.Stream.Release(ctx, c.s.o.Filter, c.e.info.Created, floor); err != nil {
		c.s.log.Warn("the stream was not pruned; tried again with the next batch", "error", err)
		return nil
	}
	c.kept = floor
	return nil
}
