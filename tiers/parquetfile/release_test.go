package parquetfile

import (
	"bytes"
	"testing"
)

// TestReleasedWriterWritesTheSameFile: what Release gives up holds nothing that
// a later file needs.
func TestReleasedWriterWritesTheSameFile(t *testing.T) {
	table := NewTable(allKinds())
	fill(table, 1000)
	w := NewParallelWriter(2)
	var files [3]File
	for i := range files {
		var err error
		if files[i], err = w.Write(table, nil, Options{Schema: allKinds(), RowGroup: 300, PageRows: 100}); err != nil {
			t.Fatal(err)
		}
		w.Release()
		w.Release()
	}
	if !bytes.Equal(files[0].Data, files[1].Data) || !bytes.Equal(files[0].Data, files[2].Data) {
		t.Error("the files differ")
	}
}
