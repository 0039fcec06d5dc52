package lake_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers/lake"
)

// filled makes a lake with two commits.
func filled(t *testing.T, o lake.Options) {
	t.Helper()
	l, err := lake.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s := &source{}
	for range 2 {
		if err := s.step(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// contents are the files of a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func copied(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy of it")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// refuses checks that a lake is refused with a remedy, for reading too.
func refuses(t *testing.T, o lake.Options, words ...string) {
	t.Helper()
	for _, o.ReadOnly = range []bool{true, false} {
		l, err := lake.Open(t.Context(), o)
		if err == nil {
			l.Close()
		}
		if !errors.Is(err, lake.ErrElsewhere) {
			t.Fatalf("open: %v", err)
		}
		for _, w := range append(words, "`lakeward relocate`") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
	}
}

func relocate(t *testing.T, o lake.Options, r lake.RelocateOptions) lake.Relocation {
	t.Helper()
	out, err := lake.Relocate(t.Context(), o, r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// whole checks that a lake is well, in its place, and goes on there; it returns
// the lake's id.
func whole(t *testing.T, o lake.Options) string {
	t.Helper()
	l := open(t, o)
	r, err := l.Fsck(t.Context(), lake.FsckOptions{})
	if err != nil || len(r.Problems) > 0 || r.Snapshots != 2 {
		t.Fatalf("fsck: %+v, %v", r, err)
	}
	if rows := consistent(t, l); rows != lastSeq {
		t.Fatalf("%d rows", rows)
	}
	tab, err := l.Open(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range tab.Snapshots() {
		files, err := tab.Files(t.Context(), s.ID, time.Time{}, time.Time{})
		if err != nil || len(files) == 0 {
			t.Fatalf("snapshot %d: %v, %v", s.ID, files, err)
		}
		for _, f := range files {
			if !strings.HasPrefix(f.Path, "file://"+strings.ReplaceAll(l.Warehouse(), " ", "%20")+"/") {
				t.Errorf("%s is not below %s", f.Path, l.Warehouse())
			}
		}
	}
	if p := lake.NewFilePath(tab, 0); !strings.HasPrefix(p, "file://"+strings.ReplaceAll(l.Warehouse(), " ", "%20")+"/") {
		t.Errorf("new files go to %s", p)
	}
	if _, err := l.Orphans(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	return l.Record().ID
}

func TestAMovedLakeIsRefusedUntilItIsRelocated(t *testing.T) {
	was := filepath.Join(t.TempDir(), "a")
	filled(t, options(was))
	id := whole(t, options(was))
	now := filepath.Join(t.TempDir(), "b")
	if err := os.Rename(was, now); err != nil {
		t.Fatal(err)
	}
	refuses(t, options(now), "was moved from "+options(was).Warehouse)
	if r := relocate(t, options(now), lake.RelocateOptions{}); r.Copy || r.Tables != 1 || r.Snapshots != 2 {
		t.Errorf("%+v", r)
	}
	if got := whole(t, options(now)); got != id {
		t.Errorf("a moved lake has become another one: %s, was %s", got, id)
	}
	if r := relocate(t, options(now), lake.RelocateOptions{}); !r.Nothing() {
		t.Errorf("a second time: %+v", r)
	}
	if err := os.Rename(now, was); err != nil { // and back, over the same files
		t.Fatal(err)
	}
	relocate(t, options(was), lake.RelocateOptions{})
	whole(t, options(was))
}

func TestACopyIsRefusedUntilItIsALakeOfItsOwn(t *testing.T) {
	was := t.TempDir()
	filled(t, options(was))
	id := whole(t, options(was))
	before := contents(t, was)
	now := copied(t, was)
	refuses(t, options(now), "is a copy of the lake in "+options(was).Warehouse)
	if r := relocate(t, options(now), lake.RelocateOptions{}); !r.Copy || r.Was != id {
		t.Errorf("%+v", r)
	}
	if got := whole(t, options(now)); got == id {
		t.Error("a copy has the id of its original")
	}
	for path, text := range contents(t, was) {
		if before[path] != text && !strings.Contains(path, "catalog.db") {
			t.Errorf("%s of the original has changed", path)
		}
	}
	if got := whole(t, options(was)); got != id {
		t.Error("the original has another id")
	}
}

func TestACopyMustNotUseTheCatalogOfItsOriginal(t *testing.T) {
	was := t.TempDir()
	filled(t, options(was))
	o := options(copied(t, was))
	o.Catalog = options(was).Catalog
	refuses(t, o)
	if _, err := lake.Relocate(t.Context(), o, lake.RelocateOptions{}); !errors.Is(err, lake.ErrElsewhere) {
		t.Error(err)
	}
	whole(t, options(was))
}

func TestALakeUnderAnotherNameIsNotElsewhere(t *testing.T) {
	was := t.TempDir()
	filled(t, options(was))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(was, link); err != nil {
		t.Fatal(err)
	}
	if l := open(t, options(link)); l.Warehouse() != options(was).Warehouse {
		t.Errorf("files would go to %s", l.Warehouse())
	}
	whole(t, options(link))
}

// older takes away what versions before this one did not record.
func older(t *testing.T, o lake.Options) {
	t.Helper()
	if err := os.Remove(filepath.Join(o.Warehouse, "lakeward.json")); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", o.Catalog)
	if err == nil {
		_, err = db.Exec(`DELETE FROM iceberg_namespace_properties WHERE property_key IN ('lakeward.id', 'lakeward.place')`)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestALakeOfAnOlderVersionIsTakenOver(t *testing.T) {
	was := t.TempDir()
	filled(t, options(was))
	older(t, options(was))
	moved, whileThere := copied(t, was), copied(t, was)
	refuses(t, options(whileThere), "is a copy")
	relocate(t, options(whileThere), lake.RelocateOptions{})
	whole(t, options(whileThere))
	if id := whole(t, options(was)); id == "" {
		t.Error("it has got no id")
	}
	if err := os.RemoveAll(was); err != nil {
		t.Fatal(err)
	}
	refuses(t, options(moved), "was moved")
	relocate(t, options(moved), lake.RelocateOptions{})
	whole(t, options(moved))
}

func TestARelocationNeedsEveryFile(t *testing.T) {
	was := t.TempDir()
	filled(t, options(was))
	now := copied(t, was)
	gone := ""
	for path := range contents(t, now) {
		if strings.HasSuffix(path, ".parquet") {
			gone = path
		}
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if _, err := lake.Relocate(t.Context(), options(now), lake.RelocateOptions{}); err == nil ||
		!strings.Contains(err.Error(), filepath.Base(gone)) {
		t.Fatalf("without %s: %v", gone, err)
	}
	refuses(t, options(now))
	if r := relocate(t, options(now), lake.RelocateOptions{Incomplete: true}); len(r.Missing) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestARelocationIsCarriedOn kills a relocation at its first operation, then at
// the second, and so on.
func TestARelocationIsCarriedOn(t *testing.T) {
	was := t.TempDir()
	filled(t, options(was))
	for i := 1; ; i++ {
		now := copied(t, was)
		f := &faults{failAt: i, crash: true}
		_, err := lake.Relocate(t.Context(), f.options(now), lake.RelocateOptions{})
		if err != nil && !strings.Contains(err.Error(), errInjected.Error()) {
			t.Fatalf("failure %d: %v", i, err)
		}
		if err != nil {
			if l, err := lake.Open(context.Background(), options(now)); err == nil {
				l.Close()
				whole(t, options(now)) // only a note of what was done is missing
			} else if !errors.Is(err, lake.ErrElsewhere) {
				t.Fatalf("after failure %d: %v", i, err)
			}
		}
		relocate(t, options(now), lake.RelocateOptions{})
		whole(t, options(now))
		if !f.reached() {
			t.Logf("%d operations", f.n)
			break
		}
	}
	whole(t, options(was))
}
