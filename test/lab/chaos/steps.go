package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/test/daemonproc"
)

// A kill at a step ends the daemon at the very system call by which something
// becomes durable, visible or gone, before the call has an effect: strace is
// attached to the running daemon and sends the signal. So the program that is
// killed is the one that people run, and a step is met whoever does it: the
// lake, the catalog's SQLite, DuckDB, or the embedded NATS.

// calls are the system calls that are waited for, by how often each is chosen.
// Writes are many and mostly to sockets, so they come up rarely.
var calls = []string{"fsync", "fsync", "fdatasync", "renameat", "renameat", "unlinkat", "pwrite64", "mkdirat", "write"}

// stepWithin is how long a step is waited for; not every daemon takes each.
const stepWithin = 4 * time.Second

// errNoTrace: this machine does not let strace attach.
var errNoTrace = errors.New("strace cannot trace here")

// killAtStep kills the daemon at the next or a later call, and says which step
// that was: the thing and what was done to it, such as "manifest sync". If none
// came in time, the daemon is killed as it is and the name is empty.
func (t *trial) killAtStep(ctx context.Context, d *daemonproc.Process) (step string, err error) {
	call := calls[t.rand.IntN(len(calls))]
	out := filepath.Join(t.dir, "step.strace")
	cmd := exec.CommandContext(ctx, "strace", "-f", "-y", "-s", "0", "-o", out, "-p", strconv.Itoa(d.Pid()),
		"-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, 1+t.rand.IntN(3)))
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		d.Kill()
		return "", fmt.Errorf("%w: %w", errNoTrace, err)
	}
	late := time.AfterFunc(stepWithin, d.KillSoon)
	err = cmd.Wait() // it ends with the daemon
	if !late.Stop() {
		d.Kill()
		return "", nil
	}
	text, rerr := os.ReadFile(out)
	if step = lastStep(string(text)); step == "" {
		d.Kill()
		return "", fmt.Errorf("%w: %w: %s", errNoTrace, errors.Join(err, rerr), said.String())
	}
	d.Kill() // wait for its end
	return step, nil
}

var (
	tracedCall = regexp.MustCompile(`(?m)^\d+ +([a-z0-9]+)\((.*)$`)
	tracedPath = regexp.MustCompile(`<(/[^>]*)>|"(/[^"]*)"`)
)

// lastStep names the last call of a trace: the one that the daemon died at. It
// is empty if the trace ends otherwise.
func lastStep(trace string) string {
	if !strings.Contains(trace, "+++ killed by SIGKILL +++") {
		return ""
	}
	all := tracedCall.FindAllStringSubmatch(trace, -1)
	if len(all) == 0 {
		return ""
	}
	m := all[len(all)-1]
	path := ""
	for _, p := range tracedPath.FindAllStringSubmatch(m[2], -1) {
		path = p[1] + p[2] // the last one: renameat's new name
	}
	return strings.TrimSpace(thing(path) + " " + deed(m[1]))
}

func deed(call string) string {
	switch call {
	case "fsync", "fdatasync":
		return "sync"
	case "renameat":
		return "rename"
	case "unlinkat":
		return "remove"
	case "mkdirat":
		return "make"
	default:
		return "write"
	}
}

// thing is what a path of the daemon is to it.
func thing(path string) string {
	base := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(path), ".tmp"), ".")
	switch {
	case strings.Contains(path, "/jetstream/"):
		return "NATS"
	case strings.HasPrefix(base, "catalog.db"):
		return "catalog"
	case strings.HasSuffix(base, ".parquet"):
		return "data file"
	case strings.HasPrefix(base, "snap-"):
		return "manifest list"
	case strings.HasSuffix(base, ".avro"):
		return "manifest"
	case strings.HasSuffix(base, ".metadata.json"):
		return "table metadata"
	case strings.HasPrefix(base, "orphans.json"):
		return "list of orphans"
	case strings.HasPrefix(base, "state.duckdb"):
		return "baselines and history"
	case strings.Contains(base, ".duckdb"):
		return "analytics"
	case strings.Contains(path, "/lake/"):
		return "directory of the lake"
	case strings.HasPrefix(path, "/") && filepath.Base(path) == "daemon.log":
		return "log"
	case strings.HasPrefix(path, "/"):
		return "other file"
	default:
		return "socket"
	}
}

// printSteps prints how often something was killed at each step.
func printSteps(what string, steps map[string]int) {
	for _, s := range slices.Sorted(maps.Keys(steps)) {
		fmt.Printf("  %s was killed %4d times at: %s\n", what, steps[s], s)
	}
}

// killSomehow kills at a step or at a random moment. Where strace does not work
// it says so, once, and goes on with random moments.
func (t *trial) killSomehow(ctx context.Context, d *daemonproc.Process, r *result) error {
	for range t.rand.IntN(3) {
		pause(ctx, time.Duration(t.rand.Int64N(int64(400*time.Millisecond))))
		if t.killWorker(d) {
			r.workers++
		}
	}
	if t.steps && t.rand.IntN(2) == 0 {
		switch step, err := t.killPromotion(ctx, d); {
		case err != nil && ctx.Err() == nil:
			fmt.Printf("NOT RUN: a kill in a promotion: %v\n", err)
		case step != "":
			r.promotions[step]++
		}
	}
	if !t.steps || t.rand.IntN(2) == 0 {
		pause(ctx, time.Duration(t.rand.Int64N(int64(1200*time.Millisecond))))
		d.Kill()
		return nil
	}
	pause(ctx, time.Duration(t.rand.Int64N(int64(300*time.Millisecond))))
	step, err := t.killAtStep(ctx, d)
	switch {
	case errors.Is(err, errNoTrace) && ctx.Err() == nil:
		t.steps = false
		fmt.Printf("NOT RUN: kills at steps (install strace, and allow it to attach): %v\n", err)
		return nil
	case err != nil:
		return err
	case step != "":
		r.steps[step]++
	}
	return nil
}
