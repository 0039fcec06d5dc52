package ingest

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestRecentIDsAreKnownAndOthersAreNot compares with two plain sets.
func TestRecentIDsAreKnownAndOthersAreNot(t *testing.T) {
	const capacity = 5000
	r := newRecent(capacity)
	young, old := map[string]bool{}, map[string]bool{}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 60_000 {
		id := fmt.Sprint(random.IntN(90_000))
		f := r.of("a", []byte(id))
		if _, known := r.lookUp(r.of("b", []byte(id))); known {
			t.Fatalf("step %d: id %s is known in a table that never had it", i, id)
		}
		at, known := r.lookUp(f)
		if want := young[id] || old[id]; known != want {
			t.Fatalf("step %d: id %s is known: %v, want %v", i, id, known, want)
		}
		if known {
			continue
		}
		r.add(f, at)
		if len(young) >= capacity/2 {
			young, old = map[string]bool{}, young
		}
		young[id] = true
		if r.young.n != len(young) || r.old.n != len(old) {
			t.Fatalf("step %d: it counts %d and %d, want %d and %d", i, r.young.n, r.old.n, len(young), len(old))
		}
	}
}

func BenchmarkUnknownID(b *testing.B) {
	r := newRecent(1_800_000)
	for i := range 1_700_000 {
		f := r.of("a", fmt.Append(nil, "id-", i))
		at, _ := r.lookUp(f)
		r.add(f, at)
	}
	id := make([]byte, 0, 32)
	for i := 0; b.Loop(); i++ {
		if _, known := r.lookUp(r.of("a", fmt.Append(id, "no-", i))); known {
			b.Fatal("it is known")
		}
	}
}
