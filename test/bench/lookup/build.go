package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

const (
	table   = "signin"
	batches = 4 // files of a day before they are merged
	stream  = "EVENTS@bench"
)

// bench is a lake, and the same rows in plain files.
type bench struct {
	settings
	company company
	plain   []string // local paths
	plainBy int64    // their bytes
	bytes   int64    // of the table

	users, addresses, offices, sprayers []string
	results                             map[string]*result
	firstTime                           time.Duration
	firstBytes                          int64
	hourOurs, hourPlain                 []time.Duration
}

// lake makes the lake, unless a run before this one has left it.
func (b *bench) lake(ctx context.Context) error {
	for d := range b.company.days {
		b.plain = append(b.plain, filepath.Join(b.dir, "plain", strconv.Itoa(d)+".parquet"))
	}
	made := filepath.Join(b.dir, "rows") // written last
	was, err := os.ReadFile(made)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Stat(filepath.Join(b.dir, "lake")); err == nil {
			return fmt.Errorf("%s has a lake that was not finished: remove it, or give another LAKE", b.dir)
		}
		if err := b.build(ctx); err != nil {
			return err
		}
		if err := os.WriteFile(made, []byte(strconv.Itoa(b.rows)), 0o600); err != nil {
			return err
		}
	case err != nil:
		return err
	case string(was) != strconv.Itoa(b.rows):
		return fmt.Errorf("the lake in %s has ROWS=%s", b.dir, was)
	default:
		fmt.Printf("the lake of a run before this one, in %s\n", b.dir)
	}
	return b.count(ctx)
}

// count takes the sizes of what there is.
func (b *bench) count(ctx context.Context) error {
	l, err := b.openLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	t, err := l.Open(ctx, table)
	if err != nil {
		return err
	}
	files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	rows := int64(0)
	for _, f := range files {
		rows += f.Rows
	}
	if rows != int64(b.rows) {
		return fmt.Errorf("the lake has %d rows", rows)
	}
	b.bytes = size(files)
	for _, p := range b.plain {
		st, err := os.Stat(p)
		if err != nil {
			return err
		}
		b.plainBy += st.Size()
	}
	fmt.Printf("%d files of %d bytes, plain files of %d bytes\n", len(files), b.bytes, b.plainBy)
	return nil
}

// build writes the rows, keeps a plain copy in the order of time, and merges.
func (b *bench) build(ctx context.Context) error {
	s, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t, err := s.lake.Create(ctx, table, schema(), tiers.Options{})
	if err != nil {
		return err
	}
	began := time.Now()
	if err := b.fill(ctx, s.lake, t); err != nil {
		return err
	}
	fmt.Printf("%d sign-ins of %d users over %d days, written in %s\n", b.rows, b.company.users, b.company.days,
		time.Since(began).Round(time.Millisecond))
	began = time.Now()
	if err := b.copyPlain(ctx, t); err != nil {
		return fmt.Errorf("write plain files: %w", err)
	}
	fmt.Printf("the same rows in %d plain files, in %s\n", len(b.plain), time.Since(began).Round(time.Millisecond))
	began = time.Now()
	cfg, err := config.Load("", nil)
	if err != nil {
		return err
	}
	keeper := compact.NewMaintainer(compact.MaintainerOptions{Lake: s.lake,
		Rewrite: compact.Options{Engine: s.engine, Policy: compact.DefaultPolicy(),
			Bloom: cfg.BloomColumns, Lookup: cfg.LookupColumns}, Now: func() time.Time { return first.AddDate(1, 0, 0) }})
	rep, err := keeper.Compact(ctx, nil, false)
	if err != nil {
		return err
	}
	if rep.Count < b.company.days {
		return fmt.Errorf("only %d merges for %d days:\n%s", rep.Count, b.company.days, rep)
	}
	fmt.Printf("merged in %s\n", time.Since(began).Round(time.Millisecond))
	return nil
}

func (b *bench) fill(ctx context.Context, l *lake.Lake, t tiers.Table) error {
	perDay := b.rows / b.company.days
	var mu sync.Mutex
	var all []tiers.DataFile
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for d := range b.company.days {
		g.Go(func() error {
			w, rows := parquetfile.NewWriter(), perDay
			if d == b.company.days-1 {
				rows = b.rows - perDay*d
			}
			for part := range batches {
				n, from := share(rows, part), 24/batches*part
				at := int64(perDay*d) + 1
				for p := range part {
					at += int64(share(rows, p))
				}
				f, err := b.file(ctx, t, w, d, time.Duration(from)*time.Hour, at, n)
				if err != nil {
					return err
				}
				mu.Lock()
				all = append(all, f)
				mu.Unlock()
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err := t.Commit(context.WithoutCancel(ctx), tiers.Commit{ID: "fill", Add: all})
	return err
}

// share is how many of a day's rows are in a part of it.
func share(rows, part int) int {
	weights := [batches]int{}
	total := 0
	for h, w := range hours {
		weights[h*batches/24] += w
		total += w
	}
	if part < batches-1 {
		return rows * weights[part] / total
	}
	left := rows
	for p := range batches - 1 {
		left -= share(rows, p)
	}
	return left
}

func (b *bench) file(ctx context.Context, t tiers.Table, w *parquetfile.Writer, d int, from time.Duration,
	seq int64, n int) (tiers.DataFile, error) {
	rows := parquetfile.NewTable(t.Schema())
	b.company.fill(rows, first, d, from, from+24/batches*time.Hour, seq, n)
	f, err := w.Write(rows, nil, parquetfile.Options{Schema: t.Schema(), Stream: stream, Sorted: []string{tiers.ColTime},
		Seqs: []tiers.SeqRange{{First: uint64(seq), Last: uint64(seq) + uint64(n) - 1}}})
	if err != nil {
		return tiers.DataFile{}, err
	}
	return t.WriteNew(ctx, f.Info, f.Data)
}

// copyPlain has DuckDB write each day in the order of time, as it would.
func (b *bench) copyPlain(ctx context.Context, t tiers.Table) error {
	if err := os.MkdirAll(filepath.Join(b.dir, "plain"), 0o750); err != nil {
		return err
	}
	c, err := duckdb.Scratch(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for d := range b.company.days {
		at := first.AddDate(0, 0, d)
		files, err := t.Files(ctx, 0, at, at.AddDate(0, 0, 1))
		if err != nil {
			return err
		}
		var names []string
		for _, f := range files {
			u, err := url.Parse(f.Path)
			if err != nil {
				return err
			}
			names = append(names, "'"+u.Path+"'")
		}
		if _, err := c.Exec(ctx, fmt.Sprintf(`COPY (SELECT * FROM read_parquet([%s]) ORDER BY "time") TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880, WRITE_BLOOM_FILTER false)`,
			strings.Join(names, ","), b.plain[d])); err != nil {
			return err
		}
	}
	return nil
}
