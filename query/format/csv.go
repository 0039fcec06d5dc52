package format

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// writeCSV ends lines with LF, which RFC 4180's readers take and shells need.
func writeCSV(w io.Writer, rows array.RecordReader) error {
	out := bufio.NewWriterSize(w, 64<<10)
	names := columnNames(rows)
	for i, n := range names {
		csvCell(out, n, i)
	}
	_ = out.WriteByte('\n')
	for rows.Next() {
		rec := rows.RecordBatch()
		for i := range int(rec.NumRows()) {
			for c, col := range rec.Columns() {
				switch {
				case col.IsValid(i):
					csvCell(out, text(col, i), c)
				case c > 0:
					_ = out.WriteByte(',')
				case len(names) == 1:
					_, _ = out.WriteString(`""`) // an empty line would be no row
				}
			}
			if err := out.WriteByte('\n'); err != nil {
				return fmt.Errorf("write rows: %w", err)
			}
		}
	}
	flushed := out.Flush()
	if err := rows.Err(); err != nil {
		return err
	}
	if flushed != nil {
		return fmt.Errorf("write rows: %w", flushed)
	}
	return nil
}

// csvCell writes one value; errors stay in the writer.
func csvCell(out *bufio.Writer, s string, column int) {
	if column > 0 {
		_ = out.WriteByte(',')
	}
	if s != "" && !strings.ContainsAny(s, "\",\r\n") && s[0] != ' ' && s[len(s)-1] != ' ' {
		_, _ = out.WriteString(s)
		return
	}
	_ = out.WriteByte('"')
	_, _ = out.WriteString(strings.ReplaceAll(s, `"`, `""`))
	_ = out.WriteByte('"')
}
