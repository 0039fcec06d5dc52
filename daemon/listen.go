package daemon

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/serve"
)

// listen opens the audit log and the address, in this order: what cannot be
// recorded is not answered.
func (a *app) listen(ctx context.Context) error {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), serve.NewCollector(a.backend))
	var err error
	a.audit, err = serve.OpenAudit(serve.AuditOptions{
		Path: a.cfg.AuditFile(), MaxBytes: a.cfg.Audit.MaxBytes, Keep: a.cfg.Audit.Keep, Logger: a.log,
	})
	if err != nil {
		return err
	}
	h := a.cfg.HTTP
	a.http, err = serve.Listen(ctx, serve.Options{
		Listen: h.Listen, Insecure: h.Insecure, Cert: h.TLS.Cert, Key: h.TLS.Key, Tokens: tokens(h.Tokens), MaxRequests: h.MaxRequests,
		Backend: a.backend, Gatherer: reg, Audit: a.audit, TablesOf: a.engine.TablesOf, Logger: a.log,
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

// certificateFile is where commands on the data directory find the daemon's
// certificate, wherever they are started; empty without TLS.
func certificateFile(cfg config.Config) (string, error) {
	if cfg.HTTP.TLS.Cert == "" {
		return "", nil
	}
	path, err := filepath.Abs(cfg.HTTP.TLS.Cert)
	if err != nil {
		return "", fmt.Errorf("locate http.tls.cert: %w", err)
	}
	return path, nil
}
