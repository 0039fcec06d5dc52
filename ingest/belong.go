package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// The kinds of trouble between a stream and the marks. Each is also tiers.ErrHalt:
// a person must decide how the source goes on.
var (
	errRecreated  = fmt.Errorf("%w: the stream was made anew", tiers.ErrHalt)
	errRolledBack = fmt.Errorf("%w: the stream was restored from an older copy", tiers.ErrHalt)
	errPruned     = fmt.Errorf("%w: the stream lacks messages that the lake has not", tiers.ErrHalt)
	errUnmarked   = fmt.Errorf("%w: a table has lost the mark that says how far it was committed (`lakeward lake "+
		"adopt` puts it back)", tiers.ErrHalt)
	errHalfReset = fmt.Errorf("%w: a reset was begun and not finished", tiers.ErrHalt)
)

// belong checks that the marks are places of this very stream. What it refuses
// would pass new messages for old ones, and skip them.
func (s *Source) belong(ctx context.Context, marks map[string]tiers.Mark, info StreamInfo) error {
	same := map[uint64]bool{} // sequences whose message was compared
	var first, least *tiers.Mark
	for _, table := range slices.Sorted(maps.Keys(marks)) {
		m := marks[table]
		if first == nil {
			first = &m
		}
		if least == nil || m.Seq < least.Seq {
			least = &m
		}
		switch {
		case m.Resets != first.Resets:
			return fmt.Errorf("%w; finish it with the same command: lakeward source reset %s", errHalfReset, s.o.Name)
		case !m.Created.Equal(info.Created):
			return fmt.Errorf("%w: lake.%s was fed by stream %s made at %s, and this one was made at %s, so its sequences "+
				"mean other messages; restore the old one, or go on with this one: lakeward source reset %s "+
				"--from-start", errRecreated, table, m.Stream,
				m.Created.Format(time.RFC3339), info.Created.Format(time.RFC3339), s.o.Name)
		case m.Seq > info.Last:
			return fmt.Errorf("%w: lake.%s has stream %s up to sequence %d, but the stream ends at %d, so new messages would "+
				"pass for old ones; %s",
				errRolledBack, table, m.Stream, m.Seq, info.Last, s.afterRollback(m))
		case m.Seq < info.First || m.Published.IsZero() || same[m.Seq]:
			continue
		}
		at, ok, err := s.o.Stream.Published(ctx, m.Seq)
		if err != nil {
			return err
		}
		if ok && !at.Equal(m.Published) {
			return fmt.Errorf("%w, and has gone on since: message %d was published at %s, and lake.%s has another of %s; %s",
				errRolledBack,
				m.Seq, at.Format(time.RFC3339Nano), table, m.Published.Format(time.RFC3339Nano), s.afterRollback(m))
		}
		same[m.Seq] = true
	}
	if least != nil && info.Pruned && info.Covered && info.First > least.Seq+1 {
		return fmt.Errorf("%w: stream %s begins at sequence %d and is pruned to what the lake has, but the lake has it up "+
			"to %d only: its catalog is of an older copy, or somebody has purged the stream; put back the newer catalog, or go "+
			"on without these messages: lakeward source reset %s --from-start", errPruned, info.Name, info.First,
			least.Seq, s.o.Name)
	}
	return nil
}

// afterRollback says how to go on. The copy holds what was published before it
// was made, and the lake what was published up to the mark.
func (s *Source) afterRollback(m tiers.Mark) string {
	if m.Published.IsZero() {
		return fmt.Sprintf("go on where the copy ended: lakeward source reset %s --from-seq N", s.o.Name)
	}
	return fmt.Sprintf("go on after what the lake has: lakeward source reset %s --from-time %s", s.o.Name,
		m.Published.Add(1).Format(time.RFC3339Nano))
}

// A source looks at intervals whether its stream is still the same.
const (
	watchEvery    = 2 * time.Second
	watchPatience = 4 * time.Second // for an answer, before the source says that it waits
)

// errDoubt ends an epoch whose stream is no longer the one that it began with;
// the marks then decide.
var errDoubt = errors.New("the stream changed under the reader")

// watch looks at the stream until ctx ends, or until the stream is another one.
// While the stream cannot be reached, the source says that it waits.
func (e *epoch) watch(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		ask, cancel := context.WithTimeout(ctx, watchPatience)
		err := e.look(ask)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errDoubt):
			return err
		case err != nil:
			e.s.state(Waiting, "waiting for the stream: "+err.Error())
			continue
		}
		e.s.reached()
	}
}

// look compares the stream with what was read of it.
func (e *epoch) look(ctx context.Context) error {
	read := e.s.Status() // before the stream is asked, so that it must have it
	info, err := e.s.o.Stream.Info(ctx, e.s.o.Filter)
	switch {
	case err != nil:
		return err
	case !info.Created.Equal(e.info.Created):
		return fmt.Errorf("%w: it was made anew at %s", errDoubt, info.Created.Format(time.RFC3339))
	case info.Last < read.Last:
		return fmt.Errorf("%w: it ends at %d, and %d was read", errDoubt, info.Last, read.Last)
	case read.lastAt.IsZero() || read.Last < info.First:
		return nil
	}
	at, ok, err := e.s.o.Stream.Published(ctx, read.Last)
	if err == nil && ok && !at.Equal(read.lastAt) {
		return fmt.Errorf("%w: message %d is another one than was read", errDoubt, read.Last)
	}
	return err
}

// reached ends the wait for a stream. A source that fails besides keeps a reason.
func (s *Source) reached() {
	s.note(func(st *Status) {
		if st.State != Waiting {
			return
		}
		if st.State = Running; st.Failing.IsZero() {
			st.Reason = ""
		}
	})
}
