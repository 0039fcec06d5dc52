package columnar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

func types(s tiers.Schema) string {
	var out []string
	for _, f := range s.Fields[len(tiers.BaseFields()):] {
		if f.Name == tiers.ColTimeSource {
			continue
		}
		out = append(out, f.Name+" "+f.Type.String())
	}
	return strings.Join(out, "; ")
}

// rest is unmapped of a row, as text.
func rest(b *Batch, row int) string {
	if !b.rest.Has(row) {
		return ""
	}
	return string(b.rest.Bytes(row))
}

func TestAppendInfersAndKeepsTheRest(t *testing.T) {
	tests := []struct {
		name     string
		events   []string
		schema   string
		unmapped []string // of each event
	}{
		{"scalars", []string{`{"a":1,"b":1.5,"c":"x","d":true,"e":null}`}, "a long; b double; c string; d boolean",
			[]string{""}},
		{"a null tells nothing", []string{`{"a":null}`, `{"a":"x"}`}, "a string", []string{"", ""}},
		{"structs and lists", []string{`{"a":{"b":[{"c":1}],"d":["x"]}}`},
			"a struct<b: list<struct<c: long>>, d: list<string>>", []string{""}},
		{"a long widens", []string{`{"a":1}`, `{"a":1.5}`}, "a double", []string{"", ""}},
		{"a large long does not", []string{`{"a":9007199254740993}`, `{"a":1.5}`}, "a long; a_double double",
			[]string{"", ""}},
		{"another type", []string{`{"a":{"b":1}}`, `{"a":{"b":"x","c":2}}`, `{"a":"y"}`},
			"a struct<b: long, b_text: string, c: long>; a_text string", []string{"", "", ""}},
		{"mixed list", []string{`{"a":[1,"x"]}`, `{"a":[1]}`, `{"a":[2,{}]}`}, "a list<long>",
			[]string{`{"a":[null,"x"]}`, "", `{"a":[null,{}]}`}},
		{"a list in which nothing fits", []string{`{"a":[1]}`, `{"a":["x",2]}`, `{"a":["y","z"]}`, `{"a":[true]}`},
			"a list<long>; a_list list<string>", []string{"", `{"a":["x"]}`, "", `{"a":[true]}`}},
		{"misfits within lists", []string{`{"a":[{"b":[1,"x"],"c":2},{"b":3,"c":"y"},5]}`},
			"a list<struct<b: list<long>, c: long, b_long: long, c_text: string>>", []string{`{"a":[{"b":[null,"x"]},null,5]}`}},
		{"empty ones in a list", []string{`{"a":[{"b":[],"c":1},{"b":[2],"d":{}}]}`, `{"a":[{"b":[]},{"d":{}}]}`,
			`{"a":[{"b":[]}]}`},
			"a list<struct<c: long, b: list<long>>>", []string{`{"a":[null,{"d":{}}]}`, `{"a":[null,{"d":{}}]}`, ""}},
		{"empty ones that others explain", []string{`{"a":[{"b":[]},{"b":[2]},{}]}`, `{"a":[[]],"c":[[],[1]]}`},
			"a list<struct<b: list<long>>>; c list<list<long>>", []string{"", `{"a":[[]]}`}},
		{"empty ones", []string{`{"a":{},"b":[],"c":[null]}`}, "", []string{`{"a":{},"b":[],"c":[null]}`}},
		{"empty ones that are known", []string{`{"a":{"x":1},"b":[1]}`, `{"a":{},"b":[],"c":[null]}`},
			"a struct<x: long>; b list<long>", []string{"", `{"c":[null]}`}},
		{"beyond 64 bits", []string{`{"a":9223372036854775807,"b":9223372036854775808,"c":1e400,"d":-0}`},
			"a long; b double; d double", []string{`{"b":9223372036854775808,"c":1e400}`}},
		{"a minus zero in a long", []string{`{"a":9007199254740993}`, `{"a":-0}`, `{"a":0.0}`}, "a long",
			[]string{"", `{"a":-0}`, ""}},
		{"numbers of twenty digits", []string{`{"a":9223372036854775807}`, `{"a":18446744073709551615}`},
			"a long; a_double double", []string{"", `{"a":18446744073709551615}`}},
		{"a double as programs print it", []string{`{"a":1591367999.3059881,"b":0.29999999999999999,"c":1591367999.30598812,"d":-1331904608.0800000}`}, "a double; b double; c double; d double", []string{`{"c":1591367999.30598812}`}},
		{"half-way between doubles", []string{`{"a":36893.6123046875}`, `{"a":3.0000000000000002220446049250313}`},
			"a double", []string{"", `{"a":3.0000000000000002220446049250313}`}},
		{"fractions beyond a double", []string{`{"a":0.1,"b":0.30000000000000004,"c":0.1234567890123456789}`},
			"a double; b double; c double", []string{`{"c":0.1234567890123456789}`}},
		{"whole numbers in a double", []string{`{"a":1.5}`, `{"a":2}`, `{"a":9007199254740993}`}, "a double",
			[]string{"", "", `{"a":9007199254740993}`}},
		{"dots are paths", []string{`{"id.orig_h":"a","id.resp_h":"b"}`, `{"id":{"orig_h":"c"}}`},
			"id struct<orig_h: string, resp_h: string>", []string{"", ""}},
		{"dots that cannot be", []string{`{"id":1,"id.x":2,"a..b":3,".":4}`}, "id long; id_object struct<x: long>",
			[]string{`{"a..b":3,".":4}`}},
		{"dots beside a text", []string{`{"l":{"app":"w","app.io/n":"x"}}`, `{"l":{"app":{"io/n":"y"}}}`,
			`{"l":{"app.io/n":5}}`}, "l struct<app: string, app_object: struct<io/n: string, io/n_long: long>>",
			[]string{"", "", ""}},
		{"a text beside dots", []string{`{"l":{"app.io/n":"x"}}`, `{"l":{"app":"w","app.io/n":"x"}}`},
			"l struct<app: struct<io/n: string>, app_text: string>", []string{"", ""}},
		{"a path twice", []string{`{"a.b":1,"a":{"b":2}}`, `{"a":{"b":2},"a.b":1}`}, "a struct<b: long>",
			[]string{`{"a":{"$repeated":[{"b":2}]}}`, `{"$repeated":[{"a.b":1}]}`}},
		{"a name that another column has taken",
			[]string{`{"a":1,"a_text":5}`, `{"a":"x"}`, `{"b":1}`, `{"b":"x"}`, `{"b_text":"y"}`},
			"a long; a_text long; b long; b_text string", []string{"", `{"a":"x"}`, "", "", `{"b_text":"y"}`}},
		{"booleans and texts", []string{`{"a":true}`, `{"a":"yes"}`, `{"a":1}`, `{"a":2.5}`, `{"a":[1]}`},
			"a boolean; a_text string; a_long long; a_double double; a_list list<long>", []string{"", "", "", "", ""}},
		{"other case", []string{`{"User":"a","user":"b"}`, `{"user":"c"}`}, "User string",
			[]string{`{"$repeated":[{"user":"b"}]}`, ""}},
		{"no name", []string{`{"":1,"a\u0000":2}`}, "", []string{`{"":1,"a\u0000":2}`}},
		{"odd names", []string{`{"@x y":1,"ü\"q":2}`}, `@x y long; ü"q long`, []string{""}},
		{"repeated", []string{`{"a":1,"a":2,"b":{"c":1,"c":"x"},"a":3}`}, "a long; b struct<c: long>",
			[]string{`{"b":{"$repeated":[{"c":"x"}]},"$repeated":[{"a":2},{"a":3}]}`}},
		{"repeated without a column", []string{`{"a":[],"a":1}`}, "", []string{`{"a":[],"$repeated":[{"a":1}]}`}},
		{"the marker of repetition", []string{`{"$repeated":[]}`}, "", []string{`{"$repeated":[{"$repeated":[]}]}`}},
		{"names of the lake", []string{`{"ingest_time":1,"stream_seq":2,"event_id":"x","unmapped":{"a":1},"Event_ID":3}`},
			"ingest_time_long long; stream_seq_long long; event_id string; unmapped_object struct<a: long>",
			[]string{`{"$repeated":[{"Event_ID":3}]}`}},
		{"half a surrogate", []string{`{"a":"\ud800","b":"\ud83d\ude00"}`}, "b string", []string{`{"a":"\ud800"}`}},
		{"too deep", []string{`{"a":{"b":{"c":{"d":1}}}}`}, "", []string{`{"a":{"b":{"c":{"d":1}}}}`}},
		{"too deep in part", []string{`{"a":{"b":{"c":1,"e":{"f":1}}}}`}, "a struct<b: struct<c: long>>",
			[]string{`{"a":{"b":{"e":{"f":1}}}}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBatch(tiers.Schema{}, Options{Limits: Limits{MaxDepth: 3}})
			for i, e := range tt.events {
				if err := b.Append(Meta{Seq: uint64(i + 1), Published: published}, published, []byte(e)); err != nil {
					t.Fatal(err)
				}
			}
			if got := types(b.Schema()); got != tt.schema {
				t.Errorf("schema %s, want %s", got, tt.schema)
			}
			for i, want := range tt.unmapped {
				if got := rest(b, i); got != want {
					t.Errorf("unmapped of event %d: %s, want %s", i, got, want)
				}
				checkRow(t, b, i, []byte(tt.events[i]))
			}
		})
	}
}

func TestAppendRejects(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	tests := []struct{ name, event, reason string }{
		{"empty", "", "not JSON: empty"},
		{"blank", " \n", "not JSON: empty"},
		{"text", "hello", "not JSON: unexpected character"},
		{"array", "[1]", "not a JSON object"},
		{"string", `"x"`, "not a JSON object"},
		{"cut", `{"a":`, "not JSON"},
		{"cut in a key", `{"a`, "not JSON: a string has no end"},
		{"trailing", `{"a":1} {}`, "not JSON: something follows the object"},
		{"comma", `{"a":1,}`, "not JSON: a key is missing"},
		{"control", "{\"a\":\"\n\"}", "control character"},
		{"escape", `{"a":"\x"}`, "wrong escape"},
		{"leading zero", `{"a":01}`, "not JSON"},
		{"plus", `{"a":+1}`, "not JSON"},
		{"NaN", `{"a":NaN}`, "not JSON"},
		{"UTF-8", "{\"a\":\"\xff\"}", "invalid UTF-8"},
		{"UTF-8 in a key", "{\"\xc0\x80\":1}", "invalid UTF-8"},
		{"UTF-8 surrogate", "{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8"},
		{"deep", deep, "nested deeper than 1,000 levels"},
		{"deep array", `{"a":` + strings.Repeat("[", 100_000), "nested deeper"},
		{"large", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, "larger than"},
		{"year 1602", `{"time":"1602-01-01T00:00:00Z"}`, "impossible time"},
		{"year 30000", `{"time":"30000-01-01T00:00:00Z"}`, "impossible time"},
		{"year 2262", `{"time":"2262-01-01T00:00:00Z"}`, "impossible time"},
		{"year 1066 in seconds", `{"timestamp":-28500000000}`, "impossible time"},
	}
	b := NewBatch(tiers.Schema{}, Options{Limits: Limits{MaxEventBytes: 1 << 20}})
	ok := []byte(`{"a":{"b":"x"},"l":[{"m":1}]}`)
	if err := b.Append(Meta{Seq: 1, Published: published}, published, ok); err != nil {
		t.Fatal(err)
	}
	before := b.Schema().Fields
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := b.Append(Meta{Seq: 2, Published: published}, published, []byte(tt.event))
			var r *Reject
			if !errors.As(err, &r) || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("got %v, want %q", err, tt.reason)
			}
			if len(tt.event) < 200 {
				// The same fault late in an event that has made columns.
				late := `{"new":{"x":[1]},"a":{"b":"y"},"l":[{"m":2}],"bad":` + tt.event + `}`
				if !json.Valid([]byte(tt.event)) && b.Append(Meta{Seq: 3}, published, []byte(late)) == nil {
					t.Errorf("%s was taken", late)
				}
			}
		})
	}
	if b.Rows() != 1 || fmt.Sprint(b.Schema().Fields) != fmt.Sprint(before) {
		t.Errorf("the batch has changed: %d rows, %s", b.Rows(), types(b.Schema()))
	}
	checkRow(t, b, 0, ok)
	if got := fmt.Sprint(b.Seqs()); got != "[{1 1}]" {
		t.Errorf("sequences %s", got)
	}
}

