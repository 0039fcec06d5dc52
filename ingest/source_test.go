package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

// jobs are done outside the bubbles of synctest: decoders of zstd have channels
// and are pooled, so that one bubble would meet those of another.
var jobs = make(chan func())

func TestMain(m *testing.M) {
	go func() {
		for f := range jobs {
			f()
		}
	}()
	os.Exit(m.Run())
}

// outside does f outside the bubble, and waits for it.
func outside(f func()) {
	var done sync.Mutex // a channel would belong to the bubble
	done.Lock()
	jobs <- func() {
		defer done.Unlock()
		f()
	}
	done.Lock()
}

// world is a lake and a stream, and how a source of them is set up.
type world struct {
	*testing.T
	lake   tiers.Lake
	mem    *memLake // lake, if it is one
	stream *memStream
	age    time.Duration // of a flush
}

func newWorld(t *testing.T) *world {
	l := newMemLake()
	return &world{t, l, l, newMemStream(), time.Second}
}

// realWorld has a lake of files, and real time.
func realWorld(t *testing.T) *world {
	dir := t.TempDir()
	l, err := lake.Open(t.Context(), lake.Options{Warehouse: dir, Catalog: filepath.Join(dir, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t, l, nil, newMemStream(), 10 * time.Millisecond}
}

func (w *world) data() dataFiles { return dataFiles{w.lake, outside} }

func (w *world) options(lake tiers.Lake) Options {
	return Options{Name: "events", Filter: "events.>", Lake: lake, Stream: w.stream, outside: outside,
		Flush: Flush{Rows: 5, Age: w.age}, Grace: 2 * time.Second, Logger: slog.New(slog.DiscardHandler)}
}

// running is a source at work.
type running struct {
	*Source
	w    *world
	stop context.CancelFunc
	done chan error
}

func (w *world) run(o Options) *running {
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Source: New(o), w: w, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- r.Run(ctx) }()
	return r
}

// until waits for the condition, in the bubble's time.
func (r *running) until(cond func(Status) bool) {
	r.w.Helper()
	for range 10_000 {
		if cond(r.Status()) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.w.Fatalf("still waiting; the source is %+v", r.Status())
}

func (r *running) caughtUp() {
	r.w.Helper()
	info, _ := r.w.stream.Info(context.Background(), "")
	r.until(func(s Status) bool { return s.Committed >= info.Last && s.State == Running })
}

func (r *running) end() error {
	r.stop()
	return <-r.done
}

// drain runs a source until it has caught up, and ends it.
func (w *world) drain(o Options) Status {
	w.Helper()
	r := w.run(o)
	r.caughtUp()
	if err := r.end(); err != nil {
		w.Fatal(err)
	}
	return r.Status()
}

// rows lists the rows of a table as "seq id reason", in order.
func (w *world) rows(table string) []string {
	w.Helper()
	t, err := w.lake.Open(context.Background(), table)
	if errors.Is(err, tiers.ErrNoTable) {
		return nil
	}
	if err != nil {
		w.Fatal(err)
	}
	files, err := t.Files(context.Background(), 0, time.Time{}, time.Time{})
	if err != nil {
		w.Fatal(err)
	}
	var out []string
	for _, f := range files {
		err := w.data().columns(w.Context(), f.Path, []string{tiers.ColStreamSeq, tiers.ColEventID, colIndex, colReason},
			func(v []value) {
				reason, _, _ := strings.Cut(v[3].text, ":")
				out = append(out, strings.TrimRight(fmt.Sprintf("%04d %s %d %s", v[0].long, v[1].text, v[2].long, reason), " "))
			})
		if err != nil {
			w.Fatal(err)
		}
	}
	slices.Sort(out)
	return out
}

// content is every row of every table.
func (w *world) content() string {
	w.Helper()
	names, err := w.lake.Tables(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	var b strings.Builder
	for _, n := range names {
		for _, r := range w.rows(n) {
			fmt.Fprintln(&b, n, r)
		}
	}
	return b.String()
}

func (w *world) verify() VerifyReport {
	w.Helper()
	r, err := Verify(context.Background(), VerifyOptions{Lake: w.lake, Stream: w.stream, StreamName: "EVENTS",
		Filter: "events.>", outside: outside})
	if err != nil {
		w.Fatal(err)
	}
	if !r.OK() {
		w.Errorf("verify:\n%s", r)
	}
	return r
}

// script publishes one of everything that can happen to a message.
func (w *world) script() {
	s := w.stream
	for i := range 6 {
		s.publish("events.a", fmt.Sprint("m", i), fmt.Sprintf(`{"n":%d}`, i))
		s.publish("events.b", "", fmt.Sprintf(`{"x":"y%d"}`, i))
	}
	s.publish("events.a", "m2", `{"n":2}`)                                           // a repeat
	s.publish("events.Sign-In", "lines", "{\"n\":1}\nbad line\n{\"n\":3}\n{\"n\":4") // two bad lines
	s.publish("events.", "", `{}`)                                                   // no table
	s.publish("events.a", "", ``)                                                    // empty
	s.publish("events.c", "m2", `{"n":2}`)                                           // no repeat: another table
	s.publish("events.a", "m2", `{"n":2}`)
	s.publish("events.b", "", `[1,2`) // three bad events
	s.publish("events.a", "late", `{"n":9}`)
}

func TestEveryMessageIsSomewhereOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.script()
		st := w.drain(w.options(w.lake))
		if st.Events != 16 || st.Quarantined != 7 || st.Repeats != 2 || st.Committed != 20 || st.State != Stopped {
			t.Errorf("status is %+v\n%s", st, w.content())
		}
		if r := w.verify(); r.Messages != 20 || r.Through != 20 || r.Skipped != 2 {
			t.Errorf("verify:\n%s", r)
		}
		if w.stream.released != 20 {
			t.Errorf("stream was released up to %d", w.stream.released)
		}
		if got := w.rows("sign_in"); len(got) != 2 {
			t.Errorf("sign_in has %q", got)
		}
	})
}

func TestRepeatsAreKnownAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for round := range 3 {
			for i := range 20 { // shuffled: another order each round
				n := (i*7 + round*3) % 20
				w.stream.publish("events.a", fmt.Sprint("m", n), fmt.Sprintf(`{"n":%d}`, n))
			}
			w.drain(w.options(w.lake))
		}
		if a, s := len(w.rows("a")), len(w.rows(Skipped)); a != 20 || s != 40 {
			t.Errorf("%d rows and %d repeats, want 20 and 40", a, s)
		}
		w.verify()
	})
}

func TestFlushByAgeAndOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := w.options(w.lake)
		o.Flush = Flush{Rows: 1000, Age: 10 * time.Second}
		r := w.run(o)
		w.stream.publish("events.a", "", `{"n":1}`)
		began := time.Now()
		r.caughtUp()
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("committed after %s, want 10s", took)
		}
		w.stream.publish("events.a", "", `{"n":2}`)
		synctest.Wait()
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.Status().Committed; got != 2 {
			t.Errorf("committed %d after a flush", got)
		}
		w.stream.publish("events.a", "", `{"n":3}`)
		synctest.Wait()
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
		if got := len(w.rows("a")); got != 3 {
			t.Errorf("%d rows after the drain, want 3", got)
		}
	})
}

