package serve

import (
	"fmt"
	"net/http"
	"strings"
)

// howToPass says how a token is given, to the command line and in HTTP.
const howToPass = "pass one with --token-file FILE, LAKEWARD_TOKEN_FILE or LAKEWARD_TOKEN (in HTTP: Authorization: " +
	"Bearer TOKEN)"

// allow lets through those who may do what needs the role, as many at a time
// as there are slots.
func (s *Server) allow(needed Role, places *slots, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, ok := s.identify(w, r, needed)
		if !ok {
			return
		}
		r = r.WithContext(withIdentity(r.Context(), id))
		if !s.permit(w, r, needed, r.Method+" "+r.URL.Path) {
			return
		}
		leave, err := places.enter(id.Name, s.keys != nil)
		if err != nil {
			s.metrics.busy.Inc()
			w.Header().Set("Retry-After", "1")
			fail(w, http.StatusServiceUnavailable, err)
			return
		}
		defer leave()
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
	if secret == "" {
		s.metrics.denied.WithLabelValues("missing").Inc()
		s.challenge(w, fmt.Errorf("a token with the role %s is needed: %s", needed, howToPass))
		return id, false
	}
	// A good token is always let in: whoever guesses from the same address
	// cannot lock it out.
	t, ok := s.keys.find(secret)
	if !ok {
		s.refuseToken(w, r, needed)
		return id, false
	}
	id.Name, id.Role = t.Name, t.Role
	return id, true
}

// refuseToken answers a wrong token. Beyond a number of them from one address
// the answer comes late, so that guessing is slow.
func (s *Server) refuseToken(w http.ResponseWriter, r *http.Request, needed Role) {
	if !s.failures.add(r.RemoteAddr, s.opts.Now()) {
		s.metrics.denied.WithLabelValues("wrong").Inc()
		s.opts.Logger.Warn("a wrong token was presented", "remote", r.RemoteAddr, "path", r.URL.Path)
		s.challenge(w, fmt.Errorf("the token is not known here; one with the role %s is needed: %s", needed, howToPass))
		return
	}
	s.metrics.denied.WithLabelValues("blocked").Inc()
	s.failures.delay(r.Context(), s.opts.GuessDelay)
	w.Header().Set("Retry-After", "60")
	fail(w, http.StatusTooManyRequests, fmt.Errorf("the token is not known here, and %d wrong ones came from this "+
		"address within %s: wait for a minute",
		failuresMost, failuresWithin))
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

// permit answers 403 unless the caller has the role that is needed for what.
func (s *Server) permit(w http.ResponseWriter, r *http.Request, needed Role, what string) bool {
	id := identityOf(r.Context())
	if id.Role.includes(needed) {
		return true
	}
	s.metrics.denied.WithLabelValues("role").Inc()
	fail(w, http.StatusForbidden, fmt.Errorf("%s needs the role %s, and the token %s has %s: %s", what, needed, id.Name,
		id.Role, howToPass))
	return false
}
