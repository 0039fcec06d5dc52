package lake

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/lakeward/lakeward/tiers"
)

// history is a lake with a table "events" of several commits, and what the
// catalog said after each.
type history struct {
	*testing.T
	o    Options
	lake *Lake
	tab  tiers.Table
	at   []string // location of the metadata after each commit
	mark *tiers.Mark
}

func newHistory(t *testing.T, o Options, commits int) *history {
	t.Helper()
	h := &history{T: t, o: o}
	h.reopen()
	var err error
	if h.tab, err = h.lake.Create(t.Context(), "events", tiers.Schema{Fields: []tiers.Field{
		{Name: tiers.ColTime, Type: tiers.Type{Kind: tiers.KindTimestamp}},
	}}, tiers.Options{}); err != nil {
		t.Fatal(err)
	}
	for range commits {
		h.must(h.commit())
	}
	return h
}

func (h *history) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *history) reopen() {
	h.Helper()
	l, err := Open(h.Context(), h.o)
	h.must(err)
	h.Cleanup(func() { h.must(l.Close()) })
	h.lake = l
}

// commit adds a file of one row.
func (h *history) commit() error {
	h.Helper()
	n := len(h.at)
	to := &tiers.Mark{Stream: "S", Filter: ">", Created: time.Unix(0, 0).UTC(), Seq: uint64(n + 1)}
	f, err := h.tab.WriteNew(h.Context(), tiers.DataFile{Rows: 1}, []byte("a file"))
	if err != nil {
		return err
	}
	_, err = h.tab.Commit(h.Context(), tiers.Commit{ID: f.Path, From: h.mark, To: to, Add: []tiers.DataFile{f}})
	if err != nil {
		return err
	}
	h.mark = to
	loc, err := h.lake.catalog.Metadata(h.Context(), "events")
	h.at = append(h.at, loc)
	return err
}

// put points the catalog at the metadata after commit n, as a copy of it would.
func (h *history) put(n int) {
	h.Helper()
	now, err := h.lake.catalog.Metadata(h.Context(), "events")
	h.must(err)
	h.must(h.lake.catalog.Swap(h.Context(), "events", now, h.at[n]))
	h.reopen()
}

func (h *history) survey() []Ahead {
	h.Helper()
	found, err := h.lake.Survey(h.Context())
	h.must(err)
	return found
}

func (h *history) adopt() []Adoption {
	h.Helper()
	plan, err := h.lake.PlanAdopt(h.Context(), false)
	h.must(err)
	h.must(h.lake.Adopt(h.Context(), plan))
	return plan
}

func (h *history) names(loc string) {
	h.Helper()
	if got, err := h.lake.catalog.Metadata(h.Context(), "events"); err != nil || got != loc {
		h.Errorf("the catalog names %s (%v), want %s", got, err, loc)
	}
}

func TestAnOlderCatalogIsNotBelieved(t *testing.T) {
	eachCatalog(t, func(t *testing.T, o Options) {
		for _, back := range []int{1, 2, 40} {
			o := o
			if o.Warehouse = filepath.Join(t.TempDir(), "lake"); !isPostgres(o.Catalog) {
				o.Catalog = filepath.Join(t.TempDir(), "catalog.db")
			} else {
				o.Catalog = Postgres.URL(t)
			}
			h := newHistory(t, o, 42)
			last := len(h.at) - 1
			if found := h.survey(); len(found) != 0 {
				t.Fatalf("a catalog that is up to date: %v", found)
			}
			h.put(last - back)
			if found := h.survey(); len(found) != 1 || found[0].Table != "events" {
				t.Fatalf("%d commits behind: %v", back, found)
			}
			if err := h.lake.CheckCatalog(t.Context()); !errors.Is(err, tiers.ErrHalt) ||
				!strings.Contains(err.Error(), "lake adopt") {
				t.Errorf("the check says %v", err)
			}
			if _, err := h.lake.Orphans(t.Context(), time.Now().Add(time.Hour)); !errors.Is(err, tiers.ErrHalt) {
				t.Errorf("orphans are looked for: %v", err)
			}
			tab, err := h.lake.Open(t.Context(), "events")
			switch {
			case back == 40: // what the catalog names is gone with its time
				if !errors.Is(err, tiers.ErrDamaged) {
					t.Errorf("the table is opened: %v", err)
				}
			case err != nil:
				t.Fatal(err)
			default:
				m := tab.Marks()["S|>"]
				h.tab, h.mark = tab, &m
				if err := h.commit(); !errors.Is(err, tiers.ErrHalt) {
					t.Errorf("a commit begins a second history: %v", err)
				}
			}
			r, err := h.lake.Fsck(t.Context(), FsckOptions{})
			if err != nil || !r.Damaged() || r.Problems[0].Kind != "catalog" {
				t.Errorf("fsck says %v, %v", r.Problems, err)
			}
			if plan := h.adopt(); len(plan) != 1 || plan[0].Problem != "" || plan[0].Rows != 42 {
				t.Errorf("the plan is %+v", plan)
			}
			h.names(h.at[last])
			if found := h.survey(); len(found) != 0 {
				t.Errorf("after adoption: %v", found)
			}
			h.tab, err = h.lake.Open(t.Context(), "events")
			h.must(err)
			m := h.tab.Marks()["S|>"]
			h.mark = &m
			h.must(h.commit())
		}
	})
}

