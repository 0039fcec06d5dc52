package diskfault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
)

// needDisk mounts a disk that can fail, or says that it cannot.
func needDisk(t *testing.T) *brokenDisk {
	t.Helper()
	d, err := newBrokenDisk(t.TempDir())
	if err != nil && os.Getenv("LAKEWARD_REQUIRE_DISK_FAULTS") == "" {
		t.Skipf("NOT RUN: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestEachFailedWriteOfAnEngineIsFollowedByOneThatWorks fails each write and
// each sync of a transaction and a checkpoint in turn. Some make DuckDB put a
// database or the instance out of use.
func TestEachFailedWriteOfAnEngineIsFollowedByOneThatWorks(t *testing.T) {
	reopened := 0
	for _, op := range []string{"write", "fsync"} {
		for after := range 16 {
			d := needDisk(t)
			hit, broken := failEngine(t, d, fault{errno: syscall.EIO, op: op, after: after})
			if broken {
				reopened++
			}
			if !hit {
				break // there is no such write
			}
		}
	}
	if reopened == 0 {
		t.Error("no fault put the engine out of use: this has tried nothing")
	}
}

func failEngine(t *testing.T, d *brokenDisk, f fault) (hit, broken bool) {
	t.Helper()
	ctx := t.Context()
	e, err := duckdb.Open(ctx, duckdb.Options{AnalyticsPath: filepath.Join(d.at, "analytics.duckdb"),
		StatePath: filepath.Join(d.at, "state.duckdb"), Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := inSessions(ctx, e, "CREATE TABLE analytics.main.t AS SELECT range AS a, 'first' AS b FROM range(1000)",
		"CHECKPOINT analytics"); err != nil {
		t.Fatal(err)
	}
	d.fs.set(&f)
	err = inSessions(ctx, e, "INSERT INTO analytics.main.t SELECT range, 'second' FROM range(1000)")
	inserted := err == nil
	err = errors.Join(err, inSessions(ctx, e, "CHECKPOINT analytics"))
	hit = len(d.fs.hit()) > 0
	d.fs.set(nil)
	broken = err != nil && strings.Contains(err.Error(), "invalidated")
	if err := inSessions(ctx, e, "INSERT INTO analytics.main.t VALUES (1, 'third')",
		"CREATE OR REPLACE TABLE state.main.u AS SELECT 1 AS a"); err != nil {
		t.Errorf("%s %d failed (%v), and afterwards: %v", f.op, f.after, err, err)
	}
	counts := map[string]int64{"first": 1000, "third": 1}
	if inserted {
		counts["second"] = 1000 // it was said to be there
	}
	for b, want := range counts {
		if err := inSessions(ctx, e, fmt.Sprintf("SELECT CASE WHEN count(*) = %d THEN 1 ELSE error('there are ' || "+
			"count(*)) END FROM analytics.main.t WHERE b = '%s'", want, b)); err != nil {
			t.Errorf("%s %d failed, and of %s rows: %v", f.op, f.after, b, err)
		}
	}
	if err := e.ConfineSelect("SELECT 1", nil); err != nil {
		t.Errorf("the engine's parser: %v", err)
	}
	return hit, broken
}

// inSessions runs each statement in a session of its own.
func inSessions(ctx context.Context, e *duckdb.Engine, stmts ...string) error {
	for _, sql := range stmts {
		s, err := e.Open(ctx, query.View{}, query.Options{Trusted: true})
		if err != nil {
			return err
		}
		_, err = s.Exec(ctx, sql)
		_ = s.Close() // it fails in an instance that is out of use
		if err != nil {
			return err
		}
	}
	return nil
}

func TestABrokenEngineWaitsForItsSessions(t *testing.T) {
	d := needDisk(t)
	ctx := t.Context()
	e, err := duckdb.Open(ctx, duckdb.Options{AnalyticsPath: filepath.Join(d.at, "analytics.duckdb"), Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	held, err := e.Open(ctx, query.View{}, query.Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := inSessions(ctx, e, "CREATE TABLE analytics.main.t AS SELECT 1 AS a"); err != nil {
		t.Fatal(err)
	}
	d.fs.set(&fault{errno: syscall.EIO, op: "fsync"})
	if err := inSessions(ctx, e, "INSERT INTO analytics.main.t VALUES (2)"); err == nil {
		t.Fatal("a sync that failed was not an error")
	}
	d.fs.set(nil)
	if err := inSessions(ctx, e, "SELECT 1"); !errors.Is(err, query.ErrUnavailable) {
		t.Fatalf("while a session is open: %v", err)
	}
	_ = held.Close()
	if err := inSessions(ctx, e, "INSERT INTO analytics.main.t VALUES (3)"); err != nil {
		t.Fatalf("once it has ended: %v", err)
	}
}
