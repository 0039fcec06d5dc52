package jetstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// wire is the lean connection for reading: it speaks the little of NATS's
// protocol that one subscription needs. nats.go allocates some ten times for
// each message; here the data of many messages share a block, and a header is
// looked at for the message id alone.
type wire struct {
	conn    net.Conn
	inbox   string
	max     int64
	in      intake
	out     chan []delivery
	quit    chan struct{} // closed by close
	done    chan struct{} // closed when run has ended
	once    sync.Once
	spare   chan []delivery   // to be filled again
	subject map[string]string // each once
	same    string            // the last one
	replies replies

	mu sync.Mutex // of writing
}

var _ link = (*wire)(nil)

// errNotPlain: the server wants what only nats.go can do.
var errNotPlain = errors.New("the server asks for credentials or TLS")

const (
	mostSubjects = 10_000
	writeWithin  = 10 * time.Second
)

// plainAddress is where a wire can connect to, if the options do not rule it out.
func (c *Conn) plainAddress() (string, bool) {
	o := c.o
	if o.Creds != "" || o.NKey != "" || o.User != "" || o.Token != "" || o.CA != "" || o.PinnedCert != "" ||
		o.Cert != "" || c.noWire {
		return "", false
	}
	u, err := url.Parse(c.nc.ConnectedUrl()) // of several servers, the one that answers now
	if err != nil || u.Scheme != "nats" || u.User != nil || u.Port() == "" {
		return "", false
	}
	return u.Host, true
}

// dialWire connects and subscribes. Its error is errNotPlain if the server
// wants more than a wire can do.
func dialWire(ctx context.Context, addr, suffix string, b *blocks) (*wire, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	w := &wire{conn: conn, inbox: nats.NewInbox(), in: intake{conn: conn, blocks: b}, out: make(chan []delivery, 4),
		quit: make(chan struct{}), done: make(chan struct{}), subject: map[string]string{}, spare: make(chan []delivery, 4)}
	if err := w.greet(ctx, suffix); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	go w.run()
	return w, nil
}

