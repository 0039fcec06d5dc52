package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/test/daemonproc"
)

// publisher publishes in bulk on a connection of its own.
type publisher struct {
	conn *jetstream.Conn
	*jetstream.Publisher
}

func connect(ctx context.Context, url string) (*publisher, error) {
	conn, err := jetstream.Connect(ctx, jetstream.Options{URL: url, Name: "load"}, nil)
	if err != nil {
		return nil, err
	}
	p, err := conn.Publisher(ctx)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &publisher{conn, p}, nil
}

// close waits until everything is stored.
func (p *publisher) close(ctx context.Context) (jetstream.Published, error) {
	n, err := p.Publisher.Close(ctx)
	return n, errors.Join(err, p.conn.Close())
}

// publishShuffled publishes each of so many messages copies times, in an order
// that variant chooses, disturbs the daemon restarts times meanwhile, and waits
// until it is ready. It returns the daemon's process, also with an error.
func publishShuffled(ctx context.Context, d *daemonproc.Daemon, p *daemonproc.Process, messages int, variant uint64,
	restarts int, publish func(pub *publisher, n int) error,
) (_ *daemonproc.Process, sent jetstream.Published, did disturbed, err error) {
	pub, err := connect(ctx, d.NATS)
	if err != nil {
		return p, sent, did, err
	}
	order := make([]int, messages*copies)
	for i := range order {
		order[i] = i % messages
	}
	r := rand.New(rand.NewPCG(shuffledBy, variant))
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	p, err = publishDisturbed(ctx, d, p, order, restarts, &did, func(n int) error { return publish(pub, n) })
	if err != nil {
		return p, sent, did, err
	}
	if sent, err = pub.close(ctx); err != nil {
		return p, sent, did, err
	}
	return p, sent, did, d.Ready(ctx, p)
}

const tick = 5 * time.Millisecond

// steadily calls do with 0, 1, 2... up to total, at the rate a second, and
// returns how far behind its schedule it ever was. What is late is made up for.
func steadily(ctx context.Context, rate, total int, do func(n int) error) (behind time.Duration, err error) {
	began := time.Now()
	t := time.NewTicker(tick)
	defer t.Stop()
	for n := 0; ; {
		now := time.Now()
		due := min(int(now.Sub(began).Seconds()*float64(rate))+1, total)
		for ; n < due; n++ {
			if err := do(n); err != nil {
				return behind, err
			}
		}
		if n == total {
			return behind, nil
		}
		behind = max(behind, time.Since(now)-tick)
		select {
		case <-ctx.Done():
			return behind, ctx.Err()
		case <-t.C:
		}
	}
}

// number writes a sign-in that has a number; about 480 bytes.
func number(buf []byte, n int, at time.Time) []byte {
	p := n * 7919
	return fmt.Appendf(buf[:0], `{"id":%d,"time":"%s","class_uid":3002,"status":"%s","user":{"name":"user%d","type":"User"},`+
		`"src_endpoint":{"ip":"198.51.%d.%d","location":{"country":"SG","city":"Singapore","lat":1.352,"long":103.82},`+
		`"autonomous_system":{"number":%d,"name":"Fjordline Corporate VPN"}},"device":{"uid":"d%06x","os":"Windows 11"},`+
		`"http_request":{"user_agent":"Mozilla/5.0 (Windows NT 10.0) Edg/138"},"service":{"name":"mail"},"auth_protocol":"OIDC",`+
		`"is_mfa":%t,"session":{"uid":"%016x"},"text":"event number %d"}`,
		n, at.UTC().Format("2006-01-02T15:04:05.000000Z"), [...]string{"Success", "Failure"}[n%7/6], p%2000,
		p%2000/250, n%250, 64512+n%40, p%65537, n%3 == 0, uint64(n)*0x9E3779B97F4A7C15, n)
}
