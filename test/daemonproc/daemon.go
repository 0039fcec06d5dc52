// Package daemonproc runs the daemon as people do, as a process of its own, for
// tests that start, kill, ask and measure it.
package daemonproc

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/serve"
)

const (
	readyWithin = 90 * time.Second
	askWithin   = 10 * time.Second
)

// Build builds the daemon below dir and returns the program's path.
func Build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "lakeward")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/lakeward/lakeward")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build the daemon: %w", err)
	}
	return bin, nil
}

// Options describe a daemon.
type Options struct {
	Bin string // of Build
	Dir string // of everything that the daemon and its NATS keep; it is made
	// Data is the data directory; empty: one below Dir.
	Data string
	// External is whether NATS is another process (StartNATS), which survives
	// the daemon. Otherwise it is inside the daemon.
	External bool
	// Pipelines is their folder; empty: one without any.
	Pipelines string
	Env       []string // KEY=VALUE, in addition to addresses and directories, or in their place
}

// Daemon is a configured daemon. It may run as many processes, one after the
// other.
type Daemon struct {
	NATS string // URL
	HTTP string // host:port
	Dir  string

	bin    string
	data   string
	env    []string
	log    *os.File
	client *serve.Client
}

// New picks ports and the environment. Variables of Lakeward that this process
// has are not passed on. The caller closes the Daemon, after its processes.
func New(o Options) (*Daemon, error) {
	d := &Daemon{Dir: o.Dir, bin: o.Bin, data: cmp.Or(o.Data, filepath.Join(o.Dir, "data"))}
	if o.Pipelines == "" {
		o.Pipelines = filepath.Join(o.Dir, "pipelines")
	}
	if err := os.MkdirAll(o.Pipelines, 0o755); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	natsPort, err := FreePort()
	if err != nil {
		return nil, err
	}
	httpPort, err := FreePort()
	if err != nil {
		return nil, err
	}
	d.NATS, d.HTTP = fmt.Sprintf("nats://127.0.0.1:%d", natsPort), fmt.Sprintf("127.0.0.1:%d", httpPort)
	d.client = serve.NewClient(d.HTTP, serve.ClientOptions{})
	own := func(v string) bool { return strings.HasPrefix(v, "LAKEWARD_") }
	d.env = append(slices.DeleteFunc(os.Environ(), own), "LAKEWARD_DATA_DIR="+d.DataDir(), "LAKEWARD_HTTP_LISTEN="+d.HTTP,
		"LAKEWARD_PIPELINES_DIR="+o.Pipelines)
	if o.External {
		d.env = append(d.env, "LAKEWARD_NATS_URL="+d.NATS)
	} else {
		d.env = append(d.env, fmt.Sprintf("LAKEWARD_NATS_EMBEDDED_PORT=%d", natsPort))
	}
	d.env = append(d.env, o.Env...)
	if d.log, err = os.Create(d.LogFile()); err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	return d, nil
}

// FreePort is a port of the loopback address that nobody listened on just now.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// Close closes the log.
func (d *Daemon) Close() error { return d.log.Close() }

// DataDir is the daemon's data directory.
func (d *Daemon) DataDir() string { return d.data }

// LogFile has what the daemon and its NATS say.
func (d *Daemon) LogFile() string { return filepath.Join(d.Dir, "daemon.log") }

// Client asks the daemon as any program would.
func (d *Daemon) Client() *serve.Client { return d.client }

// Ready waits until the daemon says that it is.
func (d *Daemon) Ready(ctx context.Context, p *Process) error {
	deadline := time.Now().Add(readyWithin)
	for time.Now().Before(deadline) {
		select {
		case <-p.done:
			return fmt.Errorf("the daemon ended (see %s): %w", d.LogFile(), p.err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := d.Get(ctx, "/readyz"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the daemon is not ready after %s (see %s)", readyWithin, d.LogFile())
}

// Get is the answer to an HTTP request; anything but 200 is an error.
func (d *Daemon) Get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.HTTP+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", path, res.Status, body)
	}
	return body, err
}

// Source is the state of the daemon's only source.
func (d *Daemon) Source(ctx context.Context) (serve.Source, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	st, err := d.client.Status(ctx)
	if err != nil {
		return serve.Source{}, fmt.Errorf("ask the daemon (see %s): %w", d.LogFile(), err)
	}
	if len(st.Sources) != 1 {
		return serve.Source{}, fmt.Errorf("the daemon has %d sources, not one", len(st.Sources))
	}
	return st.Sources[0], nil
}

// Drained waits until everything up to the stream's sequence is committed, and
// returns the source's state then. It fails if nothing was committed for still.
func (d *Daemon) Drained(ctx context.Context, last uint64, still time.Duration) (serve.Source, error) {
	var committed uint64
	deadline := time.Now().Add(still)
	for {
		s, err := d.Source(ctx)
		switch {
		case err != nil:
			return s, err
		case s.Committed >= last:
			return s, nil
		case s.Committed > committed:
			committed, deadline = s.Committed, time.Now().Add(still)
		case time.Now().After(deadline):
			return s, fmt.Errorf("the daemon committed nothing for %s: it is at sequence %d of %d, %s %s (see %s)", still,
				s.Committed, last, s.State, s.Reason, d.LogFile())
		}
		if err := Pause(ctx, 100*time.Millisecond); err != nil {
			return s, err
		}
	}
}

// Tally is a count of rows, and of those that differ.
type Tally struct{ Rows, Distinct int }

// Tally asks, by the command line, for one row of two numbers.
func (d *Daemon) Tally(ctx context.Context, sql string) (Tally, error) {
	out, err := d.Lakeward(ctx, "query", "-f", "csv", sql)
	if err != nil {
		return Tally{}, fmt.Errorf("lakeward query: %w", err)
	}
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) != 2 {
		return Tally{}, fmt.Errorf("answer of lakeward query is %q: %w", out, err)
	}
	n, err1 := strconv.Atoi(rows[1][0])
	distinct, err2 := strconv.Atoi(rows[1][1])
	return Tally{n, distinct}, errors.Join(err1, err2)
}

// Lakeward runs a command against the daemon and returns what it prints.
func (d *Daemon) Lakeward(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.bin, args...)
	cmd.Env, cmd.Dir = d.env, d.Dir
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, errOut.String())
	}
	return out.String(), nil
}

// Pause waits, or returns why ctx ended.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
