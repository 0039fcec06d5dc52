package serve

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/lakeward/lakeward/internal/livefile"
	"github.com/lakeward/lakeward/query"
)

// Client is the Backend of a running daemon, over HTTP.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// ClientOptions say how a daemon is asked.
type ClientOptions struct {
	Token string      // empty: none
	TLS   *tls.Config // nil: plain HTTP
}

var _ Backend = (*Client)(nil)

// NewClient talks to the daemon at addr (host:port).
func NewClient(addr string, o ClientOptions) *Client {
	if o.TLS == nil {
		return &Client{base: "http://" + addr, token: o.Token, http: &http.Client{}}
	}
	return &Client{base: "https://" + addr, token: o.Token, http: &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.TLS,
			TLSHandshakeTimeout: headerWithin,
			DisableCompression:  true}, // processor time for what mostly goes through memory
	}}
}

// TrustingTLS accepts certificates that an authority in the file has signed;
// without a file, one of the host's authorities.
func TrustingTLS(caFile string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return c, nil
	}
	data, err := livefile.ReadBounded(caFile)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("read authorities %s: it has no PEM certificate", caFile)
	}
	return c, nil
}

// Probe asks whether the daemon is alive, or ready, and returns its words.
func (c *Client) Probe(ctx context.Context, ready bool) (text string, ok bool, err error) {
	path := "/healthz"
	if ready {
		path = "/readyz"
	}
	resp, err := c.exchange(ctx, "GET", path, nil, nil)
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	asked := resp.StatusCode == http.StatusOK || (ready && resp.StatusCode == http.StatusServiceUnavailable)
	if !asked || resp.Header.Get("Content-Type") == "application/json" {
		return "", false, remoteError(resp)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxRequestBytes))
	if err != nil {
		return "", false, fmt.Errorf("read answer of %s: %w", c.base, err)
	}
	return string(data), resp.StatusCode == http.StatusOK, nil
}

// Query runs q at the daemon. Ending ctx, or releasing the reader, cancels it.
func (c *Client) Query(ctx context.Context, q Query) (array.RecordReader, error) {
	id := rand.Text()
	resp, err := c.run(ctx, q, id)
	if err != nil {
		return nil, err
	}
	if q.OnWarning != nil {
		for _, text := range resp.Header.Values(headerWarning) {
			q.OnWarning(text)
		}
	}
	rd, err := ipc.NewReader(resp.Body)
	if err != nil {
		resp.Body.Close()
		return nil, fmt.Errorf("read answer of %s: %w", c.base, errors.Join(trailer(resp), err))
	}
	return &remoteRows{Reader: rd, resp: resp}, nil
}

// run posts the statement and, until the answer begins, reports progress.
func (c *Client) run(ctx context.Context, q Query, id string) (*http.Response, error) {
	type result struct {
		resp *http.Response
		err  error
	}
	done := make(chan result, 1)
	go func() {
		ask := func(h http.Header) {
			h.Set("Accept", mediaArrow)
			h.Set(headerID, id)
		}
		resp, err := c.send(ctx, "POST", "/api/v1/query", q, ask) //nolint:bodyclose // whoever gets the result does
		done <- result{resp, err}
	}()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case r := <-done:
			return r.resp, r.err
		case <-tick.C:
			var p query.Progress
			if q.OnProgress != nil && c.get(ctx, "/api/v1/query/"+id, &p) == nil {
				q.OnProgress(p)
			}
		}
	}
}

// remoteRows is an Arrow stream whose end is only believed if the daemon
// reported no error after it.
type remoteRows struct {
	*ipc.Reader
	resp *http.Response
}

func (r *remoteRows) Err() error {
	io.Copy(io.Discard, r.resp.Body) //nolint:errcheck // the trailer follows the body, and says what was wrong
	return errors.Join(trailer(r.resp), r.Reader.Err())
}

func (r *remoteRows) Release() {
	r.resp.Body.Close()
	r.Reader.Release()
}

func trailer(resp *http.Response) error {
	if msg := resp.Trailer.Get(trailerError); msg != "" {
		return errors.New(msg)
	}
	return nil
}

// Tables lists the tables of both tiers.
func (c *Client) Tables(ctx context.Context) (t []Table, err error) {
	err = c.get(ctx, "/api/v1/tables", &t)
	return t, err
}

// Describe says everything about one table.
func (c *Client) Describe(ctx context.Context, name string) (t TableDetail, err error) {
	err = c.get(ctx, "/api/v1/tables/"+url.PathEscape(name), &t)
	return t, err
}

// Status is the daemon's state.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.get(ctx, "/api/v1/status", &s)
	return s, err
}

// Do carries out a command at the daemon.
func (c *Client) Do(ctx context.Context, cmd Command) (rep Report, err error) {
	resp, err := c.send(ctx, "POST", "/api/v1/do", cmd, nil)
	if err != nil {
		return rep, err
	}
	defer resp.Body.Close()
	return rep, json.NewDecoder(resp.Body).Decode(&rep)
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	resp, err := c.send(ctx, "GET", path, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// send is an exchange whose answer is OK.
func (c *Client) send(ctx context.Context, method, path string, body any, header func(http.Header)) (*http.Response,
	error) {
	resp, err := c.exchange(ctx, method, path, body, header)
	if err != nil || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	return nil, remoteError(resp)
}

func (c *Client) exchange(ctx context.Context, method, path string, body any, header func(http.Header)) (*http.Response,
	error) {
	buf := new(bytes.Buffer)
	if body != nil {
		if err := json.NewEncoder(buf).Encode(body); err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, buf)
	if err != nil {
		return nil, fmt.Errorf("address %s: %w", c.base, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if header != nil {
		header(req.Header)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the daemon at %s: %w", c.base, err)
	}
	return resp, nil
}

func remoteError(resp *http.Response) error {
	var e errorBody
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxRequestBytes)).Decode(&e); err != nil || e.Error == "" {
		return fmt.Errorf("the daemon answered %s", resp.Status)
	}
	return errors.New(e.Error)
}
