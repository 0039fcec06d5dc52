package standby

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy is the network between one daemon and one server. Cut, it takes
// connections and passes nothing on, as a network that drops packets does.
type proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close() // accept ends
		p.end()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(in) })
	}
}

// serve passes bytes both ways until either side ends. What was on its way when
// the network is cut never arrives.
func (p *proxy) serve(in net.Conn) {
	defer p.drop(in)
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer p.drop(out)
	p.mu.Lock()
	p.conns[in], p.conns[out] = true, true
	p.mu.Unlock()
	var wg sync.WaitGroup
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(gated{to, p}, from) // that it ends is all that matters
		_ = to.Close()
		_ = from.Close()
	}
	wg.Go(func() { pass(out, in) })
	wg.Go(func() { pass(in, out) })
	wg.Wait()
}

func (p *proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// gated writes nothing while the network is cut.
type gated struct {
	net.Conn
	p *proxy
}

func (g gated) Write(b []byte) (int, error) {
	g.p.mu.Lock()
	cut := g.p.cut
	g.p.mu.Unlock()
	if cut {
		return len(b), nil
	}
	return g.Conn.Write(b)
}

func (p *proxy) setCut(cut bool) {
	p.mu.Lock()
	p.cut = cut
	p.mu.Unlock()
	if !cut { // connections that lost bytes cannot go on
		p.end()
	}
}

func (p *proxy) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}
