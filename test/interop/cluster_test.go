package interop

import (
	"fmt"
	"testing"
	"time"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// TestClusteredDays: what is beside the schema in a clustered file, copies of
// columns and their filters, is in nobody's way.
func TestClusteredDays(t *testing.T) {
	s := newSite(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	text := tiers.Type{Kind: tiers.KindString}
	tab, err := s.lake.Create(t.Context(), "logons",
		tiers.Schema{Fields: append(tiers.BaseFields(), structure("user", tiers.Field{Name: "name", Type: text}),
			structure("src", tiers.Field{Name: "ip", Type: text}))}, tiers.Options{})
	must(err)
	const files, perFile = 2, 9000
	for n := range files {
		rows := parquetfile.NewTable(tab.Schema())
		for i := range perFile {
			seq := n*perFile + i
			at := day0.Add(time.Duration(i) * time.Second).UnixMicro()
			rows.Column(tiers.ColTime).SetInt(i, at)
			rows.Column(tiers.ColIngestTime).SetInt(i, at)
			rows.Column(tiers.ColStreamSeq).SetInt(i, int64(seq+1))
			rows.Column(tiers.ColEventID).SetString(i, fmt.Sprint("e", seq))
			if i%10 > 0 {
				rows.Column("user").SetStruct(i)
				rows.Column("user").Member("name").SetString(i, fmt.Sprint("user", seq*7919%300))
			}
			rows.Column("src").SetStruct(i)
			rows.Column("src").Member("ip").SetString(i, fmt.Sprint("192.0.2.", seq*31%90))
			rows.N++
		}
		f, err := parquetfile.NewWriter().Write(rows, nil,
			parquetfile.Options{Schema: tab.Schema(), Sorted: []string{tiers.ColTime}})
		must(err)
		written, err := tab.WriteNew(t.Context(), f.Info, f.Data)
		must(err)
		_, err = tab.Commit(t.Context(), tiers.Commit{ID: fmt.Sprint("f", n), Add: []tiers.DataFile{written}})
		must(err)
	}
	keeper := compact.NewMaintainer(compact.MaintainerOptions{Lake: s.lake,
		Now: func() time.Time { return day0.AddDate(0, 0, 9) }, Rewrite: compact.Options{
			Engine: s.eng, Policy: compact.DefaultPolicy(), Bloom: func(string) []string { return nil },
			Lookup: func(string) []string { return []string{"user.name", "src.ip"} }}})
	_, err = keeper.Compact(t.Context(), nil, false)
	must(err)
	must(tab.Refresh(t.Context()))
	now, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
	must(err)
	if len(now) != 1 || !now[0].Clustered || len(now[0].Copies) != 2 {
		t.Fatalf("the day is not clustered: %+v", now)
	}
	s.agree([]check{
		{Table: "logons", rows: files * perFile, Since: "2026-11-02T01:00:00+00:00",
			SQL: "SELECT count(*)::VARCHAR, count(DISTINCT event_id)::VARCHAR, sum(stream_seq)::VARCHAR, " +
				"count(\"user\".name)::VARCHAR, min(time)::VARCHAR FROM t"},
		{Table: "logons", rows: files * perFile, SQL: "SELECT count(*)::VARCHAR, sum(stream_seq)::VARCHAR FROM t WHERE " +
			"src.ip = '192.0.2.7'"},
		{Table: "logons", rows: files * perFile, SQL: "SELECT count(*)::VARCHAR, sum(stream_seq)::VARCHAR FROM t WHERE " +
			"\"user\".name = 'user77'"},
	})
}
