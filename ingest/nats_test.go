package ingest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/tiers/lake"
)

// rig is a source between a real server and real tables.
type rig struct {
	*testing.T
	dir    string
	store  string
	port   int
	server *jetstream.Server
	js     natsjs.JetStream
	lake   *lake.Lake
	stream *jetstream.Stream
	source *ingest.Source
	sent   int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	t.Parallel()
	r := &rig{T: t, dir: t.TempDir(), port: -1}
	r.store = filepath.Join(r.dir, "nats")
	r.start()
	t.Cleanup(func() { r.must(r.server.Close()) })
	conn, err := jetstream.Connect(t.Context(), jetstream.Options{URL: r.server.ClientURL()}, nil)
	r.must(err)
	t.Cleanup(func() { r.must(conn.Close()) })
	r.stream, err = conn.Stream(t.Context(), "events.>",
		jetstream.StreamOptions{Name: "EVENTS", Subjects: []string{"events.>"}, Create: true})
	r.must(err)
	nc, err := nats.Connect(r.server.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	r.must(err)
	t.Cleanup(nc.Close)
	r.js, err = natsjs.New(nc)
	r.must(err)
	r.lake, err = lake.Open(t.Context(), lake.Options{Warehouse: filepath.Join(r.dir, "lake"),
		Catalog: filepath.Join(r.dir, "lake", "catalog.db")})
	r.must(err)
	t.Cleanup(func() { r.must(r.lake.Close()) })
	return r
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// start starts the server, again on the port that it had.
func (r *rig) start() {
	r.Helper()
	var err error
	r.server, err = jetstream.StartServer(r.Context(),
		jetstream.ServerOptions{Host: "127.0.0.1", Port: r.port, StoreDir: r.store}, nil)
	r.must(err)
	_, port, _ := strings.Cut(strings.TrimPrefix(r.server.ClientURL(), "nats://"), ":")
	_, err = fmt.Sscan(port, &r.port)
	r.must(err)
}

// run runs the source until the test ends.
func (r *rig) run() {
	r.source = ingest.New(ingest.Options{Name: "events", Filter: "events.>", Stream: r.stream, Lake: r.lake,
		Flush: ingest.Flush{Age: 50 * time.Millisecond}, Grace: 5 * time.Second})
	ctx, stop := context.WithCancel(context.WithoutCancel(r.Context()))
	done := make(chan error, 1)
	go func() { done <- r.source.Run(ctx) }()
	r.Cleanup(func() {
		stop()
		r.must(<-done)
	})
}

func (r *rig) publish(n int) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	for range n {
		r.sent++
		_, err := r.js.Publish(ctx, "events.a", fmt.Appendf(nil, `{"n":%d}`, r.sent), natsjs.WithRetryAttempts(100))
		r.must(err)
	}
}

// until waits for the condition and returns how long that took.
func (r *rig) until(what string, most time.Duration, cond func(ingest.Status) bool) time.Duration {
	r.Helper()
	began := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond(r.source.Status()) {
		if <-tick.C; time.Since(began) > most {
			r.Fatalf("not %s after %s: %+v", what, most, r.source.Status())
		}
	}
	return time.Since(began)
}

func (r *rig) committed(seq uint64) {
	r.Helper()
	r.until(fmt.Sprint("committed up to ", seq), 30*time.Second,
		func(s ingest.Status) bool { return s.State == ingest.Running && s.Committed >= seq })
}

func (r *rig) halted(reason string) {
	r.Helper()
	took := r.until("halted", 5*time.Second, func(s ingest.Status) bool { return s.State == ingest.Halted })
	if st := r.source.Status(); !strings.Contains(st.Reason, reason) ||
		!strings.Contains(st.Reason, "lakeward source reset events") {
		r.Errorf("the reason is %q", st.Reason)
	}
	r.Logf("halted after %s", took.Round(time.Millisecond))
}

func (r *rig) verify() ingest.VerifyReport {
	r.Helper()
	rep, err := ingest.Verify(r.Context(), ingest.VerifyOptions{Lake: r.lake, Stream: r.stream, StreamName: "EVENTS",
		Filter: "events.>"})
	r.must(err)
	if !rep.OK() {
		r.Errorf("verify:\n%s", rep)
	}
	return rep
}

func (r *rig) recreate() {
	r.Helper()
	s, err := r.js.Stream(r.Context(), "EVENTS")
	r.must(err)
	cfg := s.CachedInfo().Config
	r.must(r.js.DeleteStream(r.Context(), "EVENTS"))
	_, err = r.js.CreateStream(r.Context(), cfg)
	r.must(err)
}

func TestAStreamMadeAnewHaltsWithinFiveSecondsAndIsReset(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(20)
	r.committed(20)
	r.recreate()
	r.publish(30) // more than the mark: they must not pass for old ones
	r.halted("made anew")
	_, err := r.source.Reset(t.Context(), ingest.ResetRequest{Mode: ingest.FromStart, By: "ada",
		Reason: "the disk was lost"})
	r.must(err)
	r.committed(30)
	rep := r.verify()
	if rep.Messages != 30 || len(rep.Earlier) != 1 || rep.Earlier[0].Messages != 20 {
		t.Errorf("verify:\n%s", rep)
	}
}

func TestAStreamRestoredFromAnOlderCopyHalts(t *testing.T) {
	for name, more := range map[string]int{"and still": 0, "and gone on beyond the mark": 60} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.run()
			r.publish(10)
			r.committed(10)
			r.must(r.server.Close())
			older := filepath.Join(r.dir, "older")
			r.must(os.CopyFS(older, os.DirFS(r.store)))
			r.start()
			r.publish(30)
			r.committed(40)
			r.must(r.server.Close())
			r.store = older
			r.start()
			r.publish(more)
			r.halted("restored from an older copy")
			in, err := r.source.Inspect(t.Context(), "EVENTS")
			r.must(err)
			at := strings.Fields(in.Reason[strings.Index(in.Reason, "--from-time ")+len("--from-time "):])[0]
			from, err := time.Parse(time.RFC3339Nano, at)
			r.must(err)
			_, err = r.source.Reset(t.Context(), ingest.ResetRequest{Mode: ingest.FromTime, Time: from, By: "ada"})
			r.must(err)
			r.publish(5)
			r.committed(uint64(10 + more + 5))
			rep := r.verify()
			if rep.Messages != uint64(more+5) || ingest.Count(rep.LeftOut) != 10 || rep.Earlier[0].Messages != 40 {
				t.Errorf("verify:\n%s", rep)
			}
		})
	}
}

