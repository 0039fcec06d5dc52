package ingest

import (
	"context"
	"sync"
	"time"
)

// Memory bounds what the batches of several sources hold together, in bytes:
// those that fill, those that are being committed, and those that are kept to
// be filled again. Under pressure the largest batch that fills is closed, the
// oldest of equals; a source that finds all of the memory taken closes its own
// batch and reads no further until a commit has given some back, so that the
// stream keeps what comes meanwhile. Safe for concurrent use.
type Memory struct {
	limit int64

	mu    sync.Mutex
	held  map[*claim]holding
	freed chan struct{} // closed, and made anew, when some is given back
}

// NewMemory bounds by limit bytes.
func NewMemory(limit int64) *Memory {
	return &Memory{limit: limit, held: map[*claim]holding{}, freed: make(chan struct{})}
}

// Limit is the bound, in bytes.
func (m *Memory) Limit() int64 { return m.limit }

// Used is what the batches hold, in bytes, as of their last measurements.
func (m *Memory) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used()
}

func (m *Memory) used() (n int64) {
	for _, h := range m.held {
		n += h.filling + h.sealed + h.idle
	}
	return n
}

// fillingShare is the part of the limit that may fill: as much is being
// committed meanwhile, with the files that are made of it.
const fillingShare = 3

// mostFilling is what may fill, of all sources together.
func (m *Memory) mostFilling() int64 { return m.limit / fillingShare }

// holding is what one source holds.
type holding struct {
	filling, sealed, idle int64
	since                 time.Time // when what fills was begun
}

// claim is one epoch's part. close gives everything back.
type claim struct {
	m     *Memory
	press chan struct{} // to close the batch that fills, soon
}

func (m *Memory) open() *claim { return &claim{m: m, press: make(chan struct{}, 1)} }

func (c *claim) update(f func(*holding)) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	before := c.m.used()
	h := c.m.held[c]
	f(&h)
	c.m.held[c] = h
	c.m.tell(before)
}

func (c *claim) close() {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	before := c.m.used()
	delete(c.m.held, c)
	c.m.tell(before)
}

// tell wakes who waits if there is less than before.
func (m *Memory) tell(before int64) {
	if m.used() < before {
		close(m.freed)
		m.freed = make(chan struct{})
	}
}

// filling notes what the batch that fills holds, and reports whether to close
// it. If another one is larger, that one is told.
func (c *claim) filling(bytes int64, since time.Time) (close bool) {
	c.update(func(h *holding) { h.filling, h.since = bytes, since })
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	var sum int64
	for _, h := range c.m.held {
		sum += h.filling
	}
	if sum < c.m.mostFilling() {
		return false
	}
	return c.m.pressLargest() == c
}

// pressLargest tells the largest batch to close.
func (m *Memory) pressLargest() *claim {
	var largest *claim
	var of holding
	for c, h := range m.held {
		if h.filling > 0 && (largest == nil || h.filling > of.filling ||
			(h.filling == of.filling && h.since.Before(of.since))) {
			largest, of = c, h
		}
	}
	if largest != nil {
		select {
		case largest.press <- struct{}{}:
		default: // it knows
		}
	}
	return largest
}

// full reports whether all of the memory is taken.
func (c *claim) full() bool {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	return c.m.used() >= c.m.limit
}

// wait returns once the memory is not all taken. Who waits has closed its own
// batch; what others fill is closed too, so that commits give memory back.
func (c *claim) wait(ctx context.Context) error {
	for {
		c.m.mu.Lock()
		if c.m.used() < c.m.limit {
			c.m.mu.Unlock()
			return nil
		}
		c.m.pressLargest()
		freed := c.m.freed
		c.m.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
