package compact

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/lake/laketest"
	"github.com/lakeward/lakeward/tiers/parquetfile"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

var day0 = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// world is a real lake and a real engine over it.
type world struct {
	*testing.T
	dir    string
	lake   *lake.Lake
	engine *duckdb.Engine
	table  tiers.Table
	mark   *tiers.Mark
	now    time.Time
	fail   func(lake.Step) error
	disk   *failingDisk
}

// failingDisk fails its failAt-th operation from now, once.
type failingDisk struct {
	mu     sync.Mutex // iceberg-go works on several manifests at once
	failAt int
	what   string // the operation that failed
}

func (f *failingDisk) step(op laketest.Op) error {
	switch op.Kind {
	case laketest.Stat, laketest.Mkdir, laketest.ReadDir:
		return nil
	case laketest.Create, laketest.Rename:
		if courtesy(op.Name) || courtesy(op.To) {
			return nil
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failAt--; f.failAt == 0 {
		f.what = op.Kind
		return fmt.Errorf("%s: input/output error", op)
	}
	return nil
}

// courtesy reports whether the lake goes on without a file: what says of a
// commit that the catalog has accepted it.
func courtesy(name string) bool { return strings.Contains(filepath.Base(name), "accepted") }

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir(), now: day0.Add(12 * time.Hour), disk: &failingDisk{}}
	var err error
	w.lake, err = lake.Open(t.Context(), lake.Options{Warehouse: filepath.Join(w.dir, "lake"),
		Catalog: filepath.Join(w.dir, "catalog.db"), FS: &laketest.FS{Before: w.disk.step},
		CatalogFault: func(s lake.Step) error {
			if w.fail != nil {
				return w.fail(s)
			}
			return nil
		}})
	w.must(err)
	w.engine, err = duckdb.Open(t.Context(), duckdb.Options{Threads: 2, AllowedDirs: []string{w.dir}})
	w.must(err)
	t.Cleanup(func() {
		if err := errors.Join(w.engine.Close(), w.lake.Close()); err != nil {
			t.Error(err)
		}
	})
	w.table, err = w.lake.Create(t.Context(), "events", tierstest.Schema(), tiers.Options{})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// ingest commits one file of n rows of a stream, as ingest does: sorted, with
// the sequences that follow the mark, and the mark moved.
func (w *world) ingest(stream string, day time.Time, n int, fill func(t *parquetfile.Table, row int)) {
	w.Helper()
	first := uint64(1)
	for _, m := range w.table.Marks() {
		if m.Stream == stream {
			first, w.mark = m.Seq+1, &m
		}
	}
	t := parquetfile.NewTable(w.table.Schema())
	for i := range n {
		seq := int64(first) + int64(i)
		at := day.Add(time.Duration((seq*7919+int64(i))%86_000) * time.Second)
		t.Column(tiers.ColTime).SetInt(i, at.UnixMicro())
		t.Column(tiers.ColIngestTime).SetInt(i, at.UnixMicro())
		t.Column(tiers.ColStreamSeq).SetInt(i, seq)
		t.Column(tiers.ColEventID).SetString(i, fmt.Sprint(stream, "-", seq))
		if i%3 > 0 {
			t.Column("src").SetStruct(i)
			if i%3 > 1 {
				t.Column("src").Member("ip").SetString(i, fmt.Sprint("192.0.2.", seq%250))
			}
		}
		if i%2 == 0 {
			at := t.Column("hops").BeginList(i)
			for k := range i % 4 {
				t.Column("hops").Elem().SetStruct(at + k)
				t.Column("hops").Elem().Member("ip").SetString(at+k, fmt.Sprint("10.0.0.", k))
			}
			t.Column("hops").EndList(i % 4)
		}
		if fill != nil {
			fill(t, i)
		}
	}
	t.N = n
	last := first + uint64(n) - 1
	f, err := parquetfile.NewWriter().Write(t, byTime(t),
		parquetfile.Options{Schema: w.table.Schema(), Stream: stream + "@1",
			Seqs: []tiers.SeqRange{{First: first, Last: last}}, Sorted: []string{tiers.ColTime}})
	w.must(err)
	written, err := w.table.WriteNew(w.Context(), f.Info, f.Data)
	w.must(err)
	to := tiers.Mark{Stream: stream, Filter: "events.>", Created: day0, Seq: last}
	c := tiers.Commit{ID: fmt.Sprint(stream, first), Add: []tiers.DataFile{written}, To: &to}
	if first > 1 {
		c.From = w.mark
	}
	_, err = w.table.Commit(w.Context(), c)
	w.must(err)
}

func (w *world) rewriter(p Policy) *Rewriter { return NewRewriter(w.options(p)) }

func (w *world) options(p Policy) Options {
	return Options{Lake: w.lake, Engine: w.engine, Policy: p, Bloom: func(string) []string { return []string{"src.ip"} }}
}

func (w *world) files() []tiers.DataFile {
	w.Helper()
	fs, err := w.table.Files(w.Context(), 0, time.Time{}, time.Time{})
	w.must(err)
	return fs
}

// rows are all rows of the table as text.
func (w *world) rows() []string {
	w.Helper()
	s, err := w.engine.Open(w.Context(), query.View{Tables: []query.TableView{{Name: "events", Schema: w.table.Schema(),
		Files: w.files()}}}, query.Options{})
	w.must(err)
	defer s.Close()
	r, err := s.Query(w.Context(), "SELECT to_json(e)::VARCHAR AS j FROM lake.events AS e ORDER BY event_id")
	w.must(err)
	defer r.Release()
	var out []string
	for r.Next() {
		for i := range int(r.RecordBatch().NumRows()) {
			out = append(out, r.RecordBatch().Column(0).ValueStr(i))
		}
	}
	w.must(r.Err())
	return out
}

// small merges whatever there is, to files of 100 rows.
var small = Policy{TargetBytes: 1 << 20, TargetRows: 100, MinFiles: 2, MaxFiles: 100, Settled: 48 * time.Hour}

func TestAMergeKeepsEveryRowAndTheMarks(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		w.ingest("EVENTS", day0, 10+i, nil)
	}
	s := w.table.Schema()
	s.Fields = append(s.Fields, tiers.Field{Name: "risk", Type: tiers.Type{Kind: tiers.KindDouble}})
	_, err := w.table.Evolve(t.Context(), s)
	w.must(err)
	for range 3 {
		w.ingest("EVENTS", day0, 20, func(t *parquetfile.Table, i int) { t.Column("risk").SetDouble(i, float64(i)/8) })
		w.ingest("OTHER", day0, 5, nil)
	}
	w.ingest("EVENTS", day0.AddDate(0, 0, 1), 7, nil)
	rows, marks, files, at := w.rows(), w.table.Marks(), w.files(), w.current()
	j := Job{Day: int32(day0.Unix() / 86400),
		Files: filter(files, func(f tiers.DataFile) bool { return f.Day == int32(day0.Unix()/86400) })}
	m, err := w.rewriter(Policy{TargetRows: 50}).Merge(t.Context(), w.table, j)
	w.must(err)
	if got := w.rows(); !slices.Equal(got, rows) {
		t.Errorf("%d rows became %d:\n%s\n%s", len(rows), len(got), rows[0], got[0])
	}
	if got := w.table.Marks(); !sameMarks(got, marks) {
		t.Errorf("marks %v became %v", marks, got)
	}
	// 135 rows of EVENTS in three files, and 15 of OTHER in one.
	if m.FilesIn != 12 || m.FilesOut != 4 || m.Rows != 150 || len(w.files()) != 5 {
		t.Errorf("%+v, %d files", m, len(w.files()))
	}
	w.checkSeqs()
	if added, ok, err := w.table.Added(t.Context(), at, 0); err != nil || !ok || len(added) != 0 {
		t.Errorf("a merge looks like news: %v %v %v", added, ok, err)
	}
}

