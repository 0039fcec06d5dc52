package daemon

import (
	"context"
	"errors"
	"log/slog"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/ingest/jetstream"
)

// connect reaches the NATS server of one's own or, without one, starts the
// server inside the process. The caller closes both, the connection first.
func connect(ctx context.Context, cfg config.Config, log *slog.Logger) (*jetstream.Server, *jetstream.Conn, error) {
	o := connectOptions(cfg)
	if cfg.NATS.External() {
		conn, err := jetstream.Connect(ctx, o, log)
		return nil, conn, err
	}
	e := cfg.NATS.Embedded
	s, err := jetstream.StartServer(ctx, jetstream.ServerOptions{
		Host: e.Host, Port: e.Port, StoreDir: e.StoreDir, SyncAlways: e.Sync == config.SyncAlways, SyncInterval: e.SyncInterval,
		MaxPayload: e.MaxPayload, MaxBytes: e.MaxBytes, Cert: e.TLS.Cert, Key: e.TLS.Key, Users: natsUsers(e.Users),
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

func connectOptions(cfg config.Config) jetstream.Options {
	n := cfg.NATS
	return jetstream.Options{
		URL: n.URL, Creds: n.Creds, NKey: n.NKey, User: n.User, Password: n.Password.Reveal(), Token: n.Token.Reveal(),
		CA: n.TLS.CA, Cert: n.TLS.Cert, Key: n.TLS.Key, Name: "lakeward",
	}
}

func natsUsers(in []config.NATSUser) []jetstream.User {
	out := make([]jetstream.User, len(in))
	for i, u := range in {
		out[i] = jetstream.User{Name: u.User, Password: u.Password.Reveal(), NKey: u.NKey}
	}
	return out
}
