package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// store commits one file for each body, with its checksum, and returns the
// lake's directory.
func store(t testing.TB, bodies ...string) (dir string, tab tiers.Table) {
	t.Helper()
	dir = t.TempDir()
	l := reopen(t, dir, nil)
	tab, err := l.Create(t.Context(), "t", tiers.Schema{Fields: []tiers.Field{{Name: "n",
		Type: tiers.Type{Kind: tiers.KindLong}}}}, tiers.Options{Unpartitioned: true})
	if err != nil {
		t.Fatal(err)
	}
	var add []tiers.DataFile
	for i, b := range bodies {
		f, err := tab.WriteNew(t.Context(), tiers.DataFile{Rows: int64(i + 1)}, []byte(b))
		if err != nil {
			t.Fatal(err)
		}
		add = append(add, f)
	}
	if _, err := tab.Commit(t.Context(), tiers.Commit{ID: "1", Add: add}); err != nil {
		t.Fatal(err)
	}
	return dir, tab
}

// reopen is another process on the directory.
func reopen(t testing.TB, dir string, f FS) *Lake {
	t.Helper()
	l, err := Open(t.Context(), Options{Warehouse: filepath.Join(dir, "w"), Catalog: filepath.Join(dir, "catalog.db"),
		FS: f})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func filesOf(t testing.TB, l *Lake) []tiers.DataFile {
	t.Helper()
	tab, err := l.Open(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func path(t testing.TB, f tiers.DataFile) string {
	t.Helper()
	p, err := tiers.LocalPath(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestChecksumIsFoundByAnotherProcess(t *testing.T) {
	dir, _ := store(t, "one", "two")
	for _, f := range filesOf(t, reopen(t, dir, nil)) {
		b, err := os.ReadFile(path(t, f))
		if err != nil {
			t.Fatal(err)
		}
		if want := tiers.AddCRC32C(0, b); f.CRC32C != want || want == 0 {
			t.Errorf("%s is listed with checksum %08x, it has %08x", f.Path, f.CRC32C, want)
		}
	}
}

func TestCommitRefusesChecksumThatWouldBeLost(t *testing.T) {
	_, tab := store(t, "one")
	_, err := tab.Commit(t.Context(), tiers.Commit{ID: "2",
		Add: []tiers.DataFile{{Path: NewFilePath(tab, 0), Rows: 1, Size: 1, CRC32C: 7}}})
	if !errors.Is(err, tiers.ErrHalt) || !strings.Contains(err.Error(), "ChecksumPath") {
		t.Fatal(err)
	}
}

func TestCheckFindsDamage(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(string) error
		reason string
	}{
		"flipped":   {func(p string) error { return os.WriteFile(p, []byte("bodz"), 0o600) }, "checksum"},
		"zeroed":    {func(p string) error { return os.WriteFile(p, make([]byte, 4), 0o600) }, "checksum"},
		"truncated": {func(p string) error { return os.Truncate(p, 3) }, "3 bytes where 4"},
		"emptied":   {func(p string) error { return os.Truncate(p, 0) }, "0 bytes where 4"},
		"extended":  {func(p string) error { return os.WriteFile(p, []byte("body!"), 0o600) }, "5 bytes where 4"},
		"removed":   {os.Remove, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := store(t, "body", "other")
			l := reopen(t, dir, nil)
			files := filesOf(t, l)
			victim := files[0]
			if victim.Size != 4 {
				victim = files[1]
			}
			if err := c.damage(path(t, victim)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				bad, err := l.Check(t.Context(), "t", files)
				if err != nil || len(bad) != 1 || bad[0].Path != victim.Path || bad[0].Rows != victim.Rows ||
					!strings.Contains(bad[0].Reason, c.reason) {
					t.Fatalf("found %+v, %v", bad, err)
				}
			}
			if bad, err := l.Damaged(t.Context()); err != nil || len(bad) != 1 {
				t.Fatalf("known are %+v, %v", bad, err)
			}
			if _, err := l.OpenFile(t.Context(), victim.Path); !errors.Is(err, tiers.ErrDamaged) {
				t.Fatalf("it was opened: %v", err)
			}
			if err := os.WriteFile(path(t, victim), []byte("body"), 0o600); err != nil { // restored
				t.Fatal(err)
			}
			if bad, err := l.Damaged(t.Context()); err != nil || len(bad) > 0 {
				t.Fatalf("after it was restored: %+v, %v", bad, err)
			}
			f, err := l.OpenFile(t.Context(), victim.Path)
			if err != nil || f.Size() != 4 {
				t.Fatal(err)
			}
			f.Close()
		})
	}
}

func TestDamagedForgetsWhatTheTableNoLongerHolds(t *testing.T) {
	dir, tab := store(t, "body", "other")
	l := reopen(t, dir, nil)
	files := filesOf(t, l)
	if err := os.Remove(path(t, files[0])); err != nil {
		t.Fatal(err)
	}
	if bad, err := l.Check(t.Context(), "t", files); err != nil || len(bad) != 1 {
		t.Fatal(bad, err)
	}
	s, _ := tab.Current()
	if _, err := tab.Commit(t.Context(), tiers.Commit{ID: "2", Base: s.ID, Remove: files[:1]}); err != nil {
		t.Fatal(err)
	}
	if bad, err := l.Damaged(t.Context()); err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
	if err := l.Drop(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	if bad, err := l.Damaged(t.Context()); err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
}

// countingFS counts what is opened, and can hold opening up or fail it.
type countingFS struct {
	OS
	mu     sync.Mutex
	opened int
	open   func(ctx context.Context) error
}

func (c *countingFS) Open(name string) (Reader, error) {
	if strings.HasSuffix(name, ".parquet") {
		c.mu.Lock()
		c.opened++
		c.mu.Unlock()
		if c.open != nil {
			if err := c.open(context.Background()); err != nil {
				return nil, err
			}
		}
	}
	return c.OS.Open(name)
}

func TestFilesAreReadOnce(t *testing.T) {
	dir, _ := store(t, "a", "bb", "ccc")
	c := &countingFS{}
	l := reopen(t, dir, c)
	files := filesOf(t, l)
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			if bad, err := l.Check(t.Context(), "t", files); err != nil || len(bad) > 0 {
				t.Error(bad, err)
			}
		})
	}
	g.Wait()
	if c.opened != len(files) {
		t.Errorf("%d files were read, there are %d", c.opened, len(files))
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(path(t, files[0]), later, later); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Check(t.Context(), "t", files); err != nil || c.opened != len(files)+1 {
		t.Errorf("%d were read after one was touched, %v", c.opened, err)
	}
}

func TestOwnFilesAreNotRead(t *testing.T) {
	c := &countingFS{}
	dir, _ := store(t, "one")
	l := reopen(t, dir, c)
	tab, err := l.Open(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	c.opened = 0
	f, err := tab.WriteNew(t.Context(), tiers.DataFile{}, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if bad, err := l.Check(t.Context(), "t", []tiers.DataFile{f}); err != nil || len(bad) > 0 || c.opened > 0 {
		t.Fatal(bad, err, c.opened)
	}
}

func TestCheckIsBoundedAndCancelled(t *testing.T) {
	bodies := make([]string, 32)
	for i := range bodies {
		bodies[i] = fmt.Sprint("body ", i)
	}
	dir, _ := store(t, bodies...)
	c := &countingFS{}
	l := reopen(t, dir, c)
	files := filesOf(t, l)
	synctest.Test(t, func(t *testing.T) {
		l.trust = newTrust(c)
		ctx, cancel := context.WithCancel(t.Context())
		c.open = func(context.Context) error { <-ctx.Done(); return nil }
		done := make(chan error, 3)
		for range cap(done) {
			go func() { _, err := l.Check(ctx, "t", files); done <- err }()
		}
		synctest.Wait()
		if c.opened != readers {
			t.Errorf("%d files are read at the same time", c.opened)
		}
		cancel()
		for range cap(done) {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	})
	c.open, l.trust = nil, newTrust(c)
	if bad, err := l.Check(t.Context(), "t", files); err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
}

func TestWhatCannotBeExaminedIsNotDamaged(t *testing.T) {
	dir, _ := store(t, "a", "bb")
	c := &countingFS{}
	l := reopen(t, dir, c)
	files := filesOf(t, l)
	c.open = func(context.Context) error { return &fs.PathError{Op: "open", Err: syscall.EMFILE} }
	if bad, err := l.Check(t.Context(), "t", files); !errors.Is(err, syscall.EMFILE) {
		t.Fatal(bad, err)
	}
	c.open = func(context.Context) error { return &fs.PathError{Op: "read", Err: syscall.EIO} }
	if bad, err := l.Check(t.Context(), "t", files); err != nil || len(bad) != 2 ||
		!strings.Contains(bad[0].Reason, "cannot be read") {
		t.Fatal(bad, err)
	}
	c.open = nil // the disk has recovered
	if bad, err := l.Check(t.Context(), "t", files); err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
}

// BenchmarkVerify reads files that are in the page cache: what remains is the
// checksum and the copy.
func BenchmarkVerify(b *testing.B) {
	body := strings.Repeat("0123456789abcdef", 4<<20)
	dir, _ := store(b, body)
	l := reopen(b, dir, nil)
	files := filesOf(b, l)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		l.trust = newTrust(OS{})
		if bad, err := l.Check(b.Context(), "t", files); err != nil || len(bad) > 0 {
			b.Fatal(bad, err)
		}
	}
}

// BenchmarkVerified is what a query pays for each file once all are verified.
func BenchmarkVerified(b *testing.B) {
	bodies := make([]string, 1000)
	for i := range bodies {
		bodies[i] = fmt.Sprint("body ", i)
	}
	dir, _ := store(b, bodies...)
	l := reopen(b, dir, nil)
	files := filesOf(b, l)
	for b.Loop() {
		if bad, err := l.Check(b.Context(), "t", files); err != nil || len(bad) > 0 {
			b.Fatal(bad, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(files)), "ns/file")
}
