package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lakeward/lakeward/ingest"
)

// How a reader asks. Two requests' worth of messages are on their way at most,
// so that the server works while what came is decoded.
const (
	askMessages   = 8192
	readAhead     = 36 << 20
	framing       = 64 << 10 // what a message's subjects add to it, at most
	askExpires    = 30 * time.Second
	askHeartbeat  = 5 * time.Second
	quietTooLong  = 2*askHeartbeat + 2*time.Second
	forgottenIn   = time.Minute // until the server forgets a consumer that nobody asks
	reopenWithin  = 2 * time.Second
	reopenBackoff = 500 * time.Millisecond
)

// reader reads through an ephemeral pull consumer that acknowledges nothing,
// the cheapest way there is: marks decide, so the server need not remember. A
// source's has a name, for those who look at the server; it goes with its
// reader, and a minute after one that was killed.
// What a connection loses is noticed by the consumer's own sequence, by a
// missing heartbeat or by the end of the connection, and read again from the
// last message that arrived, through another consumer.
type reader struct {
	conn   *Conn
	stream string
	filter string
	name   string    // of the consumer; empty: the server gives one
	free   func()    // gives the name back
	next   uint64    // stream sequence to read from
	first  time.Time // when the stream was created, at the first opening
	last   int64     // publishing time of the message before next; 0: none was read
	mine   string    // a subject that the filter matches: the last one

	askBytes  int64 // of a request; or the largest message
	takeBytes int   // of messages that Next returns, about

	blocks   blocks
	link     link       // nil: to be opened
	batch    []delivery // from link
	come     []delivery // the part of batch not yet taken
	consumer string
	seen     uint64 // last sequence of the consumer
	asked    int    // messages asked for and not yet come
}

var _ ingest.Reader = (*reader)(nil)

// link is a connection with one subscription.
type link interface {
	// ask publishes a request whose answers come as deliveries.
	ask(subject string, body []byte) error
	// deliveries is closed when the connection is lost.
	deliveries() <-chan []delivery
	// recycle gives back a slice of deliveries that was dealt with; their data stays.
	recycle([]delivery)
	maxPayload() int64
	close()
}

// delivery is a message, or word about a request.
type delivery struct {
	at      position
	subject string
	id      []byte
	head    []byte // of a message; nil if it has nothing but the id
	data    []byte
	status  string // of a request; empty: this is a message
	pending string // messages that the request did not get
}

// Read opens a reader on a connection of its own.
func (s *Stream) Read(ctx context.Context, filter string, from uint64) (ingest.Reader, error) {
	r := &reader{conn: s.conn, stream: s.o.Name, filter: filter, next: max(from, 1)}
	// Two requests are on their way, and the caller has five chunks: one that is
	// read, three that wait and one that is decoded.
	ahead := s.o.ReadAhead
	if ahead <= 0 {
		ahead = readAhead
	}
	r.askBytes, r.takeBytes = ahead/9*2, int(ahead/9)
	r.free = func() {}
	if s.o.Consumer != "" && s.named.CompareAndSwap(false, true) {
		r.name, r.free = s.o.Consumer, func() { s.named.Store(false) }
	}
	if err := r.open(ctx, requestWithin); err != nil {
		r.free()
		return nil, err
	}
	return r, nil
}

