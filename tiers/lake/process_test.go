package lake_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

// TestReadOnlyBeside: a reader on the same files sees each commit, and
// neither writes nor stops the writer.
func TestReadOnlyBeside(t *testing.T) { readOnlyBeside(t, options(t.TempDir())) }

func readOnlyBeside(t *testing.T, o lake.Options) {
	ro := o
	ro.ReadOnly = true
	if _, err := lake.Open(t.Context(), ro); err == nil {
		t.Fatal("a lake that does not exist was opened for reading")
	}
	w := open(t, o)
	tab, err := w.Create(t.Context(), "events", tierstest.Schema(), tiers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, ro)
	seen, err := r.Open(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := tab.Commit(t.Context(), tiers.Commit{ID: fmt.Sprint(i),
			Add: []tiers.DataFile{{Path: lake.NewFilePath(tab, 0), Rows: 1}}}); err != nil {
			t.Fatal(err)
		}
		if err := seen.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		files, err := seen.Files(t.Context(), 0, time.Time{}, time.Time{})
		if err != nil || len(files) != i+1 {
			t.Fatalf("the reader sees %d files, %v; want %d", len(files), err, i+1)
		}
	}
	if _, err := seen.Commit(t.Context(), tiers.Commit{ID: "x"}); err == nil {
		t.Error("a commit was taken by a lake open for reading")
	}
	if _, err := r.Create(t.Context(), "more", tierstest.Schema(), tiers.Options{}); err == nil {
		t.Error("a table was made by a lake open for reading")
	}
	if err := r.Drop(t.Context(), "events"); err == nil {
		t.Error("a table was dropped by a lake open for reading")
	}
}

// TestTwoProcesses: two lakes on the same files, which share no lock, race for
// a mark; one wins each round and nothing is lost.
func TestTwoProcesses(t *testing.T) { twoProcesses(t, options(t.TempDir())) }

func twoProcesses(t *testing.T, o lake.Options) {
	lakes := []*lake.Lake{open(t, o), open(t, o)}
	if _, err := lakes[0].Create(t.Context(), "events", tierstest.Schema(), tiers.Options{}); err != nil {
		t.Fatal(err)
	}
	var from *tiers.Mark
	for round := range 10 {
		to := &tiers.Mark{Stream: "S", Filter: ">", Seq: uint64(round + 1)}
		errs := make([]error, len(lakes))
		var wg sync.WaitGroup
		for i, l := range lakes {
			wg.Go(func() {
				tab, err := l.Open(t.Context(), "events")
				if err == nil {
					_, err = tab.Commit(t.Context(), tiers.Commit{ID: fmt.Sprint(round, "-", i), From: from, To: to,
						Add: []tiers.DataFile{{Path: lake.NewFilePath(tab, 0), Rows: 1, Size: 1}}})
				}
				errs[i] = err
			})
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) ||
			(!errors.Is(errs[0], tiers.ErrConflict) && !errors.Is(errs[1], tiers.ErrConflict)) {
			t.Fatalf("round %d: %v, %v", round, errs[0], errs[1])
		}
		from = to
	}
	if rows := consistent(t, lakes[1]); rows != 10 {
		t.Fatalf("%d rows, want 10", rows)
	}
}

// TestMetadataStaysSmall: old metadata files go, and the last commits are found.
func TestMetadataStaysSmall(t *testing.T) {
	dir := t.TempDir()
	l := open(t, options(dir))
	tab, err := l.Create(t.Context(), "events", tierstest.Schema(), tiers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		if _, err := tab.Commit(t.Context(), tiers.Commit{ID: fmt.Sprint("c", i),
			Add: []tiers.DataFile{{Path: lake.NewFilePath(tab, 0), Rows: 1}}}); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "lake", "lake", "events", "metadata"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".metadata.json") {
			n++
		}
		if strings.HasSuffix(e.Name(), ".tmp") {
			t.Errorf("%s was left", e.Name())
		}
	}
	if n > 32 {
		t.Errorf("%d metadata files are kept", n)
	}
	if ok, err := tab.Committed(t.Context(), "c119"); !ok || err != nil {
		t.Errorf("the last commit is not found: %v", err)
	}
	if files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{}); err != nil || len(files) != 120 {
		t.Errorf("%d files, %v; want 120", len(files), err)
	}
}

// BenchmarkCommit is the time of an ingest commit as a table grows, with
// statistics of 25 columns.
func BenchmarkCommit(b *testing.B) {
	dir := b.TempDir()
	l, err := lake.Open(b.Context(), options(dir))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	tab, err := l.Create(b.Context(), "events", tierstest.Schema(), tiers.Options{})
	if err != nil {
		b.Fatal(err)
	}
	var from *tiers.Mark
	var first, last time.Duration
	now := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	for i := range b.N {
		f := tiers.DataFile{Path: lake.NewFilePath(tab, int32(20000+i/50)), Day: int32(20000 + i/50), Rows: 1000, Size: 60000,
			SplitOffsets: []int64{4}}
		for c := 1; c <= 25; c++ {
			f.Columns = append(f.Columns, tiers.ColumnStats{FieldID: c, Values: 1000, Size: 2000, Lower: tierstest.Micros(now),
				Upper: tierstest.Micros(now)})
		}
		to := &tiers.Mark{Stream: "S", Filter: ">", Created: now, Seq: uint64(i + 1)}
		start := time.Now()
		if _, err := tab.Commit(b.Context(), tiers.Commit{ID: fmt.Sprint(i), Add: []tiers.DataFile{f}, From: from,
			To: to}); err != nil {
			b.Fatal(err)
		}
		took := time.Since(start)
		if i < 20 {
			first += took / 20
		}
		if i >= b.N-20 {
			last += took / 20
		}
		from = to
	}
	b.ReportMetric(float64(first.Microseconds())/1000, "ms-first20")
	b.ReportMetric(float64(last.Microseconds())/1000, "ms-last20")
	start := time.Now()
	if _, err := tab.Files(b.Context(), 0, now, time.Time{}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms-files-cold")
	start = time.Now()
	if _, err := tab.Files(b.Context(), 0, now, time.Time{}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms-files-warm")
}
