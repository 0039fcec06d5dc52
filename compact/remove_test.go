package compact

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/parquetfile"
	"github.com/lakeward/lakeward/tiers/removal"
)

const aDay = 24 * time.Hour

// keeping is a maintainer under which the table events is kept for some days.
func (w *world) keeping(days int) *Maintainer {
	m := w.maintainer()
	m.o.Confiner, m.o.Own = w.engine, []string{"ingest_skipped"}
	m.o.Retention = func(table string) time.Duration { return time.Duration(days) * aDay }
	return m
}

// seqsOf reads what a file of the lake records.
func (w *world) seqsOf(path string) parquetfile.Seqs {
	w.Helper()
	s, err := parquetfile.SeqsOf(w.lake.OpenFile(w.Context(), path))
	w.must(err)
	return s
}

// message commits one message that has an event on each of the days.
func (w *world) message(days ...time.Time) {
	w.Helper()
	m := w.table.Marks()["EVENTS|events.>"]
	c := tiers.Commit{ID: fmt.Sprint("message", m.Seq+1)}
	for i, day := range days {
		t := parquetfile.NewTable(w.table.Schema())
		t.Column(tiers.ColTime).SetInt(0, day.UnixMicro())
		t.Column(tiers.ColIngestTime).SetInt(0, day.UnixMicro())
		t.Column(tiers.ColStreamSeq).SetInt(0, int64(m.Seq+1))
		t.Column(tiers.ColEventID).SetString(0, fmt.Sprint("EVENTS-", m.Seq+1, "/", i))
		t.N = 1
		f, err := w.rewriter(small).store(w.Context(), w.table, t,
			parquetfile.Options{Schema: w.table.Schema(), Stream: "EVENTS@1",
				Seqs: []tiers.SeqRange{{First: m.Seq + 1, Last: m.Seq + 1}}, Sorted: []string{tiers.ColTime}})
		w.must(err)
		c.Add = append(c.Add, f)
	}
	to := m
	to.Stream, to.Filter, to.Created, to.Seq = "EVENTS", "events.>", day0, m.Seq+1
	if c.To = &to; m.Seq > 0 {
		c.From = &m
	}
	_, err := w.table.Commit(w.Context(), c)
	w.must(err)
}

// account fails unless each message up to the mark is in the table or recorded
// as gone, and not both. It returns those that are gone.
func (w *world) account() []tiers.SeqRange {
	w.Helper()
	w.must(w.table.Refresh(w.Context()))
	gone, err := removal.Gone(w.Context(), w.lake, []tiers.Table{w.table}, func(s string) bool { return s == "EVENTS@1" },
		func(path string) (parquetfile.Seqs, error) { return w.seqsOf(path), nil })
	w.must(err)
	var here []tiers.SeqRange
	for _, f := range w.files() {
		if s := w.seqsOf(f.Path); s.Stream == "EVENTS@1" {
			here = append(here, s.Ranges...)
		}
	}
	here = tiers.MergeSeqs(here)
	last := w.table.Marks()["EVENTS|events.>"].Seq
	all := tiers.MergeSeqs(slices.Concat(here, gone["EVENTS@1"]))
	if len(all) != 1 || all[0] != (tiers.SeqRange{First: 1, Last: last}) {
		w.Errorf("of messages 1 to %d %v are in the table and %v are gone", last, here, gone["EVENTS@1"])
	}
	if left := tiers.SubtractSeqs(gone["EVENTS@1"], here); tiers.CountSeqs(left) != tiers.CountSeqs(gone["EVENTS@1"]) {
		w.Errorf("%v are gone and in the table: %v", gone["EVENTS@1"], here)
	}
	return gone["EVENTS@1"]
}