// open makes a consumer at r.next and asks it for messages.
func (r *reader) open(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	js, err := r.conn.js.Stream(ctx, r.stream)
	if err != nil {
		return fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	if err := r.same(ctx, js); err != nil {
		return err
	}
	// The server compares each subject with a filter; where that is all of the
	// stream, it costs less without.
	filter := r.filter
	if coversAll(filter, js.CachedInfo().Config.Subjects) {
		filter = ""
	}
	c, err := r.create(ctx, js, jetstream.ConsumerConfig{
		Name: r.name, Description: "lakeward reads " + r.filter, FilterSubject: filter,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.next,
		AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: forgottenIn, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return fmt.Errorf("read stream %s from %d: %w", r.stream, r.next, err)
	}
	l, err := r.conn.newLink(ctx, "-read-"+r.stream, &r.blocks)
	if err != nil {
		return fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	r.link, r.consumer, r.seen, r.asked = l, c.CachedInfo().Name, 0, 0
	r.batch, r.come = nil, nil
	return r.ask()
}

// deleteWithin is how long the end of an older consumer is waited for. Who may
// not delete consumers gets no answer.
const deleteWithin = 500 * time.Millisecond

// create makes the consumer. The name may be of an older one of this reader, or
// of a process that was killed; if that cannot be deleted, the server names this
// one.
func (r *reader) create(ctx context.Context, js jetstream.Stream, cfg jetstream.ConsumerConfig) (jetstream.Consumer,
	error) {
	if cfg.Name == "" {
		return js.CreateConsumer(ctx, cfg)
	}
	c, err := js.CreateConsumer(ctx, cfg)
	if err == nil && c.CachedInfo().Delivered.Consumer == 0 && c.CachedInfo().NumWaiting == 0 {
		return c, nil
	}
	if err != nil && !errors.Is(err, jetstream.ErrConsumerExists) {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, deleteWithin)
	err = js.DeleteConsumer(within, cfg.Name)
	cancel()
	if err == nil {
		if c, err = js.CreateConsumer(ctx, cfg); err == nil {
			return c, nil
		}
	}
	cfg.Name = ""
	return js.CreateConsumer(ctx, cfg)
}

// errOther ends a reader whose stream is not the one that it began with.
var errOther = errors.New("the stream is not the one that was read before")

// same checks that the stream goes on where the reader was. After a server was
// away, it may have come back with another stream, or with an older copy.
func (r *reader) same(ctx context.Context, js jetstream.Stream) error {
	in := js.CachedInfo()
	if r.first.IsZero() {
		r.first = in.Created
	}
	switch {
	case !in.Created.Equal(r.first):
		return fmt.Errorf("%w: stream %s was made anew", errOther, r.stream)
	case r.last == 0:
		return nil
	case in.State.LastSeq < r.next-1:
		return fmt.Errorf("%w: stream %s ends at %d, and %d was read", errOther, r.stream, in.State.LastSeq, r.next-1)
	case in.State.FirstSeq >= r.next:
		return nil // the message is no longer there to be compared
	}
	m, err := js.GetMsg(ctx, r.next-1)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("look up message %d of stream %s: %w", r.next-1, r.stream, err)
	case m.Time.UnixNano() != r.last:
		return fmt.Errorf("%w: message %d of stream %s is another one", errOther, r.next-1, r.stream)
	}
	return nil
}

// drop gives up the connection and what it brought.
func (r *reader) drop() {
	if r.link != nil {
		r.link.close()
	}
	r.link, r.batch, r.come = nil, nil, nil
}

// pull is the request for messages of JetStream's protocol.
type pull struct {
	Batch     int           `json:"batch"`
	MaxBytes  int64         `json:"max_bytes"`
	Expires   time.Duration `json:"expires"`
	Heartbeat time.Duration `json:"idle_heartbeat"`
}

// ask keeps up to two requests' worth of messages on their way.
func (r *reader) ask() error {
	for r.asked <= askMessages {
		body, err := json.Marshal(pull{askMessages, max(r.askBytes, r.link.maxPayload()+framing), askExpires, askHeartbeat})
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		if err := r.link.ask("$JS.API.CONSUMER.MSG.NEXT."+r.stream+"."+r.consumer, body); err != nil {
			r.drop() // the connection is lost; there will be another
			return nil
		}
		r.asked += askMessages
	}
	return nil
}

// Next appends the messages that are there, and waits if there is none.
func (r *reader) Next(ctx context.Context, buf []ingest.Message, limit int) ([]ingest.Message, error) {
	had := len(buf)
	for {
		if r.link == nil {
			if err := r.reopen(ctx); err != nil {
				return buf, err
			}
		}
		buf = r.take(buf, had+limit)
		if r.link != nil {
			if err := r.ask(); err != nil {
				return buf, err
			}
		}
		if len(buf) > had {
			return buf, nil
		}
		if r.link != nil {
			if err := r.wait(ctx); err != nil {
				return buf, err
			}
		}
	}
}

// take moves what has come to buf, without waiting.
func (r *reader) take(buf []ingest.Message, limit int) []ingest.Message {
	for bytes := 0; len(buf) < limit && bytes < r.takeBytes && r.link != nil; {
		if len(r.come) > 0 {
			d := &r.come[0]
			bytes += len(d.data)
			r.come = r.come[1:]
			buf = r.accept(buf, d)
			continue
		}
		if r.batch != nil {
			r.link.recycle(r.batch)
			r.batch = nil
		}
		select {
		case come, ok := <-r.link.deliveries():
			r.came(come, ok)
		default:
			return buf
		}
	}
	return buf
}

func (r *reader) came(ds []delivery, ok bool) {
	r.batch, r.come = ds, ds
	if !ok {
		r.drop()
	}
}

// wait blocks until something comes, or the silence means something.
func (r *reader) wait(ctx context.Context) error {
	quiet := time.NewTimer(quietTooLong)
	defer quiet.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case come, ok := <-r.link.deliveries():
		r.came(come, ok)
	case <-quiet.C:
		r.drop()
	}
	return nil
}

// reopen tries until it succeeds, the stream is gone or another one, or ctx
// ends. The answer to a request that was on its way when the server went never
// comes, so the first tries are short.
func (r *reader) reopen(ctx context.Context) error {
	for within := reopenWithin; ; within = min(2*within, requestWithin) {
		err := r.open(ctx, within)
		if err == nil || errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, errOther) {
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

// accept takes one delivery.
func (r *reader) accept(buf []ingest.Message, d *delivery) []ingest.Message {
	if d.status != "" {
		r.status(d)
		return buf
	}
	if d.at.consumer != r.seen+1 || d.at.stream < r.next {
		r.drop() // something between was lost: read it again
		return buf
	}
	r.seen, r.next, r.last = d.at.consumer, d.at.stream+1, d.at.nanos
	r.asked--
	if d.subject != r.mine {
		if !covers(r.filter, d.subject) { // the stream got more subjects since
			return buf
		}
		r.mine = d.subject
	}
	return append(buf, ingest.Message{Seq: d.at.stream, Published: time.Unix(0, d.at.nanos).UTC(), Subject: d.subject,
		ID: d.id, Header: d.head, Data: d.data})
}

// status accounts for a request that ended, or for a consumer that is gone.
func (r *reader) status(d *delivery) {
	switch d.status {
	case "100": // heartbeat
	case "404", "408", "409":
		left, err := strconv.Atoi(d.pending)
		if err != nil {
			r.drop() // deleted, or its leader moved
			return
		}
		r.asked -= left
	default:
		r.drop()
	}
}

// Done lets the memory of the messages up to seq be used again.
func (r *reader) Done(seq uint64) { r.blocks.done(seq) }

// Close ends the reader and its consumer.
func (r *reader) Close() error {
	r.drop()
	defer r.free()
	if r.consumer != "" && r.conn.nc.IsConnected() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = r.conn.js.DeleteConsumer(ctx, r.stream, r.consumer) // a courtesy: it is soon forgotten anyway
	}
	return nil
}
