package columnar

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lakeward/lakeward/demo"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// corpus is the first of a month's sign-ins: a batch out of a backlog.
type corpus struct {
	ids    []string
	events [][]byte
	bytes  int64
}

func signins(tb testing.TB, n int) corpus {
	tb.Helper()
	var c corpus
	err := demo.SigninBench(4*n, 1, func(_, id string, _ time.Time, js []byte) error {
		if len(c.ids) == n {
			return nil
		}
		c.ids, c.events, c.bytes = append(c.ids, id), append(c.events, js), c.bytes+int64(len(js))
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func (c corpus) fill(tb testing.TB, b *Batch, ids bool) {
	now := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	for i, e := range c.events {
		m := Meta{Seq: uint64(i + 1), Published: now}
		if ids {
			m.ID = []byte(c.ids[i])
		}
		if err := b.Append(m, now, e); err != nil {
			tb.Fatalf("event %d: %v: %s", i, err, e)
		}
	}
}

// withIDs numbers every field, as a commit of the table would.
func withIDs(s tiers.Schema) tiers.Schema {
	next := 1
	s.Fields = numbered(s.Fields, &next)
	return s
}

func numbered(fields []tiers.Field, next *int) []tiers.Field {
	out := make([]tiers.Field, len(fields))
	for i, f := range fields {
		f.ID = *next
		*next++
		f.Type.Fields = numbered(f.Type.Fields, next)
		if f.Type.Elem != nil {
			e := numbered([]tiers.Field{*f.Type.Elem}, next)[0]
			f.Type.Elem = &e
		}
		out[i] = f
	}
	return out
}

const benchEvents = 250_000

func BenchmarkDecode(b *testing.B) {
	c := signins(b, benchEvents)
	batch := NewBatch(tiers.Schema{}, Options{StreamTag: "s1"})
	c.fill(b, batch, true)
	schema := withIDs(batch.Schema())
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		batch.Reset(schema)
		c.fill(b, batch, true)
	}
	rate(b, c, before)
	b.ReportMetric(float64(batch.Bytes())/benchEvents, "heldB/event")
}

// BenchmarkDecodeFirst is the first batch of a process: its vectors grow.
func BenchmarkDecodeFirst(b *testing.B) {
	c := signins(b, benchEvents)
	batch := NewBatch(tiers.Schema{}, Options{StreamTag: "s1"})
	c.fill(b, batch, true)
	schema := withIDs(batch.Schema())
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		batch = NewBatch(schema, Options{StreamTag: "s1"})
		c.fill(b, batch, true)
	}
	rate(b, c, before)
	b.ReportMetric(float64(batch.Bytes())/benchEvents, "heldB/event")
}

func BenchmarkFile(b *testing.B) {
	for _, ids := range []bool{false, true} {
		b.Run(fmt.Sprintf("ids=%v", ids), func(b *testing.B) {
			c := signins(b, benchEvents)
			batch := NewBatch(tiers.Schema{}, Options{StreamTag: "s1"})
			c.fill(b, batch, ids)
			schema := withIDs(batch.Schema())
			size := encode(b, batch, schema)
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				encode(b, batch, schema)
			}
			rate(b, c, before)
			b.ReportMetric(float64(size)/benchEvents, "fileB/event")
		})
	}
}

// BenchmarkDecodeAndFile is the whole way of an event.
func BenchmarkDecodeAndFile(b *testing.B) {
	c := signins(b, benchEvents)
	batch := NewBatch(tiers.Schema{}, Options{StreamTag: "s1"})
	c.fill(b, batch, true)
	schema := withIDs(batch.Schema())
	before := cpu(b)
	for b.Loop() {
		batch.Reset(schema)
		c.fill(b, batch, true)
		encode(b, batch, schema)
	}
	rate(b, c, before)
}

func encode(b *testing.B, batch *Batch, schema tiers.Schema) (size int64) {
	files, err := batch.Files(schema, parquetfile.Options{Stream: "s"})
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		size += f.Info.Size
	}
	return size
}

// cpu is the processor time of this process so far.
func cpu(tb testing.TB) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func rate(b *testing.B, c corpus, before time.Duration) {
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N)/benchEvents, "cpu-ns/event")
	b.ReportMetric(float64(b.N)*benchEvents/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(c.bytes)/benchEvents, "jsonB/event")
}

// BenchmarkTooDeep is an event that is refused for its depth, in a batch that is
// nearly full: what it costs must not depend on the rows before it.
func BenchmarkTooDeep(b *testing.B) {
	c := signins(b, benchEvents)
	batch := NewBatch(tiers.Schema{}, Options{StreamTag: "s1"})
	c.fill(b, batch, true)
	now := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	for name, deep := range map[string]string{
		"lists": `{"time":"2026-11-02T00:00:00Z","deep":` + strings.Repeat("[", 1100) + strings.Repeat("]", 1100) + `}`,
		"objects": `{"time":"2026-11-02T00:00:00Z","deep":` + strings.Repeat(`{"a":`, 1100) + "1" +
			strings.Repeat("}", 1100) + `}`,
	} {
		b.Run(name, func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				if err := batch.Append(Meta{Seq: 1, Published: now}, now, []byte(deep)); err == nil {
					b.Fatal("it is not refused")
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
