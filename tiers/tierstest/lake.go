// Package tierstest holds the conformance suites of the two tiers: what every
// implementation of tiers.Lake and of tiers.Sink must do.
package tierstest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// day0 is a Monday: 2026-11-02.
var day0 = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// Schema is the schema of the suite's tables, with a struct and a list.
func Schema() tiers.Schema {
	str := tiers.Type{Kind: tiers.KindString}
	return tiers.Schema{Fields: append(tiers.BaseFields(),
		tiers.Field{Name: "src", Type: tiers.Type{Kind: tiers.KindStruct, Fields: []tiers.Field{{Name: "ip", Type: str}}}},
		tiers.Field{Name: "tags", Type: tiers.Type{Kind: tiers.KindList, Elem: &tiers.Field{Name: "element", Type: str}}},
		tiers.Field{Name: "hops", Type: tiers.Type{Kind: tiers.KindList, Elem: &tiers.Field{Name: "element",
			Type: tiers.Type{Kind: tiers.KindStruct, Fields: []tiers.Field{{Name: "ip", Type: str}}}}}},
	)}
}

// Micros is a timestamp in Iceberg's single-value form.
func Micros(t time.Time) []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64(t.UnixMicro()))
}

// lakeCase is a table, and what a test does to it.
type lakeCase struct {
	*testing.T
	ctx  context.Context
	lake tiers.Lake
	tab  tiers.Table
	n    int
}

// TestLake runs the suite. open makes an empty lake and registers its closing;
// the suite calls it once for each case. The files it commits are not Parquet.
func TestLake(t *testing.T, open func(t *testing.T) tiers.Lake) {
	cases := map[string]func(*lakeCase){
		"files and mark in one commit":     testCommit,
		"a mark fences":                    testFence,
		"a mark alone":                     testMarkOnly,
		"two handles race":                 testRace,
		"a mark survives other commits":    testMarkSurvives,
		"a mark never goes back":           testMarkBack,
		"a reset moves a mark":             testReset,
		"two sources in one table":         testTwoSources,
		"a commit is found by its id":      testCommitted,
		"a removal is fenced by its base":  testRemove,
		"a property fences":                testWas,
		"a compaction lands behind ingest": testSameRows,
		"a compaction yields to another":   testCompactions,
		"evolve":                           testEvolve,
		"files are pruned by time":         testPrune,
		"what appends added":               testAdded,
		"snapshots do not change":          testSnapshots,
		"unpartitioned":                    testUnpartitioned,
		"names":                            testNames,
		"a data file is opened":            testOpenFile,
		"a data file is written":           testWriteNew,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			c := &lakeCase{T: t, ctx: t.Context(), lake: open(t)}
			var err error
			if c.tab, err = c.lake.Create(c.ctx, "events", Schema(), tiers.Options{}); err != nil {
				t.Fatal(err)
			}
			run(c)
		})
	}
}

func testOpenFile(c *lakeCase) {
	f := c.file(1, day0, day0)
	open, err := c.lake.OpenFile(c.ctx, f.Path)
	if err != nil {
		c.Fatal(err)
	}
	b := make([]byte, open.Size())
	if _, err := open.ReadAt(b, 0); err != nil || string(b) != "bytes" {
		c.Errorf("read %q, %v", b, err)
	}
	if err := open.Close(); err != nil {
		c.Error(err)
	}
	ended, end := context.WithCancel(c.ctx)
	end()
	if _, err := c.lake.OpenFile(ended, f.Path); !errors.Is(err, context.Canceled) {
		c.Errorf("opening a file when nobody waits any more: %v", err)
	}
	if err := c.lake.RemoveFile(c.ctx, f.Path); err != nil {
		c.Fatal(err)
	}
	if _, err := c.lake.OpenFile(c.ctx, f.Path); !errors.Is(err, tiers.ErrDamaged) {
		c.Errorf("opening a file that is missing: %v", err)
	}
}

