package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/demo"
	"github.com/lakeward/lakeward/pipeline"
	shipped "github.com/lakeward/lakeward/pipelines.d"
	"github.com/lakeward/lakeward/serve"
)

// demoMarker names the file that says that a directory is a demo's, and may be
// emptied for the next.
const demoMarker = "this-is-a-lakeward-demo"

// riskiest is how many of the riskiest entities must hold every taken-over user.
const riskiest = 20

type demoFlags struct {
	once   bool
	seed   uint64
	events int
	end    string
}

func demoCommand() entry {
	var o demoFlags
	return local{
		path: "demo", args: none(), short: "Start the daemon on a fresh directory with a month of events and planted attacks",
		long: "Starts the daemon on a fresh directory (./demo-data, or --data-dir), publishes a seeded month of\n" +
			"sign-ins with planted attacks, runs every shipped pipeline at its logical times across the month,\n" +
			"and prints what was planted, found, missed and raised for nothing. The daemon then goes on.",
		example: "  lakeward demo --once\n  lakeward demo --seed 7",
		flags: func(f *pflag.FlagSet) {
			f.BoolVar(&o.once, "once", false, "exit when done, on free ports")
			f.Uint64Var(&o.seed, "seed", 1, "of the generated month")
			f.IntVar(&o.events, "events", 1_000_000, "how many, about")
			f.StringVar(&o.end, "end", "", "end of the month, such as 2026-11-24T00:00:00Z (default: this hour)")
		},
		drains: true,
		run: func(ctx context.Context, c *cli, _ []string) error {
			cfg, err := c.demoConfig(o.once)
			if err != nil {
				return err
			}
			return c.runDemo(ctx, cfg, o)
		},
	}
}

// demoConfig is the configuration with a directory of the demo's own.
func (c *cli) demoConfig(once bool) (config.Config, error) {
	if c.dataDir == "" {
		c.dataDir = "./demo-data"
	}
	if once {
		c.env = append(c.env[:len(c.env):len(c.env)], "LAKEWARD_NATS_EMBEDDED_PORT=-1", "LAKEWARD_HTTP_LISTEN=127.0.0.1:0")
	}
	cfg, err := c.load()
	if err != nil {
		return cfg, err
	}
	if cfg.NATS.External() {
		return cfg, fmt.Errorf("%w: the demo has a NATS server of its own; unset nats.url", errUsage)
	}
	if err := freshDemoDir(cfg.DataDir); err != nil {
		return cfg, err
	}
	if _, err := os.Stat(cfg.Pipelines.Dir); errors.Is(err, os.ErrNotExist) {
		cfg.Pipelines.Dir = filepath.Join(cfg.DataDir, "pipelines.d")
		return cfg, unpack(cfg.Pipelines.Dir, shipped.Files())
	}
	return cfg, nil
}

// freshDemoDir makes an empty directory. It empties none but a demo's.
func freshDemoDir(dir string) error {
	marker := filepath.Join(dir, demoMarker)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for an earlier demo: %w", err)
	}
	if len(entries) > 0 {
		if _, err := os.Stat(marker); err != nil {
			return fmt.Errorf("%s is not empty and no earlier demo's: give another --data-dir", dir)
		}
		if _, running, err := daemon.Find(dir); err != nil || running {
			return errors.Join(fmt.Errorf("a daemon has %s: stop it, or give another --data-dir", dir), err)
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove the earlier demo: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make directory of the demo: %w", err)
	}
	if err := os.WriteFile(marker, []byte("lakeward demo may empty this directory\n"), 0o640); err != nil {
		return fmt.Errorf("mark directory of the demo: %w", err)
	}
	return nil
}

func unpack(dir string, files fs.FS) error {
	if err := os.CopyFS(dir, files); err != nil {
		return fmt.Errorf("unpack the shipped pipelines: %w", err)
	}
	return nil
}

