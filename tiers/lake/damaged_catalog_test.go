package lake

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestACatalogThatIsNoneSaysWhatToDo: a file without tables, and one that is no
// database.
func TestACatalogThatIsNoneSaysWhatToDo(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "no database": strings.Repeat("no database ", 1000)} {
		dir := t.TempDir()
		o := Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "catalog.db"), ReadOnly: true}
		if err := os.WriteFile(o.Catalog, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(t.Context(), o)
		if err == nil {
			t.Error(name, "was opened", l.Close())
			continue
		}
		if !strings.Contains(err.Error(), o.Catalog) || !strings.Contains(err.Error(), "`lakeward lake adopt`") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
