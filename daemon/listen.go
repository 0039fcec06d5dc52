package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/serve"
)

// listen opens the audit log and the address, in this order: what cannot be
// recorded is not answered.
func (a *Daemon) listen(ctx context.Context) error {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		serve.NewCollector(a.backend),
		a.durations.commits, a.durations.runs, buildInfo())
	var err error
	a.audit, err = serve.OpenAudit(serve.AuditOptions{
		Path: a.cfg.AuditFile(), MaxBytes: a.cfg.Audit.MaxBytes, Keep: a.cfg.Audit.Keep, Logger: a.log,
	})
	if err != nil {
		return err
	}
	h := a.cfg.HTTP
	a.http, err = serve.Listen(ctx, serve.Options{
		Listen: h.Listen, Insecure: h.Insecure, Cert: h.TLS.Cert, Key: h.TLS.Key, Tokens: tokens(h.Tokens),
		MaxRequests: h.MaxRequests, MaxConns: h.MaxConns,
		MaxRunning: a.cfg.Query.MaxRunning, MaxWaiting: a.cfg.Query.MaxWaiting, Timeout: a.cfg.Query.Timeout,
		Backend: a.backend, Role: a.commands.role, Gatherer: reg, Audit: a.audit, Logger: a.log,
	})
	return err
}

func tokens(in []config.Token) []serve.Token {
	out := make([]serve.Token, len(in))
	for i, t := range in {
		out[i] = serve.Token{Name: t.Name, Role: serve.Role(t.Role), Secret: t.Token.Reveal(), File: t.File, SHA256: t.SHA256}
	}
	return out
}

// publish says in the data directory where the daemon is reached, and by which
// certificates it is known.
func (a *Daemon) publish() error {
	cert, err := absolute(a.cfg.HTTP.TLS.Cert)
	if err != nil {
		return err
	}
	r := Running{PID: os.Getpid(), HTTP: a.http.Addr(), Cert: cert, NATS: a.NATSURL()}
	if a.nats != nil {
		if r.NATSCert, err = absolute(a.cfg.NATS.Embedded.TLS.Cert); err != nil {
			return err
		}
	}
	return a.lock.publish(r)
}

// absolute returns the absolute path of a file. An empty path stays empty.
func absolute(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return "", fmt.Errorf("locate certificate %s: %w", file, err)
	}
	return path, nil
}
