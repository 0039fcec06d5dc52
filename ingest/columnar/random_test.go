package columnar

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

const maxRandom = 5 // levels

// pickOf writes random JSON out of few keys and values, so that they collide.
type pickOf struct{ *rand.Rand }

func (r pickOf) of(texts ...string) string { return texts[r.IntN(len(texts))] }

func (r pickOf) value(depth int) string {
	k := r.IntN(12)
	if depth <= 0 {
		k = r.IntN(8)
	}
	switch {
	case k < 3:
		return r.of("1", "2", "-7", "9223372036854775807", "9223372036854775808", "9007199254740993")
	case k == 3:
		return r.of("1.5", "-0", "0.1", "1e3", "2.0", "0.12345678901234567890", "1e999")
	case k < 6:
		return r.of(`"x"`, `"y z"`, `""`, `"\n"`, `"\ud800"`, `"ü"`, `"\ud83d\ude00"`)
	case k == 6:
		return r.of("true", "false")
	case k == 7:
		return "null"
	case k < 10:
		return r.object(depth - 1)
	}
	var parts []string
	for range r.IntN(4) {
		parts = append(parts, r.value(depth-1))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (r pickOf) object(depth int) string {
	var parts []string
	for range r.IntN(5) {
		key := r.of("a", "b", "c", "d", "A", "a.b", "b.c.d", "", "e", "f", `\u0061`, ".", "a.", "g", "h")
		parts = append(parts, fmt.Sprintf("%q: %s", key, r.value(depth)))
	}
	if depth == maxRandom && r.IntN(9) == 0 {
		// Deeper, it would look like ours in a value that is kept whole.
		parts = append(parts, `"$repeated": `+r.value(2))
	}
	return strings.ReplaceAll("{"+strings.Join(parts, ",")+"}", `\\u`, `\u`)
}

func TestRandomEvents(t *testing.T) {
	for seed := range uint64(60) {
		r := pickOf{rand.New(rand.NewPCG(seed, 1))}
		b := NewBatch(tiers.Schema{}, Options{StreamTag: "t",
			Limits: Limits{MaxColumns: 6 + r.IntN(60), MaxDepth: 1 + r.IntN(6)}})
		var schema tiers.Schema
		for range 3 {
			b.Reset(schema)
			var events []string
			for len(events) < 60 {
				e := r.object(maxRandom)
				bad := r.IntN(10) == 0
				if bad {
					e = e[:len(e)-1] + r.of(",", "x", "}}", "\"")
				}
				err := b.Append(Meta{Seq: uint64(len(events)), Published: published}, published, []byte(e))
				switch {
				case err == nil:
					events = append(events, e)
				case !bad:
					t.Fatalf("%s: %v", e, err)
				}
			}
			for row, e := range events {
				checkRow(t, b, row, []byte(e))
			}
			schema = grown(b.Schema())
			if _, err := b.Files(schema, parquetfile.Options{}); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}
