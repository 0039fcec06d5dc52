package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/test/daemonproc"
)

// How long a disk fails, and how soon the daemon must be as it was.
const (
	failFor      = 2 * time.Second
	noticeWithin = 20 * time.Second
	resumeWithin = 30 * time.Second
)

// trial is a daemon on a disk that fails in several ways, one after the other.
type trial struct {
	name     string
	dir      string
	bin      string
	embedded bool // the stream is on the failing disk too
	newDisk  func(ctx context.Context, dir string) (disk, error)
	failures []failure

	disk disk
	d    *daemon
	pub  *publisher
	env  []string
	res  result
}

const pipelineYAML = `name: disk-check
description: Events per user against the users' usual hours.
schedule: "0 0 1 1 *"
steps:
  events:
    read: lake.disk_a
  usual:
    baseline:
      of: events
      entity: user.name
      bucket: 1h
      season: none
      history: 7d
      measures: {events: count(*)}
  unusual:
    anomaly:
      of: usual
      method: robust_z
      threshold: 3
      measures: events
      reason: "{entity} had {events.observed} events, usual are {events.expected}"
write:
  - {from: unusual, to: analytics.findings, mode: merge}
`

func (t *trial) run(ctx context.Context) (_ result, err error) {
	if err := os.MkdirAll(filepath.Join(t.dir, "pipelines"), 0o755); err != nil {
		return t.res, fmt.Errorf("make directory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(t.dir, "pipelines", "disk-check.yaml"), []byte(pipelineYAML), 0o644); err != nil {
		return t.res, fmt.Errorf("write pipeline: %w", err)
	}
	if t.disk, err = t.newDisk(ctx, t.dir); err != nil {
		return t.res, err
	}
	defer func() { err = errors.Join(err, t.disk.close()) }()
	stop, err := t.start(ctx)
	if err != nil {
		return t.res, err
	}
	defer stop()
	for _, f := range t.failures {
		t.res.faults++
		if err := t.one(ctx, f); err != nil {
			if errors.Is(err, errDied) {
				t.res.crashes++
			}
			return t.res, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return t.res, t.count(ctx)
}

// start starts the stream, the daemon and the publishing.
func (t *trial) start(ctx context.Context) (func(), error) {
	natsPort, err := daemonproc.FreePort()
	if err != nil {
		return nil, err
	}
	httpPort, err := daemonproc.FreePort()
	if err != nil {
		return nil, err
	}
	url, listen := fmt.Sprintf("nats://127.0.0.1:%d", natsPort), fmt.Sprintf("127.0.0.1:%d", httpPort)
	t.env = append(os.Environ(), "LAKEWARD_DATA_DIR="+filepath.Join(t.disk.path(), "data"), "LAKEWARD_HTTP_LISTEN="+listen,
		"LAKEWARD_PIPELINES_DIR="+filepath.Join(t.dir, "pipelines"), "LAKEWARD_INGEST_FLUSH_AGE=150ms",
		"LAKEWARD_NATS_EMBEDDED_KEEP=0", "LAKEWARD_LAKE_MAINTENANCE_EVERY=500ms", "LAKEWARD_LAKE_MAINTENANCE_ORPHANS_EVERY=1s", "LAKEWARD_LAKE_MAINTENANCE_SNAPSHOTS_AGE=0s",
		"LAKEWARD_LAKE_MAINTENANCE_SNAPSHOTS_LEAST=3", "LAKEWARD_LAKE_MAINTENANCE_ORPHAN_GRACE=1m", "LAKEWARD_MEMORY_BUDGET=400MiB")
	var ends []func()
	stop := func() {
		for i := len(ends) - 1; i >= 0; i-- {
			ends[i]()
		}
	}
	if t.embedded {
		t.env = append(t.env, fmt.Sprintf("LAKEWARD_NATS_EMBEDDED_PORT=%d", natsPort), "LAKEWARD_NATS_EMBEDDED_SYNC_INTERVAL=100ms")
	} else {
		t.env = append(t.env, "LAKEWARD_NATS_URL="+url)
		s, err := jetstream.StartServer(ctx, jetstream.ServerOptions{Host: "127.0.0.1", Port: natsPort, StoreDir: filepath.Join(t.dir, "nats"), SyncInterval: time.Second}, nil)
		if err != nil {
			return nil, err
		}
		ends = append(ends, func() { _ = s.Close() })
		if err := createStream(ctx, url); err != nil {
			stop()
			return nil, err
		}
	}
	if t.d, err = startDaemon(ctx, t.bin, t.dir, listen, t.env); err != nil {
		stop()
		return nil, err
	}
	ends = append(ends, t.d.kill)
	if _, err := t.d.until(ctx, "it is ready", patience, t.isReady(ctx)); err != nil {
		stop()
		return nil, err
	}
	if t.pub, err = startPublisher(ctx, url); err != nil {
		stop()
		return nil, err
	}
	ends = append(ends, t.pub.cancel)
	if _, err := t.d.until(ctx, "a pipeline has run", patience, t.pipelineRuns(ctx)); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

func createStream(ctx context.Context, url string) error {
	c, err := jetstream.Connect(ctx, jetstream.Options{URL: url}, nil)
	if err != nil {
		return err
	}
	_, err = c.Stream(ctx, "events.>", jetstream.StreamOptions{Name: "EVENTS", Subjects: []string{"events.>"}, Create: true})
	return errors.Join(err, c.Close())
}

func (t *trial) isReady(ctx context.Context) func() (bool, error) {
	return func() (bool, error) {
		ok, text := t.d.ready(ctx)
		return ok, errors.New(strings.TrimSpace(text))
	}
}

// pipelineRuns looks for a run that succeeds now, and says so in the history.
func (t *trial) pipelineRuns(ctx context.Context) func() (bool, error) {
	return func() (bool, error) {
		before, err := t.succeeded(ctx)
		if err != nil {
			return false, err
		}
		if err := t.runPipeline(ctx); err != nil {
			return false, err
		}
		after, err := t.succeeded(ctx)
		return err == nil && after > before, err
	}
}

// succeeded is the last attempt of the run that did, by the history.
func (t *trial) succeeded(ctx context.Context) (int, error) {
	out, err := t.d.query(ctx, "SELECT coalesce(max(attempt), 0) AS n FROM analytics.pipeline_runs WHERE status = 'succeeded'")
	if err != nil {
		return 0, err
	}
	var n int
	for _, field := range strings.FieldsFunc(out, func(r rune) bool { return r < '0' || r > '9' }) {
		if n, err = strconv.Atoi(field); err != nil {
			return 0, fmt.Errorf("attempt is %q: %w", out, err)
		}
	}
	return n, nil
}

func (t *trial) runPipeline(ctx context.Context) error {
	return t.d.do(ctx, "pipeline", "run", "disk-check", map[string]string{"at": "2026-11-03T12:00:00Z"})
}

// one lets the disk fail in one way, and be well again.
func (t *trial) one(ctx context.Context, f failure) error {
	if err := t.disk.fail(f); err != nil {
		return err
	}
	began := time.Now()
	blocks := f.full || f.fault.only == "" || f.fault.only == classData || f.fault.only == classMetadata || f.fault.only == classCatalog || f.fault.only == classStream
	spills := f.fault != nil && (f.fault.only == classSpill || f.fault.only == "" && f.fault.errno == syscall.EIO)
	said := ""
	if blocks {
		_, err := t.d.until(ctx, "it says that it is not ready", noticeWithin, func() (bool, error) {
			ok, text := t.d.ready(ctx)
			said = strings.TrimSpace(text)
			return !ok, errors.New(said)
		})
		if err != nil {
			return err
		}
	}
	noticed := time.Since(began)
	var errs []string
	for time.Since(began) < failFor+noticed {
		if err := t.d.do(ctx, "lake", "orphans", "", nil); err != nil {
			errs = append(errs, "orphans: "+err.Error())
		}
		if err := t.runPipeline(ctx); err != nil {
			errs = append(errs, "pipeline: "+err.Error())
		}
		if spills {
			if _, err := t.d.query(ctx, spillSQL); err != nil {
				errs = append(errs, "query: "+err.Error())
			}
		}
		if err := t.floor(ctx); err != nil {
			return err
		}
		pause(ctx, 200*time.Millisecond)
	}
	if code, _, err := t.d.ask(ctx, http.MethodGet, "/healthz", nil); err != nil || code != http.StatusOK {
		return fmt.Errorf("it does not answer: %d %w", code, err)
	}
	fmt.Printf("%s, %s: not ready after %s: %s\n", t.name, f.name, noticed.Round(10*time.Millisecond), said)
	for _, e := range distinct(errs) {
		fmt.Printf("    %s\n", e)
	}
	return t.resume(ctx, f)
}

const spillSQL = `SELECT count(*) AS n FROM (SELECT a.id, b.event_id, row_number() OVER (ORDER BY b.event_id, a.id) AS r FROM lake.disk_a a, (SELECT event_id FROM lake.disk_b LIMIT 1500) b)`

func distinct(in []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range in {
		if key := strings.SplitN(s, ":", 2)[0]; !seen[key] {
			seen[key] = true
			out = append(out, s)
		}
	}
	return out
}

// floor compares what the stream has dropped with what is committed.
func (t *trial) floor(ctx context.Context) error {
	first, err := t.pub.firstSeq(ctx)
	if err != nil {
		return nil // the stream's own disk fails
	}
	committed, err := t.d.committed(ctx)
	if err != nil {
		return nil // and it says so to whoever asks for readiness
	}
	if first > committed+1 {
		t.res.early++
		fmt.Printf("    the stream begins at %d, and %d is committed\n", first, committed)
	}
	return nil
}

// resume heals the disk and waits until everything works again.
func (t *trial) resume(ctx context.Context, f failure) error {
	if b, ok := t.disk.(*brokenDisk); ok {
		hits := b.fs.hit()
		fmt.Printf("    failed: %v\n", hits)
		if len(hits) == 0 && !f.full {
			return errors.New("nothing was written there: the fault was not tried")
		}
	}
	if err := t.disk.heal(); err != nil {
		return fmt.Errorf("heal the disk: %w", err)
	}
	began, target := time.Now(), t.pub.last.Load()
	if _, err := t.d.until(ctx, "it commits again", patience, func() (bool, error) {
		at, err := t.d.committed(ctx)
		return err == nil && at >= target && t.pub.last.Load() > target, errors.Join(err, fmt.Errorf("committed %d of %d", at, target))
	}); err != nil {
		return err
	}
	if _, err := t.d.until(ctx, "it is ready again", patience, t.isReady(ctx)); err != nil {
		return err
	}
	resumed := time.Since(began)
	t.res.resume = max(t.res.resume, resumed)
	if _, err := t.d.until(ctx, "pipelines run again", patience, t.pipelineRuns(ctx)); err != nil {
		return err
	}
	t.res.findings = max(t.res.findings, time.Since(began))
	if _, err := t.d.query(ctx, "SELECT count(*) FROM analytics.findings"); err != nil {
		return err
	}
	fmt.Printf("    commits and is ready after %s, pipelines run after %s\n", resumed.Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond))
	if resumed > resumeWithin {
		return fmt.Errorf("it resumed after %s only", resumed)
	}
	return nil
}

// count waits until all is committed, and compares the lake with what was
// published.
func (t *trial) count(ctx context.Context) error {
	t.pub.stop()
	last := t.pub.last.Load()
	if _, err := t.d.until(ctx, "all is committed", patience, func() (bool, error) {
		at, err := t.d.committed(ctx)
		return err == nil && at >= last, errors.Join(err, fmt.Errorf("committed %d of %d", at, last))
	}); err != nil {
		return err
	}
	if err := t.d.terminate(); err != nil {
		return fmt.Errorf("end the daemon: %w", err)
	}
	good, goodDistinct, err := t.tally(ctx, "SELECT count(*) AS n, count(DISTINCT id) AS d FROM (SELECT id FROM lake.disk_a UNION ALL SELECT id FROM lake.disk_b)")
	if err != nil {
		return err
	}
	bad, badDistinct, err := t.tally(ctx, "SELECT count(*) AS n, count(DISTINCT message_id) AS d FROM lake.quarantine")
	if err != nil {
		return err
	}
	t.res.events = int(t.pub.good.Load() + t.pub.bad.Load())
	t.res.lost = t.res.events - goodDistinct - badDistinct
	t.res.repeated = good - goodDistinct + bad - badDistinct
	if out, err := t.lakeward(ctx, "fsck", "--deep"); err != nil {
		return fmt.Errorf("fsck: %w: %s", err, out)
	}
	return nil
}

func (t *trial) tally(ctx context.Context, sql string) (n, distinct int, err error) {
	out, err := t.lakeward(ctx, "query", "-f", "csv", sql)
	if err != nil {
		return 0, 0, err
	}
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) != 2 {
		return 0, 0, fmt.Errorf("answer of lakeward query is %q: %w", out, err)
	}
	n, err1 := strconv.Atoi(rows[1][0])
	distinct, err2 := strconv.Atoi(rows[1][1])
	return n, distinct, errors.Join(err1, err2)
}

func (t *trial) lakeward(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.bin, args...)
	cmd.Env, cmd.Dir = t.env, t.dir
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("lakeward %s: %w: %s", args[0], err, errOut.String())
	}
	return out.String(), nil
}
