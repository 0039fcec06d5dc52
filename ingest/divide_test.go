package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// picky is an encoder that cannot write some events, and some not together.
type picky struct {
	bad   []string // ids of events
	apart [2]string
	panic bool
	each  func() // before it refuses
}

func (p picky) encode(r rows, from, to int, s tiers.Schema, bloom []string) ([]parquetfile.File, error) {
	both := 0
	for i := from; i < to; i++ {
		seq, id := r.Event(i)
		if slices.Contains(p.apart[:], id) {
			both++
		}
		if !slices.Contains(p.bad, id) && both < 2 {
			continue
		}
		if _, books := r.(*bookRows); books {
			continue
		}
		if p.each != nil {
			p.each()
		}
		if p.panic {
			panic("the encoder does not expect this")
		}
		return nil, fmt.Errorf("no room for message %d", seq)
	}
	return r.Part(from, to, s, bloom)
}

// publishBad publishes events for two tables, of which the picky encoder does
// not write poison, one of the three lines, and twice.
func (w *world) publishBad() (picky, string) {
	for i := range 8 {
		w.stream.publish("events.a", fmt.Sprint("m", i), fmt.Sprintf(`{"n":%d}`, i))
		w.stream.publish("events.b", "", fmt.Sprintf(`{"x":"y%d"}`, i))
		switch i {
		case 2:
			w.stream.publish("events.a", "poison", `{"n":"p"}`)
		case 3:
			w.stream.publish("events.b", "lines", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\nbad line")
		case 5:
			w.stream.publish("events.a", "twice", `{"n":7}`)
			w.stream.publish("events.a", "m1", `{"n":1}`)
		}
	}
	return picky{bad: []string{"poison", "lines#1", "twice"}, apart: [2]string{"m2", "m3"}},
		"quarantine 0007 poison 0 the event cannot be written\n" +
			"quarantine 0010 lines#1 1 the event cannot be written\n" +
			"quarantine 0010 lines#3 3 not JSON\n" +
			"quarantine 0015 twice 0 the event cannot be written\n"
}

// TestEventsThatCannotBeWrittenGoToQuarantine: all others are committed, once,
// whatever operation of the lake fails meanwhile and wherever the process dies.
func TestEventsThatCannotBeWrittenGoToQuarantine(t *testing.T) {
	var want string
	var ops int
	for _, panics := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			p, rejected := w.publishBad()
			p.panic = panics
			l := newFaultyLake(w.lake, 0, plain)
			o := w.options(l)
			o.Flush.Rows, o.encode = 50, p.encode
			st := w.drain(o)
			got := w.content()
			if books, _ := cutTables(got, Quarantine); books != rejected {
				t.Errorf("quarantine holds\n%s, want\n%s", books, rejected)
			}
			if n := len(w.rows("a")) + len(w.rows("b")); n != 18 || len(w.rows(Skipped)) != 1 {
				t.Errorf("%d events in the tables, want 18:\n%s", n, got)
			}
			if st.Refused != 3 || st.Divided < 2 {
				t.Errorf("%d events refused, of %d batches", st.Refused, st.Divided)
			}
			w.verify()
			want, ops = got, l.n
		})
	}
	for kind := range faults {
		for at := 1 + int(kind)%2; at <= ops; at += 2 {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				p, _ := w.publishBad()
				l := newFaultyLake(w.lake, at, kind)
				o := w.options(l)
				o.Flush.Rows, o.encode = 50, p.encode
				r := w.run(o)
				info, _ := w.stream.Info(t.Context(), "")
				r.until(func(s Status) bool { return l.crashed() || (s.Committed >= info.Last && s.State == Running) })
				if err := r.end(); err != nil && !l.crashed() {
					t.Error(err)
				}
				again := w.options(w.lake)
				again.encode = p.encode // batches of another size
				w.drain(again)
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
}

// cutTables divides a world's content into a table's lines and the others.
func cutTables(content, table string) (of, rest string) {
	for line := range strings.Lines(content) {
		if strings.HasPrefix(line, table+" ") {
			of += line
		} else {
			rest += line
		}
	}
	return of, rest
}

// TestABatchThatIsDividedIsSaid asks for the state while the rows are divided.
func TestABatchThatIsDividedIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, _ := w.publishBad()
		var said []string
		var r *running
		p.each = func() {
			if st := r.Status(); st.State == Waiting && !st.Ready() {
				said = append(said, st.Reason)
			}
		}
		o := w.options(w.lake)
		o.Flush.Rows, o.encode = 50, p.encode
		r = w.run(o)
		r.caughtUp()
		if err := r.end(); err != nil {
			t.Error(err)
		}
		const want = "messages 1 to 19 for lake.a cannot be written together; they are divided until the events that " +
			"cannot be written are known: "
		if len(said) == 0 || !strings.HasPrefix(said[0], want) {
			t.Errorf("meanwhile it says %q, want %q", said, want)
		}
	})
}

