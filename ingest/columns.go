package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// dataFiles reads data files of a lake, which verifies them.
type dataFiles struct {
	lake tiers.Lake
	// outside does what decodes columns, for tests in a bubble of synctest: the
	// decoders of zstd have channels and are pooled, so that one bubble would meet
	// those of another. nil: it is done where it is asked for.
	outside func(func())
}

func (o *Options) data() dataFiles       { return dataFiles{o.Lake, o.outside} }
func (o *VerifyOptions) data() dataFiles { return dataFiles{o.Lake, o.outside} }
func (b *Books) data() dataFiles         { return dataFiles{b.Lake, b.outside} }

func (s *Source) books() Books { return Books{Lake: s.o.Lake, outside: s.o.outside} }

// seqs is what the footer of a file says of its stream.
func (d dataFiles) seqs(ctx context.Context, path string) (parquetfile.Seqs, error) {
	return parquetfile.SeqsOf(d.lake.OpenFile(ctx, path))
}

// columns reads top-level columns of longs and strings, row by row. The slice is
// reused. A column that the file lacks is null.
func (d dataFiles) columns(ctx context.Context, path string, names []string, each func([]value)) (err error) {
	f, err := d.lake.OpenFile(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if d.outside == nil {
		return readColumns(f, path, names, each)
	}
	d.outside(func() { err = readColumns(f, path, names, each) })
	return err
}

// value is one value of a flat column; zero where it is null.
type value struct {
	long int64
	text string
}

func readColumns(f tiers.FileReader, path string, names []string, each func([]value)) error {
	pf, err := parquet.OpenFile(f, f.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	at := make([]int, len(names))
	for i, n := range names {
		at[i] = -1
		if leaf, ok := pf.Schema().Lookup(n); ok {
			at[i] = leaf.ColumnIndex
		}
		// A required column of this name is Lakeward's own; an event's field never is.
		if leaf, ok := pf.Schema().Lookup(tiers.ColOwnEventID); ok && n == tiers.ColEventID && leaf.Node.Required() {
			at[i] = leaf.ColumnIndex
		}
	}
	for _, g := range pf.RowGroups() {
		if err := readGroup(g, at, each); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
	}
	return nil
}

func readGroup(g parquet.RowGroup, at []int, each func([]value)) error {
	columns := make([][]value, len(at))
	for i, c := range at {
		if c < 0 {
			continue
		}
		var err error
		if columns[i], err = readChunk(g.ColumnChunks()[c]); err != nil {
			return err
		}
	}
	row := make([]value, len(at))
	for n := range int(g.NumRows()) {
		for i, c := range columns {
			row[i] = value{}
			if n < len(c) {
				row[i] = c[n]
			}
		}
		each(row)
	}
	return nil
}

func readChunk(c parquet.ColumnChunk) (out []value, err error) {
	pages := c.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	buf := make([]parquet.Value, 1024)
	for {
		p, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		vs := p.Values()
		for {
			n, err := vs.ReadValues(buf)
			for _, v := range buf[:n] {
				out = append(out, toValue(v))
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
		}
		parquet.Release(p)
	}
}

func toValue(v parquet.Value) value {
	switch {
	case v.IsNull():
		return value{}
	case v.Kind() == parquet.Int64:
		return value{long: v.Int64()}
	case v.Kind() == parquet.Int32:
		return value{long: int64(v.Int32())}
	default:
		return value{text: string(v.ByteArray())}
	}
}
