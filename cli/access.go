package cli

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/internal/livefile"
	"github.com/lakeward/lakeward/serve"
)

// maxTokenBytes bounds the file of a token.
const maxTokenBytes = 64 << 10

// daemonClient asks the daemon that --server names, or the one that has the
// data directory.
func (c *cli) daemonClient() (*serve.Client, error) {
	if client, remote, err := c.remote(); remote || err != nil {
		return client, err
	}
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	d, running, err := daemon.Find(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if !running {
		return nil, fmt.Errorf("no daemon has %s", cfg.DataDir)
	}
	return c.local(d)
}

// local asks the daemon that has the data directory. Its certificate is known
// from there, so it need not name the address that this machine uses.
func (c *cli) local(d daemon.Running) (*serve.Client, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	o := serve.ClientOptions{Token: token}
	switch ca := c.option(c.caFile, "LAKEWARD_CA_FILE"); {
	case d.Cert == "":
	case ca != "":
		o.TLS, err = serve.TrustingTLS(ca)
	default:
		o.TLS, err = livefile.PinnedTLS(d.Cert)
	}
	if err != nil {
		return nil, err
	}
	return serve.NewClient(d.Address(), o), nil
}

// remote asks the daemon that --server names; ok is false if it names none.
func (c *cli) remote() (_ *serve.Client, ok bool, err error) {
	text := c.option(c.server, "LAKEWARD_SERVER")
	if text == "" {
		return nil, false, nil
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || strings.Trim(u.Path, "/") != "" ||
		u.User != nil {
		return nil, false, fmt.Errorf("%w: the server is not an address of a daemon: write https://HOST:PORT", errUsage)
	}
	token, err := c.token()
	if err != nil {
		return nil, false, err
	}
	var conf *tls.Config
	if u.Scheme == "https" {
		if conf, err = serve.TrustingTLS(c.option(c.caFile, "LAKEWARD_CA_FILE")); err != nil {
			return nil, false, err
		}
	} else if token != "" && !config.IsLoopback(u.Hostname()) {
		return nil, false, fmt.Errorf("%w: the token would cross the network in the clear: write https://%s", errUsage,
			u.Host)
	}
	return serve.NewClient(u.Host, serve.ClientOptions{Token: token, TLS: conf}), true, nil
}

// option is a flag's value or, without one, that of its variable.
func (c *cli) option(flag, variable string) string {
	if flag != "" {
		return flag
	}
	return lookupEnv(c.env, variable)
}

// token is the one to present; empty if none is given.
func (c *cli) token() (string, error) {
	file := c.option(c.tokenFile, "LAKEWARD_TOKEN_FILE")
	if file == "" {
		return lookupEnv(c.env, "LAKEWARD_TOKEN"), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTokenBytes))
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("read token: %s does not hold one token on one line", file)
	}
	return token, nil
}
