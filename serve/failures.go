package serve

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	failuresWithin  = time.Minute
	failuresMost    = 20   // wrong tokens of one address within it
	failuresKept    = 4096 // addresses remembered
	failuresDelay   = time.Second
	failuresDelayed = 64 // answers that wait at the same time
)

// failures counts wrong tokens by the address that sent them, so that guessing
// is slow and its log short.
type failures struct {
	mu      sync.Mutex
	by      map[netip.Addr]failed
	waiting int // answers that are delayed
}

type failed struct {
	since time.Time
	n     int
}

// add counts one, and reports whether there are too many by now. When too many
// addresses are remembered, all are forgotten: tokens are too long to be
// guessed by many, and memory is bounded.
func (f *failures) add(remote string, now time.Time) (tooMany bool) {
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
	return x.n > failuresMost
}

// delay lets an answer wait. Only few wait at a time: the others are answered
// at once, and have learned nothing either.
func (f *failures) delay(ctx context.Context, d time.Duration) {
	f.mu.Lock()
	full := f.waiting >= failuresDelayed
	if !full {
		f.waiting++
	}
	f.mu.Unlock()
	if full {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	f.mu.Lock()
	f.waiting--
	f.mu.Unlock()
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
