package lake_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

var scores = []arrow.Field{tierstest.Nullable("entity", arrow.BinaryTypes.String),
	tierstest.Nullable("score", arrow.PrimitiveTypes.Int64)}

// promote runs the pipeline for two windows, the second of which replaces a
// key that the first wrote.
func promote(t *testing.T, s *lake.Sink) error {
	t.Helper()
	for hour, rows := range []string{
		`[{"entity": "ada", "score": 1}, {"entity": "bob", "score": 2}]`,
		`[{"entity": "bob", "score": 3}, {"entity": "cy", "score": 4}]`,
	} {
		start := time.Date(2026, 11, 2, hour, 0, 0, 0, time.UTC)
		_, err := s.Write(t.Context(), tiers.Write{Table: "t", Mode: tiers.Merge, Key: []string{"entity"}, Pipeline: "p",
			RunID: fmt.Sprint(hour), Start: start, End: start.Add(time.Hour), Rows: tierstest.RowsOf(t, scores, rows)})
		if err != nil {
			return err
		}
	}
	return nil
}

// TestEveryFailureOfASink fails each operation of two writes in turn, as if the
// process had died there; run again, the table holds each row once.
func TestEveryFailureOfASink(t *testing.T) {
	for i := 1; ; i += stride {
		f := &faults{failAt: i, crash: true}
		dir := t.TempDir()
		l, err := lake.Open(t.Context(), f.options(dir))
		if err == nil {
			if err = promote(t, lake.NewSink(l)); err != nil && !errors.Is(err, errInjected) {
				t.Fatalf("failure %d: %v", i, err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		l = open(t, options(dir))
		s := lake.NewSink(l)
		if err := promote(t, s); err != nil {
			t.Fatalf("after failure %d: %v", i, err)
		}
		infos, err := s.Tables(t.Context())
		if err != nil || len(infos) != 1 || infos[0].Rows != 3 {
			t.Fatalf("after failure %d the tables are %+v, %v; want 3 rows", i, infos, err)
		}
		if !f.reached() {
			return
		}
	}
}
