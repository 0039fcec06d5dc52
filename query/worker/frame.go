package worker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// kind says what a frame is.
type kind byte

// The kinds of frame. A request has one reply; a query's is followed by rows
// and an end. What the worker asks meanwhile has one answer.
const (
	kindRequest  kind = iota + 1 // JSON of request
	kindReply                    // JSON of reply
	kindRows                     // one message of an Arrow IPC stream
	kindEnd                      // JSON of reply: of rows, in either direction
	kindCredit                   // uvarint: bytes of rows that were consumed
	kindCancel                   // uvarint: number of the request
	kindProgress                 // JSON of query.Progress
	kindAsk                      // JSON of question
	kindAnswer                   // JSON of answer; files follow it as bytes
	kindTable                    // JSON of reply: rows of a table of the remote tier begin
	kinds
)

const (
	frameHead = 5         // kind and length
	mostFrame = 256 << 20 // bytes: one row may be as long
	mostSaid  = 4 << 20   // bytes of what a worker says that is not a rows
	readAhead = 1 << 20   // bytes that are allocated because of a length alone
)

var errFrame = errors.New("malformed frame")

type frame struct {
	kind kind
	data []byte
}

// readFrame reads one frame, whose data is the caller's. io.EOF is the end
// between two frames.
func readFrame(r *bufio.Reader, most func(kind) int) (frame, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	f, n := frame{kind: kind(head[0])}, int(binary.BigEndian.Uint32(head[1:]))
	if f.kind == 0 || f.kind >= kinds || n > most(f.kind) {
		return frame{}, fmt.Errorf("%w: kind %d of %d bytes", errFrame, f.kind, n)
	}
	f.data = make([]byte, min(n, readAhead))
	for at := 0; ; { // what was said to come is believed as it comes
		if _, err := io.ReadFull(r, f.data[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return frame{}, err
		}
		if at = len(f.data); at == n {
			return f, nil
		}
		grown := make([]byte, min(n, 4*at))
		copy(grown, f.data)
		f.data = grown
	}
}

func putHead(head []byte, k kind, n int) {
	head[0] = byte(k)
	binary.BigEndian.PutUint32(head[1:], uint32(n))
}
