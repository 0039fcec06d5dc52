package compact

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lease"
)

// Lake is what maintenance needs of the lake tier besides its tables.
type Lake interface {
	tiers.Lake
	// Orphans lists the files modified before the cut that no table names.
	Orphans(ctx context.Context, before time.Time) ([]tiers.Orphan, error)
}

// expirer is a table whose snapshots can be forgotten.
type expirer interface {
	Expire(ctx context.Context, ids []int64) (int, error)
}

// MaintainerOptions wire a Maintainer.
type MaintainerOptions struct {
	Lake      Lake
	Rewrite   Options                          // its Lake is ignored
	Confiner  query.Confiner                   // of the predicates of erasures
	Retention func(table string) time.Duration // nil, or 0: for ever
	Own       []string                         // tables of bookkeeping that retention and erasures leave alone
	Expiry    Expiry
	Grace     time.Duration // how long a file must have been an orphan before it is removed
	Every     time.Duration // between rounds; 0: none by themselves
	// OrphansEvery is between the rounds that look for orphans too; less than
	// Every: they all do. It costs more than the rest of a round with nothing to do.
	OrphansEvery time.Duration
	Lease        *lease.Lease // of the one that does rounds; nil: this one
	Seen         string       // file that remembers since when files are orphans
	// Hold says why nothing may go for its age at the moment, which Run heeds;
	// empty: it may. nil: it always may.
	Hold   func() string
	Now    func() time.Time
	Logger *slog.Logger
}

// Maintainer keeps the tables of a lake. Its methods may be called at any time,
// also by several processes: what meets a conflict is planned anew next time.
type Maintainer struct {
	o    MaintainerOptions
	turn chan struct{} // held by what rewrites: its memory is for one
	away atomic.Bool   // another daemon does the rounds
	skip int           // how many rounds to come look for no orphans; of Run alone
}

// LeasePatience is how long the lease must have stood still before another
// daemon does the rounds.
const LeasePatience = time.Minute

const (
	leaseBeat   = LeasePatience / 6
	leaseWithin = 5 * time.Second // for an answer
)

// NewMaintainer returns a maintainer.
func NewMaintainer(o MaintainerOptions) *Maintainer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Retention == nil {
		o.Retention = func(string) time.Duration { return 0 }
	}
	o.Rewrite.Lake = o.Lake
	return &Maintainer{o: o, turn: make(chan struct{}, 1)}
}

// Report is what was planned and, unless it was a dry run, done.
type Report struct {
	DryRun bool     `json:"dry_run"`
	Lines  []string `json:"lines,omitempty"`
	Merged Merged   `json:"merged,omitzero"`
	Count  int      `json:"count"` // merges, snapshots or files
	Rows   int64    `json:"rows,omitempty"`
	Bytes  int64    `json:"bytes,omitempty"`
}

func (r *Report) say(format string, args ...any) {
	r.Lines = append(r.Lines, fmt.Sprintf(format, args...))
}

// String is the report for people.
func (r Report) String() string {
	if len(r.Lines) == 0 {
		return "nothing to do\n"
	}
	text := strings.Join(r.Lines, "\n") + "\n"
	if r.DryRun {
		text += "dry run: nothing was changed\n"
	}
	return text
}

