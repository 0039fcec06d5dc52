package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lakeward/lakeward/internal/livefile"
)

// Options say how to reach a NATS server.
type Options struct {
	URL      string // several are separated by commas
	Creds    string // file
	NKey     string // file with the seed
	User     string
	Password string
	Token    string
	CA       string // files of TLS
	Cert     string
	Key      string
	// PinnedCert is a file with the server's certificate, which is then known by
	// that alone; empty: by the authorities.
	PinnedCert string
	Name       string // of the connection, for the server's operators
	Inbox      string // begins the subjects of answers; empty: NATS's own default
}

// Conn is a connection to a NATS server. It reconnects by itself. Safe for
// concurrent use.
type Conn struct {
	o   Options
	log *slog.Logger
	nc  *nats.Conn
	js  jetstream.JetStream

	noWire bool // read through nats.go, whatever the server asks for

	pruning sync.RWMutex // locked while nothing may be pruned, read-locked by those who prune

	mu     sync.Mutex
	floors map[string]*floors // by stream
}

const (
	connectWithin = 10 * time.Second
	requestWithin = 10 * time.Second
	bufferBytes   = 256 << 10
)

// ErrAway is wrapped by the error of a server that does not answer.
var ErrAway = errors.New("no server answers there")

// Connect connects, and fails if no server answers. The caller closes the Conn.
func Connect(ctx context.Context, o Options, log *slog.Logger) (*Conn, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Conn{o: o, log: log, floors: map[string]*floors{}}
	var err error
	if c.nc, err = c.dial(ctx, ""); err != nil {
		return nil, err
	}
	if c.js, err = jetstream.New(c.nc, jetstream.WithDefaultTimeout(requestWithin)); err != nil {
		c.nc.Close()
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return c, nil
}

// Close closes the connection; readers and publishers of it end.
func (c *Conn) Close() error {
	c.nc.Close()
	return nil
}

// dial makes a connection of its own: a reader's traffic must not hold up the
// acknowledgements of publishers.
func (c *Conn) dial(ctx context.Context, suffix string, more ...nats.Option) (*nats.Conn, error) {
	opts, err := c.natsOptions(suffix)
	if err != nil {
		return nil, err
	}
	type result struct {
		nc  *nats.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		nc, err := nats.Connect(c.o.URL, append(opts, more...)...)
		done <- result{nc, err}
	}()
	select {
	case r := <-done:
		if errors.Is(r.err, nats.ErrNoServers) {
			return nil, fmt.Errorf("connect to NATS at %s: %w", redact(c.o.URL), ErrAway)
		}
		if errors.Is(r.err, nats.ErrAuthorization) {
			return nil, fmt.Errorf("connect to NATS at %s: %w: sign in by nats.user and nats.password, nats.nkey, nats.creds "+
				"or nats.token, or their variables such as LAKEWARD_NATS_USER", redact(c.o.URL), r.err)
		}
		if r.err != nil {
			return nil, fmt.Errorf("connect to NATS at %s: %w", redact(c.o.URL), r.err)
		}
		return r.nc, nil
	case <-ctx.Done():
		go func() { // nats.Connect takes no context; it ends by its timeout
			if r := <-done; r.nc != nil {
				r.nc.Close()
			}
		}()
		return nil, fmt.Errorf("connect to NATS at %s: %w", redact(c.o.URL), ctx.Err())
	}
}

func (c *Conn) natsOptions(suffix string) ([]nats.Option, error) {
	o := c.o
	name := o.Name
	if name == "" {
		name = "lakeward"
	}
	opts := []nats.Option{
		nats.Name(name + suffix), nats.Timeout(connectWithin), nats.MaxReconnects(-1),
		nats.ReconnectWait(500 * time.Millisecond),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				c.log.Warn("lost the connection to NATS", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			c.log.Info("connected to NATS again", "url", nc.ConnectedUrlRedacted())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.log.Warn("NATS reports", "error", err) }),
	}
	if o.Inbox != "" {
		opts = append(opts, nats.CustomInboxPrefix(o.Inbox))
	}
	if o.Creds != "" {
		opts = append(opts, nats.UserCredentials(o.Creds))
	}
	if o.NKey != "" {
		opt, err := nats.NkeyOptionFromSeed(o.NKey)
		if err != nil {
			return nil, fmt.Errorf("read NKey seed %s: %w", o.NKey, err)
		}
		opts = append(opts, opt)
	}
	if o.User != "" {
		opts = append(opts, nats.UserInfo(o.User, o.Password))
	}
	if o.Token != "" {
		opts = append(opts, nats.Token(o.Token))
	}
	if o.PinnedCert != "" {
		conf, err := livefile.PinnedTLS(o.PinnedCert)
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.Secure(conf))
	}
	if o.CA != "" {
		opts = append(opts, nats.RootCAs(o.CA))
	}
	if o.Cert != "" {
		opts = append(opts, nats.ClientCert(o.Cert, o.Key))
	}
	return opts, nil
}

// Publish publishes one message and waits until the stream has stored it. The
// stream drops it if it has seen msgID within its duplicate window.
func (c *Conn) Publish(ctx context.Context, subject, msgID string, data []byte) error {
	m := &nats.Msg{Subject: subject, Data: data}
	if msgID != "" {
		m.Header = nats.Header{jetstream.MsgIDHeader: {msgID}}
	}
	if _, err := c.js.PublishMsg(ctx, m); err != nil {
		return publishError(subject, err)
	}
	return nil
}

// publishError says what to do where NATS only says that nobody listens.
func publishError(subject string, err error) error {
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("publish on %s: no stream has this subject: %w", subject, err)
	}
	return fmt.Errorf("publish on %s: %w", subject, err)
}
