package safefile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lakeward/lakeward/internal/safefile"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadTakesRegularFilesOnly(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	check(t, os.WriteFile(at("file"), []byte("content"), 0o600))
	check(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	check(t, syscall.Mkfifo(at("pipe"), 0o600)) // nobody writes to it: to open it would block
	check(t, os.Mkdir(at("..2026"), 0o700))
	check(t, os.WriteFile(at("..2026/mapped"), []byte("mapped"), 0o600))
	check(t, os.Symlink("..2026", at("..data")))
	check(t, os.Symlink("..data/mapped", at("mapped"))) // as a ConfigMap volume has it
	check(t, os.Symlink(filepath.Join(outside, "secret"), at("out")))
	check(t, os.Symlink("/dev/zero", at("zero")))
	root, err := os.OpenRoot(dir)
	check(t, err)
	defer root.Close()
	for _, c := range []struct{ name, content, failure string }{
		{name: "file", content: "content"},
		{name: "mapped", content: "mapped"},
		{name: "pipe", failure: "named pipe"},
		{name: "..2026", failure: "directory"},
		{name: "out", failure: "escapes"},
		{name: "zero", failure: "escapes"},
		{name: "none", failure: "no such file"},
	} {
		data, err := safefile.ReadIn(root, c.name, 100)
		if string(data) != c.content || (err == nil) != (c.failure == "") ||
			err != nil && !strings.Contains(err.Error(), c.failure) {
			t.Errorf("%s: %q, %v", c.name, data, err)
		}
	}
	if _, err := safefile.Read(at("zero"), 100); !errors.Is(err, safefile.ErrNotRegular) {
		t.Errorf("a device: %v", err)
	}
	if _, err := safefile.Read(at("file"), 3); err == nil {
		t.Error("a file that is too large was read")
	}
}

func TestPrivateFilesAreTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	check(t, safefile.Private(path))
	check(t, os.WriteFile(path, []byte("kept"), 0o644))
	check(t, os.Chmod(path, 0o664))
	if !safefile.Exposed(path) {
		t.Error("a file that everybody reads is not exposed")
	}
	check(t, safefile.Private(path))
	info, err := os.Stat(path)
	check(t, err)
	data, err := os.ReadFile(path)
	check(t, err)
	check(t, os.Chmod(path, 0o644))
	check(t, safefile.KeepPrivate(path))
	check(t, safefile.KeepPrivate(path+" that does not exist"))
	if safefile.Exposed(path) || safefile.Exposed(path+" that does not exist") {
		t.Error("a file that was to be kept private is not")
	}
	if info.Mode().Perm() != 0o600 || string(data) != "kept" || safefile.Exposed(path) {
		t.Errorf("mode %v, content %q", info.Mode(), data)
	}
}
