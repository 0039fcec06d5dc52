package mutations

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

const tableName = "events"

// queryEvery is how many mutations there are for each query.
const queryEvery = 10

// site is a table with files of several sizes, as another process reads it.
type site struct {
	lake   *lake.Lake
	engine *duckdb.Engine
	rand   *rand.Rand
	schema tiers.Schema
	files  []file
	rows   int64
	bytes  int64
}

type file struct {
	tiers.DataFile
	path  string
	whole []byte
}

// open fills a lake, and opens it anew.
func open(ctx context.Context, dir string, seed uint64) (_ *site, err error) {
	s := &site{rand: rand.New(rand.NewPCG(seed, 1))}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := fill(ctx, dir, s.rand, []int{1, 20, 300, 4000}); err != nil {
		return nil, err
	}
	if s.lake, err = openLake(ctx, dir); err != nil {
		return nil, err
	}
	s.engine, err = duckdb.Open(ctx, duckdb.Options{AllowedDirs: []string{filepath.Join(dir, "lake")}, Threads: 1,
		MemoryLimit: 256 << 20, Checker: s.lake})
	if err != nil {
		return nil, err
	}
	return s, s.load(ctx)
}

func openLake(ctx context.Context, dir string) (*lake.Lake, error) {
	return lake.Open(ctx, lake.Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "catalog.db")})
}

func (s *site) close() error {
	var errs []error
	if s.engine != nil {
		errs = append(errs, s.engine.Close())
	}
	if s.lake != nil {
		errs = append(errs, s.lake.Close())
	}
	return errors.Join(errs...)
}

// fill commits one file a day, each of so many rows.
func fill(ctx context.Context, dir string, r *rand.Rand, days []int) (err error) {
	l, err := openLake(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	start, seq := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), uint64(0)
	batch := columnar.NewBatch(tiers.Schema{}, columnar.Options{StreamTag: "m"})
	for day, n := range days {
		for i := range n {
			seq++
			at := start.AddDate(0, 0, day).Add(time.Duration(i) * time.Second)
			event := fmt.Sprintf(`{"time":%q,"n":%d,"user":{"name":"user%d"},"tags":["a","b%d"],"x":%g}`,
				at.Format(time.RFC3339), seq, r.IntN(500), i%7, r.Float64())
			if err := batch.Append(columnar.Meta{Seq: seq, Published: at}, at, []byte(event)); err != nil {
				return err
			}
		}
	}
	t, err := l.Create(ctx, tableName, batch.Schema(), tiers.Options{})
	if err != nil {
		return err
	}
	files, err := batch.Files(t.Schema(), parquetfile.Options{Stream: "m", Bloom: []string{"user.name"}})
	if err != nil {
		return err
	}
	c := tiers.Commit{ID: "all"}
	for _, f := range files {
		written, err := t.WriteNew(ctx, f.Info, f.Data)
		if err != nil {
			return err
		}
		c.Add = append(c.Add, written)
	}
	_, err = t.Commit(ctx, c)
	return err
}

// load reads the files as they should be.
func (s *site) load(ctx context.Context) error {
	t, err := s.lake.Open(ctx, tableName)
	if err != nil {
		return err
	}
	s.schema = t.Schema()
	listed, err := t.Files(ctx, 0, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	for _, f := range listed {
		u, err := url.Parse(f.Path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(u.Path)
		if err != nil {
			return err
		}
		s.files = append(s.files, file{f, u.Path, b})
		s.rows += f.Rows
		s.bytes += f.Size
	}
	return nil
}

type result struct {
	tried   map[string]int
	queries int
	missed  []string
}

// try makes n mutations, one after the other; each file is whole again before
// the next.
func (s *site) try(ctx context.Context, n uint64) (result, error) {
	r := result{tried: map[string]int{}}
	all := mutations()
	for i := range n {
		m, f := all[i%uint64(len(all))], s.files[s.rand.IntN(len(s.files))]
		b := m.apply(s.rand, slices.Clone(f.whole))
		for b != nil && bytes.Equal(b, f.whole) { // zeroes over zeroes
			b = m.apply(s.rand, slices.Clone(f.whole))
		}
		r.tried[m.name]++
		if err := s.put(f, b, 2*i+1); err != nil {
			return r, err
		}
		what, err := s.notice(ctx, f, i%queryEvery == 0)
		if err != nil {
			return r, fmt.Errorf("mutation %d (%s of %s): %w", i, m.name, f.path, err)
		}
		if i%queryEvery == 0 {
			r.queries++
		}
		if what != "" {
			r.missed = append(r.missed, fmt.Sprintf("mutation %d, %s of %s: %s", i, m.name, f.path, what))
		}
		if err := s.put(f, f.whole, 2*i+2); err != nil {
			return r, err
		}
	}
	bad, err := s.lake.Check(ctx, tableName, s.listed())
	if err == nil && len(bad) > 0 {
		err = fmt.Errorf("whole files pass for damaged: %v", bad)
	}
	return r, err
}

// put replaces a file's bytes. The time of change tells the versions apart even
// where the file system's clock is coarse.
func (s *site) put(f file, b []byte, version uint64) error {
	if b == nil {
		return os.Remove(f.path)
	}
	if err := os.WriteFile(f.path, b, 0o600); err != nil {
		return err
	}
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC).Add(time.Duration(version) * time.Millisecond)
	return os.Chtimes(f.path, at, at)
}

func (s *site) listed() []tiers.DataFile {
	out := make([]tiers.DataFile, len(s.files))
	for i, f := range s.files {
		out[i] = f.DataFile
	}
	return out
}

// notice says how the damage of a file was missed; empty if it was not.
func (s *site) notice(ctx context.Context, f file, ask bool) (string, error) {
	if ask {
		if what, err := s.ask(ctx, f); what != "" || err != nil {
			return what, err
		}
	}
	bad, err := s.lake.Check(ctx, tableName, s.listed())
	if err != nil {
		return "", err
	}
	if len(bad) != 1 || bad[0].Path != f.Path {
		return fmt.Sprintf("found were %v", bad), nil
	}
	_, err = s.lake.OpenFile(ctx, f.Path)
	if !errors.Is(err, tiers.ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("it was opened: %v", err), nil
	}
	return "", nil
}

// ask runs a query over every column, first of all: nothing has found the
// damage yet.
func (s *site) ask(ctx context.Context, f file) (what string, err error) {
	var warned []tiers.Damage
	view := query.View{Tables: []query.TableView{{Name: tableName, Schema: s.schema, Files: s.listed()}}}
	session, err := s.engine.Open(ctx, view,
		query.Options{OnDamage: func(d []tiers.Damage) { warned = append(warned, d...) }})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	rows, err := session.Query(ctx, "SELECT count(*)::BIGINT AS n, count(DISTINCT hash(events))::BIGINT AS d FROM "+
		"lake.events")
	if err != nil {
		return "the query failed: " + err.Error(), nil
	}
	defer rows.Release()
	if !rows.Next() {
		return "", fmt.Errorf("no answer: %w", rows.Err())
	}
	n, d := rows.RecordBatch().Column(0).(*array.Int64).Value(0), rows.RecordBatch().Column(1).(*array.Int64).Value(0)
	if want := s.rows - f.Rows; n != want || d != want {
		return fmt.Sprintf("the query counted %d rows, %d of them distinct, where %d are whole", n, d, want), nil
	}
	if len(warned) != 1 || warned[0].Path != f.Path || warned[0].Rows != f.Rows {
		return fmt.Sprintf("the warning was %v", warned), nil
	}
	return "", rows.Err()
}
