package schedule

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestAClockThatStepsDoesNotStopTheSchedule puts the clock forward and back
// while the scheduler runs, and at its start.
func TestAClockThatStepsDoesNotStopTheSchedule(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []time.Duration // of the clock, each followed by an hour
		done  time.Duration   // of the job at the start, from 00:00
		want  string
	}{
		{"it does not step", []time.Duration{0, 0}, 0, "00:30 01:30"},
		{"an hour forward: the hour is made up", []time.Duration{time.Hour}, 0, "00:30 01:30"},
		{"an hour forward, and put right: what ran too early runs again", []time.Duration{time.Hour, -time.Hour, 0}, 0,
			"00:30 01:30 01:30 02:30"},
		{"a year forward is bounded, and put right it goes on at once",
			[]time.Duration{365 * 24 * time.Hour, -365 * 24 * time.Hour}, 0, "22:30 23:30 00:30 01:30"},
		{"an hour back: the hour runs again", []time.Duration{-time.Hour, 0}, 0, "23:30 00:30"},
		{"started with a clock that was ahead before", []time.Duration{0}, 365 * 24 * time.Hour, "00:30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var off time.Duration
				var log []string
				now := func() time.Time {
					mu.Lock()
					defer mu.Unlock()
					return time.Now().Add(off)
				}
				began := time.Now() // midnight
				s := New(Options{Now: now,
					Jobs: func() []Job { return []Job{{Name: "job", Cron: mustParse(t, "30 * * * *", ""), CatchUp: 2}} },
					Run: func(_ context.Context, d Due) error {
						mu.Lock()
						defer mu.Unlock()
						log = append(log, d.At.Format("15:04"))
						return nil
					}})
				s.Resume(map[string]time.Time{"job": began.Add(c.done)})
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- s.Run(ctx) }()
				for _, by := range c.steps {
					synctest.Wait()
					mu.Lock()
					off += by
					mu.Unlock()
					time.Sleep(time.Hour)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if got := strings.Join(log, " "); got != c.want {
					t.Errorf("ran %s, want %s", got, c.want)
				}
			})
		})
	}
}

func TestARunThatFailsWithTheDiskIsNeverGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, runs := time.Now(), 0
		var at []time.Time
		s := New(Options{
			Jobs: func() []Job { return []Job{{Name: "job", Cron: mustParse(t, "5 * * * *", ""), CatchUp: 2}} },
			Run: func(_ context.Context, d Due) error {
				if runs++; time.Since(began) < 30*time.Minute {
					return ErrWait
				}
				at = append(at, d.At)
				return nil
			}})
		s.Resume(map[string]time.Time{"job": began})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(at) != 1 || !at[0].Equal(began.Add(5*time.Minute)) || runs < 100 {
			t.Errorf("after %d tries ran %v, want 00:05 once", runs, at)
		}
	})
}
