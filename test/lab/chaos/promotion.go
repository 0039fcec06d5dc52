package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/test/daemonproc"
)

// promotionWithin is how long a write to a database is waited for.
const promotionWithin = 2 * time.Second

// killPromotion kills the worker that has the databases at one of the next system
// calls by which a run of a pipeline is kept, before the call has an effect. The
// step is empty if none came, or the worker ended otherwise.
func (t *trial) killPromotion(ctx context.Context, d *daemonproc.Process) (step string, err error) {
	owner := t.ownerOf(d.Pid())
	if owner == 0 {
		return "", nil
	}
	call := []string{"write", "write", "pwrite64", "fsync", "fsync", "fdatasync"}[t.rand.IntN(6)]
	out := filepath.Join(t.dir, "promotion.strace")
	args := []string{"-f", "-y", "-s", "0", "-o", out, "-p", fmt.Sprint(owner)}
	for _, name := range []string{"analytics.duckdb", "state.duckdb"} {
		path := filepath.Join(t.daemon.DataDir(), "databases", name)
		args = append(args, "-P", path, "-P", path+".wal")
	}
	args = append(args, "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, 1+t.rand.IntN(5)))
	cmd := exec.CommandContext(ctx, "strace", args...)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("%w: %w", errNoTrace, err)
	}
	late := time.AfterFunc(promotionWithin, func() { _ = cmd.Process.Signal(syscall.SIGTERM) }) // strace lets go
	err = cmd.Wait()                                                                            // it ends with the worker
	if !late.Stop() {
		return "", nil
	}
	text, rerr := os.ReadFile(out)
	if rerr != nil {
		return "", fmt.Errorf("%w: %w: %s", errNoTrace, errors.Join(err, rerr), said.String())
	}
	return lastStep(string(text)), nil
}

// ownerOf is the worker of a daemon that has the databases open; 0: none.
func (t *trial) ownerOf(pid int) int {
	for _, w := range workersOf(pid) {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", w))
		if err != nil {
			continue
		}
		for _, f := range files {
			if to, err := os.Readlink(f); err == nil && strings.HasSuffix(to, ".duckdb") {
				return w
			}
		}
	}
	return 0
}
