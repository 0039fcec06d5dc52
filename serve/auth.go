package serve

import (
	"fmt"
	"net/http"
	"strings"
)

// howToPass says how a token is given, to the command line and in HTTP.
const howToPass = "pass one with --token-file FILE, LAKEWARD_TOKEN_FILE or LAKEWARD_TOKEN (in HTTP: Authorization: Bearer TOKEN)"

// allow lets through those who may do what needs the role, as many at a time
// as are answered.
func (s *Server) allow(needed Role, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, ok := s.identify(w, r, needed)
		if !ok {
			return
		}
		r = r.WithContext(withIdentity(r.Context(), id))
		if !s.permit(w, r, needed, r.Method+" "+r.URL.Path) {
			return
		}
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			s.metrics.busy.Inc()
			w.Header().Set("Retry-After", "1")
			fail(w, http.StatusServiceUnavailable, fmt.Errorf("%d requests are being answered already (http.max_requests): try again in a moment", cap(s.slots)))
			return
		}
		next(w, r)
	}
}

// identify answers 401 or 429 unless the request says who asks.
func (s *Server) identify(w http.ResponseWriter, r *http.Request, needed Role) (Identity, bool) {
	id := Identity{Name: localName, Role: RoleAdmin, Remote: r.RemoteAddr}
	if s.keys == nil {
		return id, true
	}
	secret := presented(r)
	now := s.opts.Now()
	if secret == "" {
		s.metrics.denied.WithLabelValues("missing").Inc()
		s.challenge(w, fmt.Errorf("a token with the role %s is needed: %s", needed, howToPass))
		return id, false
	}
	if s.failures.blocked(r.RemoteAddr, now) {
		s.metrics.denied.WithLabelValues("blocked").Inc()
		w.Header().Set("Retry-After", "60")
		fail(w, http.StatusTooManyRequests, fmt.Errorf("%d wrong tokens came from this address within %s: wait for a minute", failuresMost, failuresWithin))
		return id, false
	}
	t, ok := s.keys.find(secret)
	if !ok {
		s.failures.add(r.RemoteAddr, now)
		s.metrics.denied.WithLabelValues("wrong").Inc()
		s.opts.Logger.Warn("a wrong token was presented", "remote", r.RemoteAddr, "path", r.URL.Path)
		s.challenge(w, fmt.Errorf("the token is not known here; one with the role %s is needed: %s", needed, howToPass))
		return id, false
	}
	id.Name, id.Role = t.Name, t.Role
	return id, true
}

// presented is the request's token: a bearer's, or for browsers and scrapers
// the password of basic authentication.
func presented(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func (s *Server) challenge(w http.ResponseWriter, err error) {
	w.Header().Add("WWW-Authenticate", `Bearer realm="lakeward"`)
	w.Header().Add("WWW-Authenticate", `Basic realm="lakeward", charset="UTF-8"`)
	fail(w, http.StatusUnauthorized, err)
}

// permit answers 403 unless whoever asks has the role that what needs.
func (s *Server) permit(w http.ResponseWriter, r *http.Request, needed Role, what string) bool {
	id := identityOf(r.Context())
	if id.Role.includes(needed) {
		return true
	}
	s.metrics.denied.WithLabelValues("role").Inc()
	fail(w, http.StatusForbidden, fmt.Errorf("%s needs the role %s, and the token %s has %s: %s", what, needed, id.Name, id.Role, howToPass))
	return false
}
