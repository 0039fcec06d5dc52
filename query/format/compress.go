package format

import (
	"compress/gzip"
	"io"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// compression is the ending of a file's name that asks for one; empty: none.
func compression(file string) string {
	switch ext := strings.ToLower(filepath.Ext(file)); ext {
	case ".gz", ".zst":
		return ext
	default:
		return ""
	}
}

// Compressed compresses what is written to w as the ending of the file's name
// says, .gz or .zst. The caller closes it before what is below it.
func Compressed(w io.Writer, file string) (io.WriteCloser, error) {
	switch compression(file) {
	case ".gz":
		return gzip.NewWriter(w), nil
	case ".zst":
		return zstd.NewWriter(w)
	default:
		return plain{w}, nil
	}
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }
