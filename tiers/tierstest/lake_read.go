package tierstest

import (
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/removal"
)

func testEvolve(c *lakeCase) {
	str, long := tiers.Type{Kind: tiers.KindString}, tiers.Type{Kind: tiers.KindLong}
	before := c.tab.Schema()
	list := func(fields ...tiers.Field) tiers.Type {
		return tiers.Type{Kind: tiers.KindList,
			Elem: &tiers.Field{Name: "element", Type: tiers.Type{Kind: tiers.KindStruct, Fields: fields}}}
	}
	want := tiers.Schema{Fields: []tiers.Field{
		{Name: "src", Type: tiers.Type{Kind: tiers.KindStruct, Fields: []tiers.Field{
			{Name: "port", Type: long},
			{Name: "geo", Type: tiers.Type{Kind: tiers.KindStruct, Fields: []tiers.Field{{Name: "city", Type: str}}}},
		}}},
		{Name: "hops", Type: list(tiers.Field{Name: "port", Type: long})},
		{Name: "paths", Type: list(tiers.Field{Name: "name", Type: str})},
		{Name: "tags", Type: long}, // an existing field keeps its type
	}}
	got, err := c.tab.Evolve(c.ctx, want)
	if err != nil {
		c.Fatal(err)
	}
	again, err := c.handle().Evolve(c.ctx, want)
	if err != nil || again.ID != got.ID {
		c.Fatalf("evolving to the same schema gives %d, %v; want %d", again.ID, err, got.ID)
	}
	paths := map[string]tiers.Kind{"src.ip": tiers.KindString, "src.port": tiers.KindLong,
		"src.geo.city": tiers.KindString,
		"hops":         tiers.KindList, "paths": tiers.KindList, "tags": tiers.KindList, tiers.ColTime: tiers.KindTimestamp}
	for path, kind := range paths {
		f, ok := got.Lookup(path)
		if !ok || f.Type.Kind != kind {
			c.Errorf("%s is %v (found %v), want %v", path, f.Type, ok, kind)
		}
	}
	hops, _ := got.Lookup("hops")
	if s := hops.Type.String(); s != "list<struct<ip: string, port: long>>" {
		c.Errorf("hops is %s", s)
	}
	ids := map[int]bool{}
	uniqueIDs(c, got.Fields, ids)
	for _, f := range before.Fields {
		if g, _ := got.Lookup(f.Name); g.ID != f.ID {
			c.Errorf("id of %s changed from %d to %d", f.Name, f.ID, g.ID)
		}
	}
	c.must(c.ingest(c.tab, 1, day0, nil, c.mark(1)))
	c.wantRows(1)
}

func uniqueIDs(c *lakeCase, fields []tiers.Field, seen map[int]bool) {
	c.Helper()
	for _, f := range fields {
		if f.ID == 0 || seen[f.ID] {
			c.Errorf("field %s has id %d", f.Name, f.ID)
		}
		seen[f.ID] = true
		uniqueIDs(c, f.Type.Fields, seen)
		if f.Type.Elem != nil {
			uniqueIDs(c, []tiers.Field{*f.Type.Elem}, seen)
		}
	}
}

func testPrune(c *lakeCase) {
	var mark *tiers.Mark
	for d := range 5 {
		next := c.mark(uint64(d + 1))
		c.must(c.ingest(c.tab, 1, day0.AddDate(0, 0, d), mark, next))
		mark = next
	}
	day := func(d int) time.Time { return day0.AddDate(0, 0, d) }
	for _, tc := range []struct {
		from, to time.Time
		want     int
	}{
		{time.Time{}, time.Time{}, 5},
		{day(1), day(3), 2},
		{day(1).Add(time.Minute), day(2), 1},     // bounds are inclusive
		{day(1).Add(2 * time.Minute), day(2), 0}, // past the file of day 1
		{day(2), time.Time{}, 3},
		{time.Time{}, day(2), 2},
		{day(9), day(10), 0},
	} {
		if got := c.list(0, tc.from, tc.to); len(got) != tc.want {
			c.Errorf("%d files in [%s, %s), want %d", len(got), tc.from, tc.to, tc.want)
		}
	}
	f := c.list(0, day(2), day(3))[0]
	if !f.TimeMin.Equal(day(2)) || !f.TimeMax.Equal(day(2).Add(time.Minute)) || f.Rows != 1 || f.Size != 5 ||
		f.Day != int32(day(2).Unix()/86400) {
		c.Errorf("file is %+v", f)
	}
}

