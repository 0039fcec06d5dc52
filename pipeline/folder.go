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
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/lakeward/lakeward/internal/safefile"
	"github.com/lakeward/lakeward/pipeline/schedule"
)

// FolderOptions wire a Folder.
type FolderOptions struct {
	Dir  string
	Keep string        // where the last good versions are kept; created if absent
	Poll time.Duration // between rescans, whatever the file system reports; 0: 10s
	// Load parses and lints one file; base is where the tests' data files are.
	// tests is nil if there is no test file.
	Load Load
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

	list   []*Definition
	jobs   []schedule.Job
	clocks map[string]*schedule.Cron
	errs   []error
}

// newGeneration completes a generation whose exported fields are set.
func newGeneration(g Generation) *Generation {
	for _, n := range sortedKeys(g.Definitions) {
		g.list = append(g.list, g.Definitions[n])
	}
	g.list = Order(g.list)
	g.jobs, g.errs = schedule.Resolve(Jobs(g.list))
	g.clocks = clocksOf(g.jobs)
	return &g
}

// List is the definitions, upstreams first. It is the generation's own.
func (g *Generation) List() []*Definition { return g.list }

// Jobs are the schedule's view of the definitions, resolved. They are the
// generation's own.
func (g *Generation) Jobs() []schedule.Job { return g.jobs }

// Clocks is the schedule of each definition, those that run after others
// included. It is the generation's own. The errors say which have none.
func (g *Generation) Clocks() (map[string]*schedule.Cron, []error) { return g.clocks, g.errs }

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
	marks    [2]fileMark // of the file and its tests, when they were last read
	hash     string      // last looked at
	good     *Definition
	goodHash string
	fresh    *Definition // good in this very version; nil: broken
	problems []Problem
}

// MaxFile bounds a pipeline's file and the file of its tests, in bytes.
const MaxFile = 1 << 20

// NewFolder returns a folder that has not been read yet.
func NewFolder(o FolderOptions) *Folder {
	if o.Poll <= 0 {
		o.Poll = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Folder{o: o, files: map[string]*entry{}}
	f.now.Store(newGeneration(Generation{Definitions: map[string]*Definition{}}))
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
	changed := false
	for name := range f.files {
		if _, there := slices.BinarySearch(names, name); !there {
			changed = true
			delete(f.files, name)
			if err := f.forget(name); err != nil {
				return err
			}
		}
	}
	if len(names) > 0 {
		root, err := os.OpenRoot(f.o.Dir)
		if err != nil {
			return fmt.Errorf("read pipelines' directory %s: %w", f.o.Dir, err)
		}
		defer root.Close()
		for _, name := range names {
			new, err := f.look(ctx, root, name)
			if err != nil {
				return err
			}
			changed = changed || new
		}
	}
	if changed {
		f.swap()
	}
	return nil
}

// names lists the pipelines' files, sorted. A directory that does not exist is
// empty. What is not a regular file is listed too: look says what is wrong.
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
		if isPipelineFile(e) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

func testFile(name string) string {
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + "_test" + ext
}

// look evaluates a file if it has changed, and reports whether it has.
func (f *Folder) look(ctx context.Context, root *os.Root, name string) (changed bool, err error) {
	e := f.files[name]
	if e == nil {
		e = f.recall(ctx, name)
		f.files[name] = e
		changed = true
	}
	marks := [2]fileMark{markOf(root, name), markOf(root, testFile(name))}
	if e.marks == marks && marks[0].stable && marks[1].stable {
		return changed, nil
	}
	data, tests, err := read(root, name)
	if err != nil {
		problem := Problem{File: name, Message: err.Error(),
			Remedy: "make it a readable file of at most 1 MiB in the folder itself"}
		changed = changed || len(e.problems) != 1 || e.problems[0] != problem
		e.hash, e.fresh, e.problems = "", nil, []Problem{problem}
		return changed, nil
	}
	h := contentHash(data, tests)
	if h == e.hash {
		e.marks = marks
		return changed, nil
	}
	if h == e.goodHash { // as it was accepted before: the tests passed
		e.marks, e.hash, e.problems, e.fresh = marks, h, nil, e.good
		return true, nil
	}
	d, problems := f.o.Load(ctx, f.o.Dir, name, data, tests)
	if len(problems) == 0 && d != nil && f.o.Check != nil {
		problems = f.o.Check(ctx, d)
	}
	if err := ctx.Err(); err != nil {
		return changed, err // a check that was cut short says nothing
	}
	e.marks, e.hash, e.problems, e.fresh = marks, h, problems, nil
	if len(problems) == 0 && d != nil {
		e.fresh = d
	}
	return true, nil
}

// fileMark tells whether a file may have changed without reading it.
type fileMark struct {
	there    bool
	size     int64
	modified time.Time
	inode    uint64
	stable   bool // a change from now on would have another time
}

// coarse exceeds the resolution of every file system's clock.
const coarse = 2 * time.Second

func markOf(root *os.Root, name string) fileMark {
	info, err := root.Stat(name)
	if err != nil {
		return fileMark{stable: errors.Is(err, fs.ErrNotExist)}
	}
	s := fileMark{there: true, size: info.Size(), modified: info.ModTime(), stable: time.Since(info.ModTime()) > coarse}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = st.Ino
	}
	return s
}

// read returns a pipeline's file and its tests, nil if there are none. Neither
// leaves the folder, through links either: a ConfigMap's stay within it.
func read(root *os.Root, name string) (data, tests []byte, err error) {
	if data, err = safefile.ReadIn(root, name, MaxFile); err != nil {
		return nil, nil, err
	}
	tests, err = safefile.ReadIn(root, testFile(name), MaxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return data, nil, nil
	}
	return data, tests, err
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
	for _, files := range claims {
		if len(files) == 1 {
			continue
		}
		for _, file := range files {
			clash[file] = []Problem{sameName(f.files[file].fresh, files)}
		}
	}
	g := Generation{Definitions: map[string]*Definition{}}
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
	new := newGeneration(g)
	f.report(f.now.Swap(new), new)
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
	for _, err := range g.errs {
		f.o.Logger.Warn("a pipeline has no schedule", "error", err)
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

// quietFor is how long the directory must be quiet before it is read: editors
// and ConfigMap volumes change it in several steps.
const quietFor = 200 * time.Millisecond

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
			quiet.Reset(quietFor)
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
