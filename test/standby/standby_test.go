// Package standby lets two daemons share a source, takes one away again and
// again while events are published, and counts what is lost, what is there
// twice, and how long it takes the other to commit.
//
//	ROUNDS=8 CATALOG=postgres go test -v ./test/standby
//
// With CATALOG=sqlite the two are on one machine, as they must be then. LOSS is
// one of killed, paused, cut and ended, for rounds of that alone.
package standby

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/internal/pgtest"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/test/daemonproc"
)

var postgres pgtest.Server

func TestMain(m *testing.M) { os.Exit(postgres.Run(m)) }

// losses are the ways to lose the daemon that commits. One that is paused while
// it writes to SQLite keeps its lock, so there is nothing to take over.
func losses(sqlite bool) []string {
	if how := os.Getenv("LOSS"); how != "" {
		return []string{how}
	}
	if sqlite {
		return []string{"killed", "cut", "ended"}
	}
	return []string{"killed", "paused", "cut", "ended"}
}

func TestStandby(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("ROUNDS"))
	if err != nil || rounds <= 0 {
		t.Skip("set ROUNDS; make standby does")
	}
	sqlite := os.Getenv("CATALOG") == "sqlite"
	w, losses := newWorld(t, sqlite), losses(sqlite)
	active, other := w.daemons[0], w.daemons[1]
	active.start()
	active.until("commit", func(s serve.Source) bool { return s.State == "running" && s.Commits > 0 })
	other.start()
	other.standsBy(active.holder())
	took := map[string]time.Duration{}
	var longest time.Duration
	for i := range rounds {
		how := losses[i%len(losses)]
		d := w.round(how, active, other)
		took[how], longest = max(took[how], d), max(longest, d)
		t.Logf("round %d: daemon %s %s, daemon %s committed after %.2fs", i+1, active.name, how, other.name, d.Seconds())
		active, other = other, active
	}
	n, last := w.publisher.stop(t)
	active.until("commit everything", func(s serve.Source) bool { return s.Committed >= last })
	lake, err := active.Tally(t.Context(), "SELECT count(*) AS n, count(DISTINCT id) AS d FROM lake.standby")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := active.Lakeward(t.Context(), "verify"); err != nil {
		t.Errorf("lakeward verify: %v\n%s", err, out)
	}
	for _, d := range w.daemons {
		s, err := d.source()
		if err != nil {
			t.Fatal(err)
		}
		d.fenced += s.Fenced
	}
	for _, how := range losses {
		t.Logf("longest until the other committed, %s: %.2fs", how, took[how].Seconds())
	}
	t.Logf("%d events published", n)
	fmt.Printf("figure: standby_rounds %d count\nfigure: standby_takeover_seconds_max %.2f s\nfigure: standby_lost %d "+
		"events\nfigure: standby_repeated %d events\nfigure: standby_fenced %d count\n",
		rounds, longest.Seconds(), n-lake.Distinct, lake.Rows-lake.Distinct, w.daemons[0].fenced+w.daemons[1].fenced)
	if lake.Distinct != n || lake.Rows != n {
		t.Errorf("%d events were published, %d are in the lake, in %d rows", n, lake.Distinct, lake.Rows)
	}
}

// world is what two daemons share.
type world struct {
	*testing.T
	warehouse string
	daemons   []*daemon
	publisher *publisher
}

