package parquetfile

import (
	"bytes"
	"reflect"
	"testing"
)

// TestColumnsEncodedSideBySideMakeTheSameFile, also when the writer is used
// again and remembers encodings, and where copies share vectors.
func TestColumnsEncodedSideBySideMakeTheSameFile(t *testing.T) {
	for name, o := range map[string]Options{
		"plain":  {Schema: allKinds(), RowGroup: 3000, Bloom: []string{"name", "n", "x", "day"}},
		"pages":  {Schema: allKinds(), RowGroup: 3000, PageRows: 100, Bloom: []string{"id"}},
		"copies": {Schema: allKinds(), RowGroup: 700, Copies: []string{"src.ip"}},
	} {
		t.Run(name, func(t *testing.T) {
			var files [2][]File
			for i, w := range []*Writer{NewWriter(), NewParallelWriter(3)} {
				tab := NewTable(allKinds())
				for _, n := range []int{20_000, 1, 5_000} {
					fill(tab, n)
					f, err := w.Write(tab, nil, o)
					if err != nil {
						t.Fatal(err)
					}
					files[i] = append(files[i], f)
					for _, c := range tab.Columns {
						c.Reset()
					}
					tab.N = 0
				}
			}
			for i, one := range files[0] {
				many := files[1][i]
				if !bytes.Equal(one.Data, many.Data) {
					t.Errorf("file %d differs: %d bytes, by one encoder %d", i, len(many.Data), len(one.Data))
				}
				if !reflect.DeepEqual(one.Info, many.Info) {
					t.Errorf("file %d is described as %+v, by one encoder as %+v", i, many.Info, one.Info)
				}
			}
		})
	}
}
