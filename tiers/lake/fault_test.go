package lake_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/lake/laketest"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

var errInjected = errors.New("injected")

// faults counts operations of the file system and the catalog, and fails one
// of them (or, as if the process had died there, that one and all after).
type faults struct {
	mu     sync.Mutex
	n      int
	failAt int // 0: never
	crash  bool
	log    []string
}

func (f *faults) step(op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	f.log = append(f.log, op)
	if f.failAt != 0 && (f.n == f.failAt || (f.crash && f.n > f.failAt)) {
		return fmt.Errorf("%w at %d: %s", errInjected, f.n, op)
	}
	return nil
}

func (f *faults) reached() bool { return f.n >= f.failAt }

func (f *faults) options(dir string) lake.Options { return f.inject(options(dir)) }

func (f *faults) inject(o lake.Options) lake.Options {
	o.FS = &laketest.FS{Before: func(op laketest.Op) error { return f.step(op.String()) }}
	o.CatalogFault = func(s lake.Step) error { return f.step("catalog " + string(s)) }
	return o
}

// source is the stream of the workload: message n carries one row, and each
// batch is of three.
type source struct{ next int }

const lastSeq = 6

// step opens what it needs and brings the table one batch further. It believes
// the table's mark and nothing else.
func (s *source) step(ctx context.Context, l *lake.Lake) error {
	tab, err := l.Open(ctx, "events")
	if errors.Is(err, tiers.ErrNoTable) {
		tab, err = l.Create(ctx, "events", tierstest.Schema(), tiers.Options{})
	}
	if err != nil {
		return err
	}
	m := tiers.Mark{Stream: "S", Filter: ">", Created: time.Unix(0, 0).UTC()}
	var from *tiers.Mark
	if have, ok := tab.Marks()[m.Key()]; ok {
		from, m.Seq = &have, have.Seq
	}
	if m.Seq == lastSeq {
		return nil
	}
	schema := tierstest.Schema()
	schema.Fields = append(schema.Fields, tiers.Field{Name: fmt.Sprintf("c%d", m.Seq),
		Type: tiers.Type{Kind: tiers.KindLong}})
	if _, err := tab.Evolve(ctx, schema); err != nil {
		return err
	}
	file, err := tab.WriteNew(ctx, tiers.DataFile{Rows: 3}, []byte("x"))
	if err != nil {
		return err
	}
	m.Seq += 3
	s.next++
	id := fmt.Sprint("commit-", s.next)
	_, err = tab.Commit(ctx, tiers.Commit{ID: id, Add: []tiers.DataFile{file}, From: from, To: &m})
	if errors.Is(err, tiers.ErrUnknown) {
		_, err = tab.Committed(ctx, id)
	}
	return err
}

// consistent checks that the rows are those that the mark covers, once.
func consistent(t *testing.T, l *lake.Lake) uint64 {
	t.Helper()
	tab, err := l.Open(t.Context(), "events")
	if errors.Is(err, tiers.ErrNoTable) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var rows uint64
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f.Path] {
			t.Fatalf("%s is listed twice", f.Path)
		}
		seen[f.Path] = true
		rows += uint64(f.Rows)
	}
	if seq := tab.Marks()["S|>"].Seq; rows != seq {
		t.Fatalf("%d rows are in the table, the mark is at %d", rows, seq)
	}
	return rows
}

// TestEveryFailure fails the first operation, then the second, and so on until
// a run meets no failure; after each, what is there is right, and the rest
// arrives.
func TestEveryFailure(t *testing.T) { everyFailure(t, stride, options) }

func everyFailure(t *testing.T, stride int, at func(dir string) lake.Options) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash=%v", crash), func(t *testing.T) {
			for i := 1; ; i += stride {
				f := &faults{failAt: i, crash: crash}
				runWithFault(t, f, at(t.TempDir()))
				if !f.reached() {
					if i < 50 {
						t.Fatalf("the workload has only %d operations", i)
					}
					return
				}
			}
		})
	}
}

