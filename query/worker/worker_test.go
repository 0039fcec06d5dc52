package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
)

func TestMain(m *testing.M) {
	if what, ok := strings.CutPrefix(filepath.Base(os.Args[0]), forged); ok && len(os.Args) == 2 &&
		os.Args[1] == Argument {
		os.Exit(forge(what))
	}
	Divert()
	os.Exit(m.Run())
}

func openPool(t testing.TB, most int, memory int64) *Pool {
	t.Helper()
	dir := t.TempDir()
	p := NewPool(Options{
		Config: Config{Name: "pool", Read: []string{dir}, Memory: memory}, Most: most,
		Engine: EngineOptions{MemoryLimit: 128 << 20, Threads: 1, TempDir: filepath.Join(dir, "tmp")},
	})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// rows returns the values of a result, one line a row.
func rows(ctx context.Context, s query.Session, sql string, args ...any) (string, error) {
	r, err := s.Query(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	defer r.Release()
	return text(r)
}

func text(r array.RecordReader) (string, error) {
	var lines []string
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			var cells []string
			for _, c := range rec.Columns() {
				cells = append(cells, c.ValueStr(i))
			}
			lines = append(lines, strings.Join(cells, " "))
		}
	}
	return strings.Join(lines, "\n"), r.Err()
}

func open(t testing.TB, e query.Engine, o query.Options) query.Session {
	t.Helper()
	s, err := e.Open(t.Context(), query.View{}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, query.ErrCrashed) {
			t.Error(err)
		}
	})
	return s
}

func TestAStatementInAWorker(t *testing.T) {
	s := open(t, openPool(t, 1, 0), query.Options{})
	for range 3 {
		got, err := rows(t.Context(), s, "SELECT ?::VARCHAR, ?::INT", "ada", 7)
		if err != nil || got != "ada 7" {
			t.Errorf("%q, %v", got, err)
		}
	}
	got, err := rows(t.Context(), s, "SELECT count(*), sum(r) FROM (SELECT unnest(range(3000000)) AS r)")
	if err != nil || got != "3000000 4499998500000" {
		t.Errorf("%q, %v", got, err)
	}
	r, err := s.Query(t.Context(), "SELECT unnest(range(2000000)) AS r")
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for r.Next() {
		n += r.RecordBatch().NumRows()
	}
	if n != 2000000 || r.Err() != nil {
		t.Errorf("%d rows, %v", n, r.Err())
	}
	r.Release()
}

func TestAMissingColumnIsKnownAcrossProcesses(t *testing.T) {
	p := openPool(t, 1, 256<<20)
	err := p.Confine("a + nosuch", []string{"a"})
	if none := (*query.NoColumnError)(nil); !errors.As(err, &none) || none.Column != "nosuch" ||
		!errors.Is(err, query.ErrRefused) {
		t.Errorf("%v", err)
	}
	err = p.Confine("getenv('HOME')", []string{"a"})
	if none := (*query.NoColumnError)(nil); errors.As(err, &none) || !errors.Is(err, query.ErrRefused) {
		t.Errorf("%v", err)
	}
}

func TestAStatementThatEndsItsWorkerFailsAlone(t *testing.T) {
	p := openPool(t, 2, 0)
	other := open(t, p, query.Options{})
	s := open(t, p, query.Options{})
	_, err := rows(t.Context(), s, "SELECT json_structure(repeat('[', 200000) || repeat(']', 200000))")
	t.Log(err)
	if !errors.Is(err, query.ErrCrashed) {
		t.Errorf("%v", err)
	}
	if got, err := rows(t.Context(), other, "SELECT 1"); got != "1" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestMemoryBeyondTheLimitEndsTheStatement(t *testing.T) {
	p := openPool(t, 3, 400<<20)
	s := open(t, p, query.Options{})
	for _, sql := range []string{"SELECT length(repeat('x', 3000000000))",
		"SELECT length(repeat(repeat('x', 1000000), 3000))"} {
		began := time.Now()
		_, err := rows(t.Context(), s, sql)
		t.Log(time.Since(began), err)
		if !errors.Is(err, query.ErrMemory) && !errors.Is(err, query.ErrCrashed) {
			t.Errorf("%v", err)
		}
		s = open(t, p, query.Options{})
	}
}

func TestAFunctionThatCannotBeInterruptedIsEnded(t *testing.T) {
	s := open(t, openPool(t, 1, 0), query.Options{Timeout: 500 * time.Millisecond})
	began := time.Now()
	_, err := rows(t.Context(), s, "SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))")
	t.Log(time.Since(began), err)
	if !errors.Is(err, query.ErrTimeout) || time.Since(began) > 500*time.Millisecond+graceful+3*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func BenchmarkSelectOne(b *testing.B) {
	p := openPool(b, 1, 0)
	for b.Loop() {
		s, err := p.Open(b.Context(), query.View{}, query.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if got, err := rows(b.Context(), s, "SELECT 1"); got != "1" {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRows(b *testing.B) {
	s := open(b, openPool(b, 1, 0), query.Options{})
	for b.Loop() {
		r, err := s.Query(b.Context(), "SELECT r, r::DOUBLE / 3 AS d, 'name-' || (r % 1000) AS t, md5(r::VARCHAR) AS m "+
			"FROM (SELECT unnest(range(1000000)) AS r)")
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for r.Next() {
			n += int(r.RecordBatch().NumRows())
		}
		if n != 1000000 {
			b.Fatal(n, r.Err())
		}
		r.Release()
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		p := openPool(b, 1, 0)
		if err := p.Warm(b.Context()); err != nil {
			b.Fatal(err)
		}
		for _, pid := range p.PIDs() {
			n, _ := ownMemory(pid)
			data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			for l := range strings.Lines(string(data)) {
				if strings.HasPrefix(l, "VmRSS") || strings.HasPrefix(l, "RssAnon") || strings.HasPrefix(l, "RssFile") {
					b.Log(strings.TrimSpace(l))
				}
			}
			b.Log(n >> 20)
		}
	}
}

func TestAWorkerIsKeptApart(t *testing.T) {
	p := openPool(t, 1, 0)
	if err := p.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Log(p.all[0].p.lacks)
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PIDs()[0]))
	for l := range strings.Lines(string(data)) {
		if strings.HasPrefix(l, "Seccomp") || strings.HasPrefix(l, "NoNewPrivs") {
			t.Log(strings.TrimSpace(l))
		}
	}
}
