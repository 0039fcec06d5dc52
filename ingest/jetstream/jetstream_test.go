package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lakeward/lakeward/ingest"
)

func startServer(t *testing.T, o ServerOptions) *Server {
	t.Helper()
	if o.Host == "" {
		o.Host, o.Port = "127.0.0.1", -1
	}
	if o.StoreDir == "" {
		o.StoreDir = t.TempDir()
	}
	s, err := StartServer(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t *testing.T, url string) *Conn {
	t.Helper()
	c, err := Connect(t.Context(), Options{URL: url}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func events(t *testing.T, c *Conn, o StreamOptions) *Stream {
	t.Helper()
	if o.Name == "" {
		o.Name, o.Subjects, o.Create = "EVENTS", []string{"events.>"}, true
	}
	s, err := c.Stream(t.Context(), "events.>", o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// publish sends n messages whose data is their number, from 1.
func publish(t *testing.T, c *Conn, n int) Published {
	t.Helper()
	p, err := c.Publisher(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		if err := p.Publish(t.Context(), "events.a", fmt.Sprint("id-", i), []byte(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	got, err := p.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// read reads messages at least up to sequence last, checks order and content,
// and returns the next sequence.
func read(t *testing.T, r ingest.Reader, first, last uint64) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	next := first
	var buf []ingest.Message
	var err error
	for next <= last {
		if buf, err = r.Next(ctx, buf[:0], 1000); err != nil {
			t.Fatalf("after %d: %v", next-1, err)
		}
		for _, m := range buf {
			if m.Seq != next || string(m.Data) != fmt.Sprint(next) || string(m.ID) != fmt.Sprint("id-", next) ||
				m.Subject != "events.a" || time.Since(m.Published) > time.Minute {
				t.Fatalf("message is %+v, want sequence %d", m, next)
			}
			next++
		}
	}
	return next
}

// bothLinks runs a test with each way to read.
func bothLinks(t *testing.T, f func(t *testing.T, c func(url string) *Conn)) {
	for _, lean := range []bool{true, false} {
		t.Run(fmt.Sprintf("lean=%v", lean), func(t *testing.T) {
			f(t, func(url string) *Conn {
				c := connect(t, url)
				c.noWire = !lean
				return c
			})
		})
	}
}

func TestReadsWhatWasPublishedInOrder(t *testing.T) { bothLinks(t, testReads) }

func testReads(t *testing.T, connect func(url string) *Conn) {
	c := connect(startServer(t, ServerOptions{}).ClientURL())
	s := events(t, c, StreamOptions{})
	const n = 30_000
	if got := publish(t, c, n); got != (Published{Published: n}) {
		t.Fatalf("published %+v", got)
	}
	if got := publish(t, c, 100); got != (Published{Published: 100, Duplicates: 100}) {
		t.Fatalf("published again %+v", got)
	}
	r, err := s.Read(t.Context(), "events.>", 11)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	read(t, r, 11, n)
	for i := n + 1; i <= n+3; i++ {
		if err := c.Publish(t.Context(), "events.a", fmt.Sprint("id-", i), []byte(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	read(t, r, n+1, n+3)
	info, err := s.Info(t.Context(), "events.>")
	if err != nil || info.First != 1 || info.Last != n+3 || info.Matched != n+3 || !info.Covered || info.Created.IsZero() {
		t.Fatalf("info is %+v, %v", info, err)
	}
}

func TestReaderGoesOnWhenTheServerComesBack(t *testing.T) { bothLinks(t, testServerComesBack) }

func testServerComesBack(t *testing.T, connect func(url string) *Conn) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o := ServerOptions{Host: "127.0.0.1", Port: port, StoreDir: dir}
	first, err := StartServer(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := connect(first.ClientURL())
	s := events(t, c, StreamOptions{})
	publish(t, c, 5000)
	r, err := s.Read(t.Context(), "events.>", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	next := read(t, r, 1, 1000) // more is on its way
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	startServer(t, o)
	read(t, r, next, 5000)
}

func TestReadsAFilterOfAStream(t *testing.T) {
	c := connect(t, startServer(t, ServerOptions{}).ClientURL())
	s := events(t, c, StreamOptions{})
	for i := range 10 {
		if err := c.Publish(t.Context(), "events."+string(rune('a'+i%2)), "", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	info, err := s.Info(t.Context(), "events.a")
	if err != nil || info.Matched != 9 || info.Last != 10 || info.Covered {
		t.Fatalf("info is %+v, %v", info, err)
	}
	r, err := s.Read(t.Context(), "events.a", 2)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []uint64
	for len(got) < 4 {
		buf, err := r.Next(t.Context(), nil, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range buf {
			got = append(got, m.Seq)
		}
	}
	if fmt.Sprint(got) != "[3 5 7 9]" {
		t.Fatalf("read %v", got)
	}
}

func TestPrunesToTheSlowestSourceAndKeepsSome(t *testing.T) {
	c := connect(t, startServer(t, ServerOptions{}).ClientURL())
	o := StreamOptions{Name: "EVENTS", Subjects: []string{"events.>"}, Create: true, Prune: true, Keep: 10}
	all := events(t, c, o)
	some, err := c.Stream(t.Context(), "events.b", o)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, c, 100)
	in, err := all.Info(t.Context(), "events.>")
	if err != nil {
		t.Fatal(err)
	}
	first := func(want uint64) {
		t.Helper()
		info, err := all.Info(t.Context(), "events.>")
		if err != nil || info.First != want {
			t.Fatalf("stream begins at %d, want %d: %v", info.First, want, err)
		}
	}
	if err := all.Release(t.Context(), "events.>", in.Created, 80); err != nil {
		t.Fatal(err)
	}
	first(1)
	if err := some.Release(t.Context(), "events.b", in.Created, 50); err != nil {
		t.Fatal(err)
	}
	first(41)
	if err := some.Release(t.Context(), "events.b", in.Created, 100); err != nil {
		t.Fatal(err)
	}
	first(71)
}

func TestAStreamThatIsFullRefusesInsteadOfDropping(t *testing.T) {
	c := connect(t, startServer(t, ServerOptions{}).ClientURL())
	events(t, c, StreamOptions{Name: "EVENTS", Subjects: []string{"events.>"}, Create: true, MaxBytes: 64 << 10})
	p, err := c.Publisher(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := p.Publish(t.Context(), "events.a", "", bytes.Repeat([]byte("x"), 4096)); err != nil {
			break
		}
	}
	got, err := p.Close(t.Context())
	if err == nil || !strings.Contains(err.Error(), "events.a") || got.Published == 0 || got.Published > 16 {
		t.Fatalf("published %+v, %v", got, err)
	}
}

func TestSaysWhatIsWrong(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := connect(t, s.ClientURL())
	_, err := c.Stream(t.Context(), "x.>", StreamOptions{Name: "ABSENT", Subjects: []string{"x.>"}})
	if err == nil || !strings.Contains(err.Error(), "nats stream add ABSENT") {
		t.Errorf("absent stream: %v", err)
	}
	if err := c.Publish(t.Context(), "nowhere", "", nil); err == nil ||
		!strings.Contains(err.Error(), "no stream has this subject") {
		t.Errorf("publish without a stream: %v", err)
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(s.ClientURL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := StartServer(t.Context(), ServerOptions{Host: host, Port: n, StoreDir: t.TempDir()}, nil); err == nil ||
		!strings.Contains(err.Error(), "nats.embedded.port") {
		t.Errorf("port in use: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := Connect(ctx, Options{URL: "nats://user:secret@127.0.0.1:1"}, nil); err == nil ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("no server: %v", err)
	}
}

func TestASecondSourceAddsItsSubjects(t *testing.T) {
	c := connect(t, startServer(t, ServerOptions{}).ClientURL())
	o := StreamOptions{Name: "EVENTS", Subjects: []string{"events.>", "events.a"}, Create: true}
	events(t, c, o)
	o.Subjects = []string{"events.>", "logs.>"}
	if _, err := c.Stream(t.Context(), "logs.>", o); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"events.a", "logs.b"} {
		if err := c.Publish(t.Context(), subject, "", nil); err != nil {
			t.Error(err)
		}
	}
}

func TestAReaderSkipsSubjectsThatTheStreamGotLater(t *testing.T) {
	c := connect(t, startServer(t, ServerOptions{}).ClientURL())
	o := StreamOptions{Name: "EVENTS", Subjects: []string{"events.>"}, Create: true}
	s := events(t, c, o)
	r, err := s.Read(t.Context(), "events.>", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o.Subjects = []string{"logs.>"}
	if _, err := c.Stream(t.Context(), "logs.>", o); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"logs.b", "events.a"} {
		if err := c.Publish(t.Context(), subject, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	buf, err := r.Next(t.Context(), nil, 10)
	if err != nil || len(buf) != 1 || buf[0].Seq != 2 {
		t.Fatalf("read %+v, %v", buf, err)
	}
}

func TestReplySubjects(t *testing.T) {
	want := position{stream: 1234, consumer: 56, nanos: 1700000000000000001}
	for _, s := range []string{
		"$JS.ACK.EVENTS.cons.1.1234.56.1700000000000000001.78",
		"$JS.ACK._.hash.EVENTS.cons.1.1234.56.1700000000000000001.78.random",
	} {
		if got, ok := parseReply(s); !ok || got != want {
			t.Errorf("%s is %+v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "$JS.ACK.", "$JS.ACK.a.b.c.d.e.f.g", "_INBOX.x", "$JS.ACK.EVENTS.cons.1.1234.56"} {
		if got, ok := parseReply(s); ok {
			t.Errorf("%q is %+v", s, got)
		}
	}
}

// TestReplySubjectsInARow: what is remembered of the one before changes nothing.
func TestReplySubjectsInARow(t *testing.T) {
	heads := []string{"$JS.ACK.EVENTS.cons.", "$JS.ACK.EVENTS.other.", "$JS.ACK.1.2.", "$JS.ACK._.hash.EVENTS.cons.",
		"$JS.ACK.1.2.3.4.", "$JS.ACK.EVENTS.", "_INBOX."}
	tails := []string{"1.1234.56.1700000000000000001.78", "1.12345678.1234567890123456.1.0",
		"1.0.00000001.99999999.0.token", "1.2.3.4", "1.2.3.4.", "1..3.4.5",
		"1.2.3.4.5.6", "1.2.3.4.5.6.7", "1.1234567x.3.4.5", "1.2.1234567/.4.5", "1.2.3.4.x"}
	var r replies
	for i := range 3 * len(heads) * len(tails) * 7 {
		s := heads[i/2%len(heads)] + tails[i%len(tails)]
		want, wantOK := parseReply(s)
		if got, ok := r.parse([]byte(s)); ok != wantOK || ok && got != want {
			t.Fatalf("%s is %+v, %v after the one before it; by itself it is %+v, %v", s, got, ok, want, wantOK)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		filter, subject string
		want            bool
	}{
		{"events.>", "events.>", true}, {"events.>", "events.a.b", true}, {"events.>", "events.*", true},
		{"events.*", "events.>", false}, {"events.*", "events.*", true}, {"events.*", "events.a", true},
		{"events.a", "events.*", false}, {">", "a.>", true}, {"events.>", "events", false}, {"a.b", "a", false},
	} {
		if got := covers(c.filter, c.subject); got != c.want {
			t.Errorf("%s covers %s: %v", c.filter, c.subject, got)
		}
	}
}

// BenchmarkRead drains a backlog and does nothing with it.
func BenchmarkRead(b *testing.B) {
	for _, lean := range []bool{true, false} {
		b.Run(fmt.Sprintf("lean=%v", lean), func(b *testing.B) { benchmarkRead(b, lean) })
	}
}

func benchmarkRead(b *testing.B, lean bool) {
	s, err := StartServer(b.Context(), ServerOptions{Host: "127.0.0.1", Port: -1, StoreDir: b.TempDir(),
		SyncInterval: time.Second}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	c, err := Connect(b.Context(), Options{URL: s.ClientURL()}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	c.noWire = !lean
	st, err := c.Stream(b.Context(), "events.>",
		StreamOptions{Name: "EVENTS", Subjects: []string{"events.>"}, Create: true})
	if err != nil {
		b.Fatal(err)
	}
	p, err := c.Publisher(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	data := bytes.Repeat([]byte("x"), 480)
	for i := range b.N {
		if err := p.Publish(b.Context(), "events.signin", fmt.Sprintf("id-%016x", i), data); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := p.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	r, err := st.Read(b.Context(), "events.>", 1)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	var buf []ingest.Message
	for n := 0; n < b.N; n += len(buf) {
		if buf, err = r.Next(b.Context(), buf[:0], 4096); err != nil {
			b.Fatal(err)
		}
		r.Done(buf[len(buf)-1].Seq)
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpu is the processor time of the process, client and server together; unlike
// the time that passes it does not depend on what else runs.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
