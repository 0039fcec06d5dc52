package format

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestAFileIsCompressedAsItsNameSays(t *testing.T) {
	for name, read := range map[string]func(io.Reader) (io.Reader, error){
		"x.csv":    func(r io.Reader) (io.Reader, error) { return r, nil },
		"x.csv.gz": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"X.CSV.ZST": func(r io.Reader) (io.Reader, error) {
			d, err := zstd.NewReader(r)
			return d, err
		},
	} {
		var b bytes.Buffer
		w, err := Compressed(&b, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "a\n1\n"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := read(&b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != "a\n1\n" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if f, ok := ByName(name); !ok || f != CSV {
			t.Errorf("%s is %s, %t", name, f, ok)
		}
	}
	if _, ok := ByName("x.gz"); ok {
		t.Error("x.gz names a form")
	}
}
