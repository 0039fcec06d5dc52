package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/tiers/lake"
)

// BenchmarkDrain commits a backlog of sign-in events from a real server to a
// real table; an operation is one event.
func BenchmarkDrain(b *testing.B) {
	dir := b.TempDir()
	server, err := jetstream.StartServer(b.Context(),
		jetstream.ServerOptions{Host: "127.0.0.1", Port: -1, StoreDir: filepath.Join(dir, "nats"), SyncInterval: time.Second},
		nil)
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	conn, err := jetstream.Connect(b.Context(), jetstream.Options{URL: server.ClientURL()}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	stream, err := conn.Stream(b.Context(), "events.>",
		jetstream.StreamOptions{Name: "EVENTS", Subjects: []string{"events.>"}, Create: true})
	if err != nil {
		b.Fatal(err)
	}
	tables, err := lake.Open(b.Context(), lake.Options{Warehouse: filepath.Join(dir, "lake"),
		Catalog: filepath.Join(dir, "lake", "catalog.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer tables.Close()
	p, err := conn.Publisher(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b.N {
		if err := p.Publish(b.Context(), "events.signin", fmt.Sprintf("id-%016x", i*7919), signin(r, i)); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := p.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	s := ingest.New(ingest.Options{Name: "events", Filter: "events.>", Stream: stream, Lake: tables})
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	done := make(chan error, 1)
	b.ResetTimer()
	before := cpu(b)
	go func() { done <- s.Run(ctx) }()
	for s.Status().Last < uint64(b.N) {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
	if got := s.Status().Events; got != uint64(b.N) {
		b.Fatalf("%d events, want %d", got, b.N)
	}
}

// cpu is the processor time of the process, NATS server included; unlike the
// time that passes it does not depend on what else runs.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func signin(r *rand.Rand, i int) []byte {
	u := r.IntN(2000)
	at := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 40 * time.Millisecond)
	return fmt.Appendf(nil, `{"time":%q,"activity":"Logon","status":%q,"user":{"name":"user%04d@example.com","uid":"S-1-5-21-%d","type":"User","dept":"dept%d"},`+
		`"src_endpoint":{"ip":"10.%d.%d.%d","port":%d,"country":%q,"city":"City%d"},"device":{"hostname":"host-%04d","os":"Windows 11","managed":%v},`+
		`"session":{"uid":"%016x","mfa":%v},"auth_protocol":"OAUTH2","app":"app-%d","risk":%.3f,"duration_ms":%d,"user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)"}`,
		at.Format(time.RFC3339Nano), [...]string{"Success", "Failure"}[r.IntN(20)/19], u, 1000+u, u%20, u%4, u%250,
		r.IntN(250), 1024+r.IntN(60000),
		[...]string{"DE", "US", "FR", "CH"}[u%4], u%50, u, u%3 > 0, r.Uint64(), r.IntN(3) > 0, r.IntN(30), r.Float64(),
		r.IntN(3000))
}
