package tierstest

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/lakeward/lakeward/tiers"
)

// SinkUnderTest is a sink, and a way to see what it holds.
type SinkUnderTest struct {
	tiers.Sink
	// Read returns the named columns of every row of a table, in any order.
	// A column that the table lacks is an error. Values are nil, bool, int64,
	// float64, string or time.Time (UTC); a decimal is a string.
	Read func(ctx context.Context, table string, columns ...string) ([][]any, error)
	// Fail, if set, makes the next write fail before its commit. Without it
	// atomicity is tested by a reader that breaks.
	Fail func()
}

// sinkCase is a sink and the window that its writes are about.
type sinkCase struct {
	*testing.T
	ctx  context.Context
	sink SinkUnderTest
	mem  *memory.CheckedAllocator
}

// TestSink runs the suite. open makes an empty sink and registers its closing;
// the suite calls it once for each case.
func TestSink(t *testing.T, open func(t *testing.T) SinkUnderTest) {
	cases := map[string]func(*sinkCase){
		"append":                          testAppend,
		"append again replaces the run":   testAppendAgain,
		"replace_window":                  testReplaceWindow,
		"merge by key":                    testMerge,
		"merge keeps the last of a key":   testMergeRepeats,
		"merge treats null keys as equal": testMergeNull,
		"overwrite":                       testOverwrite,
		"every mode is idempotent":        testIdempotent,
		"two pipelines in one table":      testPipelines,
		"an empty result clears":          testEmptyResult,
		"a failed reader changes nothing": testAtomic,
		"provenance":                      testProvenance,
		"a column comes and goes":         testSinkEvolve,
		"every kind of value":             testKinds,
		"every digit of a decimal":        testDigits,
		"decimals with a fraction":        testFractions,
		"columns of older versions":       testOlderColumns,
		"unsigned numbers":                testUnsigned,
		"retention":                       testRetain,
		"drop":                            testDrop,
		"tables":                          testTables,
		"bad writes":                      testBadWrites,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			c := &sinkCase{T: t, ctx: t.Context(), sink: open(t), mem: memory.NewCheckedAllocator(memory.DefaultAllocator)}
			run(c)
			c.mem.AssertSize(t, 0)
		})
	}
}

// Row is the suite's row: a time, an entity and a score.
type row struct {
	at     time.Time
	entity any // string or nil
	score  float64
}

var scored = arrow.NewSchema([]arrow.Field{
	{Name: "time", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true},
	{Name: "entity", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "score", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
}, nil)

// hour is the window [h, h+1) of the suite's day.
func hour(h int) (time.Time, time.Time) {
	return day0.Add(time.Duration(h) * time.Hour), day0.Add(time.Duration(h+1) * time.Hour)
}

// write promotes rows of pipeline p, whose window is hour h, into table t.
func (c *sinkCase) write(p string, h int, mode tiers.WriteMode, rows ...row) (tiers.WriteResult, error) {
	c.Helper()
	r := c.reader(rows)
	defer r.Release()
	return c.sink.Write(c.ctx, c.spec(p, h, mode, r))
}

func (c *sinkCase) spec(p string, h int, mode tiers.WriteMode, r array.RecordReader) tiers.Write {
	from, to := hour(h)
	w := tiers.Write{Table: "t", Mode: mode, Pipeline: p, RunID: fmt.Sprintf("%s@%d", p, h), Start: from, End: to, Rows: r}
	if mode == tiers.Merge {
		w.Key = []string{"entity"}
	}
	return w
}

func (c *sinkCase) reader(rows []row) array.RecordReader {
	c.Helper()
	b := array.NewRecordBuilder(c.mem, scored)
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(r.at.UnixMicro()))
		if r.entity == nil {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(r.entity.(string))
		}
		b.Field(2).(*array.Float64Builder).Append(r.score)
	}
	return c.batches(scored, b.NewRecordBatch())
}

// batches is a reader that owns the batches.
func (c *sinkCase) batches(s *arrow.Schema, recs ...arrow.RecordBatch) array.RecordReader {
	c.Helper()
	r, err := array.NewRecordReader(s, recs)
	if err != nil {
		c.Fatal(err)
	}
	for _, rec := range recs {
		rec.Release()
	}
	return r
}

func (c *sinkCase) wrote(want tiers.WriteResult) func(tiers.WriteResult, error) {
	return func(got tiers.WriteResult, err error) {
		c.Helper()
		if err != nil {
			c.Fatal(err)
		}
		if got != want {
			c.Fatalf("write changed %+v, want %+v", got, want)
		}
	}
}

func (c *sinkCase) ok(got tiers.WriteResult, err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// holds compares the table's (entity, score) pairs with want, in any order.
func (c *sinkCase) holds(want ...[]any) {
	c.Helper()
	c.columns([]string{"entity", "score"}, want...)
}

func (c *sinkCase) columns(columns []string, want ...[]any) {
	c.Helper()
	got, err := c.sink.Read(c.ctx, "t", columns...)
	if err != nil {
		c.Fatal(err)
	}
	if !sameRows(got, want) {
		c.Fatalf("table has\n %v\nwant\n %v", got, want)
	}
}

func sameRows(got, want [][]any) bool {
	if len(got) != len(want) {
		return false
	}
	used := make([]bool, len(got))
	for _, w := range want {
		found := false
		for i, g := range got {
			if !used[i] && sameValues(g, w) {
				used[i], found = true, true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func sameValues(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		ta, okA := a[i].(time.Time)
		tb, okB := b[i].(time.Time)
		if okA && okB {
			if !ta.Equal(tb) {
				return false
			}
			continue
		}
		if !reflect.DeepEqual(a[i], b[i]) {
			return false
		}
	}
	return true
}