func newWorld(t *testing.T, sqlite bool) *world {
	dir := t.TempDir()
	bin, err := daemonproc.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	catalog := &url.URL{Opaque: filepath.Join(dir, "lake", "catalog.db"), Scheme: "sqlite"}
	if !sqlite {
		var err error
		if catalog, err = url.Parse(postgres.URL(t)); err != nil {
			t.Fatal(err)
		}
	}
	port, err := daemonproc.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	server, err := jetstream.StartServer(t.Context(),
		jetstream.ServerOptions{Host: "127.0.0.1", Port: port, StoreDir: filepath.Join(dir, "nats"),
			SyncInterval: time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, warehouse: filepath.Join(dir, "lake")}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	w.publisher = newPublisher(t, "nats://"+addr)
	for _, name := range []string{"a", "b"} {
		// the last is not used with SQLite
		d := &daemon{T: t, name: name, nats: newProxy(t, addr), catalog: newProxy(t, catalog.Host)}
		at := *catalog
		if !sqlite {
			at.Host = d.catalog.addr()
		}
		d.Daemon, err = daemonproc.New(daemonproc.Options{Bin: bin, Dir: filepath.Join(dir, name), External: true,
			Env: []string{
				"LAKEWARD_NATS_URL=nats://" + d.nats.addr(), "LAKEWARD_LAKE_WAREHOUSE=" + w.warehouse,
				"LAKEWARD_LAKE_CATALOG=" + at.String(),
				"LAKEWARD_INGEST_FLUSH_AGE=150ms", "LAKEWARD_LAKE_MAINTENANCE_EVERY=1s",
				"LAKEWARD_LAKE_MAINTENANCE_ORPHANS_EVERY=1s", "LAKEWARD_LAKE_MAINTENANCE_ORPHAN_GRACE=1m",
				"LAKEWARD_LAKE_MAINTENANCE_SNAPSHOTS_AGE=0s", "LAKEWARD_LAKE_MAINTENANCE_SNAPSHOTS_LEAST=10"}})
		if err != nil {
			t.Fatal(err)
		}
		w.daemons = append(w.daemons, d)
	}
	t.Cleanup(w.close)
	return w
}

// close ends what runs, and shows the logs of a test that failed.
func (w *world) close() {
	for _, d := range w.daemons {
		if d.proc != nil {
			_ = d.proc.Signal(syscall.SIGCONT) // it may have ended
			if err := d.proc.Terminate(context.Background()); err != nil {
				w.Errorf("daemon %s at the end: %v", d.name, err)
			}
			d.proc.Kill()
		}
		_ = d.Close()
		if w.Failed() {
			b, _ := os.ReadFile(d.LogFile())
			w.Logf("the end of the log of %s:\n%s", d.name, b[max(0, len(b)-6000):])
		}
	}
}

// round takes the active daemon away, says how long the other took to commit,
// and waits until the first stands by.
func (w *world) round(how string, active, other *daemon) time.Duration {
	w.Helper()
	before, err := other.source()
	if err != nil || before.State != "standby" {
		w.Fatalf("daemon %s is %+v, %v", other.name, before, err)
	}
	was, err := active.source()
	if err != nil {
		w.Fatal(err)
	}
	began := time.Now()
	switch how {
	case "killed":
		active.signal(syscall.SIGKILL)
	case "ended":
		active.signal(syscall.SIGTERM)
	case "paused":
		began = w.inCommit()
		active.signal(syscall.SIGSTOP)
	case "cut":
		active.nats.setCut(true)
		active.catalog.setCut(true)
	default:
		w.Fatalf("no way to lose a daemon is called %q", how)
	}
	s := other.until("commit", func(s serve.Source) bool { return s.State == "running" && s.Commits > before.Commits })
	took := time.Since(began)
	other.until("commit more", func(x serve.Source) bool { return x.Commits > s.Commits+2 })
	switch how {
	case "killed", "ended":
		err := active.proc.Wait(w.Context(), within)
		active.fenced += was.Fenced
		if how == "ended" && err != nil {
			w.Errorf("daemon %s ended with %v", active.name, err)
		}
		active.start()
	case "paused":
		active.signal(syscall.SIGCONT)
	case "cut":
		active.nats.setCut(false)
		active.catalog.setCut(false)
	}
	active.standsBy(other.holder())
	return took
}

// inCommit returns when a commit has begun to write its metadata, which the
// catalog then is to name. Who is paused now has that commit still to make when
// it wakes.
func (w *world) inCommit() time.Time {
	w.Helper()
	dir := filepath.Join(w.warehouse, "lake", "standby", "metadata")
	had := map[string]bool{}
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			w.Fatal(err)
		}
		first := len(had) == 0
		for _, e := range entries {
			if !first && !had[e.Name()] && strings.Contains(e.Name(), ".avro") {
				return time.Now()
			}
			had[e.Name()] = true
		}
	}
	w.Fatal("nothing is committed")
	return time.Time{}
}

// publisher publishes numbered events until it is told to stop, each until the
// stream has acknowledged it.
type publisher struct {
	js     natsjs.JetStream
	cancel context.CancelFunc
	done   sync.WaitGroup
	n      int // valid once it has stopped
	last   uint64
	err    error
}

func newPublisher(t *testing.T, url string) *publisher {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	p := &publisher{}
	if p.js, err = natsjs.New(nc); err != nil {
		t.Fatal(err)
	}
	if _, err := p.js.CreateStream(t.Context(),
		natsjs.StreamConfig{Name: "EVENTS", Subjects: []string{"events.>"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.cancel = cancel
	p.done.Go(func() { p.run(ctx) })
	return p
}

func (p *publisher) run(ctx context.Context) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		data := fmt.Sprintf(`{"id":%d,"time":"2026-11-%02dT10:00:00Z","text":"event number %d"}`, p.n, 1+p.n%3, p.n)
		ack, err := p.js.Publish(context.WithoutCancel(ctx), "events.standby", []byte(data),
			natsjs.WithMsgID(strconv.Itoa(p.n)))
		if err != nil {
			p.err = err
			return
		}
		p.n, p.last = p.n+1, ack.Sequence
	}
}

// stop returns how many events were published, and the last sequence.
func (p *publisher) stop(t *testing.T) (int, uint64) {
	t.Helper()
	p.cancel()
	p.done.Wait()
	if p.err != nil {
		t.Fatalf("publish: %v", p.err)
	}
	return p.n, p.last
}
