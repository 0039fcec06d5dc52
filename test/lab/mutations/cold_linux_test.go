package mutations

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
)

// BenchmarkFirstQuery is the first query of a process over a table, which reads
// two columns, with and without verification; with the files in the page cache
// and not.
func BenchmarkFirstQuery(b *testing.B) {
	const days, rows = 20, 100_000
	dir := b.TempDir()
	if err := fill(b.Context(), dir, rand.New(rand.NewPCG(1, 1)), slices.Repeat([]int{rows}, days)); err != nil {
		b.Fatal(err)
	}
	for name, cold := range map[string]bool{"cached": false, "cold": true} {
		for how, verify := range map[string]bool{"trusted": false, "verified": true} {
			b.Run(name+"/"+how, func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					s := firstProcess(b, dir, verify)
					if cold {
						s.forget(b)
					}
					b.StartTimer()
					s.first(b)
					b.StopTimer()
					if err := s.close(); err != nil {
						b.Fatal(err)
					}
					b.SetBytes(s.bytes)
					b.StartTimer()
				}
			})
		}
	}
}

func firstProcess(b *testing.B, dir string, verify bool) *site {
	b.Helper()
	l, err := openLake(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	o := duckdb.Options{AllowedDirs: []string{filepath.Join(dir, "lake")}, MemoryLimit: 512 << 20}
	if verify {
		o.Checker = l
	}
	e, err := duckdb.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	s := &site{lake: l, engine: e}
	if err := s.load(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s
}

func (s *site) first(b *testing.B) {
	view := query.View{Tables: []query.TableView{{Name: tableName, Schema: s.schema, Files: s.listed()}}}
	session, err := s.engine.Open(b.Context(), view, query.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer session.Close()
	rows, err := session.Query(b.Context(), `SELECT "user".name, max(time) FROM lake.events GROUP BY ALL`)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Release()
	for rows.Next() {
	}
	if rows.Err() != nil {
		b.Fatal(rows.Err())
	}
}

// forget takes the files out of the page cache.
func (s *site) forget(b *testing.B) {
	for _, f := range s.files {
		h, err := os.Open(f.path)
		if err != nil {
			b.Fatal(err)
		}
		const dontNeed = 4 // POSIX_FADV_DONTNEED
		if _, _, e := syscall.Syscall6(syscall.SYS_FADVISE64, h.Fd(), 0, 0, dontNeed, 0, 0); e != 0 {
			b.Skip(e)
		}
		h.Close()
	}
}
