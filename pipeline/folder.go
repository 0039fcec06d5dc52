package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// FolderOptions wire a Folder.
type FolderOptions struct {
	Dir  string
	Keep string        // where the last good versions are kept; created if absent
	Poll time.Duration // between rescans, whatever the file system reports; 0: 10s
	// Load parses and lints one file; base is where the tests' data files are.
	// tests is nil if there is no test file.
	Load func(ctx context.Context, base, file string, data, tests []byte) (*Definition, []Problem)
	// Check runs the definition's own tests; nil: none are run.
	Check func(ctx context.Context, d *Definition) []Problem
	// Changed is called after a new generation has taken its place; nil: not.
	Changed func(*Generation)
	Logger  *slog.Logger // nil: discard
}

// Generation is one consistent set of active pipelines. It is immutable.
type Generation struct {
	Hash        string // of what is active
	Definitions map[string]*Definition
	Files       []FileStatus // by name
}

// List is the definitions, upstreams first.
func (g *Generation) List() []*Definition {
	var out []*Definition
	for _, n := range sortedKeys(g.Definitions) {
		out = append(out, g.Definitions[n])
	}
	return Order(out)
}

// FileStatus is how one file fares.
type FileStatus struct {
	File     string
	Pipeline string // active, from this file; empty: none
	Hash     string // of the file and its tests as they are
	Active   string // hash of the version that is active; empty: none
	Problems []Problem
}

// Folder keeps the active pipelines in step with a directory. A file that is
// broken, or whose tests fail, keeps its last good version, over a restart too.
type Folder struct {
	o     FolderOptions
	now   atomic.Pointer[Generation]
	files map[string]*entry // by file name; owned by the goroutine that scans
}

// entry is what is known of one file.
type entry struct {
	hash     string // last looked at
	good     *Definition
	goodHash string
	fresh    *Definition // good in this very version; nil: broken
	problems []Problem
}

// maxFile bounds a pipeline's file.
const maxFile = 1 << 20

