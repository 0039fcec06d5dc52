package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loadLine reads a toy language: "name" is good, "name broken" does not parse,
// "name failing" fails its tests.
func loadLine(_ context.Context, _, file string, data, _ []byte) (*Definition, []Problem) {
	f := strings.Fields(string(data))
	if len(f) == 0 || (len(f) > 1 && f[1] == "broken") {
		return nil, []Problem{{File: file, Line: 1, Column: 1, Message: "broken", Remedy: "mend it"}}
	}
	return &Definition{Name: f[0], File: file, Description: string(data)}, nil
}

func checkLine(_ context.Context, d *Definition) []Problem {
	if strings.Contains(d.Description, "failing") {
		return []Problem{{File: d.File, Message: "a test fails"}}
	}
	return nil
}

type yard struct {
	t    *testing.T
	o    FolderOptions
	f    *Folder
	dir  string
	keep string
}

func newYard(t *testing.T) *yard {
	y := &yard{t: t, dir: t.TempDir(), keep: filepath.Join(t.TempDir(), "keep")}
	y.restart()
	return y
}

func (y *yard) restart() {
	y.o = FolderOptions{Dir: y.dir, Keep: y.keep, Load: loadLine, Check: checkLine}
	y.f = NewFolder(y.o)
}

func (y *yard) put(name, text string) {
	y.t.Helper()
	if err := os.WriteFile(filepath.Join(y.dir, name), []byte(text), 0o600); err != nil {
		y.t.Fatal(err)
	}
}

// state scans and renders what is active, then the problems.
func (y *yard) state() string {
	y.t.Helper()
	if err := y.f.Scan(y.t.Context()); err != nil {
		y.t.Fatal(err)
	}
	return render(y.f.Current())
}

func render(g *Generation) string {
	var parts []string
	for _, n := range sortedKeys(g.Definitions) {
		parts = append(parts, g.Definitions[n].Description)
	}
	for _, st := range g.Files {
		for _, p := range st.Problems {
			parts = append(parts, "! "+p.String())
		}
	}
	return strings.Join(parts, "; ")
}

func (y *yard) want(want string) {
	y.t.Helper()
	if got := y.state(); got != want {
		y.t.Errorf("got %q, want %q", got, want)
	}
}

func TestBrokenFilesKeepTheirLastGoodVersionAndDisturbNobody(t *testing.T) {
	y := newYard(t)
	y.put("a.yaml", "a one")
	y.put("b.yaml", "b one")
	y.put("a_test.yaml", "tests are no pipelines")
	y.want("a one; b one")
	y.put("a.yaml", "a broken")
	y.put("b.yaml", "b two")
	y.want("a one; b two; ! a.yaml:1:1: broken; mend it")
	y.put("b.yaml", "b failing")
	y.want("a one; b two; ! a.yaml:1:1: broken; mend it; ! b.yaml: a test fails")
	y.restart()
	y.want("a one; b two; ! a.yaml:1:1: broken; mend it; ! b.yaml: a test fails")
	y.put("a.yaml", "a three")
	if err := os.Remove(filepath.Join(y.dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	y.want("a three")
	y.restart()
	y.want("a three")
}

func TestANameClaimedTwiceIsAnErrorInBoth(t *testing.T) {
	y := newYard(t)
	y.put("x.yaml", "same one")
	y.want("same one")
	y.put("y.yaml", "same two")
	y.want(`same one; ! x.yaml: the name "same" is also that of y.yaml; give one of them another name; ! y.yaml: the name "same" is also that of x.yaml; give one of them another name`)
	y.put("y.yaml", "other")
	y.want("other; same one")
}

func TestOversizeFilesAreProblems(t *testing.T) {
	y := newYard(t)
	y.put("big.yaml", strings.Repeat("x", MaxFile+1))
	if got := y.state(); !strings.Contains(got, "at most 1 MiB") {
		t.Error(got)
	}
}

func TestOnlyRegularFilesOfTheFolderAreRead(t *testing.T) {
	y := newYard(t)
	secret := filepath.Join(t.TempDir(), "secret.yaml")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.WriteFile(secret, []byte("a secret line"), 0o600))
	y.put("good.yaml", "good one")
	y.put("tested.yaml", "tested one")
	check(syscall.Mkfifo(filepath.Join(y.dir, "pipe.yaml"), 0o600)) // to open it would block
	check(syscall.Mkfifo(filepath.Join(y.dir, "tested_test.yaml"), 0o600))
	check(os.Symlink("/dev/zero", filepath.Join(y.dir, "device.yaml")))
	check(os.Symlink(secret, filepath.Join(y.dir, "outside.yaml")))
	got := y.state()
	if !strings.HasPrefix(got, "good one; ! ") || strings.Contains(got, "a secret line") {
		t.Error(got)
	}
	for _, file := range []string{"device.yaml", "outside.yaml", "pipe.yaml", "tested.yaml"} {
		if !strings.Contains(got, "! "+file+": ") {
			t.Errorf("%s has no problem: %s", file, got)
		}
	}
}

func TestAScanReadsWhatHasChanged(t *testing.T) {
	y := newYard(t)
	y.put("a.yaml", "a one")
	y.put("b.yaml", "b one")
	long := time.Now().Add(-time.Hour)
	for _, name := range []string{"a.yaml", "b.yaml"} {
		if err := os.Chtimes(filepath.Join(y.dir, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	y.want("a one; b one")
	old := y.f.Current()
	y.want("a one; b one")
	if y.f.Current() != old {
		t.Error("a scan that found nothing new made a generation")
	}
	y.put("b.yaml", "b two") // of the same size
	y.want("a one; b two")
	y.put("b.yaml", "b six")
	y.want("a one; b six")
}

func TestConfigMapSwapIsSeen(t *testing.T) {
	y := newYard(t)
	version := func(name, text string) {
		if err := os.MkdirAll(filepath.Join(y.dir, name), 0o750); err != nil {
			t.Fatal(err)
		}
		y.put(name+"/p.yaml", text)
		tmp := filepath.Join(y.dir, "..data_tmp")
		if err := os.Symlink(name, tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(y.dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..v1", "p one")
	if err := os.Symlink("..data/p.yaml", filepath.Join(y.dir, "p.yaml")); err != nil {
		t.Fatal(err)
	}
	y.o.Poll = time.Hour // only the notification can tell
	seen := make(chan string, 8)
	y.o.Changed = func(g *Generation) { seen <- render(g) }
	y.f = NewFolder(y.o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- y.f.Watch(ctx) }()
	if got := <-seen; got != "p one" {
		t.Errorf("at first: %q", got)
	}
	version("..v2", "p two")
	if got := <-seen; got != "p two" {
		t.Errorf("after the swap: %q", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
