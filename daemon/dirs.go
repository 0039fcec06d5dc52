package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/internal/safefile"
)

// makeDirs makes the directories of the data, and moves the databases of older
// versions into theirs.
func makeDirs(cfg config.Config, log *slog.Logger) error {
	dirs := append([]string{cfg.DataDir, cfg.Lake.Warehouse}, databaseDirs(cfg)...)
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return fmt.Errorf("make directory of the data: %w", err)
		}
	}
	for _, db := range []string{cfg.StateFile(), cfg.Analytics.File()} {
		if db == "" {
			continue
		}
		if filepath.Dir(db) == cfg.DatabaseDir() {
			if err := moveDatabase(filepath.Join(cfg.DataDir, filepath.Base(db)), db); err != nil {
				return err
			}
		}
		if err := safefile.KeepPrivate(db); err != nil { // that of an older version
			return fmt.Errorf("keep a database private: %w", err)
		}
	}
	if f := cfg.Analytics.File(); f != "" &&
		(within(cfg.DataDir, filepath.Dir(f)) || within(cfg.Lake.Warehouse, filepath.Dir(f))) {
		log.Warn("the folder of analytics.url holds other data, which the process that evaluates pipelines may change "+
			"with it; give the file a folder of its own",
			"file", f)
	}
	return nil
}

// databaseDirs are where the owner's databases are, with what is beside them.
func databaseDirs(cfg config.Config) []string {
	dirs := []string{cfg.DatabaseDir()}
	if f := cfg.Analytics.File(); f != "" && filepath.Dir(f) != cfg.DatabaseDir() {
		dirs = append(dirs, filepath.Dir(f))
	}
	return dirs
}

// moveDatabase moves a database with its log, the log first: cut short, it goes
// on the next time. Another process that does the same does no harm.
func moveDatabase(from, to string) error {
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s was replaced by %s, and both are there: keep the one that is right in the place of the "+
			"second, and move the other away", from, to)
	}
	for _, suffix := range []string{".wal", ""} {
		if err := os.Rename(from+suffix, to+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move a database of an older version: %w", err)
		}
	}
	return nil
}

// within reports whether a path is a directory, or below it.
func within(path, dir string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}
