package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lakeward/lakeward/tiers"
)

// errStandby ends an epoch because another writer has moved the source's mark.
var errStandby = errors.New("another writer commits this source")

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 4 * time.Second // a source whose stream is another one must say so within 5 s
	standbyLook  = 5 * time.Second
	standbyStill = 30 * time.Second // without a move of the marks, before taking over
	chunkSize    = 4096             // messages read at once
	chunksAhead  = 3
)

// Run works until ctx ends, then commits what was read, within the grace
// period. A source that halts waits for that end, or for a reset, and says why
// in its status. The error is nil unless the last batch could not be
// committed: it then is read again by the next run.
func (s *Source) Run(ctx context.Context) error {
	s.state(Waiting, "starting")
	defer s.handOver()
	pause := firstPause
	for first := true; ; first = false {
		mine, end, err := s.take(ctx)
		if err != nil { // ctx ended
			s.stopped()
			return nil
		}
		s.lead(mine, first)
		began := s.o.Now()
		if mine.Err() == nil {
			err = s.epoch(mine)
		}
		if mine.Err() == nil {
			if s.o.Now().Sub(began) > longestPause {
				pause = firstPause
			}
			pause = s.after(mine, err, pause)
			err = nil
		}
		end()
		if ctx.Err() != nil {
			s.stopped()
			return err
		}
		if err != nil {
			s.log.Warn("the last batch was not committed; it is read again", "error", err)
		}
	}
}

// after does what an epoch's end asks for, and returns the next pause.
func (s *Source) after(ctx context.Context, err error, pause time.Duration) time.Duration {
	f := s.suspects(err)
	switch {
	case f != nil:
		s.log.Error("the source starts again from its marks without events that cannot be written", "error", err)
		s.state(Waiting, err.Error())
		s.quarantines(f)
	case errors.Is(err, tiers.ErrHalt):
		s.log.Error("the source halts", "error", err)
		s.state(Halted, haltReason(err))
		s.halted(ctx)
	case errors.Is(err, errAway):
		s.log.Warn("the source stands by", "error", err)
		s.state(Standby, err.Error())
	case errors.Is(err, errStandby) && s.leased(ctx): // the lease says who goes on
		s.log.Warn("the source was fenced; it starts again from its marks if it has the lease", "error", err, "in", pause)
		s.state(Standby, err.Error())
		sleep(ctx, pause)
		return min(2*pause, longestPause)
	case errors.Is(err, errStandby):
		s.log.Warn("the source was fenced, and stands by", "error", err)
		s.state(Standby, err.Error())
		s.standBy(ctx)
	default:
		s.log.Warn("the source starts again from its marks", "error", err, "in", pause)
		s.fails(func(st *Status) { st.State, st.Reason = Waiting, "starting again: "+errText(err) })
		sleep(ctx, pause)
		return min(2*pause, longestPause)
	}
	return firstPause
}

// haltReason is why a source halts; that it does, its state says.
func haltReason(err error) string {
	return strings.ReplaceAll(err.Error(), tiers.ErrHalt.Error()+": ", "")
}

// stopped notes the end; a source that halted keeps its reason.
func (s *Source) stopped() {
	s.note(func(st *Status) {
		if st.State != Halted {
			st.State, st.Reason = Stopped, "stopped"
		}
	})
}

// take waits for the source to be free, and has it until end is called. The
// context ends when somebody else wants it.
func (s *Source) take(ctx context.Context) (mine context.Context, end func(), err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	mine, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.yield = cancel; s.holders > 0 {
		cancel()
	}
	return mine, func() {
		cancel()
		s.mu.Lock()
		s.yield = nil
		s.mu.Unlock()
		<-s.turn
	}, nil
}

// hold ends what Run does, with what was read committed, and keeps the source
// still until release is called.
func (s *Source) hold(ctx context.Context, why string) (release func(), err error) {
	s.mu.Lock()
	s.holders++
	if s.yield != nil {
		s.yield()
	}
	s.mu.Unlock()
	gone := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.holders--
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		gone()
		return nil, fmt.Errorf("wait for source %s to commit what it has read: %w", s.o.Name, ctx.Err())
	}
	s.note(func(st *Status) {
		if st.State != Stopped {
			st.State, st.Reason = Waiting, why
		}
	})
	return func() {
		gone()
		<-s.turn
	}, nil
}