func TestAGapAtTheStreamsStartIsRecordedAndIngestGoesOn(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(10)
	r.committed(10)
	stream, err := r.js.Stream(t.Context(), "EVENTS")
	r.must(err)
	release, err := r.source.Hold(t.Context(), "held by a test")
	r.must(err)
	r.publish(20)
	r.must(stream.Purge(t.Context(), natsjs.WithPurgeSequence(26)))
	release()
	r.committed(30)
	if st := r.source.Status(); st.Gaps != 15 || st.State != ingest.Running {
		t.Errorf("%+v", st)
	}
	in, err := r.source.Inspect(t.Context(), "EVENTS")
	if err != nil || ingest.Count(in.Gaps) != 15 || in.Gaps[0].First != 11 ||
		!strings.Contains(in.Remedy, "dropped messages") {
		t.Errorf("%v\n%s", err, in)
	}
	if rep := r.verify(); rep.Messages != 15 || ingest.Count(rep.Gaps) != 15 {
		t.Errorf("verify:\n%s", rep)
	}
}

func TestAConsumerThatIsDeletedHasNoEffect(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(10)
	r.committed(10)
	stream, err := r.js.Stream(t.Context(), "EVENTS")
	r.must(err)
	n := 0
	for name := range stream.ConsumerNames(t.Context()).Name() {
		r.must(stream.DeleteConsumer(t.Context(), name))
		n++
	}
	if n == 0 {
		t.Error("there was no consumer")
	}
	r.publish(10)
	r.committed(20)
	if rep := r.verify(); rep.Messages != 20 || len(rep.Earlier) != 0 {
		t.Errorf("verify:\n%s", rep)
	}
}

func TestARestartOfNATSIsSaidAndRecoversByItself(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(10)
	r.committed(10)
	r.must(r.server.Close())
	r.until("waiting", 20*time.Second, func(s ingest.Status) bool {
		return s.State == ingest.Waiting && strings.Contains(s.Reason, "stream")
	})
	r.start()
	r.publish(10)
	r.committed(20)
	if st := r.source.Status(); st.Reason != "" || st.Gaps != 0 {
		t.Errorf("%+v", st)
	}
	r.verify()
}

func TestAStreamThatIsGoneIsWaitedFor(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(10)
	r.committed(10)
	r.must(r.js.DeleteStream(t.Context(), "EVENTS"))
	r.until("waiting", 10*time.Second, func(s ingest.Status) bool {
		return s.State == ingest.Waiting && strings.Contains(s.Reason, "not found")
	})
	in, err := r.source.Inspect(t.Context(), "EVENTS")
	if err != nil || !strings.Contains(in.Reason, "not found") || in.Remedy == "" {
		t.Errorf("%v\n%s", err, in)
	}
}
