package backup

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/lakeward/lakeward/internal/pgtest"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/lake/laketest"
)

// killedEnv is set in the process that restores and is killed.
const killedEnv = "LAKEWARD_TEST_KILLED_RESTORE"

// killed is what that process does.
type killed struct {
	Backup, Dir, Catalog string
	At                   int64 // the operation before which it is killed
}

// server is the PostgreSQL of this directory's tests.
var server pgtest.Server

func TestMain(m *testing.M) {
	if text := os.Getenv(killedEnv); text != "" {
		os.Exit(restoreUntilKilled(text))
	}
	os.Exit(server.Run(m))
}

func (k killed) target() Target {
	o := options(k.Dir)
	if k.Catalog != "" {
		o.Catalog = k.Catalog
	}
	return Target{Lake: o, DataDir: k.Dir, Files: (&site{}).files(k.Dir)}
}

func restoreUntilKilled(text string) (code int) {
	var k killed
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return 2
	}
	var n atomic.Int64
	step := func() {
		if n.Add(1) == k.At {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	to := k.target()
	to.Progress = func(string, int, int) { step() }
	to.Lake.FS = &laketest.FS{Before: func(laketest.Op) error { step(); return nil }}
	to.Lake.CatalogFault = func(lake.Step) error { step(); return nil }
	if _, err := Restore(context.Background(), k.Backup, to); err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	return 0
}

// TestAKilledRestoreIsCarriedOn kills a restore before one operation, then another,
// until none is left; the same call puts everything back.
func TestAKilledRestoreIsCarriedOn(t *testing.T) {
	stride := int64(9)
	if testing.Short() {
		stride = 17
	}
	s := newSite(t)
	s.add(born, 3)
	s.add(born, 6)
	dir := t.TempDir()
	s.backup(dir)
	for kind, catalog := range map[string]func(t *testing.T) string{
		"sqlite": func(*testing.T) string { return "" }, "postgres": func(t *testing.T) string { return server.URL(t) }} {
		t.Run(kind, func(t *testing.T) {
			kills := 0
			for at := int64(1); ; at += stride {
				k := killed{Backup: dir, Dir: filepath.Join(t.TempDir(), "data"), Catalog: catalog(t), At: at}
				text, err := json.Marshal(k)
				if err != nil {
					t.Fatal(err)
				}
				cmd := exec.CommandContext(t.Context(), os.Args[0])
				cmd.Env = append(os.Environ(), killedEnv+"="+string(text))
				out, err := cmd.CombinedOutput()
				if err == nil {
					break
				}
				status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
				if !ok || status.Signal() != syscall.SIGKILL {
					t.Fatalf("the restore ended by itself: %v\n%s", err, out)
				}
				kills++
				if _, err := Restore(t.Context(), dir, k.target()); err != nil {
					t.Fatalf("killed before operation %d: %v", at, err)
				}
				if n := rows(t, k.target().Lake); n != 6 {
					t.Fatalf("killed before operation %d: %d rows", at, n)
				}
			}
			if kills < 5 {
				t.Errorf("only %d restores were killed", kills)
			}
		})
	}
}

// A lake in PostgreSQL is backed up beside those who write, restored into a
// database of its own or into a file, and the other way round.
func TestCatalogsOfBothKinds(t *testing.T) {
	for _, c := range []struct{ name, from, to string }{
		{"postgres to postgres", server.URL(t), server.URL(t)}, {"postgres to sqlite", server.URL(t), ""},
		{"sqlite to postgres", "", server.URL(t)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSiteIn(t, c.from)
			s.add(born, 3)
			s.add(born, 6)
			dir := t.TempDir()
			s.backup(dir)
			s.add(born, 9)
			to := killed{Dir: filepath.Join(t.TempDir(), "data"), Catalog: c.to}.target()
			if r, err := Restore(t.Context(), dir, to); err != nil || r.Relocation == nil || !r.Relocation.Copy {
				t.Fatalf("%+v, %v", r, err)
			}
			if n := rows(t, to.Lake); n != 6 {
				t.Errorf("%d rows", n)
			}
			moved := to.Lake
			moved.Warehouse = filepath.Join(t.TempDir(), "moved")
			if c.to == "" {
				return // the catalog moves along: see the tests of lake
			}
			if err := os.Rename(to.Lake.Warehouse, moved.Warehouse); err != nil {
				t.Fatal(err)
			}
			if _, err := lake.Relocate(t.Context(), moved, lake.RelocateOptions{}); err != nil {
				t.Fatal(err)
			}
			if n := rows(t, moved); n != 6 {
				t.Errorf("%d rows after it was moved", n)
			}
			if n := rows(t, s.o); n != 9 {
				t.Errorf("the original has %d rows", n)
			}
		})
	}
}
