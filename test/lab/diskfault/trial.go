package diskfault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/serve"
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
	options := daemonproc.Options{Bin: t.bin, Dir: t.dir, Data: filepath.Join(t.disk.path(), "data"),
		External: !t.embedded, Env: []string{
			"LAKEWARD_INGEST_FLUSH_AGE=150ms", "LAKEWARD_NATS_EMBEDDED_KEEP=0", "LAKEWARD_LAKE_MAINTENANCE_EVERY=500ms",
			"LAKEWARD_LAKE_MAINTENANCE_ORPHANS_EVERY=1s", "LAKEWARD_LAKE_MAINTENANCE_SNAPSHOTS_AGE=0s",
			"LAKEWARD_LAKE_MAINTENANCE_SNAPSHOTS_LEAST=3", "LAKEWARD_LAKE_MAINTENANCE_ORPHAN_GRACE=1m",
			"LAKEWARD_MEMORY_BUDGET=400MiB"}}
	if t.embedded {
		options.Env = append(options.Env, "LAKEWARD_NATS_EMBEDDED_SYNC_INTERVAL=100ms")
	}
	d, err := daemonproc.New(options)
	if err != nil {
		return nil, err
	}
	ends := []func(){func() { _ = d.Close() }}
	stop := func() {
		for i := len(ends) - 1; i >= 0; i-- {
			ends[i]()
		}
	}
	if !t.embedded {
		end, err := d.StartNATS(ctx, 0)
		if err != nil {
			stop()
			return nil, err
		}
		ends = append(ends, end)
	}
	proc, err := d.Start(ctx)
	if err != nil {
		stop()
		return nil, err
	}
	t.d, ends = &daemon{d, proc}, append(ends, proc.Kill)
	if err := d.Ready(ctx, proc); err != nil {
		stop()
		return nil, err
	}
	if t.pub, err = startPublisher(ctx, d.NATS); err != nil {
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
func (t *trial) succeeded(ctx context.Context) (int64, error) {
	return t.d.number(ctx, "SELECT coalesce(max(attempt), 0)::BIGINT AS n FROM analytics.pipeline_runs WHERE status = "+
		"'succeeded'")
}

func (t *trial) runPipeline(ctx context.Context) error {
	return t.d.do(ctx, serve.Command{Noun: "pipeline", Verb: "run", Name: "disk-check",
		Args: map[string]string{"at": "2026-11-03T12:00:00Z"}})
}

// one lets the disk fail in one way, and be well again.
func (t *trial) one(ctx context.Context, f failure) error {
	if err := t.disk.fail(f); err != nil {
		return err
	}
	began := time.Now()
	blocks := f.full || f.fault.only == "" || f.fault.only == classData || f.fault.only == classMetadata ||
		f.fault.only == classCatalog || f.fault.only == classStream
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
		if err := t.d.do(ctx, serve.Command{Noun: "lake", Verb: "orphans"}); err != nil {
			errs = append(errs, "orphans: "+err.Error())
		}
		if err := t.runPipeline(ctx); err != nil {
			errs = append(errs, "pipeline: "+err.Error())
		}
		if spills {
			if _, err := t.d.number(ctx, spillSQL); err != nil {
				errs = append(errs, "query: "+err.Error())
			}
		}
		if err := t.floor(ctx); err != nil {
			return err
		}
		pause(ctx, 200*time.Millisecond)
	}
	if ok, text := t.d.alive(ctx); !ok {
		return fmt.Errorf("it does not answer: %s", text)
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
		if key, _, _ := strings.Cut(s, ":"); !seen[key] {
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
		return err == nil && at >= target && t.pub.last.Load() > target,
			errors.Join(err, fmt.Errorf("committed %d of %d", at, target))
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
	if _, err := t.d.number(ctx, "SELECT count(*) FROM analytics.findings"); err != nil {
		return err
	}
	fmt.Printf("    commits and is ready after %s, pipelines run after %s\n", resumed.Round(10*time.Millisecond),
		time.Since(began).Round(10*time.Millisecond))
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
	if err := t.d.proc.Terminate(ctx); err != nil {
		return fmt.Errorf("end the daemon: %w", err)
	}
	good, err := t.d.Tally(ctx, "SELECT count(*) AS n, count(DISTINCT id) AS d FROM (SELECT id FROM lake.disk_a UNION "+
		"ALL SELECT id FROM lake.disk_b)")
	if err != nil {
		return err
	}
	bad, err := t.d.Tally(ctx, "SELECT count(*) AS n, count(DISTINCT message_id) AS d FROM lake.quarantine")
	if err != nil {
		return err
	}
	t.res.events = int(t.pub.good.Load() + t.pub.bad.Load())
	t.res.lost = t.res.events - good.Distinct - bad.Distinct
	t.res.repeated = good.Rows - good.Distinct + bad.Rows - bad.Distinct
	if out, err := t.d.Lakeward(ctx, "fsck", "--deep"); err != nil {
		return fmt.Errorf("fsck: %w: %s", err, out)
	}
	return nil
}
