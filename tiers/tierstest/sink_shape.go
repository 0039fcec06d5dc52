package tierstest

import (
	"errors"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/tiers"
)

// broken is a reader that fails after its first batch.
type broken struct {
	array.RecordReader
	read bool
	err  error
}

var errBroken = errors.New("the query broke")

func (b *broken) Next() bool {
	if b.read {
		b.err = errBroken
		return false
	}
	b.read = true
	return b.RecordReader.Next()
}

func (b *broken) Err() error { return b.err }

func testAtomic(c *sinkCase) {
	c.ok(c.write("p", 1, tiers.ReplaceWindow, row{day0, "ada", 1}))
	for _, mode := range []tiers.WriteMode{tiers.Append, tiers.ReplaceWindow, tiers.Merge, tiers.Overwrite} {
		r := c.reader([]row{{day0, "eve", 9}})
		_, err := c.sink.Write(c.ctx, c.spec("p", 1, mode, &broken{RecordReader: r}))
		r.Release()
		if !errors.Is(err, errBroken) {
			c.Fatalf("%s: error is %v, want that of the reader", mode, err)
		}
		c.holds(pair("ada", 1))
	}
	if c.sink.Fail != nil {
		c.sink.Fail()
		if _, err := c.write("p", 1, tiers.ReplaceWindow, row{day0, "eve", 9}); err == nil {
			c.Fatal("the write did not fail")
		}
		c.holds(pair("ada", 1))
		c.ok(c.write("p", 1, tiers.ReplaceWindow, row{day0, "eve", 9}))
		c.holds(pair("eve", 9))
	}
}

// oneColumn is a reader of rows with the given column beside the entity.
func (c *sinkCase) oneColumn(name string, t arrow.DataType, json ...string) array.RecordReader {
	c.Helper()
	s := arrow.NewSchema([]arrow.Field{
		{Name: "entity", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: name, Type: t, Nullable: true},
	}, nil)
	rec, _, err := array.RecordFromJSON(c.mem, s, strings.NewReader("["+strings.Join(json, ",")+"]"))
	if err != nil {
		c.Fatal(err)
	}
	return c.batches(s, rec)
}

func (c *sinkCase) writeReader(h int, mode tiers.WriteMode, r array.RecordReader) (tiers.WriteResult, error) {
	c.Helper()
	defer r.Release()
	return c.sink.Write(c.ctx, c.spec("p", h, mode, r))
}

func testSinkEvolve(c *sinkCase) {
	c.ok(c.write("p", 1, tiers.Append, row{day0, "ada", 1}))
	c.ok(c.writeReader(2, tiers.Append, c.oneColumn("city", arrow.BinaryTypes.String,
		`{"entity": "bob", "city": "Oslo"}`)))
	c.ok(c.write("p", 3, tiers.Append, row{day0, "cy", 3}))
	c.columns([]string{"entity", "score", "city"},
		[]any{"ada", 1.0, nil}, []any{"bob", nil, "Oslo"}, []any{"cy", 3.0, nil})
	// Old rows are rewritten together with new ones.
	c.ok(c.writeReader(2, tiers.Merge, c.oneColumn("city", arrow.BinaryTypes.String, `{"entity": "ada", "city": "Rome"}`)))
	c.columns([]string{"entity", "score", "city"}, []any{"ada", nil, "Rome"}, []any{"cy", 3.0, nil})
	// A column keeps its type.
	if _, err := c.writeReader(4, tiers.Append,
		c.oneColumn("city", arrow.PrimitiveTypes.Float64, `{"entity": "dee", "city": 1.5}`)); err == nil {
		c.Error("a number was written to a column of strings")
	}
	c.columns([]string{"entity", "score", "city"}, []any{"ada", nil, "Rome"}, []any{"cy", 3.0, nil})
}

func testKinds(c *sinkCase) {
	s := arrow.NewSchema([]arrow.Field{
		{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "i", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "n", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "f", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "t", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true},
	}, nil)
	at := day0.Add(123456 * time.Microsecond)
	for range 2 { // the second time, through the rows that the first left
		c.ok(c.writeReader(1, tiers.Append, c.batches(s, c.kinds(s, at))))
	}
	names := []string{"b", "i", "n", "f", "s", "t"}
	c.columns(names, []any{true, int64(-1 << 62), int64(-7), 0.1, "a\u2603'\"", at}, make([]any, len(names)))
}

// kinds is a row of values and a row of nulls.
func (c *sinkCase) kinds(s *arrow.Schema, at time.Time) arrow.RecordBatch {
	b := array.NewRecordBuilder(c.mem, s)
	defer b.Release()
	b.Field(0).(*array.BooleanBuilder).Append(true)
	b.Field(1).(*array.Int64Builder).Append(-1 << 62)
	b.Field(2).(*array.Int32Builder).Append(-7)
	b.Field(3).(*array.Float64Builder).Append(0.1)
	b.Field(4).(*array.StringBuilder).Append("a\u2603'\"")
	b.Field(5).(*array.TimestampBuilder).Append(arrow.Timestamp(at.UnixMicro()))
	for i := range s.NumFields() {
		b.Field(i).AppendNull()
	}
	return b.NewRecordBatch()
}

func testTables(c *sinkCase) {
	infos, err := c.sink.Tables(c.ctx)
	if err != nil || len(infos) != 0 {
		c.Fatalf("tables are %v, %v", infos, err)
	}
	c.ok(c.write("p", 1, tiers.Append, row{day0, "ada", 1}, row{day0, "bob", 2}))
	infos, err = c.sink.Tables(c.ctx)
	if err != nil || len(infos) != 1 {
		c.Fatalf("tables are %v, %v", infos, err)
	}
	if infos[0].Name != "t" || infos[0].Rows != 2 {
		c.Errorf("table is %+v", infos[0])
	}
	for path, kind := range map[string]tiers.Kind{"time": tiers.KindTimestamp, "entity": tiers.KindString,
		"score": tiers.KindDouble, tiers.ColPipeline: tiers.KindString, tiers.ColWindowStart: tiers.KindTimestamp} {
		if f, ok := infos[0].Schema.Lookup(path); !ok || f.Type.Kind != kind {
			c.Errorf("column %s is %v, want %v", path, f.Type, kind)
		}
	}
}

func testBadWrites(c *sinkCase) {
	c.ok(c.write("p", 1, tiers.Append, row{day0, "ada", 1}))
	for name, change := range map[string]func(*tiers.Write){
		"no table":        func(w *tiers.Write) { w.Table = "" },
		"table of SQL":    func(w *tiers.Write) { w.Table = `t"; DROP TABLE t; --` },
		"no mode":         func(w *tiers.Write) { w.Mode = "upsert" },
		"no key":          func(w *tiers.Write) { w.Mode, w.Key = tiers.Merge, nil },
		"unknown key":     func(w *tiers.Write) { w.Mode, w.Key = tiers.Merge, []string{"nothing"} },
		"no pipeline":     func(w *tiers.Write) { w.Pipeline = "" },
		"window reversed": func(w *tiers.Write) { w.Start, w.End = w.End, w.Start },
	} {
		r := c.reader([]row{{day0, "eve", 9}})
		w := c.spec("p", 2, tiers.Append, r)
		change(&w)
		if _, err := c.sink.Write(c.ctx, w); err == nil {
			c.Errorf("%s: the write was taken", name)
		}
		r.Release()
	}
	c.holds(pair("ada", 1))
}
