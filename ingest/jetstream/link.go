package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// newLink opens a connection for reading: the lean one where the server asks
// for neither credentials nor TLS, as the one inside the process does, and
// nats.go's otherwise.
func (c *Conn) newLink(ctx context.Context, suffix string, b *blocks) (link, error) {
	if addr, ok := c.plainAddress(); ok {
		l, err := dialWire(ctx, addr, suffix, b)
		if !errors.Is(err, errNotPlain) {
			return l, err
		}
	}
	return c.clientLink(ctx, suffix)
}

// clientLink reads through nats.go.
type clientLink struct {
	nc    *nats.Conn
	inbox string
	in    chan *nats.Msg
	out   chan []delivery
	lost  chan struct{} // closed with the connection
}

var _ link = (*clientLink)(nil)

// batch is how many deliveries are handed on at once.
const batch = 512

func (c *Conn) clientLink(ctx context.Context, suffix string) (link, error) {
	// The channel holds all that can be on its way: NATS drops what does not fit.
	l := &clientLink{in: make(chan *nats.Msg, 2*askMessages+1024), out: make(chan []delivery, 4),
		lost: make(chan struct{})}
	var err error
	if l.nc, err = c.dial(ctx, suffix, nats.NoReconnect(),
		nats.ClosedHandler(func(*nats.Conn) { close(l.lost) })); err != nil {
		return nil, err
	}
	l.inbox = l.nc.NewInbox()
	if _, err := l.nc.ChanSubscribe(l.inbox, l.in); err != nil {
		l.nc.Close()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	go l.run()
	return l, nil
}

// run converts messages until the connection is closed.
func (l *clientLink) run() {
	defer close(l.out)
	for {
		var ds []delivery
		select {
		case m := <-l.in:
			ds = l.append(ds, m)
		case <-l.lost:
			return
		}
		for more := true; more && len(ds) < batch; {
			select {
			case m := <-l.in:
				ds = l.append(ds, m)
			default:
				more = false
			}
		}
		select {
		case l.out <- ds:
		case <-l.lost:
			return
		}
	}
}

func (l *clientLink) append(ds []delivery, m *nats.Msg) []delivery {
	if m.Subject == l.inbox {
		return append(ds, delivery{status: first(m.Header["Status"]), pending: first(m.Header[pendingHeader])})
	}
	d := delivery{subject: m.Subject, data: m.Data}
	d.at, _ = parseReply(m.Reply) // zero is out of order
	if m.Header != nil {
		d.id = []byte(first(m.Header[jetstream.MsgIDHeader]))
		if _, id := m.Header[jetstream.MsgIDHeader]; len(m.Header) > 1 || !id {
			d.head = encodeHeader(m.Header)
		}
	}
	return append(ds, d)
}

// encodeHeader writes a header as the protocol has it, by name.
func encodeHeader(h nats.Header) []byte {
	var b bytes.Buffer
	b.WriteString("NATS/1.0\r\n")
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	return b.Bytes()
}

const pendingHeader = "Nats-Pending-Messages"

func first(v []string) string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

func (l *clientLink) ask(subject string, body []byte) error {
	return l.nc.PublishRequest(subject, l.inbox, body)
}
func (l *clientLink) deliveries() <-chan []delivery { return l.out }
func (l *clientLink) recycle([]delivery)            {}
func (l *clientLink) maxPayload() int64             { return l.nc.MaxPayload() }

func (l *clientLink) close() {
	l.nc.Close()
	<-l.lost
}