// tables opens the named tables, or all that can be opened.
func (m *Maintainer) tables(ctx context.Context, names []string, rep *Report) ([]tiers.Table, error) {
	all := len(names) == 0
	if all {
		var err error
		if names, err = m.o.Lake.Tables(ctx); err != nil {
			return nil, err
		}
	}
	var out []tiers.Table
	for _, n := range names {
		t, err := m.o.Lake.Open(ctx, strings.TrimPrefix(n, "lake."))
		if all && errors.Is(err, tiers.ErrDamaged) {
			rep.say("lake.%s stays as it is: %v", n, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// take waits for the turn to rewrite.
func (m *Maintainer) take(ctx context.Context) (release func(), err error) {
	select {
	case m.turn <- struct{}{}:
		return func() { <-m.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Compact merges the small files of the named tables, or of all.
func (m *Maintainer) Compact(ctx context.Context, names []string, dry bool) (Report, error) {
	rep := Report{DryRun: dry}
	release, err := m.take(ctx)
	if err != nil {
		return rep, err
	}
	defer release()
	tables, err := m.tables(ctx, names, &rep)
	if err != nil {
		return rep, err
	}
	w := NewRewriter(m.o.Rewrite)
	for _, t := range tables {
		files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
		if len(names) == 0 && errors.Is(err, tiers.ErrDamaged) {
			rep.say("lake.%s stays as it is: %v", t.Name(), err)
			continue
		}
		if err != nil {
			return rep, err
		}
		policy := m.o.Rewrite.Policy
		policy.Cluster = len(w.lookup(t)) > 0
		for _, j := range Plan(files, policy, m.o.Now()) {
			rep.say("lake.%s, %s", t.Name(), j)
			if dry {
				continue
			}
			done, err := w.Merge(ctx, t, j)
			if errors.Is(err, tiers.ErrConflict) {
				rep.say("lake.%s: another commit was first; the rest waits for the next round", t.Name())
				break
			}
			if errors.Is(err, tiers.ErrDamaged) {
				rep.say("%v; its files stay as they are", err)
				continue
			}
			if err != nil {
				return rep, err
			}
			rep.Count++
			rep.Merged.FilesIn, rep.Merged.FilesOut = rep.Merged.FilesIn+done.FilesIn, rep.Merged.FilesOut+done.FilesOut
			rep.Merged.Rows, rep.Merged.BytesIn, rep.Merged.BytesOut = rep.Merged.Rows+done.Rows,
				rep.Merged.BytesIn+done.BytesIn, rep.Merged.BytesOut+done.BytesOut
		}
	}
	if rep.Count > 0 {
		rep.say("%d merges: %d files became %d; %d bytes became %d", rep.Count, rep.Merged.FilesIn, rep.Merged.FilesOut,
			rep.Merged.BytesIn, rep.Merged.BytesOut)
	}
	return rep, nil
}

// Expire forgets old snapshots of the named tables, or of all.
func (m *Maintainer) Expire(ctx context.Context, names []string, dry bool) (Report, error) {
	rep := Report{DryRun: dry}
	tables, err := m.tables(ctx, names, &rep)
	if err != nil {
		return rep, err
	}
	for _, t := range tables {
		all := t.Snapshots()
		ids := m.o.Expiry.Expired(all, m.o.Now())
		if len(ids) == 0 {
			continue
		}
		rep.say("lake.%s: forget %d of %d snapshots", t.Name(), len(ids), len(all))
		e, ok := t.(expirer)
		if dry || !ok {
			continue
		}
		n, err := e.Expire(ctx, ids)
		if errors.Is(err, tiers.ErrConflict) {
			rep.say("lake.%s: another commit was first; the next round tries again", t.Name())
			continue
		}
		if err != nil {
			return rep, err
		}
		rep.Count += n
	}
	return rep, nil
}

// Run maintains the lake every so often until ctx ends, unless another daemon
// does. That is to spare work, and to read files of others no more often than
// needed; two that do it at once meet as conflicts.
func (m *Maintainer) Run(ctx context.Context) error {
	if m.o.Every <= 0 {
		return nil
	}
	if m.o.Lease != nil {
		m.ask(ctx)
		var keeping sync.WaitGroup
		keeping.Go(func() { m.keep(ctx) })
		defer keeping.Wait()
	}
	tick := time.NewTicker(m.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !m.away.Load() {
			m.round(ctx)
		}
	}
}

// keep renews the lease, or waits for it, until ctx ends; then it hands over.
func (m *Maintainer) keep(ctx context.Context) {
	tick := time.NewTicker(leaseBeat)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			m.ask(ctx)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseWithin)
	defer cancel()
	if err := m.o.Lease.Release(ctx); err != nil {
		m.o.Logger.Warn("maintenance was not handed over; another daemon takes it by itself", "error", err)
	}
}

// ask looks who has the lease. While that cannot be known, all is as it was.
func (m *Maintainer) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaseWithin)
	defer cancel()
	st, err := m.o.Lease.Try(ctx)
	if err != nil {
		return
	}
	if was := m.away.Swap(st.Other()); was != st.Other() {
		m.o.Logger.Info("maintenance of the lake", "done_by", st.Holder)
	}
}

// orphanRounds is how many rounds there are to one that looks for orphans.
// Rounds are counted because the clock may leap.
func (m *Maintainer) orphanRounds() int {
	if m.o.Every <= 0 {
		return 1
	}
	return max(1, int((m.o.OrphansEvery+m.o.Every-1)/m.o.Every))
}

// sometimes is Orphans in one of so many rounds, or in the next after it failed.
func (m *Maintainer) sometimes(ctx context.Context) (Report, error) {
	if m.skip > 0 {
		m.skip--
		return Report{}, nil
	}
	rep, err := m.Orphans(ctx, false)
	if err == nil {
		m.skip = m.orphanRounds() - 1
	}
	return rep, err
}

// round does everything once; what fails is tried again in the next round.
func (m *Maintainer) round(ctx context.Context) {
	held := m.o.Hold != nil && m.o.Hold() != "" // who holds says so
	for _, part := range []struct {
		what  string
		byAge bool
		do    func() (Report, error)
	}{
		{"take out days beyond their retention", true, func() (Report, error) { return m.Retain(ctx, nil, false) }},
		{"merge small files", false, func() (Report, error) { return m.Compact(ctx, nil, false) }},
		{"forget old snapshots", true, func() (Report, error) { return m.Expire(ctx, nil, false) }},
		{"remove orphans", true, func() (Report, error) { return m.sometimes(ctx) }},
	} {
		if part.byAge && held {
			continue
		}
		rep, err := part.do()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			m.o.Logger.Error(part.what+"; it is tried again", "in", m.o.Every, "error", err)
		case rep.Count > 0:
			m.o.Logger.Info(part.what, "done", rep.Count, "files_in", rep.Merged.FilesIn, "files_out", rep.Merged.FilesOut,
				"rows", rep.Rows, "bytes", rep.Bytes)
		}
	}
}
