package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/internal/disks"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/serve"
)

// watchDisks looks at every disk that the daemon writes to.
func (a *Daemon) watchDisks() error {
	if err := os.MkdirAll(a.cfg.TempDir(), 0o700); err != nil {
		return fmt.Errorf("make directory for spilling: %w", err)
	}
	var err error
	a.disks, err = disks.New(disks.Options{Dirs: writtenDirs(a.cfg), Logger: a.log})
	return err
}

// writtenDirs is where the daemon writes, and what.
func writtenDirs(cfg config.Config) []disks.Dir {
	dirs := []disks.Dir{{Use: "the lake", Path: cfg.Lake.Warehouse}}
	if file, ok := cfg.Lake.CatalogFile(); ok {
		dirs = append(dirs, disks.Dir{Use: "the catalog", Path: filepath.Dir(file)})
	}
	if !cfg.Analytics.External() {
		dirs = append(dirs, disks.Dir{Use: "analytics", Path: filepath.Dir(cfg.Analytics.File())})
	}
	dirs = append(dirs, disks.Dir{Use: "baselines and the audit log", Path: cfg.DataDir},
		disks.Dir{Use: "spilling queries", Path: cfg.TempDir()})
	if !cfg.NATS.External() {
		dirs = append(dirs, disks.Dir{Use: "the NATS store", Path: cfg.NATS.Embedded.StoreDir})
	}
	return dirs
}

// diskStatus returns the disks, why they keep the daemon from being ready, and
// which are nearly full.
func diskStatus(states []disks.State) (all []serve.Disk, failing, low []string) {
	for _, s := range states {
		d := serve.Disk{Use: s.Use, Path: s.Path, Free: s.Free, Size: s.Size, Since: s.Since}
		if s.Err != nil {
			d.Error = s.String()
		}
		if s.Low() {
			low = append(low, s.String())
		}
		all = append(all, d)
	}
	return all, disks.Failing(states), low
}

// blameDisk has a run repeated that failed while a disk failed: the fault is not
// the pipeline's, and every other run would fail as well.
func (a *Daemon) blameDisk(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if failing := disks.Failing(a.disks.Look()); failing != nil {
		return errors.Join(schedule.ErrWait, errors.New(failing[0]), err)
	}
	if errors.Is(err, query.ErrUnavailable) {
		return errors.Join(schedule.ErrWait, err)
	}
	return err
}
