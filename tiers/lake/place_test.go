package lake

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// A lake works wherever it is: what its path has in it that means something in a
// URL is encoded in locations, and decoded.
func TestALakeInADirectoryOfAnyName(t *testing.T) {
	for _, name := range []string{"with space", "50%", "a%20b", "a#b", "a?b", "[x]*", "ü日本", `a\b"'`} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			o := Options{Warehouse: filepath.Join(dir, "w"), Catalog: filepath.Join(dir, "catalog.db")}
			for n := range 2 { // the second process reads what the first one wrote
				l, err := Open(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				tab, err := l.Open(t.Context(), "t")
				if n == 0 {
					tab, err = l.Create(t.Context(), "t", tiers.Schema{Fields: []tiers.Field{{Name: "n",
						Type: tiers.Type{Kind: tiers.KindLong}}}}, tiers.Options{Unpartitioned: true})
				}
				if err != nil {
					t.Fatal(err)
				}
				f, err := tab.WriteNew(t.Context(), tiers.DataFile{Rows: 1}, []byte("bytes"))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tab.Commit(t.Context(), tiers.Commit{ID: f.Path, Add: []tiers.DataFile{f}}); err != nil {
					t.Fatal(err)
				}
				files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
				if err != nil || len(files) != n+1 {
					t.Fatal(files, err)
				}
				for _, f := range files {
					r, err := l.OpenFile(t.Context(), f.Path)
					if err != nil {
						t.Fatal(err)
					}
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				}
				if found, err := l.Orphans(t.Context(), time.Now().Add(time.Hour)); err != nil || len(found) > 0 {
					t.Errorf("orphans: %v, %v", found, err)
				}
				if err := l.CheckCatalog(t.Context()); err != nil {
					t.Error(err)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
