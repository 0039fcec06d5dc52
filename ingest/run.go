package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lakeward/lakeward/tiers"
)

// errStandby ends an epoch because another writer has moved the source's mark.
var errStandby = errors.New("another writer commits this source")

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
	standbyLook  = 5 * time.Second
	standbyStill = 30 * time.Second // without a move of the marks, before taking over
	chunkSize    = 4096             // messages read at once
	chunksAhead  = 3
)

// Run works until ctx ends, then commits what was read, within the grace
// period. A source that halts waits for that end, and says why in its status.
// The error is nil unless the last batch could not be committed: it then is
// read again by the next run.
func (s *Source) Run(ctx context.Context) error {
	pause := firstPause
	for {
		s.state(Running, "")
		began := s.o.Now()
		err := s.epoch(ctx)
		if ctx.Err() != nil {
			s.state(Stopped, "stopped")
			return err
		}
		if s.o.Now().Sub(began) > longestPause {
			pause = firstPause
		}
		switch {
		case errors.Is(err, tiers.ErrHalt):
			s.log.Error("the source halts", "error", err)
			s.state(Halted, err.Error())
			s.refuse(ctx)
			return nil
		case errors.Is(err, errStandby):
			s.log.Warn("the source stands by", "error", err)
			s.state(Standby, err.Error())
			s.standBy(ctx)
		default:
			s.log.Warn("the source starts again from its marks", "error", err, "in", pause)
			s.state(Running, "starting again: "+errText(err))
			sleep(ctx, pause)
			pause = min(2*pause, longestPause)
		}
		if ctx.Err() != nil {
			s.state(Stopped, "stopped")
			return nil
		}
	}
}

func errText(err error) string {
	if err == nil {
		return "the stream ended"
	}
	return err.Error()
}

func (s *Source) state(state, reason string) {
	s.note(func(st *Status) { st.State, st.Reason = state, reason })
}

// refuse answers flushes until ctx ends.
func (s *Source) refuse(ctx context.Context) {
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
// something to commit: then the other writer is gone.
func (s *Source) standBy(ctx context.Context) {
	var last uint64
	still := s.o.Now()
	for ctx.Err() == nil {
		sleep(ctx, standbyLook)
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
// is doubt about what the lake holds. Three goroutines, all ended when it
// returns: fetch, decode, commit. Closing a batch hands it from decode to
// commit, so that at most one is under way while the next one fills.
func (s *Source) epoch(ctx context.Context) error {
	e, err := s.begin(ctx)
	if err != nil {
		return err
	}
	reader, err := s.o.Stream.Read(ctx, s.o.Filter, e.start+1)
	if err != nil {
		return fmt.Errorf("read stream: %w", err)
	}
	// work outlives ctx by the grace period, so that what was read is committed.
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		t := time.AfterFunc(s.o.Grace, func() { cancel(fmt.Errorf("not drained within %s", s.o.Grace)) })
		context.AfterFunc(work, func() { t.Stop() })
	})()
	g, work := errgroup.WithContext(work)
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
		return d.run(work, chunks, free)
	})
	g.Go(func() error { return c.run(work, closed) })
	err = g.Wait()
	return errors.Join(err, reader.Close())
}

// fetch reads ahead. That its context ends is no error.
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
