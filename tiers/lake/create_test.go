package lake_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/lake/laketest"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

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
	var before func() // a directory is listed for the first time
	ours, other := open(&laketest.FS{Before: func(op laketest.Op) error {
		if do := before; do != nil && op.Kind == laketest.ReadDir {
			before = nil
			do()
		}
		return nil
	}}), open(nil)
	for _, name := range []string{"first", "second"} {
		before = func() {
			if _, err := other.Create(t.Context(), name, tierstest.Schema(), tiers.Options{}); err != nil {
				t.Error(err)
			}
		}
		_, err := ours.Create(t.Context(), name, tierstest.Schema(), tiers.Options{})
		if !errors.Is(err, tiers.ErrConflict) || before != nil {
			t.Errorf("create %s: %v", name, err)
		}
	}
}
