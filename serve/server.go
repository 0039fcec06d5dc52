package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxRequestBytes bounds a request's body: a statement, never data.
const maxRequestBytes = 1 << 20

// Options are what a Server is made of.
type Options struct {
	Listen   string // host:port
	Insecure bool   // allow an address that is not loopback
	Backend  Backend
	Gatherer prometheus.Gatherer
	Logger   *slog.Logger
}

// Server answers HTTP on one address.
type Server struct {
	opts    Options
	ln      net.Listener
	http    *http.Server
	queries running
}

// Listen opens the address, so that its errors are known before anything else
// starts. Close or Run ends the listening.
func Listen(ctx context.Context, o Options) (*Server, error) {
	if err := checkAddress(o.Listen, o.Insecure); err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on http.listen %s: %w (is another daemon running? set http.listen to a free address)", o.Listen, err)
	}
	s := &Server{opts: o, ln: ln}
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// checkAddress keeps the unauthenticated server on loopback unless it is told
// otherwise in so many words.
func checkAddress(listen string, insecure bool) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("read http.listen %q: %w (write host:port, such as 127.0.0.1:8321)", listen, err)
	}
	if insecure || isLoopback(host) {
		return nil
	}
	return fmt.Errorf("http.listen %s is not a loopback address, and whoever reaches it can read the lake: use 127.0.0.1, or set http.insecure: true where the network itself is trusted", listen)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Addr is the address that is listened on.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Run serves until the context ends, then lets running requests finish for at
// most grace.
func (s *Server) Run(ctx context.Context, grace time.Duration) error {
	stop := context.AfterFunc(ctx, func() {
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if err := s.http.Shutdown(sctx); err != nil {
			s.http.Close()
		}
	})
	defer stop()
	if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http on %s: %w", s.Addr(), err)
	}
	return nil
}

// Close stops listening at once.
func (s *Server) Close() error { return s.http.Close() }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.opts.Gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("POST /api/v1/query", s.query)
	mux.HandleFunc("GET /api/v1/query/{id}", s.progress)
	mux.HandleFunc("GET /api/v1/tables", func(w http.ResponseWriter, r *http.Request) {
		t, err := s.opts.Backend.Tables(r.Context())
		answer(w, t, err)
	})
	mux.HandleFunc("GET /api/v1/tables/{name}", func(w http.ResponseWriter, r *http.Request) {
		t, err := s.opts.Backend.Describe(r.Context(), r.PathValue("name"))
		answer(w, t, err)
	})
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, r *http.Request) {
		t, err := s.opts.Backend.Status(r.Context())
		answer(w, t, err)
	})
	mux.HandleFunc("POST /api/v1/do", s.do)
	return s.guard(mux)
}

// guard refuses what a web page on another site could make a browser send:
// a foreign Host (DNS rebinding), and a POST that is not JSON.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.opts.Insecure {
			host, _, err := net.SplitHostPort(r.Host)
			if err != nil {
				host = r.Host
			}
			if !isLoopback(strings.Trim(host, "[]")) {
				fail(w, http.StatusForbidden, fmt.Errorf("host %q is not a loopback name", r.Host))
				return
			}
		}
		if r.Method == http.MethodPost && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			fail(w, http.StatusUnsupportedMediaType, errors.New("send Content-Type: application/json"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	st, err := s.opts.Backend.Status(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	if !st.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
		for _, reason := range st.Reasons {
			fmt.Fprintln(w, reason)
		}
		return
	}
	fmt.Fprintln(w, "ready")
	for _, reason := range st.Degraded {
		fmt.Fprintln(w, "degraded:", reason)
	}
}

func (s *Server) do(w http.ResponseWriter, r *http.Request) {
	var c Command
	if !decode(w, r, &c) {
		return
	}
	rep, err := s.opts.Backend.Do(r.Context(), c)
	answer(w, rep, err)
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("read request: %w", err))
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // the client has gone if this fails
}

// ErrNotFound marks an object that does not exist.
var ErrNotFound = errors.New("not found")

// ErrInvalid marks a request that is wrong in itself.
var ErrInvalid = errors.New("invalid request")

func statusOf(err error) int {
	switch {
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}

type errorBody struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(errorBody{err.Error()})
}
