package format

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/lakeward/lakeward/internal/version"
)

const rowGroup = 122_880

func writeArrow(w io.Writer, rows array.RecordReader) error {
	out := ipc.NewWriter(w, ipc.WithSchema(rows.Schema()))
	for rows.Next() {
		if err := out.Write(rows.RecordBatch()); err != nil {
			return fmt.Errorf("write rows: %w", errors.Join(err, out.Close()))
		}
	}
	// Without the mark of the end a reader would see a stream that is whole.
	if err := rows.Err(); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

// gate lets nothing through once it is shut.
type gate struct {
	w    io.Writer
	shut bool
}

func (g *gate) Write(p []byte) (int, error) {
	if g.shut {
		return len(p), nil
	}
	return g.w.Write(p)
}

func writeParquet(w io.Writer, rows array.RecordReader) error {
	schema, err := parquetSchema(rows)
	if err != nil {
		return err
	}
	g := &gate{w: w}
	props := parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(3),
		parquet.WithMaxRowGroupLength(rowGroup), parquet.WithCreatedBy(version.CreatedBy()))
	out, err := pqarrow.NewFileWriter(schema, g, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	written, err := writeGroups(out, schema, rows)
	if written == nil && err == nil {
		if err := out.Close(); err != nil {
			return fmt.Errorf("write Parquet: %w", err)
		}
		return nil
	}
	// A footer would make a part of the rows look like all of them.
	g.shut = true
	_ = out.Close()
	if written != nil {
		return fmt.Errorf("write Parquet: %w", written)
	}
	return err
}

// writeGroups tells the writer's error from the reader's.
func writeGroups(out *pqarrow.FileWriter, schema *arrow.Schema, rows array.RecordReader) (written, read error) {
	for rows.Next() {
		rec := array.NewRecordBatch(schema, rows.RecordBatch().Columns(), rows.RecordBatch().NumRows())
		err := out.WriteBuffered(rec)
		rec.Release()
		if err != nil {
			return err, nil
		}
	}
	return nil, rows.Err()
}

// parquetSchema names each column once, and refuses what Parquet cannot hold.
func parquetSchema(rows array.RecordReader) (*arrow.Schema, error) {
	names := unique(columnNames(rows))
	fields := make([]arrow.Field, len(names))
	for i, f := range rows.Schema().Fields() {
		if f.Type.ID() == arrow.INTERVAL_MONTH_DAY_NANO {
			return nil, fmt.Errorf("column %s is an interval, which Parquet cannot hold: cast it, for example with epoch(%s)",
				f.Name, f.Name)
		}
		f.Name = names[i]
		fields[i] = f
	}
	if len(fields) == 0 {
		return nil, errors.New("a result without columns cannot be written as Parquet")
	}
	return arrow.NewSchema(fields, nil), nil
}