func TestATableThatTheCatalogHasLostIsAdopted(t *testing.T) {
	eachCatalog(t, func(t *testing.T, o Options) {
		h := newHistory(t, o, 3)
		h.must(h.lake.catalog.Drop(t.Context(), "events")) // as if the catalog were new
		h.reopen()
		if found := h.survey(); len(found) != 1 || found[0].Table != "events" || found[0].Catalog != "" {
			t.Fatalf("%v", found)
		}
		if _, err := h.lake.Create(t.Context(), "events", tiers.Schema{}, tiers.Options{Unpartitioned: true}); !errors.Is(err,
			tiers.ErrHalt) {
			t.Errorf("a table of the same name is made: %v", err)
		}
		h.adopt()
		h.names(h.at[2])
	})
}

func TestWhatIsNoNewerCommitIsNotTakenForOne(t *testing.T) {
	dir := t.TempDir()
	o := Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "catalog.db")}
	h := newHistory(t, o, 3)
	meta, err := h.lake.io.ReadFile(h.at[2])
	h.must(err)
	// A crash before the swap leaves the next version.
	left := strings.Replace(h.at[2], "/00004-", "/00005-", 1) // the mark's first commit is one of its own here
	if left == h.at[2] {
		left = strings.Replace(h.at[2], "/00003-", "/00004-", 1)
	}
	h.must(h.lake.io.WriteFile(left, meta))
	h.reopen()
	if found := h.survey(); len(found) != 0 {
		t.Errorf("a version that was never accepted: %v", found)
	}
	h.tab, err = h.lake.Open(t.Context(), "events")
	h.must(err)
	h.must(h.commit())
	// A table that was dropped on purpose stays dropped.
	h.must(h.lake.Drop(t.Context(), "events"))
	if found := h.survey(); len(found) != 0 {
		t.Errorf("a table that was dropped: %v", found)
	}
	if _, err := h.lake.Create(t.Context(), "events", tiers.Schema{}, tiers.Options{Unpartitioned: true}); err != nil {
		t.Errorf("it is made again: %v", err)
	}
}

// TestWhatNewerMetadataNamesIsNoOrphan: a crash may have come after the commit
// was accepted for all that is known here.
func TestWhatNewerMetadataNamesIsNoOrphan(t *testing.T) {
	dir := t.TempDir()
	o := Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "catalog.db")}
	h := newHistory(t, o, 3)
	last, err := tiers.LocalPath(h.at[2])
	h.must(err)
	h.must(os.Remove(filepath.Join(filepath.Dir(last), acceptedName))) // what a power failure may take
	h.put(1)
	if found := h.survey(); len(found) != 0 {
		t.Fatalf("one version more, of which nothing is known: %v", found)
	}
	orphans, err := h.lake.Orphans(t.Context(), time.Now().Add(time.Hour))
	if err != nil || len(orphans) != 0 {
		t.Errorf("orphans are %v, %v", orphans, err)
	}
}

