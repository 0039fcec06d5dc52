package daemonproc

import (
	"bufio"
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
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the daemon: %w", err)
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(endsWithin):
		return fmt.Errorf("the daemon still runs %s after SIGTERM", endsWithin)
	}
}

// Memory is the resident memory of the process, in bytes.
func (p *Process) Memory() (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of the daemon: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	s := bufio.NewScanner(f)
	for s.Scan() {
		if rest, ok := strings.CutPrefix(s.Text(), "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kib * 1024, err
		}
	}
	return 0, errors.Join(errors.New("read memory of the daemon: its status has no VmRSS"), s.Err())
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
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
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
	defer d.Close() //nolint:errcheck // only read
	names, err := d.Readdirnames(-1)
	return len(names), err
}
