// Package ids tests that message ids mean what a simple model says: real
// streams, real tables and a real engine, with clocks that are moved.
package ids

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/query/format"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

const (
	retention = 48 * time.Hour
	drains    = 20 * time.Second // what sources may take to end that have nothing left to do
)

// clock is the real one, moved on.
type clock struct {
	mu    sync.Mutex
	moved time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().UTC().Add(c.moved)
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += d
}

// moved is a stream whose server has the moved clock: what was published at a
// time was published as much later as the clock was moved then.
type moved struct {
	*jetstream.Stream
	clock *clock

	mu    sync.Mutex
	steps []step
}

// step is from when on a stream's clock is moved by so much.
type step struct {
	from uint64
	by   time.Duration
}

// mark says that the next sequence is published by the clock as it is now.
func (s *moved) mark(next uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock.mu.Lock()
	defer s.clock.mu.Unlock()
	if n := len(s.steps); n == 0 || s.steps[n-1].by != s.clock.moved {
		s.steps = append(s.steps, step{next, s.clock.moved})
	}
}

func (s *moved) at(seq uint64, published time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	var by time.Duration
	for _, x := range s.steps {
		if x.from <= seq {
			by = x.by
		}
	}
	return published.Add(by)
}

func (s *moved) Published(ctx context.Context, seq uint64) (time.Time, bool, error) {
	at, ok, err := s.Stream.Published(ctx, seq)
	if !ok || err != nil {
		return at, ok, err
	}
	return s.at(seq, at), ok, nil
}

func (s *moved) Read(ctx context.Context, filter string, from uint64) (ingest.Reader, error) {
	r, err := s.Stream.Read(ctx, filter, from)
	return movedReader{r, s}, err
}

type movedReader struct {
	ingest.Reader
	s *moved
}

func (r movedReader) Next(ctx context.Context, buf []ingest.Message, most int) ([]ingest.Message, error) {
	had := len(buf)
	buf, err := r.Reader.Next(ctx, buf, most)
	for i := had; i < len(buf); i++ {
		buf[i].Published = r.s.at(buf[i].Seq, buf[i].Published)
	}
	return buf, err
}

// world is two streams and a lake.
type world struct {
	*testing.T
	js      natsjs.JetStream
	streams map[string]*moved
	last    map[string]uint64
	lake    *lake.Lake
	engine  *duckdb.Engine
	keeper  *compact.Maintainer
	clock   *clock
	on      *running
}

