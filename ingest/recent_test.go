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
		id := fmt.Sprint(random.IntN(9000))
		f := r.of("a", []byte(id))
		if got, want := r.has(f), young[id] || old[id]; got != want {
			t.Fatalf("step %d: id %s is known: %v, want %v", i, id, got, want)
		}
		if r.has(r.of("b", []byte(id))) {
			t.Fatalf("step %d: id %s is known in a table that never had it", i, id)
		}
		r.add(f)
		if !young[id] && len(young) >= capacity/2 {
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
		r.add(r.of("a", fmt.Append(nil, "id-", i)))
	}
	id := make([]byte, 0, 32)
	for i := 0; b.Loop(); i++ {
		if r.has(r.of("a", fmt.Append(id, "no-", i))) {
			b.Fatal("it is known")
		}
	}
}
