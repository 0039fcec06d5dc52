package eventfile

import (
	"bytes"
	"errors"
	"io"
	"iter"
)

// Rows yields the rows of a table as text: CSV with a header, or a log with a
// line #Fields. Each is an object of texts, valid until the next one. What is
// yielded with an error is a row that cannot be read, or, at the end, what is
// left. Fields are divided by what divides the header: a comma, a tab or a
// semicolon, whichever it has most of.
func Rows(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		b := newBuffer(bytes.NewReader(data))
		var d decoder = &csvDecoder{b: b, comma: commaOf(bytes.TrimLeft(data, "\r\n"), "table.csv")}
		if looksLikeFields(bytes.TrimLeft(data, " \t\r\n")) {
			d = &fieldsDecoder{b: b}
		}
		for {
			row, _, err := d.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(row, err) {
				return
			}
			if bad, ok := errors.AsType[*Error](err); err != nil && (!ok || !bad.Broken) {
				return
			}
		}
	}
}
