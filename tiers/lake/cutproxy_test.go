package lake_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// cut says when the proxy drops a connection.
type cut int

const (
	cutNever  cut = iota
	cutBefore     // the server never sees the COMMIT
	cutAmid       // the server has the COMMIT, and nobody waits for it
	cutAfter      // the server has answered, and nobody hears it
	cutLate       // the server sees the COMMIT once its outcome is asked for
	cuts
)

func (c cut) String() string {
	return [...]string{"never", "before", "amid", "after", "late"}[c]
}

// cutProxy stands before PostgreSQL, understands the frames of its protocol,
// and drops one connection at COMMIT when it is told to.
type cutProxy struct {
	t      *testing.T
	server string
	ln     net.Listener
	wg     sync.WaitGroup

	mu    sync.Mutex
	armed cut
	held  *link // whose COMMIT is yet to be passed on
	links map[*link]bool
}

// link is one client's connection.
type link struct {
	client, server net.Conn
	mu             sync.Mutex
	deaf           bool // the server's next answer is the last
	bound          bool // a query has its arguments
}

// startCutProxy listens on loopback until the test ends.
func startCutProxy(t *testing.T, server string) *cutProxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &cutProxy{t: t, server: server, ln: ln, links: map[*link]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		p.mu.Lock()
		for l := range p.links {
			l.drop()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *cutProxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			p.t.Error(err)
			client.Close() //nolint:errcheck // it is told nothing
			continue
		}
		l := &link{client: client, server: server}
		p.mu.Lock()
		p.links[l] = true
		p.mu.Unlock()
		p.wg.Go(func() { p.toServer(l) })
		p.wg.Go(func() { l.toClient() })
	}
}

func (l *link) drop() {
	l.client.Close() //nolint:errcheck // being dropped is the purpose
	l.server.Close() //nolint:errcheck // likewise
}

// arm has the next COMMIT cut.
func (p *cutProxy) arm(c cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = c
}

// take returns what to do with a COMMIT.
func (p *cutProxy) take(l *link) cut {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.armed
	p.armed = cutNever
	if c == cutLate {
		p.held = l
	}
	return c
}

// frame reads one message; typed is false for the first of a client.
func frame(r io.Reader, typed bool) ([]byte, error) {
	head := make([]byte, 5)
	if !typed {
		head = head[:4]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[len(head)-4:])
	if n < 4 || n > 1<<24 {
		return nil, errors.New("this is no frame of the protocol")
	}
	m := append(head, make([]byte, n-4)...)
	_, err := io.ReadFull(r, m[len(head):])
	return m, err
}

func commitMessage() []byte { return []byte("Q\x00\x00\x00\x0bcommit\x00") }

// toServer passes a client's messages on.
func (p *cutProxy) toServer(l *link) {
	for typed := false; ; typed = true {
		m, err := frame(l.client, typed)
		if err != nil {
			break
		}
		if bytes.Equal(m, commitMessage()) {
			if gone := p.commit(l); gone {
				return
			}
			continue
		}
		if _, err := l.server.Write(m); err != nil {
			break
		}
		p.asked(l, m)
	}
	l.drop()
}

// commit passes a COMMIT on, or not; gone says that the link is not to be read
// any more.
func (p *cutProxy) commit(l *link) (gone bool) {
	c := p.take(l)
	if c == cutAfter || c == cutLate {
		l.mu.Lock()
		l.deaf = true
		l.mu.Unlock()
	}
	if c == cutLate {
		l.client.Close() //nolint:errcheck // being dropped is the purpose
		return true
	}
	if c != cutBefore {
		if _, err := l.server.Write(commitMessage()); err != nil {
			p.t.Error(err)
		}
	}
	if c == cutBefore || c == cutAmid {
		l.drop()
		return true
	}
	return false
}

// asked passes a held COMMIT on once another link has asked the server a whole
// query with arguments.
func (p *cutProxy) asked(l *link, m []byte) {
	if m[0] == 'B' {
		l.bound = true
	}
	if m[0] != 'S' || !l.bound {
		return
	}
	l.bound = false
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil || p.held == l {
		return
	}
	if _, err := p.held.server.Write(commitMessage()); err != nil {
		p.t.Error(err)
	}
	p.held = nil
}

// toClient passes the server's messages on, until one that nobody is to hear.
func (l *link) toClient() {
	defer l.drop()
	for {
		m, err := frame(l.server, true)
		if err != nil {
			return
		}
		l.mu.Lock()
		deaf := l.deaf
		l.mu.Unlock()
		if deaf && m[0] == 'Z' {
			return
		}
		if deaf {
			continue
		}
		if _, err := l.client.Write(m); err != nil {
			return
		}
	}
}
