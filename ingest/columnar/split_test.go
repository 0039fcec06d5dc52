package columnar

import (
	"bytes"
	"slices"
	"testing"

	"github.com/lakeward/lakeward/tiers"
)

func TestSplitTakesApartWhatSystemsSend(t *testing.T) {
	tests := []struct {
		name, data string
		want       []string
	}{
		{"values without line breaks", `{"n":1}{"n":2} {"n":3}`, []string{`{"n":1}`, `{"n":2}`, `{"n":3}`}},
		{"a brace in a text", `{"n":"}{"}`, []string{`{"n":"}{"}`}},
		{"a bad value between", "{\"n\":1}{\"n\":\"\x1b\"}{\"n\":3}", []string{`{"n":1}`, "{\"n\":\"\x1b\"}", `{"n":3}`}},
		{"values on lines", "{\"n\":1}{\"n\":2}\n{\"n\":3}", []string{`{"n":1}`, `{"n":2}`, `{"n":3}`}},
		{"values of several lines", "{\n\"n\":1\n}\n{\n\"n\":2\n}", []string{"{\n\"n\":1\n}", "{\n\"n\":2\n}"}},
		{"an envelope", `{"Records":[{"n":1},{"n":2}]}`, []string{`{"n":1}`, `{"n":2}`}},
		{"an envelope with a bad event", "{\"records\":[{\"n\":1},{\"n\":\"\x1b\"},{\"n\":3}]}",
			[]string{`{"n":1}`, "{\"n\":\"\x1b\"}", `{"n":3}`}},
		{"an event with records", `{"Records":[{"n":1}],"a":1}`, []string{`{"Records":[{"n":1}],"a":1}`}},
		{"an array with a bad element", `[{"n":1},{"n":tru},{"n":3}]`, []string{`{"n":1}`, `{"n":tru}`, `{"n":3}`}},
		{"an array in a line", "[{\"n\":1},{\"n\":2}]\n{\"n\":3}", []string{`{"n":1}`, `{"n":2}`, `{"n":3}`}},
		{"pairs", `[[1793500000.5,{"n":1}],[1793500001,{"n":2}]]`,
			[]string{`[1793500000.5,{"n":1}]`, `[1793500001,{"n":2}]`}},
		{"a pair", `[1793500000.5,{"n":1}]`, []string{`[1793500000.5,{"n":1}]`}},
		{"a pair with more about it", `[[1793500000.5,{"tag":"x"}],{"n":1}]`,
			[]string{`[[1793500000.5,{"tag":"x"}],{"n":1}]`}},
		{"text before an event", `hello {"n":1}`, []string{`hello {"n":1}`}},
		{"text after an event", `{"n":1}{"n":2}x`, []string{`{"n":1}`, `{"n":2}`, `x`}},
	}
	for _, tt := range tests {
		var got []string
		for part, err := range Split("auto", []byte(tt.data)) {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			got = append(got, string(part))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// FuzzSplitOrder: parts stand in the message in their order, and what is one
// event for Append stays one.
func FuzzSplitOrder(f *testing.F) {
	for _, s := range []string{`{"a":1}{"b":2}`, `{"Records":[{},{}]}`, `[[1793500000,{"a":1}],2]`, "{\"a\":\n1}\n{}",
		`[{"a":"}{"},{`, `{"a":[{}]} [{}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		at, n := 0, 0
		for part := range Split("auto", data) {
			i := bytes.Index(data[at:], part)
			if i < 0 {
				t.Fatalf("%q of %q is not after byte %d", part, data, at)
			}
			at, n = at+i+len(part), n+1
		}
		b := NewBatch(tiers.Schema{}, Options{})
		_, after := envelope(append(bytes.Clone(data), make([]byte, 16)...), 0)
		if b.Append(Meta{Seq: 1, Published: published}, published, data) == nil && n != 1 && after == 0 &&
			!bytes.Contains(data, []byte("ecords")) {
			t.Fatalf("one event became %d: %q", n, data)
		}
	})
}

func TestWhatTheStreamSaysBecomesColumns(t *testing.T) {
	b := NewBatch(tiers.Schema{}, Options{Metadata: []string{"subject", "sequence", "headers.Tenant", "headers.absent"}})
	long := bytes.Repeat([]byte("x"), 5000)
	head := append([]byte("NATS/1.0\r\ntenant: acme\xff\r\nTenant: other\r\nlong: "), long...)
	m := Meta{Seq: 7, Published: published, Subject: []byte("events.a.b"), Header: head}
	if err := b.Append(m, published, []byte(`{"subject":"mine","headers":{"Tenant":"spoofed"},"headers.Tenant":"spoofed","a":1}`)); err != nil {
		t.Fatal(err)
	}
	tenant := b.t.Column("headers").Member("Tenant")
	if got := string(b.t.Column("subject").Bytes(0)) + " " + string(tenant.Bytes(0)); got != "events.a.b acme\uFFFD" ||
		b.t.Column("sequence").Int(0) != 7 {
		t.Errorf("got %q", got)
	}
	if b.t.Column("headers").Member("absent").Has(0) {
		t.Error("a header that is absent has a value")
	}
	if got := rest(b, 0); got != `{"headers.Tenant":"spoofed"}` {
		t.Errorf("unmapped %s", got)
	}
	if got := string(b.t.Column("subject_text").Bytes(0)); got != "mine" {
		t.Errorf("the event's own subject is %q", got)
	}
	if got := string(b.t.Column("headers_object").Member("Tenant").Bytes(0)); got != "spoofed" {
		t.Errorf("the event's own headers have %q", got)
	}
	if v, _ := HeaderValue(head, "long"); len(v) != maxHeaderValue {
		t.Errorf("%d bytes of a header", len(v))
	}
}

func TestASubjectThatTheTableDoesNotTellIsAColumn(t *testing.T) {
	b := NewBatch(tiers.Schema{}, Options{Limits: Limits{MaxColumns: 8}})
	events := []string{`{"a":1,"b":2,"c":3}`, `{"stream_subject":"mine"}`, `{"a":2}`}
	for i, e := range events {
		m := Meta{Seq: uint64(i + 1), Published: published}
		if i == 2 {
			m.Subject = []byte("events.acme.a")
		}
		if err := b.Append(m, published, []byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	col := b.t.Column(tiers.ColStreamSubject)
	if col == nil || col.Has(1) || string(col.Bytes(2)) != "events.acme.a" || rest(b, 1) != `{"stream_subject":"mine"}` {
		t.Errorf("stream_subject is not the subject alone; unmapped %s", rest(b, 1))
	}
}
