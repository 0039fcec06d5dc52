package serve_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lakeward/lakeward/internal/livefile"
	"github.com/lakeward/lakeward/internal/testcert"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/serve"
)

const (
	readToken  = "read-token-of-the-test"
	writeToken = "write-token-of-the-test"
	adminToken = "admin-token-of-the-test"
)

// engine is a backend of an engine without a lake.
type engine struct{ *duckdb.Engine }

func (e engine) Query(ctx context.Context, q serve.Query) (array.RecordReader, error) {
	s, err := e.Open(ctx, query.View{}, query.Options{MaxRows: q.MaxRows, OnTables: q.OnTables})
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(ctx, q.SQL)
	if err != nil {
		s.Close()
		return nil, err
	}
	return session{rows, s}, nil
}

type session struct {
	array.RecordReader
	s query.Session
}

func (s session) Release() {
	s.RecordReader.Release()
	s.s.Close()
}

func (engine) Tables(context.Context) ([]serve.Table, error) { return []serve.Table{}, nil }
func (engine) Describe(_ context.Context, name string) (serve.TableDetail, error) {
	return serve.TableDetail{}, fmt.Errorf("table %s: %w", name, serve.ErrNotFound)
}
func (engine) Status(context.Context) (serve.Status, error) { return serve.Status{Ready: true}, nil }
func (engine) Do(_ context.Context, c serve.Command) (serve.Report, error) {
	return serve.Report{Text: c.Noun + " " + c.Verb + " done\n"}, nil
}

// clock is the time, and moves when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// secured is a server over HTTPS with three tokens, given in three ways.
type secured struct {
	*serve.Server
	dir, ca, cert, tokenFile, audit string
	authority                       *testcert.Authority
	clock                           *clock
	http                            *http.Client
}

// roleOf are the roles of some commands, as a daemon says them.
func roleOf(c serve.Command) serve.Role {
	switch c.Noun + " " + c.Verb {
	case "pipeline list":
		return serve.RoleRead
	case "pipeline run":
		return serve.RoleWrite
	default:
		return serve.RoleAdmin
	}
}

