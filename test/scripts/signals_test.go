package scripts

import (
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// fed are commands that run with a standard input that does not end, by script.
type fed struct {
	mu sync.Mutex
	by map[string]*fedCommand
}

type fedCommand struct {
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	out, err strings.Builder
}

// feed starts a command and gives it a file as the beginning of its standard
// input: feed FILE command...
func (f *fed) feed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: feed FILE command...")
	}
	c := &fedCommand{cmd: exec.Command(args[1], args[2:]...)}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GORACE", "LAKEWARD_DATA_DIR",
		"LAKEWARD_PIPELINES_DIR"} {
		c.cmd.Env = append(c.cmd.Env, name+"="+ts.Getenv(name))
	}
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = ts.MkAbs("."), &c.out, &c.err
	var err error
	c.stdin, err = c.cmd.StdinPipe()
	ts.Check(err)
	ts.Check(c.cmd.Start())
	ts.Defer(func() {
		c.cmd.Process.Kill() // it has ended, as a rule
		c.stdin.Close()
	})
	_, err = io.WriteString(c.stdin, ts.ReadFile(args[0]))
	ts.Check(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = map[string]*fedCommand{}
	}
	f.by[ts.Getenv("WORK")] = c
}

// signal sends a signal to the command that was fed, which must end with an exit
// code: signal INT|TERM CODE
func (f *fed) signal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	f.mu.Lock()
	c := f.by[ts.Getenv("WORK")]
	f.mu.Unlock()
	if neg || len(args) != 2 || signals[args[0]] == 0 || c == nil {
		ts.Fatalf("usage: signal INT|TERM CODE, after feed")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(c.cmd.Process.Signal(signals[args[0]]))
	err = c.cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		ts.Fatalf("%v", err)
	}
	io.WriteString(ts.Stdout(), c.out.String()) // into memory
	io.WriteString(ts.Stderr(), c.err.String()) // into memory
	if got := c.cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code %d, want %d: %s%s", got, want, c.out.String(), c.err.String())
	}
}
