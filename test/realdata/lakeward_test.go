package realdata

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

const (
	patience = 3 * time.Minute
	interval = 200 * time.Millisecond
)

// lakeward is the binary on a data directory.
type lakeward struct {
	env    []string
	data   string
	daemon *exec.Cmd
	log    *safeBuffer
}

// newLakeward puts the example configurations of all kinds together.
func newLakeward(t *testing.T, kinds []kind) *lakeward {
	t.Helper()
	dir := t.TempDir()
	var sources []any
	for _, k := range kinds {
		text, err := os.ReadFile(filepath.Join("../../examples", k.example+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var example struct{ Sources []any }
		if err := yaml.Unmarshal(text, &example); err != nil {
			t.Fatal(err)
		}
		sources = append(sources, example.Sources...)
	}
	text, err := yaml.Marshal(map[string]any{"sources": sources})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "lakeward.yaml")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	pipelines := filepath.Join(dir, "pipelines.d")
	if err := os.Mkdir(pipelines, 0o750); err != nil {
		t.Fatal(err)
	}
	l := &lakeward{data: filepath.Join(dir, "data")}
	l.env = append(os.Environ(), roleVariable+"=lakeward", "LAKEWARD_CONFIG="+config, "LAKEWARD_DATA_DIR="+l.data,
		"LAKEWARD_PIPELINES_DIR="+pipelines, "LAKEWARD_NATS_EMBEDDED_PORT=-1", "LAKEWARD_HTTP_LISTEN=127.0.0.1:0",
		"LAKEWARD_INGEST_FLUSH_AGE=500ms")
	return l
}

func (l *lakeward) command(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = l.env
	return cmd
}

func (l *lakeward) run(args ...string) (string, error) {
	out, err := l.command(args...).CombinedOutput()
	return string(out), err
}

// csv runs a query of one value.
func (l *lakeward) csv(t *testing.T, sql string) string {
	t.Helper()
	out, err := l.run("query", "-f", "csv", sql)
	if err != nil {
		t.Errorf("%s: %v\n%s", sql, err, out)
	}
	_, rows, _ := strings.Cut(out, "\n")
	return strings.TrimSpace(rows)
}

func (l *lakeward) start(t *testing.T) {
	t.Helper()
	l.log = &safeBuffer{}
	l.daemon = l.command("serve")
	l.daemon.Stderr = l.log
	if err := l.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the daemon's log ends:\n%s", l.log.tail(4000))
		}
		_ = l.daemon.Process.Kill() // it has ended, unless the test failed
	})
	wait(t, "a daemon that is ready", func() (string, bool) {
		out, err := l.run("health", "--ready")
		return fmt.Sprintf("%s %v\n%s", out, err, l.log.tail(2000)), err == nil
	})
}

func (l *lakeward) stop(t *testing.T) {
	t.Helper()
	if err := l.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("stop the daemon: %v\n%s", err, l.log.tail(4000))
	}
	if err := l.daemon.Wait(); err != nil {
		t.Fatalf("the daemon: %v\n%s", err, l.log.tail(4000))
	}
}

func (l *lakeward) until(t *testing.T, want, sql string) {
	t.Helper()
	wait(t, sql+" = "+want, func() (string, bool) {
		out, err := l.run("query", "-f", "csv", sql)
		_, rows, _ := strings.Cut(out, "\n")
		return fmt.Sprintf("%s %v", out, err), err == nil && strings.TrimSpace(rows) == want
	})
}

func wait(t *testing.T, what string, done func() (string, bool)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		state, ok := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s; last seen:\n%s", what, state)
		}
		<-tick.C
	}
}

// safeBuffer is a buffer that a process writes while the test reads.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) tail(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.b.String()
	return text[max(0, len(text)-n):]
}
