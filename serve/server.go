package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/internal/livefile"
	"github.com/lakeward/lakeward/query"
)

// maxRequestBytes bounds a request's body: a statement, never data.
const maxRequestBytes = 1 << 20

const (
	maxHeaderBytes  = 64 << 10
	headerWithin    = 10 * time.Second
	requestWithin   = 30 * time.Second // header and body
	answerWithin    = time.Minute      // from the request, or from the end of a long command
	defaultStall    = 30 * time.Second
	idleWithin      = 2 * time.Minute // between two requests
	defaultRequests = 64
	defaultConns    = 512
	probesMost      = 16 // health, readiness, metrics and the status page have places of their own
)

// Options are what a Server is made of.
type Options struct {
	Listen      string // host:port
	Insecure    bool   // allow an address that is not loopback without TLS and tokens
	Cert, Key   string // files; empty: plain HTTP. They are read again when they change
	Tokens      []Token
	MaxRequests int // answered at the same time, at most half of them to one token; 0: 64
	MaxConns    int // open at the same time; 0: 512
	MaxRunning  int // queries at the same time; 0: 4
	MaxWaiting  int // queries that wait for one of those to end
	// Timeout bounds a query with its waiting; 0: what the query asks for.
	Timeout    time.Duration
	Backend    Backend
	Role       func(Command) Role // that a command needs, beside that of its route; nil: RoleAdmin
	Gatherer   prometheus.Gatherer
	Audit      *Audit        // nil: nothing is recorded; the caller closes it after the server
	GuessDelay time.Duration // of the answer to one wrong token too many; 0: 1s
	Stall      time.Duration // for the client to take a part of a long answer; 0: 30s
	Logger     *slog.Logger
	Now        func() time.Time // nil: time.Now
}

// Server answers HTTP on one address.
type Server struct {
	opts     Options
	ln       net.Listener
	http     *http.Server
	queries  running
	cert     *livefile.Value[*tls.Certificate] // nil: plain HTTP
	keys     *keyring                          // nil: everybody may do everything
	failures failures
	conns    *conns
	requests *slots
	probes   *slots
	admit    *admission // of queries
	life     *life
	metrics  *serverMetrics
	template *template.Template
	finder   finder
}

// Listen reads certificate and tokens and opens the address, so that their
// errors are known before anything else starts. Close or Run ends the listening.
func Listen(ctx context.Context, o Options) (*Server, error) {
	if err := checkAddress(o); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Role == nil {
		o.Role = func(Command) Role { return RoleAdmin }
	}
	if o.MaxRequests <= 0 {
		o.MaxRequests = defaultRequests
	}
	if o.GuessDelay <= 0 {
		o.GuessDelay = failuresDelay
	}
	if o.Stall <= 0 {
		o.Stall = defaultStall
	}
	if o.MaxConns <= 0 {
		o.MaxConns = defaultConns
	}
	s := &Server{opts: o, requests: newSlots(o.MaxRequests), probes: newSlots(probesMost),
		admit: newAdmission(o.MaxRunning, o.MaxWaiting), life: newLife()}
	var err error
	if s.template, err = pageTemplate(); err != nil {
		return nil, fmt.Errorf("read the status page: %w", err)
	}
	if o.Cert != "" {
		if s.cert, err = livefile.Certificate(o.Cert, o.Key, o.Now, o.Logger); err != nil {
			return nil, fmt.Errorf("read http.tls: %w", err)
		}
	}
	if len(o.Tokens) > 0 {
		if s.keys, err = newKeyring(o.Tokens, o.Now, o.Logger); err != nil {
			return nil, err
		}
	}
	s.metrics = newServerMetrics(s)
	if s.ln, err = (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("listen on http.listen %s: %w (is another daemon running? set http.listen to a free address)",
			o.Listen, err)
	}
	s.conns = newConns(o.MaxConns, s.metrics.evicted.Inc)
	// The deadlines hold for every route. One that takes long moves its own,
	// once the request has been read.
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerWithin,
		ReadTimeout:       requestWithin,
		WriteTimeout:      answerWithin,
		IdleTimeout:       idleWithin,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         s.conns.changed,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	if s.cert != nil {
		s.http.TLSConfig = livefile.ServerTLS(s.cert)
	}
	return s, nil
}

// checkAddress keeps the server on loopback unless it is secured, or told
// otherwise in so many words.
func checkAddress(o Options) error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("read http.listen %q: %w (write host:port, such as 127.0.0.1:8321)", o.Listen, err)
	}
	if o.Insecure || config.IsLoopback(host) || (o.Cert != "" && len(o.Tokens) > 0) {
		return nil
	}
	return fmt.Errorf("http.listen %s is not a loopback address, and whoever reaches it can read the lake: set "+
		"http.tls and http.tokens, or use 127.0.0.1, or set http.insecure: true where the network itself is trusted",
		o.Listen)
}

// Addr is the address that is listened on.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// URL is the address with its scheme.
func (s *Server) URL() string {
	if s.cert != nil {
		return "https://" + s.Addr()
	}
	return "http://" + s.Addr()
}

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
	serve := s.http.Serve
	if s.cert != nil {
		serve = func(ln net.Listener) error { return s.http.ServeTLS(ln, "", "") }
	}
	if err := serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http on %s: %w", s.Addr(), err)
	}
	return nil
}

// Close stops listening at once.
func (s *Server) Close() error { return s.http.Close() }

