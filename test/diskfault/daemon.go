package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const patience = 60 * time.Second

// daemon is the real one, in a process of its own. done is closed when it has
// ended, which it never should by itself.
type daemon struct {
	cmd  *exec.Cmd
	http string
	log  *os.File
	done chan struct{}
	err  error
}

func startDaemon(ctx context.Context, bin, dir, listen string, env []string) (*daemon, error) {
	log, err := os.Create(dir + "/daemon.log")
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	d := &daemon{cmd: exec.CommandContext(ctx, bin, "serve"), http: listen, log: log, done: make(chan struct{})}
	d.cmd.Env, d.cmd.Stdout, d.cmd.Stderr, d.cmd.Dir = env, log, log, dir
	if err := d.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the daemon: %w", err), log.Close())
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	return d, nil
}

// kill ends it at once, if it has not ended.
func (d *daemon) kill() {
	_ = d.cmd.Process.Signal(syscall.SIGKILL)
	<-d.done
	_ = d.log.Close()
}

// terminate lets it drain.
func (d *daemon) terminate() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the daemon: %w", err)
	}
	select {
	case <-d.done:
		return d.err
	case <-time.After(patience):
		return errors.New("the daemon does not end")
	}
}

// ask sends a request, and returns the answer with its code.
func (d *daemon) ask(ctx context.Context, method, path string, body any) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+d.http+path, in)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	return res.StatusCode, out, err
}

// ready is whether it says so, and what it says.
func (d *daemon) ready(ctx context.Context) (bool, string) {
	code, body, err := d.ask(ctx, http.MethodGet, "/readyz", nil)
	if err != nil {
		return false, err.Error()
	}
	return code == http.StatusOK, string(body)
}

// committed is the sequence up to which the daemon says that all is committed.
func (d *daemon) committed(ctx context.Context) (uint64, error) {
	_, body, err := d.ask(ctx, http.MethodGet, "/api/v1/status", nil)
	if err != nil {
		return 0, fmt.Errorf("ask for the status: %w", err)
	}
	var st struct {
		Sources []struct {
			Committed uint64 `json:"committed_seq"`
		} `json:"sources"`
	}
	if err := json.Unmarshal(body, &st); err != nil || len(st.Sources) != 1 {
		return 0, fmt.Errorf("status is %.300s: %w", body, err)
	}
	return st.Sources[0].Committed, nil
}

// do carries out a command, and is its error if it fails.
func (d *daemon) do(ctx context.Context, noun, verb, name string, args map[string]string) error {
	code, body, err := d.ask(ctx, http.MethodPost, "/api/v1/do", map[string]any{"noun": noun, "verb": verb, "name": name, "args": args})
	if err != nil {
		return err
	}
	if code != http.StatusOK {
		return fmt.Errorf("%s %s: %d %.500s", noun, verb, code, bytes.TrimSpace(body))
	}
	return nil
}

// query runs SQL and returns the answer as it comes.
func (d *daemon) query(ctx context.Context, sql string) (string, error) {
	code, body, err := d.ask(ctx, http.MethodPost, "/api/v1/query", map[string]any{"sql": sql})
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("query: %d %.500s", code, body)
	}
	return string(body), err
}

// until looks again and again, for as long as the daemon lives.
func (d *daemon) until(ctx context.Context, what string, within time.Duration, look func() (bool, error)) (time.Duration, error) {
	began := time.Now()
	var last error
	for time.Since(began) < within {
		ok, err := look()
		if ok {
			return time.Since(began), nil
		}
		last = err
		select {
		case <-d.done:
			return 0, fmt.Errorf("%w while waiting until %s: %w", errDied, what, d.err)
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return 0, fmt.Errorf("waited %s in vain until %s (%w)", within, what, last)
}

var errDied = errors.New("the daemon ended")
