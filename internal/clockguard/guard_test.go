package clockguard

import (
	"path/filepath"
	"testing"
	"time"
)

func TestALeapOfTheClockHoldsDeletions(t *testing.T) {
	const day = 24 * time.Hour
	type step struct {
		by      time.Duration
		restart bool
		held    bool
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"a first start", []step{{0, false, false}}},
		{"minutes, and a night", []step{{time.Minute, false, false}, {8 * time.Hour, true, false}}},
		{"an hour forward and back", []step{{time.Hour, false, false}, {-time.Hour, false, false},
			{time.Minute, false, false}}},
		{"a year ahead while it runs", []step{{365 * day, false, true}, {time.Minute, false, true}}},
		{"a year ahead at a restart, and restarted again", []step{{365 * day, true, true}, {time.Minute, true, true}}},
		{"a year ahead, put right", []step{{365 * day, false, true}, {-365 * day, false, false}}},
		{"a week off: believed after a day", []step{{7 * day, true, true}, {23 * time.Hour, false, true},
			{2 * time.Hour, false, false}}},
		{"a year back: nothing is old", []step{{-365 * day, false, false}}},
		{"a year back, and put right", []step{{-365 * day, false, false}, {365 * day, false, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
			path := filepath.Join(t.TempDir(), "clock.json")
			open := func() *Guard {
				g, err := Open(path, func() time.Time { return now })
				if err != nil {
					t.Fatal(err)
				}
				return g
			}
			g := open()
			if held, err := g.Look(); held != "" || err != nil {
				t.Fatalf("at first: %q, %v", held, err)
			}
			for i, s := range c.steps {
				if now = now.Add(s.by); s.restart {
					g = open()
				}
				held, err := g.Look()
				if err != nil || (held != "") != s.held {
					t.Errorf("step %d, %s: %q, %v", i, s.by, held, err)
				}
			}
		})
	}
}

func TestTheClockIsJudgedAlsoOnADiskThatFails(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	g, err := Open(filepath.Join(t.TempDir(), "absent", "clock.json"), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Look(); err == nil {
		t.Fatal("what could not be remembered was no error")
	}
	now = now.AddDate(1, 0, 0)
	if held, _ := g.Look(); held == "" {
		t.Error("a leap was not noticed")
	}
}
