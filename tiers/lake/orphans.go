package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/lakeward/lakeward/tiers"
)

// Orphans lists the files below the warehouse's tables that were last modified
// before the cut and that no snapshot of any table names: what failed commits,
// expired snapshots, compaction and dropped tables have left. Younger files may
// belong to a commit that is being made. A catalog that is older than the lake is
// an error: what newer metadata names is not an orphan, whatever the catalog says.
func (l *Lake) Orphans(ctx context.Context, before time.Time) ([]tiers.Orphan, error) {
	// Files first: what a commit names in between is then among the named.
	files, err := l.oldFiles(ctx, filepath.Join(l.warehouse, Namespace), before)
	if err != nil {
		return nil, fmt.Errorf("list files of the lake: %w", err)
	}
	if err := l.CheckCatalog(ctx); err != nil {
		return nil, err
	}
	named := map[string]struct{}{}
	tables, err := l.Tables(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		if err := l.names(ctx, t, named); err != nil {
			return nil, fmt.Errorf("list what lake.%s names: %w", t, err)
		}
	}
	orphans := files[:0]
	for _, f := range files {
		if _, ok := named[f.Path]; !ok {
			orphans = append(orphans, f)
		}
	}
	return orphans, nil
}

// oldFiles walks a directory, which need not exist.
func (l *Lake) oldFiles(ctx context.Context, dir string, before time.Time) ([]tiers.Orphan, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := l.files.fs.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []tiers.Orphan
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			below, err := l.oldFiles(ctx, path, before)
			if err != nil {
				return nil, err
			}
			out = append(out, below...)
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.ModTime().Before(before) {
			out = append(out, tiers.Orphan{Path: path, Size: info.Size(), Modified: info.ModTime()})
		}
	}
	return out, nil
}

// names adds the local paths of every file that a table's metadata leads to, by
// the metadata that the catalog names and by any that is newer: that may have
// been accepted after all.
func (l *Lake) names(ctx context.Context, name string, to map[string]struct{}) error {
	v, err := l.version(ctx, name, nil)
	if err != nil {
		return err
	}
	add := func(loc string) error {
		p, err := tiers.LocalPath(loc)
		if err != nil {
			return err
		}
		// Under another name, by a link or after a move, none would be recognised
		// and all would look orphaned.
		if !strings.HasPrefix(p, l.warehouse+string(filepath.Separator)) {
			return fmt.Errorf("%s is not below the warehouse %s: give the warehouse the path under which its tables were made",
				p, l.warehouse)
		}
		to[p] = struct{}{}
		return nil
	}
	if err := l.namesOf(ctx, v, add); err != nil {
		return err
	}
	dir, err := tableDir(v.location)
	if err != nil {
		return err
	}
	f, _, err := l.folderAt(dir)
	if err != nil {
		return err
	}
	for _, file := range slices.Concat(f.after(metadataNumber(v.location)), f.passed, []string{acceptedName}) {
		if err := add(f.at(file)); err != nil {
			return err
		}
		meta, ok := l.peek(f.at(file))
		if !ok || file == acceptedName {
			continue
		}
		newer, err := newVersion(name, f.at(file), meta, v)
		if err == nil {
			err = l.namesOf(ctx, newer, add)
		}
		if err != nil && ctx.Err() == nil { // a commit that a crash cut short: what it has written counts as named
			l.log.Debug("metadata that no catalog names is not whole", "metadata", f.at(file), "error", err)
		}
	}
	return ctx.Err()
}

// namesOf calls add with the location of every file that a version leads to.
func (l *Lake) namesOf(ctx context.Context, v *version, add func(string) error) error {
	if err := add(v.location); err != nil {
		return err
	}
	for old := range v.meta.PreviousFiles() {
		if err := add(old.MetadataFile); err != nil {
			return err
		}
	}
	for s := range v.meta.Statistics() {
		if err := add(s.StatisticsPath); err != nil {
			return err
		}
	}
	for s := range v.meta.PartitionStatistics() {
		if err := add(s.StatisticsPath); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, s := range v.meta.Snapshots() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := add(s.ManifestList); err != nil {
			return err
		}
		ms, err := l.manifests(&s)
		if err != nil {
			return err
		}
		for _, m := range ms {
			if seen[m.FilePath()] {
				continue
			}
			seen[m.FilePath()] = true
			if err := l.manifestNames(m, v.boundIDs(), add); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Lake) manifestNames(m iceberg.ManifestFile, ids boundIDs, add func(string) error) error {
	if err := add(m.FilePath()); err != nil {
		return err
	}
	files, err := l.manifest(m, ids)
	for _, f := range files {
		if err := add(f.Path); err != nil {
			return err
		}
	}
	return err
}
