package ingest

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/lakeward/lakeward/ingest/format"
	"github.com/lakeward/lakeward/ingest/mapping"
)

// testMapping makes sign-ins of events with a login, and API calls of those
// with a call.
func testMapping(t *testing.T) mapping.Set {
	t.Helper()
	m, ps := mapping.Parse("m.yaml", []byte(`name: product
vendor: V
product: P
takes: {kind: "*"}
set: {time: at}
rules:
  - name: sign-in
    when: {kind: login}
    class: authentication
    set: {user.name: who, service.name: =S}
  - name: call
    when: {kind: call}
    class: api_activity
    set: {actor.user.name: who, api.operation: op, src_endpoint.ip: from}
`))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	return mapping.Set{m}
}

const (
	aLogin = `{"kind":"login","at":"2026-11-28T10:00:00Z","who":"Ada","n":1}`
	aCall  = `{"kind":"call","at":"2026-11-28T10:00:01Z","who":"Ada","op":"Get","from":"10.0.0.1"}`
	aWalk  = `{"kind":"walk","at":"2026-11-28T10:00:02Z"}`
)

// TestEventsOfAMessageGoToTheTablesOfTheirClasses also starts the source again
// after each message, so that it knows repeats by what the tables have.
func TestEventsOfAMessageGoToTheTablesOfTheirClasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := w.options(w.lake)
		o.Mappings = testMapping(t)
		for _, m := range []struct{ id, data string }{
			{"one", aLogin},
			{"three", aLogin + "\n" + aCall + "\n" + aWalk},
			{"three", aLogin + "\n" + aCall + "\n" + aWalk},
			{"broken", `{"kind":` + "\n" + aCall},
			{"broken", `{"kind":` + "\n" + aCall},
			{"walk", aWalk},
			{"walk", aWalk},
		} {
			w.stream.publish("events.raw", m.id, m.data)
			w.drain(o)
		}
		for table, want := range map[string][]string{
			"authentication": {"0001 one 0", "0002 three 0"},
			"api_activity":   {"0002 three#1 0", "0004 broken#1 0"},
			"raw":            {"0002 three#2 0", "0006 walk 0"},
			Quarantine:       {"0004 broken 0 not JSON"},
			Skipped:          {"0003 three -1 repeat", "0005 broken -1 repeat", "0007 walk -1 repeat"},
		} {
			if got := w.rows(table); !slices.Equal(got, want) {
				t.Errorf("lake.%s has %q, not %q", table, got, want)
			}
		}
		w.verify()
	})
}

// TestEventsThatAFormatWritesOverEachOtherAreMappedEach has events of the same
// length, which stand at the same place one after another.
func TestEventsThatAFormatWritesOverEachOtherAreMappedEach(t *testing.T) {
	kv, err := format.Named("kv")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		o := w.options(w.lake)
		o.Mappings, o.Format = testMapping(t), kv
		for _, id := range []string{"", "named"} {
			w.stream.publish("events.raw", id, "kind=login at=2026-11-28T10:00:00Z who=Ada\n"+
				"kind=walks at=2026-11-28T10:00:00Z who=Ada\nkind=login at=2026-11-28T10:00:00Z who=Bob\n")
		}
		w.drain(o)
		if got := len(w.rows("authentication")); got != 4 {
			t.Errorf("lake.authentication has %d rows, not 4: %q", got, w.rows("authentication"))
		}
		if got := len(w.rows("raw")); got != 2 {
			t.Errorf("lake.raw has %d rows, not 2: %q", got, w.rows("raw"))
		}
	})
}

func TestASourceSaysWhichMappingFitsItsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for data, want := range map[string]string{aLogin: "product", `{"other":1}`: ""} {
			w := newWorld(t)
			o := w.options(w.lake)
			o.Known = testMapping(t)
			for range 30 {
				w.stream.publish("events.raw", "", data)
			}
			if got := w.drain(o).LooksLike; got != want {
				t.Errorf("%s looks like %q, not %q", data, got, want)
			}
		}
	})
}
