// Command lookup measures look-ups of one user and of one address over ROWS
// sign-ins (by default 50,000,000) that were written by the lake's own writer
// and merged by its maintenance, next to DuckDB over the same rows in files in
// the order of time, without bloom filters. Bytes are counted by the kernel
// (rchar of /proc/self/io): footers, filters and page headers are among them,
// and what the page cache holds counts as well.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench lookup:", err)
		stop()
		os.Exit(1)
	}
}

// settings come from the environment, so that make can pass them on.
type settings struct {
	rows int
	keys int // looked up of each kind; of fewer than a few hundred the 99th percentile would be the longest
	dir  string
	keep bool // dir is LAKE's: it stays, and what is there already is not made again
}

func readSettings() (settings, error) {
	s := settings{rows: 50_000_000, keys: 400}
	for name, to := range map[string]*int{"ROWS": &s.rows, "KEYS": &s.keys} {
		if v := os.Getenv(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 {
				return s, fmt.Errorf("%s=%q: give a whole number", name, v)
			}
			*to = n
		}
	}
	if s.rows < 100_000 {
		return s, fmt.Errorf("ROWS=%d: at least 100000, so that there are parts to skip", s.rows)
	}
	var err error
	if lake := os.Getenv("LAKE"); lake != "" {
		s.keep = true
		if s.dir, err = filepath.Abs(lake); err == nil {
			err = os.MkdirAll(s.dir, 0o750)
		}
		return s, err
	}
	s.dir, err = os.MkdirTemp(os.Getenv("BENCH_DIR"), "lakeward-bench-")
	return s, err
}

func run(ctx context.Context) (err error) {
	s, err := readSettings()
	if err != nil {
		return err
	}
	if !s.keep {
		defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	}
	b := &bench{settings: s}
	b.company = company{users: max(2000, min(120_000, s.rows/400)), days: max(2, min(60, s.rows/800_000)), seed: 20261126}
	if err := b.lake(ctx); err != nil {
		return fmt.Errorf("make the lake: %w", err)
	}
	if err := b.keysOf(ctx); err != nil {
		return fmt.Errorf("choose users and addresses: %w", err)
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	b.report()
	return nil
}

// station is what a process holds that answers queries.
type station struct {
	lake   *lake.Lake
	engine *duckdb.Engine
}

func (b *bench) openLake(ctx context.Context) (*lake.Lake, error) {
	return lake.Open(ctx, lake.Options{Warehouse: filepath.Join(b.dir, "lake"),
		Catalog: filepath.Join(b.dir, "catalog.db")})
}

func (b *bench) open(ctx context.Context) (*station, error) {
	l, err := b.openLake(ctx)
	if err != nil {
		return nil, err
	}
	e, err := b.engine(ctx, l, "spill")
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &station{l, e}, nil
}

// engine opens one that has a directory for itself: it removes what is left
// there of others.
func (b *bench) engine(ctx context.Context, l *lake.Lake, spill string) (*duckdb.Engine, error) {
	return duckdb.Open(ctx, duckdb.Options{MemoryLimit: 2 << 30, Threads: 2, TempDir: filepath.Join(b.dir, spill),
		AllowedDirs: []string{filepath.Join(b.dir, "lake")}, Checker: l})
}

func (s *station) close() error { return errors.Join(s.engine.Close(), s.lake.Close()) }

var first = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)

// size is the bytes of files.
func size(files []tiers.DataFile) (n int64) {
	for _, f := range files {
		n += f.Size
	}
	return n
}
