package ingest

import (
	"context"
	"time"
)

// Message is one message of a stream. ID, Header and Data are the Reader's memory: they
// may change once Done has said that the message is dealt with.
type Message struct {
	Seq       uint64
	Published time.Time
	Subject   string
	ID        []byte // message id that the publisher gave; empty: none
	Header    []byte // all of it, as the protocol has it; empty: there is only an id, or nothing
	Data      []byte

	subject []byte // as far as its events are to keep it
}

// StreamInfo identifies a stream and bounds what it holds for one filter.
type StreamInfo struct {
	Name    string
	Created time.Time // a recreated stream is another stream
	First   uint64    // first sequence that the stream holds; Last+1 if it is empty
	Last    uint64    // last sequence that the stream gave out
	// Matched is the last sequence held whose subject matches the filter. It is
	// Last if the filter covers every subject of the stream.
	Matched uint64
	// Covered says that the filter matches every subject of the stream, so that
	// each sequence up to Last is, or was, one of the source's messages.
	Covered bool
	// Pruned says that the stream drops nothing by itself: what it lacks at its
	// start was committed, and released.
	Pruned bool
}

// Stream is where a source's messages come from. Safe for concurrent use.
type Stream interface {
	Info(ctx context.Context, filter string) (StreamInfo, error)
	// Read returns the messages that match filter, in order, from the first
	// whose sequence is at least from. The caller closes the reader.
	Read(ctx context.Context, filter string, from uint64) (Reader, error)
	// Published is when the stream got the message at seq; ok is false if it
	// does not hold it.
	Published(ctx context.Context, seq uint64) (at time.Time, ok bool, err error)
	// Since is the first sequence of filter that the stream got at that time or
	// later; Last+1 if there is none.
	Since(ctx context.Context, filter string, at time.Time) (uint64, error)
	// Release says that the messages of filter up to seq are committed: the
	// stream may drop them, by its own rules. Nothing is dropped if it is no
	// longer the stream that was created then.
	Release(ctx context.Context, filter string, created time.Time, seq uint64) error
}

// Reader reads a stream in order. Not safe for concurrent use.
type Reader interface {
	// Next waits for messages and appends at least one, at most max, to buf.
	// Every message is delivered once; sequences only rise. If the stream is
	// another one than at the last message, that is an error.
	Next(ctx context.Context, buf []Message, max int) ([]Message, error)
	// Done says that nobody looks at the messages up to seq any more, so that
	// their memory can be used again. It may be left out, and is safe to call
	// beside Next.
	Done(seq uint64)
	Close() error
}
