package memory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/test/daemonproc"
)

// trial is one data directory and its daemons.
type trial struct {
	o      options
	dir    string
	bin    string
	daemon *daemonproc.Daemon
}

const (
	natsStore   = "64MiB" // what the stream may hold: then it pushes back to those who publish
	drainWithin = 5 * time.Minute
	leastPart   = 5 * time.Second // a batch is committed in less
	signalAfter = 2 * time.Second // of load, before the daemon is ended the second time
)

func (t *trial) run(ctx context.Context) (r *result, err error) {
	if err := t.prepare(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.daemon.Close()) }()
	r = &result{}
	l := newLoad(t)
	if err := t.underLoad(ctx, l, r); err != nil {
		return nil, fmt.Errorf("under load: %w", err)
	}
	if err := t.twoSignals(ctx, l, r); err != nil {
		return nil, fmt.Errorf("end with two signals: %w", err)
	}
	if err := t.count(ctx, l, r); err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	return r, nil
}

// underLoad does everything at once, then ends the daemon while it goes on.
func (t *trial) underLoad(ctx context.Context, l *load, r *result) error {
	d, err := t.start(ctx)
	if err != nil {
		return err
	}
	defer d.Kill()
	stop := l.start(ctx, true)
	defer stop()
	if err := t.watch(ctx, d, r); err != nil {
		return err
	}
	began := time.Now()
	if err := end(ctx, d, grace+secondSignal); err != nil {
		return err
	}
	r.drain = time.Since(began)
	stop()
	l.report(r)
	fmt.Printf("under load: at most %d MiB resident, of which %d MiB of no file, %.0f events/s into tables, ended "+
		"after %s\n", r.peak>>20, r.anonymous>>20, r.rate, r.drain.Round(100*time.Millisecond))
	return l.failed()
}

