package schedule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func ts(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func mustParse(t testing.TB, expr, zone string) *Cron {
	t.Helper()
	c, err := Parse(expr, zone)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMalformedSchedulesAreErrorsNotPanics(t *testing.T) {
	for _, expr := range []string{"", "TZ=0", "CRON_TZ=", "@every 1s", "61 * * * *", "* * *", "0 0 30 2 *",
		"*/0 * * * *"} {
		if _, err := Parse(expr, ""); err == nil {
			t.Errorf("%q was accepted", expr)
		}
	}
	if _, err := Parse("0 * * * *", "Mars/Olympus"); err == nil {
		t.Error("an unknown zone was accepted")
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	f.Add("5 * * * *", "UTC")
	f.Add("TZ=0", "")
	f.Fuzz(func(t *testing.T, expr, zone string) {
		c, err := Parse(expr, zone)
		if err == nil {
			c.Prev(ts("2026-03-01 00:00"))
		}
	})
}

func TestWindowsAreWholeBucketsThatHaveSettled(t *testing.T) {
	for _, c := range []struct {
		cron           string
		at             string
		settle, bucket time.Duration
		want           string
	}{
		{"5 * * * *", "2026-11-24 10:05", 5 * time.Minute, time.Hour, "09:00 10:00"},
		{"5 * * * *", "2026-11-24 10:05", 15 * time.Minute, time.Hour, "08:00 09:00"},
		{"*/10 * * * *", "2026-11-24 10:10", 0, time.Minute, "10:00 10:10"},
		{"*/10 * * * *", "2026-11-24 10:10", 0, time.Hour, "empty"},
		{"0 3 * * *", "2026-11-24 03:00", time.Hour, time.Hour, "02:00 02:00"},
	} {
		start, end, ok := mustParse(t, c.cron, "").Window(ts(c.at), c.settle, c.bucket)
		got := start.Format("15:04") + " " + end.Format("15:04")
		if !ok {
			got = "empty"
		}
		if got != c.want {
			t.Errorf("%s at %s: window %s, want %s", c.cron, c.at, got, c.want)
		}
	}
}

func TestClockChangesLoseNoInstant(t *testing.T) {
	ny := mustParse(t, "30 1,2 * * *", "America/New_York")
	spring, _ := ny.First(ts("2026-03-08 05:00"), ts("2026-03-08 12:00"), 9)
	if got := fmt.Sprint(spring); got != "[2026-03-08 06:30:00 +0000 UTC]" {
		t.Errorf("spring: 02:30 does not exist: %s", got)
	}
	autumn, _ := ny.First(ts("2026-11-01 04:00"), ts("2026-11-01 12:00"), 9)
	if len(autumn) != 3 { // 01:30 EDT, 01:30 EST, 02:30 EST
		t.Errorf("autumn: %v", autumn)
	}
}

func TestAnyLengthOfTimeCostsLittle(t *testing.T) {
	minutely, leap := mustParse(t, "* * * * *", ""), mustParse(t, "0 0 29 2 *", "")
	ages := [2]time.Time{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
	// Counted one by one, these would take hours.
	if times, more := minutely.First(ages[0], ages[1], 1000); len(times) != 1000 || !more ||
		times[0] != ages[0].Add(time.Minute) {
		t.Errorf("first: %d, more %v, from %v", len(times), more, times[0])
	}
	times, dropped := minutely.Newest(ages[0], ages[1], 3)
	if len(times) != 3 || dropped != maxCounted || times[2] != ages[1] || times[0] != ages[1].Add(-2*time.Minute) {
		t.Errorf("newest: %v, dropped %d", times, dropped)
	}
	if times, dropped := leap.Newest(ts("2000-01-01 00:00"), ts("2026-11-24 10:00"), 2); len(times) != 2 || dropped != 5 ||
		times[1] != ts("2024-02-29 00:00") {
		t.Errorf("leap days: %v, dropped %d", times, dropped)
	}
}

func TestAPlanThatIsKeptUpToDateIsThatOfANewPlanner(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	jobs, errs := Resolve([]Job{
		{Name: "a", Cron: mustParse(t, "*/5 * * * *", ""), CatchUp: 3}, {Name: "b", After: []string{"a"}, CatchUp: 3},
		{Name: "c", Cron: mustParse(t, "7 * * * *", ""), CatchUp: 1}, {Name: "d", After: []string{"b", "c"}, CatchUp: 2},
	})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	s := State{Done: map[string]time.Time{}, Failed: map[string]Failure{}, Running: map[string]bool{}}
	now := ts("2026-11-24 10:06")
	p := newPlanner(jobs)
	p.lookAtAll(now, s)
	for step := range 5000 {
		j := jobs[random.IntN(len(jobs))]
		switch random.IntN(4) {
		case 0:
			s.Running[j.Name] = true
		case 1:
			delete(s.Running, j.Name)
			s.Done[j.Name] = j.Cron.At(now)
		case 2:
			delete(s.Running, j.Name)
			s.Failed[j.Name] = Failure{At: j.Cron.At(now), Retry: now.Add(time.Minute)}
		case 3:
			now = now.Add(time.Duration(random.IntN(90)) * time.Second)
		}
		if p.stale(now) {
			p.lookAtAll(now, s)
		} else {
			p.lookAt(now, j.Name, s)
		}
		if got, want := planText(p.plan()), planText(PlanAt(now, jobs, s)); got != want {
			t.Fatalf("step %d: %q, want %q", step, got, want)
		}
	}
}

func planText(p Plan) string {
	var b strings.Builder
	for _, d := range p.Due {
		fmt.Fprintf(&b, "%s@%s ", d.Job, d.At.Format("15:04"))
	}
	for _, j := range slices.Sorted(maps.Keys(p.Skipped)) {
		fmt.Fprintf(&b, "%s skips %d ", j, p.Skipped[j])
	}
	return strings.TrimSpace(b.String())
}

func TestPlanner(t *testing.T) {
	hourly, daily := mustParse(t, "5 * * * *", ""), mustParse(t, "0 3 * * *", "")
	jobs := []Job{
		{Name: "failed", Cron: hourly, CatchUp: 3},
		{Name: "risk", After: []string{"failed", "spray"}, CatchUp: 3},
		{Name: "spray", Cron: daily, CatchUp: 3},
	}
	resolved, errs := Resolve(jobs)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	now := ts("2026-11-24 10:06")
	done := func(kv ...string) map[string]time.Time {
		m := map[string]time.Time{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = ts("2026-11-24 " + kv[i+1])
		}
		return m
	}
	for _, c := range []struct {
		name string
		s    State
		want string
	}{
		{"first time: the last one only", State{}, "spray@03:00 failed@10:05"},
		{"downstream waits", State{Done: done("failed", "10:05", "risk", "09:05")}, "spray@03:00"},
		{"downstream follows", State{Done: done("failed", "10:05", "risk", "09:05", "spray", "03:00")}, "risk@10:05"},
		{"in order", State{Done: done("failed", "08:05", "risk", "08:05", "spray", "03:00")}, "failed@09:05"},
		{"bounded", State{Done: done("failed", "03:05", "risk", "10:05", "spray", "03:00")}, "failed@08:05 failed skips 4"},
		{"no overlap", State{Done: done("failed", "08:05", "risk", "08:05", "spray", "03:00"),
			Running: map[string]bool{"failed": true}}, ""},
		{"waits before a retry", State{Done: done("failed", "09:05", "risk", "09:05", "spray", "03:00"),
			Failed: map[string]Failure{"failed": {At: ts("2026-11-24 10:05"), Retry: ts("2026-11-24 10:07")}}}, ""},
	} {
		if got := planText(PlanAt(now, resolved, c.s)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCyclesAndUnknownUpstreamsLeaveOthersAlone(t *testing.T) {
	ok, errs := Resolve([]Job{
		{Name: "a", After: []string{"b"}}, {Name: "b", After: []string{"a"}},
		{Name: "c", After: []string{"nobody"}}, {Name: "d", Cron: mustParse(t, "* * * * *", "")}, {Name: "e"},
	})
	if len(ok) != 1 || ok[0].Name != "d" || len(errs) != 4 {
		t.Errorf("jobs %v, errors %v", ok, errs)
	}
}

func TestSchedulerRunsInOrderRetriesAndDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var log []string
		attempts := 0
		began := time.Now() // midnight 2000-01-01 UTC
		jobs, errs := Resolve([]Job{{Name: "up", Cron: mustParse(t, "5 * * * *", ""), CatchUp: 5},
			{Name: "down", After: []string{"up"}, CatchUp: 5}})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		running := map[string]int{}
		s := New(Options{
			Jobs: func() []Job { return jobs }, Workers: 2,
			Run: func(ctx context.Context, d Due) error {
				mu.Lock()
				running[d.Job]++
				if running[d.Job] > 1 {
					t.Errorf("%s overlaps itself", d.Job)
				}
				log = append(log, d.Job+"@"+d.At.Format("15:04"))
				fail := d.Job == "up" && d.At.Hour() == 1 && attempts < 1
				if fail {
					attempts++
				}
				mu.Unlock()
				time.Sleep(10 * time.Second)
				mu.Lock()
				running[d.Job]--
				mu.Unlock()
				if fail {
					return errors.New("not today")
				}
				return nil
			},
		})
		s.Resume(map[string]time.Time{"up": began, "down": began})
		ctx, cancel := context.WithCancel(t.Context())
		finished := make(chan error, 1)
		go func() { finished <- s.Run(ctx) }()
		time.Sleep(2*time.Hour + 5*time.Minute + 5*time.Second) // in the middle of up@02:05
		cancel()
		if err := <-finished; err != nil {
			t.Error(err)
		}
		if running["up"] != 0 {
			t.Error("Run returned before its runs had ended")
		}
		want := "up@00:05 down@00:05 up@01:05 up@01:05 down@01:05 up@02:05"
		if got := strings.Join(log, " "); got != want {
			t.Errorf("ran %s, want %s", got, want)
		}
	})
}

// TestARunWaitsForWhatIsAway: an outage of hours gives no logical time up.
func TestARunWaitsForWhatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now() // midnight
		back := began.Add(3*time.Hour + 30*time.Minute)
		var log []string
		s := New(Options{
			Jobs: func() []Job { return []Job{{Name: "a", Cron: mustParse(t, "5 * * * *", ""), CatchUp: 24}} },
			Run: func(_ context.Context, d Due) error {
				if time.Now().Before(back) {
					return fmt.Errorf("%w: no tier", ErrWait)
				}
				log = append(log, d.At.Format("15:04"))
				return nil
			},
		})
		s.Resume(map[string]time.Time{"a": began})
		ctx, cancel := context.WithCancel(t.Context())
		finished := make(chan error, 1)
		go func() { finished <- s.Run(ctx) }()
		time.Sleep(back.Add(time.Minute).Sub(began))
		cancel()
		if err := <-finished; err != nil {
			t.Error(err)
		}
		if got := strings.Join(log, " "); got != "00:05 01:05 02:05 03:05" {
			t.Errorf("ran %s", got)
		}
	})
}
