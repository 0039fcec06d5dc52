package lake

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lakeward/lakeward/tiers"
)

// catalogs are the kinds of catalog: where a new one of each is.
func catalogs() map[string]func(t *testing.T) string {
	return map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "catalog.db") },
		"postgres": func(t *testing.T) string { return Postgres.URL(t) },
	}
}

// eachCatalog runs a test on a lake with every kind of catalog.
func eachCatalog(t *testing.T, f func(t *testing.T, o Options)) {
	for kind, at := range catalogs() {
		t.Run(kind, func(t *testing.T) { f(t, Options{Warehouse: filepath.Join(t.TempDir(), "lake"), Catalog: at(t)}) })
	}
}

// TestCatalogs is what every implementation of Catalog must do.
func TestCatalogs(t *testing.T) {
	for kind, at := range catalogs() {
		for name, f := range map[string]func(*testing.T, Catalog, Catalog){
			"pointers": testPointers, "one of several wins": testOneWins, "values": testValues,
			"nobody waits": testNobodyWaits, "moves": testMoves,
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				o := catalogOptions{at: at(t), warehouse: t.TempDir(), files: newDurable(OS{})}
				var both [2]Catalog // of two processes
				for i := range both {
					c, err := openCatalog(t.Context(), o)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() {
						if err := c.Close(); err != nil {
							t.Error(err)
						}
					})
					both[i] = c
				}
				f(t, both[0], both[1])
			})
		}
	}
}

// wantTables compares what a catalog has with names and locations in turn.
func wantTables(t *testing.T, c Catalog, want ...string) {
	t.Helper()
	all := map[string]string{}
	for i := 0; i < len(want); i += 2 {
		all[want[i]] = want[i+1]
		if at, err := c.Metadata(t.Context(), want[i]); err != nil || at != want[i+1] {
			t.Errorf("metadata of %s is at %q, %v; want %s", want[i], at, err, want[i+1])
		}
	}
	if have, err := c.Tables(t.Context()); err != nil || !maps.Equal(have, all) {
		t.Errorf("tables are %v, %v; want %v", have, err, all)
	}
}

func testPointers(t *testing.T, c, other Catalog) {
	ctx := t.Context()
	if err := errors.Join(c.Ping(ctx), c.Settle(ctx, "none")); err != nil {
		t.Error(err)
	}
	if c.Name() == "" || strings.Contains(c.Name(), "@") {
		t.Errorf("it is called %q", c.Name())
	}
	wantTables(t, c)
	if _, err := c.Metadata(ctx, "a"); !errors.Is(err, tiers.ErrNoTable) {
		t.Errorf("look-up of a table that there is not: %v", err)
	}
	steps := []struct {
		what string
		err  error
		want error
	}{
		{"insert", c.Insert(ctx, "a", "one"), nil},
		{"insert again", other.Insert(ctx, "a", "two"), tiers.ErrConflict},
		{"insert another", c.Insert(ctx, "b", "file:///with%20space"), nil},
		{"swap", other.Swap(ctx, "a", "one", "two"), nil},
		{"swap of what was", c.Swap(ctx, "a", "one", "three"), tiers.ErrConflict},
		{"swap of what there is not", c.Swap(ctx, "c", "one", "two"), tiers.ErrConflict},
		{"drop", c.Drop(ctx, "b"), nil},
		{"drop again", other.Drop(ctx, "b"), tiers.ErrConflict},
		{"settle", other.Settle(ctx, "a"), nil},
	}
	for _, s := range steps {
		if !errors.Is(s.err, s.want) {
			t.Errorf("%s: %v, want %v", s.what, s.err, s.want)
		}
	}
	wantTables(t, c, "a", "two")
	wantTables(t, other, "a", "two")
}

