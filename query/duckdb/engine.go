// Package duckdb is the embedded batch engine, and the only importer of
// DuckDB's binding.
package duckdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// Options are an engine's settings.
type Options struct {
	MemoryLimit int64    // bytes; 0: 1 GiB
	MaxSpill    int64    // bytes on disk; 0: 16 GiB
	Threads     int      // 0: as many as Go may use
	TempDir     string   // where large intermediate results spill; created if absent; empty: no spilling
	AllowedDirs []string // directories whose files may be read: the lake

	AnalyticsPath string       // DuckDB file of the analytics tier; empty: none is attached
	Remote        query.Remote // the analytics tier instead of AnalyticsPath; nil: none
	StatePath     string       // DuckDB file of the pipelines' state; empty: none is attached
	ReadOnly      bool         // attach both read-only; a file that does not exist reads as empty

	Checker query.Checker // of the files of every view; nil: they are trusted
	Logger  *slog.Logger  // nil: discard
}

const (
	defaultMemory = 1 << 30
	defaultSpill  = 16 << 30
)

// Engine is one DuckDB instance. It implements query.Engine. An instance that a
// failed write has made useless, or that remembers too many files, is replaced
// by a new one once nobody has a connection to it any more.
type Engine struct {
	opts      Options
	log       *slog.Logger
	parser    *Parser
	lookups   *extracts
	templates *templates

	mu       sync.Mutex
	db       duck.Database // no pointer: the last attempt to open one failed
	broken   error         // why the instance is of no use; nil: it is
	sated    bool          // the instance remembers too much
	most     int64         // bytes of footers that it may remember
	opened   time.Time     // the instance
	sessions int64         // opened so far
	conns    int           // open now
	open     sync.WaitGroup
	closed   bool
}

// Open starts an instance and locks its configuration.
func Open(ctx context.Context, o Options) (*Engine, error) {
	fewArenas()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.TempDir != "" { // files below it are named in statements, where only whole paths are allowed
		dir, err := filepath.Abs(o.TempDir)
		if err != nil {
			return nil, fmt.Errorf("find the spill directory: %w", err)
		}
		o.TempDir = dir
	}
	lookups, err := openExtracts(o.TempDir, !o.ReadOnly, o.Logger)
	if err != nil {
		return nil, err
	}
	e := &Engine{opts: o, log: o.Logger, parser: &Parser{}, lookups: lookups,
		templates: &templates{dir: lookups.dir, log: o.Logger, known: map[string]string{}},
		most:      max(leastFooters, orDefault(o.MemoryLimit, defaultMemory)/footersShare)}
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(err, lookups.close())
	}
	return e, nil
}

// start opens an instance in the place of none.
func (e *Engine) start(ctx context.Context) error {
	db, err := openInstance(e.opts)
	if err != nil {
		return fmt.Errorf("open DuckDB: %w", err)
	}
	if err := e.prepare(ctx, db); err != nil {
		duck.Close(&db)
		return err
	}
	e.db, e.opened = db, time.Now()
	return nil
}

func openInstance(o Options) (duck.Database, error) {
	var db duck.Database
	var cfg duck.Config
	if duck.CreateConfig(&cfg) == duck.StateError {
		return db, errors.New("no configuration")
	}
	defer duck.DestroyConfig(&cfg)
	for name, value := range settings(o) {
		if duck.SetConfig(cfg, name, value) == duck.StateError {
			return db, fmt.Errorf("setting %s=%s is not accepted", name, value)
		}
	}
	var msg string
	if duck.OpenExt(":memory:", &db, cfg, &msg) == duck.StateError {
		return db, errors.New(msg)
	}
	return db, nil
}

func settings(o Options) map[string]string {
	s := map[string]string{
		"memory_limit":                 fmt.Sprintf("%dB", orDefault(o.MemoryLimit, defaultMemory)),
		"autoinstall_known_extensions": "false",
		"autoload_known_extensions":    "false",
		"allow_community_extensions":   "false",
		"allow_persistent_secrets":     "false",
		"temp_directory":               o.TempDir,
		"preserve_insertion_order":     "true",
		"default_null_order":           "nulls_last",
		"enable_external_file_cache":   "false", // the system's cache holds local files already
	}
	if o.Threads > 0 {
		s["threads"] = fmt.Sprint(o.Threads)
	}
	return s
}

func orDefault(v, d int64) int64 {
	if v > 0 {
		return v
	}
	return d
}

