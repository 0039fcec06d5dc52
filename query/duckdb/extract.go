package duckdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// extracts takes the pages that a look-up needs out of clustered files, so that
// the engine opens one small file instead of many large ones. It remembers the
// files' indexes. Safe for concurrent use.
type extracts struct {
	dir string // of this process alone; empty: nothing is extracted
	log *slog.Logger

	mu      sync.Mutex
	indexes map[string]*parquetfile.Index // by local path; nil: the file has none
	memory  int64                         // of them
	used    []bool                        // names of files, see take
	stamp   time.Time                     // of the last file
}

const (
	mostExtract   = 256 << 20 // bytes of the files of one statement
	mostIndexes   = 16 << 20  // bytes of memory
	extractsDir   = "lookups-"
	extractBuffer = 256 << 10
)

// openExtracts makes the directory below the one for spilling; on a disk that is
// full or read-only there is none. What processes that were killed left is
// removed if no other can be running.
func openExtracts(tempDir string, alone bool, log *slog.Logger) (*extracts, error) {
	x := &extracts{log: log, indexes: map[string]*parquetfile.Index{}, stamp: time.Now().Truncate(time.Second)}
	if tempDir == "" {
		return x, nil
	}
	if err := os.MkdirAll(tempDir, 0o700); err != nil {
		return nil, fmt.Errorf("create spill directory: %w", err)
	}
	var err error
	if alone {
		var left []string
		left, err = filepath.Glob(filepath.Join(tempDir, extractsDir+"*"))
		for _, dir := range left {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	dir, merr := os.MkdirTemp(tempDir, extractsDir)
	if err = errors.Join(err, merr); err != nil {
		log.Warn("there is no place for the pages of look-ups; their files are read whole", "error", err)
		return x, nil
	}
	x.dir = dir
	return x, nil
}

// close removes the directory.
func (x *extracts) close() error {
	if x.dir == "" {
		return nil
	}
	return os.RemoveAll(x.dir)
}

// take names a file. Names are used again, because the engine remembers what it
// has read by the name.
func (x *extracts) take() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := slices.Index(x.used, false)
	if at < 0 {
		at, x.used = len(x.used), append(x.used, true)
	}
	x.used[at] = true
	return x.name(at)
}

func (x *extracts) name(at int) string { return filepath.Join(x.dir, strconv.Itoa(at)+".parquet") }

// next returns a modification time that no other file has. It tells the engine
// that the name now belongs to another file.
func (x *extracts) next() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stamp = x.stamp.Add(time.Second)
	return x.stamp
}

