package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakeward/lakeward/internal/disks"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

func TestTheScheduleWaitsForAHistoryThatWillBeReadable(t *testing.T) {
	corrupt := errors.New("read the snapshots of run r: invalid character")
	ioError := errors.New("IO Error: Could not read from file")
	for _, c := range []struct {
		name string
		read error // for a minute
		disk error // for a minute
		ends bool  // with the error
	}{
		{"a tier that is away", fmt.Errorf("PostgreSQL %w", tiers.ErrAway), nil, false},
		{"an engine without memory", fmt.Errorf("read the history: %w", query.ErrMemory), nil, false},
		{"an engine that is out of use", fmt.Errorf("open: %w", query.ErrUnavailable), nil, false},
		{"a disk that fails", ioError, syscall.EIO, false},
		{"what is corrupt", corrupt, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				fails := func() bool { return time.Since(began) < time.Minute }
				h := &history{log: slog.New(slog.DiscardHandler),
					read: func(context.Context) (map[string]time.Time, error) {
						if fails() {
							return nil, c.read
						}
						return map[string]time.Time{"p": began}, nil
					},
					disks: func() []disks.State {
						if fails() {
							return []disks.State{{Err: c.disk}}
						}
						return nil
					}}
				meanwhile := make(chan error, 1)
				go func() {
					time.Sleep(time.Second)
					meanwhile <- h.unread()
				}()
				done, err := h.await(t.Context())
				if c.ends {
					if !errors.Is(err, c.read) || !fails() {
						t.Errorf("after %s: %v, %v", time.Since(began), done, err)
					}
					return
				}
				said := <-meanwhile
				if err != nil || len(done) != 1 || !errors.Is(said, c.read) || h.unread() != nil {
					t.Errorf("after %s: %v, %v; meanwhile readiness had %v, and afterwards %v", time.Since(began), done, err, said,
						h.unread())
				}
			})
		})
	}
}

func TestADiskThatRecoversWhileItIsLookedAtDoesNotEndTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		h := &history{log: slog.New(slog.DiscardHandler), disks: func() []disks.State { return nil },
			read: func(context.Context) (map[string]time.Time, error) {
				if reads++; reads == 1 {
					return nil, errors.New("IO Error")
				}
				return map[string]time.Time{}, nil
			}}
		if done, err := h.await(t.Context()); err != nil || done == nil {
			t.Errorf("%v, %v", done, err)
		}
	})
}

func TestWaitingForTheHistoryEndsWithTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		h := &history{log: slog.New(slog.DiscardHandler),
			read: func(context.Context) (map[string]time.Time, error) { return nil, tiers.ErrAway }}
		if done, err := h.await(ctx); done != nil || err != nil {
			t.Errorf("%v, %v", done, err)
		}
	})
}
