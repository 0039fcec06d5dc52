package ingest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// commits puts files and marks into tables, one commit after the other. Reading
// a stream, replaying and resetting build on it.
type commits struct {
	s       *Source
	misfits misfitLog
	turn    chan struct{} // holds one during a commit, and once the lease is lost
}

func newCommits(s *Source) *commits { return &commits{s: s, turn: make(chan struct{}, 1)} }

// open opens the table, and creates it if it is absent. Whether a creation of
// unknown outcome took effect is seen by opening.
func (c *commits) open(ctx context.Context, f *feed, s tiers.Schema) error {
	return c.retry(ctx, "create lake."+f.name, func(ctx context.Context) error {
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

// encodePart makes the files of a part for the table's schema.
type encodePart func(context.Context, part, tiers.Schema) ([]parquetfile.File, error)

func encodeOnce(_ context.Context, p part, s tiers.Schema) ([]parquetfile.File, error) {
	return recovered(func() ([]parquetfile.File, error) { return p.rows.Part(0, p.rows.Rows(), s, p.feed.opts.Bloom) })
}

// add commits a part's files with the rest of the commit, not before settled.
func (c *commits) add(ctx context.Context, p part, cm tiers.Commit, encode encodePart, settled time.Time) error {
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
		err = c.retry(ctx, "write a file of lake."+f.name, func(ctx context.Context) (err error) {
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
	if left := settled.Sub(c.s.o.Now()); left > 0 {
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
func (c *commits) evolve(ctx context.Context, p part) (schema tiers.Schema, err error) {
	f, tries := p.feed, 0
	var refused error
	err = c.retry(ctx, "evolve lake."+f.name, func(ctx context.Context) (err error) {
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
func (c *commits) remove(files []tiers.DataFile) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, f := range files {
		if err := c.s.o.Lake.RemoveFile(ctx, f.Path); err != nil {
			c.s.log.Warn("a file that was not committed stays", "file", f.Path, "error", err)
		}
	}
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
func (c *commits) commit(ctx context.Context, f *feed, cm tiers.Commit) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
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
func (c *commits) resolve(ctx context.Context, f *feed, cm tiers.Commit, cause error) error {
	var took bool
	if err := c.retry(ctx, "look up a commit to lake."+f.name, func(ctx context.Context) (err error) {
		took, err = f.table.Committed(ctx, cm.ID)
		return err
	}); err != nil {
		return err
	}
	if took {
		return nil
	}
	c.s.note(func(st *Status) { st.Conflicts++ })
	if err := c.retry(ctx, "reload lake."+f.name, f.table.Refresh); err != nil {
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

// retry does op until it succeeds, halts or ctx ends. Only for what can be
// done twice.
func (c *commits) retry(ctx context.Context, what string, op func(context.Context) error) error {
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
func (c *commits) wait(ctx context.Context, pause *time.Duration, what string, err error) {
	c.s.log.Warn("trying again", "action", what, "error", err, "in", *pause)
	c.s.fails(func(st *Status) { st.Reason, st.Retries = what+": "+err.Error(), st.Retries+1 })
	sleep(ctx, *pause)
	*pause = min(2**pause, longestPause)
}
