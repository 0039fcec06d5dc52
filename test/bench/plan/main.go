// Command plan measures how long it takes to plan the merges of a table of
// FILES small files (by default 1,000,000), and how much memory: reading the
// manifests is part of it. The files' entries have the statistics of 21
// columns; the files themselves are never opened, and do not exist.
//
//	FILES=1000000 go run ./test/bench/plan
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

const (
	role      = "LAKEWARD_BENCH_ROLE"
	table     = "events"
	columns   = 21
	perDay    = 3000
	perCommit = 20_000
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := errors.New("a directory is needed")
	switch {
	case os.Getenv(role) == "":
		err = run(ctx)
	case len(os.Args) == 2:
		err = plan(ctx, os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench plan:", err)
		stop()
		os.Exit(1)
	}
}

func open(ctx context.Context, dir string) (*lake.Lake, error) {
	return lake.Open(ctx, lake.Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "catalog.db")})
}

func run(ctx context.Context) (err error) {
	files := 1_000_000
	if text := os.Getenv("FILES"); text != "" {
		if files, err = strconv.Atoi(text); err != nil || files < 1 {
			return fmt.Errorf("FILES=%s is not a count of files", text)
		}
	}
	dir, err := os.MkdirTemp("", "lakeward-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := fill(ctx, dir, files); err != nil {
		return fmt.Errorf("make the table: %w", err)
	}
	// A process of its own, so that its memory is the plan's.
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, dir)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), role+"=plan"), os.Stdout, os.Stderr
	return cmd.Run()
}

// fill commits the entries of small files, perDay of each day.
func fill(ctx context.Context, dir string, files int) (err error) {
	l, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	schema := tiers.Schema{Fields: tiers.BaseFields()}
	for i := len(schema.Fields); i < columns; i++ {
		schema.Fields = append(schema.Fields, tiers.Field{Name: fmt.Sprint("c", i), Type: tiers.Type{Kind: tiers.KindString}})
	}
	t, err := l.Create(ctx, table, schema, tiers.Options{})
	if err != nil {
		return err
	}
	schema = t.Schema()
	for from := 0; from < files; from += perCommit {
		var add []tiers.DataFile
		for i := from; i < min(from+perCommit, files); i++ {
			add = append(add, entry(schema, i))
		}
		if _, err := t.Commit(ctx, tiers.Commit{ID: fmt.Sprint("c", from), Add: add}); err != nil {
			return err
		}
	}
	return nil
}

func entry(s tiers.Schema, i int) tiers.DataFile {
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0,
		i/perDay).Add(time.Duration(i%perDay) * 28 * time.Second)
	day := int32(at.Unix() / 86400)
	path := fmt.Sprintf("file:///srv/lakeward/lake/events/data/time_day=%s/%032d.parquet", at.Format(time.DateOnly), i)
	f := tiers.DataFile{Path: path, Size: 100_000 + int64(i%50_000), Rows: 4000, Day: day, TimeMin: at,
		TimeMax: at.Add(30 * time.Second), SplitOffsets: []int64{4}}
	for _, c := range s.Fields {
		lo, hi := fmt.Appendf(nil, "value-%08d", i), fmt.Appendf(nil, "value-%08d", i+4000)
		if c.Type.Kind != tiers.KindString {
			lo, hi = micros(f.TimeMin), micros(f.TimeMax)
		}
		f.Columns = append(f.Columns, tiers.ColumnStats{FieldID: c.ID, Values: f.Rows, Size: f.Size / columns, Lower: lo,
			Upper: hi})
	}
	return f
}

func micros(t time.Time) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(t.UnixMicro())) }

// plan is what the maintainer does before it changes anything.
func plan(ctx context.Context, dir string) (err error) {
	l, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	debug.SetGCPercent(30) // as the daemon does
	began := time.Now()
	t, err := l.Open(ctx, table)
	if err != nil {
		return err
	}
	files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	listed := time.Since(began)
	n := len(files)
	jobs := compact.Plan(files, compact.DefaultPolicy(), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	took := time.Since(began)
	peak, err := peakMiB()
	if err != nil {
		return err
	}
	fmt.Printf("%d files: %d merges planned in %s, %s of it to read the manifests; first: %s\n", n, len(jobs),
		took.Round(time.Millisecond), listed.Round(time.Millisecond), jobs[0])
	fmt.Printf("figure: plan_million_files_seconds %.2f s\nfigure: plan_files %d count\nfigure: plan_peak_rss_mib %d "+
		"MiB\n", took.Seconds(), n, peak)
	return nil
}

func peakMiB() (int64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb >> 10, err
		}
	}
	return 0, errors.New("no VmHWM in /proc/self/status")
}
