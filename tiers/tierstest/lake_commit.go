package tierstest

import (
	"sync"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

func testCommit(c *lakeCase) {
	if _, ok := c.tab.Current(); ok {
		c.Fatal("a new table has a snapshot")
	}
	s := c.must(c.ingest(c.tab, 3, day0, nil, c.mark(3)))
	if s.ID == 0 || s.Operation != "append" {
		c.Fatalf("snapshot is %+v", s)
	}
	s2 := c.must(c.ingest(c.tab, 4, day0, c.mark(3), c.mark(7)))
	if s2.Parent != s.ID {
		c.Fatalf("parent is %d, want %d", s2.Parent, s.ID)
	}
	c.wantRows(7)
	c.wantMark(7)
}

func testFence(c *lakeCase) {
	c.must(c.ingest(c.tab, 3, day0, nil, c.mark(3)))
	_, err := c.ingest(c.tab, 3, day0, nil, c.mark(3))
	c.is(err, tiers.ErrConflict)
	_, err = c.ingest(c.tab, 3, day0, c.mark(2), c.mark(5))
	c.is(err, tiers.ErrConflict)
	other := c.mark(3)
	other.Created = day0.Add(time.Second)
	_, err = c.ingest(c.tab, 3, day0, other, c.mark(5))
	c.is(err, tiers.ErrConflict)
	c.wantRows(3)
	c.wantMark(3)
}

func testMarkOnly(c *lakeCase) {
	c.must(c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), To: c.mark(5)}))
	c.wantMark(5)
	_, err := c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), From: c.mark(4), To: c.mark(9)})
	c.is(err, tiers.ErrConflict)

	stale := c.handle()
	c.must(c.ingest(c.tab, 1, day0, c.mark(5), c.mark(6)))
	_, err = stale.Commit(c.ctx, tiers.Commit{ID: c.id(), From: c.mark(5), To: c.mark(8)})
	c.is(err, tiers.ErrConflict)
	c.wantMark(6)
	c.wantRows(1)
}

// testRace: of many handles that start from one mark, one wins each round.
func testRace(c *lakeCase) {
	const racers, rounds = 4, 3
	var from *tiers.Mark
	for round := range rounds {
		to := c.mark(uint64(round + 1))
		errs := make([]error, racers)
		commits := make([]tiers.Commit, racers)
		for i := range racers {
			commits[i] = tiers.Commit{ID: c.id(), From: from, To: to, Add: []tiers.DataFile{c.file(1, day0, day0)}}
		}
		var wg sync.WaitGroup
		for i := range racers {
			tab := c.handle()
			wg.Go(func() { _, errs[i] = tab.Commit(c.ctx, commits[i]) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			c.is(err, tiers.ErrConflict)
		}
		if won != 1 {
			c.Fatalf("round %d: %d of %d handles committed", round, won, racers)
		}
		c.wantRows(int64(round + 1))
		from = to
	}
	c.wantMark(rounds)
}

func testMarkSurvives(c *lakeCase) {
	c.must(c.ingest(c.tab, 3, day0, nil, c.mark(3)))
	want := Schema()
	want.Fields = append(want.Fields, tiers.Field{Name: "more", Type: tiers.Type{Kind: tiers.KindLong}})
	if _, err := c.tab.Evolve(c.ctx, want); err != nil {
		c.Fatal(err)
	}
	c.must(c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), Add: []tiers.DataFile{c.file(2, day0, day0)}}))
	c.must(c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), SameRows: true,
		Remove: c.list(0, time.Time{}, time.Time{}), Add: []tiers.DataFile{c.file(5, day0, day0)}}))
	c.wantMark(3)
	c.wantRows(5)
	c.must(c.ingest(c.tab, 1, day0, c.mark(3), c.mark(4)))
	c.wantMark(4)
}

func testMarkBack(c *lakeCase) {
	c.must(c.ingest(c.tab, 3, day0, nil, c.mark(3)))
	_, err := c.ingest(c.tab, 3, day0, c.mark(3), c.mark(2))
	c.is(err, tiers.ErrHalt)
	c.wantMark(3)
	c.wantRows(3)
}

func testReset(c *lakeCase) {
	c.must(c.ingest(c.tab, 3, day0, nil, c.mark(3)))
	anew := c.mark(1)
	anew.Resets = 1
	c.must(c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), From: c.mark(3), To: anew,
		Properties: map[string]string{"why": "because"}}))
	c.wantMark(1)
	if got := c.handle().Properties()["why"]; got != "because" {
		c.Fatalf("the property is %q", got)
	}
	_, err := c.ingest(c.tab, 1, day0, c.mark(1), c.mark(2)) // the mark from before the reset
	c.is(err, tiers.ErrConflict)
	to := c.mark(2)
	to.Resets = 1
	c.must(c.ingest(c.tab, 1, day0, anew, to))
	c.wantMark(2)
	c.wantRows(4)
}

