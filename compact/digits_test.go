package compact

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/parquetfile"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

// column is an expression over every row of the table, as text.
func (w *world) column(t tiers.Table, expr string) (out []string) {
	w.Helper()
	w.must(t.Refresh(w.Context()))
	files, err := t.Files(w.Context(), 0, time.Time{}, time.Time{})
	w.must(err)
	s, err := w.engine.Open(w.Context(), query.View{Tables: []query.TableView{{Name: t.Name(), Schema: t.Schema(),
		Files: files}}}, query.Options{})
	w.must(err)
	defer s.Close()
	r, err := s.Query(w.Context(), "SELECT coalesce(CAST("+expr+" AS VARCHAR), 'null') AS v FROM lake."+t.Name()+
		" ORDER BY 1")
	w.must(err)
	defer r.Release()
	for r.Next() {
		for i := range int(r.RecordBatch().NumRows()) {
			out = append(out, r.RecordBatch().Column(0).(*array.String).Value(i))
		}
	}
	w.must(r.Err())
	slices.Sort(out)
	return out
}

func (w *world) same(t tiers.Table, expr string, want ...string) {
	w.Helper()
	if got := w.column(t, expr); !slices.Equal(got, want) {
		w.Errorf("%s: %v, want %v", expr, got, want)
	}
}

const (
	large = "12345678901234567890123"
	nines = "99999999999999999999999999999999999999"
)

func TestTheEngineReadsEveryDigitOfSums(t *testing.T) {
	w := newWorld(t)
	sum := &arrow.Decimal128Type{Precision: 38}
	fields := []arrow.Field{tierstest.Nullable("k", arrow.BinaryTypes.String), tierstest.Nullable("n", sum),
		tierstest.Nullable("l", arrow.ListOf(&arrow.Decimal128Type{Precision: 38, Scale: 6})),
		tierstest.Nullable("s", arrow.StructOf(tierstest.Nullable("n", sum)))}
	r := tierstest.RowsOf(t, fields, `[{"k": "a", "n": "`+large+`", "l": ["12345678901234567890.000001", null], "s": {"n": "-1"}}, {"k": "b", "n": "-`+nines+`", "l": []},
		{"k": "c", "n": "`+nines+`"}, {"k": "d", "s": {}}]`)
	_, err := lake.NewSink(w.lake).Write(t.Context(), tierstest.WriteOf(0, tiers.Append, r))
	w.must(err)
	tab, err := w.lake.Open(t.Context(), "t")
	w.must(err)
	w.same(tab, "sum(n) OVER () IS NOT NULL", "true", "true", "true", "true")
	w.same(tab, "n", "-"+nines, large, nines, "null")
	w.same(tab, "s.n", "-1", "null", "null", "null")
	w.same(tab, "l", "[12345678901234567890.000001, NULL]", "[]", "null", "null")
	// A merge writes the file anew.
	_, err = lake.NewSink(w.lake).Write(t.Context(),
		tierstest.WriteOf(1, tiers.Merge, tierstest.RowsOf(t, fields[:2], `[{"k": "a", "n": "-`+large+`"}]`)))
	w.must(err)
	w.same(tab, "n", "-"+large, "-"+nines, nines, "null")
}

// Decimals of every width go through a merge; columns are added to a lake by
// other engines too.
func TestAMergeKeepsTheDigitsOfDecimals(t *testing.T) {
	w := newWorld(t)
	s := w.table.Schema()
	widths := []int{1, 4, 9, 10, 18, 19, 28, 38}
	for _, p := range widths {
		s.Fields = append(s.Fields, tiers.Field{Name: fmt.Sprint("d", p), Type: tiers.Decimal(p, p/3)})
	}
	_, err := w.table.Evolve(t.Context(), s)
	w.must(err)
	for range 2 {
		w.ingest("EVENTS", day0, 3, func(tab *parquetfile.Table, row int) {
			for _, p := range widths {
				c := tab.Column(fmt.Sprint("d", p))
				switch v := int64(row%3) - 1; { // -1, 0 and 1, and nothing in some
				case row%3 != 1:
					c.SetDecimal(row, v>>63, uint64(v))
				case p > 18:
					c.SetDecimal(row, 0, 1<<63)
				}
			}
		})
	}
	var before [][]string
	for _, p := range widths {
		before = append(before, w.column(w.table, fmt.Sprint("d", p)))
	}
	w.same(w.table, "d19", "-0.000001", "-0.000001", "0.000001", "0.000001", "9223372036854.775808",
		"9223372036854.775808")
	if _, err := w.keeping(0).Compact(t.Context(), nil, false); err != nil {
		t.Fatal(err)
	}
	for i, p := range widths {
		w.same(w.table, fmt.Sprint("d", p), before[i]...)
	}
	if n := len(w.files()); n != 1 {
		t.Errorf("%d files", n)
	}
}
