package compact

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

func strings1(name string) tiers.Field {
	return tiers.Field{Name: name, Type: tiers.Type{Kind: tiers.KindString}}
}

// ask returns the ids of the rows of an untrusted query, in order.
func (w *world) ask(where string) []string {
	w.Helper()
	s, err := w.engine.Open(w.Context(), query.View{Tables: []query.TableView{{Name: "events", Schema: w.table.Schema(),
		Files: w.files()}}}, query.Options{})
	w.must(err)
	defer s.Close()
	r, err := s.Query(w.Context(), "SELECT event_id FROM lake.events WHERE "+where+" ORDER BY 1")
	w.must(err)
	defer r.Release()
	var out []string
	for r.Next() {
		for i := range int(r.RecordBatch().NumRows()) {
			out = append(out, r.RecordBatch().Column(0).ValueStr(i))
		}
	}
	w.must(r.Err())
	return out
}

// checkLookups compares what a look-up finds with what a condition finds that
// nothing can skip by.
func (w *world) checkLookups(field string, values ...string) {
	w.Helper()
	for _, v := range values {
		got, want := w.ask(fmt.Sprintf("%s = '%s'", field, v)), w.ask(fmt.Sprintf("concat(%s, '') = '%s'", field, v))
		if !slices.Equal(got, want) {
			w.Errorf("%s = %s finds %d rows, there are %d", field, v, len(got), len(want))
		}
	}
}

func TestASettledDayIsClusteredOnceAndFindsEveryValue(t *testing.T) {
	w := newWorld(t)
	w.ingest("EVENTS", day0, 9000, nil)
	s := w.table.Schema() // the user comes later
	s.Fields = append(s.Fields, tiers.Field{Name: "user",
		Type: tiers.Type{Kind: tiers.KindStruct, Fields: []tiers.Field{strings1("name"), strings1("uid")}}}, strings1("host"))
	_, err := w.table.Evolve(t.Context(), s)
	w.must(err)
	rnd := rand.New(rand.NewPCG(1, 2))
	people := func(t *parquetfile.Table, i int) {
		if n := rnd.IntN(400); n%9 > 0 { // some have no user, some a user without a name
			t.Column("user").SetStruct(i)
			if n%7 > 0 {
				t.Column("user").Member("name").SetString(i, fmt.Sprint("user", n))
			}
			t.Column("user").Member("uid").SetString(i, fmt.Sprint(n))
		}
		if rnd.IntN(3) > 0 {
			t.Column("host").SetString(i, fmt.Sprint("host", rnd.IntN(50)))
		}
	}
	w.ingest("EVENTS", day0, 9000, people)
	w.ingest("OTHER", day0, 14_000, people) // one file of its stream
	w.ingest("THIRD", day0, 100, people)    // too few rows to be worth it
	o := w.options(DefaultPolicy())
	o.Lookup = func(string) []string {
		return []string{"user.name", "src.ip", "host", "hops.ip", "absent", "stream_seq"}
	}
	m := NewMaintainer(MaintainerOptions{Lake: w.lake, Rewrite: o, Now: func() time.Time { return w.now }})
	rows := w.rows()
	if rep, err := m.Compact(t.Context(), nil, false); err != nil || rep.Count != 0 {
		t.Fatalf("the day is young: %v %v", rep, err)
	}
	w.now = day0.AddDate(0, 0, 4)
	rep, err := m.Compact(t.Context(), nil, false)
	w.must(err)
	w.must(w.table.Refresh(t.Context()))
	if got := w.rows(); !slices.Equal(got, rows) {
		t.Fatalf("%d rows became %d", len(rows), len(got))
	}
	w.checkSeqs()
	clustered := 0
	name, _ := w.table.Schema().Lookup("user.name")
	ip, _ := w.table.Schema().Lookup("src.ip")
	for _, f := range w.files() {
		if f.Clustered {
			clustered++
			if want := []int{ip.ID, name.ID}; !slices.Equal(f.Copies, slices.Sorted(slices.Values(want))) {
				t.Errorf("copies of %v, want %v", f.Copies, want)
			}
		}
	}
	if clustered != 2 || len(w.files()) != 3 {
		t.Errorf("%d of %d files are clustered\n%s", clustered, len(w.files()), rep)
	}
	if rep, err := m.Compact(t.Context(), nil, false); err != nil || rep.Merged.FilesIn != 0 {
		t.Errorf("again: %v %v", rep, err)
	}
	w.ingest("EVENTS", day0, 500, people) // late: a file in the order of time beside them
	var users, ips, hosts []string
	for i := range 400 {
		users, ips = append(users, fmt.Sprint("user", i)), append(ips, fmt.Sprint("192.0.2.", i))
	}
	for i := range 60 {
		hosts = append(hosts, fmt.Sprint("host", i))
	}
	w.checkLookups(`"user".name`, users[:25]...)
	w.checkLookups("src.ip", ips[235:260]...)
	w.checkLookups("host", hosts[40:]...)
	found := 0
	for i := range 15 {
		both := w.ask(fmt.Sprintf(`host = 'host%d' AND events."user".name = 'user%d'`, i, 10+i))
		if want := w.ask(fmt.Sprintf(`concat(host, '+', "user".name) = 'host%d+user%d'`, i, 10+i)); !slices.Equal(both,
			want) {
			t.Errorf("two at once find %v, there are %v", both, want)
		}
		found += len(both)
	}
	if found == 0 {
		t.Error("no two at once were found: the test shows nothing")
	}
}