func TestNothingIsCommittedBeforeTheStreamHasSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := w.options(w.lake)
		o.SyncDelay = 20 * time.Second
		r := w.run(o)
		began := time.Now()
		w.stream.publish("events.a", "", `{"n":1}`)
		r.caughtUp()
		if took := time.Since(began); took < 21*time.Second || took > 22*time.Second {
			t.Errorf("committed after %s, want 21s", took)
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAnEventIsCommittedAtTheAgeOfABatch(t *testing.T) {
	for name, c := range map[string]struct{ age, settle, longest time.Duration }{
		"nothing has to settle":  {5 * time.Second, 0, 5 * time.Second},
		"settling is part of it": {5 * time.Second, 2 * time.Second, 5 * time.Second},
		// a batch also waits for the one before
		"settling takes the longest": {time.Second, 2 * time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				o := w.options(w.lake)
				o.Flush, o.SyncDelay = Flush{Age: c.age}, c.settle
				o.Grace = 10 * time.Second // two batches may have to settle at the end
				r := w.run(o)
				const every = 50 * time.Millisecond
				var sent []time.Time
				for seen := 0; seen < 500 && !t.Failed(); time.Sleep(every) {
					now := time.Now()
					for at := int(r.Status().Committed); seen < at; seen++ {
						if took := now.Sub(sent[seen]); took < c.settle || took > c.longest+2*every {
							t.Errorf("event %d was committed after %s; at least %s and at most %s is right", seen, took, c.settle, c.longest)
						}
					}
					sent = append(sent, now)
					w.stream.publish("events.a", "", `{"n":1}`)
				}
				if err := r.end(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// endingStream ends the source while it opens its reader.
type endingStream struct {
	*memStream
	end context.CancelFunc
}

func (s endingStream) Read(ctx context.Context, filter string, from uint64) (Reader, error) {
	r, err := s.memStream.Read(ctx, filter, from)
	s.end()
	return r, err
}

func TestASourceMayEndWhileItOpensItsReader(t *testing.T) {
	for range 50 {
		w := newWorld(t)
		ctx, end := context.WithCancel(t.Context())
		o := w.options(w.lake)
		o.Stream = endingStream{w.stream, end}
		if err := New(o).Run(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIdleTablesDoNotHoldTheStreamBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.run(w.options(w.lake))
		w.stream.publish("events.idle", "", `{"n":1}`)
		for range 60 {
			w.stream.publish("events.busy", "", `{"n":1}`)
			time.Sleep(2 * time.Second)
		}
		r.caughtUp()
		w.stream.mu.Lock()
		released := w.stream.released
		w.stream.mu.Unlock()
		if released < 30 {
			t.Errorf("released up to %d of 61", released)
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestHaltsOnAnotherStream(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*memStream)
		reason string
	}{
		"recreated": {func(s *memStream) { s.info.Created = s.info.Created.Add(time.Hour) },
			"sequences mean other messages"},
		"rolled back": {func(s *memStream) { s.info.Last, s.info.Matched, s.messages = 3, 3, s.messages[:3] }, "older copy"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.script()
				w.drain(w.options(w.lake))
				before := w.content()
				c.change(w.stream)
				w.stream.publish("events.a", "", `{"n":100}`)
				r := w.run(w.options(w.lake))
				r.until(func(s Status) bool { return s.State == Halted && strings.Contains(s.Reason, c.reason) })
				if err := r.end(); err != nil {
					t.Fatal(err)
				}
				if w.content() != before {
					t.Error("the lake changed")
				}
				if r := w.verify(); r.Recreated != (name == "recreated") {
					t.Errorf("verify:\n%s", r)
				}
			})
		})
	}
}

func TestGapsAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 10 {
			w.stream.publish("events.a", "", `{"n":1}`)
		}
		w.stream.drop(2) // before the first read
		if st := w.drain(w.options(w.lake)); st.Gaps != 0 {
			t.Errorf("%d gaps, want 0: nobody read before", st.Gaps)
		}
		for range 10 {
			w.stream.publish("events.a", "", `{"n":1}`)
		}
		w.stream.drop(15)
		if st := w.drain(w.options(w.lake)); st.Gaps != 5 {
			t.Errorf("%d gaps, want 5", st.Gaps)
		}
		w.stream.publish("events.a", "", `{"n":1}`)
		w.stream.drop(21) // and the stream is empty
		if st := w.drain(w.options(w.lake)); st.Gaps != 1 || st.Committed != 21 {
			t.Errorf("%+v, want 1 gap up to 21", st)
		}
		if r := w.verify(); Count(r.Gaps) != 8 || Count(r.Absent) != 0 {
			t.Errorf("verify:\n%s", r)
		}
	})
}

func TestOfTwoWritersOneStandsBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.run(w.options(w.lake)), w.run(w.options(w.lake))
		for i := range 50 {
			w.stream.publish("events.a", "", fmt.Sprintf(`{"n":%d}`, i))
			time.Sleep(300 * time.Millisecond)
		}
		either := func(f func(x, y Status) bool) bool {
			x, y := a.Status(), b.Status()
			return f(x, y) || f(y, x)
		}
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			if either(func(x, y Status) bool { return x.State == Running && x.Committed == 50 && y.State == Standby }) {
				break
			}
		}
		if !either(func(x, y Status) bool { return x.State == Running && x.Committed == 50 && y.State == Standby }) {
			t.Errorf("states are %+v and %+v", a.Status(), b.Status())
		}
		first, second := a, b
		if a.Status().State == Standby {
			first, second = b, a
		}
		if err := first.end(); err != nil {
			t.Fatal(err)
		}
		w.stream.publish("events.a", "", `{"n":100}`)
		second.until(func(s Status) bool { return s.State == Running && s.Committed == 51 })
		if err := second.end(); err != nil {
			t.Fatal(err)
		}
		if got := len(w.rows("a")); got != 51 {
			t.Errorf("%d rows, want 51", got)
		}
		w.verify()
	})
}

func TestTooManyTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 5 {
			w.stream.publish(fmt.Sprint("events.t", i), "", `{"n":1}`)
		}
		o := w.options(w.lake)
		o.MaxTables = 3
		if st := w.drain(o); st.Events != 3 || st.Quarantined != 2 {
			t.Errorf("status is %+v", st)
		}
		w.verify()
	})
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.script()
		w.drain(w.options(w.lake))
		check := func(what string, pick func(VerifyReport) []tiers.SeqRange) {
			t.Helper()
			for _, s := range []Stream{w.stream, nil} {
				r, err := Verify(t.Context(), VerifyOptions{Lake: w.lake, Stream: s, StreamName: "EVENTS", Filter: "events.>",
					outside: outside})
				if err != nil || r.OK() || len(pick(r)) == 0 {
					t.Errorf("%s: %v\n%s", what, err, r)
				}
			}
		}
		tab := w.mem.tables["a"]
		good := tab.v.snaps
		last := &tab.v.snaps[len(good)-1]
		files := last.files
		last.files = files[1:]
		check("a file less", func(r VerifyReport) []tiers.SeqRange { return r.Lost })
		w.stream.drop(20)
		check("a file less, of a pruned stream", func(r VerifyReport) []tiers.SeqRange { return r.Lost })
		last.files = append(slices.Clone(files), files[0])
		check("a file twice", func(r VerifyReport) []tiers.SeqRange { return r.Repeated })
		last.files = files
		w.verify()
	})
}

// TestAClockThatIsPutBackHoldsNoBatchUp runs on a clock without a monotonic
// part, which the system's has: this is the worse case.
func TestAClockThatIsPutBackHoldsNoBatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := w.options(w.lake)
		o.Flush = Flush{Rows: 1000, Age: 10 * time.Second}
		var off atomic.Int64
		o.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(off.Load())) }
		r := w.run(o)
		w.stream.publish("events.a", "", `{"n":1}`)
		synctest.Wait()
		off.Store(int64(-time.Hour))
		began := time.Now()
		r.caughtUp()
		if took := time.Since(began); took > 31*time.Second {
			t.Errorf("committed after %s, want at most three times 10s", took)
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestEventsFromTheFutureOfAWrongClockAreKept: what is an impossible time does
// not depend on our clock, which may be the one that is wrong.
func TestEventsFromTheFutureOfAWrongClockAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, off := range []time.Duration{-20 * 365 * 24 * time.Hour, -time.Hour, time.Hour, 20 * 365 * 24 * time.Hour} {
			w := newWorld(t)
			o := w.options(w.lake)
			o.Now = func() time.Time { return time.Now().Add(off) }
			w.stream.publish("events.a", "", fmt.Sprintf(`{"time":%q}`, time.Now().UTC().Format(time.RFC3339)))
			w.drain(o)
			if got := len(w.rows("a")); got != 1 {
				t.Errorf("clock off by %s: %d rows", off, got)
			}
		}
	})
}
