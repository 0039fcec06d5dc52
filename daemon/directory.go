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
	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/internal/version"
	"github.com/lakeward/lakeward/serve"
)

// Directory is a data directory that no daemon has. Meanwhile none can start on
// it.
type Directory struct {
	core    *core
	backend *backend
	release func() error
}

// DirectoryOptions say who opens a data directory, and what for.
type DirectoryOptions struct {
	ReadOnly bool   // beside others that read; otherwise alone
	Command  string // that opens it, for those who wait
}

// OpenDirectory opens the parts that need no daemon. The caller closes the
// directory.
func OpenDirectory(ctx context.Context, cfg config.Config, log *slog.Logger, commands Commands,
	o DirectoryOptions) (_ *Directory, err error) {
	d := &Directory{}
	if d.release, err = Claim(cfg.DataDir, o); err != nil {
		return nil, err
	}
	if d.core, err = openCore(ctx, cfg, log, coreOptions{readOnly: o.ReadOnly}); err != nil {
		return nil, errors.Join(err, d.release())
	}
	k := d.core
	v := &Verbs{core: k, now: time.Now, active: k.readFolder}
	v.withSources = func(ctx context.Context, f func([]*openedSource) error) error { return offlineSources(ctx, k, f) }
	v.withConn = func(ctx context.Context, f func(*jetstream.Conn) error) error { return offlineConn(ctx, k, f) }
	v.still = func(_ context.Context, _ string, f func() error) error { return f() }
	v.verify = func(ctx context.Context, deep bool) (serve.Report, error) { return verifyOffline(ctx, k, deep) }
	d.backend = &backend{core: k, commands: commands, verbs: v, status: func(context.Context) (serve.Status, error) {
		return serve.Status{Version: version.String(), Reasons: []string{"no daemon is running"},
			Warehouse: k.cfg.Lake.Warehouse}, nil
	}}
	return d, nil
}

// Backend answers as a daemon would.
func (d *Directory) Backend() serve.Backend { return d.backend }

// Close gives the directory back.
func (d *Directory) Close() error { return errors.Join(d.core.close(), d.release()) }

// Claim keeps a daemon from starting on the directory: a reader with other
// readers, a writer alone. A directory that nobody has used stays as it is.
func Claim(dir string, o DirectoryOptions) (release func() error, err error) {
	if !o.ReadOnly {
		l, err := lockDir(dir)
		if err != nil {
			return nil, err
		}
		if err := l.publish(Running{PID: os.Getpid(), Command: o.Command}); err != nil {
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
		return nil, errors.Join(fmt.Errorf("lock %s: %w: %s; try again when it has ended (%w)", f.Name(), errLocked,
			r.or(holdersOf(f)), err), f.Close())
	}
	return f.Close, nil
}
