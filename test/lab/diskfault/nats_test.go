package diskfault

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/test/daemonproc"
)

func TestAnEmbeddedServerWhoseStoreFailedTakesEventsAfterARestart(t *testing.T) {
	d := needDisk(t)
	ctx := t.Context()
	s, err := jetstream.StartServer(ctx, jetstream.ServerOptions{Host: "127.0.0.1", Port: -1,
		StoreDir: filepath.Join(d.at, "data", "nats")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	url := s.ClientURL()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	stream, err := js.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CreateStream(ctx, js.StreamConfig{Name: daemonproc.Stream,
		Subjects: []string{daemonproc.Subjects}}); err != nil {
		t.Fatal(err)
	}
	publish := func() error {
		try, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := stream.Publish(try, "events.a", []byte(`{}`), js.WithRetryAttempts(0))
		return err
	}
	if err := publish(); err != nil || s.Trouble() != "" {
		t.Fatalf("at first: %v, trouble %q", err, s.Trouble())
	}
	d.fs.set(&fault{errno: syscall.EIO, only: classStream, op: "write"})
	if err := publish(); err == nil {
		t.Fatal("a message that was not written was acknowledged")
	}
	d.fs.set(nil)
	if why := s.Trouble(); !strings.Contains(why, "EVENTS") {
		t.Fatalf("the trouble is %q", why)
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if s.ClientURL() != url || s.Trouble() != "" {
		t.Errorf("it is at %s, was at %s, trouble %q", s.ClientURL(), url, s.Trouble())
	}
	deadline := time.Now().Add(20 * time.Second)
	for err = publish(); err != nil && time.Now().Before(deadline); err = publish() {
		pause(ctx, 10*time.Millisecond)
	}
	if err != nil {
		t.Fatalf("after the restart: %v", err)
	}
	in, err := stream.Stream(ctx, "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	if got := in.CachedInfo().State; got.FirstSeq != 1 || got.Msgs < 2 {
		t.Errorf("the stream is %+v", got)
	}
}