func (w *world) current() int64 {
	s, _ := w.table.Current()
	return s.ID
}

func sameMarks(a, b map[string]tiers.Mark) bool {
	for k, m := range a {
		if n := b[k]; m.Seq != n.Seq || m.Stream != n.Stream || !m.Created.Equal(n.Created) {
			return false
		}
	}
	return len(a) == len(b)
}

// checkSeqs fails unless the files record each message once.
func (w *world) checkSeqs() {
	w.Helper()
	by := map[string][]tiers.SeqRange{}
	for _, f := range w.files() {
		s := w.seqsOf(f.Path)
		by[s.Stream] = append(by[s.Stream], s.Ranges...)
	}
	for stream, ranges := range by {
		all, err := union(ranges)
		if err != nil || len(all) != 1 || all[0].First != 1 {
			w.Errorf("%s: %v %v", stream, all, err)
		}
	}
}

func TestAMergeThatFailsAnywhereChangesNothing(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.ingest("EVENTS", day0, 10, nil)
	}
	rows, marks := w.rows(), w.table.Marks()
	job := func() Job { return Plan(w.files(), small, w.now)[0] }
	for _, step := range []lake.Step{lake.StepBegin, lake.StepUpdate, lake.StepCommit} {
		w.fail = func(s lake.Step) error {
			if s == step {
				return errors.New("the catalog is gone")
			}
			return nil
		}
		if _, err := w.rewriter(small).Merge(t.Context(), w.table, job()); err == nil {
			t.Fatalf("%s: no error", step)
		}
		w.fail = nil
		if got := w.rows(); !slices.Equal(got, rows) || len(w.files()) != 4 || !sameMarks(marks, w.table.Marks()) {
			t.Errorf("%s: %d rows in %d files", step, len(got), len(w.files()))
		}
		if got := w.parquetFiles(); got != 4 {
			t.Errorf("%s: %d files lie about", step, got)
		}
	}
	// A lost reply: the commit took effect, is found by its id, and is not an error.
	w.fail = func(s lake.Step) error {
		if s == lake.StepCommitted {
			return errors.New("the reply is lost")
		}
		return nil
	}
	m, err := w.rewriter(small).Merge(t.Context(), w.table, job())
	w.fail = nil
	if err != nil || m.FilesOut != 1 || len(w.files()) != 1 || !slices.Equal(w.rows(), rows) {
		t.Errorf("lost reply: %v %+v", err, m)
	}
}