func (c *cli) runDemo(ctx context.Context, cfg config.Config, f demoFlags) (err error) {
	end := time.Now().UTC()
	if f.end != "" {
		if end, err = time.Parse(time.RFC3339, f.end); err != nil {
			return fmt.Errorf("%w: end %q is not a time; write it like 2026-11-24T00:00:00Z", errUsage, f.end)
		}
	}
	began := time.Now()
	a, err := daemon.Start(ctx, cfg, c.quietLogger(cfg), c.commands)
	if err != nil {
		return err
	}
	if err := emptyTier(ctx, cfg, a); err != nil {
		return errors.Join(err, a.Close())
	}
	actx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- a.Run(actx, daemon.RunOptions{Unscheduled: true}) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	d := &demoRun{Daemon: a, dir: cfg.DataDir, pipelines: cfg.Pipelines.Dir, out: c.Out, began: began}
	if err := d.all(ctx, demo.Options{Seed: f.seed, End: end, Events: f.events}); err != nil || f.once {
		return err
	}
	fmt.Fprintf(c.Out, "\nThe daemon goes on (Ctrl-C ends it): %s, NATS at %s\n", a.HTTPURL(), a.NATSURL())
	<-ctx.Done()
	return nil
}

// emptyTier refuses a PostgreSQL that has findings: the planted attacks would be
// among them.
func emptyTier(ctx context.Context, cfg config.Config, a *daemon.Daemon) error {
	if !cfg.Analytics.External() {
		return nil
	}
	tables, err := a.Analytics(ctx)
	if err == nil && len(tables) > 0 {
		err = fmt.Errorf("%w: the database of analytics.url has analytics tables already, and the demo would add planted "+
			"attacks: unset it, or give an empty database", errUsage)
	}
	return err
}

// demoRun is one demo on a running daemon.
type demoRun struct {
	*daemon.Daemon
	dir       string // of its data
	pipelines string // directory
	out       io.Writer
	began     time.Time
}

func (d *demoRun) all(ctx context.Context, o demo.Options) error {
	truth, err := d.ingest(ctx, o)
	if err != nil {
		return err
	}
	if err := d.replay(ctx, truth); err != nil {
		return err
	}
	return d.judge(ctx, truth)
}

// ingest publishes the month and waits until all of it is in the lake.
func (d *demoRun) ingest(ctx context.Context, o demo.Options) (demo.Truth, error) {
	fmt.Fprintf(d.out, "publishing a month of events (seed %d) to %s ...\n", o.Seed, d.NATSURL())
	began := time.Now()
	p, err := d.NATS().Publisher(ctx)
	if err != nil {
		return demo.Truth{}, err
	}
	sent := 0
	truth, err := demo.Generate(o, func(subject, msgID string, _ time.Time, json []byte) error {
		sent++
		return p.Publish(ctx, subject, msgID, json)
	})
	stats, perr := p.Close(ctx)
	if err = errors.Join(err, perr); err != nil {
		return truth, fmt.Errorf("publish the month: %w", err)
	}
	published := time.Since(began)
	if err := d.CaughtUp(ctx); err != nil {
		return truth, err
	}
	took := time.Since(began)
	fmt.Fprintf(d.out, "%d events of %d users published in %s (%.0f/s, %d repeats), in the lake after %s (%.0f/s)\n", sent,
		truth.Users,
		published.Round(time.Millisecond), float64(sent)/published.Seconds(), stats.Duplicates, took.Round(time.Millisecond),
		float64(sent)/took.Seconds())
	return truth, nil
}

// replay runs the active pipelines at their logical times across the month.
func (d *demoRun) replay(ctx context.Context, t demo.Truth) error {
	g := d.Pipelines()
	ds := g.List()
	if len(ds) == 0 {
		return fmt.Errorf("there is no good pipeline in %s: look with `lakeward pipeline lint`", d.pipelines)
	}
	clocks, errs := pipeline.Clocks(ds)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "running %d pipelines at their logical times from %s to %s ...\n", len(ds),
		daemon.TimeText(t.Start), daemon.TimeText(t.End))
	began := time.Now()
	tally := &runTally{runs: map[string]int{}, spent: map[string]time.Duration{}}
	for _, stage := range stages(ds) {
		work, wctx := errgroup.WithContext(ctx)
		work.SetLimit(runtime.GOMAXPROCS(0))
		for _, p := range stage {
			work.Go(func() error {
				return d.Runner().Backfill(wctx, []*pipeline.Definition{p}, clocks, t.Start, t.End.Add(time.Hour), tally.add)
			})
		}
		if err := work.Wait(); err != nil {
			return fmt.Errorf("run the pipelines across the month: %w", err)
		}
	}
	for _, p := range ds {
		if n := tally.runs[p.Name]; n > 0 {
			fmt.Fprintf(d.out, "  %-20s %4d runs, %s each\n", p.Name, n,
				(tally.spent[p.Name] / time.Duration(n)).Round(time.Millisecond))
		}
	}
	fmt.Fprintf(d.out, "all runs took %s\n\n", time.Since(began).Round(time.Millisecond))
	return nil
}

