package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lakeward/lakeward/internal/home"
)

// TestADataDirectoryKeepsItsInstance: the next process on it is the same holder
// of leases, and one on another directory is not.
func TestADataDirectoryKeepsItsInstance(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	if _, err := holderOf(a, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(a, home.InstanceName)); err == nil {
		t.Error("a reader has written to the directory")
	}
	first, err := holderOf(a, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{false, true} {
		if again, err := holderOf(a, readOnly); err != nil || again != first {
			t.Errorf("%+v and then %+v, %v", first, again, err)
		}
	}
	if other, err := holderOf(b, false); err != nil || other.ID == first.ID {
		t.Errorf("two directories have the id %s, %v", other.ID, err)
	}
}
