package duckdb

import (
	"testing"
	"time"

	"github.com/lakeward/lakeward/query"
)

// TestAnEngineForgetsFilesWhenNobodyIsConnected: what it remembers of files
// grows with every file that there ever was, and only a new instance forgets.
func TestAnEngineForgetsFilesWhenNobodyIsConnected(t *testing.T) {
	dir, view := lakeDir(t)
	e := openEngine(t, Options{AllowedDirs: []string{dir}})
	e.most = 0
	footers := func() int64 {
		t.Helper()
		n, err := e.footers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	trim := func() {
		t.Helper()
		if err := e.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	count := func(s query.Session) {
		t.Helper()
		r, err := s.Query(t.Context(), "SELECT count(*) FROM lake.signin")
		if got := cells(t, r, err); len(got) != 1 || got[0] != "2" {
			t.Fatalf("the view has %v rows", got)
		}
	}
	write := openSession(t, e, view, query.Options{Trusted: true})
	exec(t, write, "CREATE TABLE analytics.kept AS SELECT 7 AS n")
	count(write)
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	known := footers()
	if known == 0 {
		t.Fatal("DuckDB keeps no footers, so there is nothing to forget")
	}
	trim()
	if footers() != known {
		t.Error("an instance that was just opened was replaced")
	}
	e.opened = e.opened.Add(-2 * openFor)
	s := openSession(t, e, view, query.Options{})
	trim()
	if footers() != known {
		t.Error("the instance was replaced under a session")
	}
	count(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := footers(); n != 0 {
		t.Errorf("with nobody connected it still remembers %d bytes", n)
	}
	if time.Since(e.opened) > openFor {
		t.Error("the new instance has the age of the old one")
	}
	again := openSession(t, e, view, query.Options{})
	count(again)
	r, err := again.Query(t.Context(), "SELECT n FROM analytics.kept")
	if got := cells(t, r, err); len(got) != 1 || got[0] != "7" {
		t.Errorf("the analytics tier has %v", got)
	}
}
