package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lakeward/lakeward/ingest"
)

// How a reader asks. Two requests' worth of messages are on their way at most,
// so that the server works while what came is decoded.
const (
	askMessages   = 8192
	askBytes      = 8 << 20 // or two messages of the largest size
	askExpires    = 30 * time.Second
	askHeartbeat  = 5 * time.Second
	quietTooLong  = 2*askHeartbeat + 2*time.Second
	forgottenIn   = time.Minute // until the server forgets a consumer that nobody asks
	reopenBackoff = 500 * time.Millisecond
)

// reader reads through an ephemeral pull consumer that acknowledges nothing,
// the cheapest way there is: marks decide, so the server need not remember.
// What the connection loses is noticed by the consumer's own sequence, by a
// missing heartbeat or by the reconnect, and read again from the last message
// that arrived.
type reader struct {
	conn   *Conn
	stream string
	filter string
	next   uint64 // stream sequence to read from

	nc    *nats.Conn
	inbox string
	in    chan *nats.Msg
	sub   *nats.Subscription
	again chan struct{} // the connection was lost and is back

	consumer string // empty: to be made
	seen     uint64 // last sequence of the consumer
	asked    int    // messages asked for and not yet come
}

var _ ingest.Reader = (*reader)(nil)

// Read opens a reader on a connection of its own.
func (s *Stream) Read(ctx context.Context, filter string, from uint64) (ingest.Reader, error) {
	r := &reader{conn: s.conn, stream: s.o.Name, filter: filter, next: max(from, 1), again: make(chan struct{}, 1)}
	var err error
	r.nc, err = s.conn.dial(ctx, "-read-"+s.o.Name, nats.ReconnectHandler(func(*nats.Conn) {
		select {
		case r.again <- struct{}{}:
		default:
		}
	}))
	if err != nil {
		return nil, err
	}
	if err := r.open(ctx); err != nil {
		r.nc.Close()
		return nil, err
	}
	return r, nil
}

// open makes a consumer at r.next and asks it for messages.
func (r *reader) open(ctx context.Context) error {
	r.drop()
	js, err := jetstream.New(r.nc)
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	c, err := js.CreateConsumer(ctx, r.stream, jetstream.ConsumerConfig{
		Description: "lakeward reads " + r.filter, FilterSubject: r.filter,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.next,
		AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: forgottenIn, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return fmt.Errorf("read stream %s from %d: %w", r.stream, r.next, err)
	}
	// A channel of its own, so that nothing of an earlier consumer is in it. It
	// holds all that can be on its way: NATS drops what does not fit.
	r.inbox, r.in = r.nc.NewInbox(), make(chan *nats.Msg, 2*askMessages+1024)
	if r.sub, err = r.nc.ChanSubscribe(r.inbox, r.in); err != nil {
		return fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	r.consumer, r.seen, r.asked = c.CachedInfo().Name, 0, 0
	return r.ask()
}

// drop forgets the consumer and what it sent.
func (r *reader) drop() {
	r.consumer = ""
	if r.sub != nil {
		_ = r.sub.Unsubscribe() // fails only on a closed connection, where it is moot
		r.sub = nil
	}
}

// pull is the request for messages of JetStream's protocol.
type pull struct {
	Batch     int           `json:"batch"`
	MaxBytes  int           `json:"max_bytes"`
	Expires   time.Duration `json:"expires"`
	Heartbeat time.Duration `json:"idle_heartbeat"`
}

// ask keeps up to two requests' worth of messages on their way.
func (r *reader) ask() error {
	for r.asked <= askMessages {
		body, err := json.Marshal(pull{askMessages, max(askBytes, 2*int(r.nc.MaxPayload())), askExpires, askHeartbeat})
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		if err := r.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+r.stream+"."+r.consumer, r.inbox, body); err != nil {
			return fmt.Errorf("ask stream %s for messages: %w", r.stream, err)
		}
		r.asked += askMessages
	}
	return nil
}

// Next appends the messages that are there, and waits if there is none.
func (r *reader) Next(ctx context.Context, buf []ingest.Message, limit int) ([]ingest.Message, error) {
	had := len(buf)
	for {
		if r.consumer == "" {
			if err := r.reopen(ctx); err != nil {
				return buf, err
			}
		}
		buf = r.take(buf, had+limit)
		if r.consumer != "" {
			if err := r.ask(); err != nil {
				return buf, err
			}
		}
		if len(buf) > had {
			return buf, nil
		}
		if r.consumer != "" {
			if err := r.wait(ctx, &buf); err != nil {
				return buf, err
			}
		}
	}
}

// take moves what has come to buf.
func (r *reader) take(buf []ingest.Message, limit int) []ingest.Message {
	for len(buf) < limit && r.consumer != "" {
		select {
		case m := <-r.in:
			buf = r.accept(buf, m)
		default:
			return buf
		}
	}
	return buf
}

// wait blocks until a message comes, or the silence means something.
func (r *reader) wait(ctx context.Context, buf *[]ingest.Message) error {
	quiet := time.NewTimer(quietTooLong)
	defer quiet.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case m := <-r.in:
		*buf = r.accept(*buf, m)
	case <-r.again:
		r.drop()
	case <-quiet.C:
		r.drop()
	}
	return nil
}

