package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
)

const (
	natsRole    = "nats-server"
	readyWithin = 90 * time.Second
	stillWithin = 3 * time.Minute // without progress, the daemon does not catch up
)

// prepare picks ports and the environment. Batches are small, so that kills
// meet every part of a commit.
func (t *trial) prepare() error {
	if err := os.MkdirAll(filepath.Join(t.dir, "pipelines"), 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	var err error
	if t.log, err = os.Create(filepath.Join(t.dir, "daemon.log")); err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	natsPort, err := freePort()
	if err != nil {
		return err
	}
	httpPort, err := freePort()
	if err != nil {
		return err
	}
	t.natsURL = fmt.Sprintf("nats://127.0.0.1:%d", natsPort)
	t.http = fmt.Sprintf("127.0.0.1:%d", httpPort)
	t.env = append(os.Environ(), "LAKEWARD_DATA_DIR="+filepath.Join(t.dir, "data"), "LAKEWARD_HTTP_LISTEN="+t.http,
		"LAKEWARD_PIPELINES_DIR="+filepath.Join(t.dir, "pipelines"), "LAKEWARD_INGEST_FLUSH_AGE=150ms", "LAKEWARD_INGEST_FLUSH_ROWS=500",
		"LAKEWARD_NATS_EMBEDDED_KEEP=1000",
		"LAKEWARD_LAKE_MAINTENANCE_EVERY=300ms", "LAKEWARD_LAKE_MAINTENANCE_SNAPSHOTS_AGE=0s", "LAKEWARD_LAKE_MAINTENANCE_SNAPSHOTS_LEAST=3",
		"LAKEWARD_LAKE_MAINTENANCE_ORPHAN_GRACE=1m")
	if t.external {
		t.env = append(t.env, "LAKEWARD_NATS_URL="+t.natsURL)
	} else {
		t.env = append(t.env, fmt.Sprintf("LAKEWARD_NATS_EMBEDDED_PORT=%d", natsPort))
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// process is a daemon. done is closed when it has ended.
type process struct {
	cmd     *exec.Cmd
	started time.Time
	done    chan struct{}
	err     error
}

func (t *trial) start(ctx context.Context) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, t.bin, "serve"), started: time.Now(), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = t.env, t.log, t.log, t.dir
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// kill ends the process at once, whatever it does.
func (p *process) kill() {
	p.signalKill()
	<-p.done
}

func (p *process) signalKill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended by itself
}

// terminate lets the daemon drain.
func (p *process) terminate(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(readyWithin):
		return errors.New("it still runs")
	}
}

// ready waits until the daemon says that it is.
func (t *trial) ready(ctx context.Context, p *process) error {
	deadline := time.Now().Add(readyWithin)
	for time.Now().Before(deadline) {
		select {
		case <-p.done:
			return fmt.Errorf("the daemon ended: %w", p.err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := t.get(ctx, "/readyz"); err == nil {
			return nil
		}
	}
	return errors.New("the daemon is not ready")
}

func (t *trial) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.http+path, nil)
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

// drained waits until everything up to the sequence is committed.
func (t *trial) drained(ctx context.Context, last uint64) error {
	var committed uint64
	deadline := time.Now().Add(stillWithin)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		body, err := t.get(ctx, "/api/v1/status")
		if err != nil {
			return fmt.Errorf("ask the daemon: %w", err)
		}
		var st struct {
			Sources []struct {
				Committed uint64 `json:"committed_seq"`
			} `json:"sources"`
		}
		if err := json.Unmarshal(body, &st); err != nil || len(st.Sources) != 1 {
			return fmt.Errorf("status is %.500s: %w", body, err)
		}
		switch now := st.Sources[0].Committed; {
		case now >= last:
			return nil
		case now > committed:
			committed, deadline = now, time.Now().Add(stillWithin)
		}
		pause(ctx, 100*time.Millisecond)
	}
	return fmt.Errorf("the daemon stays at %d of %d for %s", committed, last, stillWithin)
}

// tally is a count of rows, and of those that differ.
type tally struct{ rows, distinct int }

func (t *trial) tally(ctx context.Context, sql string) (tally, error) {
	out, err := t.lakeward(ctx, "query", "-f", "csv", sql)
	if err != nil {
		return tally{}, fmt.Errorf("lakeward query: %w", err)
	}
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) != 2 {
		return tally{}, fmt.Errorf("answer of lakeward query is %q: %w", out, err)
	}
	n, err1 := strconv.Atoi(rows[1][0])
	d, err2 := strconv.Atoi(rows[1][1])
	return tally{n, d}, errors.Join(err1, err2)
}

// lakeward runs a command and returns what it prints.
func (t *trial) lakeward(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.bin, args...)
	cmd.Env, cmd.Dir = t.env, t.dir
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, errOut.String())
	}
	return out.String(), nil
}

// startNATS starts a NATS server in a process of its own. It ends with the
// function returned, or with this process.
func (t *trial) startNATS(ctx context.Context) (func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	port := t.natsURL[strings.LastIndexByte(t.natsURL, ':')+1:]
	cmd := exec.CommandContext(ctx, self, natsRole, filepath.Join(t.dir, "nats")+":"+port)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	cmd.Stdout, cmd.Stderr = t.log, t.log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	stop := func() {
		_ = in.Close() // that is the sign to end
		_ = cmd.Wait() // what it has to say is in the log
	}
	if err := createStream(ctx, t.natsURL); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// serveNATS is the NATS process: it runs until standard input ends.
func serveNATS(arg string) error {
	dir, portText, _ := strings.Cut(arg, ":")
	port, err := strconv.Atoi(portText)
	if err != nil {
		return fmt.Errorf("port %q: %w", portText, err)
	}
	s, err := jetstream.StartServer(context.Background(), jetstream.ServerOptions{Host: "127.0.0.1", Port: port, StoreDir: dir, SyncInterval: time.Second}, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, s.Close())
}

// createStream makes the stream once the server answers.
func createStream(ctx context.Context, url string) error {
	deadline := time.Now().Add(readyWithin)
	for {
		err := func() error {
			c, err := jetstream.Connect(ctx, jetstream.Options{URL: url}, nil)
			if err != nil {
				return err
			}
			_, err = c.Stream(ctx, "events.>", jetstream.StreamOptions{Name: "EVENTS", Subjects: []string{"events.>"}, Create: true})
			return errors.Join(err, c.Close())
		}()
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		pause(ctx, 50*time.Millisecond)
	}
}
