package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/serve"
)

// process is a daemon. done is closed when it has ended.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// start starts a daemon and waits until it is ready.
func (t *trial) start(ctx context.Context) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, t.bin, "serve"), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = t.env, t.log, t.log, t.dir
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	deadline := time.Now().Add(readyWithin)
	for {
		if err := p.alive(); err != nil {
			return nil, err
		}
		if _, ok, err := t.client().Probe(ctx, true); err == nil && ok {
			return p, nil
		}
		if time.Now().After(deadline) {
			p.kill()
			return nil, errors.New("the daemon is not ready")
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			p.kill()
			return nil, err
		}
	}
}

func (p *process) alive() error {
	select {
	case <-p.done:
		return fmt.Errorf("the daemon ended by itself: %w", p.err)
	default:
		return nil
	}
}

// kill ends the process if it still runs.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it has ended, usually
	<-p.done
}

// terminate ends the daemon with one signal; it must succeed.
func (p *process) terminate(ctx context.Context, within time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("signal the daemon: %w", err)
	}
	if err := p.await(ctx, within); err != nil {
		return err
	}
	if p.err != nil {
		return fmt.Errorf("the daemon drained, and failed: %w", p.err)
	}
	return nil
}

// exitAtOnce is the code of a daemon that left at a second signal.
const exitAtOnce = 130

// leave ends the daemon with two signals, and returns how long it took to go
// after the second. That is sent when the daemon has said that it got the
// first: two at once would be one.
func (p *process) leave(ctx context.Context, said func() (int, error)) (time.Duration, error) {
	before, err := said()
	if err != nil {
		return 0, err
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, fmt.Errorf("signal the daemon: %w", err)
	}
	for n := before; n == before; {
		if err := errors.Join(p.alive(), wait(ctx, time.Millisecond)); err != nil {
			return 0, err
		}
		if n, err = said(); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, fmt.Errorf("signal the daemon again: %w", err)
	}
	if err := p.await(ctx, time.Minute); err != nil {
		return 0, err
	}
	if code := p.cmd.ProcessState.ExitCode(); code != exitAtOnce {
		return 0, fmt.Errorf("after two signals the daemon's exit code is %d, want %d", code, exitAtOnce)
	}
	return time.Since(began), nil
}

func (p *process) await(ctx context.Context, within time.Duration) error {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("the daemon still runs %s after the signal", within)
	}
}

// measure notes the kernel's own record of the largest resident set, and the
// memory that is not backed by files at this moment.
func (p *process) measure(r *result) error {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return errors.Join(fmt.Errorf("measure the daemon: %w", err), p.alive())
	}
	defer f.Close() //nolint:errcheck // only read
	for s := bufio.NewScanner(f); s.Scan(); {
		for field, into := range map[string]*int64{"VmHWM:": &r.peak, "RssAnon:": &r.anonymous} {
			if rest, ok := strings.CutPrefix(s.Text(), field); ok {
				kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
				if err != nil {
					return fmt.Errorf("measure the daemon: %s: %w", s.Text(), err)
				}
				*into = max(*into, kib<<10)
			}
		}
	}
	return nil
}

// lakeward runs a command and returns what it prints.
func (t *trial) lakeward(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.bin, args...)
	cmd.Env, cmd.Dir = t.env, t.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// two asks for two numbers.
func (t *trial) two(ctx context.Context, sql string) (a, b int64, err error) {
	rows, err := t.client().Query(ctx, serve.Query{SQL: sql})
	if err != nil {
		return 0, 0, err
	}
	defer rows.Release()
	n := [2]int64{-1, -1}
	for rows.Next() {
		for i := range n {
			if n[i], err = strconv.ParseInt(rows.RecordBatch().Column(i).ValueStr(0), 10, 64); err != nil {
				return 0, 0, err
			}
		}
	}
	return n[0], n[1], rows.Err()
}

// streamEnd is the last sequence of the stream.
func (t *trial) streamEnd(ctx context.Context) (last uint64, err error) {
	c, err := jetstream.Connect(ctx, jetstream.Options{URL: t.nats}, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	s, err := c.Stream(ctx, subjects, jetstream.StreamOptions{Name: "EVENTS"})
	if err != nil {
		return 0, err
	}
	info, err := s.Info(ctx, subjects)
	return info.Last, err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