// ids are the event ids of the table, ascending.
func (w *world) ids() []string {
	w.Helper()
	var out []string
	for _, r := range w.rows() {
		_, id, _ := strings.Cut(r, `"event_id":"`)
		id, _, _ = strings.Cut(id, `"`)
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func TestRetentionTakesOutWholeDaysAndSaysWhatIsGone(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		w.ingest("EVENTS", day0.AddDate(0, 0, i), 10, nil)
	}
	w.ingest("EVENTS", day0, 5, nil) // late
	w.ingest("OTHER", day0, 3, nil)
	rows, marks, snapshots := w.ids(), w.table.Marks(), len(w.table.Snapshots())
	at := w.current()
	w.now = day0.AddDate(0, 0, 4).Add(-time.Second) // day 1 ends a second too late
	rep, err := w.keeping(2).Retain(t.Context(), nil, true)
	w.must(err)
	if !strings.Contains(rep.String(), "lake.events, kept for 2 days: take out 2026-11-02 to 2026-11-02, 3 files, 18 "+
		"rows") || len(w.files()) != 6 {
		t.Errorf("plan: %s", rep)
	}
	for range 2 {
		_, err = w.keeping(2).Retain(t.Context(), []string{"lake.events"}, false)
		w.must(err)
		w.must(w.table.Refresh(t.Context()))
	}
	if got := w.ids(); len(got) != 30 || len(rows) != 48 || !sameMarks(marks, w.table.Marks()) ||
		len(w.table.Snapshots()) != snapshots+1 {
		t.Errorf("%d rows, marks %v, %d snapshots", len(got), w.table.Marks(), len(w.table.Snapshots()))
	}
	if gone := w.account(); !slices.Equal(gone, []tiers.SeqRange{{First: 1, Last: 10}, {First: 41, Last: 45}}) {
		t.Errorf("gone: %v", gone)
	}
	if added, ok, err := w.table.Added(t.Context(), at, 0); err != nil || !ok || len(added) != 0 {
		t.Errorf("retention looks like news: %v %v %v", added, ok, err)
	}
	w.now = day0.AddDate(0, 0, 9)
	if _, err = w.keeping(2).Retain(t.Context(), nil, false); err != nil {
		t.Fatal(err)
	}
	if gone := w.account(); len(gone) != 1 || len(w.files()) != 0 {
		t.Errorf("gone: %v", gone)
	}
	w.ingest("EVENTS", day0.AddDate(0, 0, 9), 5, nil)
	w.account()
	rep, err = w.keeping(0).Retain(t.Context(), []string{"events", removal.Table}, false)
	if err != nil || rep.String() != "lake.events is kept for ever\nlake.ingest_removed is kept for ever\n" {
		t.Errorf("%v %s", err, rep)
	}
}

func TestAMessageIsGoneWhenItsLastEventIs(t *testing.T) {
	w := newWorld(t)
	w.message(day0, day0.AddDate(0, 0, 1), day0.AddDate(0, 0, 2))
	w.message(day0)
	for i, want := range [][]tiers.SeqRange{{{First: 2, Last: 2}}, {{First: 2, Last: 2}}, {{First: 1, Last: 2}}} {
		w.now = day0.AddDate(0, 0, i+2)
		_, err := w.keeping(1).Retain(t.Context(), nil, false)
		w.must(err)
		if gone := w.account(); !slices.Equal(gone, want) {
			t.Errorf("after day %d gone are %v, want %v", i, gone, want)
		}
	}
	// The same by an erasure of all of them in one commit.
	w.message(day0.AddDate(0, 0, 5), day0.AddDate(0, 0, 6))
	e, err := w.keeping(0).Erase(t.Context(), Erasure{Table: "events", Where: "true"})
	if err != nil || e.Rows != 2 || e.Messages != 1 || e.Files != 2 {
		t.Errorf("%v %+v", err, e)
	}
	w.account()
}

func TestAnErasureTakesOutJustTheRows(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		w.ingest("EVENTS", day0.AddDate(0, 0, i%2), 20, nil)
	}
	rows, marks, files := w.rows(), w.table.Marks(), w.files()
	const where = `src.ip = '192.0.2.6' OR stream_seq BETWEEN 41 AND 60` // one row, and all of a file
	e, err := w.keeping(0).Erase(t.Context(), Erasure{Table: "lake.events", Where: where, DryRun: true})
	if err != nil || e.Rows != 21 || e.Files != 2 || e.Looked != 4 || len(w.rows()) != 80 {
		t.Fatalf("%v %+v", err, e)
	}
	e, err = w.keeping(0).Erase(t.Context(),
		Erasure{Table: "lake.events", Where: where, By: "ada@host", Reason: "request 4711"})
	w.must(err)
	w.must(w.table.Refresh(t.Context()))
	want := slices.DeleteFunc(rows, func(r string) bool {
		return slices.ContainsFunc(rowsOf("EVENTS-", append([]int{6}, upTo(41, 60)...)),
			func(id string) bool { return strings.Contains(r, id) })
	})
	if got := w.rows(); !slices.Equal(got, want) || !sameMarks(marks, w.table.Marks()) || e.Rows != 21 || e.Commits != 1 ||
		e.Kept != 19 || e.Messages != 21 {
		t.Errorf("%d rows, want %d; %+v", len(got), len(want), e)
	}
	if len(w.files()) != len(files)-1 || e.Snapshots != 4 {
		t.Errorf("%d files, %d snapshots", len(w.files()), e.Snapshots)
	}
	if gone := w.account(); !slices.Equal(gone, []tiers.SeqRange{{First: 6, Last: 6}, {First: 41, Last: 60}}) {
		t.Errorf("gone: %v", gone)
	}
	if got := w.ledger(); len(got) != 1 || !strings.Contains(got[0], "request 4711") ||
		strings.Contains(got[0], "192.0.2") {
		t.Errorf("ledger: %s", got)
	}
	if _, err := w.keeping(0).Compact(t.Context(), nil, false); err != nil {
		t.Error(err)
	}
	w.must(w.table.Refresh(t.Context()))
	if got := w.rows(); !slices.Equal(got, want) || len(w.files()) != 2 {
		t.Errorf("compacted: %d rows in %d files", len(got), len(w.files()))
	}
	w.account()
	if e, err = w.keeping(0).Erase(t.Context(), Erasure{Table: "events", Where: where}); err != nil || e.Rows != 0 ||
		e.Commits != 0 {
		t.Errorf("again: %v %+v", err, e)
	}
}