func TestMillionKeys(t *testing.T) {
	var e bytes.Buffer
	e.WriteByte('{')
	for i := range 1_000_000 {
		if i > 0 {
			e.WriteByte(',')
		}
		fmt.Fprintf(&e, `"k%d":%d`, i, i)
	}
	e.WriteByte('}')
	b := NewBatch(tiers.Schema{}, Options{Limits: Limits{MaxEventBytes: 64 << 20, MaxColumns: 100}})
	start := time.Now()
	for i := range 2 {
		if err := b.Append(Meta{Seq: uint64(i), Published: published}, published, e.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("two objects of a million keys took %s", time.Since(start))
	if n := len(b.Schema().Fields); n != 100 {
		t.Errorf("%d columns", n)
	}
	if got := bytes.Count(b.rest.Bytes(1), []byte{':'}); got != 1_000_000-94 {
		t.Errorf("unmapped has %d keys", got)
	}
}

func TestKnownSchemaStands(t *testing.T) {
	long := func(id int, name string) tiers.Field {
		return tiers.Field{ID: id, Name: name, Type: tiers.Type{Kind: tiers.KindLong}}
	}
	known := tiers.Schema{ID: 3, Fields: append(tiers.BaseFields(), long(9, "n"))}
	for i := range 5 {
		known.Fields[i].ID = i + 1
	}
	declared := tiers.Schema{Fields: []tiers.Field{
		{Name: "at", Type: tiers.Type{Kind: tiers.KindTimestamp}},
		{Name: "day", Type: tiers.Type{Kind: tiers.KindDate}},
		{Name: "raw", Type: tiers.Type{Kind: tiers.KindBinary}},
	}}
	b := NewBatch(known, Options{Declared: declared})
	events := []string{
		`{"n":1,"at":"2026-01-02T03:04:05Z","day":"2026-01-02","raw":"AQI="}`,
		`{"n":1.5,"at":"soon","day":"2026-02-30","raw":"?"}`,
		`{"n":2.0,"at":"2026-01-02T03:04:05.123456789Z","new":1}`,
	}
	for i, e := range events {
		if err := b.Append(Meta{Seq: uint64(i + 1), Published: published}, published, []byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := types(b.Schema()), "n long; at timestamptz; day date; raw binary; n_double double; at_text string; "+
		"day_text string; raw_text string; new long"; got != want {
		t.Errorf("schema %s, want %s", got, want)
	}
	if got, want := rest(b, 2), `{"at":"2026-01-02T03:04:05.123456789Z"}`; got != want {
		t.Errorf("unmapped %s, want %s", got, want)
	}
	s := b.Schema()
	if f, _ := s.Lookup("n"); f.ID != 9 || s.ID != 3 || b.t.Column("n").Int(2) != 2 {
		t.Errorf("n is %+v", f)
	}
	b.Reset(withIDs(s))
	if b.Rows() != 0 || types(b.Schema()) != types(s) {
		t.Errorf("after reset: %d rows, %s", b.Rows(), types(b.Schema()))
	}
}

func TestEventIDAndSeqs(t *testing.T) {
	b := NewBatch(tiers.Schema{}, Options{StreamTag: "k3"})
	add := func(m Meta) {
		if err := b.Append(m, published, []byte(`{"a":1}`)); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []Meta{{Seq: 7}, {Seq: 7, Index: 1}, {Seq: 8, ID: []byte("m")}, {Seq: 8, ID: []byte("m"), Index: 2},
		{Seq: 10}} {
		add(m)
	}
	for i, want := range []string{"k3-7", "k3-7#1", "m", "m#2", "k3-10"} {
		if got := string(b.EventID(i)); got != want {
			t.Errorf("id %s, want %s", got, want)
		}
	}
	if got := fmt.Sprint(b.Seqs()); got != "[{7 8} {10 10}]" {
		t.Errorf("sequences %s", got)
	}
	if b.Rows() != 5 {
		t.Errorf("%d rows", b.Rows())
	}
}