// Still does f while the source is still, with what it had read committed. It
// goes on from its marks afterwards, also if it had halted.
func (s *Source) Still(ctx context.Context, why string, f func() error) error {
	release, err := s.hold(ctx, why)
	if err != nil {
		return err
	}
	defer release()
	return f()
}

func errText(err error) string {
	if err == nil {
		return "the stream ended"
	}
	return err.Error()
}

// refuse answers flushes until ctx ends, or for so long if that is not 0.
func (s *Source) refuse(ctx context.Context, long time.Duration) {
	if long > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, long)
		defer cancel()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-s.flush:
			r.done <- errNotRunning
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// standBy waits until the marks have been still for a while although there is
// something to commit: then the other writer is gone. It ends earlier if the
// lease comes to say who commits.
func (s *Source) standBy(ctx context.Context) {
	var last uint64
	still := s.o.Now()
	for ctx.Err() == nil {
		sleep(ctx, standbyLook)
		if s.leased(ctx) {
			return
		}
		marks, err := s.marks(ctx)
		if err != nil {
			continue
		}
		var sum, top uint64
		for _, m := range marks {
			sum += m.Seq
			top = max(top, m.Seq)
		}
		info, err := s.o.Stream.Info(ctx, s.o.Filter)
		if err != nil {
			continue
		}
		if sum != last || info.Matched <= top {
			last, still = sum, s.o.Now()
			continue
		}
		if s.o.Now().Sub(still) >= standbyStill {
			return
		}
	}
}

// epoch reads the stream from the marks until ctx ends (nil), or until there
// is doubt about what the lake holds. Five goroutines, all ended when it
// returns: fetch, decode, commit, one that watches the stream, and one that
// keeps the lease for as long as something may be committed. Closing a batch
// hands it from decode to commit, so that at most one is under way while the
// next one fills.
func (s *Source) epoch(ctx context.Context) error {
	e, err := s.begin(ctx)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer e.memory.close()
	reader, err := s.o.Stream.Read(ctx, s.o.Filter, e.start+1)
	if err != nil {
		return unlessEnded(ctx, fmt.Errorf("read stream: %w", err))
	}
	s.state(Running, "")
	draining, cancel := outlive(ctx, s.o.Grace)
	defer cancel()
	g, work := errgroup.WithContext(draining)
	fetching, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(work, stop)()

	chunks, free := make(chan []Message, chunksAhead), make(chan []Message, chunksAhead)
	closed := make(chan sealed)
	g.Go(func() error {
		defer close(chunks)
		return e.fetch(fetching, reader, chunks, free)
	})
	d, c := newDecoder(e, closed), newCommitter(e)
	g.Go(func() error {
		defer close(closed)
		return d.run(work, reader, chunks, free)
	})
	leading, committed := context.WithCancel(work)
	defer committed()
	g.Go(func() error {
		defer committed()
		return c.run(work, closed)
	})
	if s.o.Lease != nil {
		g.Go(func() error { return c.keep(leading) })
	}
	g.Go(func() error { return e.watch(fetching) })
	err = g.Wait()
	if errors.Is(err, errStandby) && !errors.Is(err, errAway) {
		s.note(func(st *Status) { st.Fenced++ })
	}
	return errors.Join(err, reader.Close())
}

// outlive returns a context that ends by grace after ctx, so that what was read
// before ctx ended is committed.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(grace, func() { cancel(fmt.Errorf("not drained within %s", grace)) })
		context.AfterFunc(longer, func() { late.Stop() })
	})
	return longer, func() {
		stop()
		cancel(nil)
	}
}

// unlessEnded is an error of a step before anything was read; none if ctx ended
// meanwhile, since then there is nothing that was not committed.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// fetch reads ahead. That its context ends is not an error.
func (e *epoch) fetch(ctx context.Context, r Reader, chunks chan<- []Message, free <-chan []Message) error {
	for {
		var buf []Message
		select {
		case buf = <-free:
		default:
			buf = make([]Message, 0, chunkSize)
		}
		buf, err := r.Next(ctx, buf, chunkSize)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read stream: %w", err)
		}
		select {
		case chunks <- buf:
		case <-ctx.Done():
			return nil
		}
	}
}
