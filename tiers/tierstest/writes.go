package tierstest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/lakeward/lakeward/tiers"
)

// RowsOf reads rows from a JSON array of objects. They are released with the test.
func RowsOf(t *testing.T, fields []arrow.Field, json string) array.RecordReader {
	t.Helper()
	s := arrow.NewSchema(fields, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, s, strings.NewReader(json))
	if err != nil {
		t.Fatal(err)
	}
	r, err := array.NewRecordReader(s, []arrow.RecordBatch{rec})
	rec.Release()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Release)
	return r
}

// Noon is when the windows of WriteOf begin to count.
func Noon() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

// WriteOf is what the n-th hourly run of pipeline p writes to table t; a merge
// is by the column k.
func WriteOf(run int, mode tiers.WriteMode, rows array.RecordReader) tiers.Write {
	at := Noon().Add(time.Duration(run) * time.Hour)
	w := tiers.Write{Table: "t", Mode: mode, Pipeline: "p", RunID: fmt.Sprint("r", run), Start: at, End: at.Add(time.Hour),
		Rows: rows}
	if mode == tiers.Merge {
		w.Key = []string{"k"}
	}
	return w
}

// Nullable is a field that may be null.
func Nullable(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}
