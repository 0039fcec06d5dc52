package columnar

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lakeward/lakeward/ingest/eventfile"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// TestRealData decodes real files in place, every one into one table:
// LAKEWARD_REALDATA is their directory. Nothing of them may be refused or lost.
func TestRealData(t *testing.T) {
	dir := os.Getenv("LAKEWARD_REALDATA")
	if dir == "" {
		t.Skip("LAKEWARD_REALDATA names no directory")
	}
	for _, pattern := range []string{"windows/*.zip", "zeek/*.zip", "cloudtrail/*.gz", "entra/*.ndjson", "exchange/*.gz",
		"stratus/*.json", "panther/*.gz"} {
		t.Run(pattern, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("no files: %v", err)
			}
			b := NewBatch(tiers.Schema{}, Options{StreamTag: "t"})
			strays := 0
			for _, f := range files {
				strays += decodeFile(t, b, f)
			}
			out, err := b.Files(withIDs(b.Schema()), parquetfile.Options{Stream: "t"})
			if err != nil {
				t.Fatal(err)
			}
			var rows, size int64
			for _, f := range out {
				rows, size = rows+f.Info.Rows, size+f.Info.Size
			}
			if rows != int64(b.Rows()) {
				t.Errorf("%d rows in files of %d", rows, b.Rows())
			}
			t.Logf("%d events, %d files, %d bytes, %d columns, %d events with unmapped, held %d bytes", rows, len(out), size,
				b.leaves, strays, b.Bytes())
		})
	}
}

func decodeFile(t *testing.T, b *Batch, path string) (strays int) {
	t.Helper()
	r, err := eventfile.Open(path, nil, eventfile.Auto)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		e, err := r.Next()
		if err != nil {
			return strays
		}
		if err := b.Append(Meta{Seq: uint64(b.Rows() + 1), Published: published}, published, e.JSON); err != nil {
			t.Errorf("%s: %v: %.200s", path, err, e.JSON)
			continue
		}
		row := b.Rows() - 1
		if b.rest.Has(row) {
			strays++
			if strays < 4 {
				t.Logf("unmapped %.300s", rest(b, row))
			}
		}
		checkRow(t, b, row, e.JSON)
	}
}
