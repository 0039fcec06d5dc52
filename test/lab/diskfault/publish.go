package diskfault

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	publishers = 8
	badEvery   = 31 // one in so many is not a JSON
)

// publisher publishes numbered events. Each is tried until the stream has
// acknowledged it, so that all but the counted ones are known to be in it.
type publisher struct {
	nc        *nats.Conn
	js        jetstream.JetStream
	cancel    context.CancelFunc
	wg        sync.WaitGroup
	next      atomic.Int64
	good, bad atomic.Int64
	last      atomic.Uint64 // sequence
	refused   atomic.Int64
}

func startPublisher(ctx context.Context, url string) (*publisher, error) {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // that it breaks is the point
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	p := &publisher{nc: nc, js: js}
	pctx, cancel := context.WithCancel(ctx)
	p.cancel = cancel
	for range publishers {
		p.wg.Go(func() {
			for pctx.Err() == nil {
				p.publish(ctx, p.next.Add(1))
			}
		})
	}
	return p, nil
}

// publish tries until the stream has the event, also after the end was asked
// for.
func (p *publisher) publish(ctx context.Context, n int64) {
	bad := n%badEvery == 0
	data := fmt.Sprintf(`{"id":%d,"time":"2026-11-%02dT10:00:00Z","status":"Failure","user":{"name":"user%d"}}`, n, 1+n%3,
		n%50)
	if bad {
		data = fmt.Sprintf(`{"id":%d,`, n)
	}
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		ack, err := p.js.Publish(try, [...]string{"events.disk_a", "events.disk_b"}[n%2], []byte(data),
			jetstream.WithMsgID(fmt.Sprintf("event-%d", n)), jetstream.WithRetryAttempts(0))
		cancel()
		if err == nil {
			for last := p.last.Load(); last < ack.Sequence && !p.last.CompareAndSwap(last, ack.Sequence); last = p.last.Load() {
			}
			if bad {
				p.bad.Add(1)
			} else {
				p.good.Add(1)
			}
			pause(ctx, 20*time.Millisecond)
			return
		}
		p.refused.Add(1)
		pause(ctx, 20*time.Millisecond)
	}
}

// firstSeq is the oldest sequence that the stream still has.
func (p *publisher) firstSeq(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := p.js.Stream(ctx, "EVENTS")
	if err != nil {
		return 0, fmt.Errorf("look up the stream: %w", err)
	}
	return s.CachedInfo().State.FirstSeq, nil
}

// stop waits until what was begun is acknowledged.
func (p *publisher) stop() {
	p.cancel()
	p.wg.Wait()
	p.nc.Close()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
