package load

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	pipelines "github.com/lakeward/lakeward/pipelines.d"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/test/daemonproc"
)

// soakBudget is the daemon's memory.budget.
const soakBudget = "1GiB"

// What a soak may grow by after it is warm.
const (
	mostDrift  = 10 // percent of resident memory
	shortDrift = 50 // of a soak that is over before caches are full
	shortSoak  = 10 * time.Minute
	mostGrowth = 10 // goroutines, and files
	warmUp     = 0.25
	mostPoints = 800
	tellings   = 40  // lines of progress
	mostDisk   = 0.6 // of what is free
	signins    = "events.signin"
	soakID     = "soak-"
)

// soaking is one soak.
type soaking struct {
	*started
	long time.Duration

	sent    int // events, of all phases
	queries atomic.Int64
	samples []sample
	behind  time.Duration
	loaded  time.Duration // how long the load lasted
	rate    float64       // events a second that were published in that time
}

// soak first measures the top rate, and then publishes at half of it for
// MINUTES, while queries and pipelines run and the lake is maintained. SIGUSR1
// ends the publishing early, and what there is is judged.
func soak(ctx context.Context, dir, bin string) error {
	minutes, err := size("MINUTES", 240)
	if err != nil {
		return err
	}
	s := &soaking{long: time.Duration(minutes) * time.Minute}
	folder := filepath.Join(dir, "pipelines")
	if err := busyPipelines(folder); err != nil {
		return err
	}
	// Without retention of events the lake keeps them all; what merging leaves
	// behind must go soon, or the disk is full of it. What the engine remembers of
	// files grows with the lake up to its share of the budget: a small one is
	// reached before the growth of anything else is looked at.
	s.started, err = start(ctx, daemonproc.Options{Bin: bin, Dir: dir, Pipelines: folder, Env: []string{
		"LAKEWARD_MEMORY_BUDGET=" + soakBudget,
		"LAKEWARD_LAKE_MAINTENANCE_EVERY=" + between(s.long/24, 10*time.Second, 10*time.Minute).String(),
		"LAKEWARD_LAKE_MAINTENANCE_SNAPSHOTS_AGE=5m", "LAKEWARD_LAKE_MAINTENANCE_ORPHAN_GRACE=10m",
		"LAKEWARD_ANALYTICS_RETENTION=1d", "LAKEWARD_PIPELINES_SETTLE=10s"}})
	if err != nil {
		return err
	}
	defer s.abandon()
	top, err := s.top(ctx, between(s.long/20, 10*time.Second, 2*time.Minute))
	if err != nil {
		return err
	}
	rate, err := s.affordable(top / 2)
	if err != nil {
		return err
	}
	figure("soak_top_rate_per_second", fmt.Sprintf("%.0f", top), "events/s")
	figure("soak_rate_per_second", rate, "events/s")
	if err := s.load(ctx, rate); err != nil {
		return err
	}
	return s.judge(ctx)
}

func between(d, least, most time.Duration) time.Duration { return min(max(d, least), most) }

var (
	scheduleLine = regexp.MustCompile(`(?m)^schedule:.*$`)
	settleLine   = regexp.MustCompile(`(?m)^settle:.*$`)
)

// busyPipelines writes the shipped pipelines, made to run every minute.
func busyPipelines(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return fs.WalkDir(pipelines.Files(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, "_test.yaml") {
			return err
		}
		text, err := fs.ReadFile(pipelines.Files(), path)
		if err != nil {
			return err
		}
		text = scheduleLine.ReplaceAll(text, []byte(`schedule: "* * * * *"`))
		text = settleLine.ReplaceAll(text, []byte(`settle: 10s`))
		return os.WriteFile(filepath.Join(folder, path), text, 0o644)
	})
}

// top publishes as fast as the stream takes it for a while, and returns the
// rate at which that was published and committed.
func (s *soaking) top(ctx context.Context, how time.Duration) (float64, error) {
	p, err := connect(ctx, s.NATS)
	if err != nil {
		return 0, err
	}
	began, n := time.Now(), 0
	var buf []byte
	for ; time.Since(began) < how; n++ {
		buf = number(buf, n, time.Now())
		if err := p.Publish(ctx, signins, soakID+strconv.Itoa(n), buf); err != nil {
			return 0, err
		}
	}
	if err := s.stored(ctx, p, n); err != nil {
		return 0, err
	}
	src, err := s.Drained(ctx, uint64(n), catchesUp)
	if err != nil {
		return 0, err
	}
	s.sent = n
	took := src.LastCommit.Sub(began)
	fmt.Printf("flat out: %d events in %s\n", n, took.Round(time.Millisecond))
	return float64(n) / took.Seconds(), nil
}

