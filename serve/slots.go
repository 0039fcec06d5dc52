package serve

import (
	"fmt"
	"sync"
)

// slots bound the requests that are answered at the same time. One token gets
// at most half of them, so that its requests cannot keep the others out.
type slots struct {
	most int

	mu    sync.Mutex
	taken int
	by    map[string]int // by the token's name
}

func newSlots(most int) *slots { return &slots{most: most, by: map[string]int{}} }

// enter takes a slot for a token, or for everybody where there are none. The
// caller calls leave.
func (s *slots) enter(name string, tokens bool) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	each := s.most
	if tokens {
		each = (s.most + 1) / 2
	}
	switch {
	case s.taken >= s.most:
		return nil, fmt.Errorf("%d requests are being answered already (http.max_requests): try again in a moment", s.most)
	case s.by[name] >= each:
		return nil, fmt.Errorf("%d requests of the token %s are being answered already (half of http.max_requests): try "+
			"again in a moment", each, name)
	}
	s.taken++
	s.by[name]++
	return sync.OnceFunc(func() { s.leave(name) }), nil
}

func (s *slots) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.by[name]--; s.by[name] == 0 {
		delete(s.by, name)
	}
}
