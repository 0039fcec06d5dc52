package columnar

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

func add(t *testing.T, b *Batch, events ...string) {
	t.Helper()
	for _, e := range events {
		if err := b.Append(Meta{Seq: uint64(b.Rows() + 1), Published: published}, published, []byte(e)); err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		checkRow(t, b, b.Rows()-1, []byte(e))
	}
}

func told(b *Batch) []string {
	var out []string
	for _, m := range b.Misfits() {
		out = append(out, fmt.Sprintf("%s %s %s %d", m.Path, m.Reason, m.Column, m.Values))
	}
	slices.Sort(out)
	return out
}

func TestMisfitsAreCounted(t *testing.T) {
	b := NewBatch(tiers.Schema{}, Options{Limits: Limits{MaxDepth: 3}})
	add(t, b, `{"n":9007199254740993,"l":[1],"o":{"s":"x","p":{"q":1}},"Name":1}`,
		`{"n":1.5,"l":[2,true],"o":{"s":2,"p":{"q":{"r":1}}},"name":2}`,
		`{"n":2.5,"n":3,"":1,"huge":1e400,"o.s":3,"name":2}`,
		`{"time":"soon","unmapped":1,"l":["a"],"empty":{}}`)
	want := []string{" name  1", "empty no-type  1", "huge no-type  1", "l type l_list 1", "l[] no-type  1",
		"n repeated  1",
		"n type n_double 2", "name case Name 2", "o.p.q limit  1", "o.s type o.s_long 2", "time type time_text 1",
		"unmapped type unmapped_long 1"}
	if got := told(b); !slices.Equal(got, want) {
		t.Errorf("misfits\n %q, want\n %q", got, want)
	}
	b.Reset(withIDs(b.Schema()))
	if got := told(b); len(got) != 0 {
		t.Errorf("after a reset: %q", got)
	}
}

// TestColumnsBesideAreKnownAgain: after a restart the schema alone says which
// column takes what does not fit.
func TestColumnsBesideAreKnownAgain(t *testing.T) {
	events := []string{`{"n":9007199254740993,"l":{"app":"w"},"event_id":1}`,
		`{"n":1.5,"l":{"app.io/x":1,"app":"v"},"N":"t","event_id":"a"}`,
		`{"n":"t","n_double":7,"l":{"app":{"io/x":2}}}`}
	b := NewBatch(tiers.Schema{}, Options{})
	add(t, b, events...)
	schema := withIDs(b.Schema())
	b = NewBatch(schema, Options{})
	slices.Reverse(events)
	add(t, b, events...)
	if types(b.Schema()) != types(schema) {
		t.Errorf("schema %s became %s", types(schema), types(b.Schema()))
	}
	if _, err := b.Files(schema, parquetfile.Options{Stream: "s"}); err != nil {
		t.Fatal(err)
	}
}

func TestEventsHaveAnEventIDOfTheirOwn(t *testing.T) {
	b := NewBatch(tiers.Schema{}, Options{StreamTag: "s"})
	add(t, b, `{"a":1}`, `{"event_id":4625,"_event_id":"x"}`, `{"event_id":4624}`)
	s := b.Schema()
	if f, ok := s.Lookup("event_id"); !ok || f.Type.Kind != tiers.KindLong || s.EventID() != tiers.ColOwnEventID {
		t.Errorf("event ids are in %s; schema %+v", s.EventID(), s.Fields)
	}
	if id := string(b.EventID(0)); id != "s-1" {
		t.Errorf("id %q", id)
	}
	// A table that was there before keeps its column.
	known := tiers.Schema{Fields: tiers.BaseFields()}
	b = NewBatch(withIDs(known), Options{})
	add(t, b, `{"event_id":4625}`, `{"_event_id":"x"}`)
	if got := types(b.Schema()); got != "event_id_long long; _event_id string" ||
		b.Schema().EventID() != tiers.ColEventID {
		t.Errorf("schema %s, ids in %s", got, b.Schema().EventID())
	}
	// What is declared counts as if it had come.
	b = NewBatch(tiers.Schema{}, Options{Declared: tiers.Schema{Fields: []tiers.Field{{Name: "event_id",
		Type: tiers.Type{Kind: tiers.KindString}}}}})
	add(t, b, `{"event_id":"x"}`)
	if b.Schema().EventID() != tiers.ColOwnEventID {
		t.Errorf("schema %+v", b.Schema().Fields)
	}
}

func TestAWideEventLeavesRoom(t *testing.T) {
	wide := func(name string) string {
		var e strings.Builder
		for i := range 3000 {
			fmt.Fprintf(&e, `,"%s%d":%d`, name, i, i)
		}
		return "{" + e.String()[1:] + "}"
	}
	b := NewBatch(tiers.Schema{}, Options{})
	add(t, b, wide("k"), `{"status":"Failure"}`, wide("l"), `{"user":"ada"}`)
	for _, name := range []string{"status", "user"} {
		if _, ok := b.Schema().Lookup(name); !ok {
			t.Errorf("%s has no column", name)
		}
	}
	if b.Leaves() > 1000-200 {
		t.Errorf("%d columns", b.Leaves())
	}
	if got := told(b); !slices.ContainsFunc(got, func(s string) bool { return strings.HasSuffix(s, " limit  1") }) {
		t.Errorf("misfits %q", got)
	}
}