// reopen tries until it succeeds, the stream is gone, or ctx ends.
func (r *reader) reopen(ctx context.Context) error {
	for {
		err := r.open(ctx)
		if err == nil || errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.conn.log.Warn("reading waits for NATS", "stream", r.stream, "error", err)
		t := time.NewTimer(reopenBackoff)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// accept takes one delivery: a message, or word about a request.
func (r *reader) accept(buf []ingest.Message, m *nats.Msg) []ingest.Message {
	if m.Header != nil && len(m.Data) == 0 && m.Subject == r.inbox {
		r.status(m)
		return buf
	}
	at, ok := parseReply(m.Reply)
	if !ok || at.consumer != r.seen+1 || at.stream < r.next {
		r.drop() // something between was lost: read it again
		return buf
	}
	r.seen, r.next = at.consumer, at.stream+1
	r.asked--
	out := ingest.Message{Seq: at.stream, Published: time.Unix(0, at.nanos).UTC(), Subject: m.Subject, Data: m.Data}
	if m.Header != nil {
		out.ID = first(m.Header[jetstream.MsgIDHeader])
	}
	return append(buf, out)
}

func first(v []string) string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

// status accounts for a request that ended, or for a consumer that is gone.
func (r *reader) status(m *nats.Msg) {
	switch first(m.Header["Status"]) {
	case "100": // heartbeat
	case "404", "408", "409":
		left, err := strconv.Atoi(first(m.Header["Nats-Pending-Messages"]))
		if err != nil {
			r.drop() // deleted, or its leader moved
			return
		}
		r.asked -= left
	default:
		r.drop()
	}
}

// Close ends the reader; the server forgets its consumer soon after.
func (r *reader) Close() error {
	consumer := r.consumer
	r.drop()
	if consumer != "" && r.nc.IsConnected() {
		_ = r.nc.Publish("$JS.API.CONSUMER.DELETE."+r.stream+"."+consumer, nil) // a courtesy: it is forgotten anyway
		_ = r.nc.FlushTimeout(time.Second)
	}
	r.nc.Close()
	return nil
}

// position is what the reply subject of a delivery says.
type position struct {
	stream, consumer uint64
	nanos            int64
}

// parseReply reads $JS.ACK.STREAM.CONSUMER.DELIVERED.SSEQ.CSEQ.NANOS.PENDING,
// or the form that has domain and account hash after $JS.ACK and a token more
// at the end. It is on the path of every message, so it splits nothing.
func parseReply(s string) (position, bool) {
	const prefix = "$JS.ACK."
	if len(s) < len(prefix) || s[:len(prefix)] != prefix {
		return position{}, false
	}
	dots := 0
	for i := range len(s) {
		if s[i] == '.' {
			dots++
		}
	}
	skip := 5 // tokens before SSEQ
	if dots >= 10 {
		skip = 7
	} else if dots != 8 {
		return position{}, false
	}
	i := 0
	for ; skip > 0 && i < len(s); i++ {
		if s[i] == '.' {
			skip--
		}
	}
	var n [3]uint64
	for k := range n {
		start := i
		for ; i < len(s) && s[i] != '.'; i++ {
			c := s[i] - '0'
			if c > 9 {
				return position{}, false
			}
			n[k] = n[k]*10 + uint64(c)
		}
		if i == start || i == len(s) {
			return position{}, false
		}
		i++
	}
	return position{stream: n[0], consumer: n[1], nanos: int64(n[2])}, true
}
