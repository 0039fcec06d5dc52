package ingest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/removal"
)

// TestAnIDMeansTheSameBeforeAndAfterARestart publishes, and publishes more
// while the source runs on, or after it was started again: both come to the same.
func TestAnIDMeansTheSameBeforeAndAfterARestart(t *testing.T) {
	type message struct{ id, data string }
	const good, broken = `{"n":1}`, `{"n":1,}`
	for name, tc := range map[string]struct {
		first, again   []message
		rows, repeated int
	}{
		"the same id": {[]message{{"m", good}}, []message{{"m", good}}, 1, 1},
		"the first event was broken": {[]message{{"m", broken + "\n" + good}},
			[]message{{"m", broken + "\n" + good}}, 1, 1},
		"all events were broken": {[]message{{"m", broken}}, []message{{"m", good}}, 1, 0},
		"an id like that of a later event": {[]message{{"m", good + "\n" + good}},
			[]message{{"m#1", good}, {"m/1", good}, {"m", good}}, 4, 1},
		"a later event like an id": {[]message{{"m#1", good}, {"m/1", good}},
			[]message{{"m", good + "\n" + good}, {"m#1", good}, {"m/1", good}}, 4, 2},
		"an id like one of a message without": {[]message{{"", good}, {"EVENTS-tlpwu8-2", good}},
			[]message{{"EVENTS-tlpwu8-1", good}, {"EVENTS-tlpwu8-2", good}}, 3, 1},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", name, restart), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					r := w.run(w.options(w.lake))
					for _, m := range tc.first {
						w.stream.publish("events.t", m.id, m.data)
					}
					r.caughtUp()
					if restart {
						if err := r.end(); err != nil {
							t.Fatal(err)
						}
						r = w.run(w.options(w.lake))
					}
					for _, m := range tc.again {
						w.stream.publish("events.t", m.id, m.data)
					}
					r.caughtUp()
					if err := r.end(); err != nil {
						t.Fatal(err)
					}
					if rows, repeated := len(w.rows("t")), len(w.rows(Skipped)); rows != tc.rows || repeated != tc.repeated {
						t.Errorf("%d rows and %d repeats, want %d and %d\n%s", rows, repeated, tc.rows, tc.repeated, w.content())
					}
					w.verify()
				})
			})
		}
	}
}

// TestStreamsOfOneTableShareNoIDs has two streams whose publishers count alike.
func TestStreamsOfOneTableShareNoIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		other := newMemStream()
		other.info.Name = "OTHER"
		streams := []*memStream{w.stream, other}
		for id := range 6 {
			for i, s := range streams {
				s.publish("events.t", fmt.Sprint(id/2+i), `{"n":1}`) // each twice
				w.stream = s
				w.drain(w.options(w.lake))
			}
		}
		if rows, repeated := len(w.rows("t")), len(w.rows(Skipped)); rows != 6 || repeated != 6 {
			t.Errorf("%d rows and %d repeats, want 6 and 6\n%s", rows, repeated, w.content())
		}
	})
}

// TestWhatWasRemovedCanBePublishedAgain takes the table's files out while the
// source runs.
func TestWhatWasRemovedCanBePublishedAgain(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			r := w.run(w.options(w.lake))
			w.stream.publish("events.t", "gone", `{"n":1}`)
			r.caughtUp()
			w.remove("t")
			w.stream.publish("events.t", "stays", `{"n":1}`)
			r.caughtUp()
			if restart {
				if err := r.end(); err != nil {
					t.Fatal(err)
				}
				r = w.run(w.options(w.lake))
			}
			for range 2 {
				w.stream.publish("events.t", "gone", `{"n":1}`)
				w.stream.publish("events.t", "stays", `{"n":1}`)
				r.caughtUp()
			}
			if err := r.end(); err != nil {
				t.Fatal(err)
			}
			if rows, repeated := len(w.rows("t")), len(w.rows(Skipped)); rows != 2 || repeated != 3 {
				t.Errorf("restart %v: %d rows and %d repeats, want 2 and 3\n%s", restart, rows, repeated, w.content())
			}
		})
	}
}

// remove takes all rows out of a table, with the record of it.
func (w *world) remove(table string) {
	w.Helper()
	t, err := w.lake.Open(w.Context(), table)
	if err != nil {
		w.Fatal(err)
	}
	files, err := t.Files(w.Context(), 0, time.Time{}, time.Time{})
	if err != nil {
		w.Fatal(err)
	}
	rec := removal.Record{ID: "erase-1", At: time.Now(), Kind: removal.Erase, Gone: map[string][]tiers.SeqRange{}}
	for _, f := range files {
		s, err := w.data().seqs(w.Context(), f.Path)
		if err != nil {
			w.Fatal(err)
		}
		rec.Gone[s.Stream] = tiers.MergeSeqs(append(rec.Gone[s.Stream], s.Ranges...))
	}
	text, err := rec.Encode()
	if err != nil {
		w.Fatal(err)
	}
	if _, err := t.Commit(w.Context(), tiers.Commit{ID: rec.ID, Remove: files,
		Properties: map[string]string{removal.Property: text}}); err != nil {
		w.Fatal(err)
	}
}
