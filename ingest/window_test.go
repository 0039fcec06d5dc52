package ingest

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// TestAWindowKnowsWhatWasTakenWithinIt compares with a plain map, while time
// passes at a changing pace.
func TestAWindowKnowsWhatWasTakenWithinIt(t *testing.T) {
	const long = time.Hour
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	w, prints := newWindow(long, 1<<30), newPrinter()
	type place struct {
		at    position
		taken time.Time
	}
	model := map[string]place{}
	now := time.Unix(1_790_000_000, 0)
	for i := range 200_000 {
		now = now.Add(time.Duration(random.IntN(400)) * time.Millisecond)
		if random.IntN(20_000) == 0 {
			now = now.Add(time.Duration(random.IntN(90)) * time.Minute)
		}
		published := now.Add(-time.Duration(random.IntN(30)) * time.Second)
		id := fmt.Sprint(random.IntN(60_000))
		f := prints.of("t", []byte(id))
		at, known := w.lookUp(f, published)
		want, there := model[id]
		there = there && published.Unix()-want.taken.Unix() <= int64((long+windowSlack)/time.Second)
		if known != there || known && at != want.at {
			t.Fatalf("seed %d, step %d: id %s is known: %v, at %d; want %v, %d", seed, i, id, known, at, there, want.at)
		}
		if !known {
			model[id] = place{positionOf(0, uint64(i)), now}
			w.add(f, positionOf(0, uint64(i)), second(now))
		}
	}
	if _, short := w.reach(); short {
		t.Error("ids were forgotten for want of memory")
	}
	if most := int64(60_000) * slotMemory * 10 / 7; w.bytes > most+windowShards*leastShard*slotMemory {
		t.Errorf("%d ids take %d bytes", w.n, w.bytes)
	}
}

// TestAWindowThatDoesNotFitForgetsTheOldestAndSaysSo adds ids in the order of a
// rebuilding too, which is none.
func TestAWindowThatDoesNotFitForgetsTheOldestAndSaysSo(t *testing.T) {
	const n, most = 400_000, 4 << 20
	begin := time.Unix(1_790_000_000, 0)
	for name, order := range map[string][]int{"as they come": nil, "shuffled": rand.New(rand.NewPCG(1, 1)).Perm(n)} {
		w, prints := newWindow(10*24*time.Hour, most), newPrinter()
		for i := range n {
			if order != nil {
				i = order[i]
				w.clock = second(begin.Add(n * time.Second))
			} else {
				w.clock = second(begin.Add(time.Duration(i) * time.Second))
			}
			w.add(prints.of("t", []byte(strconv.Itoa(i))), position(i), second(begin)+uint32(i))
		}
		reach, short := w.reach()
		if !short || w.bytes > most*11/10 || int64(w.n)*slotMemory < most/2 {
			t.Errorf("%s: it reaches back %s (short: %v), with %d ids in %d bytes", name, reach, short, w.n, w.bytes)
		}
		for i := range n {
			at, known := w.lookUp(prints.of("t", []byte(strconv.Itoa(i))), begin.Add(n*time.Second))
			if want := second(begin)+uint32(i) >= w.floor; known != want || known && at != position(i) {
				t.Fatalf("%s: id %d is known: %v, want %v", name, i, known, want)
			}
		}
	}
}

// BenchmarkWindow says what a window's ids take, and how long reading them from
// the lake takes, for a million of them.
func BenchmarkWindow(b *testing.B) {
	const million = 1_000_000
	begin := time.Unix(1_790_000_000, 0)
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			w, prints := newWindow(7*24*time.Hour, 1<<30), newPrinter()
			var id []byte
			least, most := 1e9, 0.0
			for i := range 4 * million {
				id = strconv.AppendInt(append(id[:0], "id-"...), int64(i), 10)
				w.add(prints.of("t", id), position(i), second(begin)+uint32(i/100))
				if i >= million && i%1000 == 0 {
					each := float64(w.bytes) / float64(w.n)
					least, most = min(least, each), max(most, each)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			fmt.Printf("figure: repeats_window_bytes_per_id_least %.1f bytes\n", least)
			fmt.Printf("figure: repeats_window_bytes_per_id_most %.1f bytes\n", most)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(w.n), "heapbytes/id")
			runtime.KeepAlive(w)
		}
	})
	b.Run("rebuilding", func(b *testing.B) {
		d, now := windowLake(b, million)
		for b.Loop() {
			k, err := d.remember(b.Context(), now)
			if err != nil {
				b.Fatal(err)
			}
			if st := k.status(); st.Known != million {
				b.Fatalf("%d ids are known", st.Known)
			}
		}
		fmt.Printf("figure: repeats_window_rebuild_seconds_per_million_ids %.2f s\n", b.Elapsed().Seconds()/float64(b.N))
	})
}

// windowLake is a source's decoder on a lake whose table has n messages with
// ids of 36 characters, in files of as many rows as batches have.
func windowLake(b *testing.B, n int) (*decoder, time.Time) {
	dir := b.TempDir()
	l, err := lake.Open(b.Context(), lake.Options{Warehouse: dir, Catalog: filepath.Join(dir, "catalog.db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	week := func(string) TableOptions { return TableOptions{Repeats: 7 * 24 * time.Hour} }
	s := New(Options{Filter: "events.>", Lake: l, Tables: week})
	stream := newMemStream()
	s.o.Stream = stream
	e, err := s.begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	table, err := l.Create(b.Context(), "t", tiers.Schema{Fields: tiers.BaseFields()}, tiers.Options{})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	random := rand.NewChaCha8([32]byte{})
	const rows = 250_000
	var from *tiers.Mark
	for seq := uint64(0); seq < uint64(n); {
		batch := columnar.NewBatch(table.Schema(), columnar.Options{StreamTag: e.tag(), Writer: e.writer})
		for range min(rows, n-int(seq)) {
			seq++
			var u [16]byte
			_, _ = random.Read(u[:])
			id := fmt.Appendf(nil, "%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
			if err := batch.Append(columnar.Meta{Seq: seq, ID: id, Published: now}, now, []byte(`{}`)); err != nil {
				b.Fatal(err)
			}
		}
		to := tiers.Mark{Stream: "EVENTS", Filter: "events.>", Created: stream.info.Created, Seq: seq, Published: now}
		commitBatch(b, e, l, table, batch, from, to)
		from = &to
	}
	return newDecoder(e, nil), now
}

func commitBatch(b *testing.B, e *epoch, l tiers.Lake, t tiers.Table, batch *columnar.Batch, from *tiers.Mark,
	to tiers.Mark) {
	files, err := batch.Part(0, batch.Rows(), t.Schema(), parquetfile.Options{Stream: e.identity()})
	if err != nil {
		b.Fatal(err)
	}
	c := tiers.Commit{ID: fmt.Sprint("c", to.Seq), From: from, To: &to}
	for _, f := range files {
		written, err := t.WriteNew(b.Context(), f.Info, f.Data)
		if err != nil {
			b.Fatal(err)
		}
		c.Add = append(c.Add, written)
	}
	if _, err := t.Commit(b.Context(), c); err != nil {
		b.Fatal(err)
	}
}
