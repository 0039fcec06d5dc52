package disks

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAFailingDiskSaysWhichItIsAndWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		want []string
	}{
		{syscall.ENOSPC, []string{"full", "free some room"}},
		{syscall.EDQUOT, []string{"quota"}},
		{syscall.EROFS, []string{"read-only", "dmesg"}},
		{syscall.EIO, []string{"I/O errors", "dmesg"}},
		{syscall.EACCES, []string{"may not be written", "owner"}},
		{syscall.ENOENT, []string{"gone", "mounted"}},
		{errors.New("odd"), []string{"odd"}},
	} {
		w, err := New(Options{Dirs: []Dir{{"the lake", t.TempDir()}}, Probe: func(dir string) error {
			return &fs.PathError{Op: "write", Path: dir, Err: c.err}
		}})
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Join(Failing(w.States()), "\n")
		for _, want := range append(c.want, "the lake", w.o.Dirs[0].Path) {
			if !strings.Contains(said, want) {
				t.Errorf("%v: %q does not say %q", c.err, said, want)
			}
		}
	}
}

func TestADiskThatRecoversIsNotFailing(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var broken error
	w, err := New(Options{Dirs: []Dir{{"the lake", t.TempDir()}}, Now: func() time.Time { return now },
		Probe: func(string) error { return broken }})
	if err != nil {
		t.Fatal(err)
	}
	if got := Failing(w.States()); got != nil {
		t.Fatalf("a disk that works: %q", got)
	}
	broken = syscall.EIO
	first := w.Look()[0]
	now = now.Add(time.Minute)
	if s := w.Look()[0]; s.Err == nil || !s.Since.Equal(first.Since) {
		t.Fatalf("fails since %s, and a minute later since %s", first.Since, s.Since)
	}
	broken = nil
	if s := w.Look()[0]; s.Err != nil || !s.Since.IsZero() {
		t.Fatalf("after recovery: %v since %s", s.Err, s.Since)
	}
}

func TestDirectoriesOnOneDiskAreOne(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := New(Options{Dirs: []Dir{{"data", dir}, {"the lake", below}}})
	if err != nil {
		t.Fatal(err)
	}
	if s := w.States(); len(s) != 1 || s[0].Use != "data, the lake" {
		t.Fatalf("disks are %+v", s)
	}
}

func TestTheProbeWritesAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Fatalf("left %v", left)
	}
	if err := Write(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a directory that is gone: %v", err)
	}
}

func TestADiskIsLowOnlyIfBothTheShareAndTheBytesAreSmall(t *testing.T) {
	for _, c := range []struct {
		free, size uint64
		want       bool
	}{{1 << 30, 100 << 30, true}, {4 << 30, 1000 << 30, false}, {1 << 30, 10 << 30, false}, {0, 0, false}} {
		if got := (State{Free: c.free, Size: c.size}).Low(); got != c.want {
			t.Errorf("%d free of %d: low is %v", c.free, c.size, got)
		}
	}
}
