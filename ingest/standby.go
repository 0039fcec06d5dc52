package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lakeward/lakeward/tiers/lease"
)

// Of several daemons on one source, the one that has the source's lease reads
// and commits, and the others stand by. The lease decides who tries, never what
// is committed: that is the fence's alone. So without a lease, or while its
// store is away, a source works as if it were the only one, and if it is fenced,
// stands by until the marks are still.

// LeasePatience is how long the lease of a source must have stood still before
// a stand-by takes over. Its holder renews it every second.
const LeasePatience = 5 * time.Second

const (
	leaseBeat   = time.Second            // between renewals
	leaseLook   = 500 * time.Millisecond // between looks of a stand-by
	leaseWithin = 2 * time.Second        // for an answer
	// haltedAside is how long another must have had the lease before a source
	// that halts believes that the other can go on.
	haltedAside = 2 * LeasePatience
)

// LeaseName is the name of the lease on the marks of that key.
func LeaseName(key string) string { return "source " + key }

// errAway ends an epoch because another daemon has the lease.
var errAway = fmt.Errorf("%w: it has the lease", errStandby)

// able reports whether the source could commit, as far as that can be known.
func (s *Source) able(ctx context.Context) error {
	if since := s.Status().Failing; !since.IsZero() && s.o.Now().Sub(since) >= LeasePatience {
		return errors.New("its commits fail")
	}
	ctx, cancel := context.WithTimeout(ctx, leaseWithin)
	defer cancel()
	_, err := s.o.Stream.Info(ctx, s.o.Filter)
	return err
}

// ask looks at the lease, and renews or takes it if the source wants it.
func (s *Source) ask(ctx context.Context, want bool) (lease.State, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseWithin)
	defer cancel()
	do := s.o.Lease.Look
	if want {
		do = s.o.Lease.Try
	}
	st, err := do(ctx)
	s.note(func(x *Status) {
		if err == nil {
			x.Holder = st.Holder
		}
	})
	return st, err
}

// leased reports whether the lease says who commits.
func (s *Source) leased(ctx context.Context) bool {
	if s.o.Lease == nil {
		return false
	}
	st, err := s.ask(ctx, false)
	return err == nil && st.Holder != ""
}

// lead waits until the source is this daemon's to commit: it has the lease, or
// nothing is known of another that has. first is set before anything was tried.
func (s *Source) lead(ctx context.Context, first bool) {
	if s.o.Lease == nil {
		return
	}
	other, known := false, s.o.Now()
	for ctx.Err() == nil {
		var trouble error
		if !first { // a daemon that is alone must not be slower to start
			trouble = s.able(ctx)
		}
		first = false
		st, err := s.ask(ctx, trouble == nil)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && (!other || s.o.Now().Sub(known) >= standbyStill):
			s.log.Warn("nothing is known of other daemons on this source; the fence decides", "error", err)
			return
		case err != nil:
			s.note(func(x *Status) {
				x.Reason, x.unable = x.Holder+" commits, as far as is known; this daemon could not take over: "+err.Error(), true
			})
		case !st.Other():
			if other {
				s.log.Info("the source takes over")
			}
			return
		default:
			if !other {
				s.log.Info("the source stands by", "commits", st.Holder)
				s.works() // as far as is known: only another try would tell
			}
			other, known = true, s.o.Now()
			reason := st.Holder + " commits"
			if trouble != nil {
				reason += "; this daemon could not take over: " + trouble.Error()
			}
			s.note(func(x *Status) { x.State, x.Reason, x.unable = Standby, reason, trouble != nil })
		}
		s.refuse(ctx, leaseLook)
	}
}

// keep renews the lease until ctx ends, or ends the epoch because another has
// it. A source that cannot reach its stream, or whose commits fail, lets it
// lapse and goes on trying.
func (c *committer) keep(ctx context.Context) error {
	tick := time.NewTicker(leaseBeat)
	defer tick.Stop()
	for known := true; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		st, err := c.s.ask(ctx, c.s.able(ctx) == nil)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && known:
			c.s.log.Warn("the lease was not renewed; the fence decides if another daemon takes over", "error", err)
		case err == nil && st.Other():
			c.awaitCommit(ctx)
			return fmt.Errorf("%w: %s", errAway, st.Holder)
		}
		known = err == nil
	}
}

// awaitCommit waits for the commit that is under way, but not for long: once it is
// known that it was refused, its files can go. No other begins afterwards.
func (c *committer) awaitCommit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, LeasePatience)
	defer cancel()
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
	}
}

// handOver gives the lease to whoever stands by.
func (s *Source) handOver() {
	if s.o.Lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaseWithin)
	defer cancel()
	if err := s.o.Lease.Release(ctx); err != nil {
		s.log.Warn("the lease was not handed over; a stand-by takes it when it has been still", "error", err)
	}
	s.note(func(x *Status) { x.Holder = "" })
}

// halted waits until ctx ends, or until another daemon has had the lease for
// long: then that one can go on.
func (s *Source) halted(ctx context.Context) {
	s.handOver()
	if s.o.Lease == nil {
		s.refuse(ctx, 0)
		return
	}
	var since time.Time
	for ctx.Err() == nil {
		s.refuse(ctx, leaseBeat)
		st, err := s.ask(ctx, false)
		switch now := s.o.Now(); {
		case err != nil || !st.Other() || st.Still >= LeasePatience:
			since = time.Time{}
		case since.IsZero():
			since = now
		case now.Sub(since) >= haltedAside:
			return
		}
	}
}
