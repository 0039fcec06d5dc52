package lease

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory is a store that can be away.
type memory struct {
	mu   sync.Mutex
	rows map[string]string
	away error
	lost bool // swaps take effect, and their answer is lost
}

func (m *memory) Lease(_ context.Context, name string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows[name], m.away
}

func (m *memory) SwapLease(_ context.Context, name, old, new string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return false, m.away
	}
	if m.rows[name] != old {
		return false, nil
	}
	m.rows[name] = new
	if m.lost {
		return false, errors.New("lost reply")
	}
	return true, nil
}

const patience = 5 * time.Second

// world is a store, a clock for each daemon, and the daemons.
type world struct {
	*testing.T
	store  *memory
	clocks map[string]time.Time
	leases map[string]*Lease
}

func newWorld(t *testing.T) *world {
	return &world{t, &memory{rows: map[string]string{}}, map[string]time.Time{}, map[string]*Lease{}}
}

// start begins a new process of a daemon.
func (w *world) start(id string) {
	if w.clocks[id].IsZero() {
		w.clocks[id] = time.Unix(1_800_000_000, 0)
	}
	w.leases[id] = New(Options{Store: w.store, Name: "work", Holder: Holder{ID: id, Name: "host-" + id},
		Patience: patience,
		Now:      func() time.Time { return w.clocks[id] }})
}

// do plays a script, one step a word: a tries; a? looks; a- hands over; a! is a
// new process; +3 lets three seconds pass; (away) and (back) are the store's.
// It says after each try and look who has the lease.
func (w *world) do(script string) string {
	w.Helper()
	var out []string
	for _, step := range strings.Fields(script) {
		var st State
		var err error
		id := step[:1]
		switch {
		case step == "(away)":
			w.store.away = errors.New("away")
			continue
		case step == "(back)":
			w.store.away = nil
			continue
		case id == "+":
			var s int
			if _, err := fmt.Sscanf(step, "+%d", &s); err != nil {
				w.Fatal(err)
			}
			for k := range w.clocks {
				w.clocks[k] = w.clocks[k].Add(time.Duration(s) * time.Second)
			}
			continue
		case strings.HasSuffix(step, "!"):
			w.start(id)
			continue
		case strings.HasSuffix(step, "-"):
			if err := w.leases[id].Release(w.Context()); err != nil {
				w.Fatal(err)
			}
			continue
		case strings.HasSuffix(step, "?"):
			st, err = w.leases[id].Look(w.Context())
		default:
			st, err = w.leases[id].Try(w.Context())
		}
		switch {
		case err != nil:
			out = append(out, step+":error")
		case st.Mine:
			out = append(out, step+":mine")
		case st.Other():
			out = append(out, step+":"+strings.TrimPrefix(st.Holder, "host-"))
		default:
			out = append(out, step+":free")
		}
	}
	return strings.Join(out, " ")
}

func TestOneHasTheLeaseAndAnotherTakesOver(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"the first has it", "a! b! a b a", "a:mine b:a a:mine"},
		{"a look takes nothing", "a! b! a? b", "a?:free b:mine"},
		{"one that renews keeps it", "a! b! a b +4 a b +4 a b +4 a b", "a:mine b:a a:mine b:a a:mine b:a a:mine b:a"},
		{"one that is still loses it", "a! b! a b +4 b +1 b a", "a:mine b:a b:a b:mine a:b"},
		{"stillness counts from when it was first seen", "a! a +60 b! b +4 b +1 b", "a:mine b:a b:a b:mine"},
		{"handed over, it is free at once", "a! b! a b a- b a", "a:mine b:a b:mine a:b"},
		{"only the holder hands over", "a! b! a b b- b", "a:mine b:a b:a"},
		{"a restart finds what its predecessor left", "a! b! a b a! a b", "a:mine b:a a:mine b:a"},
		{"a look before does not change that", "a! b! a b a! a? a? a b", "a:mine b:a a?:a a?:a a:mine b:a"},
		{"a restart finds what another took", "a! b! a b +5 b a! a", "a:mine b:a b:mine a:b"},
		{"a paused holder that wakes sees that it lost", "a! b! a b +5 b +60 a", "a:mine b:a b:mine a:b"},
		{"while the store is away nobody knows", "a! b! a (away) a b +9 (back) b a", "a:mine a:error b:error b:a a:mine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := newWorld(t).do(c.script); got != c.want {
				t.Errorf("%s\n got  %s\n want %s", c.script, got, c.want)
			}
		})
	}
}

func TestOfManyThatStartAtOnceOneHasTheLease(t *testing.T) {
	w := newWorld(t)
	mine := make(chan string, 16)
	var wg sync.WaitGroup
	for i := range 16 {
		l := New(Options{Store: w.store, Name: "work", Holder: Holder{ID: fmt.Sprint(i)}, Patience: patience})
		wg.Go(func() {
			if st, err := l.Try(t.Context()); err != nil {
				t.Error(err)
			} else if st.Mine {
				mine <- fmt.Sprint(i)
			}
		})
	}
	wg.Wait()
	if len(mine) != 1 {
		t.Errorf("%d have the lease, want 1", len(mine))
	}
}

// TestTwoProcessesOfOneID: a data directory that was copied has the id of the
// original. The second to start takes over, and then they do not take turns.
func TestTwoProcessesOfOneID(t *testing.T) {
	w := newWorld(t)
	w.start("a")
	w.do("a")
	original := w.leases["a"]
	w.start("a")
	if got := w.do("a +1 a +1 a"); got != "a:mine a:mine a:mine" {
		t.Error(got)
	}
	if st, err := original.Try(t.Context()); err != nil || !st.Other() {
		t.Errorf("the original has %+v, %v", st, err)
	}
	if got := w.do("a"); got != "a:mine" {
		t.Error(got)
	}
}

func TestALostReplyIsFoundOut(t *testing.T) {
	w := newWorld(t)
	w.start("a")
	w.store.lost = true
	if got := w.do("a a?"); got != "a:error a?:mine" {
		t.Error(got)
	}
}

func TestARecordThatIsNotOursMustStandStill(t *testing.T) {
	w := newWorld(t)
	w.start("a")
	w.store.rows["work"] = "what is this"
	if got := w.do("a +5 a"); got != "a:an unknown program a:mine" {
		t.Error(got)
	}
}

func TestTermsCountTheChangesOfHolder(t *testing.T) {
	w := newWorld(t)
	w.start("a")
	w.start("b")
	w.do("a b a a! a a- b b- a")
	if st, err := w.leases["a"].Look(t.Context()); err != nil || st.Term != 3 {
		t.Errorf("%+v, %v; want term 3", st, err)
	}
}
