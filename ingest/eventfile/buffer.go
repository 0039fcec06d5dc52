package eventfile

import (
	"errors"
	"io"
)

// buffer is a window on a stream that keeps what was marked, however long, so
// that a value can be returned without a copy.
type buffer struct {
	in   io.Reader
	data []byte
	pos  int // next byte
	mark int // -1: nothing is kept before pos
	err  error
	line int // of pos, from 1
}

const window = 64 << 10

func newBuffer(in io.Reader) *buffer {
	return &buffer{in: in, mark: -1, line: 1}
}

// fill reads more, and reports false at the end or at an error.
func (b *buffer) fill() bool {
	if b.err != nil {
		return false
	}
	keep := b.pos
	if b.mark >= 0 {
		keep = b.mark
	}
	if len(b.data)-keep > MaxEvent {
		b.err = problem("an event is larger than 64 MiB", "split it, or check that a quote or bracket is not left open")
		return false
	}
	if keep > 0 {
		n := copy(b.data, b.data[keep:])
		b.data, b.pos = b.data[:n], b.pos-keep
		if b.mark >= 0 {
			b.mark = 0
		}
	}
	if len(b.data) == cap(b.data) {
		grown := make([]byte, len(b.data), max(window, 2*cap(b.data)))
		copy(grown, b.data)
		b.data = grown
	}
	for range 100 {
		n, err := b.in.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		b.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	b.err = io.ErrNoProgress
	return false
}

// peek returns the next n bytes, or fewer with the reason.
func (b *buffer) peek(n int) ([]byte, error) {
	for len(b.data)-b.pos < n {
		if !b.fill() {
			return b.data[b.pos:], b.err
		}
	}
	return b.data[b.pos : b.pos+n], nil
}

// next returns the next byte without taking it; ok is false at the end.
func (b *buffer) next() (c byte, ok bool) {
	if b.pos == len(b.data) && !b.fill() {
		return 0, false
	}
	return b.data[b.pos], true
}

// take moves past the byte that next returned.
func (b *buffer) take() {
	if b.data[b.pos] == '\n' {
		b.line++
	}
	b.pos++
}

// failed is why the stream ended, if not at its end.
func (b *buffer) failed() error {
	if b.err == nil || errors.Is(b.err, io.EOF) {
		return nil
	}
	return b.err
}

// Read lets a decompressor read what was peeked, and the rest.
func (b *buffer) Read(p []byte) (int, error) {
	if b.pos < len(b.data) {
		n := copy(p, b.data[b.pos:])
		b.pos += n
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.in.Read(p)
}
