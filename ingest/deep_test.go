package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// deep verifies with the messages that repeats repeat.
func (w *world) deep() VerifyReport {
	w.Helper()
	r, err := Verify(w.Context(), VerifyOptions{Lake: w.lake, Stream: w.stream, StreamName: "EVENTS", Filter: "events.>",
		Deep: true, held: 7, outside: outside})
	if err != nil {
		w.Fatal(err)
	}
	if r.Repeats == nil {
		w.Fatalf("nothing is said of repeats:\n%s", r)
	}
	return r
}

// forge replaces the rows of ingest_skipped that are in its only file.
func (w *world) forge(stream string, entries ...entry) {
	w.Helper()
	t, err := w.lake.Open(w.Context(), Skipped)
	if err != nil {
		w.Fatal(err)
	}
	files, err := t.Files(w.Context(), 0, time.Time{}, time.Time{})
	if err != nil || len(files) != 1 {
		w.Fatal(files, err)
	}
	b := &bookRows{table: Skipped, source: "EVENTS|events.>", stream: stream, now: time.Now()}
	for _, e := range entries {
		e.index, e.at, e.reason = -1, files[0].TimeMin, reasonRepeat
		b.add(e)
	}
	made, err := b.Part(0, len(entries), t.Schema(), nil)
	if err != nil || len(made) != 1 {
		w.Fatal(len(made), err)
	}
	w.mem.store(files[0].Path, made[0].Data)
}

// TestARepeatIsOfAMessageThatIsThere has one repeat, of the first message, and
// what somebody may have made of the row that says so.
func TestARepeatIsOfAMessageThatIsThere(t *testing.T) {
	const first, broken, other, again = 1, 2, 3, 4
	stream := identity("EVENTS|events.>", newMemStream().info.Created, 0)
	right := entry{seq: again, id: "x", table: "t", messageID: "m", ofStream: stream, ofSeq: first}
	forged := func(change func(*entry)) func(*world) {
		e := right
		change(&e)
		return func(w *world) { w.forge(stream, e) }
	}
	for name, tc := range map[string]struct {
		change func(*world)
		want   RepeatReport
	}{
		"as it was written":          {func(*world) {}, RepeatReport{Found: 1}},
		"the same, written again":    {forged(func(*entry) {}), RepeatReport{Found: 1}},
		"two of one message":         {func(w *world) { w.forge(stream, right, right) }, RepeatReport{Found: 2}},
		"the message was erased":     {func(w *world) { w.remove("t") }, RepeatReport{Removed: 1}},
		"its rows are lost":          {func(w *world) { w.lose("t") }, RepeatReport{Wrong: 1}},
		"one in quarantine":          {forged(func(e *entry) { e.ofSeq, e.messageID = broken, "q" }), RepeatReport{Found: 1}},
		"another id in quarantine":   {forged(func(e *entry) { e.ofSeq = broken }), RepeatReport{Wrong: 1}},
		"a message of another id":    {forged(func(e *entry) { e.ofSeq = other }), RepeatReport{Wrong: 1}},
		"a message of another table": {forged(func(e *entry) { e.table = "u" }), RepeatReport{Wrong: 1}},
		"a table that is not there":  {forged(func(e *entry) { e.table = "none" }), RepeatReport{Wrong: 1}},
		"another stream":             {forged(func(e *entry) { e.ofStream = "OTHER" }), RepeatReport{Wrong: 1}},
		"events with an event_id": {forged(func(e *entry) { e.table, e.messageID, e.ofSeq = "u", "u", other }),
			RepeatReport{Found: 1}},
		"after a reset":       {forged(func(e *entry) { e.ofStream += "|1" }), RepeatReport{Wrong: 1}},
		"itself":              {forged(func(e *entry) { e.ofSeq = again }), RepeatReport{Wrong: 1}},
		"one that is to come": {forged(func(e *entry) { e.ofSeq = 99 }), RepeatReport{Wrong: 1}},
		"of an older version": {forged(func(e *entry) { e.ofSeq = 0 }), RepeatReport{Unplaced: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.stream.publish("events.t", "m", "{\"n\":1}\n{\"n\":2}")
				w.stream.publish("events.t", "q", `{"n":1,}`)
				w.stream.publish("events.u", "u", `{"event_id":4625}`)
				w.stream.publish("events.t", "m", "{\"n\":1}\n{\"n\":2}")
				w.drain(w.options(w.lake))
				tc.change(w)
				r := w.deep()
				got := *r.Repeats
				got.Wrongs = nil
				if fmt.Sprint(got) != fmt.Sprint(tc.want) || len(r.Repeats.Wrongs) != int(tc.want.Wrong) {
					t.Errorf("%+v, want %+v\n%s", r.Repeats, tc.want, r)
				}
				if r.OK() && tc.want.Wrong > 0 {
					t.Errorf("that is in order:\n%s", r)
				}
			})
		})
	}
}

