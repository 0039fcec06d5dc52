package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/query"
)

// TestAWorkerChangesItsDatabasesOnly has a process that was taken over touch the
// files of a data directory.
func TestAWorkerChangesItsDatabasesOnly(t *testing.T) {
	dir, s := openKept(t, forgedExe(t, "touches"))
	for file, want := range map[string]string{
		"lake/data.parquet": "list read", "lake/catalog.db": "list read",
		"audit.log": "", "tokens.txt": "", "lakeward.lock": "", "nats/1.blk": "", "../outside.txt": "",
		"databases/state.duckdb": "make mkdir write truncate rename list",
	} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := rows(t.Context(), s, path)
		if fmt.Sprint(err) != "done: "+want {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
		if got, err := os.ReadFile(path); !strings.HasPrefix(file, "databases") && (string(got) != "kept" || err != nil) {
			t.Errorf("%s is %q: %v", file, got, err)
		}
	}
}

// TestStatementsChangeTheirDatabasesOnly has SQL of a trusted session write where
// its engine allows it, and the kernel does not.
func TestStatementsChangeTheirDatabasesOnly(t *testing.T) {
	dir, s := openKept(t, "")
	for _, sql := range []string{
		"CREATE TABLE state.main.t AS SELECT i FROM range(100000) r(i)",
		"CREATE TABLE analytics.main.t AS SELECT i FROM range(100000) r(i)",
		"CHECKPOINT state", "CHECKPOINT analytics", "DELETE FROM state.main.t", "DELETE FROM analytics.main.t",
	} {
		if _, err := s.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{"COPY (SELECT 1) TO '%s/lake/x.csv'", "COPY (SELECT 1) TO '%s/x.csv'",
		"COPY (SELECT 1) TO '%s/lake/data.parquet' (FORMAT parquet)"} {
		_, err := s.Exec(t.Context(), fmt.Sprintf(sql, dir))
		t.Log(err)
		if err == nil {
			t.Errorf("%s was done", sql)
		}
	}
	if got, err := os.ReadFile(filepath.Join(dir, "lake", "data.parquet")); string(got) != "kept" || err != nil {
		t.Errorf("the lake's file is %q: %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "x.csv")); len(left) > 0 {
		t.Errorf("made: %s", left)
	}
	if got, err := rows(t.Context(), s, "SELECT count(*) FROM (SELECT DISTINCT md5(i::VARCHAR) || repeat('x', 200) "+
		"FROM range(1000000) t(i))"); got != "1000000" {
		t.Errorf("a statement that spills: %q, %v", got, err)
	}
}

// openKept opens a trusted session of an owner of a data directory.
func openKept(t *testing.T, exe string) (string, query.Session) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	lake, databases := filepath.Join(dir, "lake"), filepath.Join(dir, "databases")
	for _, d := range []string{lake, databases} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(lake, "data.parquet"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := NewOwner(Options{Config: Config{Name: "runs", Exe: exe, Read: []string{lake, databases},
		Write: []string{databases}}, Engine: EngineOptions{
		MemoryLimit: 64 << 20, MaxSpill: 4 << 30, Threads: 1, TempDir: filepath.Join(dir, "tmp"), AllowedDirs: []string{lake},
		AnalyticsPath: filepath.Join(databases, "analytics.duckdb"), StatePath: filepath.Join(databases, "state.duckdb")}})
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := o.Open(t.Context(), query.View{}, query.Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if lacks := strings.Join(o.cur.p.lacks, ", "); strings.Contains(lacks, "landlock") {
		t.Skip("NOT RUN: the kernel keeps no process from files: " + lacks)
	}
	return dir, s
}
