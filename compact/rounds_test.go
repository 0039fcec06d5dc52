package compact

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lease"
	"github.com/lakeward/lakeward/tiers/lease/leasetest"
)

// emptyLake counts the looks for orphans.
type emptyLake struct {
	Lake
	rounds atomic.Int64
	err    error // of a look
}

func (l *emptyLake) Tables(context.Context) ([]string, error) { return nil, nil }

func (l *emptyLake) Orphans(context.Context, time.Time) ([]tiers.Orphan, error) {
	l.rounds.Add(1)
	return nil, l.err
}

func TestOneOfTwoDaemonsDoesTheRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, dir := leasetest.New(), t.TempDir()
		start := func(name string) (*emptyLake, func()) {
			l := &emptyLake{}
			m := NewMaintainer(MaintainerOptions{Lake: l, Every: time.Second, Grace: time.Hour, Seen: filepath.Join(dir, name),
				Lease: lease.New(lease.Options{Store: store, Name: "maintenance", Holder: lease.Holder{ID: name, Name: name},
					Patience: LeasePatience})})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- m.Run(ctx) }()
			synctest.Wait()
			return l, func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		}
		a, endA := start("a")
		b, endB := start("b")
		time.Sleep(10 * time.Minute)
		if x, y := a.rounds.Load(), b.rounds.Load(); x < 500 || y != 0 {
			t.Errorf("a did %d rounds and b %d; want b none", x, y)
		}
		endA()
		had := a.rounds.Load()
		time.Sleep(2 * leaseBeat)
		if x, y := a.rounds.Load(), b.rounds.Load(); x != had || y == 0 {
			t.Errorf("after a has ended, a did %d rounds more and b %d", x-had, y)
		}
		endB()
	})
}

func TestOrphansAreLookedForInFewerRoundsThanTheRest(t *testing.T) {
	for _, c := range []struct {
		every, orphans time.Duration
		rounds         int
		held, failing  int // of the first rounds
		want           int64
	}{
		{10 * time.Minute, time.Hour, 12, 0, 0, 2},
		{10 * time.Minute, 55 * time.Minute, 12, 0, 0, 2},
		{10 * time.Minute, time.Minute, 12, 0, 0, 12},
		{10 * time.Minute, time.Hour, 6, 5, 0, 1}, // what was held is not put off
		{10 * time.Minute, time.Hour, 6, 0, 3, 4}, // nor what failed
	} {
		l := &emptyLake{}
		n := 0
		m := NewMaintainer(MaintainerOptions{Lake: l, Every: c.every, OrphansEvery: c.orphans, Grace: time.Hour,
			Seen: filepath.Join(t.TempDir(), "seen"),
			Hold: func() string {
				if n < c.held {
					return "the clock has leapt"
				}
				return ""
			}})
		for ; n < c.rounds; n++ {
			if l.err = nil; n < c.failing {
				l.err = errors.New("injected")
			}
			m.round(t.Context())
		}
		if got := l.rounds.Load(); got != c.want {
			t.Errorf("%+v: %d looks", c, got)
		}
	}
}
