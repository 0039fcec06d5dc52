package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lease"
	"github.com/lakeward/lakeward/tiers/lease/leasetest"
)

// gate is what a daemon reaches something through.
type gate struct {
	mu     sync.Mutex
	cut    bool
	paused chan struct{} // closed when it goes on; nil: it goes
}

var errCut = errors.New("the network is cut")

func (g *gate) pass() error {
	g.mu.Lock()
	paused := g.paused
	g.mu.Unlock()
	if paused != nil {
		<-paused
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cut {
		return errCut
	}
	return nil
}

func (g *gate) set(cut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = cut
}

// pause stops whatever comes through until the function is called.
func (g *gate) pause() (resume func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := make(chan struct{})
	g.paused = c
	return func() {
		g.mu.Lock()
		g.paused = nil
		g.mu.Unlock()
		close(c)
	}
}

// machine is a daemon's host: what it reaches NATS and the catalog through.
type machine struct {
	*running
	nats, catalog gate
}

type gatedStream struct {
	*memStream
	g *gate
}

func (s gatedStream) Info(ctx context.Context, filter string) (StreamInfo, error) {
	if err := s.g.pass(); err != nil {
		return StreamInfo{}, err
	}
	return s.memStream.Info(ctx, filter)
}

func (s gatedStream) Read(ctx context.Context, filter string, from uint64) (Reader, error) {
	if err := s.g.pass(); err != nil {
		return nil, err
	}
	r, err := s.memStream.Read(ctx, filter, from)
	return gatedReader{r, s.g}, err
}

type gatedReader struct {
	Reader
	g *gate
}

// Next waits until the network is back, as a reader of NATS does.
func (r gatedReader) Next(ctx context.Context, buf []Message, limit int) ([]Message, error) {
	buf, err := r.Reader.Next(ctx, buf, limit)
	for r.g.pass() != nil && ctx.Err() == nil {
		sleep(ctx, 100*time.Millisecond)
	}
	return buf, errors.Join(err, ctx.Err())
}

type gatedLake struct {
	tiers.Lake
	g *gate
}

func (l gatedLake) Open(ctx context.Context, name string) (tiers.Table, error) {
	if err := l.g.pass(); err != nil {
		return nil, err
	}
	t, err := l.Lake.Open(ctx, name)
	return gatedTable{t, l.g}, err
}

func (l gatedLake) Create(ctx context.Context, name string, s tiers.Schema, o tiers.Options) (tiers.Table, error) {
	if err := l.g.pass(); err != nil {
		return nil, err
	}
	t, err := l.Lake.Create(ctx, name, s, o)
	return gatedTable{t, l.g}, err
}

type gatedTable struct {
	tiers.Table
	g *gate
}

func (t gatedTable) Commit(ctx context.Context, c tiers.Commit) (tiers.Snapshot, error) {
	if err := t.g.pass(); err != nil {
		return tiers.Snapshot{}, err
	}
	return t.Table.Commit(ctx, c)
}

func (t gatedTable) Refresh(ctx context.Context) error {
	if err := t.g.pass(); err != nil {
		return err
	}
	return t.Table.Refresh(ctx)
}

type gatedLeases struct {
	lease.Store
	g *gate
}

func (s gatedLeases) Lease(ctx context.Context, name string) (string, error) {
	if err := s.g.pass(); err != nil {
		return "", err
	}
	return s.Store.Lease(ctx, name)
}

// pair is two daemons on one source, while events are published all the time.
type pair struct {
	*world
	leases lease.Store
	a, b   *machine
	end    func() // publishing
	n      int
}

// host is a machine whose daemon has not started, and what it will start with.
func (w *world) host(store lease.Store, name string) (*machine, Options) {
	m := &machine{}
	o := w.options(gatedLake{w.lake, &m.catalog})
	o.Stream = gatedStream{w.stream, &m.nats}
	o.Lease = lease.New(lease.Options{Store: gatedLeases{store, &m.catalog}, Name: "source",
		Holder: lease.Holder{ID: name, Name: "host " + name}, Patience: LeasePatience})
	return m, o
}

func (w *world) machine(store lease.Store, name string) *machine {
	m, o := w.host(store, name)
	m.running = w.run(o)
	return m
}

// newPair starts a and b; a commits when it returns.
func newPair(t *testing.T) *pair {
	p := &pair{world: newWorld(t), leases: leasetest.New()}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(100 * time.Millisecond):
				p.stream.publish("events.a", "", fmt.Sprintf(`{"n":%d}`, p.n))
				p.n++
			}
		}
	}()
	p.end = func() {
		close(quit)
		<-done
	}
	p.a = p.machine(p.leases, "a")
	p.a.commits(1)
	p.b = p.machine(p.leases, "b")
	p.b.until(func(s Status) bool { return s.State == Standby && s.Holder == "host a" })
	return p
}