func testTwoSources(c *lakeCase) {
	c.must(c.ingest(c.tab, 3, day0, nil, c.mark(3)))
	other := &tiers.Mark{Stream: "EVENTS", Created: day0, Filter: "other.>", Seq: 9}
	c.must(c.ingest(c.tab, 2, day0, nil, other))
	c.must(c.ingest(c.tab, 1, day0, c.mark(3), c.mark(4)))
	c.wantMark(4)
	if got := c.handle().Marks()[other.Key()].Seq; got != 9 {
		c.Fatalf("the other source's mark is %d, want 9", got)
	}
	c.wantRows(6)
}

func testCommitted(c *lakeCase) {
	cm := tiers.Commit{ID: "the-one", Add: []tiers.DataFile{c.file(1, day0, day0)}, To: c.mark(1)}
	c.committed("the-one", false)
	c.must(c.tab.Commit(c.ctx, cm))
	c.committed("the-one", true)
	_, err := c.tab.Commit(c.ctx, cm)
	c.is(err, tiers.ErrConflict)
	only := tiers.Commit{ID: "mark-only", From: c.mark(1), To: c.mark(2)}
	c.must(c.tab.Commit(c.ctx, only))
	c.committed("mark-only", true)
	c.committed("never", false)
	c.wantRows(1)
}

func (c *lakeCase) committed(id string, want bool) {
	c.Helper()
	got, err := c.handle().Committed(c.ctx, id)
	if err != nil || got != want {
		c.Fatalf("commit %s took effect: %v, %v; want %v", id, got, err, want)
	}
}

func testRemove(c *lakeCase) {
	base := c.must(c.ingest(c.tab, 3, day0, nil, c.mark(3)))
	old := c.list(0, time.Time{}, time.Time{})
	c.must(c.ingest(c.tab, 4, day0, c.mark(3), c.mark(7)))
	swap := tiers.Commit{ID: c.id(), Base: base.ID, Remove: old, Add: []tiers.DataFile{c.file(1, day0, day0)}}
	_, err := c.tab.Commit(c.ctx, swap)
	c.is(err, tiers.ErrConflict)
	c.wantRows(7)

	cur, _ := c.handle().Current()
	swap.Base = cur.ID
	c.must(c.tab.Commit(c.ctx, swap))
	c.wantRows(5)
	cur, _ = c.handle().Current()
	c.must(c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), Base: cur.ID, Remove: c.list(0, time.Time{}, time.Time{})}))
	c.wantRows(0)
	c.wantMark(7)
}

func testWas(c *lakeCase) {
	set := func(was, to string) error {
		_, err := c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), Required: map[string]string{"note": was},
			Properties: map[string]string{"note": to}})
		return err
	}
	c.is(set("other", "one"), tiers.ErrConflict)
	c.is(set("", "one"), nil)
	c.is(set("", "two"), tiers.ErrConflict)
	c.is(set("one", "two"), nil)
	if got := c.handle().Properties()["note"]; got != "two" {
		c.Fatalf("the property is %q", got)
	}
}

func testSameRows(c *lakeCase) {
	base := c.must(c.ingest(c.tab, 3, day0, nil, c.mark(3)))
	old := c.list(0, time.Time{}, time.Time{})
	c.must(c.ingest(c.tab, 4, day0, c.mark(3), c.mark(7)))
	s := c.must(c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), Base: base.ID, SameRows: true, Remove: old,
		Add: []tiers.DataFile{c.file(3, day0, day0)}}))
	if s.Operation != "replace" {
		c.Fatalf("operation is %s, want replace", s.Operation)
	}
	c.wantRows(7)
	c.wantMark(7)
}

func testCompactions(c *lakeCase) {
	base := c.must(c.ingest(c.tab, 3, day0, nil, c.mark(3)))
	old := c.list(0, time.Time{}, time.Time{})
	first := tiers.Commit{ID: c.id(), Base: base.ID, SameRows: true, Remove: old,
		Add: []tiers.DataFile{c.file(3, day0, day0)}}
	second := tiers.Commit{ID: c.id(), Base: base.ID, SameRows: true, Remove: old,
		Add: []tiers.DataFile{c.file(3, day0, day0)}}
	c.must(c.tab.Commit(c.ctx, first))
	_, err := c.tab.Commit(c.ctx, second)
	c.is(err, tiers.ErrConflict)
	c.wantRows(3)
}