func testAdded(c *lakeCase) {
	s1 := c.must(c.ingest(c.tab, 1, day0, nil, c.mark(1)))
	s2 := c.must(c.ingest(c.tab, 2, day0, c.mark(1), c.mark(2)))
	c.must(c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), From: c.mark(2), To: c.mark(3)}))
	s3 := c.must(c.ingest(c.tab, 4, day0, c.mark(3), c.mark(4)))
	c.added(0, 0, true, 1, 2, 4)
	c.added(s1.ID, 0, true, 2, 4)
	c.added(s1.ID, s2.ID, true, 2)
	c.added(s3.ID, 0, true)
	c.added(s3.ID, s1.ID, false)
	c.added(12345, 0, false)
	s4 := c.must(c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), SameRows: true,
		Remove: c.list(0, time.Time{}, time.Time{}), Add: []tiers.DataFile{c.file(7, day0, day0)}}))
	c.added(s1.ID, 0, true, 2, 4)
	c.added(s4.ID, 0, true)
	c.must(c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), Base: s4.ID,
		Remove: c.list(0, time.Time{}, time.Time{}), Add: []tiers.DataFile{c.file(6, day0, day0)}}))
	c.added(s1.ID, 0, false)

	// Retention takes old days out whole: it brings nothing new.
	s6 := c.must(c.ingest(c.tab, 2, day0, c.mark(4), c.mark(5)))
	c.must(c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), Remove: c.list(0, time.Time{}, time.Time{}),
		Summary: map[string]string{removal.SummaryKey: removal.Retain}}))
	c.added(s6.ID, 0, true)
	c.must(c.ingest(c.tab, 3, day0, c.mark(5), c.mark(6)))
	c.added(s6.ID, 0, true, 3)
	c.must(c.tab.Commit(c.ctx, tiers.Commit{ID: c.id(), Remove: c.list(0, time.Time{}, time.Time{}),
		Summary: map[string]string{removal.SummaryKey: removal.Erase}}))
	c.added(s6.ID, 0, false)
}

func (c *lakeCase) added(since, until int64, wantOK bool, rows ...int64) {
	c.Helper()
	files, ok, err := c.handle().Added(c.ctx, since, until)
	if err != nil || ok != wantOK {
		c.Fatalf("added since %d: ok %v, %v; want ok %v", since, ok, err, wantOK)
	}
	var got []int64
	for _, f := range files {
		got = append(got, f.Rows)
	}
	slices.Sort(got)
	if ok && !slices.Equal(got, rows) {
		c.Fatalf("files added since %d have %v rows, want %v", since, got, rows)
	}
}

func testSnapshots(c *lakeCase) {
	s1 := c.must(c.ingest(c.tab, 1, day0, nil, c.mark(1)))
	stale := c.handle()
	c.must(c.ingest(c.tab, 2, day0, c.mark(1), c.mark(2)))
	if got := c.list(s1.ID, time.Time{}, time.Time{}); len(got) != 1 || got[0].Rows != 1 {
		c.Fatalf("the first snapshot lists %v", got)
	}
	if got := len(c.handle().Snapshots()); got != 2 {
		c.Fatalf("%d snapshots, want 2", got)
	}
	if cur, _ := stale.Current(); cur.ID != s1.ID {
		c.Fatal("a handle moved without Refresh")
	}
	if err := stale.Refresh(c.ctx); err != nil {
		c.Fatal(err)
	}
	if cur, _ := stale.Current(); cur.Parent != s1.ID {
		c.Fatal("Refresh did not move the handle")
	}
	if _, err := stale.Files(c.ctx, 99, time.Time{}, time.Time{}); err == nil {
		c.Fatal("files of a snapshot that never was")
	}
}

func testUnpartitioned(c *lakeCase) {
	fields := []tiers.Field{{Name: "k", Type: tiers.Type{Kind: tiers.KindString}}}
	if _, err := c.lake.Create(c.ctx, "bad", tiers.Schema{Fields: fields}, tiers.Options{}); err == nil {
		c.Fatal("a table without time was partitioned by day")
	}
	tab, err := c.lake.Create(c.ctx, "plain", tiers.Schema{Fields: fields},
		tiers.Options{Unpartitioned: true, Properties: map[string]string{"a": "b"}})
	if err != nil {
		c.Fatal(err)
	}
	if tab.Properties()["a"] != "b" {
		c.Error("the property is lost")
	}
	c.tab = tab
	c.must(tab.Commit(c.ctx, tiers.Commit{ID: c.id(), Add: []tiers.DataFile{c.file(3, day0, day0)}}))
	files, err := tab.Files(c.ctx, 0, day0.AddDate(1, 0, 0), time.Time{})
	if err != nil || len(files) != 1 {
		c.Fatalf("%d files, %v; a file without time is always listed", len(files), err)
	}
}

func testNames(c *lakeCase) {
	_, err := c.lake.Create(c.ctx, "events", Schema(), tiers.Options{})
	c.is(err, tiers.ErrConflict)
	for _, name := range []string{"", "a.b", "a/b", "..", "1a", strings.Repeat("a", 300)} {
		if _, err := c.lake.Create(c.ctx, name, Schema(), tiers.Options{}); err == nil {
			c.Errorf("table %q was made", name)
		}
	}
	_, err = c.lake.Open(c.ctx, "nothing")
	c.is(err, tiers.ErrNoTable)
	c.is(c.lake.Drop(c.ctx, "nothing"), tiers.ErrNoTable)
	c.must(c.ingest(c.tab, 1, day0, nil, c.mark(1)))
	old := c.tab
	if err := c.lake.Drop(c.ctx, "events"); err != nil {
		c.Fatal(err)
	}
	if names, err := c.lake.Tables(c.ctx); err != nil || len(names) != 0 {
		c.Fatalf("tables are %v, %v", names, err)
	}
	if c.tab, err = c.lake.Create(c.ctx, "events", Schema(), tiers.Options{}); err != nil {
		c.Fatal(err)
	}
	c.wantRows(0)
	_, err = c.ingest(old, 1, day0, c.mark(1), c.mark(2))
	c.is(err, tiers.ErrHalt)
	c.wantRows(0)
}
