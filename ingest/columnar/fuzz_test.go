package columnar

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

var published = time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC)

var seeds = []string{
	`{"time":"2026-01-02T03:04:05.123Z","a":1,"b":{"c":"x","d":[1,2,null]},"id.orig_h":"1.1.1.1"}
{"time":"2026-01-02T03:04:05.123456789+02:00","a":"s","b":{"c":5,"C":1,"d":["x"],"e":{}},"id.orig_h":"1.1.1.1","id":{"orig_h":2},"ingest_time":5,"a":7}`,
	`{"a":1}` + "\n" + `{"a":1.5}` + "\n" + `{"a":12345678901234567890}` + "\n" + `{"a":-0}`,
	`{"a":[{"b":1},{"c":[[1],[2,3]]}]}` + "\n" + `{"a":[{"b":"x"}]}` + "\n" + `{"a":[]}` + "\n" +
		`{"a":[null,{"b":2,"b":3}]}`,
	`{"":1,"a..b":2,".":3,"a.b.c":4,"a":{"b":{"c":5,"d":6}},"a.b":{"d":7,"e":8}}`,
	`{"\ud800":1,"k":"\ud800x","j":"\ud83d\ude00\u0041\n","$repeated":1,"$repeated":2}`,
	`{"ts":1588205006.553982,"n":1e400,"m":0.1e-2,"z":0.30000000000000004,"y":0.12345678901234567890}`,
	`{"a":{"b":null},"c":null,"d":{},"e":[],"f":[null],"g":[[]],"h":[{}]}`,
	`{"time":5,"Time":"2026-01-01T00:00:00Z","TIME":1}`,
	`{"a":1}x` + "\n" + `[1]` + "\n" + `"x"` + "\n" + `{"a":01}` + "\n" + `{"a":}` + "\n" + "{\"a\":\"\xff\"}" + "\n" +
		`{"a":1,}`,
	`{"a":{"x":1},"a":{"y":2},"b":{"q":true,"q":false}}`,
	`{"unmapped":{"a":1},"event_id":null,"stream_seq":[1]}`,
}

func FuzzAppend(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := NewBatch(tiers.Schema{}, Options{StreamTag: "t", Limits: Limits{MaxColumns: 30, MaxDepth: 4}})
		var kept [][]byte
		for i, event := range bytes.Split(data, []byte("\n")) {
			err := b.Append(Meta{Seq: uint64(i), Published: published}, published, event)
			if err == nil {
				kept = append(kept, event)
			}
			checkVerdict(t, event, err)
		}
		if b.Rows() != len(kept) {
			t.Fatalf("%d rows of %d events", b.Rows(), len(kept))
		}
		for row, event := range kept {
			checkRow(t, b, row, event)
		}
		if len(kept) == 0 {
			return
		}
		schema := withIDs(b.Schema())
		if _, err := b.Files(schema, parquetfile.Options{Stream: "s"}); err != nil {
			t.Fatal(err)
		}
		// Again, into a table that knows every column.
		b.Reset(schema)
		for row, event := range kept {
			if err := b.Append(Meta{Seq: uint64(row), Published: published}, published, event); err != nil {
				t.Fatal(err)
			}
			checkRow(t, b, row, event)
		}
		if _, err := b.Files(withIDs(b.Schema()), parquetfile.Options{Stream: "s"}); err != nil {
			t.Fatal(err)
		}
	})
}

// checkVerdict compares what is accepted with encoding/json.
func checkVerdict(t *testing.T, event []byte, err error) {
	valid := json.Valid(event) && utf8.Valid(event) && bytes.HasPrefix(bytes.TrimLeft(event, " \t\r\n"), []byte("{"))
	var r *Reject
	switch {
	case err == nil && !valid:
		t.Fatalf("accepted %q", event)
	case err != nil && !errors.As(err, &r):
		t.Fatalf("%q: %v", event, err)
	case err != nil && valid && !strings.Contains(r.Reason, "time") && !strings.Contains(r.Reason, "deeper"):
		t.Fatalf("refused %q: %v", event, err)
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range seeds {
		f.Add("auto", []byte(s))
	}
	f.Add("json", []byte(`[{"a":1},{"b":2}`))
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		for part, err := range Split(format, data) {
			if err == nil && len(bytes.TrimSpace(part)) == 0 && len(bytes.TrimSpace(data)) > 0 && format == "ndjson" {
				t.Fatalf("empty event in %q", data)
			}
		}
	})
}
