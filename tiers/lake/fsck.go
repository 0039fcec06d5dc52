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
	"github.com/apache/iceberg-go/table"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// FsckOptions say how deep to look, and whether to tidy up.
type FsckOptions struct {
	Deep   bool // read every data file: checksum, footer and row count
	Repair bool // remove leftovers; nothing else is ever changed
	// Progress, if set, is told which table is looked at.
	Progress func(table string, done, tables int)
}

// oldTemporary is how old a temporary file must be to count as left over:
// longer than any file takes to write.
const oldTemporary = 24 * time.Hour

// KindCatalog is a table of which the warehouse knows more than the catalog.
const (
	KindCatalog  = "catalog"
	kindDataFile = "data file"
)

// FsckProblem is one thing that is wrong.
type FsckProblem struct {
	Table    string `json:"table,omitempty"`
	Kind     string `json:"kind"` // catalog, metadata, manifest list, manifest, data file, temporary file
	Path     string `json:"path"`
	Problem  string `json:"problem"`
	Remedy   string `json:"remedy"`
	Rows     int64  `json:"rows,omitempty"` // that are lost with it
	Current  bool   `json:"current"`        // the newest snapshot needs it
	Damage   bool   `json:"damage"`         // otherwise it only takes up space
	Repaired bool   `json:"repaired,omitempty"`
}

// FsckReport is what was looked at and what was found.
type FsckReport struct {
	Deep       bool          `json:"deep"`
	Tables     int           `json:"tables"`
	Snapshots  int           `json:"snapshots"`
	Manifests  int           `json:"manifests"`
	DataFiles  int           `json:"data_files"`
	Bytes      int64         `json:"bytes"`       // of the data files, as committed
	Unverified int           `json:"no_checksum"` // data files of other writers, whose size alone is known
	Problems   []FsckProblem `json:"problems"`
}

// Damaged reports whether anything was found that loses data.
func (r FsckReport) Damaged() bool {
	for _, p := range r.Problems {
		if p.Damage {
			return true
		}
	}
	return false
}

// Fsck compares every snapshot of every table with the files that there are. It
// finishes whatever it meets; an error means that it could not look.
func (l *Lake) Fsck(ctx context.Context, o FsckOptions) (FsckReport, error) {
	if o.Repair && l.readOnly {
		return FsckReport{}, errReadOnly
	}
	names, err := l.Tables(ctx)
	if err != nil {
		return FsckReport{}, err
	}
	r := FsckReport{Deep: o.Deep, Tables: len(names), Problems: []FsckProblem{}}
	ahead, err := l.Survey(ctx)
	if err != nil {
		return r, fmt.Errorf("compare the catalog with the warehouse: %w", err)
	}
	for _, a := range ahead {
		r.Problems = append(r.Problems, FsckProblem{Table: a.Table, Kind: KindCatalog, Path: a.Newest,
			Problem: "is newer than the catalog: " + a.Reason,
			Remedy:  wayOut, Current: true, Damage: true})
	}
	for i, name := range names {
		if slices.ContainsFunc(ahead, func(a Ahead) bool { return a.Table == name && a.Catalog != "" }) {
			continue // what the catalog names may be gone with its time
		}
		if o.Progress != nil {
			o.Progress(name, i, len(names))
		}
		if err := l.fsckTable(ctx, name, o, &r); err != nil {
			return r, fmt.Errorf("check lake.%s: %w", name, err)
		}
	}
	if err := l.fsckTemporary(ctx, o, &r); err != nil {
		return r, fmt.Errorf("look for temporary files: %w", err)
	}
	return r, nil
}

// fsckAttempts bounds how often a table is checked again because a commit came
// in between: what it no longer needs may be gone.
const fsckAttempts = 3

