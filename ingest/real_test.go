package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/tiers/lake"
)

// TestRealStreamAndLake publishes through a real server into real tables, with
// restarts in between, everything twice and shuffled.
func TestRealStreamAndLake(t *testing.T) {
	dir := t.TempDir()
	server, err := jetstream.StartServer(t.Context(),
		jetstream.ServerOptions{Host: "127.0.0.1", Port: -1, StoreDir: filepath.Join(dir, "nats")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := jetstream.Connect(t.Context(), jetstream.Options{URL: server.ClientURL()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := conn.Stream(t.Context(), "events.>",
		jetstream.StreamOptions{Name: "EVENTS", Subjects: []string{"events.>"}, Create: true,
			Prune: true, Keep: 100, Duplicates: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	tables, err := lake.Open(t.Context(), lake.Options{Warehouse: filepath.Join(dir, "lake"),
		Catalog: filepath.Join(dir, "lake", "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Close()

	const events = 3000
	var last ingest.Status
	var stored uint64
	for round := range 4 {
		known := publishShuffled(t, conn, events, uint64(round)) // to the stream itself
		last = drainOnce(t, ingest.New(ingest.Options{Name: "events", Filter: "events.>", Stream: stream, Lake: tables,
			Flush: ingest.Flush{Rows: 700, Age: 50 * time.Millisecond}, Grace: 20 * time.Second}))
		if round == 0 && last.Events != events {
			t.Errorf("%d events in the first round, want %d", last.Events, events)
		}
		if want := uint64(events - known); round > 0 && (last.Events != 0 || last.Repeats != want) {
			t.Errorf("round %d: %d events and %d repeats, want 0 and %d", round, last.Events, last.Repeats, want)
		}
		stored += uint64(events - known)
	}
	r, err := ingest.Verify(t.Context(), ingest.VerifyOptions{Lake: tables, Stream: stream, StreamName: "EVENTS",
		Filter: "events.>"})
	if err != nil || !r.OK() || r.Messages != stored || r.Skipped != stored-events || r.Through != stored {
		t.Fatalf("verify: %v\n%s", err, r)
	}
	info, err := stream.Info(t.Context(), "events.>")
	if err != nil || info.First != stored-100+1 {
		t.Errorf("the stream begins at %d, %v", info.First, err)
	}
}

// publishShuffled returns how many of the messages the stream knew already.
func publishShuffled(t *testing.T, conn *jetstream.Conn, n int, seed uint64) int {
	t.Helper()
	p, err := conn.Publisher(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(n) {
		data := fmt.Sprintf(`{"time":"2026-11-%02dT10:00:00Z","n":%d,"user":{"name":"u%d"}}`, 1+i%3, i, i%7)
		if err := p.Publish(t.Context(), fmt.Sprint("events.t", i%3), fmt.Sprint("id", i), []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	done, err := p.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return int(done.Duplicates)
}

// drainOnce runs the source until it has committed what the stream holds.
func drainOnce(t *testing.T, s *ingest.Source) ingest.Status {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	last, err := s.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(time.Minute)
	for s.Status().Committed < last {
		if <-tick.C; time.Now().After(deadline) {
			t.Fatalf("not drained: %+v", s.Status())
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return s.Status()
}