// A quiet table would keep its last snapshots for ever, and with them what was
// erased.
func TestErasedRowsLeaveTheDiskOfAQuietTable(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now()
	w.ingest("EVENTS", day0, 10, nil)
	old := strings.TrimPrefix(w.files()[0].Path, "file://")
	m := w.keeping(0)
	m.o.Expiry = Expiry{Least: 50, Most: 500, Age: time.Hour}
	e, err := m.Erase(t.Context(), Erasure{Table: "events", Where: "stream_seq = 3"})
	w.must(err)
	for _, after := range []time.Duration{0, 61 * time.Minute, 61 * time.Minute} {
		if _, err := os.Stat(old); err != nil {
			t.Errorf("the file went too early: %v", err)
		}
		w.now = w.now.Add(after)
		_, err := m.Expire(t.Context(), nil, false)
		w.must(err)
		_, err = m.Orphans(t.Context(), false)
		w.must(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) || w.now.Before(e.Removed) {
		t.Errorf("the file is still there: %v; it was said to go by %s", err, e.Removed)
	}
	w.must(w.table.Refresh(t.Context()))
	if len(w.rows()) != 9 {
		t.Errorf("%d rows", len(w.rows()))
	}
}

func upTo(from, to int) (out []int) {
	for ; from <= to; from++ {
		out = append(out, from)
	}
	return out
}

func rowsOf(prefix string, seqs []int) (out []string) {
	for _, s := range seqs {
		out = append(out, fmt.Sprintf("%q", fmt.Sprint(prefix, s)))
	}
	return out
}

// ledger are the rows of the ledger as text.
func (w *world) ledger() []string {
	w.Helper()
	l, err := w.lake.Open(w.Context(), removal.Table)
	w.must(err)
	ledger := *w
	ledger.table = l
	s, err := w.engine.Open(w.Context(), query.View{Tables: []query.TableView{{Name: removal.Table, Schema: l.Schema(),
		Files: ledger.files()}}}, query.Options{})
	w.must(err)
	defer s.Close()
	r, err := s.Query(w.Context(), "SELECT to_json(e)::VARCHAR AS j FROM lake.ingest_removed AS e ORDER BY time, id")
	w.must(err)
	defer r.Release()
	var out []string
	for r.Next() {
		for i := range int(r.RecordBatch().NumRows()) {
			out = append(out, r.RecordBatch().Column(0).ValueStr(i))
		}
	}
	return out
}

func TestWhatMayNotBeErasedIsRefused(t *testing.T) {
	w := newWorld(t)
	w.ingest("EVENTS", day0, 20, nil)
	_, err := w.lake.Create(t.Context(), "ingest_skipped", w.table.Schema(), tiers.Options{})
	w.must(err)
	for _, tc := range []struct{ table, where, want string }{
		{"ingest_skipped", "true", "rests on lake.ingest_skipped"},
		{removal.Table, "true", "rests on lake.ingest_removed"},
		{"events", "", ""},
		{"events", "nobody = 1", "no column nobody"},
		{"events", "stream_seq = 1) OR (true", ""},
		{"events", "stream_seq IN (SELECT 1)", "subquery"},
		{"events", "event_id = (SELECT content FROM read_text('/etc/passwd'))", ""},
		{"events", "count(*) > 1", "aggregate"},
		{"events", "true -- all", ""},
		{"events", "random() < 0.5", "does the predicate always say the same"},
	} {
		e, err := w.keeping(0).Erase(t.Context(), Erasure{Table: tc.table, Where: tc.where})
		if tc.where == "random() < 0.5" && err == nil {
			continue // by chance it did
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s, %s: %v %+v", tc.table, tc.where, err, e)
		}
	}
	w.must(w.table.Refresh(t.Context()))
	w.account()
	if n := w.parquetFiles() - len(w.files()); n > 2 { // of the predicate that is random
		t.Errorf("%d files lie about", n)
	}
}

func TestADamagedFileIsNotErasedInSilence(t *testing.T) {
	w := newWorld(t)
	w.ingest("EVENTS", day0, 10, nil)
	w.ingest("EVENTS", day0, 10, nil)
	path := strings.TrimPrefix(w.files()[0].Path, "file://")
	w.must(os.Truncate(path, 100))
	other, err := lake.Open(t.Context(), lake.Options{Warehouse: w.dir + "/lake", Catalog: w.dir + "/catalog.db"})
	w.must(err)
	defer other.Close()
	m := w.keeping(1)
	m.o.Lake, m.o.Rewrite.Lake = other, other
	e, err := m.Erase(t.Context(), Erasure{Table: "events", Where: "true"})
	if err != nil || len(e.Damaged) != 1 || e.Rows != 10 ||
		!strings.Contains(e.String(), "NOT LOOKED AT, damaged: file://"+path) {
		t.Errorf("%v %+v", err, e)
	}
	w.now = day0.AddDate(1, 0, 0)
	rep, err := m.Retain(t.Context(), nil, false)
	if err != nil || rep.Count != 0 || !strings.Contains(rep.String(), "it stays") {
		t.Errorf("%v %s", err, rep)
	}
}

func TestTheLedgerStaysSmall(t *testing.T) {
	w := newWorld(t)
	const days = maxLedger + 8
	w.now = day0.AddDate(0, 0, -1)
	for i := range days {
		w.ingest("EVENTS", day0.AddDate(0, 0, i), 3, nil)
		w.now = w.now.Add(aDay)
		_, err := w.keeping(1).Retain(t.Context(), nil, false)
		w.must(err)
		w.must(w.table.Refresh(t.Context()))
	}
	l, err := w.lake.Open(t.Context(), removal.Table)
	w.must(err)
	files, err := l.Files(t.Context(), 0, time.Time{}, time.Time{})
	w.must(err)
	if len(files) >= maxLedger || len(w.ledger()) != days-2 {
		t.Errorf("%d files, %d rows", len(files), len(w.ledger()))
	}
	if text := w.table.Properties()[removal.Property]; len(text) > 100 {
		t.Errorf("the property is %s", text)
	}
	if gone := w.account(); len(gone) != 1 || gone[0].Last != 3*(days-2) {
		t.Errorf("gone: %v", gone)
	}
	w.must(l.Refresh(t.Context()))
}

func TestTwoRemovalsAtOnceConflict(t *testing.T) {
	w := newWorld(t)
	w.message(day0, day0.AddDate(0, 0, 1))
	files := w.files()
	first, second := w.keeping(1).remover(w.table), w.keeping(1).remover(w.table)
	take := func(r *remover, f tiers.DataFile) *batch {
		b := newBatch(removal.Retain)
		b.rec.ID = "retain-" + f.Path
		b.take(f, w.seqsOf(f.Path), tiers.DataFile{}, 1)
		return b
	}
	// The second has planned on what the first changes: neither would record the message.
	other, err := w.lake.Open(t.Context(), "events")
	w.must(err)
	second.t = other
	w.must(first.commit(t.Context(), take(first, files[0])))
	w.must(first.begin(t.Context()))
	if err := second.commit(t.Context(), take(second, files[1])); !errors.Is(err, tiers.ErrConflict) {
		t.Fatalf("%v", err)
	}
	w.must(second.begin(t.Context()))
	w.must(second.commit(t.Context(), take(second, files[1])))
	w.account()
}

// TestAnyStepOfTheCatalogMayFail fails each step of each commit in turn, also
// by losing the reply of one that took effect.
func TestAnyStepOfTheCatalogMayFail(t *testing.T) {
	for n, more := 1, true; more; n++ {
		t.Run(fmt.Sprint("step ", n), func(t *testing.T) {
			w := newWorld(t)
			w.ingest("EVENTS", day0, 5, nil)
			w.ingest("EVENTS", day0.AddDate(0, 0, 5), 5, nil)
			w.now = day0.AddDate(0, 0, 6)
			left, at := n, lake.Step("")
			w.fail = func(s lake.Step) error {
				if left--; left == 0 {
					at = s
					return errors.New("the catalog is gone")
				}
				return nil
			}
			_, rerr := w.keeping(2).Retain(t.Context(), nil, false)
			e, eerr := w.keeping(2).Erase(t.Context(), Erasure{Table: "events", Where: "stream_seq = 7"})
			w.fail = nil
			w.account()
			if more = at != ""; more && rerr == nil && eerr == nil && at != lake.StepCommitted {
				t.Errorf("%s failed in silence", at)
			}
			if eerr == nil && (e.Rows != 1 || slices.Contains(w.ids(), "EVENTS-7")) {
				t.Errorf("%s failed; erased: %+v, %v", at, e, w.ids())
			}
			_, err := w.keeping(2).Retain(t.Context(), nil, false)
			w.must(err)
			_, err = w.keeping(2).Erase(t.Context(), Erasure{Table: "events", Where: "stream_seq = 7"})
			w.must(err)
			if gone := w.account(); tiers.CountSeqs(gone) != 6 || len(w.ids()) != 4 {
				t.Errorf("%s failed; then gone are %v, and here %v", at, gone, w.ids())
			}
		})
	}
}

// TestAnyOperationOfARemovalMayFail fails one operation in eight, each in turn
// with FAULTS=all: no row is lost that should stay, none is repeated, each
// message is in the table or recorded as gone, and what is said to be erased is.
func TestAnyOperationOfARemovalMayFail(t *testing.T) {
	stride := 8
	if os.Getenv("FAULTS") == "all" {
		stride = 1
	}
	var failed, lost, repeated int
	for n, more := 1, true; more; n += stride {
		t.Run(fmt.Sprint("operation ", n), func(t *testing.T) {
			w := newWorld(t)
			l, r := w.removeWithAFault(n)
			lost, repeated = lost+l, repeated+r
			if more = w.disk.what != ""; more {
				failed++
			}
		})
	}
	fmt.Printf("figure: removal_faults_injected %d count\nfigure: removal_faults_lost %d rows\nfigure: "+
		"removal_faults_repeated %d rows\n", failed, lost, repeated)
}

// removeWithAFault erases and retains, and the n-th operation of the disk
// fails; then again with a sound one.
func (w *world) removeWithAFault(n int) (lost, repeated int) {
	old, key := day0.AddDate(0, 0, -30), "EVENTS|events.>"
	var want []string // that must stay
	matches := func(id string) bool {
		seq, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(id, "EVENTS-"), "/0"))
		return err == nil && seq%5 == 0
	}
	for range 2 {
		for range 2 {
			first := int(w.table.Marks()[key].Seq) + 1
			w.ingest("EVENTS", day0, 7, nil)
			for s := first; s < first+7; s++ {
				want = append(want, fmt.Sprint("EVENTS-", s))
			}
		}
		w.message(day0, old)
		want = append(want, fmt.Sprint("EVENTS-", w.table.Marks()[key].Seq, "/0"))
		w.ingest("EVENTS", old, 3, nil)
	}
	want = slices.DeleteFunc(want, matches)
	slices.Sort(want)
	marks, m := w.table.Marks(), w.keeping(20)
	both := func() (e Erased, eerr, rerr error) {
		e, eerr = m.Erase(w.Context(), Erasure{Table: "events", Where: "stream_seq % 5 = 0"})
		_, rerr = m.Retain(w.Context(), nil, false)
		return e, eerr, rerr
	}
	w.disk.failAt, w.disk.what = n, ""
	e, eerr, rerr := both()
	w.disk.failAt = 0
	if eerr == nil && rerr == nil && w.disk.what != "" && w.disk.what != "remove" {
		w.Errorf("%s failed in silence", w.disk.what)
	}
	w.account()
	got := w.ids()
	if eerr == nil && slices.ContainsFunc(got, matches) {
		w.Errorf("%s failed; erased, and still there: %+v", w.disk.what, e)
	}
	times := map[string]int{}
	for _, id := range got {
		times[id]++
	}
	for _, id := range want {
		if times[id] == 0 {
			lost++
		}
	}
	if repeated = len(got) - len(times); lost > 0 || repeated > 0 {
		w.Errorf("%s failed: %d rows lost, %d repeated", w.disk.what, lost, repeated)
	}
	// With a sound disk the same again does what was left undone.
	_, eerr, rerr = both()
	w.must(errors.Join(eerr, rerr))
	w.account()
	if got := w.ids(); !slices.Equal(got, want) || !sameMarks(marks, w.table.Marks()) {
		w.Errorf("%s failed: then %d rows, want %d; marks %v", w.disk.what, len(got), len(want), w.table.Marks())
	}
	_, err := m.Compact(w.Context(), nil, false)
	w.must(err)
	w.account()
	return lost, repeated
}
