package jetstream

import (
	"bytes"
	"errors"
	"io"
)

// intake reads a connection into blocks. What it returns stays where it came,
// so that nothing is copied but what the end of a block cuts in two.
type intake struct {
	conn   io.Reader
	blocks *blocks // shared with the reader
	block  []byte  // the present one
	from   int     // of it: what was not taken yet begins here
	to     int     // of it: what was read ends here
	last   uint64  // sequence of the last message in it
}

// leastRoom is the room for a read in a block; with less the next one begins.
const leastRoom = 16 << 10

const lineEnd = "\r\n"

var errProtocol = errors.New("not NATS's protocol")

// waiting reports whether something was read that was not taken yet.
func (in *intake) waiting() bool { return in.from < in.to }

// more reads on. What is not taken yet moves, if the next block begins.
func (in *intake) more() error {
	if len(in.block)-in.to < leastRoom {
		if in.to-in.from > blockBytes-leastRoom {
			return errProtocol // no line is that long
		}
		next := in.blocks.next(in.block, in.last)
		in.to = copy(next, in.block[in.from:in.to])
		in.block, in.from, in.last = next, 0, 0
	}
	n, err := in.conn.Read(in.block[in.to:])
	if in.to += n; n > 0 {
		return nil
	}
	return err
}

// line takes one line. It is valid until more is read.
func (in *intake) line() ([]byte, error) {
	for seen := 0; ; {
		left := in.block[in.from:in.to]
		if i := bytes.IndexByte(left[seen:], '\n'); i >= 0 {
			i += seen
			in.from += i + 1
			return bytes.TrimSuffix(left[:i], []byte{'\r'}), nil
		}
		seen = len(left)
		if err := in.more(); err != nil {
			return nil, err
		}
	}
}

// take takes size bytes and the line's end after them. They are in the present
// block, or in memory of their own if they are many.
func (in *intake) take(size int) ([]byte, error) {
	if size > blockBytes/4 {
		return in.large(size)
	}
	if err := in.least(size + len(lineEnd)); err != nil {
		return nil, err
	}
	out := in.block[in.from : in.from+size : in.from+size]
	in.from += size
	return out, in.end()
}

func (in *intake) large(size int) ([]byte, error) {
	out := make([]byte, size)
	n := copy(out, in.block[in.from:in.to])
	in.from += n
	if _, err := io.ReadFull(in.conn, out[n:]); err != nil {
		return nil, err
	}
	if err := in.least(len(lineEnd)); err != nil {
		return nil, err
	}
	return out, in.end()
}

// end takes the line's end, which was read.
func (in *intake) end() error {
	if string(in.block[in.from:in.from+len(lineEnd)]) != lineEnd {
		return errProtocol
	}
	in.from += len(lineEnd)
	return nil
}

// least reads until so many bytes can be taken.
func (in *intake) least(size int) error {
	for in.to-in.from < size {
		if err := in.more(); err != nil {
			return err
		}
	}
	return nil
}
