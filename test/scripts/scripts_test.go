// Package scripts runs the command line as its users do: text scripts against
// the binary, with real daemons on free ports.
package scripts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lakeward/lakeward/cli"
	"github.com/lakeward/lakeward/internal/testcert"
	"github.com/lakeward/lakeward/query/worker"
)

const (
	patience = 90 * time.Second
	interval = 100 * time.Millisecond
)

func TestMain(m *testing.M) {
	worker.Divert()
	testscript.Main(withPostgres{m}, map[string]func(){
		"lakeward": func() {
			os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Environ()))
		},
	})
}

func TestScripts(t *testing.T) {
	pg, running := &postgresCommand{t: t}, &fed{}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROOT", root)
			// The race detector makes each process wait for a second at its end, and a
			// script has dozens.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			e.Setenv("LAKEWARD_DATA_DIR", filepath.Join(e.WorkDir, "data"))
			e.Setenv("LAKEWARD_PIPELINES_DIR", filepath.Join(e.WorkDir, "pipelines.d"))
			e.Setenv("LAKEWARD_NATS_EMBEDDED_PORT", "-1")
			e.Setenv("LAKEWARD_HTTP_LISTEN", "127.0.0.1:0")
			e.Setenv("LAKEWARD_INGEST_FLUSH_AGE", "100ms")
			return os.Mkdir(filepath.Join(e.WorkDir, "pipelines.d"), 0o750)
		},
		Condition: func(cond string) (bool, error) {
			if cond != "postgres" {
				return false, fmt.Errorf("no condition %q", cond)
			}
			return server.Installed(), nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":     code,
			"ready":    ready,
			"term":     send(syscall.SIGTERM),
			"hup":      send(syscall.SIGHUP),
			"until":    until,
			"setenv":   setenv,
			"damage":   damage,
			"remove":   remove,
			"metadata": metadata,
			"leftover": leftover,
			"get":      get,
			"certs":    certs,
			"postgres": pg.command,
			"feed":     running.feed,
			"signal":   running.signal,
		},
	})
}

// code runs a command that must end with an exit code: code 2 lakeward ...
func code(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil || len(args) < 2 {
		ts.Fatalf("usage: code N command...")
	}
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// ready waits until the daemon of a data directory has said where it listens.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: ready [directory]")
	}
	dir := ts.Getenv("LAKEWARD_DATA_DIR")
	if len(args) == 1 {
		dir = ts.MkAbs(args[0])
	}
	wait(ts, "a daemon that listens", func() (string, bool) {
		data, err := os.ReadFile(filepath.Join(dir, "lakeward.lock"))
		var at struct {
			PID        int
			HTTP, NATS string
		}
		if err != nil || json.Unmarshal(data, &at) != nil {
			return fmt.Sprintf("%s %v", data, err), false
		}
		ts.Setenv("HTTP", at.HTTP)
		if _, port, err := net.SplitHostPort(at.HTTP); err == nil {
			ts.Setenv("HTTP_LOCAL", net.JoinHostPort("127.0.0.1", port))
		}
		ts.Setenv("NATS", at.NATS)
		ts.Setenv("DAEMON_PID", strconv.Itoa(at.PID))
		return "", at.HTTP != "" && at.NATS != ""
	})
}

// certs writes ca.pem, and server.pem and server.key for the hosts.
func certs(ts *testscript.TestScript, neg bool, hosts []string) {
	if neg || len(hosts) == 0 {
		ts.Fatalf("usage: certs HOST...")
	}
	a, err := testcert.New()
	ts.Check(err)
	ts.Check(a.WriteCA(ts.MkAbs("ca.pem")))
	_, _, err = a.Write(ts.MkAbs("."), "server", hosts...)
	ts.Check(err)
}

// send sends a signal to the daemon that ready has found.
func send(sig syscall.Signal) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		pid, err := strconv.Atoi(ts.Getenv("DAEMON_PID"))
		if neg || len(args) > 0 || err != nil || pid <= 1 {
			ts.Fatalf("usage: term or hup, after ready")
		}
		ts.Check(syscall.Kill(pid, sig))
	}
}

// until runs a command again and again until its output matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP command...")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	wait(ts, args[0], func() (string, bool) {
		err := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout")
		return fmt.Sprintf("%s%s%v", out, ts.ReadFile("stderr"), err), err == nil && re.MatchString(out)
	})
}

func wait(ts *testscript.TestScript, what string, done func() (state string, ok bool)) {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		state, ok := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain for %s; last seen:\n%s", what, state)
		}
		<-tick.C
	}
}

// get prints what the daemon that ready found answers: get /metrics
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: get PATH")
	}
	resp, err := http.Get("http://" + ts.Getenv("HTTP") + args[0])
	ts.Check(err)
	defer resp.Body.Close()
	_, err = io.Copy(ts.Stdout(), resp.Body)
	ts.Check(err)
}

// setenv sets a variable to the first match in the last output:
// setenv NAME REGEXP, of which the group is taken.
func setenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setenv NAME REGEXP")
	}
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("no match of %s in %s", args[1], bytes.TrimSpace([]byte(ts.ReadFile("stdout"))))
	}
	ts.Setenv(args[0], strings.TrimSpace(m[1]))
}
