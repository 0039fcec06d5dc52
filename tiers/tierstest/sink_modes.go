package tierstest

import (
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// pair is a row as Read returns it.
func pair(entity any, score float64) []any { return []any{entity, score} }

func testAppend(c *sinkCase) {
	c.wrote(tiers.WriteResult{Inserted: 2})(c.write("p", 1, tiers.Append, row{day0, "ada", 1}, row{day0, "bob", 2}))
	c.wrote(tiers.WriteResult{Inserted: 1})(c.write("p", 2, tiers.Append, row{day0, "ada", 3}))
	c.holds(pair("ada", 1), pair("bob", 2), pair("ada", 3))
}

func testAppendAgain(c *sinkCase) {
	c.ok(c.write("p", 1, tiers.Append, row{day0, "ada", 1}, row{day0, "bob", 2}))
	c.ok(c.write("p", 2, tiers.Append, row{day0, "cy", 3}))
	c.wrote(tiers.WriteResult{Inserted: 1, Deleted: 2})(c.write("p", 1, tiers.Append, row{day0, "ada", 9}))
	c.holds(pair("ada", 9), pair("cy", 3))
}

func testReplaceWindow(c *sinkCase) {
	c.ok(c.write("p", 1, tiers.ReplaceWindow, row{day0, "ada", 1}, row{day0, "bob", 2}))
	c.ok(c.write("p", 2, tiers.ReplaceWindow, row{day0, "cy", 3}))
	c.ok(c.write("p", 3, tiers.ReplaceWindow, row{day0, "dee", 4}))
	c.wrote(tiers.WriteResult{Inserted: 1, Deleted: 1})(c.write("p", 2, tiers.ReplaceWindow, row{day0, "eve", 5}))
	c.holds(pair("ada", 1), pair("bob", 2), pair("eve", 5), pair("dee", 4))

	// A run over a wider window takes the place of those within it.
	r := c.reader([]row{{day0, "fay", 6}})
	defer r.Release()
	w := c.spec("p", 1, tiers.ReplaceWindow, r)
	_, w.End = hour(2)
	c.wrote(tiers.WriteResult{Inserted: 1, Deleted: 3})(c.sink.Write(c.ctx, w))
	c.holds(pair("fay", 6), pair("dee", 4))
}

func testMerge(c *sinkCase) {
	c.ok(c.write("p", 1, tiers.Merge, row{day0, "ada", 1}, row{day0, "bob", 2}))
	c.wrote(tiers.WriteResult{Inserted: 2, Deleted: 1})(c.write("p", 2, tiers.Merge, row{day0, "ada", 3},
		row{day0, "cy", 4}))
	c.holds(pair("ada", 3), pair("bob", 2), pair("cy", 4))
	// The same window again: what it no longer says goes.
	c.wrote(tiers.WriteResult{Inserted: 1, Deleted: 2})(c.write("p", 2, tiers.Merge, row{day0, "ada", 5}))
	c.holds(pair("ada", 5), pair("bob", 2))
	// A key that another pipeline wrote is replaced too.
	c.wrote(tiers.WriteResult{Inserted: 1, Deleted: 1})(c.write("q", 9, tiers.Merge, row{day0, "bob", 6}))
	c.holds(pair("ada", 5), pair("bob", 6))
}

func testMergeRepeats(c *sinkCase) {
	c.wrote(tiers.WriteResult{Inserted: 1})(c.write("p", 1, tiers.Merge, row{day0, "ada", 1}, row{day0, "ada", 2}))
	c.holds(pair("ada", 2))
}

func testMergeNull(c *sinkCase) {
	c.ok(c.write("p", 1, tiers.Merge, row{day0, nil, 1}, row{day0, "ada", 1}))
	c.wrote(tiers.WriteResult{Inserted: 1, Deleted: 1})(c.write("p", 2, tiers.Merge, row{day0, nil, 2}))
	c.holds(pair(nil, 2), pair("ada", 1))
}

func testOverwrite(c *sinkCase) {
	c.ok(c.write("p", 1, tiers.Append, row{day0, "ada", 1}, row{day0, "bob", 2}))
	c.ok(c.write("q", 1, tiers.Append, row{day0, "cy", 3}))
	c.wrote(tiers.WriteResult{Inserted: 1, Deleted: 3})(c.write("p", 2, tiers.Overwrite, row{day0, "dee", 4}))
	c.holds(pair("dee", 4))
}

func testIdempotent(c *sinkCase) {
	for _, mode := range []tiers.WriteMode{tiers.Append, tiers.ReplaceWindow, tiers.Merge, tiers.Overwrite} {
		for range 3 {
			c.ok(c.write("p", 1, mode, row{day0, "ada", 1}, row{day0, "bob", 2}))
		}
		c.holds(pair("ada", 1), pair("bob", 2))
	}
}

func testPipelines(c *sinkCase) {
	c.ok(c.write("p", 1, tiers.ReplaceWindow, row{day0, "ada", 1}))
	c.ok(c.write("q", 1, tiers.ReplaceWindow, row{day0, "ada", 2}))
	c.wrote(tiers.WriteResult{Inserted: 1, Deleted: 1})(c.write("p", 1, tiers.ReplaceWindow, row{day0, "ada", 3}))
	c.holds(pair("ada", 3), pair("ada", 2))
}

func testEmptyResult(c *sinkCase) {
	c.wrote(tiers.WriteResult{})(c.write("p", 1, tiers.ReplaceWindow)) // the table is made, so that queries find it
	c.holds()
	c.ok(c.write("p", 1, tiers.ReplaceWindow, row{day0, "ada", 1}))
	c.ok(c.write("p", 2, tiers.ReplaceWindow, row{day0, "bob", 2}))
	c.wrote(tiers.WriteResult{Deleted: 1})(c.write("p", 1, tiers.ReplaceWindow))
	c.holds(pair("bob", 2))
	c.wrote(tiers.WriteResult{Deleted: 1})(c.write("p", 3, tiers.Overwrite))
	c.holds()
}

func testProvenance(c *sinkCase) {
	c.ok(c.write("p", 1, tiers.Append, row{day0, "ada", 1}))
	from, to := hour(1)
	c.columns([]string{tiers.ColPipeline, tiers.ColRunID, tiers.ColWindowStart, tiers.ColWindowEnd, "time"},
		[]any{"p", "p@1", from, to, day0})
}

func testRetain(c *sinkCase) {
	at := func(d int) time.Time { return day0.AddDate(0, 0, d) }
	c.ok(c.write("p", 1, tiers.Append, row{at(0), "ada", 1}, row{at(3), "bob", 2}))
	c.ok(c.write("p", 2, tiers.Append, row{at(1), "cy", 3}))
	n, err := c.sink.Retain(c.ctx, "t", "time", at(1))
	if err != nil || n != 1 {
		c.Fatalf("deleted %d, %v; want 1", n, err)
	}
	c.holds(pair("bob", 2), pair("cy", 3))
	if n, err = c.sink.Retain(c.ctx, "t", "time", at(1)); err != nil || n != 0 {
		c.Fatalf("deleted %d, %v; want 0", n, err)
	}
	if n, err = c.sink.Retain(c.ctx, "t", "time", at(9)); err != nil || n != 2 {
		c.Fatalf("deleted %d, %v; want 2", n, err)
	}
	c.holds()
}

func testDrop(c *sinkCase) {
	c.ok(c.write("p", 1, tiers.Append, row{day0, "ada", 1}))
	if err := c.sink.Drop(c.ctx, "t"); err != nil {
		c.Fatal(err)
	}
	infos, err := c.sink.Tables(c.ctx)
	if err != nil || len(infos) != 0 {
		c.Fatalf("tables are %v, %v", infos, err)
	}
	c.ok(c.write("p", 2, tiers.Append, row{day0, "bob", 2}))
	c.holds(pair("bob", 2))
	if err := c.sink.Drop(c.ctx, "nothing"); err == nil {
		c.Error("a table that does not exist was dropped")
	}
}
