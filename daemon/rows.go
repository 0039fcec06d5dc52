package daemon

import (
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// progressEvery is how often a running query says how far it is.
const progressEvery = 250 * time.Millisecond

// sessionRows is a result that closes its session when it is released. It reads
// the first batch ahead, so that an error of the statement is known before any of
// the answer is sent.
type sessionRows struct {
	array.RecordReader
	end    func()
	refs   atomic.Int64
	first  bool // the first batch is there and has not been asked for
	peeked bool // whether there is one
}

func newSessionRows(r array.RecordReader, end func()) *sessionRows {
	s := &sessionRows{RecordReader: r, end: end, first: true, peeked: r.Next()}
	s.refs.Store(1)
	return s
}

// failed is the error of a result without a first batch.
func (s *sessionRows) failed() error {
	if s.peeked {
		return nil
	}
	return s.RecordReader.Err()
}

// Next implements array.RecordReader.
func (s *sessionRows) Next() bool {
	if s.first {
		s.first = false
		return s.peeked
	}
	return s.RecordReader.Next()
}

// Retain implements array.RecordReader.
func (s *sessionRows) Retain() { s.refs.Add(1) }

// Release implements array.RecordReader. The last one closes the session.
func (s *sessionRows) Release() {
	if s.refs.Add(-1) == 0 {
		s.RecordReader.Release()
		s.end()
	}
}
