package eventfile

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/lakeward/lakeward/ingest/columnfile"
)

// mostColumns is the largest file whose columns are held in memory, in bytes.
const mostColumns = 1 << 30

// columnsDecoder makes an object of each row of an Arrow or Parquet file. Its
// lines are rows.
type columnsDecoder struct {
	rows columnfile.Reader
	row  int
}

func newColumns(kind string, b *buffer) (decoder, error) {
	data, err := io.ReadAll(io.LimitReader(b, mostColumns+1))
	if err != nil {
		return nil, err
	}
	if len(data) > mostColumns {
		return nil, problem(fmt.Sprintf("it has more than %d MiB of columns", mostColumns>>20), "divide it")
	}
	l := columnfile.Limits{Rows: math.MaxInt, Text: math.MaxInt, Held: 4 * mostColumns}
	if kind == "arrow" {
		return &columnsDecoder{rows: columnfile.Arrow(data, l)}, nil
	}
	return &columnsDecoder{rows: columnfile.Parquet(data, l)}, nil
}

func (d *columnsDecoder) next() ([]byte, int, error) {
	d.row++
	row, err := d.rows.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		err = damaged(err)
	}
	return row, d.row, err
}
