package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"
)

const (
	inFlight     = 4096
	inFlightSize = 8 << 20 // bytes of their data, or one message
	storedWithin = 60 * time.Second
)

// Published counts what a publisher's stream acknowledged.
type Published struct {
	Published  int64 // acknowledged, duplicates included
	Duplicates int64 // of these, known to the stream before by their message id
}

// Publisher publishes in bulk: many messages are on their way at once, and
// Publish waits when there are too many. Safe for concurrent use.
type Publisher struct {
	nc   *nats.Conn
	js   jetstream.JetStream
	acks chan jetstream.PubAckFuture
	room chan struct{}
	size *semaphore.Weighted
	done chan struct{} // the collector has ended

	mu     sync.Mutex
	idle   *sync.Cond
	open   int // published and not yet answered
	counts Published
	err    error // the first
	closed bool
}

// Publisher makes a bulk publisher on a connection of its own. The caller
// closes it.
func (c *Conn) Publisher(ctx context.Context) (*Publisher, error) {
	nc, err := c.dial(ctx, "-publish")
	if err != nil {
		return nil, err
	}
	p := &Publisher{nc: nc, acks: make(chan jetstream.PubAckFuture, inFlight), room: make(chan struct{}, inFlight),
		size: semaphore.NewWeighted(inFlightSize), done: make(chan struct{})}
	p.idle = sync.NewCond(&p.mu)
	p.js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(2*inFlight),
		jetstream.WithPublishAsyncTimeout(storedWithin))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	go p.collect()
	return p, nil
}

// headerRoom is what a message id and its header take of a payload, at most.
const headerRoom = 256

// MaxPayload is the most bytes of data that Publish can send with an id of
// this package's length.
func (p *Publisher) MaxPayload() int64 { return p.nc.MaxPayload() - headerRoom }

// Publish sends a message and does not wait until it is stored. data may be
// reused when it returns. After a failure it returns the first error.
func (p *Publisher) Publish(ctx context.Context, subject, msgID string, data []byte) error {
	if err := p.failed(); err != nil {
		return err
	}
	weight := weigh(data)
	if err := p.size.Acquire(ctx, weight); err != nil {
		return err
	}
	select {
	case p.room <- struct{}{}:
	case <-ctx.Done():
		p.size.Release(weight)
		return ctx.Err()
	}
	// A copy: nats.go may send a message again when nobody answers at first.
	m := &nats.Msg{Subject: subject, Data: append([]byte(nil), data...)}
	if msgID != "" {
		m.Header = nats.Header{jetstream.MsgIDHeader: {msgID}}
	}
	f, err := p.js.PublishMsgAsync(m)
	if err != nil {
		<-p.room
		p.size.Release(weight)
		return p.fail(publishError(subject, err))
	}
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
	p.acks <- f // never blocks: room is as large
	return nil
}

// collect takes the answers in order.
func (p *Publisher) collect() {
	defer close(p.done)
	for f := range p.acks {
		select {
		case a := <-f.Ok():
			p.answered(a.Duplicate, nil)
		case err := <-f.Err():
			p.answered(false, publishError(f.Msg().Subject, err))
		}
		<-p.room
		p.size.Release(weigh(f.Msg().Data))
	}
}

// weigh is a message's part of what may be on its way.
func weigh(data []byte) int64 { return min(int64(len(data)), inFlightSize) }

func (p *Publisher) answered(duplicate bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	switch {
	case err == nil && duplicate:
		p.counts.Duplicates++
		p.counts.Published++
	case err == nil:
		p.counts.Published++
	case p.err == nil:
		p.err = err
	}
	if p.open == 0 {
		p.idle.Broadcast()
	}
}

func (p *Publisher) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *Publisher) fail(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	return p.err
}

// Flush waits until every message is stored, and returns the first error.
func (p *Publisher) Flush(ctx context.Context) error {
	wake := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.idle.Broadcast()
	})
	defer wake()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.open > 0 && ctx.Err() == nil {
		p.idle.Wait()
	}
	if p.open > 0 {
		return errors.Join(p.err, fmt.Errorf("%d messages are not acknowledged: %w", p.open, ctx.Err()))
	}
	return p.err
}

// Close flushes, and says what was stored, also when there is an error.
func (p *Publisher) Close(ctx context.Context) (Published, error) {
	err := p.Flush(ctx)
	p.mu.Lock()
	counts, again := p.counts, p.closed
	p.closed = true
	p.mu.Unlock()
	if again {
		return counts, err
	}
	p.nc.Close()
	close(p.acks)
	if err == nil {
		<-p.done
	}
	return counts, err
}