// stored closes the publisher and makes sure that its events are in the stream.
func (s *soaking) stored(ctx context.Context, p *publisher, n int) error {
	got, err := p.close(ctx)
	if err == nil && (got.Published != int64(n) || got.Duplicates != 0) {
		err = fmt.Errorf("of %d events NATS stored %d and dropped %d as duplicates", n, got.Published, got.Duplicates)
	}
	return err
}

// affordable is the rate, or less of it if the disk could not hold the lake: a
// file is there twice, from its merging until the grace is over.
func (s *soaking) affordable(rate float64) (int, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.Dir, &st); err != nil {
		return 0, fmt.Errorf("ask how much room %s has: %w", s.Dir, err)
	}
	lake, err := bytesBelow(filepath.Join(s.DataDir(), "lake"))
	if err != nil {
		return 0, err
	}
	perEvent := float64(lake) / float64(s.sent)
	room, need := mostDisk*float64(st.Bavail)*float64(st.Bsize), 2*perEvent*rate*s.long.Seconds()
	fmt.Printf("%.0f bytes an event in the lake, so %.1f GiB for all; the disk has %.1f GiB to use\n", perEvent,
		need/(1<<30), room/(1<<30))
	if need > room {
		fmt.Printf("the rate is lowered to %.0f%% of half the top rate, for the disk's sake\n", 100*room/need)
		rate *= room / need
	}
	return max(int(rate), 1), nil
}

func bytesBelow(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil || e.IsDir() {
			return err
		}
		if in, err := e.Info(); err == nil {
			total += in.Size()
		}
		return nil
	})
	return total, err
}

// load publishes at the rate, asks and samples until the time is over.
func (s *soaking) load(ctx context.Context, rate int) error {
	g, work := errgroup.WithContext(ctx)
	work, done := context.WithCancel(work)
	defer done()
	began, first, total := time.Now(), s.sent, rate*int(s.long.Seconds())
	enough, stop := signal.NotifyContext(work, syscall.SIGUSR1)
	defer stop()
	g.Go(func() error {
		defer done()
		p, err := connect(work, s.NATS)
		if err != nil {
			return err
		}
		var buf []byte
		s.behind, err = steadily(enough, rate, total, func(n int) error {
			buf = number(buf, first+n, time.Now())
			s.sent++
			return p.Publish(work, signins, soakID+strconv.Itoa(first+n), buf)
		})
		if early := enough.Err() != nil && work.Err() == nil; err != nil && !early {
			return err
		}
		s.loaded = time.Since(began)
		s.rate = float64(s.sent-first) / s.loaded.Seconds()
		return s.stored(work, p, s.sent-first)
	})
	g.Go(func() error { return until(work, time.Second, s.ask) })
	g.Go(func() error { return until(work, max(s.long/mostPoints, 250*time.Millisecond), s.sample) })
	return g.Wait()
}

// until does something again and again until ctx ends.
func until(ctx context.Context, every time.Duration, do func(context.Context) error) error {
	for ctx.Err() == nil {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		if daemonproc.Pause(ctx, every) != nil {
			return nil
		}
	}
	return nil
}

// questions are what people ask of the newest events, and of all.
var questions = []string{
	"SELECT status, count(*) AS n FROM lake.signin WHERE time > now() - INTERVAL 1 MINUTE GROUP BY ALL",
	"SELECT user.name, count(*) AS n FROM lake.signin WHERE time > now() - INTERVAL 1 MINUTE AND status = 'Failure' " +
		"GROUP BY ALL ORDER BY n DESC LIMIT 10",
	"SELECT count(*) AS n FROM lake.signin",
	"SELECT * FROM lake.signin WHERE time > now() - INTERVAL 10 SECOND LIMIT 100",
	"SELECT pipeline, count(*) AS n FROM analytics.pipeline_runs GROUP BY ALL",
}

func (s *soaking) ask(ctx context.Context) error {
	sql := questions[int(s.queries.Load())%len(questions)]
	rows, err := s.Client().Query(ctx, serve.Query{SQL: sql})
	if err != nil {
		return fmt.Errorf("ask %s: %w", sql, err)
	}
	defer rows.Release()
	for rows.Next() {
	}
	s.queries.Add(1)
	return rows.Err()
}

var goroutines = regexp.MustCompile(`(?m)^go_goroutines ([0-9]+)$`)

