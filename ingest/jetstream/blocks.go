package jetstream

import "sync"

// blocks is the memory of messages, used again once they are dealt with. Many
// messages share a block. Safe for concurrent use.
type blocks struct {
	mu   sync.Mutex
	full []fullBlock
	free [][]byte
}

// fullBlock is a block that gets no more messages.
type fullBlock struct {
	bytes []byte
	last  uint64 // sequence of its last message
}

const (
	blockBytes = 256 << 10
	freeBlocks = 32 // kept at most
	restBlocks = 4  // kept when no message is waited for
)

// next retires a block whose last message is given, if there is one, and
// returns an empty one.
func (b *blocks) next(full []byte, last uint64) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if full != nil {
		b.full = append(b.full, fullBlock{full, last})
	}
	if n := len(b.free) - 1; n >= 0 {
		block := b.free[n]
		b.free = b.free[:n]
		return block
	}
	return make([]byte, blockBytes)
}

// done frees the blocks whose messages have sequences up to seq. A connection
// that was lost may have left blocks with later messages than the next one
// begins with, so the blocks are in no order.
func (b *blocks) done(seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := b.full[:0]
	for _, f := range b.full {
		switch {
		case f.last > seq:
			kept = append(kept, f)
		case len(b.free) < freeBlocks:
			b.free = append(b.free, f.bytes)
		}
	}
	clear(b.full[len(kept):])
	if b.full = kept; len(kept) == 0 && len(b.free) > restBlocks {
		clear(b.free[restBlocks:])
		b.free = b.free[:restBlocks]
	}
}
