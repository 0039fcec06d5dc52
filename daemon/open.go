package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/serve"
)

// withBackend runs f against the running daemon if the data directory has one,
// and otherwise on the directory itself, which it then only reads.
func (c *cli) withBackend(ctx context.Context, f func(serve.Backend) error) error {
	return c.withCore(ctx, true, f)
}

// withWriter is withBackend for what writes: without a daemon the directory is
// this command's alone meanwhile.
func (c *cli) withWriter(ctx context.Context, f func(serve.Backend) error) error {
	return c.withCore(ctx, false, f)
}

func (c *cli) withCore(ctx context.Context, readOnly bool, f func(serve.Backend) error) (err error) {
	if client, remote, err := c.remote(); remote || err != nil {
		if err != nil {
			return err
		}
		return f(client)
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	d, running, err := findDaemon(cfg.DataDir)
	if err != nil {
		return err
	}
	if running {
		client, err := c.local(d)
		if err != nil {
			return err
		}
		return f(client)
	}
	release, err := c.claim(cfg.DataDir, readOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	k, err := openCore(ctx, cfg, c.logger(max(cfg.Log.Level.Slog(), slog.LevelWarn), cfg.Log.Format == config.LogJSON), coreOptions{readOnly: readOnly})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	return f(offline(k))
}

// claim keeps a daemon from starting on the directory: a reader with other
// readers, a writer alone. A directory that nobody has used stays as it is.
func (c *cli) claim(dir string, readOnly bool) (func() error, error) {
	if !readOnly {
		l, err := lockDir(dir)
		if err != nil {
			return nil, err
		}
		if err := l.publish(running{PID: pid(), Command: c.command}); err != nil {
			return nil, errors.Join(err, l.release())
		}
		return l.release, nil
	}
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no lake in %s: start one with `lakeward serve`, or give its --data-dir", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open lock of data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		r, _ := readRunning(f)
		return nil, errors.Join(fmt.Errorf("lock %s: %w: %s; try again when it has ended (%w)", f.Name(), errLocked, r.or(holdersOf(f)), err), f.Close())
	}
	return f.Close, nil
}

// offline is the backend of a directory that no daemon has.
func offline(k *core) *backend {
	v := &verbs{core: k, now: time.Now, active: k.readFolder}
	v.withSources = func(ctx context.Context, f func([]openedSource) error) error { return offlineSources(ctx, k, f) }
	v.still = func(_ context.Context, _ string, f func() error) error { return f() }
	v.verify = func(ctx context.Context, deep bool) (serve.Report, error) { return verifyOffline(ctx, k, deep) }
	return &backend{core: k, verbs: v, status: func(ctx context.Context) (serve.Status, error) {
		return serve.Status{Version: version(), Reasons: []string{"no daemon is running"}, Warehouse: k.cfg.Lake.Warehouse}, nil
	}}
}

// do carries out a command and prints its answer.
func (c *cli) do(ctx context.Context, b serve.Backend, cmd serve.Command, asJSON bool) error {
	rep, err := b.Do(ctx, cmd)
	if err != nil {
		return err
	}
	if asJSON {
		if err := printJSON(c.Out, rep.Data); err != nil {
			return err
		}
	} else if _, err := fmt.Fprint(c.Out, rep.Text); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	if rep.Failed {
		return errFailed
	}
	return nil
}

// problemsError prints problems and is the failure of the command.
func (c *cli) problemsError(ps []pipeline.Problem) error {
	if len(ps) == 0 {
		return nil
	}
	for _, p := range ps {
		fmt.Fprintln(c.Out, p)
	}
	return errFailed
}