// TestAnyOperationOfTheDiskMayFail fails one operation in eight, each in turn
// with FAULTS=all.
func TestAnyOperationOfTheDiskMayFail(t *testing.T) {
	stride := 8
	if os.Getenv("FAULTS") == "all" {
		stride = 1
	}
	w := newWorld(t)
	w.now = time.Now()
	var failed, lost, repeated int
	for n := 1; ; n += stride {
		for range 3 {
			w.ingest("EVENTS", day0, 5, nil)
		}
		rows, marks := w.rows(), w.table.Marks()
		w.disk.failAt, w.disk.what = n, ""
		m := w.maintainer()
		_, cerr := m.Compact(t.Context(), nil, false)
		w.must(w.table.Refresh(t.Context()))
		_, eerr := m.Expire(t.Context(), nil, false)
		_, oerr := m.Orphans(t.Context(), false)
		w.now = w.now.Add(2 * time.Hour)
		_, rerr := m.Orphans(t.Context(), false)
		w.disk.failAt = 0
		w.must(w.table.Refresh(t.Context()))
		if got := w.rows(); !slices.Equal(got, rows) || !sameMarks(marks, w.table.Marks()) {
			t.Errorf("operation %d (%s): %d rows became %d, marks %v", n, w.disk.what, len(rows), len(got), w.table.Marks())
			lost, repeated = lost+max(0, len(rows)-len(got)), repeated+max(0, len(got)-len(rows))
		}
		w.checkSeqs()
		if w.disk.what == "" {
			fmt.Printf("figure: faults_injected %d count\nfigure: faults_lost %d rows\nfigure: faults_repeated %d rows\n",
				failed, lost, repeated)
			return
		}
		failed++
		if cerr == nil && eerr == nil && oerr == nil && rerr == nil && w.disk.what != "remove" {
			t.Errorf("operation %d (%s) failed in silence", n, w.disk.what)
		}
	}
}

func (w *world) parquetFiles() (n int) {
	w.must(filepath.WalkDir(filepath.Join(w.dir, "lake"), func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") {
			n++
		}
		return err
	}))
	return n
}

func TestAMergeYieldsToAnother(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.ingest("EVENTS", day0, 10, nil)
	}
	job := Plan(w.files(), small, w.now)[0]
	_, err := w.rewriter(small).Merge(t.Context(), w.table, job)
	w.must(err)
	if _, err := w.rewriter(small).Merge(t.Context(), w.table, job); err == nil {
		t.Error("the same files were merged twice")
	}
	if len(w.files()) != 1 || len(w.rows()) != 40 {
		t.Errorf("%d files, %d rows", len(w.files()), len(w.rows()))
	}
}

func (w *world) maintainer() *Maintainer {
	return NewMaintainer(MaintainerOptions{Lake: w.lake, Rewrite: w.options(small),
		Expiry: Expiry{Least: 2, Most: 3, Age: time.Hour},
		Grace:  time.Hour, Seen: filepath.Join(w.dir, "orphans.json"), Now: func() time.Time { return w.now }})
}

