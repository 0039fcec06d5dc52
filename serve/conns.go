package serve

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// conns bounds the open connections. When there are too many, the one that has
// waited longest for a request is closed, so that clients that connect and say
// nothing cannot keep others out.
type conns struct {
	most    int
	onEvict func()

	mu   sync.Mutex
	open map[net.Conn]connState
}

type connState struct {
	waits bool // for a request, or for the rest of its header
	since time.Time
}

func newConns(most int, onEvict func()) *conns {
	return &conns{most: most, onEvict: onEvict, open: map[net.Conn]connState{}}
}

// changed is a server's ConnState hook.
func (c *conns) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	var evicted net.Conn
	switch state {
	case http.StateNew:
		if len(c.open) >= c.most {
			if evicted = c.longestWaiting(); evicted == nil {
				evicted = conn // every other one is being answered
			}
			delete(c.open, evicted)
		}
		if evicted != conn {
			c.open[conn] = connState{waits: true, since: time.Now()}
		}
	case http.StateActive, http.StateIdle:
		if _, ok := c.open[conn]; ok {
			c.open[conn] = connState{waits: state == http.StateIdle, since: time.Now()}
		}
	case http.StateHijacked, http.StateClosed:
		delete(c.open, conn)
	}
	c.mu.Unlock()
	if evicted != nil {
		c.onEvict()
		evicted.Close() // its goroutine reports the error, if anybody does
	}
}

// longestWaiting is nil if none waits. The caller holds mu.
func (c *conns) longestWaiting() net.Conn {
	var found net.Conn
	for conn, s := range c.open {
		if s.waits && (found == nil || s.since.Before(c.open[found].since)) {
			found = conn
		}
	}
	return found
}

// count is the number of open connections.
func (c *conns) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
