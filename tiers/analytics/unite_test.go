package analytics

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

// oldFindings is a table of findings as it was made when the sink's columns stood
// beside the findings' own, with rows of two windows and of another pipeline.
const oldFindings = `CREATE TABLE analytics.main.findings AS FROM (VALUES
	('a', 10::DOUBLE, 'p', 'r0', 'p', 'r0', TIMESTAMPTZ '2026-11-24 12:00:00Z', TIMESTAMPTZ '2026-11-24 13:00:00Z'),
	('b', 20.0, 'p', 'r1', 'p', 'r1', TIMESTAMPTZ '2026-11-24 13:00:00Z', TIMESTAMPTZ '2026-11-24 14:00:00Z'),
	('c', 30.0, NULL, NULL, 'q', 'r9', TIMESTAMPTZ '2026-11-24 13:00:00Z', TIMESTAMPTZ '2026-11-24 14:00:00Z'))
	t(finding_id, score, pipeline, run_id, _pipeline, _run_id, _window_start, _window_end)`

func findingRows(t *testing.T, run int, mode tiers.WriteMode, json string) tiers.Write {
	t.Helper()
	str := func(name string) arrow.Field { return tierstest.Nullable(name, arrow.BinaryTypes.String) }
	w := tierstest.WriteOf(run, mode, tierstest.RowsOf(t, []arrow.Field{str("finding_id"),
		tierstest.Nullable("score", arrow.PrimitiveTypes.Float64), str("pipeline"), str("run_id")}, json))
	w.Table = tiers.FindingsTable
	if mode == tiers.Merge {
		w.Key = []string{"finding_id"}
	}
	return w
}

func TestFindingsHaveOneColumnOfEach(t *testing.T) {
	for _, old := range []bool{false, true} {
		for _, mode := range []tiers.WriteMode{tiers.Append, tiers.ReplaceWindow, tiers.Merge} {
			e, s := openAt(t, filepath.Join(t.TempDir(), "a.duckdb"))
			if old {
				change(t, e, oldFindings)
			} else {
				for _, w := range []tiers.Write{
					findingRows(t, 0, mode, `[{"finding_id": "a", "score": 10, "pipeline": "p", "run_id": "r0"}]`),
					findingRows(t, 1, mode, `[{"finding_id": "b", "score": 20, "pipeline": "p", "run_id": "r1"}]`),
					func() tiers.Write {
						w := findingRows(t, 1, mode, `[{"finding_id": "c", "score": 30, "pipeline": "q", "run_id": "r9"}]`)
						w.Pipeline, w.RunID = "q", "r9"
						return w
					}(),
				} {
					if _, err := s.Write(t.Context(), w); err != nil {
						t.Fatal(err)
					}
				}
			}
			// The second window again, with another finding.
			w := findingRows(t, 1, mode, `[{"finding_id": "d", "score": 40, "pipeline": "p", "run_id": "r2"}]`)
			w.RunID = "r2"
			res, err := s.Write(t.Context(), w)
			if err != nil || res != (tiers.WriteResult{Inserted: 1, Deleted: 1}) {
				t.Fatalf("%s, old %t: %+v, %v", mode, old, res, err)
			}
			got, err := read(t.Context(), e, tiers.FindingsTable, []string{"finding_id", "pipeline", "run_id"})
			if err != nil {
				t.Fatal(err)
			}
			if want := [][]any{{"a", "p", "r0"}, {"c", "q", "r9"}, {"d", "p", "r2"}}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s, old %t: %v", mode, old, got)
			}
			infos, err := s.Tables(t.Context())
			if err != nil || len(infos) != 1 {
				t.Fatal(infos, err)
			}
			var names []string
			for _, f := range infos[0].Schema.Fields {
				names = append(names, f.Name)
			}
			if want := []string{"finding_id", "score", "pipeline", "run_id", "_window_start", "_window_end"}; !slices.Equal(names, want) {
				t.Errorf("columns %v", names)
			}
		}
	}
}

func change(t *testing.T, e *duckdb.Engine, sql string) {
	t.Helper()
	c, err := e.Conn(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
