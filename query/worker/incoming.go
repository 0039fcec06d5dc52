package worker

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/lakeward/lakeward/query"
)

func (s *server) load(ctx context.Context, req request) (int64, error) {
	rows, err := s.incoming(req.Schema)
	if err != nil {
		return 0, err
	}
	defer rows.Release()
	var l query.Loader = s.conn
	if s.session != nil {
		l, _ = s.session.(query.Loader)
	}
	if l == nil {
		return 0, fmt.Errorf("%w: rows without a session", errFrame)
	}
	n, err := l.Load(ctx, req.Table, rows)
	if err != nil && !rows.ended {
		if err := s.ch.sendNumber(kindCancel, req.Number); err != nil { // of what is still to come
			return n, err
		}
		rows.drain()
	}
	return n, err
}

// incoming returns a reader of the rows that the daemon sends.
func (s *server) incoming(schema []byte) (*incoming, error) {
	in := &incoming{s: s}
	in.messages = &messages{left: schema, next: in.frame}
	r, err := ipc.NewReaderFromMessageReader(in.messages)
	if err != nil {
		return nil, fmt.Errorf("%w: schema: %w", errFrame, err)
	}
	in.Reader = r
	return in, nil
}

// incoming reads rows that the daemon sends, up to the frame that ends them.
type incoming struct {
	*ipc.Reader
	s        *server
	messages *messages
	ended    bool
	lost     error // what the daemon says about rows that did not all come
}

func (in *incoming) frame() ([]byte, error) {
	if in.ended {
		return nil, io.EOF
	}
	f, err := in.s.ch.next()
	switch {
	case err != nil:
		in.ended, in.lost = true, err
	case f.kind == kindRows:
		return f.data, in.s.ch.sendNumber(kindCredit, uint64(len(f.data)))
	case f.kind == kindEnd:
		var r reply
		in.ended, in.lost = true, decode(f, &r)
		if r.Error != nil {
			in.lost = &askedError{r.Error.Text}
		}
	default:
		in.ended, in.lost = true, fmt.Errorf("%w: %d among rows", errFrame, f.kind)
	}
	if in.lost != nil {
		return nil, in.lost
	}
	return nil, io.EOF
}

// Err implements array.RecordReader.
func (in *incoming) Err() error {
	if in.lost != nil {
		return in.lost
	}
	return in.Reader.Err()
}

// drain skips the remaining rows.
func (in *incoming) drain() {
	for !in.ended {
		_, _ = in.frame() // the outcome does not matter any more
	}
}
