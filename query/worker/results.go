package worker

import (
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

const (
	formBytes = 512     // that a frame of rows has for each field, beside the values
	mostBatch = 1 << 16 // rows of one frame
)

// resultOf reads a worker's rows, of which nothing is believed: their columns
// are of types that an engine gives, and their messages are plain.
func resultOf(columns []wireColumn, next func() ([]byte, error)) (*ipc.Reader, int, error) {
	schema, fields, err := schemaOf(columns)
	if err != nil {
		return nil, 0, err
	}
	head, err := schemaBytes(schema)
	if err != nil {
		return nil, 0, err
	}
	r, err := ipc.NewReaderFromMessageReader(&messages{left: head, next: next, plain: true})
	if err != nil {
		return nil, 0, fmt.Errorf("%w: schema: %w", errFrame, err)
	}
	return r, fields, nil
}

// checkRows is an error if looking at a value would go beyond what came.
func checkRows(rec arrow.RecordBatch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: rows: %v", errFrame, p)
		}
	}()
	if n := rec.NumRows(); n < 0 || n > mostBatch {
		return fmt.Errorf("%w: %d rows at once", errFrame, n)
	}
	for i, c := range rec.Columns() {
		if int64(c.Len()) != rec.NumRows() {
			return fmt.Errorf("%w: column %d has %d values in %d rows", errFrame, i+1, c.Len(), rec.NumRows())
		}
		if err := array.ValidateFull(c); err != nil {
			return fmt.Errorf("%w: column %d: %w", errFrame, i+1, err)
		}
	}
	return nil
}

// The fields of Arrow's Message and RecordBatch in their flatbuffers, by the
// place in the table's list of offsets.
const (
	messageHeaderType = 6
	messageHeader     = 8
	messageMetadata   = 12
	batchCompression  = 10
	headerOfRows      = 3
)

// plainRows refuses what an engine does not send and a reader would allocate
// for: compressed bodies, dictionaries, metadata of its own.
func plainRows(meta []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: metadata: %v", errFrame, p)
		}
	}()
	m := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	kind := flatbuffers.UOffsetT(m.Offset(messageHeaderType))
	if kind == 0 || m.GetByte(m.Pos+kind) != headerOfRows || m.Offset(messageMetadata) != 0 {
		return fmt.Errorf("%w: a message that is not plain rows", errFrame)
	}
	var batch flatbuffers.Table
	m.Union(&batch, flatbuffers.UOffsetT(m.Offset(messageHeader)))
	if batch.Offset(batchCompression) != 0 {
		return fmt.Errorf("%w: compressed rows", errFrame)
	}
	return nil
}
