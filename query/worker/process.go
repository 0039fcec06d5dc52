package worker

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/query"
)

// Argument is what makes the program a worker, alone on its command line.
const Argument = "engine-worker"

// nested is set in a worker's environment. Without it, a program that does not
// call Main would start workers that start workers, without end.
const nested = "LAKEWARD_ENGINE_WORKER"

// Config is how a worker is started.
type Config struct {
	Name   string   // in messages
	Read   []string // directories that it may read; missing ones are left out
	Write  []string // directories that it may change
	Memory int64    // bytes of memory of its own, beyond which it is ended; 0: no limit
	Exe    string   // the program; empty: this one
	Logger *slog.Logger
}

// Process is a worker. It ends with this process, whatever happens.
type Process struct {
	cfg     Config
	cmd     *exec.Cmd
	control *net.UnixConn
	log     *slog.Logger
	began   time.Time

	dialing sync.Mutex // held while control is written to

	mu     sync.Mutex // of reason
	reason *EndedError
	failed *EndedError // once it has ended
	said   tail        // on standard error
	done   chan struct{}
	used   atomic.Int64 // bytes of its own
	lacks  []string     // what the kernel did not offer
}

// reapedWithin is how long a process may take to exit after its channels have
// ended.
const reapedWithin = 5 * time.Second

// Start starts a worker. The caller stops it.
func Start(cfg Config) (*Process, error) {
	if os.Getenv(nested) != "" {
		return nil, errors.New("this program is a worker and does not know it: its main function must begin with " +
			"worker.Divert")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, fmt.Errorf("start an engine worker: %w", err)
	}
	defer func() { _ = theirs.Close() }()
	control, err := connOf(ours)
	if err != nil {
		return nil, fmt.Errorf("start an engine worker: %w", err)
	}
	if cfg.Exe == "" {
		if cfg.Exe, err = os.Executable(); err != nil {
			return nil, errors.Join(fmt.Errorf("start an engine worker: %w", err), control.Close())
		}
	}
	p := &Process{cfg: cfg, control: control, log: cfg.Logger, began: time.Now(), done: make(chan struct{})}
	p.cmd = &exec.Cmd{Path: cfg.Exe, Args: []string{cfg.Exe, Argument}, Env: environment(), ExtraFiles: []*os.File{theirs},
		Stdout: &relay{log: cfg.Logger, name: cfg.Name}, Stderr: &p.said, SysProcAttr: attributes()}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("start an engine worker: %w", err), control.Close())
	}
	p.sacrifice()
	return p, nil
}

// environment returns the variables that a worker needs, and no secrets.
func environment() []string {
	out := []string{nested + "=1", "GOTRACEBACK=none"}
	for _, name := range []string{"GOMAXPROCS", "GODEBUG", "GORACE", "GOCOVERDIR", "LD_LIBRARY_PATH", "PATH", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

func (p *Process) note(err error) {
	e := &EndedError{Reason: p.describe(err)}
	p.mu.Lock()
	if p.reason != nil {
		e = p.reason
	}
	p.failed = e
	p.mu.Unlock()
	_ = p.control.Close()
	close(p.done)
}

// describe says how a process ended that was not ended on purpose.
func (p *Process) describe(err error) string {
	said := p.said.first()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			said = strings.TrimPrefix(ws.Signal().String()+": "+said, ": ")
		}
	}
	if said = strings.TrimSuffix(said, ": "); said == "" {
		said = "it ended by itself"
		if err != nil {
			said = err.Error()
		}
	}
	return fmt.Sprintf("worker %s: %s", p.cfg.Name, said)
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// kill ends the process for a reason; the first one counts.
func (p *Process) kill(why *EndedError) {
	p.mu.Lock()
	if p.reason == nil {
		p.reason = why
	}
	p.mu.Unlock()
	_ = p.cmd.Process.Kill() // it may have ended by itself
}

// distrust ends a process that answered what it should not.
func (p *Process) distrust(err error) error {
	p.kill(&EndedError{Reason: fmt.Sprintf("worker %s answered with something else: %v", p.cfg.Name, err)})
	return p.ended()
}

// ended returns the reason why the process has ended; its channels have ended already.
func (p *Process) ended() error {
	select {
	case <-p.done:
	case <-time.After(reapedWithin):
		p.kill(&EndedError{Reason: fmt.Sprintf("worker %s closed its connection", p.cfg.Name)})
		<-p.done
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// Failed is why the process has ended without being stopped; nil: it has not.
func (p *Process) Failed() *EndedError {
	select {
	case <-p.done:
	default:
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == errStopped {
		return nil
	}
	return p.failed
}

var errStopped = &EndedError{Reason: "it was stopped"}

// Stop ends the process and waits for that. Engines in it should be closed.
func (p *Process) Stop() {
	p.mu.Lock()
	if p.reason == nil {
		p.reason = errStopped
	}
	p.mu.Unlock()
	_ = p.control.Close()
	select {
	case <-p.done:
	case <-time.After(graceful):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// dial opens a channel to the worker.
func (p *Process) dial() (net.Conn, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, fmt.Errorf("connect to an engine worker: %w", err)
	}
	defer func() { _ = theirs.Close() }()
	conn, err := connOf(ours)
	if err != nil {
		return nil, fmt.Errorf("connect to an engine worker: %w", err)
	}
	p.dialing.Lock()
	err = p.control.SetWriteDeadline(time.Now().Add(reapedWithin)) // for one that takes none
	if err == nil {
		_, _, err = p.control.WriteMsgUnix([]byte{0}, syscall.UnixRights(int(theirs.Fd())), nil)
	}
	p.dialing.Unlock()
	if err != nil {
		return nil, errors.Join(p.ended(), conn.Close())
	}
	return conn, nil
}

// Memory is how many bytes the process has of its own, when that was last
// looked at.
func (p *Process) Memory() int64 { return p.used.Load() }

// look looks at the process's memory and ends the process if that is too much.
func (p *Process) look() {
	n, err := ownMemory(p.PID())
	if err != nil {
		return // it has ended, or the system does not say
	}
	p.used.Store(n)
	if p.cfg.Memory > 0 && n > p.cfg.Memory {
		p.kill(tooMuch(n, p.cfg.Memory))
	}
}

func tooMuch(used, limit int64) *EndedError {
	return &EndedError{Reason: fmt.Sprintf("it took %d MiB of memory, and a worker may have %d MiB (a part of "+
		"memory.budget)", used>>20, limit>>20), limit: query.ErrMemory}
}

// socketpair makes two connected sockets that no other process inherits.
func socketpair() (a, b *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "worker"), os.NewFile(uintptr(fds[1]), "worker"), nil
}

// connOf owns f.
func connOf(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("no socket"), c.Close())
	}
	_ = u.SetWriteBuffer(1 << 20) // faster where the system allows it
	return u, nil
}

// tail keeps the beginning of what a process says.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const mostKept = 4 << 10

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b[:min(len(b), max(0, mostKept-t.buf.Len()))])
	return len(b), nil
}

// first returns the first line of a text.
func (t *tail) first() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	line, _, _ := strings.Cut(strings.TrimSpace(t.buf.String()), "\n")
	return line
}
