package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// spoil fills quarantine by limits that are too strict, with what stays bad
// among it.
func (w *world) spoil(n int) {
	w.Helper()
	long := strings.Repeat("x", 200)
	for i := range n {
		w.stream.publish(fmt.Sprint("events.t", i%2), fmt.Sprint("m", i), fmt.Sprintf(`{"n":%d}`, i))
		w.stream.publish(fmt.Sprint("events.t", i%2), "", fmt.Sprintf(`{"n":%d,"s":%q}`, i, long))
		w.stream.publish(fmt.Sprint("events.new", i%2), fmt.Sprint("l", i),
			fmt.Sprintf("{\"n\":%d,\"s\":%q}\n{\"n\":1}", i, long))
	}
	w.stream.publish("events.t0", "twice", fmt.Sprintf(`{"s":%q}`, long))
	w.stream.publish("events.t0", "twice", fmt.Sprintf(`{"s":%q}`, long))
	w.stream.publish("events.t0", "", "bad")
	w.stream.publish("events.", "", "{}")
	o := w.options(w.lake)
	o.Limits.MaxEventBytes = 100
	w.drain(o)
}

func (w *world) replay(o Options, ids ...string) (ReplayReport, error) {
	return New(o).Replay(context.Background(),
		ReplayRequest{Stream: "EVENTS", Filter: RejectedFilter{IDs: ids}, By: "ada@host"})
}

func (w *world) books() Books {
	return Books{Lake: w.lake, outside: outside}
}

func TestReplayPutsEventsWhereTheyBelongOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.spoil(12)
		groups, err := w.books().Groups(t.Context(), RejectedFilter{})
		if err != nil || len(groups) != 3 || groups[0].Count != 26 {
			t.Fatalf("%+v, %v", groups, err)
		}
		one, err := w.books().Show(t.Context(), groups[0].Example)
		if err != nil || one.MessageID != "twice" || !strings.Contains(one.String(), "xxx") {
			t.Errorf("%+v, %v", one, err)
		}
		if _, err := w.books().Show(t.Context(), "nothing"); !errors.Is(err, ErrNoRejected) {
			t.Error(err)
		}
		before := w.content()
		s := New(w.options(w.lake))
		dry, err := s.Replay(t.Context(), ReplayRequest{Stream: "EVENTS", DryRun: true})
		if err != nil || dry.Replayed != 25 || dry.Repeats != 1 || len(dry.Rejected) != 2 || w.content() != before {
			t.Fatalf("%v\n%s", err, dry)
		}
		if r, err := w.replay(w.options(w.lake), one.ID); err != nil || r.Matched != 1 || r.Replayed != 1 {
			t.Fatalf("%v\n%s", err, r)
		}
		r, err := w.replay(w.options(w.lake))
		if err != nil || r.Replayed != 24 || r.Repeats != 1 || r.Before != 1 || r.Matched != 28 || r.Events["new0"] != 6 {
			t.Fatalf("%v\n%s", err, r)
		}
		after := w.content()
		if r, err = w.replay(w.options(w.lake)); err != nil || r.Replayed+r.Repeats != 0 || r.Before != 26 ||
			w.content() != after {
			t.Errorf("again: %v\n%s", err, r)
		}
		if groups, err = w.books().Groups(t.Context(), RejectedFilter{}); err != nil || groups[0].Replayed != 26 {
			t.Errorf("%+v, %v", groups, err)
		}
		w.verify()
		w.stream.publish("events.t1", "m1", `{"n":1}`) // a repeat, known in spite of the replay
		if st := w.drain(w.options(w.lake)); st.Repeats != 1 {
			t.Errorf("%+v", st)
		}
		w.verify()
	})
}

func TestAReplayWhileTheSourceRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.spoil(12)
		r := w.run(w.options(w.lake))
		r.caughtUp()
		rep, err := r.Replay(t.Context(), ReplayRequest{Stream: "EVENTS"})
		if err != nil || rep.Replayed != 25 {
			t.Fatalf("%v\n%s", err, rep)
		}
		last := w.stream.publish("events.t0", "twice", `{"s":"y"}`) // the one that was replayed
		r.until(func(s Status) bool { return s.Committed >= last && s.Repeats == 1 })
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
		w.verify()
	})
}

// TestEveryOperationOfAReplayFails fails each operation in turn, in each way,
// and replays again: each event is there once.
func TestEveryOperationOfAReplayFails(t *testing.T) {
	var want string
	ops := 0
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.spoil(2)
		l := newFaultyLake(w.lake, 0, plain)
		if _, err := w.replay(w.options(l)); err != nil {
			t.Fatal(err)
		}
		want, ops = w.content(), l.n
	})
	if ops < 20 {
		t.Fatalf("only %d operations", ops)
	}
	for kind := range faults {
		for at := 1; at <= ops; at++ {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.spoil(2)
				l := newFaultyLake(w.lake, at, kind)
				ctx, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				_, err := New(w.options(l)).Replay(ctx, ReplayRequest{Stream: "EVENTS", By: "ada@host"})
				if w.verify(); err != nil { // also between the steps
					_, err = w.replay(w.options(w.lake))
				}
				if err != nil {
					t.Fatalf("%s at %d (%s): %v", kind, at, l.names[at-1], err)
				}
				if _, err := w.replay(w.options(w.lake)); err != nil {
					t.Fatal(err)
				}
				if got := w.content(); got != want {
					t.Errorf("%s at operation %d (%s):\n%s\nwant\n%s", kind, at, l.names[at-1], got, want)
				}
				w.verify()
			})
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("%d faults", ops*int(faults))
}