// prepare attaches the two databases, then shuts the doors.
func (e *Engine) prepare(ctx context.Context, db duck.Database) error {
	c, err := newConn(db, nil)
	if err != nil {
		return err
	}
	if err := register(c.raw); err != nil {
		_ = c.Close()
		return err
	}
	// The time zone is a setting of the ICU extension, which is linked in: it
	// exists only after the extension is loaded.
	start := []string{"LOAD icu", "SET GLOBAL TimeZone='UTC'",
		"SET GLOBAL parquet_metadata_cache=true"} // data files never change, so that a footer is decoded once
	if e.opts.TempDir != "" {
		// This setting has no effect when it is given to open.
		start = append(start, fmt.Sprintf("SET GLOBAL max_temp_directory_size='%dB'",
			orDefault(e.opts.MaxSpill, defaultSpill)))
	}
	for _, sql := range start {
		if _, err := c.Exec(ctx, sql); err != nil {
			_ = c.Close()
			return fmt.Errorf("set up DuckDB: %s: %w", sql, err)
		}
	}
	for _, a := range []struct{ name, path string }{{"analytics", e.opts.AnalyticsPath}, {"state", e.opts.StatePath}} {
		if err := attach(ctx, c, a.name, a.path, e.opts.ReadOnly); err != nil {
			_ = c.Close()
			return err
		}
	}
	dirs := slices.Clone(e.opts.AllowedDirs)
	if e.lookups.dir != "" {
		dirs = append(dirs, e.lookups.dir)
	}
	var allowed []string
	for _, d := range dirs {
		if d, err = tiers.LocalDir(d); err != nil {
			_ = c.Close()
			return fmt.Errorf("allowed directory: %w", err)
		}
		d = strings.TrimSuffix(d, "/") + "/"
		allowed = append(allowed, quote.Text(d))
		if name := fileName(d); name != quote.Text(d) { // names of files are looked at before they are expanded, too
			allowed = append(allowed, name)
		}
	}
	for _, sql := range []string{
		"SET allowed_directories=[" + strings.Join(allowed, ",") + "]",
		"SET enable_external_access=false",
		"SET lock_configuration=true",
	} {
		if _, err := c.Exec(ctx, sql); err != nil {
			_ = c.Close()
			return fmt.Errorf("lock down DuckDB: %w", err)
		}
	}
	e.parser.use(c)
	return nil
}

func attach(ctx context.Context, c *Conn, name, path string, readOnly bool) error {
	if path == "" {
		return nil
	}
	suffix := ""
	if readOnly {
		suffix = " (READ_ONLY)"
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			path, suffix = ":memory:", ""
		}
	}
	if _, err := c.Exec(ctx, "ATTACH "+quote.Text(path)+" AS "+quote.Ident(name)+suffix); err != nil {
		return fmt.Errorf("attach the %s database %s (does a daemon hold it?): %w", name, path, err)
	}
	return nil
}

// connect opens a connection and gives it a number. Close waits for it.
func (e *Engine) connect(ctx context.Context) (*Conn, int64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, 0, errors.New("the engine is closed")
	}
	if e.broken != nil || e.sated && e.conns == 0 {
		if err := e.replace(ctx); err != nil {
			return nil, 0, err
		}
	}
	c, err := newConn(e.db, e.disconnected)
	if err != nil {
		return nil, 0, err
	}
	c.onError = e.failed
	e.sessions++
	e.conns++
	e.open.Add(1)
	return c, e.sessions, nil
}

func (e *Engine) disconnected() {
	e.mu.Lock()
	e.conns--
	e.mu.Unlock()
	e.open.Done()
}

// failed looks at an error of a connection, which may be the instance's end.
func (e *Engine) failed(err error) {
	if !invalidated(err) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.broken == nil {
		e.broken = err
		e.log.Error("DuckDB takes its databases out of use because a write failed; they are opened again", "error", err)
	}
}