func newWorld(t *testing.T) *world {
	dir := t.TempDir()
	w := &world{T: t, clock: &clock{}, streams: map[string]*moved{}, last: map[string]uint64{}}
	server, err := jetstream.StartServer(t.Context(), jetstream.ServerOptions{Host: "127.0.0.1", Port: -1,
		StoreDir: filepath.Join(dir, "nats")}, nil)
	w.must(err)
	t.Cleanup(func() { w.must(server.Close()) })
	conn, err := jetstream.Connect(t.Context(), jetstream.Options{URL: server.ClientURL()}, nil)
	w.must(err)
	t.Cleanup(func() { w.must(conn.Close()) })
	for _, name := range []string{"A", "B"} {
		s, err := conn.Stream(t.Context(), name+".>", jetstream.StreamOptions{Name: name, Subjects: []string{name + ".>"},
			Create: true, Duplicates: 100 * time.Millisecond})
		w.must(err)
		w.streams[name] = &moved{Stream: s, clock: w.clock}
	}
	nc, err := nats.Connect(server.ClientURL())
	w.must(err)
	t.Cleanup(nc.Close)
	w.js, err = natsjs.New(nc)
	w.must(err)
	w.lake, err = lake.Open(t.Context(), lake.Options{Warehouse: filepath.Join(dir, "lake"),
		Catalog: filepath.Join(dir, "lake", "catalog.db")})
	w.must(err)
	t.Cleanup(func() { w.must(w.lake.Close()) })
	w.engine, err = duckdb.Open(t.Context(), duckdb.Options{Threads: 2, AllowedDirs: []string{dir}})
	w.must(err)
	t.Cleanup(func() { w.must(w.engine.Close()) })
	w.keeper = compact.NewMaintainer(compact.MaintainerOptions{Lake: w.lake, Confiner: w.engine,
		Own: []string{ingest.Skipped},
		Retention: func(table string) time.Duration {
			if _, ok := windows()[table]; ok {
				return retention
			}
			return 0
		},
		Rewrite: compact.Options{Engine: w.engine, Bloom: func(string) []string { return nil },
			Policy: compact.DefaultPolicy()},
		Expiry: compact.DefaultExpiry(), Grace: time.Hour, Seen: filepath.Join(dir, "orphans.json"), Now: w.clock.now})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// tags begin the ids of events whose messages have none.
func (w *world) tags() map[string]string {
	out := map[string]string{}
	for name, s := range w.streams {
		info, err := s.Info(w.Context(), name+".>")
		w.must(err)
		out[name] = name + "-" + strconv.FormatInt(info.Created.Unix(), 36)
	}
	return out
}

// publish says when, and whether the server dropped the message.
func (w *world) publish(x *message, data []byte) (at time.Time, dropped bool) {
	w.Helper()
	w.streams[x.stream].mark(w.last[x.stream] + 1)
	at = w.clock.now()
	var opts []natsjs.PublishOpt
	if x.id != "" {
		opts = append(opts, natsjs.WithMsgID(x.id))
	}
	ack, err := w.js.Publish(w.Context(), x.stream+"."+x.table, data, opts...)
	w.must(err)
	if !ack.Duplicate {
		w.last[x.stream] = ack.Sequence
	}
	x.seq = ack.Sequence
	return at, ack.Duplicate
}

// running are the sources at work.
type running struct {
	w       *world
	sources []*ingest.Source
	stop    func()
}

func (w *world) source(name string, grace time.Duration) *ingest.Source {
	return ingest.New(ingest.Options{Name: name, Filter: name + ".>", Stream: w.streams[name], Lake: w.lake,
		Now:    w.clock.now,
		Tables: func(table string) ingest.TableOptions { return ingest.TableOptions{Repeats: windows()[table]} },
		Flush:  ingest.Flush{Rows: 12, Age: 20 * time.Millisecond}, Grace: grace})
}

func (w *world) run(grace time.Duration) *running {
	ctx, stop := context.WithCancel(context.WithoutCancel(w.Context()))
	r := &running{w: w}
	done := make(chan error, 2)
	for name := range w.streams {
		s := w.source(name, grace)
		r.sources = append(r.sources, s)
		go func() { done <- s.Run(ctx) }()
	}
	r.stop = sync.OnceFunc(func() {
		stop()
		for range r.sources {
			if err := <-done; err != nil && grace == drains {
				w.Error(err)
			}
		}
		w.on = nil
	})
	w.on = r
	return r
}

func (w *world) start() *running { return w.run(drains) }

// interrupt runs the sources for a moment, and ends them with what they have in
// their hands.
func (w *world) interrupt(r *rand.Rand) {
	running := w.run([]time.Duration{time.Nanosecond, time.Millisecond, time.Second}[r.IntN(3)])
	ctx, cancel := context.WithTimeout(w.Context(), time.Duration(r.IntN(80))*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	running.stop()
}

// caughtUp waits until the sources have committed what the streams hold.
func (w *world) caughtUp() {
	w.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, s := range w.on.sources {
		for deadline := time.Now().Add(time.Minute); s.Status().Committed < w.last[s.Status().Name]; {
			if <-tick.C; time.Now().After(deadline) {
				w.Fatalf("not caught up: %+v", s.Status())
			}
		}
	}
}

func (w *world) caughtUpIfRunning() {
	w.Helper()
	if w.on != nil {
		w.caughtUp()
	}
}

func (w *world) erase(table, where string) {
	w.Helper()
	_, err := w.keeper.Erase(w.Context(), compact.Erasure{Table: table, Where: where})
	if !errors.Is(err, tiers.ErrNoTable) {
		w.must(err)
	}
}

func (w *world) retain() {
	w.Helper()
	_, err := w.keeper.Retain(w.Context(), nil, false)
	w.must(err)
}

func (w *world) compact() {
	w.Helper()
	_, err := w.keeper.Compact(w.Context(), nil, false)
	w.must(err)
}

// query is the answer in NDJSON; empty if there is no such table.
func (w *world) query(table, sql string) string {
	w.Helper()
	t, err := w.lake.Open(w.Context(), table)
	if errors.Is(err, tiers.ErrNoTable) {
		return ""
	}
	w.must(err)
	files, err := t.Files(w.Context(), 0, time.Time{}, time.Time{})
	w.must(err)
	if len(files) == 0 {
		return ""
	}
	view := query.View{Tables: []query.TableView{{Name: table, Schema: t.Schema(), Files: files}}}
	ses, err := w.engine.Open(w.Context(), view, query.Options{})
	w.must(err)
	defer func() { w.must(ses.Close()) }()
	rows, err := ses.Query(w.Context(), sql)
	w.must(err)
	defer rows.Release()
	var b strings.Builder
	w.must(format.Write(&b, format.NDJSON, rows))
	return b.String()
}

func (w *world) rows(table string) map[string]row {
	w.Helper()
	out := map[string]row{}
	text := w.query(table, `SELECT n, i, stream_seq AS seq, event_id AS id, epoch_us(ingest_time) // 1000000 AS taken,
		epoch_us("time") // 86400000000 AS day, who FROM lake.`+table)
	for _, r := range lines[row](w.T, text) {
		if _, twice := out[r.key()]; twice {
			w.Errorf("lake.%s: event %s is there twice", table, r.key())
		}
		out[r.key()] = r
	}
	return out
}

// repeats are the rows of ingest_skipped.
func (w *world) repeats() map[string]bool {
	return w.set(ingest.Skipped, `SELECT concat(split_part(source, '|', 1), ' ', stream_seq, ' ', of_seq) AS k
		FROM lake.ingest_skipped`)
}

func (w *world) rejected() map[string]bool {
	return w.set(ingest.Quarantine, `SELECT concat(split_part(source, '|', 1), ' ', stream_seq, ' ', message_index) AS k
		FROM lake.quarantine`)
}

func (w *world) set(table, sql string) map[string]bool {
	w.Helper()
	out := map[string]bool{}
	for _, x := range lines[struct{ K string }](w.T, w.query(table, sql)) {
		if out[x.K] {
			w.Errorf("lake.%s: %s is there twice", table, x.K)
		}
		out[x.K] = true
	}
	return out
}

func (w *world) verify() {
	w.Helper()
	for name, s := range w.streams {
		r, err := ingest.Verify(w.Context(), ingest.VerifyOptions{Lake: w.lake, Stream: s, StreamName: name,
			Filter: name + ".>", Deep: true})
		w.must(err)
		if p := r.Repeats; !r.OK() || p == nil || p.Wrong+p.Unplaced+p.Unproven+p.Pending > 0 {
			w.Error(fmt.Sprint("verify --deep:\n", r))
		}
	}
}