func (s *soaking) sample(ctx context.Context) error {
	metrics, err := s.Get(ctx, "/metrics")
	if err != nil {
		return err
	}
	found := goroutines.FindSubmatch(metrics)
	if found == nil {
		return errors.New("the daemon's metrics have no go_goroutines")
	}
	one := sample{at: time.Now()}
	if one.goroutines, err = strconv.Atoi(string(found[1])); err != nil {
		return err
	}
	m, err := s.process.Memory()
	if err != nil {
		return err
	}
	one.rss = m.Resident
	if one.files, err = s.process.Files(); err != nil {
		return err
	}
	s.samples = append(s.samples, one)
	if every := mostPoints / tellings; len(s.samples)%every == 0 {
		fmt.Printf("%s: resident memory %d MiB, %d goroutines, %d files\n",
			one.at.Format(time.TimeOnly), one.rss>>20, one.goroutines, one.files)
	}
	return nil
}

// judge ends the soak and says what grew.
func (s *soaking) judge(ctx context.Context) error {
	if _, err := s.Drained(ctx, uint64(s.sent), catchesUp); err != nil {
		return err
	}
	runs, failed, err := s.runs(ctx)
	if err != nil {
		return err
	}
	t, err := s.Client().Describe(ctx, "lake.signin")
	if err != nil {
		return fmt.Errorf("describe the table: %w", err)
	}
	v, wrong := verify(ctx, s.Daemon)
	if v.Messages == 0 {
		return wrong
	}
	most := mostDrift
	if s.long < shortSoak {
		most = shortDrift
	}
	kept := warm(s.samples, warmUp)
	rssFrom, rssTo := growth(series(kept, func(s sample) float64 { return float64(s.rss) / (1 << 20) }))
	goFrom, goTo := growth(series(kept, func(s sample) float64 { return float64(s.goroutines) }))
	fdFrom, fdTo := growth(series(kept, func(s sample) float64 { return float64(s.files) }))
	top := slices.MaxFunc(s.samples, func(a, b sample) int { return int(a.rss - b.rss) })
	drift := 100 * (rssTo - rssFrom) / max(rssFrom, 1)
	fmt.Printf("%d samples, the last %d count: resident memory from %.0f to %.0f MiB (at most %.0f), goroutines from "+
		"%.0f to %.0f, files from %.0f to %.0f\n",
		len(s.samples), len(kept), rssFrom, rssTo, float64(top.rss)/(1<<20), goFrom, goTo, fdFrom, fdTo)
	fmt.Printf("%d events in %d files of %d MiB, publishing was late by up to %s\n", t.Rows, t.Files, t.Bytes>>20,
		s.behind.Round(time.Millisecond))
	figure("soak_minutes", s.loaded.Minutes(), "minutes")
	figure("soak_published_per_second", s.rate, "events/s")
	figure("soak_events", s.sent, "events")
	figure("soak_queries", s.queries.Load(), "queries")
	figure("soak_pipeline_runs", runs, "runs")
	figure("soak_rss_drift_percent", drift, "%")
	figure("soak_goroutines_growth", goTo-goFrom, "goroutines")
	figure("soak_fds_growth", fdTo-fdFrom, "files")
	figure("soak_lost", max(int64(v.lost()), int64(s.sent)-t.Rows), "events")
	figure("soak_repeated", max(int64(v.repeated()), t.Rows-int64(s.sent)), "events")
	switch {
	case wrong != nil:
		return wrong
	case t.Rows != int64(s.sent):
		return fmt.Errorf("of %d events the lake has %d rows", s.sent, t.Rows)
	case failed != "":
		return fmt.Errorf("pipelines failed: %s", failed)
	case drift > float64(most):
		return fmt.Errorf("resident memory grew by %.1f%%, more than %d%%", drift, most)
	case goTo-goFrom > mostGrowth:
		return fmt.Errorf("there are %.0f goroutines more, which is more than %d", goTo-goFrom, mostGrowth)
	case fdTo-fdFrom > mostGrowth:
		return fmt.Errorf("there are %.0f open files more, which is more than %d", fdTo-fdFrom, mostGrowth)
	}
	return s.end(ctx)
}

// runs counts the pipelines' runs, and says what failed.
func (s *soaking) runs(ctx context.Context) (runs int, failed string, err error) {
	st, err := s.Client().Status(ctx)
	if err != nil {
		return 0, "", fmt.Errorf("ask the daemon: %w", err)
	}
	for _, p := range st.Pipelines {
		if !p.Active || len(p.Problems) > 0 || (p.LastStatus == "failed") {
			failed += fmt.Sprintf("%s (active %t, last run %s, problems %v) ", p.Name, p.Active, p.LastStatus, p.Problems)
		}
	}
	t, err := s.Tally(ctx, "SELECT count(*) AS n, count(DISTINCT pipeline) AS d FROM analytics.pipeline_runs")
	return t.Rows, failed, err
}
