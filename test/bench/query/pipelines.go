package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/lakeward/lakeward/demo"
	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/spec"
	shipped "github.com/lakeward/lakeward/pipelines.d"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/query/worker"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/analytics"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

const measured = "failed-signins"

// engine is what a run needs of one.
type engine interface {
	query.Engine
	compile.Confiner
	analytics.Engine
}

// outside is an engine in a worker of its own, as the daemon's is.
type outside struct {
	*worker.Owner
	compile.Confiner
}

// pipelines measures a whole run of a shipped pipeline on fresh databases.
func pipelines(ctx context.Context, dir string, events int) (err error) {
	l, err := lake.Open(ctx, lake.Options{Warehouse: filepath.Join(dir, "lake"),
		Catalog: filepath.Join(dir, "catalog.db")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	end, err := fill(ctx, l, events)
	if err != nil {
		return err
	}
	parser, err := duckdb.NewParser(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, parser.Close()) }()
	var p pair
	for i := range 2*turns + 2 {
		to := filepath.Join(dir, fmt.Sprint("round", i))
		took, rows, err := one(ctx, l, parser, to, i%2 == 1, end)
		if err != nil {
			return err
		}
		if i < 2 {
			fmt.Printf("%s over %d sign-ins: %d rows\n", measured, events, rows)
			continue
		}
		if i%2 == 1 {
			p.worker = append(p.worker, took)
		} else {
			p.inside = append(p.inside, took)
		}
	}
	a, b := p.text()
	fmt.Printf("a run of %s: %s in the process, %s in a worker\n", measured, a.Round(time.Millisecond),
		b.Round(time.Millisecond))
	fmt.Printf("figure: pipeline_ratio %.3f x\n", float64(b)/float64(a))
	return nil
}

// fill commits the events as ingest would, a file a day, and is the time when
// they end.
func fill(ctx context.Context, l *lake.Lake, events int) (end time.Time, err error) {
	batch := columnar.NewBatch(tiers.Schema{}, columnar.Options{StreamTag: "bench"})
	var seq uint64
	end = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC) // as SigninBench has it
	err = demo.SigninBench(events, 1, func(_, _ string, _ time.Time, body []byte) error {
		seq++
		return batch.Append(columnar.Meta{Seq: seq, Published: end}, end, body)
	})
	if err != nil {
		return end, err
	}
	t, err := l.Create(ctx, "signin", batch.Schema(), tiers.Options{})
	if err != nil {
		return end, err
	}
	files, err := batch.Files(t.Schema(), parquetfile.Options{})
	if err != nil {
		return end, err
	}
	c := tiers.Commit{ID: "bench"}
	for _, f := range files {
		written, err := t.WriteNew(ctx, f.Info, f.Data)
		if err != nil {
			return end, err
		}
		c.Add = append(c.Add, written)
	}
	_, err = t.Commit(ctx, c)
	return end, err
}

// one runs the pipeline once.
func one(ctx context.Context, l *lake.Lake, parser *duckdb.Parser, dir string, out bool,
	end time.Time) (took time.Duration, rows int64, err error) {
	e, stop, err := open(ctx, l, parser, dir, out)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	load := pipeline.Loader(pipeline.SpecOptions{Settle: 15 * time.Minute, Lateness: 48 * time.Hour, CatchUp: 1,
		Compile: func(p *spec.Pipeline, schemas func(string) (tiers.Schema, bool)) (*compile.Compiled, []spec.Problem) {
			return compile.Compile(p, schemas, e)
		}})
	data, err := fs.ReadFile(shipped.Files(), measured+".yaml")
	if err != nil {
		return 0, 0, err
	}
	d, problems := load(ctx, ".", measured+".yaml", data, nil)
	if len(problems) > 0 {
		return 0, 0, fmt.Errorf("pipeline %s: %v", measured, problems)
	}
	r := pipeline.NewRunner(pipeline.Options{Lake: l, Engine: e,
		Sinks: pipeline.Sinks{Lake: lake.NewSink(l), Analytics: analytics.New(e, 0)}})
	hour := end.Truncate(time.Hour)
	began := time.Now()
	res, err := r.Run(ctx, d, compile.Range{Start: hour.Add(-time.Hour), End: hour}, pipeline.RunOptions{})
	return time.Since(began), res.RowsIn, err
}

func open(ctx context.Context, l *lake.Lake, parser *duckdb.Parser, dir string, out bool) (engine, func() error,
	error) {
	warehouse := filepath.Join(filepath.Dir(dir), "lake")
	databases := dir + "-db"
	if err := os.MkdirAll(databases, 0o750); err != nil {
		return nil, nil, err
	}
	a, s := filepath.Join(databases, "analytics.duckdb"), filepath.Join(databases, "state.duckdb")
	if !out {
		e, err := duckdb.Open(ctx, duckdb.Options{MemoryLimit: engineMemory, Threads: runtime.GOMAXPROCS(0), TempDir: dir,
			AllowedDirs: []string{warehouse}, AnalyticsPath: a, StatePath: s, Checker: l})
		if err != nil {
			return nil, nil, err
		}
		return e, e.Close, nil
	}
	o := worker.NewOwner(worker.Options{Config: worker.Config{Name: "runs", Read: []string{warehouse},
		Write: []string{databases}, Memory: 2 * engineMemory},
		Engine: worker.EngineOptions{MemoryLimit: engineMemory, Threads: runtime.GOMAXPROCS(0), TempDir: dir,
			AllowedDirs: []string{warehouse}, AnalyticsPath: a, StatePath: s, Seam: worker.Seam{Checker: l}}})
	if err := o.Start(ctx); err != nil {
		return nil, nil, errors.Join(err, o.Close())
	}
	return outside{o, parser}, o.Close, nil
}