// stages are those that read events, which may run side by side, and then
// those that read what the others have found.
func stages(ds []*pipeline.Definition) [][]*pipeline.Definition {
	out := make([][]*pipeline.Definition, 2)
	for _, d := range ds {
		i := 0
		if len(d.ReadsAnalytics) > 0 || len(d.After) > 0 {
			i = 1
		}
		out[i] = append(out[i], d)
	}
	return out
}

// runTally counts runs of several pipelines at once.
type runTally struct {
	mu    sync.Mutex
	runs  map[string]int
	spent map[string]time.Duration
}

func (t *runTally) add(r pipeline.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs[r.Pipeline]++
	t.spent[r.Pipeline] += r.Duration
}

// judge compares what was found with what was planted, and prints both.
func (d *demoRun) judge(ctx context.Context, t demo.Truth) error {
	found, err := d.findings(ctx)
	if err != nil {
		return err
	}
	ranked, err := d.ranked(ctx)
	if err != nil {
		return err
	}
	r := demo.Score(t, found)
	r.RankRisk(ranked, riskiest)
	if err := r.Print(d.out); err != nil {
		return err
	}
	if err := d.writeTruth(t); err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.out, `
Where to look next (add --data-dir %s):
  lakeward query "SELECT time, entity, score, reason FROM analytics.findings ORDER BY score DESC LIMIT 20"
  lakeward query "SELECT * FROM analytics.entity_risk ORDER BY score DESC LIMIT 20"
  lakeward explain FINDING_ID
  lakeward verify
figure: demo_recall %.3f ratio
figure: demo_precision %.3f ratio
figure: demo_seconds %.1f s
`, d.dir, r.Recall(), r.Precision(), time.Since(d.began).Seconds())
	return err
}

func (d *demoRun) writeTruth(t demo.Truth) (err error) {
	f, err := os.Create(filepath.Join(d.dir, "truth.json"))
	if err != nil {
		return fmt.Errorf("write what was planted: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = t.WriteTo(f)
	return err
}

// findings are read the way that anybody would.
func (d *demoRun) findings(ctx context.Context) ([]demo.Finding, error) {
	var out []demo.Finding
	err := d.each(ctx, `SELECT pipeline, detector, entity_type, entity, score, severity,
		epoch_us("time") AS t, epoch_us(window_start) AS ws, epoch_us(window_end) AS we FROM analytics.findings`, func(r row) {
		out = append(out, demo.Finding{
			Pipeline: r.text("pipeline"), Detector: r.text("detector"), EntityType: r.text("entity_type"),
			Entity: r.text("entity"),
			Score:  r.double("score"), Severity: r.text("severity"),
			Time: r.micros("t"), WindowStart: r.micros("ws"), WindowEnd: r.micros("we"),
		})
	})
	return out, err
}

// ranked are the entities by their last risk.
func (d *demoRun) ranked(ctx context.Context) ([]string, error) {
	var out []string
	err := d.each(ctx, `SELECT entity FROM analytics.entity_risk WHERE entity_type LIKE '%user%'
		QUALIFY row_number() OVER (PARTITION BY entity ORDER BY _window_end DESC) = 1 ORDER BY score DESC, entity`, func(r row) {
		out = append(out, r.text("entity"))
	})
	return out, err
}

// each runs a query through the daemon's own backend.
func (d *demoRun) each(ctx context.Context, sql string, f func(row)) error {
	rows, err := d.Backend().Query(ctx, serve.Query{SQL: sql})
	if err != nil {
		return err
	}
	defer rows.Release()
	for rows.Next() {
		b := rows.RecordBatch()
		for i := range int(b.NumRows()) {
			f(row{b, i})
		}
	}
	return rows.Err()
}
