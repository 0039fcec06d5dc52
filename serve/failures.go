package serve

import (
	"net/netip"
	"sync"
	"time"
)

const (
	failuresWithin = time.Minute
	failuresMost   = 20   // wrong tokens of one address within it
	failuresKept   = 4096 // addresses remembered
)

// failures counts wrong tokens by the address that sent them, so that guessing
// is slow and its log short.
type failures struct {
	mu sync.Mutex
	by map[netip.Addr]failed
}

type failed struct {
	since time.Time
	n     int
}

// blocked reports whether the address has to wait.
func (f *failures) blocked(remote string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, ok := f.by[network(remote)]
	return ok && now.Sub(x.since) < failuresWithin && x.n >= failuresMost
}

// add counts one. When too many addresses are remembered, all are forgotten:
// tokens are too long to be guessed by many, and memory is bounded.
func (f *failures) add(remote string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := network(remote)
	x, ok := f.by[a]
	if !ok || now.Sub(x.since) >= failuresWithin {
		x = failed{since: now}
	}
	x.n++
	if f.by == nil || (!ok && len(f.by) >= failuresKept) {
		f.by = map[netip.Addr]failed{}
	}
	f.by[a] = x
}

// network is the address, or for IPv6 the /64 that one host can choose from.
func network(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