// NewFolder returns a folder that has not been read yet.
func NewFolder(o FolderOptions) *Folder {
	if o.Poll <= 0 {
		o.Poll = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Folder{o: o, files: map[string]*entry{}}
	f.now.Store(&Generation{Definitions: map[string]*Definition{}})
	return f
}

// Current is the active generation.
func (f *Folder) Current() *Generation { return f.now.Load() }

// Scan reads the directory once and activates what is good. It is not for
// concurrent use, nor during Watch. An error leaves the generation as it was.
func (f *Folder) Scan(ctx context.Context) error {
	names, err := f.names()
	if err != nil {
		return err
	}
	for name := range f.files {
		if !slices.Contains(names, name) {
			delete(f.files, name)
			if err := f.forget(name); err != nil {
				return err
			}
		}
	}
	for _, name := range names {
		if err := f.look(ctx, name); err != nil {
			return err
		}
	}
	f.swap()
	return nil
}

// names lists the pipelines' files. A directory that does not exist is empty.
func (f *Folder) names() ([]string, error) {
	entries, err := os.ReadDir(f.o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read pipelines' directory %s: %w", f.o.Dir, err)
	}
	var out []string
	for _, e := range entries {
		n := e.Name()
		ext := filepath.Ext(n)
		if strings.HasPrefix(n, ".") || (ext != ".yaml" && ext != ".yml") || strings.HasSuffix(strings.TrimSuffix(n, ext), "_test") {
			continue
		}
		if info, err := os.Stat(filepath.Join(f.o.Dir, n)); err != nil || !info.Mode().IsRegular() {
			continue
		}
		out = append(out, n)
	}
	return out, nil
}

func testFile(name string) string {
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + "_test" + ext
}

// look evaluates a file if it has changed.
func (f *Folder) look(ctx context.Context, name string) error {
	e := f.files[name]
	if e == nil {
		e = f.recall(ctx, name)
		f.files[name] = e
	}
	data, tests, err := read(f.o.Dir, name)
	if err != nil {
		e.hash, e.fresh = "", nil
		e.problems = []Problem{{File: name, Message: err.Error(), Remedy: "make it a readable file of at most 1 MiB"}}
		return nil
	}
	h := contentHash(data, tests)
	if h == e.hash {
		return nil
	}
	d, problems := f.o.Load(ctx, f.o.Dir, name, data, tests)
	if len(problems) == 0 && d != nil && f.o.Check != nil {
		problems = f.o.Check(ctx, d)
	}
	if err := ctx.Err(); err != nil {
		return err // a check that was cut short says nothing
	}
	e.hash, e.problems, e.fresh = h, problems, nil
	if len(problems) > 0 || d == nil {
		return nil
	}
	e.fresh = d
	return nil
}

// read returns a pipeline's file and its tests, nil if there are none.
func read(dir, name string) (data, tests []byte, err error) {
	if data, err = readBounded(filepath.Join(dir, name)); err != nil {
		return nil, nil, err
	}
	tests, err = readBounded(filepath.Join(dir, testFile(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return data, nil, nil
	}
	return data, tests, err
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes", path, info.Size())
	}
	return os.ReadFile(path)
}

func contentHash(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// swap activates the good versions. A name that two files claim is an error in
// both, and its last good version stays.
func (f *Folder) swap() {
	claims := map[string][]string{}
	for _, file := range sortedKeys(f.files) {
		if d := f.files[file].fresh; d != nil {
			claims[d.Name] = append(claims[d.Name], file)
		}
	}
	clash := map[string][]Problem{}
	for name, files := range claims {
		if len(files) == 1 {
			continue
		}
		for _, file := range files {
			others := slices.DeleteFunc(slices.Clone(files), func(o string) bool { return o == file })
			clash[file] = []Problem{{File: file, Message: fmt.Sprintf("the name %q is also that of %s", name, join(others)), Remedy: "give one of them another name"}}
		}
	}
	g := &Generation{Definitions: map[string]*Definition{}}
	var active []string
	for _, file := range sortedKeys(f.files) {
		e := f.files[file]
		if e.fresh != nil && clash[file] == nil && e.goodHash != e.hash {
			f.accept(file, e)
		}
		st := FileStatus{File: file, Hash: e.hash, Problems: slices.Concat(e.problems, clash[file])}
		if e.good != nil && g.Definitions[e.good.Name] == nil {
			st.Pipeline, st.Active = e.good.Name, e.goodHash
			g.Definitions[e.good.Name] = e.good
			active = append(active, file+"="+e.goodHash)
		}
		g.Files = append(g.Files, st)
	}
	g.Hash = digest(active...)
	old := f.now.Swap(g)
	f.report(old, g)
}

func (f *Folder) accept(file string, e *entry) {
	e.good, e.goodHash = e.fresh, e.hash
	if err := f.keep(file); err != nil {
		f.o.Logger.Error("keep the last good version", "file", file, "error", err)
	}
}

func (f *Folder) report(old, g *Generation) {
	if old.Hash == g.Hash && problemText(old) == problemText(g) {
		return
	}
	for _, st := range g.Files {
		for _, p := range st.Problems {
			f.o.Logger.Error("pipeline file", "problem", p.String(), "active", st.Active != "")
		}
	}
	if old.Hash != g.Hash {
		f.o.Logger.Info("pipelines active", "count", len(g.Definitions), "generation", g.Hash)
	}
	if f.o.Changed != nil {
		f.o.Changed(g)
	}
}

func problemText(g *Generation) string {
	var b strings.Builder
	for _, st := range g.Files {
		for _, p := range st.Problems {
			b.WriteString(p.String())
		}
	}
	return b.String()
}

// settle is how long the directory must be quiet before it is read: editors
// and ConfigMap volumes change it in several steps.
const settle = 200 * time.Millisecond

// Watch scans at each change and at each poll until ctx ends. It owns its
// watcher and returns nil, or why it cannot watch at all.
func (f *Folder) Watch(ctx context.Context) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", f.o.Dir, err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			f.o.Logger.Warn("close watcher", "error", err)
		}
	}()
	watched := w.Add(f.o.Dir) == nil
	poll := time.NewTicker(f.o.Poll)
	defer poll.Stop()
	quiet := time.NewTimer(0)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.Events:
			quiet.Reset(settle)
		case err := <-w.Errors:
			f.o.Logger.Warn("watch pipelines' directory; the rescan goes on", "error", err)
		case <-poll.C:
			if !watched { // the directory did not exist
				watched = w.Add(f.o.Dir) == nil
			}
			quiet.Reset(0)
		case <-quiet.C:
			if err := f.Scan(ctx); err != nil && ctx.Err() == nil {
				f.o.Logger.Error("scan pipelines", "error", err)
			}
		}
	}
}