// testOneWins: of those who change the same from the same, one does, and the
// others know that they do not.
func testOneWins(t *testing.T, c, other Catalog) {
	ctx := t.Context()
	if err := c.Insert(ctx, "a", "start"); err != nil {
		t.Fatal(err)
	}
	var won, held atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		from, name := []Catalog{c, other}[i%2], string(rune('a'+i))
		wg.Go(func() {
			switch err := from.Swap(ctx, "a", "start", name); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, tiers.ErrConflict):
				t.Error(err)
			}
			if ok, err := from.SwapValue(ctx, Value{Key: "lakeward.test", New: name}); err != nil {
				t.Error(err)
			} else if ok {
				held.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || held.Load() != 1 {
		t.Errorf("%d have swapped the table and %d the value, want one each", won.Load(), held.Load())
	}
}

func testValues(t *testing.T, c, other Catalog) {
	ctx := t.Context()
	for _, fleeting := range []bool{false, true} {
		key := "lakeward.test." + strings.Repeat("x", 200)
		if fleeting {
			key += ".f"
		}
		for _, s := range []struct {
			c        Catalog
			old, new string
			want     bool
			left     string
		}{
			{c, "no", "one", false, ""},
			{c, "", "one", true, "one"},
			{other, "", "two", false, "one"},
			{other, "one", "it's two", true, "it's two"},
			{c, "one", "three", false, "it's two"},
			{c, "it's two", "three", true, "three"},
		} {
			ok, err := s.c.SwapValue(ctx, Value{Key: key, Old: s.old, New: s.new, Fleeting: fleeting})
			if err != nil || ok != s.want {
				t.Errorf("%q to %q: %t, %v", s.old, s.new, ok, err)
			}
			for _, seen := range []Catalog{c, other} {
				if got, err := seen.Value(ctx, key); err != nil || got != s.left {
					t.Errorf("after %q to %q there is %q, %v; want %q", s.old, s.new, got, err, s.left)
				}
			}
		}
	}
}

// testNobodyWaits: who has given up before a change changes nothing.
func testNobodyWaits(t *testing.T, c, other Catalog) {
	ended, end := context.WithCancel(t.Context())
	end()
	if err := c.Insert(ended, "a", "one"); err == nil {
		t.Error("a table was made for nobody")
	}
	if err := c.Insert(t.Context(), "a", "one"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Swap(ended, "a", "one", "two"), c.Drop(ended, "a")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	wantTables(t, other, "a", "one")
}

// testMoves: a move is of all tables or of none, and ends all leases.
func testMoves(t *testing.T, c, other Catalog) {
	p, ok := c.(Portable)
	if !ok {
		t.Skip("this catalog stays where it is")
	}
	ctx := t.Context()
	lease := Value{Key: leaseKey("x"), New: "somebody", Fleeting: true}
	if _, err := c.SwapValue(ctx, lease); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Insert(ctx, "a", "a1"), c.Insert(ctx, "b", "b1")); err != nil {
		t.Fatal(err)
	}
	moves := map[string]Move{"a": {"a1", "a2", "a0"}, "b": {"b0", "b2", "b0"}}
	if err := p.Move(ctx, moves, Record{ID: "i", Place: "/p"}); !errors.Is(err, tiers.ErrConflict) {
		t.Errorf("a move of a table that has changed: %v", err)
	}
	wantTables(t, other, "a", "a1", "b", "b1")
	moves["b"] = Move{"b1", "b2", "b0"}
	if err := p.Move(ctx, moves, Record{ID: "i", Place: "/p"}); err != nil {
		t.Fatal(err)
	}
	wantTables(t, other, "a", "a2", "b", "b2")
	if held, err := other.Value(ctx, lease.Key); err != nil || held != "" {
		t.Errorf("after the move the lease is %q, %v", held, err)
	}
	copied, err := p.Copy(ctx)
	if err != nil || len(copied.Tables) != 2 || copied.Tables[0] != (CatalogRow{"a", "a2", "a0"}) ||
		copied.Properties[placeProp] != "/p" {
		t.Errorf("the copy is %+v, %v", copied, err)
	}
}
