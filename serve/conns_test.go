package serve_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/serve"
)

// dial opens a connection over which requests are written by hand.
func dial(t *testing.T, x *secured) *tls.Conn {
	t.Helper()
	conf, err := serve.TrustingTLS(x.ca)
	check(t, err)
	c, err := tls.Dial("tcp", x.Addr(), conf)
	check(t, err)
	t.Cleanup(func() { c.Close() })
	// No answer is a failure of the test, not a hang.
	check(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return c
}

func TestAnAnswerBeforeTheBodyEndsTheConnection(t *testing.T) {
	x := start(t, nil)
	for name, head := range map[string]string{
		"no token":      "",
		"wrong token":   "Authorization: Bearer wrong\r\n",
		"foreign site":  "Authorization: Bearer " + readToken + "\r\nOrigin: https://evil.example.com\r\n",
		"no such route": "Authorization: Bearer " + readToken + "\r\nX: y\r\n",
	} {
		path := "/api/v1/query"
		if name == "no such route" {
			path = "/nothing"
		}
		c := dial(t, x)
		_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Type: "+
			"application/json\r\nContent-Length: 1000\r\n\r\n{", path, head)
		check(t, err)
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		check(t, err)
		if resp.StatusCode < 400 || !resp.Close {
			t.Errorf("%s: %d, closes %v", name, resp.StatusCode, resp.Close)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		check(t, err)
		if _, err := r.ReadByte(); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: the connection stays open: %v", name, err)
		}
	}
}

func TestConnectionsThatSayNothingKeepNobodyOut(t *testing.T) {
	x := start(t, func(o *serve.Options) { o.MaxConns = 4 })
	silent := dial(t, x)
	for range 12 {
		dial(t, x)
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the oldest silent connection is still open: %v", err)
	}
	if got, body := x.ask(t, "GET", "/readyz", "", bearer(readToken)); got != 200 {
		t.Errorf("%d %s", got, body)
	}
	_, text := x.ask(t, "GET", "/metrics", "", bearer(readToken))
	if strings.Contains(text, "lakeward_http_connections_evicted_total 0\n") {
		t.Error("evictions are not counted")
	}
}

func TestAClientThatDoesNotReadLosesItsPlace(t *testing.T) {
	x := start(t, func(o *serve.Options) { o.MaxRunning, o.MaxWaiting, o.Stall = 1, 1, 50*time.Millisecond })
	c := dial(t, x)
	sql := `{"sql":"SELECT repeat('x', 1000) AS a FROM range(1000000)"}`
	_, err := fmt.Fprintf(c, "POST /api/v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "+
		"%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", readToken, len(sql), sql)
	check(t, err)
	_, err = io.ReadFull(c, make([]byte, 1)) // the answer has begun
	check(t, err)
	r := <-post(t, x)
	if r.status != 200 {
		t.Errorf("the next query: %d %s", r.status, r.text)
	}
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	x := start(t, nil)
	for _, c := range []struct {
		path string
		set  func(*http.Request)
	}{
		{"/healthz", nil}, {"/readyz", nil}, {"/nothing", bearer(readToken)}, {"/", bearer(readToken)},
		{"/healthz", func(r *http.Request) { r.Host = "evil.example.com" }},
		{"/api/v1/tables", bearer(readToken)},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, x.URL()+c.path, http.NoBody)
		check(t, err)
		if c.set != nil {
			c.set(req)
		}
		resp, err := x.http.Do(req)
		check(t, err)
		check(t, resp.Body.Close())
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Strict-Transport-Security": "max-age=31536000",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s (%d): %s is %q", c.path, resp.StatusCode, name, got)
			}
		}
	}
}

func TestPagesOfOtherSitesMayNotAsk(t *testing.T) {
	x := start(t, nil)
	set := func(headers ...string) func(*http.Request) {
		return func(r *http.Request) {
			bearer(readToken)(r)
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
		}
	}
	for _, c := range []struct {
		method, path string
		want         int
		set          func(*http.Request)
	}{
		{"GET", "/api/v1/status", 403, set("Origin", "https://evil.example.com")},
		{"GET", "/api/v1/status", 403, set("Origin", "null")},
		{"GET", "/api/v1/status", 403, set("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors")},
		{"GET", "/", 403, set("Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors")},
		{"GET", "/", 200, set("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")}, // a link
		{"POST", "/api/v1/query", 403, set("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")},
		{"POST", "/api/v1/query", 200, set("Sec-Fetch-Site", "same-origin", "Origin", x.URL())},
		{"GET", "/api/v1/status", 200, set()},
	} {
		if got, body := x.ask(t, c.method, c.path, `{"sql":"SELECT 1"}`, c.set); got != c.want {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, got, c.want, body)
		}
	}
}

func TestOneTokenGetsHalfOfTheSlots(t *testing.T) {
	h := held{began: make(chan struct{}), let: make(chan struct{})}
	x := start(t, func(o *serve.Options) {
		h.engine = o.Backend.(engine)
		o.Backend, o.MaxRunning, o.MaxRequests = h, 4, 2
	})
	first := post(t, x)
	<-h.began
	if got, body := x.ask(t, "GET", "/api/v1/tables", "", bearer(readToken)); got != 503 ||
		!strings.Contains(body, "of the token reader") {
		t.Errorf("beyond the token's half: %d %s", got, body)
	}
	if got, body := x.ask(t, "GET", "/api/v1/tables", "", bearer(writeToken)); got != 200 {
		t.Errorf("another token: %d %s", got, body)
	}
	close(h.let)
	if r := <-first; r.status != 200 {
		t.Errorf("the first: %d %s", r.status, r.text)
	}
}
