// Package lease lets several daemons agree which of them does a piece of work.
//
// It is for liveness and to spare double work, never for safety: a holder that
// was paused may go on for a moment after another has taken over, and only the
// fence of a commit keeps that harmless.
//
// A lease is a record in a store that can compare and swap. Its holder counts
// it up; whoever sees it stand still for a while, by its own clock, takes it. So
// no two clocks are ever compared, and a store needs none.
package lease

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Store keeps the records of leases. Safe for concurrent use, also by several
// processes.
type Store interface {
	// Lease is what is stored under a name; empty if nothing is.
	Lease(ctx context.Context, name string) (string, error)
	// SwapLease stores new if what is stored still is old, and reports whether
	// it did. After an error it may have.
	SwapLease(ctx context.Context, name, old, new string) (bool, error)
}

// Holder is a daemon that may hold leases.
type Holder struct {
	// ID stays the same over restarts, and no two daemons that run at the same
	// time have it: the next process of the same ID need not wait for what its
	// predecessor held.
	ID   string
	Name string // for people
}

// Options wire a Lease.
type Options struct {
	Store  Store
	Name   string // of the work
	Holder Holder
	// Patience is how long the record must have stood still before another
	// takes it; several times what its holder needs to renew it.
	Patience time.Duration
	Now      func() time.Time // default time.Now
}

// Lease is one daemon's view of one lease. Safe for concurrent use.
type Lease struct {
	o   Options
	run string // this process, this lease

	mu     sync.Mutex
	looked bool
	found  string    // as it was at first
	raw    string    // as it was seen last
	since  time.Time // when it was first seen so
}

// record is what is stored. Whoever took it last stays named when Run is empty:
// it has handed over.
type record struct {
	Holder string `json:"holder"` // Holder.ID
	Name   string `json:"name"`
	Run    string `json:"run,omitempty"`
	Term   uint64 `json:"term"` // how often it went from one holder to another
	Beat   uint64 `json:"beat"` // counts up with every renewal
}

// State is a lease at one moment.
type State struct {
	Mine   bool
	Before bool          // a process of our own ID has it, or had when it was killed; if not Mine
	Holder string        // name of who has it; empty: nobody
	Still  time.Duration // how long it was seen not to be renewed
	Term   uint64        // how often it went from one holder to another
}

// Other reports whether another daemon has the lease, as far as that can be
// known.
func (s State) Other() bool { return !s.Mine && s.Holder != "" }

// New makes a view of a lease; nothing is taken.
func New(o Options) *Lease {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Lease{o: o, run: rand.Text()}
}

// Look reports who has the lease, and changes nothing.
func (l *Lease) Look(ctx context.Context) (State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, st, _, err := l.look(ctx)
	return st, err
}

// Try renews the lease if it is ours, and takes it if it is free: nobody has
// it, its holder has been still for too long, or it is what our predecessor
// left behind.
func (l *Lease) Try(ctx context.Context) (State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, st, free, err := l.look(ctx)
	if err != nil || !st.Mine && !free {
		return st, err
	}
	next := record{Holder: l.o.Holder.ID, Name: l.o.Holder.Name, Run: l.run, Term: r.Term, Beat: r.Beat + 1}
	if r.Holder != next.Holder {
		next.Term++
	}
	raw, err := encode(next)
	if err != nil {
		return st, err
	}
	ok, err := l.o.Store.SwapLease(ctx, l.o.Name, l.raw, raw)
	if err != nil {
		return st, fmt.Errorf("take lease %s: %w", l.o.Name, err)
	}
	if !ok { // another was first
		_, st, _, err = l.look(ctx)
		return st, err
	}
	l.raw, l.since = raw, l.o.Now()
	return State{Mine: true, Holder: next.Name, Term: next.Term}, nil
}

// Release hands the lease over if it is ours.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, st, _, err := l.look(ctx)
	if err != nil || !st.Mine {
		return err
	}
	r.Run, r.Beat = "", r.Beat+1
	raw, err := encode(r)
	if err != nil {
		return err
	}
	if _, err := l.o.Store.SwapLease(ctx, l.o.Name, l.raw, raw); err != nil { // if it was lost meanwhile, that is as good
		return fmt.Errorf("hand over lease %s: %w", l.o.Name, err)
	}
	return nil
}

// look reads the record and notes since when it is as it is.
func (l *Lease) look(ctx context.Context) (r record, st State, free bool, err error) {
	raw, err := l.o.Store.Lease(ctx, l.o.Name)
	if err != nil {
		return r, st, false, fmt.Errorf("look up lease %s: %w", l.o.Name, err)
	}
	now := l.o.Now()
	if !l.looked {
		l.looked, l.found, l.raw, l.since = true, raw, raw, now
	}
	if raw != l.raw {
		l.raw, l.since = raw, now
	}
	if raw == "" {
		return r, st, true, nil
	}
	if json.Unmarshal([]byte(raw), &r) != nil { // nobody's that we know: it must stand still like any other
		r = record{Name: "an unknown program", Run: "unknown"}
	}
	if r.Run == "" {
		return r, State{Term: r.Term}, true, nil
	}
	own := r.Holder == l.o.Holder.ID
	st = State{Mine: r.Run == l.run, Before: own && r.Run != l.run, Holder: r.Name, Still: now.Sub(l.since), Term: r.Term}
	return r, st, own && raw == l.found || st.Still >= l.o.Patience, nil
}

func encode(r record) (string, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode lease: %w", err)
	}
	return string(b), nil
}
