package ingest

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/parquet-go/parquet-go"

	"github.com/lakeward/lakeward/tiers"
)

// File is a file of the lake, open for reading.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

type localFile struct {
	*os.File
	size int64
}

func (f localFile) Size() int64 { return f.size }

// openLocal opens a path or file:// URL.
func openLocal(path string) (File, error) {
	name := path
	if u, err := url.Parse(path); err == nil && u.Scheme == "file" {
		name = u.Path
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open data file: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open data file: %w", err), f.Close())
	}
	return localFile{f, st.Size()}, nil
}

// value is one value of a flat column; zero where it is null.
type value struct {
	long int64
	text string
}

// columnReader reads columns of a file of the lake, as readColumns does.
type columnReader func(path string, names []string, each func([]value)) error

func readerOf(open func(string) (File, error)) columnReader {
	return func(path string, names []string, each func([]value)) error {
		return readColumns(open, path, names, each)
	}
}

// readColumns reads top-level columns of longs and strings, row by row. The
// slice is reused. A column that the file lacks is null.
func readColumns(open func(string) (File, error), path string, names []string, each func([]value)) (err error) {
	f, err := open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
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
