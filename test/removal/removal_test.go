// Package removal tests that what leaves the lake on purpose, and only that, is
// accounted for: a real stream, real tables and a real engine.
package removal

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

const (
	days    = 3
	subject = "events.>"
)

var day0 = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

type world struct {
	*testing.T
	conn   *jetstream.Conn
	stream *jetstream.Stream
	lake   *lake.Lake
	keeper *compact.Maintainer
	now    time.Time
}

func newWorld(t *testing.T) *world {
	dir := t.TempDir()
	w := &world{T: t, now: day0}
	server, err := jetstream.StartServer(t.Context(),
		jetstream.ServerOptions{Host: "127.0.0.1", Port: -1, StoreDir: filepath.Join(dir, "nats")}, nil)
	w.must(err)
	t.Cleanup(func() { w.must(server.Close()) })
	w.conn, err = jetstream.Connect(t.Context(), jetstream.Options{URL: server.ClientURL()}, nil)
	w.must(err)
	t.Cleanup(func() { w.must(w.conn.Close()) })
	w.stream, err = w.conn.Stream(t.Context(), subject,
		jetstream.StreamOptions{Name: "EVENTS", Subjects: []string{subject}, Create: true,
			Prune: true, Keep: 1000, Duplicates: 100 * time.Millisecond})
	w.must(err)
	w.lake, err = lake.Open(t.Context(), lake.Options{Warehouse: filepath.Join(dir, "lake"),
		Catalog: filepath.Join(dir, "lake", "catalog.db")})
	w.must(err)
	t.Cleanup(func() { w.must(w.lake.Close()) })
	engine, err := duckdb.Open(t.Context(), duckdb.Options{Threads: 2, AllowedDirs: []string{dir}})
	w.must(err)
	t.Cleanup(func() { w.must(engine.Close()) })
	w.keeper = compact.NewMaintainer(compact.MaintainerOptions{Lake: w.lake, Confiner: engine,
		Own:       []string{ingest.Skipped},
		Retention: func(table string) time.Duration { return map[string]time.Duration{"a": 24 * time.Hour}[table] },
		Rewrite: compact.Options{Engine: engine, Bloom: func(string) []string { return nil },
			Policy: compact.DefaultPolicy()},
		Expiry: compact.DefaultExpiry(), Grace: time.Hour, Seen: filepath.Join(dir, "orphans.json"),
		Now: func() time.Time { return w.now }})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) source() *ingest.Source {
	return ingest.New(ingest.Options{Name: "events", Filter: subject, Stream: w.stream, Lake: w.lake,
		Limits: ingest.Limits{MaxEventBytes: 1000},
		Flush:  ingest.Flush{Rows: 50, Age: 20 * time.Millisecond}, Grace: 20 * time.Second})
}

// publish sends messages from first on: to the tables a and b in turn; every
// fifth has an event on each of the days, every seventh cannot be decoded.
func (w *world) publish(first, n int) {
	w.Helper()
	p, err := w.conn.Publisher(w.Context())
	w.must(err)
	for i := first; i < first+n; i++ {
		var events []string
		for d := range days {
			if d == i%days || i%5 == 0 {
				events = append(events, fmt.Sprintf(`{"time":%q,"n":%d,"who":"u%d"}`,
					day0.AddDate(0, 0, d).Add(time.Duration(i)*time.Second).Format(time.RFC3339), i, i%4))
			}
		}
		if i%7 == 0 {
			events = []string{`{"long":"` + strings.Repeat("x", 2000) + `"}`}
		}
		w.must(p.Publish(w.Context(), fmt.Sprint("events.", string(rune('a'+i%2))), fmt.Sprint("id", i),
			[]byte(strings.Join(events, "\n"))))
	}
	_, err = p.Close(w.Context())
	w.must(err)
}

// drain runs the source until it has committed what the stream holds.
func (w *world) drain(s *ingest.Source) {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	last, err := s.Last(w.Context())
	w.must(err)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); s.Status().Committed < last; {
		if <-tick.C; time.Now().After(deadline) {
			w.Fatalf("not drained: %+v", s.Status())
		}
	}
	stop()
	w.must(<-done)
}

func (w *world) verify(ok bool) ingest.VerifyReport {
	w.Helper()
	r, err := ingest.Verify(w.Context(), ingest.VerifyOptions{Lake: w.lake, Stream: w.stream, StreamName: "EVENTS",
		Filter: subject})
	if err != nil || r.OK() != ok {
		w.Fatalf("%v\n%s", err, r)
	}
	return r
}