// replace opens an instance in the place of this one. What was committed is in
// its files. Two instances on the same files would destroy them, so the
// connections to the old one must be gone.
func (e *Engine) replace(ctx context.Context) error {
	if e.conns > 0 {
		return fmt.Errorf("%w: its databases are opened again once %d statements have ended: %w", query.ErrUnavailable,
			e.conns, e.broken)
	}
	if e.db.Ptr != nil {
		e.parser.use(nil)
		duck.Close(&e.db)
		e.db = duck.Database{}
	}
	if err := e.start(ctx); err != nil {
		if e.broken == nil {
			e.broken = err
		}
		return fmt.Errorf("%w: its databases cannot be opened again: %w", query.ErrUnavailable, err)
	}
	if e.broken != nil {
		e.log.Info("DuckDB's databases were opened again")
	} else {
		e.log.Debug("DuckDB was opened again, to forget the files that are gone")
	}
	e.broken, e.sated = nil, false
	return nil
}

// DuckDB keeps the footers of all files that it has read since it was opened, up
// to its limit of memory; those of files that merging has removed, too.
const (
	leastFooters = 32 << 20 // bytes, by DuckDB's estimate, that are worth it; they take up to half as much again
	footersShare = 4        // the part of the limit that is worth it
	openFor      = time.Hour
)

// Trim has the instance replaced, at a moment when nobody has a connection, if
// it remembers more of files than is worth it.
func (e *Engine) Trim(ctx context.Context) error {
	e.mu.Lock()
	young := time.Since(e.opened) < openFor
	e.mu.Unlock()
	if young {
		return nil
	}
	n, err := e.footers(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sated = n > e.most
	return nil
}

// footers returns how much memory the instance uses for footers.
func (e *Engine) footers(ctx context.Context) (n int64, err error) {
	err = e.ask(ctx, "SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory() WHERE tag = "+
		"'OBJECT_CACHE'", func(r arrow.RecordBatch) {
		n = r.Column(0).(*array.Int64).Value(0)
	})
	return n, err
}

// Conn opens a trusted connection with no lake view, for the analytics tier.
func (e *Engine) Conn(ctx context.Context) (*Conn, error) {
	c, _, err := e.connect(ctx)
	return c, err
}

// Connect is Conn as an interface that does not name the engine.
func (e *Engine) Connect(ctx context.Context) (query.Conn, error) {
	c, err := e.Conn(ctx)
	if err != nil {
		return nil, err // a nil of the interface
	}
	return c, nil
}

// Usage is what the instance holds of its memory and of the disk.
func (e *Engine) Usage(ctx context.Context) (u query.Usage, err error) {
	err = e.ask(ctx, "SELECT sum(memory_usage_bytes)::BIGINT, sum(temporary_storage_bytes)::BIGINT FROM duckdb_memory()",
		func(r arrow.RecordBatch) {
			u.Memory = r.Column(0).(*array.Int64).Value(0)
			u.Spill = r.Column(1).(*array.Int64).Value(0)
		})
	return u, err
}

// ask runs a query about the instance's memory and calls row with each batch.
func (e *Engine) ask(ctx context.Context, sql string, row func(arrow.RecordBatch)) (err error) {
	c, err := e.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	r, err := c.Query(ctx, sql)
	if err != nil {
		return fmt.Errorf("ask for the engine's memory: %w", err)
	}
	defer r.Release()
	for r.Next() {
		row(r.RecordBatch())
	}
	return r.Err()
}

// Close waits until every session is closed, then ends the instance.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.open.Wait()
	e.parser.use(nil)
	if e.db.Ptr != nil {
		duck.Close(&e.db)
	}
	return e.lookups.close()
}

// Scratch opens a connection to an instance of its own, with our functions, every
// default of DuckDB's and access to files: for benchmarks and tools, never for input from
// outside. Closing it ends the instance.
func Scratch(context.Context) (*Conn, error) {
	var db duck.Database
	if duck.Open(":memory:", &db) == duck.StateError {
		return nil, errors.New("open DuckDB: no instance")
	}
	c, err := newConn(db, func() { duck.Close(&db) })
	if err != nil {
		duck.Close(&db)
		return nil, err
	}
	if err := register(c.raw); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Confine implements query.Confiner.
func (e *Engine) Confine(expr string, columns []string) error { return e.parser.Confine(expr, columns) }

// Lenient is Parser.Lenient.
func (e *Engine) Lenient(expr string) (string, []string, error) { return e.parser.Lenient(expr) }

// LenientSelect is Parser.LenientSelect.
func (e *Engine) LenientSelect(sql string) (string, []string, error) {
	return e.parser.LenientSelect(sql)
}

// ConfineSelect implements query.Confiner.
func (e *Engine) ConfineSelect(sql string, inputs []string) error {
	return e.parser.ConfineSelect(sql, inputs)
}
