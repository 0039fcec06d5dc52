package duckdb

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// Whatever a warehouse is called, its files are read, by the locations of the
// lake's metadata and by those of writers that encode nothing.
func TestFilesAreReadWhateverTheirDirectoryIsCalled(t *testing.T) {
	from, _ := lakeDir(t)
	for _, name := range []string{"with space", "50%", "a%20b", "a#b", "a?b", "a*b", "[a-b]", "ü日本", "it's", `a\b`} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			// What a wildcard would find besides.
			if err := os.CopyFS(filepath.Join(filepath.Dir(dir), "axb"), os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			for _, location := range []func(string) string{tiers.Location, func(p string) string { return p }} {
				v := query.View{Tables: []query.TableView{{Name: "signin", Schema: signin(), Files: []tiers.DataFile{
					{Path: location(filepath.Join(dir, "old.parquet"))}, {Path: location(filepath.Join(dir, "young.parquet"))}}}}}
				s := openSession(t, openEngine(t, Options{AllowedDirs: []string{dir}}), v, query.Options{})
				r, err := s.Query(t.Context(), "SELECT user.name FROM lake.signin ORDER BY time")
				if got := cells(t, r, err); !slices.Equal(got, []string{"ada", "bob"}) {
					t.Errorf("rows are %q", got)
				}
			}
		})
	}
}
