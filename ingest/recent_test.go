package ingest

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestRecentIDsAreKnownAndOthersAreNot compares with two plain sets.
func TestRecentIDsAreKnownAndOthersAreNot(t *testing.T) {
	const capacity = 5000
	r, prints := newRecent(capacity), newPrinter()
	young, old := map[string]position{}, map[string]position{}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 60_000 {
		id := fmt.Sprint(random.IntN(90_000))
		f := prints.of("a", []byte(id))
		if _, _, known := r.lookUp(prints.of("b", []byte(id))); known {
			t.Fatalf("step %d: id %s is known in a table that never had it", i, id)
		}
		slot, at, known := r.lookUp(f)
		want, there := young[id]
		if !there {
			want, there = old[id]
		}
		if known != there || at != want {
			t.Fatalf("step %d: id %s is known: %v, at %d; want %v, %d", i, id, known, at, there, want)
		}
		if known {
			continue
		}
		r.add(f, slot, positionOf(3, uint64(i)))
		if len(young) >= capacity/2 {
			young, old = map[string]position{}, young
		}
		young[id] = positionOf(3, uint64(i))
		if r.young.n != len(young) || r.old.n != len(old) {
			t.Fatalf("step %d: it counts %d and %d, want %d and %d", i, r.young.n, r.old.n, len(young), len(old))
		}
	}
}

func BenchmarkUnknownID(b *testing.B) {
	r, prints := newRecent(1_800_000), newPrinter()
	for i := range 1_700_000 {
		f := prints.of("a", fmt.Append(nil, "id-", i))
		slot, _, _ := r.lookUp(f)
		r.add(f, slot, positionOf(0, uint64(i)))
	}
	id := make([]byte, 0, 32)
	for i := 0; b.Loop(); i++ {
		if _, _, known := r.lookUp(prints.of("a", fmt.Append(id, "no-", i))); known {
			b.Fatal("it is known")
		}
	}
}
