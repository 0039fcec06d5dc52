package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/query/worker"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/analytics"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// noClock leaves a pipeline that runs after others to the test's own default.
func noClock(string) *schedule.Cron { return nil }

// Benches run the tests of pipelines, in a worker without access to anything else.
type Benches struct{ host *worker.Host }

// NewBenches starts no worker yet. The caller closes the benches.
func NewBenches(log *slog.Logger) *Benches {
	return &Benches{worker.NewHost(worker.Config{Name: "test", Memory: benchMemory * 2, Logger: log}, "lakeward-test-")}
}

const benchMemory = 256 << 20 // bytes of an engine

// Close ends the worker.
func (b *Benches) Close() error { return b.host.Close() }

// Open is an empty lake with an engine of its own, for one case of a pipeline's
// tests. Events reach it through the decoder and the table format that the daemon
// uses.
func (b *Benches) Open(ctx context.Context) (_ *pipeline.Bench, err error) {
	e, dir, err := b.host.Open(ctx, func(dir string) worker.EngineOptions {
		return worker.EngineOptions{AllowedDirs: []string{filepath.Join(dir, "lake")}, Threads: 1, MemoryLimit: benchMemory,
			AnalyticsPath: filepath.Join(dir, "analytics.duckdb"), StatePath: filepath.Join(dir, "state.duckdb")}
	})
	if err != nil {
		return nil, err
	}
	var undo []func() error
	closeAll := func() error {
		errs := []error{}
		for i := len(undo) - 1; i >= 0; i-- {
			errs = append(errs, undo[i]())
		}
		return errors.Join(errs...)
	}
	undo = append(undo, e.Close) // and its directory
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll())
		}
	}()
	warehouse := filepath.Join(dir, "lake")
	l, err := lake.Open(ctx, lake.Options{Warehouse: warehouse, Catalog: filepath.Join(dir, "catalog.db")})
	if err != nil {
		return nil, err
	}
	undo = append(undo, l.Close)
	a := analytics.New(e, 0)
	undo = append(undo, a.Close)
	in := &bench{lake: l}
	return &pipeline.Bench{Lake: l, Engine: e, Sinks: pipeline.Sinks{Lake: lake.NewSink(l), Analytics: a},
		Ingest: in.ingest, Close: closeAll}, nil
}

type bench struct {
	lake *lake.Lake
	seq  uint64
}

// ingest appends NDJSON to a lake table in one commit.
func (b *bench) ingest(ctx context.Context, table string, ndjson []byte) error {
	name, ok := strings.CutPrefix(table, "lake.")
	if !ok {
		return fmt.Errorf("give rows of %s: only lake tables can be given; write lake.NAME", table)
	}
	batch := columnar.NewBatch(tiers.Schema{}, columnar.Options{StreamTag: "test"})
	at := time.Now().UTC()
	for event, err := range columnar.Split("ndjson", ndjson) {
		if err == nil {
			b.seq++
			err = batch.Append(columnar.Meta{Seq: b.seq, Published: at}, at, event)
		}
		if err != nil {
			return fmt.Errorf("row %d of %s: %w", b.seq, table, err)
		}
	}
	return b.commit(ctx, name, batch)
}

func (b *bench) commit(ctx context.Context, name string, batch *columnar.Batch) error {
	t, err := b.lake.Create(ctx, name, batch.Schema(), tiers.Options{})
	if err != nil {
		return fmt.Errorf("create lake.%s: %w", name, err)
	}
	files, err := batch.Files(t.Schema(), parquetfile.Options{})
	if err != nil {
		return fmt.Errorf("encode rows of lake.%s: %w", name, err)
	}
	c := tiers.Commit{ID: fmt.Sprintf("test-%s-%d", name, b.seq)}
	for _, f := range files {
		written, err := t.WriteNew(ctx, f.Info, f.Data)
		if err != nil {
			return fmt.Errorf("write rows of lake.%s: %w", name, err)
		}
		c.Add = append(c.Add, written)
	}
	if _, err := t.Commit(ctx, c); err != nil {
		return fmt.Errorf("commit rows of lake.%s: %w", name, err)
	}
	return nil
}
