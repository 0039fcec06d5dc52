package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/lakeward/lakeward/ingest"
)

func TestLargeAndSmallMessages(t *testing.T) { bothLinks(t, testLarge) }

func testLarge(t *testing.T, connect func(url string) *Conn) {
	c := connect(startServer(t, ServerOptions{MaxPayload: 8 << 20}).ClientURL())
	s := events(t, c, StreamOptions{})
	sizes := []int{0, 1, blockBytes / 4, blockBytes/4 + 1, 300_000, 8<<20 - 100, 7, 8<<20 - 100, 5 << 20, 5 << 20, 3}
	for i, n := range sizes {
		if err := c.Publish(t.Context(), "events.a", "", bytes.Repeat([]byte{byte('a' + i)}, n)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.Read(t.Context(), "events.>", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []ingest.Message
	for len(got) < len(sizes) {
		if got, err = r.Next(ctx, got, 3); err != nil {
			t.Fatalf("after %d messages: %v", len(got), err)
		}
	}
	for i, m := range got {
		if !bytes.Equal(m.Data, bytes.Repeat([]byte{byte('a' + i)}, sizes[i])) {
			t.Errorf("message %d has %d bytes, want %d of %c", i, len(m.Data), sizes[i], 'a'+i)
		}
	}
}

// TestMemoryIsUsedAgainOnlyWhenMessagesAreDone keeps a few hundred messages
// back while thousands are read, and compares each before it is done.
func TestMemoryIsUsedAgainOnlyWhenMessagesAreDone(t *testing.T) { bothLinks(t, testDone) }

func testDone(t *testing.T, connect func(url string) *Conn) {
	c := connect(startServer(t, ServerOptions{}).ClientURL())
	s := events(t, c, StreamOptions{})
	const messages, size, back = 6000, 1500, 700
	text := func(seq uint64) []byte {
		b := bytes.Repeat([]byte("."), size)
		copy(b, fmt.Sprint(seq))
		return b
	}
	p, err := c.Publisher(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(messages) {
		if err := p.Publish(t.Context(), "events.a", fmt.Sprint("id-", seq+1), text(seq+1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	rd, err := s.Read(t.Context(), "events.>", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var held []ingest.Message
	for seen := 0; seen < messages; {
		got, err := rd.Next(ctx, nil, 300)
		if err != nil {
			t.Fatalf("after %d messages: %v", seen, err)
		}
		seen += len(got)
		held = append(held, got...)
		for len(held) > back || (seen == messages && len(held) > 0) {
			m := held[0]
			if held = held[1:]; !bytes.Equal(m.Data, text(m.Seq)) || string(m.ID) != fmt.Sprint("id-", m.Seq) {
				t.Fatalf("message %d became %s: %.20s", m.Seq, m.ID, m.Data)
			}
			rd.Done(m.Seq)
		}
	}
	b := &rd.(*reader).blocks
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.full) + len(b.free); n > restBlocks {
		t.Errorf("%d blocks are kept though no message is waited for, want at most %d", n, restBlocks)
	}
	if _, lean := rd.(*reader).link.(*wire); lean && len(b.free) == 0 {
		t.Error("no block was freed")
	}
}

// TestCredentials reads and publishes at servers that ask for credentials.
func TestCredentials(t *testing.T) {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seedFile := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(seedFile, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		server natsd.Options
		client Options
	}{
		"user":  {natsd.Options{Username: "ada", Password: "secret"}, Options{User: "ada", Password: "secret"}},
		"token": {natsd.Options{Authorization: "secret"}, Options{Token: "secret"}},
		"nkey":  {natsd.Options{Nkeys: []*natsd.NkeyUser{{Nkey: public}}}, Options{NKey: seedFile}},
	} {
		t.Run(name, func(t *testing.T) {
			o := c.server
			o.Host, o.Port, o.JetStream, o.StoreDir, o.NoSigs, o.NoLog = "127.0.0.1", -1, true, t.TempDir(), true, true
			ns, err := natsd.NewServer(&o)
			if err != nil {
				t.Fatal(err)
			}
			go ns.Start()
			defer ns.WaitForShutdown()
			defer ns.Shutdown()
			if !ns.ReadyForConnections(10 * time.Second) {
				t.Fatal("not ready")
			}
			if _, err := Connect(t.Context(), Options{URL: ns.ClientURL()}, nil); err == nil {
				t.Error("connected without credentials")
			}
			c.client.URL = ns.ClientURL()
			conn, err := Connect(t.Context(), c.client, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			s := events(t, conn, StreamOptions{})
			publish(t, conn, 10)
			r, err := s.Read(t.Context(), "events.>", 1)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			read(t, r, 1, 10)
		})
	}
}

// TestWireEndsOnWhatIsNoProtocol: the reader then opens another connection.
func TestWireEndsOnWhatIsNoProtocol(t *testing.T) {
	const info = `INFO {"headers":true,"max_payload":1000}` + "\r\n"
	for name, c := range map[string]struct {
		says string
		err  string // of dialWire
	}{
		"nothing":            {"", "EOF"},
		"another protocol":   {"HTTP/1.1 400 Bad Request\r\n", "it says"},
		"wants TLS":          {`INFO {"headers":true,"tls_required":true}` + "\r\n", errNotPlain.Error()},
		"an error":           {info + "-ERR 'Authorization Violation'\r\n", ""},
		"a bad size":         {info + "MSG a 1 xyz\r\nabc\r\n", ""},
		"a huge size":        {info + "MSG a 1 99999999999999999999\r\nabc\r\n", ""},
		"a header too large": {info + "HMSG a 1 10 5\r\nabcde\r\n", ""},
		"too few fields":     {info + "MSG a\r\n", ""},
		"too many fields":    {info + "MSG a 1 b c d e 5\r\nabcde\r\n", ""},
		"no end of line":     {info + "MSG a 1 5\r\nabcdefgh\r\n", ""},
		"cut short":          {info + "MSG a 1 5\r\nab", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, c.says)
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			}()
			w, err := dialWire(t.Context(), l.Addr().String(), "-test", &blocks{})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error is %v, want %s", err, c.err)
				}
				return
			}
			if err != nil && !errors.Is(err, net.ErrClosed) {
				t.Fatal(err)
			}
			defer w.close()
			for ds := range w.deliveries() {
				t.Errorf("delivered %+v", ds)
			}
		})
	}
}
