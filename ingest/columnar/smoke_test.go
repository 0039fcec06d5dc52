package columnar

import (
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

func TestSmoke(t *testing.T) {
	b := NewBatch(tiers.Schema{}, Options{StreamTag: "t"})
	for i, e := range []string{
		`{"time":"2026-01-02T03:04:05.123Z","a":1,"b":{"c":"x","d":[1,2,null]},"id.orig_h":"1.1.1.1"}`,
		`{"time":"2026-01-02T03:04:05.123+02:00","a":"s","b":{"c":5,"C":1,"d":["x"],"e":{}},"id.orig_h":"1.1.1.1","id":{"orig_h":2}, "ingest_time":5,"a":7}`,
	} {
		if err := b.Append(Meta{Seq: uint64(i)}, time.Unix(1.7e9, 0), []byte(e)); err != nil {
			t.Fatal(err)
		}
		if b.rest.Has(i) {
			t.Logf("%s", b.rest.Bytes(i))
		}
	}
	t.Log(b.Schema())
}
