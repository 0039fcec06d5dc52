package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// published counts what the stream has acknowledged.
type published struct {
	good, bad int
	last      uint64 // sequence of the stream
}

// publisher publishes numbered events at a rate. Each is tried until it is
// acknowledged, so at the end every number up to the last is in the stream.
type publisher struct {
	nc   *nats.Conn
	js   jetstream.JetStream
	quit chan struct{}
	wg   sync.WaitGroup
	next chan int

	mu    sync.Mutex
	count published
}

const (
	publishers = 32
	badEvery   = 97 // one in so many is not a JSON
)

func startPublisher(ctx context.Context, url string, rate int) (*publisher, error) {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.RetryOnFailedConnect(true),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // that connections break is the point
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	p := &publisher{nc: nc, js: js, quit: make(chan struct{}), next: make(chan int, publishers)}
	p.wg.Go(func() { p.number(ctx, rate) })
	for range publishers {
		p.wg.Go(func() { p.work(ctx) })
	}
	return p, nil
}

// number hands out numbers at the rate until it is told to quit.
func (p *publisher) number(ctx context.Context, rate int) {
	defer close(p.next)
	const tick = 10 * time.Millisecond
	t := time.NewTicker(tick)
	defer t.Stop()
	for n := 0; ; {
		select {
		case <-t.C:
		case <-p.quit:
			return
		case <-ctx.Done():
			return
		}
		for range max(1, rate*int(tick)/int(time.Second)) {
			select {
			case p.next <- n:
				n++
			case <-p.quit:
				return
			case <-ctx.Done():
				return
			}
		}
	}
}

func (p *publisher) work(ctx context.Context) {
	for n := range p.next {
		if !p.publish(ctx, n) {
			return
		}
	}
}

// publish tries until the stream has the event.
func (p *publisher) publish(ctx context.Context, n int) bool {
	id := fmt.Sprintf("event-%d", n)
	bad := n%badEvery == badEvery-1
	data := fmt.Sprintf(`{"id":%d,"time":"2026-11-%02dT10:00:00Z","user":{"name":"user%d"},"text":"event number %d"}`, n,
		1+n%3, n%100, n)
	if bad {
		data = fmt.Sprintf(`{"id":%d,`, n)
	}
	subject := [...]string{"events.chaos_a", "events.chaos_b"}[n%2]
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := p.js.Publish(try, subject, []byte(data), jetstream.WithMsgID(id))
		cancel()
		if err == nil {
			p.mu.Lock()
			if bad {
				p.count.bad++
			} else {
				p.count.good++
			}
			p.mu.Unlock()
			return true
		}
		pause(ctx, 20*time.Millisecond)
	}
	return false
}

// stop waits until what was begun is acknowledged.
func (p *publisher) stop(ctx context.Context) (_ published, err error) {
	defer p.nc.Close()
	close(p.quit)
	p.wg.Wait()
	s, err := p.js.Stream(ctx, "EVENTS")
	if err != nil {
		return p.count, fmt.Errorf("look up stream: %w", err)
	}
	p.count.last = s.CachedInfo().State.LastSeq
	return p.count, nil
}
