package postgres

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/jackc/pgx/v5"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

// oldFindings is a table of findings as it was made when the sink's columns stood
// beside the findings' own and the evidence was a text.
const oldFindings = `CREATE SCHEMA analytics; CREATE TABLE analytics.findings (finding_id text, evidence text, pipeline text,
	run_id text, _pipeline text, _run_id text, _window_start timestamptz, _window_end timestamptz);
	CREATE INDEX ON analytics.findings (_pipeline, _window_start, _window_end);
	INSERT INTO analytics.findings VALUES
	('a', '{"n": 1}', 'p', 'r0', 'p', 'r0', '2026-11-24 12:00:00Z', '2026-11-24 13:00:00Z'),
	('b', 'no JSON', 'p', 'r1', 'p', 'r1', '2026-11-24 13:00:00Z', '2026-11-24 14:00:00Z'),
	('c', NULL, NULL, NULL, 'q', 'r9', '2026-11-24 13:00:00Z', '2026-11-24 14:00:00Z');`

// rewritten is the write of the second window of pipeline p again.
func rewritten(t *testing.T, mode tiers.WriteMode) tiers.Write {
	t.Helper()
	str := func(name string) arrow.Field { return tierstest.Nullable(name, arrow.BinaryTypes.String) }
	w := tierstest.WriteOf(1, mode, tierstest.RowsOf(t, []arrow.Field{str("finding_id"), str("evidence"), str("pipeline"),
		str("run_id")}, `[{"finding_id": "d", "evidence": "{\"n\": 4}", "pipeline": "p", "run_id": "r2"}]`))
	w.Table, w.RunID = tiers.FindingsTable, "r2"
	if mode == tiers.Merge {
		w.Key = []string{"finding_id"}
	}
	return w
}

func person(t *testing.T, url, sql string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestFindingsOfAnEarlierVersionAreRenewed(t *testing.T) {
	for _, mode := range []tiers.WriteMode{tiers.Append, tiers.ReplaceWindow, tiers.Merge} {
		url := server.URL(t)
		person(t, url, oldFindings)
		s := openAt(t, url)
		for n := range 2 {
			res, err := s.Write(t.Context(), rewritten(t, mode))
			if err != nil || res != (tiers.WriteResult{Inserted: 1, Deleted: 1}) {
				t.Fatalf("%s, write %d: %+v, %v", mode, n, res, err)
			}
		}
		holds(t, url, "SELECT finding_id, evidence->'n', pipeline, run_id FROM analytics.findings ORDER BY 1",
			"[[a 1 p r0] [c <nil> q r9] [d 4 p r2]]")
		holds(t, url, "SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position) FROM "+
			"information_schema.columns WHERE table_name = 'findings'", "[[finding_id text, evidence jsonb, pipeline text, "+
			"run_id text, _window_start timestamp with time zone, _window_end timestamp with time zone]]")
		holds(t, url, "SELECT count(*) FROM pg_indexes WHERE tablename = 'findings' AND indexdef LIKE "+
			"'%(pipeline, _window_start, _window_end)'", "[[1]]")
	}
}

// A view of a person's keeps what it depends on, filled as before.
func TestAViewOverOldFindingsStays(t *testing.T) {
	url := server.URL(t)
	person(t, url, oldFindings+"CREATE VIEW mine AS SELECT finding_id, evidence, _pipeline, _run_id FROM analytics.findings")
	s := openAt(t, url)
	for _, mode := range []tiers.WriteMode{tiers.ReplaceWindow, tiers.Merge} {
		if _, err := s.Write(t.Context(), rewritten(t, mode)); err != nil {
			t.Fatal(err)
		}
		holds(t, url, "SELECT finding_id, evidence, _pipeline, _run_id FROM mine ORDER BY 1",
			fmt.Sprint([][]any{{"a", `{"n": 1}`, "p", "r0"}, {"c", nil, "q", "r9"}, {"d", `{"n": 4}`, "p", "r2"}}))
	}
	person(t, url, "DROP VIEW mine")
	if _, err := s.Write(t.Context(), rewritten(t, tiers.Merge)); err != nil {
		t.Fatal(err)
	}
	holds(t, url, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'findings' AND (column_name IN "+
		"('_pipeline', '_run_id') OR column_name = 'evidence' AND data_type = 'text')", "[[0]]")
}