// watch measures memory and ingest while the load lasts.
func (t *trial) watch(ctx context.Context, d *daemonproc.Process, r *result) error {
	parts := max(1, int(t.o.load/leastPart))
	if err := t.firstCommit(ctx, d); err != nil {
		return err
	}
	began, first := time.Now(), uint64(0)
	var last uint64
	lastAt := began
	for part := range parts {
		until := began.Add(t.o.load / time.Duration(parts) * time.Duration(part+1))
		for time.Now().Before(until) {
			if err := measure(d, r); err != nil {
				return err
			}
			if err := daemonproc.Pause(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
		st, err := t.daemon.Client().Status(ctx)
		if err != nil {
			return fmt.Errorf("ask the daemon: %w", err)
		}
		now, at := st.Sources[0].Events, time.Now()
		if part == 0 {
			r.slowest = float64(now) / at.Sub(began).Seconds()
		}
		r.slowest = min(r.slowest, float64(now-last)/at.Sub(lastAt).Seconds())
		r.rate = float64(now-first) / at.Sub(began).Seconds()
		last, lastAt = now, at
	}
	return measure(d, r)
}

func (t *trial) firstCommit(ctx context.Context, d *daemonproc.Process) error {
	return t.until(ctx, d, func(st serve.Status) bool { return st.Sources[0].Events > 0 })
}

// until waits for a state of the daemon.
func (t *trial) until(ctx context.Context, d *daemonproc.Process, reached func(serve.Status) bool) error {
	ctx, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	for {
		if err := d.Alive(); err != nil {
			return err
		}
		st, err := t.daemon.Client().Status(ctx)
		if err != nil {
			return fmt.Errorf("ask the daemon: %w", err)
		}
		if len(st.Sources) == 1 && reached(st) {
			return nil
		}
		if err := daemonproc.Pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// twoSignals ends the daemon at once while events are published.
func (t *trial) twoSignals(ctx context.Context, l *load, r *result) error {
	d, err := t.start(ctx)
	if err != nil {
		return err
	}
	defer d.Kill()
	stop := l.start(ctx, false)
	defer stop()
	if err := daemonproc.Pause(ctx, signalAfter); err != nil {
		return err
	}
	r.leave, err = leave(ctx, d, t.drains)
	return err
}

// drains is how often a daemon has said that it drains.
func (t *trial) drains() (int, error) {
	text, err := os.ReadFile(t.daemon.LogFile())
	if err != nil {
		return 0, fmt.Errorf("read the daemon's log: %w", err)
	}
	return strings.Count(string(text), "draining (once more"), nil
}

// count lets a daemon take what is still in the stream, counts, verifies, and
// ends it.
func (t *trial) count(ctx context.Context, l *load, r *result) error {
	d, err := t.start(ctx)
	if err != nil {
		return err
	}
	defer d.Kill()
	last, err := t.streamEnd(ctx)
	if err != nil {
		return err
	}
	if err := t.until(ctx, d, func(st serve.Status) bool { return st.Sources[0].Committed >= last }); err != nil {
		return fmt.Errorf("take the rest of the stream: %w", err)
	}
	if err := measure(d, r); err != nil {
		return err
	}
	if err := t.tally(ctx, l, r); err != nil {
		return err
	}
	out, err := t.daemon.Lakeward(ctx, "verify")
	if err != nil {
		return fmt.Errorf("lakeward verify: %w\n%s", err, out)
	}
	fmt.Print(lastLines(out, 2))
	return end(ctx, d, grace+secondSignal)
}

// tally compares what is in the lake with what the stream acknowledged. A
// publisher that failed does not know of its last messages, so that there may
// be more.
func (t *trial) tally(ctx context.Context, l *load, r *result) error {
	tables, err := t.daemon.Client().Tables(ctx)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	var rows, distinct int64
	for _, table := range tables {
		name, ok := strings.CutPrefix(table.Name, "lake.")
		switch {
		case !ok:
			continue
		case name == "ingest_skipped":
			if r.again, err = t.again(ctx); err != nil {
				return err
			}
			continue
		case name == "quarantine":
			r.quarantined = table.Rows
		}
		// Ids are counted a part at a time: all of them at once would be what this
		// test shows to be refused.
		const parts = 4
		for part := range parts {
			n, d, err := t.two(ctx, fmt.Sprintf("SELECT count(*) AS n, count(DISTINCT event_id) AS d FROM lake.%q WHERE "+
				"hash(event_id) %% %d = %d", name, parts, part))
			if err != nil {
				return fmt.Errorf("count lake.%s: %w", name, err)
			}
			rows, distinct = rows+n, distinct+d
		}
	}
	if r.merges, err = t.merges(ctx, tables); err != nil {
		return err
	}
	r.published = l.published()
	r.lost = max(0, r.published-r.again-distinct)
	r.repeated = rows - distinct
	return nil
}

// again counts the events that the stream took twice, because the answer to the
// first time came too late for who published.
func (t *trial) again(ctx context.Context) (int64, error) {
	_, events, err := t.two(ctx, fmt.Sprintf("SELECT count(*) AS n, CAST(coalesce(sum(CASE WHEN message_id LIKE "+
		"'lines-%%' THEN %d ELSE 1 END), 0) AS BIGINT) AS d FROM lake.ingest_skipped WHERE message_id <> ''", linesEvents))
	if err != nil {
		return 0, fmt.Errorf("count lake.ingest_skipped: %w", err)
	}
	return events, nil
}

// merges counts the latest snapshots that replaced files.
func (t *trial) merges(ctx context.Context, tables []serve.Table) (n int64, err error) {
	for _, table := range tables {
		d, err := t.daemon.Client().Describe(ctx, table.Name)
		if err != nil {
			return 0, fmt.Errorf("describe %s: %w", table.Name, err)
		}
		for _, s := range d.Snapshots {
			if s.Operation == "replace" || s.Operation == "overwrite" {
				n++
			}
		}
	}
	return n, nil
}

// prepare configures the daemon.
func (t *trial) prepare() (err error) {
	pipelines := filepath.Join(t.dir, "pipelines")
	if err := os.MkdirAll(pipelines, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(pipelines, "heavy.yaml"), []byte(heavyPipeline), 0o600); err != nil {
		return fmt.Errorf("write pipeline: %w", err)
	}
	t.daemon, err = daemonproc.New(daemonproc.Options{Bin: t.bin, Dir: t.dir, Pipelines: pipelines, Env: []string{
		fmt.Sprintf("LAKEWARD_MEMORY_BUDGET=%dMiB", t.o.budget>>20), "LAKEWARD_SHUTDOWN_GRACE=" + grace.String(),
		"LAKEWARD_NATS_EMBEDDED_MAX_BYTES=" + natsStore, "LAKEWARD_LAKE_MAINTENANCE_EVERY=2s",
		"LAKEWARD_QUERY_TIMEOUT=5s", "LAKEWARD_QUERY_MAX_BYTES=64MiB", "LAKEWARD_QUERY_MAX_SPILL=512MiB",
		"LAKEWARD_QUERY_MAX_WAITING=2"}})
	return err
}

func lastLines(text string, n int) string {
	lines := strings.SplitAfter(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "") + "\n"
}

// workers are goroutines that end together.
type workers struct {
	wg     sync.WaitGroup
	cancel context.CancelFunc
}

func (w *workers) stop() {
	w.cancel()
	w.wg.Wait()
}
