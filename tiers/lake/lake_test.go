package lake_test

import (
	"path/filepath"
	"testing"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

func options(dir string) lake.Options {
	return lake.Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "catalog", "catalog.db")}
}

func open(t *testing.T, o lake.Options) *lake.Lake {
	t.Helper()
	l, err := lake.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestConformance(t *testing.T) {
	tierstest.TestLake(t, func(t *testing.T) tiers.Lake { return open(t, options(t.TempDir())) })
}
