package daemonproc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const endsWithin = 90 * time.Second

// Process is a running daemon. It ends with the context that it was started
// with, if not before.
type Process struct {
	Started time.Time

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error
}

// Start starts the daemon, with more of its environment if that is given;
// Ready waits for it.
func (d *Daemon) Start(ctx context.Context, env ...string) (*Process, error) {
	p := &Process{cmd: exec.CommandContext(ctx, d.bin, "serve"), Started: time.Now(), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = slices.Concat(d.env, env), d.log, d.log, d.Dir
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Kill ends the process at once, whatever it does.
func (p *Process) Kill() {
	p.KillSoon()
	<-p.done
}

// KillSoon is Kill that does not wait for the end.
func (p *Process) KillSoon() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended by itself
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Terminate lets the daemon drain, and waits for it.
func (p *Process) Terminate(ctx context.Context) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Wait(ctx, endsWithin)
}

// Signal sends the daemon a signal: SIGTERM asks it to drain.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal the daemon: %w", err)
	}
	return nil
}

// Wait waits for the daemon's end; the error is an *exec.ExitError if it failed.
func (p *Process) Wait(ctx context.Context, within time.Duration) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(within):
		return fmt.Errorf("the daemon still runs after %s", within)
	}
}

// Alive is an error if the daemon has ended.
func (p *Process) Alive() error {
	select {
	case <-p.done:
		return fmt.Errorf("the daemon ended by itself: %w", p.err)
	default:
		return nil
	}
}

// Memory is what a process takes, in bytes.
type Memory struct {
	Resident  int64
	Peak      int64 // of Resident
	Anonymous int64 // of Resident: of no file
}

// Memory is what the process takes, by the kernel's account.
func (p *Process) Memory() (m Memory, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return m, fmt.Errorf("read memory of the daemon: %w", err)
	}
	defer f.Close() // only read
	s := bufio.NewScanner(f)
	for s.Scan() {
		name, rest, _ := strings.Cut(s.Text(), ":")
		into, ok := map[string]*int64{"VmRSS": &m.Resident, "VmHWM": &m.Peak, "RssAnon": &m.Anonymous}[name]
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		if err != nil {
			return m, fmt.Errorf("read memory of the daemon: %s: %w", s.Text(), err)
		}
		*into = kib << 10
	}
	if m.Resident == 0 {
		return m, errors.Join(errors.New("read memory of the daemon: its status does not say"), s.Err())
	}
	return m, nil
}

// ticks a second of the clock that /proc counts in; a constant of the ABI.
const ticks = 100

// CPU is the time that the process has used of all processors.
func (p *Process) CPU() (time.Duration, error) { return CPU(p.Pid()) }

// CPU is the time that a process has used of all processors. Unlike the time
// that passes it hardly depends on what else runs.
func CPU(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	// The name, in parentheses, may hold blanks; user and system time are the
	// 12th and 13th field after it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("read CPU time: /proc/%d/stat is %q", pid, text)
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks, errors.Join(err1, err2)
}

// Files is how many file descriptors the process has open.
func (p *Process) Files() (int, error) {
	d, err := os.Open(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("count files of the daemon: %w", err)
	}
	defer d.Close() // only read
	names, err := d.Readdirnames(-1)
	return len(names), err
}
