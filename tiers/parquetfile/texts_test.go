package parquetfile

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/tiers"
)

// TestColumnAgainstModel sets, skips and truncates at random, through the
// change from dictionary to arena and through resets.
func TestColumnAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := NewColumn(field(1, "s", tiers.KindString))
	n := NewColumn(field(2, "n", tiers.KindLong))
	for round := range 3 {
		var model []string // "" is null
		for len(model) < 20_000 {
			switch k := r.IntN(100); {
			case k == 0 && len(model) > 0:
				cut := len(model) - r.IntN(min(len(model), 70))
				model = model[:cut]
				c.Truncate(cut)
				n.Truncate(cut)
			case k < 10 && round > 0:
				model = append(model, "")
			default:
				v := strings.Repeat("x", r.IntN(20)) + fmt.Sprint(r.IntN(10+len(model)*2*(round%2)))
				c.SetString(len(model), v)
				n.SetInt(len(model), int64(len(v)))
				model = append(model, v)
			}
		}
		values := 0
		for i, want := range model {
			if c.Has(i) != (want != "") || n.Has(i) != (want != "") {
				t.Fatalf("round %d: slot %d is set: %v, want %q", round, i, c.Has(i), want)
			}
			if want == "" {
				continue
			}
			values++
			if got := string(c.Bytes(i)); got != want || n.Int(i) != int64(len(want)) {
				t.Fatalf("round %d: slot %d is %q, want %q", round, i, got, want)
			}
		}
		if c.Values() != values || n.Values() != values {
			t.Fatalf("round %d: %d values, want %d", round, c.Values(), values)
		}
		t.Logf("round %d: arena %v", round, c.text.plain)
		c.Reset()
		n.Reset()
	}
}

// TestWordsTellValuesApart gives short values that share their ends.
func TestWordsTellValuesApart(t *testing.T) {
	seen := map[string]string{}
	var build func(prefix string, n int)
	build = func(prefix string, n int) {
		if n == 0 {
			w := wordOf([]byte(prefix))
			key := fmt.Sprint(w, len(prefix))
			if other, ok := seen[key]; ok {
				t.Fatalf("%q and %q have one word", prefix, other)
			}
			seen[key] = prefix
			return
		}
		for _, c := range []string{"a", "b", "\x00"} {
			build(prefix+c, n-1)
		}
	}
	for n := range 10 {
		build("", n)
	}
}