func (l *Lake) fsckTable(ctx context.Context, name string, o FsckOptions, r *FsckReport) error {
	for attempt := 1; ; attempt++ {
		loc, err := l.catalog.Metadata(ctx, name)
		if errors.Is(err, tiers.ErrNoTable) {
			r.Tables-- // dropped meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		got := *r
		c := &fsckTable{l: l, o: o, name: name, r: &got, seen: map[string]bool{}}
		if err := c.run(ctx, loc); err != nil {
			return err
		}
		now, err := l.catalog.Metadata(ctx, name)
		if err == nil && now != loc && len(got.Problems) > len(r.Problems) && attempt < fsckAttempts {
			continue
		}
		*r = got
		return nil
	}
}

// fsckTable checks one table. Manifests and data files that several snapshots
// share are checked once, for the newest.
type fsckTable struct {
	l    *Lake
	o    FsckOptions
	name string
	r    *FsckReport
	seen map[string]bool
}

func (c *fsckTable) add(p FsckProblem) {
	p.Table, p.Damage = c.name, true
	c.r.Problems = append(c.r.Problems, p)
}

func (c *fsckTable) run(ctx context.Context, loc string) error {
	meta, reason := c.metadata(loc)
	if reason != "" {
		c.add(FsckProblem{Kind: "metadata", Path: loc, Problem: reason, Current: true,
			Remedy: "restore this file from a copy of the warehouse: the table cannot be opened without it"})
		return nil
	}
	current := meta.CurrentSnapshot()
	if current == nil {
		return ctx.Err()
	}
	if err := c.snapshot(ctx, current, true); err != nil {
		return err
	}
	for _, s := range slices.Backward(meta.Snapshots()) {
		if s.SnapshotID == current.SnapshotID {
			continue
		}
		if err := c.snapshot(ctx, &s, false); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (c *fsckTable) metadata(loc string) (meta table.Metadata, reason string) {
	b, err := c.l.io.ReadFile(loc)
	if err != nil {
		return nil, because(err)
	}
	reason = guarded(func() error {
		meta, err = table.ParseMetadataBytes(b)
		return err
	})
	return meta, reason
}

func (c *fsckTable) snapshot(ctx context.Context, s *table.Snapshot, current bool) error {
	c.r.Snapshots++
	var ms []iceberg.ManifestFile
	reason := guarded(func() (err error) {
		ms, err = s.Manifests(c.l.io)
		return err
	})
	if reason != "" {
		c.add(FsckProblem{Kind: "manifest list", Path: s.ManifestList, Problem: reason, Current: current,
			Remedy: snapshotRemedy(s, current)})
		return nil
	}
	for _, m := range ms {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.manifest(ctx, m, current, snapshotRemedy(s, current)); err != nil {
			return err
		}
	}
	return nil
}

func snapshotRemedy(s *table.Snapshot, current bool) string {
	if current {
		return "restore this file from a copy of the warehouse: the table cannot be read without it"
	}
	return fmt.Sprintf("restore this file from a copy if you need snapshot %d of the past; the table as it is now does "+
		"not need it", s.SnapshotID)
}

func (c *fsckTable) manifest(ctx context.Context, m iceberg.ManifestFile, current bool, remedy string) error {
	if c.seen[m.FilePath()] {
		return nil
	}
	c.seen[m.FilePath()] = true
	c.r.Manifests++
	var files []tiers.DataFile
	reason := c.length(m.FilePath(), m.Length())
	if reason == "" {
		reason = guarded(func() error {
			for e, err := range m.Entries(c.l.io, true) {
				if err != nil {
					return err
				}
				if f := describe(e.DataFile(), boundIDs{}); !c.seen[f.Path] {
					c.seen[f.Path] = true
					files = append(files, f)
				}
			}
			return nil
		})
	}
	if reason != "" {
		c.add(FsckProblem{Kind: "manifest", Path: m.FilePath(), Problem: reason, Current: current, Remedy: remedy,
			Rows: m.AddedRows() + m.ExistingRows()})
	}
	return c.files(ctx, files, current)
}

func (c *fsckTable) length(loc string, want int64) string {
	path, err := tiers.LocalPath(loc)
	if err != nil {
		return err.Error()
	}
	_, reason, err := c.l.trust.stat(path, want)
	if err != nil {
		return because(err)
	}
	return reason
}

// files checks the data files of a manifest.
func (c *fsckTable) files(ctx context.Context, files []tiers.DataFile, current bool) error {
	for _, f := range files {
		c.r.DataFiles++
		c.r.Bytes += f.Size
		if _, ok := tiers.PathChecksum(f.Path); !ok {
			c.r.Unverified++
		}
	}
	bad, err := c.l.trust.all(ctx, c.name, files, c.o.Deep)
	if err != nil {
		return err
	}
	reasons := map[string]string{}
	for _, d := range bad {
		reasons[d.Path] = d.Reason
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		reason := reasons[f.Path]
		if reason == "" && c.o.Deep { // only what agrees with its checksum is parsed, or has none
			reason = c.footer(f)
		}
		if reason != "" {
			c.add(FsckProblem{Kind: kindDataFile, Path: f.Path, Problem: reason, Rows: f.Rows, Current: current,
				Remedy: fileRemedy(current)})
		}
	}
	return nil
}

func fileRemedy(current bool) string {
	if current {
		return "restore this file from a copy; until then queries go on without its rows, and pipelines that need them fail"
	}
	return "restore this file from a copy if you need the snapshots of the past that hold it; the table as it is now " +
		"does not"
}

// footer compares the file's own count of rows with the manifest's.
func (c *fsckTable) footer(f tiers.DataFile) string {
	var rows int64
	reason := guarded(func() (err error) {
		r, err := c.l.io.Open(f.Path)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		rows, err = parquetfile.ReadRows(r, f.Size)
		return err
	})
	if reason == "" && rows != f.Rows {
		reason = fmt.Sprintf("has %d rows where %d were committed", rows, f.Rows)
	}
	return reason
}

// because is an error as a file's fault.
func because(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return isMissing
	}
	return "cannot be read: " + err.Error()
}

// guarded runs a decoder of what may be damaged, which may panic.
func guarded(decode func() error) (reason string) {
	defer func() {
		if p := recover(); p != nil {
			reason = fmt.Sprintf("cannot be decoded: %v", p)
		}
	}()
	if err := decode(); err != nil {
		return because(err)
	}
	return ""
}

// fsckTemporary finds files that a crash left half written. No commit names
// such a file, so removing an old one loses nothing.
func (l *Lake) fsckTemporary(ctx context.Context, o FsckOptions, r *FsckReport) error {
	cut := time.Now().Add(-oldTemporary)
	return filepath.WalkDir(l.warehouse, func(path string, d fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed meanwhile
			}
			return err
		}
		if !d.Type().IsRegular() || !strings.HasPrefix(d.Name(), ".") || !strings.HasSuffix(d.Name(), tempSuffix) {
			return nil
		}
		info, err := d.Info()
		if err != nil || info.ModTime().After(cut) {
			return nil // gone, or being written
		}
		p := FsckProblem{Kind: "temporary file", Path: path, Remedy: "lakeward fsck --repair removes it",
			Problem: fmt.Sprintf("was left by a write that ended at %s and names no data",
				info.ModTime().UTC().Format(time.RFC3339))}
		if o.Repair {
			if err := l.files.fs.Remove(path); err != nil {
				return fmt.Errorf("remove %s: %w", path, err)
			}
			p.Repaired, p.Remedy = true, "removed"
		}
		r.Problems = append(r.Problems, p)
		return nil
	})
}
