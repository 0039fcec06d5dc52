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
)

// fault is what happens to one operation of a lake.
type fault int

const (
	plain         fault = iota // it fails, and changes nothing
	conflict                   // it is refused, and changes nothing
	unknownDone                // it is done, and the answer is lost
	unknownUndone              // it is not done, and the answer is lost
	crashBefore                // the process dies before it
	crashAfter                 // the process dies after it
	faults
)

func (f fault) String() string {
	return [...]string{"error", "conflict", "unknown but done", "unknown and not done", "crash before", "crash after"}[f]
}

var errCrashed = errors.New("crashed")

// faultyLake fails the at-th operation that passes through it.
type faultyLake struct {
	tiers.Lake
	mu    sync.Mutex
	at    int
	kind  fault
	n     int
	dead  chan struct{}
	names []string
}

func newFaultyLake(l tiers.Lake, at int, kind fault) *faultyLake {
	return &faultyLake{Lake: l, at: at, kind: kind, dead: make(chan struct{})}
}

func (l *faultyLake) crashed() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

// do carries out an operation, or what the fault makes of it.
func (l *faultyLake) do(name string, op func() error) error {
	l.mu.Lock()
	if l.crashed() {
		l.mu.Unlock()
		return errCrashed
	}
	l.n++
	l.names = append(l.names, name)
	hit := l.n == l.at
	if hit && (l.kind == crashBefore || l.kind == crashAfter) {
		close(l.dead)
	}
	l.mu.Unlock()
	if !hit {
		return op()
	}
	switch l.kind {
	case plain:
		return errors.New("injected")
	case conflict:
		return fmt.Errorf("injected: %w", tiers.ErrConflict)
	case unknownDone:
		if err := op(); err != nil {
			return err
		}
		return fmt.Errorf("injected: %w", tiers.ErrUnknown)
	case unknownUndone:
		return fmt.Errorf("injected: %w", tiers.ErrUnknown)
	case crashAfter:
		if err := op(); err != nil {
			return err
		}
	}
	return errCrashed
}

func (l *faultyLake) Tables(ctx context.Context) (out []string, err error) {
	err = l.do("tables", func() (err error) { out, err = l.Lake.Tables(ctx); return err })
	return out, err
}

func (l *faultyLake) Open(ctx context.Context, name string) (out tiers.Table, err error) {
	err = l.do("open "+name, func() (err error) { out, err = l.Lake.Open(ctx, name); return err })
	return &faultyTable{out, l}, err
}

func (l *faultyLake) Create(ctx context.Context, name string, s tiers.Schema, o tiers.Options) (out tiers.Table,
	err error) {
	err = l.do("create "+name, func() (err error) { out, err = l.Lake.Create(ctx, name, s, o); return err })
	return &faultyTable{out, l}, err
}

func (l *faultyLake) RemoveFile(ctx context.Context, path string) error {
	return l.do("remove", func() error { return l.Lake.RemoveFile(ctx, path) })
}

type faultyTable struct {
	tiers.Table
	l *faultyLake
}

func (t *faultyTable) WriteNew(ctx context.Context, f tiers.DataFile, data []byte) (out tiers.DataFile, err error) {
	err = t.l.do("write", func() (err error) { out, err = t.Table.WriteNew(ctx, f, data); return err })
	return out, err
}

func (t *faultyTable) Refresh(ctx context.Context) error {
	return t.l.do("refresh", func() error { return t.Table.Refresh(ctx) })
}

func (t *faultyTable) Evolve(ctx context.Context, want tiers.Schema) (out tiers.Schema, err error) {
	err = t.l.do("evolve "+t.Name(), func() (err error) { out, err = t.Table.Evolve(ctx, want); return err })
	return out, err
}

func (t *faultyTable) Commit(ctx context.Context, c tiers.Commit) (out tiers.Snapshot, err error) {
	err = t.l.do("commit "+t.Name(), func() (err error) { out, err = t.Table.Commit(ctx, c); return err })
	return out, err
}

func (t *faultyTable) Committed(ctx context.Context, id string) (out bool, err error) {
	err = t.l.do("committed "+t.Name(), func() (err error) { out, err = t.Table.Committed(ctx, id); return err })
	return out, err
}

func (t *faultyTable) Files(ctx context.Context, snapshot int64, from, to time.Time) (out []tiers.DataFile, err error) {
	err = t.l.do("files "+t.Name(), func() (err error) { out, err = t.Table.Files(ctx, snapshot, from, to); return err })
	return out, err
}

func (t *faultyTable) Added(ctx context.Context, since, until int64) (out []tiers.DataFile, ok bool, err error) {
	err = t.l.do("added "+t.Name(), func() (err error) { out, ok, err = t.Table.Added(ctx, since, until); return err })
	return out, ok, err
}