// release removes files that are no longer read.
func (x *extracts) release(paths []string) error {
	var errs []error
	for _, p := range paths {
		if err := os.Remove(p); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for at := range x.used {
		x.used[at] = x.used[at] && !slices.Contains(paths, x.name(at))
	}
	return errors.Join(errs...)
}

// index returns a file's index, or nil if it has none.
func (x *extracts) index(path string, f *os.File, size int64) (*parquetfile.Index, error) {
	x.mu.Lock()
	known, ok := x.indexes[path]
	x.mu.Unlock()
	if ok {
		return known, nil
	}
	i, err := parquetfile.ReadIndex(f, size)
	if err != nil && !errors.Is(err, parquetfile.ErrNoIndex) {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for old, o := range x.indexes { // any of them
		if x.memory <= mostIndexes {
			break
		}
		delete(x.indexes, old)
		x.memory -= memoryOf(o)
	}
	if _, again := x.indexes[path]; !again {
		x.indexes[path] = i
		x.memory += memoryOf(i)
	}
	return i, nil
}

func memoryOf(i *parquetfile.Index) int64 {
	if i == nil {
		return 64
	}
	return i.Memory()
}

// extract replaces those files of the parts from which it can take pages, as far
// as that is worth it. It fails only when ctx ends. What it made is listed in
// made, also then.
func (x *extracts) extract(ctx context.Context, parts []part, want []equality) (out []part, made []string, err error) {
	if x.dir == "" || len(want) == 0 {
		return parts, nil, nil
	}
	for _, p := range parts {
		clustered := func(f tiers.DataFile) bool { return f.Clustered }
		if !slices.ContainsFunc(p.files, clustered) {
			out = append(out, p)
			continue
		}
		w := &extraction{x: x, want: want, limit: min(mostExtract, totalBytes(p.files)/4) / int64(workers())}
		err := w.run(ctx, p.files)
		made = append(made, w.made...)
		if err != nil {
			if ctx.Err() != nil {
				return nil, made, err
			}
			if !errors.Is(err, parquetfile.ErrTooMuch) {
				x.log.Warn("the files of a look-up are read whole", "error", err)
			}
			out = append(out, p)
			continue
		}
		if len(w.rest) > 0 {
			out = append(out, part{files: w.rest, want: p.want})
		}
		if len(w.full) > 0 {
			out = append(out, part{extracts: w.full, want: p.want})
		}
	}
	return out, made, nil
}

func totalBytes(files []tiers.DataFile) (n int64) {
	for _, f := range files {
		n += f.Size
	}
	return n
}

func workers() int { return min(runtime.GOMAXPROCS(0), 8) }

// extraction extracts pages of one part's files.
type extraction struct {
	x     *extracts
	want  []equality
	limit int64 // of bytes, for each worker

	mu   sync.Mutex
	made []string         // all files
	full []string         // those that have rows
	rest []tiers.DataFile // not looked into
}

func (w *extraction) run(ctx context.Context, files []tiers.DataFile) error {
	g, ctx := errgroup.WithContext(ctx)
	n := (len(files) + workers() - 1) / workers()
	for some := range slices.Chunk(files, max(n, 1)) {
		g.Go(func() error { return w.some(ctx, some) })
	}
	return g.Wait()
}

// pagesFile is an extract that is being written.
type pagesFile struct {
	f   *os.File
	buf *bufio.Writer
	e   *parquetfile.Extract
}

// some takes pages of files, into one extract for each schema that they have.
func (w *extraction) some(ctx context.Context, files []tiers.DataFile) (err error) {
	targets := map[string]*pagesFile{}
	defer func() {
		for _, key := range slices.Sorted(maps.Keys(targets)) {
			err = errors.Join(err, w.finish(targets[key]))
		}
	}()
	for _, f := range files {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		done, err := w.one(f, targets)
		if err != nil {
			return fmt.Errorf("look up in %s: %w", f.Path, err)
		}
		if !done {
			w.mu.Lock()
			w.rest = append(w.rest, f)
			w.mu.Unlock()
		}
	}
	return nil
}

// one takes the pages of one file; done is false if that cannot be.
func (w *extraction) one(data tiers.DataFile, targets map[string]*pagesFile) (done bool, err error) {
	if !data.Clustered {
		return false, nil
	}
	path, err := tiers.LocalPath(data.Path)
	if err != nil {
		return false, err
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	index, err := w.x.index(path, f, data.Size)
	if err != nil || index == nil {
		return false, err
	}
	var want []parquetfile.Equal
	for _, e := range w.want {
		if index.Finds(e.field) {
			want = append(want, parquetfile.Equal{Field: e.field, Value: e.value})
		}
	}
	if len(want) == 0 {
		return false, nil
	}
	t := targets[index.Key()]
	if t == nil {
		if t, err = w.create(index); err != nil {
			return false, err
		}
		targets[index.Key()] = t
	}
	return true, t.e.Add(f, index, want)
}

func (w *extraction) create(like *parquetfile.Index) (*pagesFile, error) {
	path := w.x.take()
	w.mu.Lock()
	w.made = append(w.made, path)
	w.mu.Unlock()
	if err := os.MkdirAll(w.x.dir, 0o700); err != nil { // who tidies up temporary files may have removed it
		return nil, fmt.Errorf("create directory for look-ups: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create file for a look-up: %w", err)
	}
	t := &pagesFile{f: f, buf: bufio.NewWriterSize(f, extractBuffer)}
	if t.e, err = parquetfile.NewExtract(t.buf, like, w.limit); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return t, nil
}

func (w *extraction) finish(t *pagesFile) error {
	at := w.x.next()
	err := errors.Join(t.e.Close(), t.buf.Flush(), t.f.Close(), os.Chtimes(t.f.Name(), at, at))
	if err == nil && t.e.Rows() > 0 {
		w.mu.Lock()
		w.full = append(w.full, t.f.Name())
		w.mu.Unlock()
	}
	return err
}
