package compact

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/tiers/parquetfile"
)

func TestAMergeThatDoesNotFitInMemoryMakesMoreFiles(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.ingest("EVENTS", day0, 4000, func(t *parquetfile.Table, i int) {
			t.Column("src").SetStruct(i)
			t.Column("src").Member("ip").SetString(i, strings.Repeat("x", 100)+string(rune('a'+i%26)))
		})
	}
	rows, j := w.rows(), Job{Day: int32(day0.Unix() / 86400), Files: w.files()}
	o := w.options(Policy{TargetRows: 1 << 20})
	o.Memory = 512 << 10
	m, err := NewRewriter(o).Merge(t.Context(), w.table, j)
	w.must(err)
	if m.FilesOut < 2 || m.Rows != 12_000 {
		t.Errorf("%+v", m)
	}
	if got := w.rows(); !slices.Equal(got, rows) {
		t.Errorf("%d rows became %d", len(rows), len(got))
	}
	w.checkSeqs()
	onDisk := 0
	w.must(filepath.WalkDir(filepath.Join(w.dir, "lake"), func(path string, d os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") {
			onDisk++
		}
		return err
	}))
	if want := len(w.files()) + len(j.Files); onDisk != want {
		t.Errorf("%d data files are there, want %d: what was begun stays", onDisk, want)
	}
}

func TestAMergeOfOneRowThatIsTooLargeLeavesTheFiles(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		w.ingest("EVENTS", day0, 50, nil)
	}
	before := w.files()
	o := w.options(Policy{TargetRows: 1 << 20})
	o.Memory = 1
	_, err := NewRewriter(o).Merge(t.Context(), w.table, Job{Day: int32(day0.Unix() / 86400), Files: before})
	if err == nil || !strings.Contains(err.Error(), "memory.budget") {
		t.Errorf("%v", err)
	}
	if got := len(w.files()); got != len(before) {
		t.Errorf("%d files became %d", len(before), got)
	}
}
