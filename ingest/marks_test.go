package ingest

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lakeward/lakeward/tiers"
)

func TestAPrunedStreamThatLacksMessagesHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stream.info.Pruned = true
		for range 10 {
			w.stream.publish("events.a", "", `{"n":1}`)
		}
		w.drain(w.options(w.lake))
		w.stream.drop(10)
		for range 10 {
			w.stream.publish("events.a", "", `{"n":1}`)
		}
		w.drain(w.options(w.lake)) // what was committed may go
		for range 10 {
			w.stream.publish("events.a", "", `{"n":1}`)
		}
		w.stream.drop(25) // and what was not may not
		r, err := Verify(t.Context(), VerifyOptions{Lake: w.lake, Stream: w.stream, StreamName: "EVENTS", Filter: "events.>",
			outside: outside})
		if err != nil || r.Complete() || Count(r.Missed) != 5 || r.Missed[0].First != 21 ||
			!strings.Contains(r.String(), "not committed yet: sequences 26 to 30") {
			t.Errorf("verify: %v\n%s", err, r)
		}
		src := New(w.options(w.lake))
		_, err = src.begin(t.Context())
		if !errors.Is(err, tiers.ErrHalt) || !errors.Is(err, errPruned) {
			t.Errorf("the source begins: %v", err)
		}
		if _, err := src.Reset(t.Context(), ResetRequest{Mode: FromStart}); err != nil {
			t.Fatal(err)
		}
		if st := w.drain(w.options(w.lake)); st.Committed != 30 {
			t.Errorf("after the reset: %+v", st)
		}
	})
}

func TestATableThatLostItsMarkHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 10 {
			w.stream.publish("events.a", "", `{"n":1}`)
			w.stream.publish("events.b", "", `{"n":1}`)
		}
		w.drain(w.options(w.lake))
		w.stream.drop(20)
		w.lake.(*memLake).loseMark("a", "EVENTS|events.>")
		r, err := Verify(t.Context(), VerifyOptions{Lake: w.lake, Stream: w.stream, StreamName: "EVENTS", Filter: "events.>",
			outside: outside})
		if err != nil || r.OK() || len(r.Lost) != 0 || len(r.Unmarked) != 1 || r.Messages != 20 {
			t.Errorf("verify: %v\n%s", err, r)
		}
		if _, err := New(w.options(w.lake)).begin(t.Context()); !errors.Is(err, errUnmarked) {
			t.Errorf("the source begins: %v", err)
		}
	})
}
