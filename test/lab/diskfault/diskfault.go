// Package diskfault runs the daemon on a disk that gets full, becomes
// read-only or answers I/O errors, while events are published, and looks at
// what it does meanwhile and afterwards.
//
//	go run ./test/lab disks                       # the faults that differ, under a minute
//	FAULTS=all ROUNDS=3 go run ./test/lab disks   # and each place that is written to by itself
//
// A full disk is a small ext4 file system in a file; the other faults are a
// FUSE file system that fails what changes files. Both are mounted in a mount
// namespace of this process. Where that is not allowed it says NOT RUN, and
// fails if LAKEWARD_REQUIRE_DISK_FAULTS is set.
package diskfault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/test/daemonproc"
)

const inside = "LAKEWARD_DISKFAULT_INSIDE" // set in the process that has the mounts

// Run runs the daemon on disks with each fault, and prints the figures.
func Run(ctx context.Context) error {
	if os.Getenv(inside) == "" {
		return enter(ctx)
	}
	return run(ctx)
}

// enter starts this program again where its mounts are its own, and end with
// it.
func enter(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, os.Args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdout, os.Stderr, append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		return notRun(fmt.Errorf("%w: enter a mount namespace: %w", errCannot, err))
	}
	return cmd.Wait()
}

// notRun is loud, since a check that was not made must not look like one that
// passed.
func notRun(why error) error {
	fmt.Printf("NOT RUN: disk faults: %v\n", why)
	if os.Getenv("LAKEWARD_REQUIRE_DISK_FAULTS") != "" {
		return why
	}
	return nil
}

func run(ctx context.Context) (err error) {
	rounds := 1
	if text := os.Getenv("ROUNDS"); text != "" {
		if rounds, err = strconv.Atoi(text); err != nil || rounds < 1 {
			return fmt.Errorf("ROUNDS=%s is not a positive number", text)
		}
	}
	dir, err := os.MkdirTemp("", "lakeward-diskfault-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	bin, err := daemonproc.Build(ctx, dir)
	if err != nil {
		return err
	}
	var total result
	for _, t := range trials(dir, bin, rounds, os.Getenv("FAULTS") == "all") {
		if only := os.Getenv("ONLY"); only != "" && only != t.name {
			continue
		}
		r, err := t.run(ctx)
		if errors.Is(err, errCannot) {
			return notRun(err)
		}
		if r.crashes > 0 {
			err = errors.Join(err, errors.New("the daemon ended by itself"))
		}
		total.add(r)
		if err != nil {
			total.print()
			return fmt.Errorf("%s: %w (see %s)", t.name, err, t.dir)
		}
		fmt.Printf("%s: %d events, %d lost, %d repeated, resumed within %s\n", t.name, r.events, r.lost, r.repeated,
			r.resume.Round(10*time.Millisecond))
	}
	total.print()
	if total.lost != 0 || total.repeated != 0 || total.early != 0 {
		return fmt.Errorf("events were lost, repeated or acknowledged too early (see %s)", dir)
	}
	return os.RemoveAll(dir)
}

// result is what was counted.
type result struct {
	faults, crashes, events, lost, repeated int
	early                                   int // faults in which the stream was pruned beyond what was committed
	resume                                  time.Duration
	findings                                time.Duration // until pipelines run again
}

func (r *result) add(o result) {
	r.faults += o.faults
	r.crashes += o.crashes
	r.events += o.events
	r.lost += o.lost
	r.repeated += o.repeated
	r.early += o.early
	r.resume = max(r.resume, o.resume)
	r.findings = max(r.findings, o.findings)
}

func (r *result) print() {
	fmt.Printf("figure: diskfault_faults %d count\nfigure: diskfault_crashes %d count\nfigure: diskfault_lost %d "+
		"events\nfigure: diskfault_repeated %d events\n"+
		"figure: diskfault_acknowledged_early %d count\nfigure: diskfault_resume_seconds_max %.1f s\nfigure: "+
		"diskfault_pipeline_seconds_max %.1f s\n",
		r.faults, r.crashes, r.lost, r.repeated, r.early, r.resume.Seconds(), r.findings.Seconds())
}

func trials(dir, bin string, rounds int, every bool) []*trial {
	full := func(ctx context.Context, d string) (disk, error) { return newSmallDisk(ctx, d, 96) }
	broken := func(_ context.Context, d string) (disk, error) { return newBrokenDisk(d) }
	eio := func(c class) failure {
		return failure{name: "EIO at " + string(c), fault: &fault{errno: syscall.EIO, only: c}}
	}
	all := failure{name: "EIO everywhere", fault: &fault{errno: syscall.EIO}}
	readOnly := failure{name: "read-only", fault: &fault{errno: syscall.EROFS}}
	var io []failure
	for _, c := range []class{classData, classMetadata, classCatalog, classAnalytics, classState, classAudit, classSpill,
		classOrphans} {
		io = append(io, eio(c))
	}
	for _, c := range []class{classAnalytics, classState} {
		io = append(io, failure{name: "EIO at each sync of " + string(c),
			fault: &fault{errno: syscall.EIO, only: c, op: "fsync"}})
	}
	var ts []*trial
	for round := range rounds {
		add := func(name string, embedded bool, mk func(context.Context, string) (disk, error), fs ...failure) {
			ts = append(ts, &trial{name: name, dir: filepath.Join(dir, fmt.Sprintf("%s-%d", name, round)), bin: bin,
				embedded: embedded, newDisk: mk, failures: fs})
		}
		add("full-embedded", true, full, failure{name: "full", full: true})
		if !every {
			add("broken", false, broken, readOnly,
				failure{name: "EIO at each sync of state.duckdb", fault: &fault{errno: syscall.EIO, only: classState, op: "fsync"}})
			continue
		}
		add("full", false, full, failure{name: "full", full: true})
		add("read-only", false, broken, readOnly)
		add("eio", false, broken, append(io, all)...)
		add("broken-embedded", true, broken, eio(classStream), readOnly, all)
	}
	return ts
}