func start(t *testing.T, change func(*serve.Options)) *secured {
	t.Helper()
	x := &secured{dir: t.TempDir(), clock: &clock{now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)}}
	var err error
	if x.authority, err = testcert.New(); err != nil {
		t.Fatal(err)
	}
	x.ca, x.tokenFile, x.audit = filepath.Join(x.dir, "ca.pem"), filepath.Join(x.dir, "token"),
		filepath.Join(x.dir, "audit.log")
	check(t, x.authority.WriteCA(x.ca))
	var key string
	x.cert, key, err = x.authority.Write(x.dir, "server", "127.0.0.1")
	check(t, err)
	check(t, os.WriteFile(x.tokenFile, []byte(writeToken+"\n"), 0o600))
	log := slog.New(slog.DiscardHandler)
	e, err := duckdb.Open(t.Context(), duckdb.Options{Threads: 1, MemoryLimit: 256 << 20,
		AnalyticsPath: filepath.Join(x.dir, "a.duckdb"), StatePath: filepath.Join(x.dir, "s.duckdb")})
	check(t, err)
	audit, err := serve.OpenAudit(serve.AuditOptions{Path: x.audit, MaxBytes: 1 << 20, Keep: 2, Logger: log})
	check(t, err)
	sum := sha256.Sum256([]byte(adminToken))
	o := serve.Options{
		Listen: "127.0.0.1:0", Cert: x.cert, Key: key, Backend: engine{e}, Gatherer: prometheus.NewRegistry(), Audit: audit,
		Logger: log, Now: x.clock.Now, Role: roleOf,
		Tokens: []serve.Token{
			{Name: "reader", Role: serve.RoleRead, Secret: readToken},
			{Name: "writer", Role: serve.RoleWrite, File: x.tokenFile},
			{Name: "boss", Role: serve.RoleAdmin, SHA256: hex.EncodeToString(sum[:])},
		},
	}
	if change != nil {
		change(&o)
	}
	x.Server, err = serve.Listen(t.Context(), o)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := x.Run(ctx, time.Second); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		check(t, audit.Close())
		check(t, e.Close())
	})
	conf, err := serve.TrustingTLS(x.ca)
	check(t, err)
	x.http = &http.Client{Transport: &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true,
		DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}}
	return x
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// askSlowly asks a query whose body is sent once the server reads it, and
// returns the status of the answer; 0: there was none.
func (x *secured) askSlowly(t *testing.T, body io.Reader, reading func()) int {
	ctx := httptrace.WithClientTrace(context.WithoutCancel(t.Context()), &httptrace.ClientTrace{Got100Continue: reading})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.URL()+"/api/v1/query", body)
	if err != nil {
		t.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue")
	bearer(readToken)(req)
	resp, err := x.http.Do(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// ask returns the status and the body of an answer.
func (x *secured) ask(t *testing.T, method, path, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, x.URL()+path, strings.NewReader(body))
	check(t, err)
	req.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(req)
	}
	resp, err := x.http.Do(req)
	check(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	check(t, err)
	return resp.StatusCode, string(data)
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func TestEachRequestNeedsItsRole(t *testing.T) {
	x := start(t, nil)
	for _, c := range []struct {
		method, path, body string
		none, read, write  int
	}{
		{"GET", "/healthz", "", 200, 200, 200},
		{"GET", "/readyz", "", 401, 200, 200},
		{"GET", "/metrics", "", 401, 200, 200},
		{"GET", "/", "", 401, 200, 200},
		{"GET", "/api/v1/status", "", 401, 200, 200},
		{"GET", "/api/v1/tables", "", 401, 200, 200},
		{"GET", "/api/v1/tables/lake.x", "", 401, 404, 404},
		{"POST", "/api/v1/query", `{"sql":"SELECT 1"}`, 401, 200, 200},
		{"POST", "/api/v1/do", `{"noun":"pipeline","verb":"list"}`, 401, 200, 200},
		{"POST", "/api/v1/do", `{"noun":"pipeline","verb":"run"}`, 401, 403, 200},
		{"POST", "/api/v1/do", `{"noun":"lake","verb":"verify"}`, 401, 403, 403},
		{"POST", "/api/v1/do", `{"noun":"something","verb":"new"}`, 401, 403, 403},
	} {
		admin := c.write
		if admin == 403 {
			admin = 200
		}
		for token, want := range map[string]int{"": c.none, readToken: c.read, writeToken: c.write, adminToken: admin} {
			change := bearer(token)
			if token == "" {
				change = nil
			}
			if got, body := x.ask(t, c.method, c.path, c.body, change); got != want {
				t.Errorf("%s %s %s with %q: %d, want %d: %s", c.method, c.path, c.body, token, got, want, body)
			}
		}
	}
	if got, _ := x.ask(t, "GET", "/readyz",
		"", func(r *http.Request) { r.SetBasicAuth("anyone", readToken) }); got != 200 {
		t.Errorf("basic authentication: %d", got)
	}
	_, text := x.ask(t, "POST", "/api/v1/do", `{"noun":"pipeline","verb":"run"}`, bearer(readToken))
	for _, want := range []string{"pipeline run needs the role write", "reader has read", "--token-file",
		"LAKEWARD_TOKEN"} {
		if !strings.Contains(text, want) {
			t.Errorf("403 does not say %q: %s", want, text)
		}
	}
	_, text = x.ask(t, "GET", "/readyz", "", nil)
	if !strings.Contains(text, "role read") || !strings.Contains(text, "--token-file") {
		t.Errorf("401 says %s", text)
	}
	_, text = x.ask(t, "GET", "/metrics", "", bearer(readToken))
	for _, want := range []string{`lakeward_http_denied_total{reason="role"} 6`, `lakeward_audit_lost_total 0`,
		"lakeward_http_certificate_expiry_timestamp_seconds 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s:\n%s", want, text)
		}
	}
}

func TestWrongTokensMustWaitAndGoodOnesNeedNot(t *testing.T) {
	x := start(t, func(o *serve.Options) { o.GuessDelay = time.Microsecond })
	for i := range 25 {
		want := 401
		if i >= 20 {
			want = 429
		}
		if got, body := x.ask(t, "GET", "/readyz", "", bearer(fmt.Sprint("guess ", i))); got != want {
			t.Fatalf("guess %d: %d, want %d: %s", i, got, want, body)
		}
	}
	if got, _ := x.ask(t, "GET", "/readyz", "", bearer(readToken)); got != 200 {
		t.Errorf("a good token is locked out by guesses from its address: %d", got)
	}
	x.clock.add(time.Minute)
	if got, _ := x.ask(t, "GET", "/readyz", "", bearer("another guess")); got != 401 {
		t.Errorf("after a minute: %d", got)
	}
}

