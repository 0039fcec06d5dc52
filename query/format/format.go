// Package format writes the rows of a query in the forms that people and
// programs read.
package format

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// Format is a form of output.
type Format string

// The forms. Times are RFC 3339 in UTC with microseconds in every text form.
const (
	Table   Format = "table"   // aligned columns for a terminal
	CSV     Format = "csv"     // RFC 4180 with a header; null is nothing, an empty text is ""
	JSON    Format = "json"    // one array of objects
	NDJSON  Format = "ndjson"  // one object a line
	Parquet Format = "parquet" // one file, zstd
	Arrow   Format = "arrow"   // an Arrow IPC stream
)

// Formats lists every form.
func Formats() []Format { return []Format{Table, CSV, JSON, NDJSON, Parquet, Arrow} }

// Parse returns the form with the given name, in any case.
func Parse(name string) (Format, error) {
	if f := Format(strings.ToLower(name)); slices.Contains(Formats(), f) {
		return f, nil
	}
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return "", fmt.Errorf("unknown format %q: use one of %s", name, strings.Join(names, ", "))
}

// ByName is the form that the ending of a file's name stands for, before that of
// a compression.
func ByName(file string) (Format, bool) {
	if compression(file) != "" {
		file = strings.TrimSuffix(file, filepath.Ext(file))
	}
	switch strings.ToLower(filepath.Ext(file)) {
	case ".csv":
		return CSV, true
	case ".json":
		return JSON, true
	case ".ndjson", ".jsonl":
		return NDJSON, true
	case ".parquet":
		return Parquet, true
	case ".arrow", ".arrows":
		return Arrow, true
	}
	return "", false
}

// Write writes all rows of the reader, which the caller releases. The reader's
// own error is returned as it is; what has been written by then is incomplete,
// and a JSON array or a Parquet file of it cannot be mistaken for a whole one.
func Write(w io.Writer, f Format, rows array.RecordReader) error {
	switch f {
	case Table:
		return WriteTable(w, rows, TableOptions{})
	case CSV:
		return writeCSV(w, rows)
	case JSON:
		return writeJSON(w, rows, "[\n", ",\n", "\n]\n", "[]\n")
	case NDJSON:
		return writeJSON(w, rows, "", "\n", "\n", "")
	case Parquet:
		return writeParquet(w, rows)
	case Arrow:
		return writeArrow(w, rows)
	}
	return fmt.Errorf("unknown format %q", string(f))
}

// unique renames columns that share a name, as a file or object can have each
// name only once: a, a_2, a_3.
func unique(names []string) []string {
	out, taken := make([]string, len(names)), map[string]bool{}
	for _, n := range names {
		taken[n] = true
	}
	seen := map[string]bool{}
	for i, n := range names {
		out[i] = n
		for k := 2; seen[out[i]] || (out[i] != n && taken[out[i]]); k++ {
			out[i] = fmt.Sprintf("%s_%d", n, k)
		}
		seen[out[i]] = true
	}
	return out
}

func columnNames(rows array.RecordReader) []string {
	names := make([]string, rows.Schema().NumFields())
	for i, f := range rows.Schema().Fields() {
		names[i] = f.Name
	}
	return names
}