// commits waits for so many more commits, and says how long that took.
func (m *machine) commits(n uint64) time.Duration {
	m.w.Helper()
	began, had := time.Now(), m.Status().Commits
	m.until(func(s Status) bool { return s.Commits >= had+n })
	return time.Since(began)
}

// finish ends both and checks that everything is in the lake once.
func (p *pair) finish() {
	p.Helper()
	p.end()
	last, _ := p.stream.Info(p.Context(), "")
	for p.a.Status().Committed < last.Last && p.b.Status().Committed < last.Last {
		time.Sleep(100 * time.Millisecond)
	}
	for _, m := range []*machine{p.a, p.b} {
		if err := m.running.end(); err != nil {
			p.Error(err)
		}
	}
	if got := len(p.rows("a")); got != p.n {
		p.Errorf("%d rows of %d events", got, p.n)
	}
	p.verify()
}

func TestAStandByCommitsNothingUntilTheOtherEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.a.commits(30)
		if st := p.b.Status(); st.State != Standby || !st.Ready() || st.Commits != 0 || st.Fenced != 0 || st.Last != 0 ||
			st.Reason != "host a commits" {
			t.Errorf("the stand-by is %+v", st)
		}
		in, err := p.b.Inspect(t.Context(), "EVENTS")
		if err != nil || !strings.Contains(in.String(), "host a commits") ||
			!strings.Contains(in.String(), "nothing: another daemon commits") {
			t.Errorf("%v:\n%s", err, in)
		}
		if err := p.a.running.end(); err != nil {
			t.Fatal(err)
		}
		if took := p.b.commits(1); took > 2*time.Second {
			t.Errorf("handing over took %s", took)
		}
		p.a = p.machine(p.leases, "a")
		p.a.until(func(s Status) bool { return s.State == Standby && s.Holder == "host b" })
		p.b.commits(10)
		if st := p.b.Status(); st.State != Running || st.Fenced != 0 {
			t.Errorf("the one that took over is %+v", st)
		}
		p.finish()
	})
}

func TestAStandByTakesOverFromOneThatIsCutOff(t *testing.T) {
	for _, what := range []string{"NATS", "the catalog", "both"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				cut := func(yes bool) {
					p.a.nats.set(yes && what != "the catalog")
					p.a.catalog.set(yes && what != "NATS")
				}
				cut(true)
				if took := p.b.commits(1); took > LeasePatience+5*time.Second {
					t.Errorf("taking over took %s", took)
				}
				p.b.commits(30)
				if p.a.Status().Ready() && what != "the catalog" {
					t.Errorf("the one that is cut off is %+v", p.a.Status())
				}
				cut(false)
				p.a.until(func(s Status) bool { return s.State == Standby && s.Ready() && s.Holder == "host b" })
				p.b.commits(30)
				if st := p.b.Status(); st.State != Running || st.Fenced != 0 {
					t.Errorf("the one that took over is %+v", st)
				}
				p.finish()
			})
		})
	}
}

// TestAPausedHolderIsFenced: it is stopped within a commit, another takes over
// meanwhile, and then it goes on.
func TestAPausedHolderIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		catalog := p.a.catalog.pause()
		time.Sleep(2 * time.Second) // a batch is read and closed meanwhile
		nats := p.a.nats.pause()
		if took := p.b.commits(1); took > LeasePatience+5*time.Second {
			t.Errorf("taking over took %s", took)
		}
		p.b.commits(20)
		nats()
		catalog()
		p.a.until(func(s Status) bool { return s.State == Standby && s.Holder == "host b" })
		p.a.until(func(s Status) bool { return s.Fenced > 0 })
		p.b.commits(20)
		p.finish()
	})
}

