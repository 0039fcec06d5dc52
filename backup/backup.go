// Package backup copies a lake, with the databases and streams that belong to
// it, into a directory while everything goes on, and puts it back.
//
// What makes a copy consistent is the order. The databases of pipelines come
// first: what they have not seen of the lake yet is computed again, as after a
// crash. Then the catalog is read at one moment, which pins a snapshot of every
// table together with the marks of its sources. Streams come last, and are not
// pruned meanwhile: they then hold every message behind the marks. So a restored
// lake goes on at its marks, and each message is in it once.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

// Streams are the streams of an embedded NATS server.
type Streams interface {
	Snapshot(ctx context.Context, stream string, w io.Writer) (jetstream.StreamCopy, error)
	// HoldPruning keeps messages in the streams until release is called.
	HoldPruning() (release func())
}

// Source is what is copied.
type Source struct {
	Lake    *lake.Lake
	Version string // of the program
	// Files are copied as they are, under their keys: the databases of pipelines
	// and records of the data directory. One that does not exist is left out.
	Files map[string]string
	// Quiet calls f while nobody has the databases open.
	Quiet   func(ctx context.Context, f func() error) error
	Streams Streams  // nil: NATS is elsewhere, and is backed up there
	Names   []string // of the streams
	Logger  *slog.Logger
	// Progress, if set, is told what is copied.
	Progress func(what string, done, all int)
}

// Report is what a backup has copied.
type Report struct {
	Dir      string        `json:"dir"`
	Made     time.Time     `json:"made"` // when the tables were pinned
	Tables   int           `json:"tables"`
	Files    int           `json:"files"`  // of the lake
	Bytes    int64         `json:"bytes"`  // of these
	Copied   int           `json:"copied"` // that were not there before
	Removed  int           `json:"removed"`
	Streams  int           `json:"streams"`
	Duration time.Duration `json:"duration"`
}

// String is the report for people.
func (r Report) String() string {
	text := fmt.Sprintf("backed up %d tables as of %s into %s: %d files of %d MiB, of which %d were copied now",
		r.Tables, r.Made.Format(time.RFC3339), r.Dir, r.Files, r.Bytes>>20, r.Copied)
	if r.Removed > 0 {
		text += fmt.Sprintf(" and %d removed that no table needs any more", r.Removed)
	}
	if r.Streams > 0 {
		text += fmt.Sprintf("; %d streams", r.Streams)
	}
	return text + fmt.Sprintf("; in %s\n", r.Duration.Round(time.Millisecond))
}

// The parts of a backup's directory.
const (
	indexName  = "backup.json"
	lakeDir    = "lake"   // the warehouse's files, under the same paths
	partPrefix = "state-" // a directory for each backup: what changes as a whole
	filesName  = "files.txt"
	streamExt  = ".stream"
	format     = 1
)

// index says what a backup has. It is written last.
type index struct {
	Format  int                    `json:"format"`
	Version string                 `json:"version"`
	Made    time.Time              `json:"made"`
	State   string                 `json:"state"` // name of its directory
	Catalog lake.CatalogCopy       `json:"catalog"`
	Tables  []lake.PinnedTable     `json:"tables"`
	Streams []jetstream.StreamCopy `json:"streams,omitempty"`
	Parts   []part                 `json:"parts"` // in that directory
}

// part is a file with its checksum.
type part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	CRC32C uint32 `json:"crc32c"`
}

// attempts bounds how often tables are pinned again because files of the past
// were removed while they were copied.
const attempts = 3

// Make backs up into dir, which may hold an earlier backup of the same lake: of
// the lake's files, which never change, only those are copied that are not there.
// Until it has succeeded, the earlier backup stays as it was.
func Make(ctx context.Context, s Source, dir string) (Report, error) {
	start := time.Now()
	m := &maker{Source: s, dir: dir, rep: Report{Dir: dir}}
	if err := m.begin(); err != nil {
		return m.rep, fmt.Errorf("back up into %s: %w", dir, err)
	}
	if err := m.run(ctx); err != nil {
		return m.rep, errors.Join(fmt.Errorf("back up into %s: %w", dir, err), os.RemoveAll(m.state))
	}
	m.rep.Duration = time.Since(start)
	return m.rep, nil
}

// maker makes one backup.
type maker struct {
	Source
	dir   string
	state string // directory of this backup's state
	idx   index
	want  map[string]bool // files of the lake
	rep   Report
}

// begin makes the directories, and refuses those of another lake.
func (m *maker) begin() error {
	if within(m.dir, m.Lake.Warehouse()) || within(m.Lake.Warehouse(), m.dir) {
		return fmt.Errorf("it is in the lake's own directory, or the other way round (%s): choose another, best on "+
			"another disk", m.Lake.Warehouse())
	}
	old, err := readIndex(m.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if entries, err := os.ReadDir(m.dir); err == nil && len(entries) > 0 && !unfinished(entries) {
			return errors.New("it has other files and no backup: choose an empty directory, or that of an earlier backup")
		}
	case err != nil:
		return err
	case old.Catalog.Record.ID != m.Lake.Record().ID:
		return fmt.Errorf("it has a backup of another lake (%s, made in %s): choose another directory", old.Catalog.Record.ID,
			old.Catalog.Record.Place)
	}
	name := partPrefix + time.Now().UTC().Format("20060102T150405.000000000")
	m.state = filepath.Join(m.dir, name)
	m.idx = index{Format: format, Version: m.Version, State: name}
	return os.MkdirAll(m.state, 0o700)
}

// unfinished reports whether a directory has nothing but what a first backup
// leaves that was cut short.
func unfinished(entries []fs.DirEntry) bool {
	for _, e := range entries {
		if e.Name() != lakeDir && !strings.HasPrefix(e.Name(), partPrefix) {
			return false
		}
	}
	return true
}