func (w *world) erase(table, where string) compact.Erased {
	w.Helper()
	e, err := w.keeper.Erase(w.Context(), compact.Erasure{Table: table, Where: where})
	w.must(err)
	return e
}

func (w *world) retain() {
	w.Helper()
	_, err := w.keeper.Retain(w.Context(), nil, false)
	w.must(err)
}

func TestVerifyKnowsWhatWasRemovedAndStillFindsALoss(t *testing.T) {
	w := newWorld(t)
	w.publish(1, 140)
	w.drain(w.source())
	if r := w.verify(true); r.Messages != 140 || r.Removed != 0 {
		t.Fatalf("%s", r)
	}
	// Day by day: of table a all goes in the end, of b nothing.
	var before uint64
	for day := range days {
		w.now = day0.AddDate(0, 0, day+2)
		w.retain()
		r := w.verify(true)
		if r.Messages != 140 || r.Removed <= before {
			t.Errorf("day %d: %s", day, r)
		}
		before = r.Removed
		_, err := w.keeper.Compact(t.Context(), nil, false)
		w.must(err)
	}
	// Of 140 messages 60 were decoded to a; the other 10 of it are in quarantine.
	if before != 60 {
		t.Errorf("%d messages are gone, want 60", before)
	}
	e := w.erase("b", "who = 'u1'")
	if r := w.verify(true); e.Rows == 0 || r.Removed != 60+e.Messages || r.Messages != 140 {
		t.Errorf("%+v\n%s", e, r)
	}
	w.publish(141, 20)
	w.drain(w.source())
	removed := w.verify(true).Removed

	// A file goes that nobody meant to go: just its messages are lost.
	b, err := w.lake.Open(t.Context(), "b")
	w.must(err)
	files, err := b.Files(t.Context(), 0, time.Time{}, time.Time{})
	w.must(err)
	for _, f := range files {
		_, err = b.Commit(t.Context(), tiers.Commit{ID: "loss-" + f.Path, Remove: []tiers.DataFile{f}})
		w.must(err)
	}
	// b had 80 messages; 12 are in quarantine: those whose number 7 divides, of odd ones.
	r := w.verify(false)
	inQuarantine := uint64(0)
	for i := 1; i <= 160; i += 2 {
		if i%7 == 0 {
			inQuarantine++
		}
	}
	if want := 80 - inQuarantine - (removed - 60); ingest.Count(r.Lost) != want || r.Removed != removed {
		t.Errorf("%d lost, want %d\n%s", ingest.Count(r.Lost), want, r)
	}
}

func TestResetReplayAndRepeatsAfterARemoval(t *testing.T) {
	w := newWorld(t)
	w.publish(1, 70)
	w.drain(w.source())
	w.now = day0.AddDate(0, 0, 2)
	w.retain()
	q := w.erase(ingest.Quarantine, "stream_seq <= 35") // 5 of 10
	if q.Rows != 5 {
		t.Errorf("%+v", q)
	}
	first := w.verify(true)
	if first.Messages != 70 || first.Removed <= 5 {
		t.Errorf("%s", first)
	}
	// What is left in quarantine is replayed once; what is gone is not.
	s := w.source()
	rep, err := s.Replay(t.Context(), ingest.ReplayRequest{Stream: "EVENTS"})
	if err != nil || rep.Matched != 5 {
		t.Errorf("%v %s", err, rep)
	}
	// The same messages again are repeats, but those whose rows are gone are not
	// known any more: the publisher has sent them anew.
	w.publish(36, 35)
	w.drain(s)
	again := w.verify(true)
	if again.Messages != 105 || again.Removed != first.Removed || again.Skipped == 0 || again.Skipped >= 30 {
		t.Errorf("%s", again)
	}
	// A reset begins the sequences anew; what was removed before it stays removed.
	if _, err = s.Reset(t.Context(), ingest.ResetRequest{Mode: ingest.FromStart}); err != nil {
		t.Fatal(err)
	}
	w.drain(s)
	r := w.verify(true)
	if len(r.Earlier) != 1 || r.Earlier[0].Removed != first.Removed || r.Earlier[0].Messages != 105 || r.Removed != 0 ||
		r.Messages != 105 {
		t.Errorf("%s", r)
	}
	w.retain()
	if now := w.verify(true); now.Messages != 105 || now.Removed == 0 || now.Earlier[0].Messages != 105 {
		t.Errorf("%s", now)
	}
}
