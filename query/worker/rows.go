package worker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// rowWriter sends records as messages of an Arrow IPC stream, one a frame.
type rowWriter struct {
	ch   *channel
	out  *ipc.Writer
	buf  bytes.Buffer
	done func() error // why the stream is to end early
	said bool         // the schema, which goes with the reply
}

func newRowWriter(ch *channel, schema *arrow.Schema, done func() error) *rowWriter {
	ch.fresh()
	w := &rowWriter{ch: ch, done: done}
	w.out = ipc.NewWriterWithPayloadWriter(w, ipc.WithSchema(schema))
	return w
}

// Start implements ipc.PayloadWriter.
func (w *rowWriter) Start() error { return nil }

// WritePayload implements ipc.PayloadWriter.
func (w *rowWriter) WritePayload(p ipc.Payload) error {
	if !w.said {
		w.said = true
		return nil
	}
	w.buf.Reset()
	if _, err := p.WritePayload(&w.buf); err != nil {
		return fmt.Errorf("encode rows: %w", err)
	}
	if w.buf.Len() > mostFrame {
		return fmt.Errorf("rows of %d bytes are too large to hand over", w.buf.Len())
	}
	if err := w.ch.room(w.buf.Len(), w.done); err != nil {
		return err
	}
	err := w.ch.send(kindRows, w.buf.Bytes())
	if w.buf.Cap() > 4*readAhead { // a long value must not stay
		w.buf = bytes.Buffer{}
	}
	return err
}

// Close implements ipc.PayloadWriter.
func (w *rowWriter) Close() error { return nil }

// all sends the rows of a reader, which it does not release.
func (w *rowWriter) all(rows array.RecordReader) error {
	for rows.Next() {
		if err := w.write(rows.RecordBatch()); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return w.out.Close()
}

// write sends a long record in parts.
func (w *rowWriter) write(rec arrow.RecordBatch) error {
	n := rec.NumRows()
	parts := min(n, 1+recordBytes(rec)/longRecord)
	if parts < 2 {
		return w.out.Write(rec)
	}
	for i := range parts {
		part := rec.NewSlice(i*n/parts, (i+1)*n/parts)
		err := w.out.Write(part)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

const longRecord = 64 << 20 // bytes

func recordBytes(rec arrow.RecordBatch) (n int64) {
	for _, c := range rec.Columns() {
		n += int64(c.Data().SizeInBytes())
	}
	return n
}

const endOfStream = 8 // bytes

// schemaBytes returns the first message of an Arrow IPC stream, which is the schema.
func schemaBytes(s *arrow.Schema) ([]byte, error) {
	var b bytes.Buffer
	if err := ipc.NewWriter(&b, ipc.WithSchema(s)).Close(); err != nil {
		return nil, fmt.Errorf("encode a schema: %w", err)
	}
	return b.Bytes()[:b.Len()-endOfStream], nil
}

// messages gives the messages of a stream's frames to an ipc.Reader. Their
// lengths are compared with the frame's before anything believes them.
type messages struct {
	next  func() ([]byte, error) // io.EOF: no more
	plain bool                   // what comes after the schema must be plain rows
	begun bool                   // the schema has been read
	left  []byte
	last  *ipc.Message
}

// Message implements ipc.MessageReader.
func (m *messages) Message() (msg *ipc.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: rows: %v", errFrame, p)
		}
	}()
	if len(m.left) == 0 {
		if m.left, err = m.next(); err != nil {
			return nil, err
		}
	}
	meta, body, rest, err := cutMessage(m.left)
	if err != nil {
		return nil, err
	}
	m.left = rest
	if m.plain && m.begun {
		if err := plainRows(meta); err != nil {
			return nil, err
		}
	}
	m.begun = true
	if m.last != nil {
		m.last.Release()
	}
	m.last = ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(body))
	return m.last, nil
}

// Retain implements ipc.MessageReader.
func (m *messages) Retain() {}

// Release implements ipc.MessageReader.
func (m *messages) Release() {
	if m.last != nil {
		m.last.Release()
		m.last = nil
	}
}

// cutMessage takes the first message of an IPC stream off b.
func cutMessage(b []byte) (meta, body, rest []byte, err error) {
	const head = 8
	if len(b) < head || binary.LittleEndian.Uint32(b) != 0xFFFFFFFF {
		return nil, nil, nil, fmt.Errorf("%w: no message of rows", errFrame)
	}
	n := int64(int32(binary.LittleEndian.Uint32(b[4:])))
	if n == 0 {
		return nil, nil, nil, io.EOF
	}
	if n < head || n > int64(len(b)-head) {
		return nil, nil, nil, fmt.Errorf("%w: metadata of %d bytes in %d", errFrame, n, len(b))
	}
	meta, b = b[head:head+n], b[head+n:]
	length, err := bodyLength(meta)
	if err != nil || length < 0 || length > int64(len(b)) {
		return nil, nil, nil, errors.Join(fmt.Errorf("%w: a body of %d bytes in %d", errFrame, length, len(b)), err)
	}
	return meta, b[:length], b[length:], nil
}

// bodyLength returns the length of a message's body according to its metadata.
func bodyLength(meta []byte) (n int64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: metadata: %v", errFrame, p)
		}
	}()
	m := ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(nil))
	defer m.Release()
	return m.BodyLen(), nil
}