func (m *maker) run(ctx context.Context) error {
	if m.Streams != nil {
		defer m.Streams.HoldPruning()()
	}
	if err := m.Quiet(ctx, func() error { return m.copyFiles(ctx) }); err != nil {
		return err
	}
	for n := 1; ; n++ {
		err := m.copyLake(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, tiers.ErrDamaged) || n == attempts || ctx.Err() != nil {
			return err
		}
		m.Logger.Info("the lake has moved on while it was copied; its tables are pinned again", "reason", err)
	}
	if err := m.copyStreams(ctx); err != nil {
		return err
	}
	if err := m.checkMarks(); err != nil {
		return err
	}
	if err := writeIndex(m.dir, m.idx); err != nil {
		return err
	}
	return m.tidy()
}

// copyFiles copies the databases and records.
func (m *maker) copyFiles(ctx context.Context) error {
	for name, path := range m.Files {
		p, err := copyFile(ctx, path, filepath.Join(m.state, name), -1)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("copy %s: %w", path, err)
		}
		p.Name = name
		m.idx.Parts = append(m.idx.Parts, p)
	}
	return nil
}

// copyLake pins every table and copies the files that they need.
func (m *maker) copyLake(ctx context.Context) (err error) {
	m.idx.Made = time.Now().UTC()
	if m.idx.Catalog, m.idx.Tables, err = m.Lake.Pin(ctx); err != nil {
		return err
	}
	m.want = map[string]bool{}
	m.rep.Made, m.rep.Tables, m.rep.Files, m.rep.Bytes = m.idx.Made, len(m.idx.Tables), 0, 0
	for i, t := range m.idx.Tables {
		if m.Progress != nil {
			m.Progress("lake."+t.Table, i, len(m.idx.Tables))
		}
		files, err := m.Lake.PinnedFiles(ctx, t)
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := m.copyPinned(ctx, f); err != nil {
				return fmt.Errorf("copy %s of lake.%s: %w", f.Path, t.Table, err)
			}
		}
	}
	return m.listFiles()
}

// copyPinned copies a file of the lake unless it is there with its size: files
// of a lake never change, and none gets another's name.
func (m *maker) copyPinned(ctx context.Context, f lake.PinnedFile) error {
	to := filepath.Join(m.dir, lakeDir, f.Path)
	if m.want[f.Path] {
		return nil
	}
	if f.Size < 0 {
		info, err := os.Stat(filepath.Join(m.Lake.Warehouse(), f.Path))
		if f.Optional && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		f.Size = info.Size()
	}
	m.rep.Files++
	m.rep.Bytes += f.Size
	m.want[f.Path] = true
	if info, err := os.Stat(to); err == nil && info.Size() == f.Size {
		return nil
	}
	m.rep.Copied++
	if f.Data != nil {
		return writeFile(to, f.Data)
	}
	p, err := copyFile(ctx, filepath.Join(m.Lake.Warehouse(), f.Path), to, f.Size)
	if f.Optional && errors.Is(err, fs.ErrNotExist) {
		delete(m.want, f.Path)
		return nil
	}
	if err != nil {
		return err
	}
	if sum, ok := tiers.PathChecksum(f.Path); ok && sum != p.CRC32C {
		return errors.Join(fmt.Errorf("it is damaged: its checksum is %08x where %08x was committed; `lakeward fsck "+
			"--deep` finds what else is", p.CRC32C, sum), os.Remove(to))
	}
	return nil
}

// copyStreams copies what the embedded server holds.
func (m *maker) copyStreams(ctx context.Context) error {
	if m.Streams == nil {
		return nil
	}
	for _, name := range m.Names {
		c, p, err := m.copyStream(ctx, name)
		if errors.Is(err, jetstream.ErrNoStream) {
			continue // nothing was ever published
		}
		if err != nil {
			return err
		}
		m.idx.Streams, m.idx.Parts = append(m.idx.Streams, c), append(m.idx.Parts, p)
	}
	m.rep.Streams = len(m.idx.Streams)
	return nil
}

func (m *maker) copyStream(ctx context.Context, name string) (c jetstream.StreamCopy, p part, err error) {
	p.Name = name + streamExt
	p, err = write(filepath.Join(m.state, p.Name), func(w io.Writer) error {
		c, err = m.Streams.Snapshot(ctx, name, w)
		return err
	})
	return c, p, err
}

// checkMarks is an error if a stream lacks messages behind the marks of a table.
func (m *maker) checkMarks() error {
	for _, s := range m.idx.Streams {
		first, last, err := s.Range()
		if err != nil {
			return err
		}
		for _, t := range m.idx.Tables {
			for _, mark := range t.Marks {
				if mark.Stream != s.Name || !mark.Created.Equal(s.Created) {
					continue
				}
				if mark.Seq > last || mark.Seq+1 < first {
					m.Logger.Warn("the copy of a stream does not follow the mark of a table: after a restore the source says so",
						"stream", s.Name,
						"first", first, "last", last, "table", "lake."+t.Table, "mark", mark.Seq)
				}
			}
		}
	}
	return nil
}

// tidy removes what only earlier backups needed.
func (m *maker) tidy() error {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), partPrefix) && e.Name() != m.idx.State {
			if err := os.RemoveAll(filepath.Join(m.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	root := filepath.Join(m.dir, lakeDir)
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == root {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || m.want[rel] {
			return err
		}
		m.rep.Removed++
		return os.Remove(path) //nolint:gosec // the directory is the backup's own
	})
}

func within(path, dir string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}
