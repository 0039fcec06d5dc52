// Package duckdb is the embedded batch engine, and the only importer of
// DuckDB's binding.
package duckdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/array"
	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/lakeward/lakeward/query"
)

// Options are an engine's settings.
type Options struct {
	MemoryLimit int64    // bytes; 0: 1 GiB
	MaxSpill    int64    // bytes on disk; 0: 16 GiB
	Threads     int      // 0: as many as Go may use
	TempDir     string   // where large intermediate results spill; created if absent; empty: no spilling
	AllowedDirs []string // directories whose files may be read: the lake

	AnalyticsPath string // DuckDB file of the analytics tier; empty: none is attached
	StatePath     string // DuckDB file of the pipelines' state; empty: none is attached
	ReadOnly      bool   // attach both read-only; a file that does not exist reads as empty

	Checker query.Checker // of the files of every view; nil: they are trusted
	Logger  *slog.Logger  // nil: discard
}

const (
	defaultMemory = 1 << 30
	defaultSpill  = 16 << 30
)

// Engine is one DuckDB instance. It implements query.Engine.
type Engine struct {
	db     duck.Database
	opts   Options
	log    *slog.Logger
	parser *Parser

	mu       sync.Mutex
	sessions int64 // opened so far
	open     sync.WaitGroup
	closed   bool
}

// Open starts an instance and locks its configuration.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := openInstance(o)
	if err != nil {
		return nil, fmt.Errorf("open DuckDB: %w", err)
	}
	e := &Engine{db: db, opts: o, log: o.Logger}
	if err := e.prepare(ctx); err != nil {
		duck.Close(&e.db)
		return nil, err
	}
	return e, nil
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
		"enable_external_file_cache":   "true",
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
func (e *Engine) prepare(ctx context.Context) error {
	c, err := newConn(e.db, nil)
	if err != nil {
		return err
	}
	if e.opts.TempDir != "" {
		if err := os.MkdirAll(e.opts.TempDir, 0o700); err != nil {
			_ = c.Close()
			return fmt.Errorf("create spill directory: %w", err)
		}
	}
	// The time zone is a setting of the ICU extension, which is linked in: it
	// exists only after the extension is loaded.
	start := []string{"LOAD icu", "SET GLOBAL TimeZone='UTC'"}
	if e.opts.TempDir != "" {
		// Given when the instance is opened, this one has no effect.
		start = append(start, fmt.Sprintf("SET GLOBAL max_temp_directory_size='%dB'", orDefault(e.opts.MaxSpill, defaultSpill)))
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
	dirs := make([]string, len(e.opts.AllowedDirs))
	for i, d := range e.opts.AllowedDirs {
		if d, err = localPath(d); err != nil {
			_ = c.Close()
			return err
		}
		dirs[i] = quoteText(strings.TrimSuffix(d, "/") + "/")
	}
	for _, sql := range []string{
		"SET allowed_directories=[" + strings.Join(dirs, ",") + "]",
		"SET enable_external_access=false",
		"SET lock_configuration=true",
	} {
		if _, err := c.Exec(ctx, sql); err != nil {
			_ = c.Close()
			return fmt.Errorf("lock down DuckDB: %w", err)
		}
	}
	e.parser = &Parser{conn: c}
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
	if _, err := c.Exec(ctx, "ATTACH "+quoteText(path)+" AS "+quoteIdent(name)+suffix); err != nil {
		return fmt.Errorf("attach the %s database %s (does a daemon hold it?): %w", name, path, err)
	}
	return nil
}

// acquire counts a connection, so that Close waits for it.
func (e *Engine) acquire() (int64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return 0, errors.New("the engine is closed")
	}
	e.sessions++
	e.open.Add(1)
	return e.sessions, nil
}

// Conn opens a trusted connection with no lake view, for the analytics tier.
func (e *Engine) Conn(context.Context) (*Conn, error) {
	if _, err := e.acquire(); err != nil {
		return nil, err
	}
	c, err := newConn(e.db, e.open.Done)
	if err != nil {
		e.open.Done()
	}
	return c, err
}

// Usage is what the instance holds of its memory and of the disk.
func (e *Engine) Usage(ctx context.Context) (u query.Usage, err error) {
	c, err := e.Conn(ctx)
	if err != nil {
		return u, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	r, err := c.Query(ctx, "SELECT sum(memory_usage_bytes)::BIGINT, sum(temporary_storage_bytes)::BIGINT FROM duckdb_memory()")
	if err != nil {
		return u, fmt.Errorf("ask for the engine's memory: %w", err)
	}
	defer r.Release()
	for r.Next() {
		u.Memory = r.RecordBatch().Column(0).(*array.Int64).Value(0)
		u.Spill = r.RecordBatch().Column(1).(*array.Int64).Value(0)
	}
	return u, r.Err()
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
	err := e.parser.conn.Close()
	duck.Close(&e.db)
	return err
}

// Scratch opens a connection to an instance of its own, with every default of
// DuckDB's and access to files: for benchmarks and tools, never for input from
// outside. Closing it ends the instance.
func Scratch(context.Context) (*Conn, error) {
	var db duck.Database
	if duck.Open(":memory:", &db) == duck.StateError {
		return nil, errors.New("open DuckDB: no instance")
	}
	c, err := newConn(db, func() { duck.Close(&db) })
	if err != nil {
		duck.Close(&db)
	}
	return c, err
}

// Confine implements query.Confiner.
func (e *Engine) Confine(expr string, columns []string) error { return e.parser.Confine(expr, columns) }

// ConfineSelect implements query.Confiner.
func (e *Engine) ConfineSelect(sql string, inputs []string) error {
	return e.parser.ConfineSelect(sql, inputs)
}
