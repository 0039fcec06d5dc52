package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/internal/disks"
)

// connect connects to the configured NATS server or, if none is configured, starts
// the embedded one. The caller closes both, the connection first.
func connect(ctx context.Context, cfg config.Config, log *slog.Logger) (*jetstream.Server, *jetstream.Conn, error) {
	o := NATSOptions(cfg)
	if cfg.NATS.External() {
		conn, err := jetstream.Connect(ctx, o, log)
		return nil, conn, err
	}
	e := cfg.NATS.Embedded
	s, err := jetstream.StartServer(ctx, jetstream.ServerOptions{
		Host: e.Host, Port: e.Port, StoreDir: e.StoreDir, SyncAlways: e.Sync == config.SyncAlways,
		SyncInterval: e.SyncInterval,
		MaxPayload:   e.MaxPayload, MaxBytes: e.MaxBytes, Cert: e.TLS.Cert, Key: e.TLS.Key, Users: natsUsers(cfg),
		MaxBuffered: max(cfg.Memory.Shares().Stream/2, 2*e.MaxPayload),
	}, log)
	if err != nil {
		return nil, nil, err
	}
	o = s.Own()
	o.Name = "lakeward"
	conn, err := jetstream.Connect(ctx, o, log)
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, conn, nil
}

// awaitNATS is connect that waits for a server that is away: after a power
// failure it may come back later than the daemon.
func awaitNATS(ctx context.Context, cfg config.Config, log *slog.Logger) (*jetstream.Server, *jetstream.Conn, error) {
	tick := time.NewTicker(natsLook)
	defer tick.Stop()
	for said := false; ; said = true {
		server, conn, err := connect(ctx, cfg, log)
		if err == nil || !errors.Is(err, jetstream.ErrAway) {
			return server, conn, err
		}
		if !said {
			log.Warn("the daemon starts once NATS answers", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("wait for NATS: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// natsLook is how often the embedded server is asked how it is, and the least
// time between two starts. The pause grows after each start that did not help.
const (
	natsLook    = 2 * time.Second
	troubleFor  = 3  // looks in a row before the server is started again
	mostSkipped = 29 // looks between two starts
)

// natsTrouble is why the embedded server takes no events.
type natsTrouble struct {
	mu  sync.Mutex
	why string // empty: it does
}

func (t *natsTrouble) set(why string) (was string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was, t.why = t.why, why
	return was
}

// reason returns the trouble in words, or nothing if there is none.
func (t *natsTrouble) reason() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.why == "" {
		return ""
	}
	return "the embedded NATS server takes no events, and publishers get no acknowledgement; it is started again by " +
		"itself once its disk can be written to: " + t.why
}

// watchNATS starts the embedded server again after its store could not be
// written to, once its disk is well. By itself it would refuse every message
// until the daemon is started again.
func (a *Daemon) watchNATS(ctx context.Context) error {
	if a.nats == nil {
		return nil
	}
	tick := time.NewTicker(natsLook)
	defer tick.Stop()
	var r restarts
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		why := a.nats.Trouble()
		was := a.trouble.set(why)
		if ctx.Err() != nil {
			continue
		}
		if was == "" && why != "" {
			a.log.Error("the embedded NATS server takes no events", "error", why)
		}
		failing := why != "" && disks.Failing(a.disks.Look()) != nil
		if !r.due(why != "", failing) {
			continue
		}
		if err := a.nats.Restart(ctx); err != nil {
			a.log.Error("start the embedded NATS server again; it is tried again", "in", time.Duration(r.skip+1)*natsLook,
				"error", err)
			continue
		}
		a.log.Info("the embedded NATS server was started again", "because", why)
		a.trouble.set(a.nats.Trouble())
	}
}

// restarts decides when the embedded server is started again. Each start breaks
// the connections, and a server in trouble may take events all the same; so one
// bad look is no reason, and starts that do not help become rare.
type restarts struct {
	seen int // looks that found trouble, in a row
	skip int // looks until the next start
	vain int // starts since it was well
}

// due reports whether to start the server now. It is called at each look; failing
// says that the disks fail, so that a start would be in vain.
func (r *restarts) due(trouble, failing bool) bool {
	if !trouble {
		*r = restarts{}
		return false
	}
	if r.seen++; failing || r.seen < troubleFor {
		return false
	}
	if r.skip > 0 {
		r.skip--
		return false
	}
	r.skip = min(1<<r.vain, mostSkipped)
	r.vain = min(r.vain+1, 5)
	return true
}

// NATSOptions say how the configured NATS server is reached.
func NATSOptions(cfg config.Config) jetstream.Options {
	n := cfg.NATS
	return jetstream.Options{
		URL: n.URL, Creds: n.Creds, NKey: n.NKey, User: n.User, Password: n.Password.Reveal(), Token: n.Token.Reveal(),
		CA: n.TLS.CA, Cert: n.TLS.Cert, Key: n.TLS.Key, Name: "lakeward",
	}
}

func natsUsers(cfg config.Config) []jetstream.User {
	var sources []string
	for _, s := range cfg.Sources {
		sources = append(sources, s.Subject)
	}
	out := make([]jetstream.User, len(cfg.NATS.Embedded.Users))
	for i, u := range cfg.NATS.Embedded.Users {
		out[i] = jetstream.User{Name: u.User, Password: u.Password.Reveal(), NKey: u.NKey, Role: jetstream.Role(u.Role),
			Subjects: u.Subjects}
		if len(u.Subjects) == 0 {
			out[i].Subjects = sources
		}
	}
	return out
}