// TestEveryOperationFails fails each operation of the lake in turn, in each
// way, then starts again if that was a crash: what is in the lake at the end
// is what it is without a fault.
func TestEveryOperationFails(t *testing.T) {
	var want string
	var ops int
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.script()
		l := newFaultyLake(w.lake, 0, plain)
		w.drain(w.options(l))
		want, ops = w.content(), l.n
	})
	if ops < 30 {
		t.Fatalf("only %d operations", ops)
	}
	for kind := range faults {
		for at := 1; at <= ops; at++ {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.script()
				l := newFaultyLake(w.lake, at, kind)
				w.survive(l)
				w.drain(w.options(w.lake)) // a restart
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

// TestOperationsOfARealLakeFail fails some operations of a lake of files.
func TestOperationsOfARealLakeFail(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
	clean := realWorld(t)
	clean.script()
	l := newFaultyLake(clean.lake, 0, plain)
	clean.drain(clean.options(l))
	want, ops := clean.content(), l.n
	for kind := range faults {
		for at := 3 + int(kind); at <= ops; at += 23 {
			t.Run(fmt.Sprintf("%s at %d", kind, at), func(t *testing.T) {
				t.Parallel()
				w := realWorld(t)
				w.script()
				l := newFaultyLake(w.lake, at, kind)
				w.survive(l)
				w.drain(w.options(w.lake))
				if got := w.content(); got != want {
					t.Errorf("%s:\n%s\nwant\n%s", l.names[at-1], got, want)
				}
				w.verify()
			})
		}
	}
}

// survive runs a source on the lake until it has caught up or crashed.
func (w *world) survive(l *faultyLake) {
	w.Helper()
	o := w.options(l)
	r := w.run(o)
	info, _ := w.stream.Info(context.Background(), "")
	r.until(func(s Status) bool { return l.crashed() || (s.Committed >= info.Last && s.State == Running) })
	if err := r.end(); err != nil && !l.crashed() {
		w.Error(err)
	}
}

// TestLimitsMayChangeAfterACrash restarts a crashed source with limits
// that would judge the same messages otherwise.
func TestLimitsMayChangeAfterACrash(t *testing.T) {
	long := `{"s":"` + strings.Repeat("x", 200) + `"}`
	for at := 1; at < 60; at++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			for i := range 10 {
				w.stream.publish("events.a", fmt.Sprint("m", i), fmt.Sprintf(`{"n":%d}`, i))
				w.stream.publish("events.a", fmt.Sprint("l", i), long)
			}
			l := newFaultyLake(w.lake, at, crashAfter)
			strict := w.options(l)
			strict.Limits.MaxEventBytes = 100
			r := w.run(strict)
			r.until(func(s Status) bool { return l.crashed() || s.Committed >= 20 })
			_ = r.end() // a crash leaves the last batch undone
			w.drain(w.options(w.lake))
			if a, q := len(w.rows("a")), len(w.rows(Quarantine)); a+q != 20 {
				t.Errorf("crash at %d: %d rows and %d in quarantine, want 20 in all\n%s", at, a, q, w.content())
			}
			w.verify()
		})
	}
}

// slowlyWell is a lake where files cannot be written for the first while, and
// then nothing committed for another.
type slowlyWell struct {
	tiers.Lake
	began time.Time
}

const eachFault = 4 * time.Second

func (l slowlyWell) failing(from, to time.Duration) error {
	if took := time.Since(l.began); took >= from && took < to {
		return errors.New("no space left on device")
	}
	return nil
}

func (l slowlyWell) Open(ctx context.Context, name string) (tiers.Table, error) {
	t, err := l.Lake.Open(ctx, name)
	return slowlyTable{t, l}, err
}

type slowlyTable struct {
	tiers.Table
	l slowlyWell
}

func (t slowlyTable) WriteNew(ctx context.Context, f tiers.DataFile, data []byte) (tiers.DataFile, error) {
	if err := t.l.failing(0, eachFault); err != nil {
		return f, err
	}
	return t.Table.WriteNew(ctx, f, data)
}

func (t slowlyTable) Commit(ctx context.Context, c tiers.Commit) (tiers.Snapshot, error) {
	if err := t.l.failing(eachFault, 2*eachFault); err != nil {
		return tiers.Snapshot{}, err
	}
	return t.Table.Commit(ctx, c)
}

// TestASourceFailsSinceItsLastCommitWhicheverStepItIsAt: readiness and the lease
// go by the same moment.
func TestASourceFailsSinceItsLastCommitWhicheverStepItIsAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stream.publish("events.a", "", `{"n":1}`)
		w.drain(w.options(w.lake)) // the table is there
		w.stream.publish("events.a", "", `{"n":2}`)
		began := time.Now()
		r := w.run(w.options(slowlyWell{w.lake, began}))
		r.until(func(s Status) bool { return strings.HasPrefix(s.Reason, "commit to lake.a") })
		time.Sleep(eachFault / 2)
		r.Source.state(Waiting, "for the stream")
		r.reached()
		s := r.Status()
		if s.State != Running || s.Reason == "" {
			t.Errorf("once the stream is there it is %s, for %q", s.State, s.Reason)
		}
		if failing := time.Since(s.Failing); failing < LeasePatience || r.able(t.Context()) == nil {
			t.Errorf("%s after it began to fail it does so for %s", time.Since(began), failing)
		}
		r.caughtUp()
		if s := r.Status(); !s.Failing.IsZero() || s.Reason != "" || r.able(t.Context()) != nil {
			t.Errorf("once it commits: %+v", s)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}
