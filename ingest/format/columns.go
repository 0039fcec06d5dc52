package format

import (
	"errors"
	"io"
	"iter"

	"github.com/lakeward/lakeward/ingest/columnfile"
)

// columns is a form that has the values of a column together: a message is one
// table, of which either each row is an event, or none is. A row that was read
// before the message turned out to be broken would be an event whose place
// another version, which reads more, would give to another.
type columns struct {
	name string
	open func([]byte, columnfile.Limits) columnfile.Reader
}

func (c columns) Name() string { return c.name }

// Whole is an error that is about all of a message, so that none of its parts
// is an event.
type Whole struct{ Err error }

func (w *Whole) Error() string { return w.Err.Error() }

func (w *Whole) Unwrap() error { return w.Err }

// mostRows is how many events a message may have.
const mostRows = 1 << 20

func (c columns) Events(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if len(data) == 0 {
			return
		}
		var text []byte
		var ends []int
		r := c.open(data, columnfile.Limits{Rows: mostRows, Text: MostUnpacked, Held: 2 * MostUnpacked})
		for {
			row, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				yield(data, &Whole{err})
				return
			}
			text = append(text, row...)
			ends = append(ends, len(text))
		}
		from := 0
		for _, to := range ends {
			if !yield(text[from:to:to], nil) {
				return
			}
			from = to
		}
	}
}

// Expands tells a message whose events may be many more bytes than it has.
func Expands(data []byte) bool { return columnfile.Kind(data) != "" }