func TestFilesAreReadAgainWhenTheyChange(t *testing.T) {
	x := start(t, nil)
	client := func() error {
		conf, err := livefile.PinnedTLS(x.cert)
		check(t, err)
		_, _, err = serve.NewClient(x.Addr(), serve.ClientOptions{Token: writeToken, TLS: conf}).Probe(t.Context(), true)
		return err
	}
	check(t, client())
	old, err := os.ReadFile(x.cert)
	check(t, err)

	// A certificate whose key has not been written yet leaves the last pair.
	key, err := os.ReadFile(filepath.Join(x.dir, "server.key"))
	check(t, err)
	_, _, err = x.authority.Write(x.dir, "server", "127.0.0.1")
	check(t, err)
	next, err := os.ReadFile(filepath.Join(x.dir, "server.key"))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(x.dir, "server.key"), key, 0o600))
	x.clock.add(time.Minute)
	if err := client(); err == nil || !strings.Contains(err.Error(), "not the one in") {
		t.Errorf("half a change: %v", err)
	}
	check(t, os.WriteFile(filepath.Join(x.dir, "server.key"), next, 0o600))
	x.clock.add(time.Minute)
	check(t, client())
	if now, err := os.ReadFile(x.cert); err != nil || bytes.Equal(now, old) {
		t.Error("the certificate is the old one", err)
	}

	check(t, os.WriteFile(x.tokenFile, []byte("another-token-of-the-test"), 0o600))
	x.clock.add(time.Minute)
	if got, _ := x.ask(t, "GET", "/readyz", "", bearer(writeToken)); got != 401 {
		t.Errorf("the token that was replaced: %d", got)
	}
	if got, _ := x.ask(t, "GET", "/readyz", "", bearer("another-token-of-the-test")); got != 200 {
		t.Errorf("the new token: %d", got)
	}
	check(t, os.WriteFile(x.tokenFile, []byte("short"), 0o600))
	x.clock.add(time.Minute)
	if got, _ := x.ask(t, "GET", "/readyz", "", bearer("another-token-of-the-test")); got != 200 {
		t.Errorf("a bad file leaves the last token: %d", got)
	}
}

func TestClientsVerifyTheServer(t *testing.T) {
	x := start(t, nil)
	probe := func(conf *tls.Config) error {
		_, _, err := serve.NewClient(x.Addr(), serve.ClientOptions{Token: readToken, TLS: conf}).Probe(t.Context(), true)
		return err
	}
	trusting, err := serve.TrustingTLS(x.ca)
	check(t, err)
	check(t, probe(trusting))
	system, err := serve.TrustingTLS("")
	check(t, err)
	if probe(system) == nil {
		t.Error("an unknown authority is believed")
	}
	other, _, err := x.authority.Write(x.dir, "other", "127.0.0.1")
	check(t, err)
	pinned, err := livefile.PinnedTLS(other)
	check(t, err)
	if probe(pinned) == nil {
		t.Error("another certificate of the same authority passes for the pinned one")
	}
	if err := probe(nil); err == nil {
		t.Error("plain HTTP is answered")
	}
}

func TestLimits(t *testing.T) {
	x := start(t, func(o *serve.Options) { o.MaxRequests = 1 })
	if got, _ := x.ask(t, "POST", "/api/v1/query", `{"sql":"`+strings.Repeat("x", 1<<20)+`"}`,
		bearer(readToken)); got != 413 {
		t.Errorf("a large request: %d", got)
	}
	if got, _ := x.ask(t, "GET", "/healthz", "", func(r *http.Request) { r.Host = "evil.example.com" }); got != 403 {
		t.Errorf("a foreign host: %d", got)
	}

	// A request whose body is being read holds the only slot. That the client has
	// sent some of it says nothing: connections have large buffers.
	pr, pw := io.Pipe()
	ended := make(chan int, 1)
	reading := make(chan struct{})
	go func() { ended <- x.askSlowly(t, pr, func() { close(reading) }) }()
	select {
	case <-reading:
	case status := <-ended:
		t.Fatalf("the request ended before its body was asked for: %d", status)
	}
	_, err := pw.Write([]byte(`{"sql":`))
	check(t, err)
	if got, _ := x.ask(t, "GET", "/api/v1/tables", "", bearer(readToken)); got != 503 {
		t.Errorf("beyond max_requests: %d", got)
	}
	if got, _ := x.ask(t, "GET", "/readyz", "", bearer(readToken)); got != 200 {
		t.Errorf("readiness of a busy server: %d", got)
	}
	if got, _ := x.ask(t, "GET", "/healthz", "", nil); got != 200 {
		t.Errorf("health of a busy server: %d", got)
	}
	_, err = pw.Write([]byte(`"SELECT 1"}`))
	check(t, err)
	check(t, pw.Close())
	if got := <-ended; got != 200 {
		t.Errorf("the request that held the slot: %d", got)
	}
	if got, _ := x.ask(t, "GET", "/api/v1/tables", "", bearer(readToken)); got != 200 {
		t.Errorf("the slot is not free again: %d", got)
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	for name, o := range map[string]serve.Options{
		"plain":     {Listen: "0.0.0.0:0"},
		"no tokens": {Listen: "0.0.0.0:0", Cert: "c", Key: "k"},
		"no TLS":    {Listen: "[::]:0", Tokens: []serve.Token{{Name: "a", Role: serve.RoleRead, Secret: readToken}}},
	} {
		o.Logger = slog.New(slog.DiscardHandler)
		if _, err := serve.Listen(t.Context(), o); err == nil || !strings.Contains(err.Error(), "http.tls and http.tokens") {
			t.Errorf("%s: %v", name, err)
		}
	}
	short := serve.Options{Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
		Tokens: []serve.Token{{Name: "a", Role: serve.RoleRead, Secret: "********"}}}
	if _, err := serve.Listen(t.Context(), short); err == nil || !strings.Contains(err.Error(), "openssl rand") {
		t.Errorf("a short token: %v", err)
	}
}