// TestAnEventThatCannotBeDecodedGoesToQuarantine: a panic is one event's.
func TestAnEventThatCannotBeDecodedGoesToQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.publishBad()
		o := w.options(w.lake)
		o.decode = func(event []byte) {
			if string(event) == `{"n":2}` {
				panic("the decoder does not expect this")
			}
		}
		if st := w.drain(o); st.Refused != 2 {
			t.Errorf("%d events refused", st.Refused)
		}
		const want = "quarantine 0005 m2 0 the event cannot be decoded\nquarantine 0010 lines#1 1 the event cannot be " +
			"decoded\n" +
			"quarantine 0010 lines#3 3 not JSON\n"
		if got, _ := cutTables(w.content(), Quarantine); got != want {
			t.Errorf("quarantine holds\n%s, want\n%s", got, want)
		}
		w.verify()
	})
}

// TestBookkeepingThatCannotBeWrittenHalts: there is no place left to say it.
func TestBookkeepingThatCannotBeWrittenHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stream.publish("events.a", "", `not JSON`)
		o := w.options(w.lake)
		o.encode = func(r rows, from, to int, s tiers.Schema, bloom []string) ([]parquetfile.File, error) {
			return nil, errors.New("no room")
		}
		r := w.run(o)
		r.until(func(s Status) bool { return s.State == Halted })
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

// closedLake has tables that do not take some columns: a refuses one, and b
// has a conflict about each new one the first few times.
type closedLake struct {
	tiers.Lake
	asked map[string]int
}

func (l *closedLake) Open(ctx context.Context, name string) (tiers.Table, error) {
	t, err := l.Lake.Open(ctx, name)
	return closedTable{t, l}, err
}

func (l *closedLake) Create(ctx context.Context, name string, s tiers.Schema, o tiers.Options) (tiers.Table, error) {
	t, err := l.Lake.Create(ctx, name, s, o)
	return closedTable{t, l}, err
}

type closedTable struct {
	tiers.Table
	l *closedLake
}

func (t closedTable) Evolve(ctx context.Context, want tiers.Schema) (tiers.Schema, error) {
	_, bad := want.Lookup("bad")
	_, torn := want.Lookup("torn")
	switch {
	case bad:
		t.l.asked["bad"]++
		return tiers.Schema{}, fmt.Errorf("%w: change columns: bad", tiers.ErrRefused)
	case torn && t.l.asked["torn"] < 2*triesEvolved:
		t.l.asked["torn"]++
		return tiers.Schema{}, fmt.Errorf("%w: changed meanwhile", tiers.ErrConflict)
	}
	return t.Table.Evolve(ctx, want)
}

// TestColumnsThatATableRefusesAreAskedForAFewTimes: what came with them goes to
// quarantine, and everything else goes on.
func TestColumnsThatATableRefusesAreAskedForAFewTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stream.publish("events.a", "a1", `{"n":1}`)
		w.stream.publish("events.b", "b1", `{"n":1}`)
		w.drain(w.options(w.lake))
		w.stream.publish("events.a", "a2", `{"bad":1}`)
		w.stream.publish("events.b", "b2", `{"torn":1}`)
		l := &closedLake{w.lake, map[string]int{}}
		st := w.drain(w.options(l))
		w.stream.publish("events.a", "a3", `{"n":3}`)
		w.drain(w.options(l))
		books, rest := cutTables(w.content(), Quarantine)
		if !strings.Contains(books, "a2") || !strings.Contains(books, "columns that lake.a does not take") ||
			strings.Count(books, "\n") != 1 {
			t.Errorf("quarantine holds\n%s", books)
		}
		if len(w.rows("a")) != 2 || len(w.rows("b")) != 2 {
			t.Errorf("the tables hold\n%s", rest)
		}
		if l.asked["bad"] != triesEvolved || l.asked["torn"] != 2*triesEvolved || st.Refused != 1 {
			t.Errorf("asked %v, refused %d", l.asked, st.Refused)
		}
		w.verify()
	})
}
