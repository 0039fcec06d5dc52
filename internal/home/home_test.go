package home

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const lakeID = "5b1f9f5e-0001-4000-8000-000000000001"

// made is a data directory that was used.
func made(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := errors.Join(os.Mkdir(dir, 0o750), os.WriteFile(filepath.Join(dir, InstanceName), []byte("one\n"), 0o640),
		Check(dir, lakeID, false), Check(dir, lakeID, true)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAMovedDirectoryIsTakenAlong(t *testing.T) {
	was := made(t)
	now := was + "-moved"
	if err := os.Rename(was, now); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{true, false, false} {
		if err := Check(now, lakeID, readOnly); err != nil {
			t.Error(err)
		}
	}
	if r, err := read(now); err != nil || r.Place != now {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestACopyIsRefusedUntilItIsRenewed(t *testing.T) {
	was := made(t)
	now := was + "-copy"
	if err := os.CopyFS(now, os.DirFS(was)); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{true, false} {
		if err := Check(now, lakeID, readOnly); !errors.Is(err, ErrElsewhere) || !strings.Contains(err.Error(), was) {
			t.Errorf("a copy: %v", err)
		}
	}
	if err := Renew(now, lakeID, false); err != nil {
		t.Fatal(err)
	}
	if err := Check(now, lakeID, false); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(now, InstanceName)); err == nil {
		t.Error("the copy has the instance of its original")
	}
	if err := Check(was, lakeID, false); err != nil {
		t.Error(err)
	}
}

func TestADirectoryUnderAnotherNameIsNoCopy(t *testing.T) {
	was := made(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(was, link); err != nil {
		t.Fatal(err)
	}
	if err := Check(link, lakeID, false); err != nil {
		t.Error(err)
	}
}

func TestTheStateOfAnotherLakeIsRefused(t *testing.T) {
	if err := Check(made(t), "another", false); !errors.Is(err, ErrElsewhere) ||
		!strings.Contains(err.Error(), RecordName) {
		t.Error(err)
	}
}
