package lake_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

// listing does something before it lists a directory for the first time.
type listing struct {
	lake.OS
	before func()
}

func (l *listing) ReadDir(dir string) ([]fs.DirEntry, error) {
	if before := l.before; before != nil {
		l.before = nil
		before()
	}
	return l.OS.ReadDir(dir)
}

// TestATableMadeMeanwhileIsNoSignOfAnOldCatalog: who makes a table that somebody
// else has just made hears that it exists, not that the catalog has lost it.
func TestATableMadeMeanwhileIsNoSignOfAnOldCatalog(t *testing.T) {
	dir := t.TempDir()
	open := func(files lake.FS) *lake.Lake {
		l, err := lake.Open(t.Context(), lake.Options{Warehouse: filepath.Join(dir, "lake"),
			Catalog: filepath.Join(dir, "catalog.db"), FS: files})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	files := &listing{}
	ours, other := open(files), open(nil)
	for _, name := range []string{"first", "second"} {
		files.before = func() {
			if _, err := other.Create(t.Context(), name, tierstest.Schema(), tiers.Options{}); err != nil {
				t.Error(err)
			}
		}
		_, err := ours.Create(t.Context(), name, tierstest.Schema(), tiers.Options{})
		if !errors.Is(err, tiers.ErrConflict) || files.before != nil {
			t.Errorf("create %s: %v", name, err)
		}
	}
}