// TestAStandByThatCannotTakeOverSaysSo: it is not ready, and takes nothing.
func TestAStandByThatCannotTakeOverSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.b.nats.set(true)
		p.b.until(func(s Status) bool {
			return s.State == Standby && !s.Ready() && strings.Contains(s.Reason, errCut.Error())
		})
		p.a.nats.set(true)
		time.Sleep(time.Minute)
		p.a.nats.set(false)
		p.a.commits(10)
		time.Sleep(3 * leaseBeat) // until the lease is renewed again
		if st := p.b.Status(); st.Commits != 0 || st.Ready() {
			t.Errorf("the stand-by is %+v", st)
		}
		p.b.nats.set(false)
		p.b.until(Status.Ready)
		p.b.catalog.set(true)
		p.b.until(func(s Status) bool {
			return s.State == Standby && !s.Ready() && strings.Contains(s.Reason, errCut.Error())
		})
		time.Sleep(time.Minute)
		p.b.catalog.set(false)
		p.b.until(func(s Status) bool { return s.State == Standby && s.Ready() })
		if st := p.b.Status(); st.Commits != 0 {
			t.Errorf("the stand-by is %+v", st)
		}
		p.finish()
	})
}

// awayStore is a store that never answers.
type awayStore struct{}

func (awayStore) Lease(context.Context, string) (string, error) { return "", errCut }
func (awayStore) SwapLease(context.Context, string, string, string) (bool, error) {
	return false, errCut
}

// TestWithoutTheStoreOfLeasesTheFenceDecides: one daemon needs no lease, and of
// two that cannot agree one stands by as it was before there were leases.
func TestWithoutTheStoreOfLeasesTheFenceDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		w.stream.publish("events.a", "", `{"n":1}`)
		a := w.machine(awayStore{}, "a")
		a.caughtUp()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the first commit took %s", took)
		}
		b := w.machine(awayStore{}, "b")
		n := 1
		for a.Status().Fenced+b.Status().Fenced == 0 {
			time.Sleep(300 * time.Millisecond)
			w.stream.publish("events.a", "", `{"n":1}`)
			n++
		}
		for range 200 {
			time.Sleep(300 * time.Millisecond)
			w.stream.publish("events.a", "", `{"n":1}`)
			n++
		}
		if x, y := a.Status(), b.Status(); (x.State == Running) == (y.State == Running) || x.Fenced+y.Fenced > 3 {
			t.Errorf("states are %+v and %+v", x, y)
		}
		for _, m := range []*machine{a, b} {
			if err := m.running.end(); err != nil {
				t.Error(err)
			}
		}
		w.drain(w.options(w.lake))
		if got := len(w.rows("a")); got != n {
			t.Errorf("%d rows of %d events", got, n)
		}
		w.verify()
	})
}

// TestARestartDoesNotWaitForItsOwnLease: a daemon that was killed finds what it
// held itself.
func TestARestartDoesNotWaitForItsOwnLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, store := newWorld(t), leasetest.New()
		left := lease.New(lease.Options{Store: store, Name: "source", Holder: lease.Holder{ID: "a", Name: "host a"},
			Patience: LeasePatience})
		if _, err := left.Try(t.Context()); err != nil {
			t.Fatal(err)
		}
		a, o := w.host(store, "a")
		if in, err := New(o).Inspect(t.Context(), "EVENTS"); err != nil || in.Holder != "" ||
			!strings.Contains(in.Remedy, "start the daemon") {
			t.Errorf("before it starts: %+v, %v", in, err)
		}
		began := time.Now()
		a.running = w.run(o)
		a.until(func(s Status) bool { return s.State == Running })
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("starting took %s", took)
		}
		if err := a.running.end(); err != nil {
			t.Error(err)
		}
	})
}

// TestAHaltedSourceStandsByOnceAnotherHasNoSuchTrouble: both halt on a stream
// that was made anew; the one that a person resets goes on, and the other
// stands by without being told.
func TestAHaltedSourceStandsByOnceAnotherHasNoSuchTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.end()
		p.stream.recreate()
		for _, m := range []*machine{p.a, p.b} {
			m.until(func(s Status) bool { return s.State == Halted })
		}
		time.Sleep(time.Minute)
		if a, b := p.a.Status().State, p.b.Status().State; a != Halted || b != Halted {
			t.Errorf("states are %s and %s", a, b)
		}
		if _, err := p.b.Reset(t.Context(), ResetRequest{Mode: FromStart, By: "me"}); err != nil {
			t.Fatal(err)
		}
		p.b.until(func(s Status) bool { return s.State == Running })
		p.a.until(func(s Status) bool { return s.State == Standby && s.Holder == "host b" })
		p.stream.publish("events.a", "", `{"n":1}`)
		p.b.caughtUp()
		for _, m := range []*machine{p.a, p.b} {
			if err := m.running.end(); err != nil {
				t.Error(err)
			}
		}
	})
}