// runs counts for each value of a column in how many places its rows lie.
func runs(t *parquetfile.Table, order []uint32, path string) map[string]int {
	out, c, last := map[string]int{}, column(t, path), ""
	for _, row := range order {
		v := ""
		if c.Has(int(row)) {
			v = string(c.Bytes(int(row)))
		}
		if v != last && v != "" {
			out[v]++
		}
		last = v
	}
	return out
}

func TestClustersKeepTheBusyTogetherAndTheirPartnersInOrder(t *testing.T) {
	s := tiers.Schema{Fields: []tiers.Field{
		{ID: 1, Name: "time", Required: true, Type: tiers.Type{Kind: tiers.KindTimestamp}},
		{ID: 2, Name: "user", Type: tiers.Type{Kind: tiers.KindStruct,
			Fields: []tiers.Field{{ID: 3, Name: "name", Type: tiers.Type{Kind: tiers.KindString}}}}},
		{ID: 4, Name: "ip", Type: tiers.Type{Kind: tiers.KindString}}}}
	tab := parquetfile.NewTable(s)
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 20_000 {
		u := rnd.IntN(500)
		ip := fmt.Sprintf("home%d.%d", u, rnd.IntN(2))
		switch {
		case rnd.IntN(3) > 0:
			ip = fmt.Sprint("office", u%5)
		case rnd.IntN(20) == 0:
			ip, u = "attacker", rnd.IntN(500)
		}
		tab.Column("time").SetInt(i, rnd.Int64N(1e9))
		if rnd.IntN(50) > 0 {
			tab.Column("user").SetStruct(i)
			tab.Column("user").Member("name").SetString(i, fmt.Sprint("user", u))
		}
		if rnd.IntN(50) > 0 {
			tab.Column("ip").SetString(i, ip)
		}
		tab.N++
	}
	order := byCluster(tab, []string{"user.name", "ip"})
	sorted := slices.Sorted(slices.Values(order))
	for i, row := range sorted {
		if int(row) != i {
			t.Fatalf("row %d is missing or twice", i)
		}
	}
	for ip, n := range runs(tab, order, "ip") {
		// All of an office or attacker is in one place; a home is with its user.
		if limit := 2; n > limit || (!strings.HasPrefix(ip, "home") && n > 1) {
			t.Errorf("%s is in %d places", ip, n)
		}
	}
	for user, n := range runs(tab, order, "user.name") {
		if n > 4 { // their own, the office, the attacker, and without an address
			t.Errorf("%s is in %d places", user, n)
		}
	}
	if far := runs(tab, byTime(tab), "ip")["office1"]; far < 100 {
		t.Errorf("in the order of time an office is in %d places: the test shows nothing", far)
	}
}

func TestPlanClusters(t *testing.T) {
	p := DefaultPolicy()
	p.Cluster = true
	now := day0.AddDate(0, 0, 9)
	for _, c := range []struct {
		name, files string
		clustered   int // the last so many are
		want        string
	}{
		{"a large file of a settled day is rewritten", "1 1 90000 900000", 0, "2026-11-03: merge 1 files, 900000 rows, " +
			"92160000 bytes (the day is settled)"},
		{"once", "1 1 90000 900000", 1, ""},
		{"not while the day is young", "8 1 90000 900000", 0, ""},
		{"few rows are not worth it", "1 1 500 1000", 0, ""},
		{"late rows join what is small", "1 1 500 1000\n1 3 9000 90000", 1, "2026-11-03: merge 2 files, 91000 rows, " +
			"9728000 bytes (the day is settled)"},
		{"late rows leave what is large", "1 1 500 1000\n1 3 90000 900000", 1, ""},
		{"a merge ends at the target's rows", "1 1 5000 600000 x2", 0,
			"2026-11-03: merge 1 files, 600000 rows, 5120000 bytes (the day is settled)\n2026-11-03: merge 1 files, 600000 " +
				"rows, 5120000 bytes (the day is settled)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := listing(t, c.files)
			for i := range c.clustered {
				files[len(files)-1-i].Clustered = true
			}
			var got []string
			for _, j := range Plan(files, p, now) {
				got = append(got, j.String())
			}
			if text := strings.Join(got, "\n"); text != c.want {
				t.Errorf("got\n%s\nwant\n%s", text, c.want)
			}
		})
	}
}