func TestMaintenanceKeepsALakeSmall(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now()
	for range 8 {
		w.ingest("EVENTS", day0, 10, nil)
	}
	rows, marks := w.rows(), w.table.Marks()
	stray := filepath.Join(w.dir, "lake", "lake", "events", "data", "stray.parquet")
	w.must(os.WriteFile(stray, []byte("of a commit that failed"), 0o600))
	m := w.maintainer()
	for range 2 {
		rep, err := m.Compact(t.Context(), nil, false)
		w.must(err)
		t.Log(rep)
		w.must(w.table.Refresh(t.Context()))
	}
	rep, err := m.Expire(t.Context(), []string{"lake.events"}, false)
	w.must(err)
	w.must(w.table.Refresh(t.Context()))
	if n := len(w.table.Snapshots()); n != 3 || rep.Count != 6 {
		t.Errorf("%d snapshots left, %d forgotten", n, rep.Count)
	}
	// Nothing goes at once; a dry run does not start the wait; then all goes.
	for i, step := range []struct {
		after time.Duration
		dry   bool
		want  int
	}{{0, false, 0}, {2 * time.Hour, true, 0}, {0, false, 0}, {time.Hour, false, 1}} {
		w.now = w.now.Add(step.after)
		rep, err := m.Orphans(t.Context(), step.dry)
		w.must(err)
		if min(rep.Count, 1) != step.want {
			t.Errorf("step %d: %s", i, rep)
		}
	}
	if _, err := os.Stat(stray); !errors.Is(err, os.ErrNotExist) {
		t.Error("the stray file is still there")
	}
	if got := w.rows(); !slices.Equal(got, rows) || !sameMarks(marks, w.table.Marks()) {
		t.Errorf("%d of %d rows, marks %v", len(got), len(rows), w.table.Marks())
	}
	for _, s := range w.table.Snapshots() {
		fs, err := w.table.Files(t.Context(), s.ID, time.Time{}, time.Time{})
		w.must(err)
		for _, f := range fs {
			if _, err := os.Stat(strings.TrimPrefix(f.Path, "file://")); err != nil {
				t.Errorf("snapshot %d has lost a file: %v", s.ID, err)
			}
		}
	}
	w.ingest("EVENTS", day0, 10, nil)
}

func TestAWarehouseUnderAnotherNameLosesNothing(t *testing.T) {
	w := newWorld(t)
	w.ingest("EVENTS", day0, 10, nil)
	link := filepath.Join(t.TempDir(), "link")
	w.must(os.Symlink(w.dir, link))
	other, err := lake.Open(t.Context(), lake.Options{Warehouse: filepath.Join(link, "lake"),
		Catalog: filepath.Join(link, "catalog.db")})
	w.must(err)
	defer other.Close()
	if found, err := other.Orphans(context.Background(), time.Now().Add(time.Hour)); err != nil || len(found) > 0 {
		t.Errorf("%d files look orphaned: %v", len(found), err)
	}
}

func TestAnOrphanOfTheFutureWaitsFromNow(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now().AddDate(1, 0, 0) // the clock is a year ahead
	w.ingest("EVENTS", day0, 10, nil)
	stray := filepath.Join(w.dir, "lake", "lake", "events", "data", "stray.parquet")
	w.must(os.WriteFile(stray, []byte("of a commit that failed"), 0o600))
	m := w.maintainer()
	for i, step := range []struct {
		by   time.Duration
		want int
	}{{0, 0}, {2*time.Hour - 365*24*time.Hour, 0}, {30 * time.Minute, 0}, {time.Hour, 1}} { // put right in the second
		w.now = w.now.Add(step.by)
		rep, err := m.Orphans(t.Context(), false)
		w.must(err)
		if rep.Count != step.want {
			t.Errorf("step %d: %s", i, rep)
		}
	}
}

func TestMaintenanceDeletesNothingWhileItIsHeld(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now()
	for range 8 {
		w.ingest("EVENTS", day0, 10, nil)
	}
	m, held := w.maintainer(), "the clock has leapt"
	m.o.Hold = func() string { return held }
	snapshots := func() int {
		w.must(w.table.Refresh(t.Context()))
		return len(w.table.Snapshots())
	}
	m.round(t.Context())
	if n := snapshots(); n < 8 {
		t.Errorf("held, and %d snapshots are left", n)
	}
	held = ""
	m.round(t.Context())
	if n := snapshots(); n > 3 {
		t.Errorf("not held any more, and %d snapshots are left", n)
	}
}