func TestAdoptionTakesTheNewestThatIsWhole(t *testing.T) {
	dir := t.TempDir()
	o := Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "catalog.db")}
	h := newHistory(t, o, 5)
	var gone []string // the files of the last two commits
	snap, _ := h.tab.Current()
	for range 2 {
		added, _, err := h.tab.Added(t.Context(), snap.Parent, snap.ID)
		if err != nil || len(added) != 1 {
			t.Fatalf("%d files are new, %v", len(added), err)
		}
		path, err := tiers.LocalPath(added[0].Path)
		h.must(err)
		h.must(os.Remove(path))
		gone = append(gone, path)
		for _, s := range h.tab.Snapshots() {
			if s.ID == snap.Parent {
				snap = s
				break
			}
		}
	}
	h.put(0)
	whole, err := h.lake.PlanAdopt(t.Context(), true)
	if err != nil || len(whole) != 1 || whole[0].To != h.at[4] || len(whole[0].Missing) != 2 {
		t.Errorf("with what is missing: %+v, %v", whole, err)
	}
	plan := h.adopt()
	if len(plan) != 1 || len(plan[0].Passed) != 2 || !strings.Contains(plan[0].Passed[0], gone[0]+" is missing") {
		t.Errorf("%+v", plan)
	}
	h.names(h.at[2])
	if found := h.survey(); len(found) != 0 {
		t.Errorf("what was passed over counts as newer: %v", found)
	}
	orphans, err := h.lake.Orphans(t.Context(), time.Now().Add(time.Hour))
	if err != nil || len(orphans) != 0 {
		t.Errorf("orphans are %v, %v", orphans, err)
	}
}

// TestAdoptionRefusesASecondHistory: two commits were built on one.
func TestAdoptionRefusesASecondHistory(t *testing.T) {
	dir := t.TempDir()
	o := Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "catalog.db")}
	h := newHistory(t, o, 4)
	meta, err := h.lake.io.ReadFile(h.at[0])
	h.must(err)
	other := strings.TrimSuffix(h.at[0], ".metadata.json") + "x.metadata.json"
	h.must(h.lake.io.WriteFile(other, meta))
	now, err := h.lake.catalog.Metadata(t.Context(), "events")
	h.must(err)
	h.must(h.lake.catalog.Swap(t.Context(), "events", now, other))
	h.reopen()
	plan := h.adopt()
	if len(plan) != 1 || plan[0].To != "" || !strings.Contains(strings.Join(plan[0].Passed, ""), "two histories") {
		t.Errorf("%+v", plan)
	}
	h.names(other)
}

func TestAMarkThatWasRemovedIsPutBack(t *testing.T) {
	eachCatalog(t, func(t *testing.T, o Options) {
		h := newHistory(t, o, 3)
		_, _, err := fenced{h.lake, h.tab.(*Table).version()}.CommitTable(t.Context(), nil, nil,
			[]table.Update{table.NewRemovePropertiesUpdate([]string{markPrefix + "S|>"})})
		h.must(err)
		h.reopen()
		h.tab, err = h.lake.Open(t.Context(), "events")
		h.must(err)
		if lost := tiers.LostMarks(h.tab); len(lost) != 1 || lost[0] != "S|>" {
			t.Fatalf("lost marks are %v", lost)
		}
		lost, err := h.lake.LostMarks(t.Context())
		if err != nil || len(lost) != 1 || lost[0].Mark.Seq != 3 {
			t.Fatalf("%+v, %v", lost, err)
		}
		h.must(h.lake.Remark(t.Context(), lost))
		h.must(h.tab.Refresh(t.Context()))
		if m := h.tab.Marks()["S|>"]; m.Seq != 3 || len(tiers.LostMarks(h.tab)) != 0 {
			t.Errorf("the mark is %+v", m)
		}
	})
}

// BenchmarkSurvey compares the catalog with 1,000 tables of many commits.
func BenchmarkSurvey(b *testing.B) {
	dir := b.TempDir()
	l, err := Open(b.Context(), Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "catalog.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for i := range 1000 {
		name := "t" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + time.Duration(i).String()
		t, err := l.Create(b.Context(), strings.ReplaceAll(name, ".", "_"), tiers.Schema{},
			tiers.Options{Unpartitioned: true})
		if err != nil {
			b.Fatal(err)
		}
		loc, err := tiers.LocalPath(t.(*Table).version().location)
		if err != nil {
			b.Fatal(err)
		}
		for n := range 200 { // manifests, their lists and old metadata lie in the same directory
			if err := os.WriteFile(filepath.Join(filepath.Dir(loc), time.Duration(n).String()+".avro"), nil, 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		if found, err := l.Survey(b.Context()); err != nil || len(found) != 0 {
			b.Fatal(found, err)
		}
	}
}
