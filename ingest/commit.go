package ingest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
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
	e         *epoch
	s         *Source
	feeds     []*feed
	settledAt time.Time // before it, nothing of the batch is committed; see Options.Settle
	done      place     // everything up to it is in the lake
	kept      uint64    // what the stream was last told
	misfits   misfitLog
	turn      chan struct{} // holds one during a commit, and once the lease is lost; nil: there is none
}

func newCommitter(e *epoch) *committer {
	c := &committer{e: e, s: e.s, done: place{e.start, e.startAt}, turn: make(chan struct{}, 1)}
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

// open opens the table, and creates it if it is absent. Whether a creation of
// unknown outcome took effect is seen by opening.
func (c *committer) open(ctx context.Context, f *feed, s tiers.Schema) error {
	return c.again(ctx, "create lake."+f.name, func(ctx context.Context) error {
		t, err := c.s.o.Lake.Open(ctx, f.name)
		if errors.Is(err, tiers.ErrNoTable) {
			t, err = c.s.o.Lake.Create(ctx, f.name, s, tiers.Options{})
		}
		if err != nil {
			return err
		}
		f.table = t
		return nil
	})
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
	if err := c.add(ctx, p, cm, c.encode); err != nil {
		return 0, err
	}
	return p.rows.Rows(), nil
}

// encodePart makes the files of a part for the table's schema.
type encodePart func(context.Context, part, tiers.Schema) ([]parquetfile.File, error)

func encodeOnce(_ context.Context, p part, s tiers.Schema) ([]parquetfile.File, error) {
	return recovered(func() ([]parquetfile.File, error) { return p.rows.Part(0, p.rows.Rows(), s, p.feed.opts.Bloom) })
}

// add commits a part's files with the rest of the commit.
func (c *committer) add(ctx context.Context, p part, cm tiers.Commit, encode encodePart) error {
	f := p.feed
	if have, is := f.table.Schema().EventID(), p.rows.Schema().EventID(); have != is {
		// Two sources made the table at once, and its events have ids of their own.
		return fmt.Errorf("evolve lake.%s: its event ids are in the column %s, not in %s", f.name, have, is)
	}
	schema, err := c.evolve(ctx, p)
	if err != nil {
		return err
	}
	files, err := encode(ctx, p, schema)
	if err != nil {
		return fmt.Errorf("encode rows of lake.%s: %w", f.name, err)
	}
	for i := range files {
		var written tiers.DataFile
		err = c.again(ctx, "write a file of lake."+f.name, func(ctx context.Context) (err error) {
			written, err = f.table.WriteNew(ctx, files[i].Info, files[i].Data)
			return err
		})
		if err != nil {
			c.remove(cm.Add)
			return err
		}
		cm.Add, files[i].Data = append(cm.Add, written), nil
	}
	// The files are made meanwhile: unnamed, they put no event into the lake.
	if left := c.settledAt.Sub(c.s.o.Now()); left > 0 {
		sleep(ctx, min(left, c.s.o.SyncDelay)) // clocks may differ
	}
	if err := c.commit(ctx, f, c.withMisfits(f, p.rows, cm)); err != nil {
		return err
	}
	c.tellMisfits(f.name, misfits(p.rows))
	return nil
}

// triesEvolved is how often a table is asked for columns that it does not take.
const triesEvolved = 5

// evolve adds the columns of a part to its table. A table that does not take
// them is asked a few times. What it refuses for ever goes to quarantine; after
// conflicts the epoch begins again, with the columns that the table has then.
func (c *committer) evolve(ctx context.Context, p part) (schema tiers.Schema, err error) {
	f, tries := p.feed, 0
	var refused error
	err = c.again(ctx, "evolve lake."+f.name, func(ctx context.Context) (err error) {
		schema, err = f.table.Evolve(ctx, p.rows.Schema())
		if errors.Is(err, tiers.ErrRefused) || errors.Is(err, tiers.ErrConflict) {
			if tries++; tries >= triesEvolved {
				refused, err = err, nil
			}
		}
		return err
	})
	switch {
	case err != nil:
		return schema, err
	case errors.Is(refused, tiers.ErrRefused):
		return schema, refuseAll(p, refused)
	case refused != nil:
		return schema, fmt.Errorf("evolve lake.%s: given up after %d times, the source reads again from its marks: %w",
			f.name, tries, refused)
	}
	return schema, nil
}

// remove deletes files that no commit named; what stays is an orphan.
func (c *committer) remove(files []tiers.DataFile) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, f := range files {
		if err := c.s.o.Lake.RemoveFile(ctx, f.Path); err != nil {
			c.s.log.Warn("a file that was not committed stays", "file", f.Path, "error", err)
		}
	}
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

// commit is the one place that decides what the outcomes of a commit mean. It
// fills in the commit's id and the mark that it starts from.
//
//	conflict   reload; the mark as we left it: again; moved: stand by
//	unknown    look the commit up until that is known, before anything else
//	halt       the source halts
//	other      nothing was changed: again
//
// Its error is errStandby, tiers.ErrHalt, or the end of ctx. Files are deleted
// only where it is certain that no commit names them.
func (c *committer) commit(ctx context.Context, f *feed, cm tiers.Commit) error {
	if c.turn != nil {
		select {
		case c.turn <- struct{}{}:
			defer func() { <-c.turn }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	cm.ID, cm.From = rand.Text(), f.mark
	pause, began := firstPause, time.Now()
	for {
		_, err := f.table.Commit(ctx, cm)
		if errors.Is(err, tiers.ErrUnknown) || errors.Is(err, tiers.ErrConflict) {
			err = c.resolve(ctx, f, cm, err)
		}
		switch {
		case err == nil:
			f.mark, f.moved = cm.To, c.s.o.Now()
			c.s.note(func(st *Status) { st.Commits++ })
			c.s.o.Committed(time.Since(began))
			c.s.works()
			return nil
		case errors.Is(err, errStandby):
			if c.e != nil {
				c.s.note(func(st *Status) { st.Fenced++ })
			}
			c.remove(cm.Add)
			return err
		case errors.Is(err, tiers.ErrHalt):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		c.wait(ctx, &pause, "commit to lake."+f.name, err)
	}
}

// resolve finds out what became of a commit. nil: it took effect. errRetry: it
// did not, and the mark is as it was.
func (c *committer) resolve(ctx context.Context, f *feed, cm tiers.Commit, cause error) error {
	var took bool
	if err := c.again(ctx, "look up a commit to lake."+f.name, func(ctx context.Context) (err error) {
		took, err = f.table.Committed(ctx, cm.ID)
		return err
	}); err != nil {
		return err
	}
	if took {
		return nil
	}
	c.s.note(func(st *Status) { st.Conflicts++ })
	if err := c.again(ctx, "reload lake."+f.name, f.table.Refresh); err != nil {
		return err
	}
	if have, ok := f.table.Marks()[cm.To.Key()]; !sameMark(have, ok, cm.From) {
		return fmt.Errorf("%w: the mark of lake.%s moved to %d: %w", errStandby, f.name, have.Seq, cause)
	}
	return fmt.Errorf("%w: %w", errRetry, cause)
}

// errRetry: nothing was changed, and the same can be tried again.
var errRetry = errors.New("try again")

func sameMark(have tiers.Mark, ok bool, want *tiers.Mark) bool {
	if want == nil || !ok {
		return want == nil && !ok
	}
	return have.Seq == want.Seq && have.SameStream(*want)
}

// again does op until it succeeds, halts or ctx ends. Only for what can be
// done twice.
func (c *committer) again(ctx context.Context, what string, op func(context.Context) error) error {
	pause := firstPause
	for {
		err := op(ctx)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, tiers.ErrHalt):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w: %w", what, context.Cause(ctx), err)
		}
		c.wait(ctx, &pause, what, err)
	}
}

// wait pauses before another try, longer each time.
func (c *committer) wait(ctx context.Context, pause *time.Duration, what string, err error) {
	c.s.log.Warn("trying again", "action", what, "error", err, "in", *pause)
	c.s.fails(func(st *Status) { st.Reason, st.Retries = what+": "+err.Error(), st.Retries+1 })
	sleep(ctx, *pause)
	*pause = min(2**pause, longestPause)
}
