package serve

import (
	"compress/gzip"
	"fmt"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Route is a path of the server and the role that it needs; empty: anybody may
// ask.
type Route struct {
	Pattern string // as http.ServeMux reads it
	Role    Role
}

// DoRoute is the route of commands, which need a role of their own beside it.
const DoRoute = "POST /api/v1/do"

// Routes are all that the server answers.
func Routes() []Route {
	var out []Route
	for _, r := range (*Server)(nil).table() {
		out = append(out, r.Route)
	}
	return out
}

type handledRoute struct {
	Route
	probe  bool // it has places of its own, which requests do not take
	handle http.HandlerFunc
}

func (s *Server) table() []handledRoute {
	return []handledRoute{
		{Route{"GET /healthz", ""}, true, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }},
		{Route{"GET /readyz", RoleRead}, true, s.ready},
		{Route{"GET /metrics", RoleRead}, true, s.expose},
		{Route{"GET /{$}", RoleRead}, true, s.page},
		{Route{"POST /api/v1/query", RoleRead}, false, s.query},
		{Route{"GET /api/v1/query/{id}", RoleRead}, false, s.progress},
		{Route{"GET /api/v1/tables", RoleRead}, false, s.tables},
		{Route{"GET /api/v1/tables/{name}", RoleRead}, false, s.describe},
		{Route{"GET /api/v1/status", RoleRead}, false, s.status},
		{Route{DoRoute, RoleRead}, false, s.do},
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.table() {
		switch {
		case r.Role == "":
			mux.HandleFunc(r.Pattern, r.handle)
		case r.probe:
			mux.HandleFunc(r.Pattern, s.allow(r.Role, s.probes, r.handle))
		default:
			mux.HandleFunc(r.Pattern, s.allow(r.Role, s.requests, r.handle))
		}
	}
	return s.guard(compressed(mux))
}

// compressed lets answers of some size be compressed by gzip or zstd where the
// client takes that.
func compressed(next http.Handler) http.Handler {
	const least = 1400 // bytes: less fits a packet as it is
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(least), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.EnableZstd(true))
	if err != nil {
		panic(err) // only wrong options
	}
	return wrap(next)
}

func (s *Server) expose(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(prometheus.Gatherers{s.opts.Gatherer, s.metrics.registry}, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

func (s *Server) tables(w http.ResponseWriter, r *http.Request) {
	t, err := s.opts.Backend.Tables(r.Context())
	answer(w, t, err)
}

func (s *Server) describe(w http.ResponseWriter, r *http.Request) {
	t, err := s.opts.Backend.Describe(r.Context(), r.PathValue("name"))
	answer(w, t, err)
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	st, err := s.opts.Backend.Status(r.Context())
	answer(w, st, err)
}
