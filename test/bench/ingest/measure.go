package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/test/daemonproc"
)

const (
	roleVariable = "LAKEWARD_BENCH_ROLE"
	poll         = time.Second      // an answer costs the daemon some milliseconds, and says when the last commit was
	restAfter    = 20 * time.Second // the drain until memory at rest is read
	giveUp       = 10 * time.Minute
)

// bench runs the measurements of one backlog.
type bench struct {
	options
	store string // of the stream that every run copies
	file  string // the same events, a line each

	config  string                                                // of the daemon; empty: none
	counted func(context.Context, *serve.Client, *measured) error // that all is in the lake
}

// outcome is what a child says at its end.
type outcome struct {
	Events  int     `json:"events"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Bytes   int64   `json:"bytes"`
}

// cpu is the processor time of this process so far, in seconds.
func cpu() (float64, error) {
	d, err := daemonproc.CPU(os.Getpid())
	return d.Seconds(), err
}

func (o outcome) rate() float64 { return float64(o.Events) / o.Seconds }

func (b *bench) fill(ctx context.Context) error {
	began := time.Now()
	o, err := b.child(ctx, roleFill, b.store, b.file, strconv.Itoa(b.events))
	if err != nil {
		return err
	}
	fmt.Printf("%d events of %.0f bytes published in %s\n", o.Events, float64(o.Bytes)/float64(o.Events),
		time.Since(began).Round(time.Millisecond))
	return nil
}

// measure takes each figure once.
func (b *bench) measure(ctx context.Context, i int) (measured, error) {
	var m measured
	dir := filepath.Join(b.dir, "run"+strconv.Itoa(i))
	drained, err := b.drain(ctx, filepath.Join(dir, "drain"))
	if err != nil {
		return m, err
	}
	m.drain, m.drainCPU = drained.rate(), drained.CPU
	if err := b.ingest(ctx, filepath.Join(dir, "data"), &m); err != nil {
		return m, err
	}
	parquet := filepath.Join(dir, "copy.parquet")
	copied, err := b.child(ctx, roleCopy, b.file, parquet)
	if err != nil {
		return m, err
	}
	if copied.Events != b.events {
		return m, fmt.Errorf("DuckDB copied %d events of %d", copied.Events, b.events)
	}
	m.copyCPU = copied.CPU
	m.copy, m.copyBytes = copied.rate(), float64(copied.Bytes)/float64(b.events)
	return m, os.RemoveAll(dir)
}

func (b *bench) drain(ctx context.Context, store string) (outcome, error) {
	if err := os.CopyFS(store, os.DirFS(b.store)); err != nil {
		return outcome{}, fmt.Errorf("copy the stream: %w", err)
	}
	o, err := b.child(ctx, roleDrain, store, strconv.Itoa(b.events), b.profile)
	return o, errors.Join(err, os.RemoveAll(store))
}

// child runs this program in another role and reads its outcome.
func (b *bench) child(ctx context.Context, role string, args ...string) (outcome, error) {
	var o outcome
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &o)
	}
	if err != nil {
		return o, fmt.Errorf("measure %s: %w", role, err)
	}
	return o, nil
}

// ingest runs the daemon on a copy of the backlog until all is committed, and
// a while longer for its memory at rest.
func (b *bench) ingest(ctx context.Context, dataDir string, m *measured) (err error) {
	if err := os.CopyFS(filepath.Join(dataDir, "nats"), os.DirFS(b.store)); err != nil {
		return fmt.Errorf("copy the stream: %w", err)
	}
	d, err := b.startDaemon(ctx, dataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	client := serve.NewClient(d.addr, serve.ClientOptions{})
	began, err := daemonproc.CPU(d.cmd.Process.Pid)
	if err != nil {
		return err
	}
	ended, err := b.await(ctx, client, d)
	if err != nil {
		return err
	}
	used, err := daemonproc.CPU(d.cmd.Process.Pid)
	if err != nil {
		return err
	}
	m.ingestCPU = (used - began).Seconds()
	m.ingestTook = ended.Sub(d.ready)
	m.ingest = float64(b.events) / m.ingestTook.Seconds()
	if m.peakRSS, err = d.memory("VmHWM"); err != nil {
		return err
	}
	if err := wait(ctx, restAfter); err != nil {
		return err
	}
	if m.idleRSS, err = d.memory("VmRSS"); err != nil {
		return err
	}
	if m.idleOwn, err = d.memory("RssAnon"); err != nil {
		return err
	}
	return b.counted(ctx, client, m)
}

// await returns when the last event was committed.
func (b *bench) await(ctx context.Context, c *serve.Client, d *daemonProcess) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	for {
		st, err := c.Status(ctx)
		if err != nil {
			return time.Time{}, fmt.Errorf("ask the daemon: %w\n%s", err, d.tail())
		}
		for _, s := range st.Sources {
			if s.State != "running" && s.State != "waiting" && s.Reason != "not started" {
				return time.Time{}, fmt.Errorf("source %s is %s: %s", s.Name, s.State, s.Reason)
			}
			if s.Committed >= uint64(b.events) {
				return s.LastCommit, nil
			}
		}
		if err := wait(ctx, poll); err != nil {
			return time.Time{}, err
		}
	}
}

// check counts what is in the lake, and its bytes.
func (b *bench) check(ctx context.Context, c *serve.Client, m *measured) error {
	t, err := c.Describe(ctx, "lake.signin")
	if err != nil {
		return fmt.Errorf("describe the table: %w", err)
	}
	m.bytes = float64(t.Bytes) / float64(b.events)
	rows, err := c.Query(ctx, serve.Query{SQL: "SELECT CAST(count(*) AS VARCHAR) || ' ' || CAST(count(DISTINCT " +
		"event_id) AS VARCHAR) AS n FROM lake.signin"})
	if err != nil {
		return fmt.Errorf("count the rows: %w", err)
	}
	defer rows.Release()
	want := fmt.Sprintf("%d %d", b.events, b.events)
	for rows.Next() {
		if got := rows.RecordBatch().Column(0).ValueStr(0); got != want {
			return fmt.Errorf("the lake has %s rows and distinct events, want %s", got, want)
		}
	}
	return rows.Err()
}

// daemonProcess is a running `lakeward serve`.
type daemonProcess struct {
	cmd   *exec.Cmd
	addr  string
	ready time.Time
	log   *lines
}

// startDaemon starts the daemon with its defaults on a directory, and returns
// when it is ready to take events.
func (b *bench) startDaemon(ctx context.Context, dataDir string) (*daemonProcess, error) {
	pipelines := filepath.Join(dataDir, "none.d")
	if err := os.MkdirAll(pipelines, 0o750); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	d := &daemonProcess{log: newLines(), cmd: exec.CommandContext(ctx, "/proc/self/exe", "serve", "--data-dir", dataDir)}
	d.cmd.Env = append(os.Environ(), roleVariable+"="+roleServe, profileVariable+"="+b.profile,
		"LAKEWARD_PIPELINES_DIR="+pipelines, "LAKEWARD_NATS_EMBEDDED_PORT=-1", "LAKEWARD_HTTP_LISTEN=127.0.0.1:0",
		"LAKEWARD_LOG_FORMAT=json")
	if b.config != "" {
		d.cmd.Env = append(d.cmd.Env, "LAKEWARD_CONFIG="+b.config)
	}
	if b.events < shortEvents {
		// So few would wait for the age of a batch that never fills.
		d.cmd.Env = append(d.cmd.Env, "LAKEWARD_INGEST_FLUSH_ROWS="+strconv.Itoa(max(b.events/4, 1)))
	}
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(syscall.SIGTERM) }
	d.cmd.Stderr = d.log
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	select {
	case r := <-d.log.ready:
		d.ready, d.addr = r.Time, strings.TrimPrefix(r.HTTP, "http://")
		return d, nil
	case <-time.After(time.Minute):
		return nil, errors.Join(fmt.Errorf("the daemon is not ready after a minute:\n%s", d.tail()), d.stop())
	}
}

func (d *daemonProcess) tail() string { return d.log.text() }

// stop drains the daemon.
func (d *daemonProcess) stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the daemon: %w", err)
	}
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("the daemon: %w\n%s", err, d.tail())
	}
	return nil
}

// memory reads a line of the process's status, in MiB.
func (d *daemonProcess) memory(field string) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of the daemon: %w", err)
	}
	defer f.Close() // only read
	s := bufio.NewScanner(f)
	for s.Scan() {
		if rest, ok := strings.CutPrefix(s.Text(), field+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 64)
			return kib / 1024, err
		}
	}
	return 0, errors.Join(fmt.Errorf("the daemon's status has no %s", field), s.Err(), io.ErrUnexpectedEOF)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
