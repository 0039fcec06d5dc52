// Command query measures what it costs that SQL is evaluated in a process of
// its own: each figure compares an engine in a worker with one in this process,
// in turns, on the same machine and files.
//
//	EVENTS=1000000 go run ./test/bench/query
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/query/worker"
)

const (
	engineMemory = 2 << 30
	ones         = 400       // statements of each engine
	largeRows    = 3_000_000 // of a large result
	turns        = 5
)

func main() {
	worker.Divert()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench query:", err)
		stop()
		os.Exit(1)
	}
}

// pair is the same measurement of both engines.
type pair struct{ inside, worker []time.Duration }

func (p pair) text() (in, out time.Duration) { return median(p.inside), median(p.worker) }

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

func run(ctx context.Context) (err error) {
	events := 1_000_000
	if text := os.Getenv("EVENTS"); text != "" {
		if events, err = strconv.Atoi(text); err != nil || events < 1000 {
			return fmt.Errorf("EVENTS=%s is not a number of at least 1000", text)
		}
	}
	dir, err := os.MkdirTemp("", "lakeward-bench-query-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := statements(ctx, dir); err != nil {
		return err
	}
	return pipelines(ctx, dir, events)
}

// statements measures what people do.
func statements(ctx context.Context, dir string) (err error) {
	in, err := duckdb.Open(ctx, duckdb.Options{MemoryLimit: engineMemory, Threads: runtime.GOMAXPROCS(0),
		TempDir: filepath.Join(dir, "in")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	pool := worker.NewPool(worker.Options{Config: worker.Config{Name: "query", Memory: 2 * engineMemory}, Most: 4,
		Engine: worker.EngineOptions{MemoryLimit: engineMemory, Threads: runtime.GOMAXPROCS(0),
			TempDir: filepath.Join(dir, "pool")}})
	defer func() { err = errors.Join(err, pool.Close()) }()
	one, err := both(in, pool, ones, func(e query.Engine) error { return ask(ctx, e, "SELECT 1", 1) })
	if err != nil {
		return err
	}
	a, b := one.text()
	fmt.Printf("SELECT 1, warm, with its session: %s in the process, %s in a worker\n", a.Round(time.Microsecond),
		b.Round(time.Microsecond))
	large, err := both(in, pool, turns, func(e query.Engine) error {
		return ask(ctx, e, fmt.Sprintf("SELECT r, r::DOUBLE / 3 AS d, 'name-' || (r %% 1000) AS t, md5(r::VARCHAR) AS m "+
			"FROM (SELECT unnest(range(%d)) AS r)", largeRows), largeRows)
	})
	if err != nil {
		return err
	}
	c, d := large.text()
	fmt.Printf("%d rows: %s in the process, %s in a worker\n", largeRows, c.Round(time.Millisecond),
		d.Round(time.Millisecond))
	fmt.Printf("figure: query_warm_ms_added %.2f ms\n", float64(b-a)/1e6)
	fmt.Printf("figure: query_rows_ratio %.2f x\n", float64(c)/float64(d))
	return nil
}

// both measures f n times on each engine, in turns, after a first time that
// does not count.
func both(in, out query.Engine, n int, f func(query.Engine) error) (p pair, err error) {
	for i := range n + 1 {
		for _, side := range []struct {
			e  query.Engine
			to *[]time.Duration
		}{{in, &p.inside}, {out, &p.worker}} {
			began := time.Now()
			if err := f(side.e); err != nil {
				return p, err
			}
			if i > 0 {
				*side.to = append(*side.to, time.Since(began))
			}
		}
	}
	return p, nil
}

// ask reads the whole result of one statement in a session of its own.
func ask(ctx context.Context, e query.Engine, sql string, want int64) (err error) {
	s, err := e.Open(ctx, query.View{}, query.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r, err := s.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer r.Release()
	var n int64
	for r.Next() {
		n += r.RecordBatch().NumRows()
	}
	if n != want && r.Err() == nil {
		return fmt.Errorf("%d rows, not %d", n, want)
	}
	return r.Err()
}
