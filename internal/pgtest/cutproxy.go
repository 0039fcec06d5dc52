package pgtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// Cut says when the proxy drops a connection.
type Cut int

// The moments of a COMMIT.
const (
	CutNever  Cut = iota
	CutBefore     // the server never sees the COMMIT
	CutAmid       // the server has the COMMIT, and nobody waits for it
	CutAfter      // the server has answered, and nobody hears it
	CutLate       // the server sees the COMMIT once its outcome is asked for
)

// Cuts are all but CutNever.
func Cuts() []Cut { return []Cut{CutBefore, CutAmid, CutAfter, CutLate} }

// String is the moment in a word.
func (c Cut) String() string {
	return [...]string{"never", "before", "amid", "after", "late"}[c]
}

// CutProxy stands before PostgreSQL, understands the frames of its protocol,
// and drops one connection at COMMIT when it is told to.
type CutProxy struct {
	t      testing.TB
	server string
	addr   string
	wg     sync.WaitGroup

	mu    sync.Mutex
	ln    net.Listener // nil while the server is away
	armed Cut
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

// StartCutProxy listens on loopback until the test ends. server is host:port.
func StartCutProxy(t testing.TB, server string) *CutProxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &CutProxy{t: t, server: server, addr: ln.Addr().String(), links: map[*link]bool{}}
	p.serve(ln)
	t.Cleanup(func() {
		p.Away()
		p.wg.Wait()
	})
	return p
}

func (p *CutProxy) serve(ln net.Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ln = ln
	p.wg.Go(func() { p.accept(ln) })
}

// Away drops every connection and takes no other, until Back.
func (p *CutProxy) Away() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ln != nil {
		if err := p.ln.Close(); err != nil {
			p.t.Error(err)
		}
		p.ln = nil
	}
	for l := range p.links {
		l.drop()
	}
}

// Back ends Away, at the same address.
func (p *CutProxy) Back() {
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.serve(ln)
}

// Through is the URL of a server, by way of the proxy.
func (p *CutProxy) Through(t testing.TB, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.addr
	return u.String()
}

func (p *CutProxy) accept(ln net.Listener) {
	for {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			p.t.Error(err)
			client.Close() // it is told nothing
			continue
		}
		l := &link{client: client, server: server}
		p.mu.Lock()
		p.links[l] = true
		if p.ln != ln { // away since
			l.drop()
		}
		p.mu.Unlock()
		p.wg.Go(func() { p.toServer(l) })
		p.wg.Go(func() { l.toClient() })
	}
}

func (l *link) drop() {
	l.client.Close() // being dropped is the purpose
	l.server.Close() // likewise
}

// Arm has the next COMMIT cut.
func (p *CutProxy) Arm(c Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = c
}

// take returns what to do with a COMMIT.
func (p *CutProxy) take(l *link) Cut {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.armed
	p.armed = CutNever
	if c == CutLate {
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
		return nil, errors.New("this is not a frame of the protocol")
	}
	m := slices.Concat(head, make([]byte, n-4))
	_, err := io.ReadFull(r, m[len(head):])
	return m, err
}

func commitMessage() []byte { return []byte("Q\x00\x00\x00\x0bcommit\x00") }

// toServer passes a client's messages on.
func (p *CutProxy) toServer(l *link) {
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
func (p *CutProxy) commit(l *link) (gone bool) {
	c := p.take(l)
	if c == CutAmid || c == CutAfter || c == CutLate {
		l.mu.Lock()
		l.deaf = true
		l.mu.Unlock()
	}
	if c == CutLate {
		l.client.Close() // being dropped is the purpose
		return true
	}
	if c != CutBefore {
		if _, err := l.server.Write(commitMessage()); err != nil {
			p.t.Error(err)
		}
	}
	if c == CutBefore || c == CutAmid {
		l.drop()
		return true
	}
	return false
}

// asked passes a held COMMIT on once another link has asked the server a whole
// query with arguments.
func (p *CutProxy) asked(l *link, m []byte) {
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