// hostAllowed refuses a foreign Host (DNS rebinding). Beyond loopback there are
// tokens, which a browser does not send to a name that it was not given them for.
func (s *Server) hostAllowed(host string) bool {
	listen, _, err := net.SplitHostPort(s.Addr())
	if s.opts.Insecure || (err == nil && !config.IsLoopback(listen)) {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return config.IsLoopback(strings.Trim(host, "[]"))
}

// formPolicy is what no answer may do in a browser, whatever else it may.
const formPolicy = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard refuses what a web page on another site could make a browser send, and
// gives every answer its headers.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; "+formPolicy)
		if s.cert != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if r.ContentLength != 0 {
			h.Set("Connection", "close") // until decode has read the body
			defer s.abandon(w)
		}
		if !s.hostAllowed(r.Host) {
			fail(w, http.StatusForbidden, fmt.Errorf("host %q is not a loopback name", r.Host))
			return
		}
		if foreign(r) {
			fail(w, http.StatusForbidden, fmt.Errorf("a page of another site (%s) may not ask here", origin(r)))
			return
		}
		if r.Method == http.MethodPost && !isJSON(r.Header.Get("Content-Type")) {
			fail(w, http.StatusUnsupportedMediaType, errors.New("send Content-Type: application/json"))
			return
		}
		if r.ContentLength == 0 { // the deadline of the request is not a bound of the answer
			if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
				fail(w, http.StatusInternalServerError, fmt.Errorf("bound the request: %w", err))
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
		next.ServeHTTP(w, r)
	})
}

// abandon ends the connection of a request that was answered before its body
// had been read. The server would wait for the rest otherwise.
func (s *Server) abandon(w http.ResponseWriter) {
	if w.Header().Get("Connection") != "close" {
		return
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now()); err != nil {
		s.opts.Logger.Debug("end a request's body", "err", err)
	}
}

// foreign reports whether a browser sends the request for a page of another
// site. To follow a link from there is allowed.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		if r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Method != http.MethodGet {
			return true
		}
	}
	o := r.Header.Get("Origin")
	if o == "" {
		return false
	}
	u, err := url.Parse(o)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

func origin(r *http.Request) string {
	if o := r.Header.Get("Origin"); o != "" {
		return o
	}
	return "which its browser does not name"
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
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
	} else {
		fmt.Fprintln(w, "ready")
	}
	for _, line := range st.Standby {
		fmt.Fprintln(w, "stands by:", line)
	}
	for _, reason := range st.Degraded {
		fmt.Fprintln(w, "degraded:", reason)
	}
}

func (s *Server) do(w http.ResponseWriter, r *http.Request) {
	var c Command
	if !decode(w, r, &c) {
		return
	}
	began := s.opts.Now()
	e := Entry{Action: c.Noun + " " + c.Verb, Object: c.Name, Args: c.Args}
	if !s.permit(w, r, s.opts.Role(c), e.Action) {
		e.Outcome = OutcomeRefused
		s.record(r.Context(), began, e, nil)
		return
	}
	ctx, end, err := s.life.within(r.Context())
	if err != nil {
		s.refuse(w, err)
		return
	}
	defer end()
	rc := http.NewResponseController(w)
	if err := rc.SetWriteDeadline(time.Time{}); err != nil { // a command may take long
		fail(w, http.StatusInternalServerError, fmt.Errorf("bound the answer: %w", err))
		return
	}
	rep, err := s.opts.Backend.Do(ctx, c)
	s.record(r.Context(), began, e, err)
	if derr := rc.SetWriteDeadline(time.Now().Add(answerWithin)); derr != nil {
		err = errors.Join(err, fmt.Errorf("bound the answer: %w", derr))
	}
	answer(w, rep, err)
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		err = ended(d, r.Body)
	}
	if err == nil {
		err = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	if err == nil {
		w.Header().Del("Connection")
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the request has more than %d bytes", tooLarge.Limit))
		return false
	}
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("read request: %w", err))
		return false
	}
	return true
}

// ended is an error if the body goes on behind its value.
func ended(d *json.Decoder, body io.Reader) error {
	rest, err := io.ReadAll(io.MultiReader(d.Buffered(), body))
	if err == nil && len(bytes.TrimSpace(rest)) > 0 {
		err = errors.New("it goes on behind the end of its object")
	}
	return err
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) //nolint:errcheck // the client has gone if this fails
}

// ErrNotFound marks an object that does not exist.
var ErrNotFound = errors.New("not found")

// ErrInvalid marks a request that is wrong in itself.
var ErrInvalid = errors.New("invalid request")

func statusOf(err error) int {
	for _, l := range limits {
		if errors.Is(err, l.err) {
			return l.status
		}
	}
	switch {
	case errors.Is(err, ErrStopping) || errors.Is(err, query.ErrUnavailable):
		return http.StatusServiceUnavailable
	case errors.Is(err, query.ErrStatement):
		return http.StatusBadRequest
	case errors.Is(err, query.ErrRefused):
		return http.StatusForbidden
	case errors.As(err, new(*query.ParseError)):
		return http.StatusBadRequest
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

// refuse answers with an error; where trying again may help, it says when.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	s.countRefusal(err)
	status := statusOf(err)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	fail(w, status, err)
}

// errorBody is an answer's error; the place is that of an error in SQL.
type errorBody struct {
	Error  string `json:"error"`
	Line   int    `json:"line,omitempty"`   // from 1
	Column int    `json:"column,omitempty"` // in bytes, from 1
}

func fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body := errorBody{Error: err.Error()}
	if at, ok := errors.AsType[*query.ParseError](err); ok {
		body.Line, body.Column = at.Line, at.Column
	}
	json.NewEncoder(w).Encode(body) //nolint:errcheck // the client has gone if this fails
}