func testWriteNew(c *lakeCase) {
	sum := tiers.AddCRC32C(0, []byte("bytes"))
	one, two := c.file(1, day0, day0), c.file(1, day0, day0)
	for _, f := range []tiers.DataFile{one, two} {
		if got, ok := tiers.PathChecksum(f.Path); !ok || got != sum || f.CRC32C != sum || f.Size != 5 {
			c.Errorf("%+v, want 5 bytes with checksum %08x, in the name too", f, sum)
		}
	}
	if one.Path == two.Path {
		c.Errorf("two files are at %s", one.Path)
	}
	if f, err := c.tab.WriteNew(c.ctx, tiers.DataFile{CRC32C: sum + 1}, []byte("bytes")); err == nil {
		c.Errorf("%+v was written although its bytes have changed", f)
	}
}

// file stores a file of the given rows whose times are [from, to].
func (c *lakeCase) file(rows int64, from, to time.Time) tiers.DataFile {
	c.Helper()
	day := int32(from.Unix() / 86400)
	f := tiers.DataFile{Rows: rows, Day: day, TimeMin: from, TimeMax: to, SplitOffsets: []int64{4}}
	if id, ok := c.tab.Schema().Lookup(tiers.ColTime); ok {
		f.Columns = []tiers.ColumnStats{{FieldID: id.ID, Values: rows, Size: 8, Lower: Micros(from), Upper: Micros(to)}}
	}
	f, err := c.tab.WriteNew(c.ctx, f, []byte("bytes"))
	if err != nil {
		c.Fatal(err)
	}
	return f
}

func (c *lakeCase) id() string { c.n++; return fmt.Sprintf("%s-%d", c.Name(), c.n) }

func (c *lakeCase) mark(seq uint64) *tiers.Mark {
	return &tiers.Mark{Stream: "EVENTS", Created: day0, Filter: "events.>", Seq: seq}
}

// ingest commits one file of rows and moves the mark.
func (c *lakeCase) ingest(tab tiers.Table, rows int64, at time.Time, from, to *tiers.Mark) (tiers.Snapshot, error) {
	c.Helper()
	return tab.Commit(c.ctx, tiers.Commit{ID: c.id(), Add: []tiers.DataFile{c.file(rows, at, at.Add(time.Minute))},
		From: from, To: to})
}

func (c *lakeCase) must(s tiers.Snapshot, err error) tiers.Snapshot {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
	return s
}

func (c *lakeCase) is(err, want error) {
	c.Helper()
	if !errors.Is(err, want) {
		c.Fatalf("error is %v, want %v", err, want)
	}
}

// handle opens the table anew.
func (c *lakeCase) handle() tiers.Table {
	c.Helper()
	tab, err := c.lake.Open(c.ctx, "events")
	if err != nil {
		c.Fatal(err)
	}
	return tab
}

func (c *lakeCase) rows() int64 {
	c.Helper()
	var n int64
	for _, f := range c.list(0, time.Time{}, time.Time{}) {
		n += f.Rows
	}
	return n
}

func (c *lakeCase) list(snapshot int64, from, to time.Time) []tiers.DataFile {
	c.Helper()
	files, err := c.handle().Files(c.ctx, snapshot, from, to)
	if err != nil {
		c.Fatal(err)
	}
	for _, f := range files {
		if want := tiers.AddCRC32C(0, []byte("bytes")); f.CRC32C != want {
			c.Fatalf("%s is listed with checksum %08x, it was committed with %08x", f.Path, f.CRC32C, want)
		}
	}
	return files
}

func (c *lakeCase) wantRows(want int64) {
	c.Helper()
	if got := c.rows(); got != want {
		c.Fatalf("table has %d rows, want %d", got, want)
	}
}

func (c *lakeCase) wantMark(seq uint64) {
	c.Helper()
	if got := c.handle().Marks()[c.mark(0).Key()]; got.Seq != seq || !got.Created.Equal(day0) {
		c.Fatalf("mark is %+v, want sequence %d", got, seq)
	}
}
