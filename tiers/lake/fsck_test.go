package lake

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/lakeward/lakeward/tiers"
)

// pipelineTable has two snapshots: 3 rows, then 2 more in a file of their own.
func pipelineTable(t *testing.T) (dir string, tab *Table) {
	t.Helper()
	dir = t.TempDir()
	l := reopen(t, dir, nil)
	for i, n := range []int{3, 2} {
		at := time.Date(2026, 11, 24+i, 0, 0, 0, 0, time.UTC)
		b := array.NewInt64Builder(memory.DefaultAllocator)
		for r := range n {
			b.Append(int64(r))
		}
		col := b.NewArray()
		rec := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil),
			[]arrow.Array{col}, int64(n))
		rows, err := array.NewRecordReader(rec.Schema(), []arrow.RecordBatch{rec})
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewSink(l).Write(t.Context(),
			tiers.Write{Table: "t", Mode: tiers.Append, Pipeline: "p", RunID: at.String(), Start: at, End: at.Add(time.Hour),
				Rows: rows})
		rows.Release()
		rec.Release()
		col.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	tab, err := l.open(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	return dir, tab
}

func fsck(t *testing.T, dir string, o FsckOptions) FsckReport {
	t.Helper()
	r, err := reopen(t, dir, nil).Fsck(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFsckOfWholeLake(t *testing.T) {
	dir, _ := pipelineTable(t)
	for _, deep := range []bool{false, true} {
		r := fsck(t, dir, FsckOptions{Deep: deep})
		if r.Damaged() || len(r.Problems) > 0 || r.Tables != 1 || r.Snapshots != 2 || r.Manifests != 2 || r.DataFiles != 2 ||
			r.Unverified != 0 || r.Bytes == 0 {
			t.Fatalf("%+v", r)
		}
	}
}

func local(t *testing.T, loc string) string {
	t.Helper()
	p, err := tiers.LocalPath(loc)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// parts names one file of each kind that the newest snapshot needs.
func parts(t *testing.T, tab *Table) map[string]string {
	t.Helper()
	v := tab.version()
	ms, err := v.meta.CurrentSnapshot().Manifests(tab.lake.io)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"metadata":      local(t, v.location),
		"manifest list": local(t, v.meta.CurrentSnapshot().ManifestList),
		"manifest":      local(t, ms[0].FilePath()),
		"data file":     path(t, filesOf(t, tab.lake)[0]),
	}
}

func TestFsckFindsDamageOfEachKind(t *testing.T) {
	damages := map[string]func(string, []byte) error{
		"removed":   func(p string, _ []byte) error { return os.Remove(p) },
		"emptied":   func(p string, _ []byte) error { return os.Truncate(p, 0) },
		"truncated": func(p string, b []byte) error { return os.Truncate(p, int64(len(b)/2)) },
		"zeroed":    func(p string, b []byte) error { return os.WriteFile(p, make([]byte, len(b)), 0o600) },
	}
	dir, tab := pipelineTable(t)
	for kind, p := range parts(t, tab) {
		whole, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for how, damage := range damages {
			if err := damage(p, whole); err != nil {
				t.Fatal(err)
			}
			r := fsck(t, dir, FsckOptions{Deep: true})
			if !r.Damaged() || len(r.Problems) != 1 || r.Problems[0].Kind != kind || !r.Problems[0].Current ||
				local(t, r.Problems[0].Path) != p || r.Problems[0].Remedy == "" {
				t.Errorf("%s %s: found %+v", kind, how, r.Problems)
			}
			if err := os.WriteFile(p, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r := fsck(t, dir, FsckOptions{Deep: true}); r.Damaged() {
		t.Fatalf("after all was restored: %+v", r.Problems)
	}
}

func TestFsckOfThePast(t *testing.T) {
	dir, tab := pipelineTable(t)
	old := tab.version().meta.Snapshots()[0]
	if err := os.Remove(local(t, old.ManifestList)); err != nil {
		t.Fatal(err)
	}
	r := fsck(t, dir, FsckOptions{})
	if len(r.Problems) != 1 || r.Problems[0].Current || !strings.Contains(r.Problems[0].Remedy, "does not need it") {
		t.Fatalf("%+v", r.Problems)
	}
}

func TestFsckComparesRowCounts(t *testing.T) {
	dir, tab := pipelineTable(t)
	f := filesOf(t, tab.lake)[0]
	s, _ := tab.Current()
	lie := f
	lie.Path = strings.Replace(f.Path, "/data/", "/data/copy-", 1)
	lie.Rows++
	b, err := os.ReadFile(path(t, f))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path(t, lie), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tab.Commit(t.Context(), tiers.Commit{ID: "lie", Base: s.ID, Remove: []tiers.DataFile{f},
		Add: []tiers.DataFile{lie}}); err != nil {
		t.Fatal(err)
	}
	if r := fsck(t, dir, FsckOptions{}); r.Damaged() {
		t.Fatalf("%+v", r.Problems)
	}
	r := fsck(t, dir, FsckOptions{Deep: true})
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Problem, "rows where") {
		t.Fatalf("%+v", r.Problems)
	}
}

func TestFsckRepairsOnlyWhatIsLeftOver(t *testing.T) {
	dir, tab := pipelineTable(t)
	data := filepath.Dir(path(t, filesOf(t, tab.lake)[0]))
	long, orphan := time.Now().Add(-2*oldTemporary), filepath.Join(data, "orphan.parquet")
	names := map[string]bool{".old.parquet.tmp": true, ".young.parquet.tmp": false, "old.tmp": false, ".old.txt": false,
		"orphan.parquet": false}
	for name := range names {
		p := filepath.Join(data, name)
		if err := os.WriteFile(p, bytes.Repeat([]byte("x"), 10), 0o600); err != nil {
			t.Fatal(err)
		}
		if name != ".young.parquet.tmp" {
			if err := os.Chtimes(p, long, long); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r := fsck(t, dir, FsckOptions{}); len(r.Problems) != 1 || r.Damaged() || r.Problems[0].Repaired {
		t.Fatalf("%+v", r.Problems)
	}
	if r := fsck(t, dir, FsckOptions{Repair: true, Deep: true}); len(r.Problems) != 1 || !r.Problems[0].Repaired {
		t.Fatalf("%+v", r.Problems)
	}
	for name, gone := range names {
		if _, err := os.Stat(filepath.Join(data, name)); os.IsNotExist(err) != gone {
			t.Errorf("%s: removed is %v, want %v", name, os.IsNotExist(err), gone)
		}
	}
	if _, err := os.Stat(orphan); err != nil {
		t.Error(err)
	}
}

func TestFsckNeedsWritingToRepair(t *testing.T) {
	dir, _ := pipelineTable(t)
	l, err := Open(t.Context(), Options{Warehouse: filepath.Join(dir, "w"), Catalog: filepath.Join(dir, "catalog.db"),
		ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Fsck(t.Context(), FsckOptions{Repair: true}); err == nil {
		t.Error("it repaired a lake that is open for reading")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Fsck(ctx, FsckOptions{Deep: true}); err == nil {
		t.Error("it went on after it was cancelled")
	}
}