// TestWrongRepeatsAreNamed lists the first, with what they say they repeat.
func TestWrongRepeatsAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stream := identity("EVENTS|events.>", w.stream.info.Created, 0)
		for range 40 {
			w.stream.publish("events.t", "m", `{"n":1}`)
		}
		o := w.options(w.lake)
		o.Flush.Rows = 100
		w.drain(o)
		var rows []entry
		for seq := uint64(40); seq > 1; seq-- {
			rows = append(rows, entry{seq: seq, id: fmt.Sprint(seq), table: "t", messageID: "z", ofStream: stream, ofSeq: 1})
		}
		w.forge(stream, rows...)
		r := w.deep()
		text := fmt.Sprintf("sequence 2 of %s, id \"z\", is said to repeat sequence 1 of %s in lake.t\n", stream, stream)
		said := strings.Contains(r.String(), text) && strings.Contains(r.String(), "and 19 more")
		if n := len(r.Repeats.Wrongs); n != 20 || r.Repeats.Wrong != 39 || !said {
			t.Errorf("%d of %d are listed:\n%s", n, r.Repeats.Wrong, r)
		}
	})
}

// TestTheRepeatsOfEverythingThatCanHappenAreRight: faults, crashes and events
// that cannot be written leave no repeat of a message that is not there.
func TestTheRepeatsOfEverythingThatCanHappenAreRight(t *testing.T) {
	for kind := range faults {
		for at := 1; at < 60; at += 3 {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.script()
				p, _ := w.publishBad()
				w.stream.publish("events.a", "poison", `{"n":"p"}`)
				w.stream.publish("events.b", "lines", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\nbad line")
				l := newFaultyLake(w.lake, at, kind)
				o := w.options(l)
				o.encode = p.encode
				r := w.run(o)
				info, _ := w.stream.Info(context.Background(), "")
				r.until(func(s Status) bool { return l.crashed() || (s.Committed >= info.Last && s.State == Running) })
				if v := w.deep(); v.Repeats.Wrong > 0 { // while the source is at work
					t.Errorf("%s of operation %d, at work:\n%s", kind, at, v)
				}
				if err := r.end(); err != nil && !l.crashed() {
					t.Fatal(err)
				}
				o = w.options(w.lake)
				o.encode = p.encode
				w.drain(o)
				if v := w.deep(); !v.OK() || v.Repeats.Found != v.Skipped || v.Skipped == 0 {
					t.Errorf("%s of operation %d:\n%s%s", kind, at, v, w.content())
				}
			})
		}
	}
}

// lose takes all rows out of a table, and leaves no record of it.
func (w *world) lose(table string) {
	w.Helper()
	t, err := w.lake.Open(w.Context(), table)
	if err != nil {
		w.Fatal(err)
	}
	files, err := t.Files(w.Context(), 0, time.Time{}, time.Time{})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := t.Commit(w.Context(), tiers.Commit{ID: "lose", Remove: files}); err != nil {
		w.Fatal(err)
	}
}

// TestReferencesAreFoundTogether: those that say the same are one search.
func TestReferencesAreFoundTogether(t *testing.T) {
	var rs references
	for seq := uint64(9); seq > 0; seq-- {
		for range 2 {
			rs = append(rs, reference{WrongRepeat: WrongRepeat{OfSeq: seq, OfStream: "s", ID: fmt.Sprint(seq)}})
		}
	}
	rs.sort()
	rs.find(4, "s", "4")
	rs.find(5, "s", "4")
	rs.find(6, "other", "6")
	rs.findOld(7, "s", "7/2")
	rs.findOld(8, "s", "8/x")
	var left []uint64
	for _, r := range rs.rest() {
		left = append(left, r.OfSeq)
	}
	if !slices.Equal(left, []uint64{1, 1, 2, 2, 3, 3, 5, 5, 6, 6, 8, 8, 9, 9}) {
		t.Errorf("left are %v", left)
	}
	if !rs.within([]tiers.SeqRange{{First: 9, Last: 12}}) || rs.within([]tiers.SeqRange{{First: 10, Last: 12}}) {
		t.Error("a file's sequences do not say whether it may have the message")
	}
}