// greet exchanges INFO and CONNECT, and subscribes.
func (w *wire) greet(ctx context.Context, suffix string) error {
	stop := context.AfterFunc(ctx, func() { _ = w.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	line, err := w.in.line()
	if err != nil {
		return fmt.Errorf("greet NATS: %w", err)
	}
	var info struct {
		TLS        bool  `json:"tls_required"`
		Auth       bool  `json:"auth_required"`
		Headers    bool  `json:"headers"`
		MaxPayload int64 `json:"max_payload"`
	}
	text, ok := bytes.CutPrefix(line, []byte("INFO "))
	if !ok {
		return fmt.Errorf("greet NATS: it says %.80q", line)
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return fmt.Errorf("greet NATS: %w", err)
	}
	if info.TLS || info.Auth || !info.Headers {
		return errNotPlain
	}
	w.max = info.MaxPayload
	name, err := json.Marshal("lakeward" + suffix)
	if err != nil {
		return fmt.Errorf("greet NATS: %w", err)
	}
	return w.write(fmt.Appendf(nil, `CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"lang":"go","version":"lakeward","protocol":1,"name":%s}`+
		"\r\nSUB %s 1\r\n", name, w.inbox))
}

func (w *wire) write(p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return fmt.Errorf("write to NATS: %w", err)
	}
	if _, err := w.conn.Write(p); err != nil {
		return fmt.Errorf("write to NATS: %w", err)
	}
	return nil
}

func (w *wire) ask(subject string, body []byte) error {
	return w.write(fmt.Appendf(nil, "PUB %s %s %d\r\n%s\r\n", subject, w.inbox, len(body), body))
}

func (w *wire) deliveries() <-chan []delivery { return w.out }

func (w *wire) recycle(ds []delivery) {
	clear(ds)
	select {
	case w.spare <- ds[:0]:
	default:
	}
}

func (w *wire) maxPayload() int64 { return w.max }

// close ends the connection and waits for run.
func (w *wire) close() {
	w.once.Do(func() {
		close(w.quit)
		_ = w.conn.Close() // there is nothing to flush
	})
	<-w.done
}

// run reads until the connection ends, and hands on what the buffer holds at
// once. A reader that is slow slows the server down through TCP.
func (w *wire) run() {
	defer close(w.done)
	defer close(w.out)
	for {
		var ds []delivery
		select {
		case ds = <-w.spare:
		default:
			ds = make([]delivery, 0, batch)
		}
		var err error
		for err == nil && (len(ds) == 0 || w.in.waiting()) && len(ds) < batch {
			ds, err = w.frame(ds)
		}
		if len(ds) > 0 {
			select {
			case w.out <- ds:
			case <-w.quit:
				return
			}
		}
		if err != nil {
			return // the reader opens another
		}
	}
}

// frame reads one operation of the protocol.
func (w *wire) frame(ds []delivery) ([]delivery, error) {
	line, err := w.in.line()
	if err != nil {
		return ds, err
	}
	switch {
	case bytes.HasPrefix(line, []byte("HMSG ")):
		return w.message(ds, line[5:], true)
	case bytes.HasPrefix(line, []byte("MSG ")):
		return w.message(ds, line[4:], false)
	case bytes.Equal(line, []byte("PING")):
		return ds, w.write([]byte("PONG\r\n"))
	case bytes.Equal(line, []byte("PONG")), bytes.HasPrefix(line, []byte("+OK")), bytes.HasPrefix(line, []byte("INFO ")):
		return ds, nil
	default:
		return ds, fmt.Errorf("%w: %.80q", errProtocol, line)
	}
}

// message reads SUBJECT SID [REPLY] [HEADER-SIZE] SIZE, and what it announces.
func (w *wire) message(ds []delivery, args []byte, headed bool) ([]delivery, error) {
	var f [5][]byte
	n := 0
	for n < len(f) && len(args) > 0 {
		i := bytes.IndexByte(args, ' ')
		if i < 0 {
			i = len(args)
		}
		f[n], args = args[:i], args[i:]
		for n++; len(args) > 0 && args[0] == ' '; {
			args = args[1:]
		}
	}
	sizes := 1
	if headed {
		sizes = 2
	}
	if n < 2+sizes || n > 3+sizes || len(args) > 0 {
		return ds, errProtocol
	}
	size, ok := number(f[n-1])
	header := 0
	if headed && ok {
		header, ok = number(f[n-2])
	}
	if !ok || header > size {
		return ds, errProtocol
	}
	var d delivery
	if n == 3+sizes {
		d.at, _ = w.replies.parse(f[2]) // zero is out of order
	}
	d.subject = w.intern(f[0])
	data, err := w.in.take(size)
	if err != nil {
		return ds, err
	}
	w.in.last = max(w.in.last, d.at.stream)
	d.data = data[header:]
	if headed {
		d.header(data[:header])
	}
	if d.status == "" && d.subject == w.inbox {
		d.status = "unknown"
	}
	return append(ds, d), nil
}

func number(b []byte) (int, bool) {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<30 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(b) > 0
}

// intern gives equal subjects one string.
func (w *wire) intern(b []byte) string {
	if string(b) == w.same {
		return w.same
	}
	s, ok := w.subject[string(b)]
	if !ok {
		if len(w.subject) >= mostSubjects {
			clear(w.subject)
		}
		s = string(b)
		w.subject[s] = s
	}
	w.same = s
	return s
}

// onlyID begins a header that may have nothing but the message id.
var onlyID = []byte("NATS/1.0" + lineEnd + jetstream.MsgIDHeader + ":")

// header looks for a status, and for the message id.
func (d *delivery) header(h []byte) {
	if id, ok := bytes.CutPrefix(h, onlyID); ok { // as most are
		if i := bytes.IndexByte(id, '\r'); i >= 0 && string(id[i:]) == lineEnd+lineEnd {
			d.id = bytes.TrimSpace(id[:i])
			return
		}
	}
	d.head = h
	line, rest, _ := bytes.Cut(h, []byte("\r\n"))
	if status := strings.TrimSpace(string(bytes.TrimPrefix(line, []byte("NATS/1.0")))); status != "" && len(d.data) == 0 {
		d.status, _, _ = strings.Cut(status, " ")
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch string(key) {
		case jetstream.MsgIDHeader:
			if d.id == nil {
				d.id = bytes.TrimSpace(value)
			}
		case pendingHeader:
			d.pending = string(bytes.TrimSpace(value))
		}
	}
	if d.status != "" && d.pending != "" {
		if _, err := strconv.Atoi(d.pending); err != nil {
			d.pending = ""
		}
	}
}