func runWithFault(t *testing.T, f *faults, o lake.Options) {
	t.Helper()
	s := &source{}
	l, err := lake.Open(t.Context(), f.inject(o))
	if err == nil {
		for range 3 {
			if err = s.step(t.Context(), l); err != nil && !errors.Is(err, errInjected) {
				t.Fatalf("failure %d: %v", f.failAt, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l = open(t, o)
	consistent(t, l)
	for range 3 {
		if err := s.step(t.Context(), l); err != nil {
			t.Fatalf("after failure %d: %v", f.failAt, err)
		}
	}
	if rows := consistent(t, l); rows != lastSeq {
		t.Fatalf("failure %d: %d rows arrived, want %d", f.failAt, rows, lastSeq)
	}
}

// TestLostReply: the catalog commits, and the answer does not arrive.
func TestLostReply(t *testing.T) { lostReply(t, options(t.TempDir())) }

func lostReply(t *testing.T, o lake.Options) {
	var lose lake.Step
	o.CatalogFault = func(s lake.Step) error {
		if s == lose {
			return errInjected
		}
		return nil
	}
	l := open(t, o)
	tab, err := l.Create(t.Context(), "events", tierstest.Schema(), tiers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for step, want := range map[lake.Step]bool{lake.StepCommit: false, lake.StepCommitted: true} {
		lose = step
		_, err = tab.Commit(t.Context(), tiers.Commit{ID: string(step),
			Add: []tiers.DataFile{{Path: lake.NewFilePath(tab, 0), Rows: 1}}})
		if !errors.Is(err, tiers.ErrUnknown) {
			t.Fatalf("%s: error is %v, want unknown", step, err)
		}
		lose = ""
		if got, err := tab.Committed(t.Context(), string(step)); err != nil || got != want {
			t.Fatalf("%s: took effect: %v, %v; want %v", step, got, err, want)
		}
	}
	lose = lake.StepUpdate
	_, err = tab.Commit(t.Context(), tiers.Commit{ID: "refused",
		Add: []tiers.DataFile{{Path: lake.NewFilePath(tab, 0), Rows: 1}}})
	for _, class := range []error{tiers.ErrUnknown, tiers.ErrConflict, tiers.ErrHalt} {
		if err == nil || errors.Is(err, class) {
			t.Fatalf("error is %v, want one of no class", err)
		}
	}
}

// TestSyncedBeforeNamed: every file of a commit is synced, renamed and its
// directory synced, in this order, before the catalog commits.
func TestSyncedBeforeNamed(t *testing.T) {
	f := &faults{}
	s := &source{}
	l := open(t, f.options(t.TempDir()))
	for range 2 {
		f.log = nil
		if err := s.step(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		checkOrder(t, f.log)
	}
}

func checkOrder(t *testing.T, log []string) {
	t.Helper()
	state := map[string]string{} // temporary or final name: what was done last
	named := 0
	for _, op := range log {
		verb, rest, _ := strings.Cut(op, " ")
		switch verb {
		case "create", "write", "sync":
			state[rest] = verb
		case "rename":
			from, to, _ := strings.Cut(rest, " ")
			if filepath.Base(to) == "accepted" { // says what the catalog has accepted, and may be lost
				delete(state, from)
				continue
			}
			if state[from] != "sync" {
				t.Fatalf("%s was renamed after %q", from, state[from])
			}
			delete(state, from)
			state[to] = "rename"
			named++
		case "syncdir":
			for name := range state {
				if state[name] == "rename" && filepath.Dir(name) == rest {
					delete(state, name)
				}
			}
		case "catalog":
			if len(state) != 0 {
				t.Fatalf("the catalog was told before %v", state)
			}
		}
	}
	if named < 4 {
		t.Fatalf("%d files were named in %v", named, log)
	}
}
