package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

func TestReadOnlySessionsRefuse(t *testing.T) {
	dir, v := lakeDir(t)
	e := openEngine(t, Options{AllowedDirs: []string{dir}})
	exec(t, openSession(t, e, query.View{}, query.Options{Trusted: true}),
		"CREATE TABLE state.main.secret AS SELECT 1 AS a")
	s := openSession(t, e, v, query.Options{})
	file := strings.TrimPrefix(v.Tables[0].Files[0].Path, "file://")
	out := filepath.Join(dir, "out.csv")
	for _, sql := range []string{
		"COPY (SELECT 1) TO '" + out + "'", "COPY lake.signin TO '" + out + "'", "EXPORT DATABASE '" + dir + "'",
		"ATTACH '" + out + "' AS x", "DETACH analytics", "USE memory", "INSTALL httpfs", "LOAD json",
		"SET memory_limit='10GB'", "RESET memory_limit", "PRAGMA database_list", "PRAGMA enable_profiling",
		"CALL pragma_version()",
		"CREATE TABLE a AS SELECT 1", "CREATE TEMP TABLE a AS SELECT 1", "CREATE MACRO f(x) AS x", "DROP VIEW lake.signin",
		"INSERT INTO analytics.findings VALUES (1)", "UPDATE analytics.findings SET a = 1", "DELETE FROM analytics.findings",
		"BEGIN", "CHECKPOINT", "VACUUM", "EXPLAIN ANALYZE SELECT 1", "PREPARE p AS SELECT 1", "SELECT 1; SELECT 2",
		"FROM read_parquet('" + file + "')", "FROM '" + file + "'", `FROM "` + file + `"`,
		"FROM parquet_metadata('" + file + "')",
		"FROM read_csv('/etc/passwd')", "FROM read_text('/etc/passwd')", "FROM read_blob('/etc/passwd')",
		"FROM read_json('/etc/passwd')",
		"FROM '/etc/passwd'", "FROM glob('/*')", "SELECT * FROM sniff_csv('/etc/passwd')", "SELECT getenv('HOME')",
		"SELECT current_setting('memory_limit')", "FROM duckdb_settings()", "FROM duckdb_secrets()", "FROM duckdb_tables()",
		"FROM duckdb_databases()", "FROM pragma_storage_info('analytics.findings')", "FROM information_schema.tables",
		"FROM analytics.information_schema.tables", "FROM pg_catalog.pg_tables", "FROM sqlite_master",
		"FROM main.sqlite_master",
		"SHOW DATABASES", "SELECT * FROM (SHOW TABLES)", "SHOW TABLES FROM state.main", "EXPLAIN FROM state.secret",
		"EXPLAIN SHOW TABLES", "EXPLAIN (ANALYZE) SELECT 1", "EXPLAIN /* a */ analyze SELECT 1", "EXPLAIN EXPLAIN SELECT 1",
		"EXPLAIN CREATE TABLE a AS SELECT 1", "EXPLAIN SELECT 1; SELECT 2", "SHOW TABLES; SELECT 1", "FROM query('SELECT 1')", "FROM query_table('state.main.secret')",
		"FROM state.main.secret", "FROM state.secret", "SELECT (SELECT max(a) FROM state.main.secret)",
		"WITH x AS (FROM state.secret) FROM x", "SELECT 1 WHERE EXISTS (FROM state.secret)",
		"FROM range((SELECT max(a) FROM state.secret))",
		"SELECT a FROM range(3) t(a) ORDER BY (SELECT max(a) FROM state.secret)",
		"SELECT [x FOR x IN (SELECT list(a) FROM state.secret)]",
		"FROM range(2) t, LATERAL (FROM state.secret)", "FROM lake.nosuch", "SELECT nextval('s')", "SELECT sleep_ms(100000)",
	} {
		r, err := s.Query(t.Context(), sql)
		if err == nil {
			r.Release()
			t.Errorf("ran: %s", sql)
			continue
		}
		if pe := (*query.ParseError)(nil); !errors.Is(err, query.ErrRefused) && !errors.As(err, &pe) {
			t.Errorf("%s: refused by the engine alone: %v", sql, err)
		}
		if strings.Contains(err.Error(), "memory_limit=") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if _, err := s.Exec(t.Context(), "SELECT 1"); !errors.Is(err, query.ErrRefused) {
		t.Errorf("exec: %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was written")
	}
}

// The default views of a catalog are not tables of the tier, whoever answers.
func TestTheTierHasNoCatalogViews(t *testing.T) {
	s := openSession(t, openEngine(t, Options{}), query.View{}, query.Options{})
	for _, name := range []string{"sqlite_master", "duckdb_tables", "duckdb_settings", "duckdb_databases",
		"pragma_database_list", "sqlite_schema"} {
		if r, err := s.Query(t.Context(), "FROM analytics."+name); err == nil {
			r.Release()
			t.Errorf("analytics.%s answers", name)
		}
	}
}

func TestReadOnlySessionsRunWhatAnalystsWrite(t *testing.T) {
	dir, v := lakeDir(t)
	e := openEngine(t, Options{AllowedDirs: []string{dir}})
	exec(t, openSession(t, e, query.View{}, query.Options{Trusted: true}), "CREATE TABLE analytics.main.findings AS "+
		"SELECT 'f1' AS finding_id, 90.0 AS score")
	s := openSession(t, e, v, query.Options{})
	for _, tc := range []struct{ sql, want string }{
		{"select COUNT(*) from LAKE.SignIn", "2"},
		{"SELECT s.User.Name FROM lake.signin s ORDER BY 1 LIMIT 1", "ada"},
		{"FROM analytics.findings", "f1|90"}, {"FROM Analytics.main.Findings", "f1|90"},
		{"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT max(i) FROM n", "5"},
		{"WITH a AS (SELECT 1 x), b AS (FROM a) SELECT x FROM b", "1"},
		{"SELECT count(*) FILTER (WHERE count > 7) OVER () FROM lake.signin LIMIT 1", "1"},
		{"SELECT list_transform([1, 2], lambda x: x + 1)", "[2,3]"},
		{"SELECT count(*) FROM (SUMMARIZE lake.signin)", "5"},
		{"SELECT i, s FROM (VALUES (1, 'a')) t(i, s)", "1|a"},
		{"SELECT a.time FROM lake.signin a ASOF JOIN lake.signin b ON a.time >= b.time ORDER BY 1 LIMIT 1",
			"2026-11-01T10:00:00Z"},
		{"SELECT regexp_extract('a1', '[0-9]'), date_trunc('day', TIMESTAMPTZ '2026-11-01 10:00:00Z'), strftime(DATE " +
			"'2026-01-01', '%Y')", "1|2026-11-01T00:00:00Z|2026"},
		{"SELECT time_bucket(INTERVAL 1 HOUR, time) b FROM lake.signin GROUP BY ALL HAVING count(*) > 0 ORDER BY ALL " +
			"LIMIT 1", "2026-11-01T10:00:00Z"},
		{"SELECT * EXCLUDE (time, user, tags) FROM lake.signin ORDER BY count LIMIT 1", "7|(null)"},
		{"SELECT u.unnest FROM unnest([1]) u", "1"},
		{"SELECT n FROM (PIVOT (SELECT 'n' k, 1 v) ON k IN ('n') USING sum(v))", "1"},
	} {
		r, err := s.Query(t.Context(), tc.sql)
		if err != nil {
			t.Errorf("%s: %v", tc.sql, err)
			continue
		}
		if got := cells(t, r, nil); len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s: got %v, want %s", tc.sql, got, tc.want)
		}
	}
	_, err := s.Query(t.Context(), "FROM lake.signins")
	if err == nil || !strings.Contains(err.Error(), "lake.signins") || !strings.Contains(err.Error(), "lake.signin") ||
		!strings.Contains(err.Error(), "lake.empty") {
		t.Errorf("the error does not list what exists: %v", err)
	}
}

func TestAFileThatIsGoneIsNotNamed(t *testing.T) {
	dir, v := lakeDir(t)
	s := openSession(t, openEngine(t, Options{AllowedDirs: []string{dir}}), v, query.Options{})
	if err := os.Remove(strings.TrimPrefix(v.Tables[0].Files[1].Path, "file://")); err != nil {
		t.Fatal(err)
	}
	if err := drain(s.Query(t.Context(), "SELECT sum(count) FROM lake.signin")); err == nil ||
		strings.Contains(err.Error(), dir) {
		t.Errorf("%v", err)
	}
}

func TestTenThousandFiles(t *testing.T) {
	dir, v := lakeDir(t)
	src := strings.TrimPrefix(v.Tables[0].Files[0].Path, "file://")
	var files []tiers.DataFile
	for i := range 10_000 {
		path := filepath.Join(dir, fmt.Sprintf("f%d.parquet", i))
		if err := os.Link(src, path); err != nil {
			t.Fatal(err)
		}
		files = append(files, tiers.DataFile{Path: path, Rows: 1})
	}
	e := openEngine(t, Options{AllowedDirs: []string{dir}})
	start := time.Now()
	s := openSession(t, e, query.View{Tables: []query.TableView{{Name: "signin", Schema: signin(), Files: files}}},
		query.Options{})
	opened := time.Since(start)
	r, err := s.Query(t.Context(), "SELECT count(*), sum(count), count(ok) FROM lake.signin WHERE user.name = 'ada'")
	if got := cells(t, r, err); got[0] != "10000|70000|0" {
		t.Errorf("got %v", got)
	}
	t.Logf("opened in %s, answered in %s", opened, time.Since(start))
}

func TestTooLittleMemoryIsAnErrorOfTheQueryAlone(t *testing.T) {
	s := openSession(t, openEngine(t, Options{MemoryLimit: 64 << 20, MaxSpill: 1 << 20, Threads: 2}), query.View{},
		query.Options{})
	err := drain(s.Query(t.Context(), "SELECT sum(len(l)) FROM (SELECT i, list(i * j) l FROM range(20000) a(i), "+
		"range(1000) b(j) GROUP BY i)"))
	if !errors.Is(err, query.ErrMemory) {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"64 MiB of memory", "memory.budget", "1 MiB of disk", "query.max_spill"} {
		if err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: it does not say %s", err, want)
		}
	}
	r, err := s.Query(t.Context(), "SELECT 1")
	if got := cells(t, r, err); got[0] != "1" {
		t.Errorf("after it: %v", got)
	}
}

func TestWhatIsSpilledIsBounded(t *testing.T) {
	const groups = "SELECT count(*) FROM (SELECT DISTINCT md5(i::VARCHAR) || md5((-i)::VARCHAR) AS v FROM " +
		"range(1500000) t(i))"
	for spill, fits := range map[int64]bool{1 << 30: true, 1 << 20: false} {
		s := openSession(t, openEngine(t, Options{MemoryLimit: 64 << 20, MaxSpill: spill, Threads: 2, TempDir: t.TempDir()}),
			query.View{}, query.Options{})
		err := drain(s.Query(t.Context(), groups))
		if (err == nil) != fits || (!fits && !errors.Is(err, query.ErrMemory)) {
			t.Errorf("with %d bytes of disk: %v", spill, err)
		}
	}
}

func TestAResultBeyondItsBytesSaysWhichLimitItWas(t *testing.T) {
	s := openSession(t, openEngine(t, Options{}), query.View{}, query.Options{MaxBytes: 8 << 20})
	err := drain(s.Query(t.Context(), "SELECT repeat('x', 1000) FROM range(100000)"))
	if !errors.Is(err, query.ErrTooManyBytes) || !strings.Contains(err.Error(), "8 MiB (query.max_bytes)") {
		t.Errorf("%v", err)
	}
	if err := drain(s.Query(t.Context(), "SELECT repeat('x', 1000) FROM range(4000)")); err != nil {
		t.Errorf("a result within: %v", err)
	}
}

func TestATimeoutSaysWhichLimitItWas(t *testing.T) {
	s := openSession(t, openEngine(t, Options{}), query.View{}, query.Options{Timeout: 50 * time.Millisecond})
	err := drain(s.Query(t.Context(), "SELECT count(*) FROM range(1000000) a(i), range(1000000) b(j) WHERE (i * j) % 7 "+
		"= 1"))
	if !errors.Is(err, query.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), "query.timeout") {
		t.Errorf("%v", err)
	}
}

func TestLongValuesLeaveInSmallRecords(t *testing.T) {
	s := openSession(t, openEngine(t, Options{}), query.View{}, query.Options{})
	r, err := s.Query(t.Context(), "SELECT i, repeat('x', 100000) || i AS v FROM range(2000) t(i) ORDER BY i")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	next := 0
	for records := 0; r.Next(); records++ {
		rec := r.RecordBatch()
		if n := recordBytes(rec); records > 0 && n > 4*pieceBytes {
			t.Errorf("record %d of %d bytes", records, n)
		}
		for i := range int(rec.NumRows()) {
			if got := rec.Column(1).ValueStr(i); got[100000:] != fmt.Sprint(next) ||
				rec.Column(0).ValueStr(i) != fmt.Sprint(next) {
				t.Fatalf("row %d has the end %q", next, got[100000:])
			}
			next++
		}
	}
	if r.Err() != nil || next != 2000 {
		t.Errorf("%d rows, %v", next, r.Err())
	}
}

func TestExpressionsAreConfined(t *testing.T) {
	p, err := NewParser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	columns := []string{"time", "user", "n"}
	for _, ok := range []string{
		"n > 3 AND user.name = 'ada'", "count(*)", "count(DISTINCT user.name) FILTER (WHERE n > 1)", "User IN ('a', 'b')",
		"list_filter([1, 2], lambda x: x > n)", "CASE WHEN n IS NULL THEN 0 ELSE n END", "n BETWEEN 1 AND 2",
		"user.name[1:2]",
		"time > TIMESTAMPTZ '2026-01-01'", "n::VARCHAR LIKE 'a%'", "extract('hour' FROM time)",
	} {
		if err := p.Confine(ok, columns); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for _, bad := range []string{
		"nosuch = 1", "n = ?", "n IN (SELECT 1)", "EXISTS (FROM x)", "*", "n, 1", "n FROM t", "n) --", "1; SELECT 2", "n /*",
		"getenv('HOME')", "current_setting('x')", "n ORDER BY 1", "read_text('/etc/passwd')", "n AS m, 2",
		"system.main.getenv('A')", "",
	} {
		if err := p.Confine(bad, columns); err == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
}

func TestTablesOfAStatement(t *testing.T) {
	var named []string
	s := openSession(t, openEngine(t, Options{}), query.View{},
		query.Options{OnTables: func(names []string) { named = names }})
	for sql, want := range map[string]string{
		"SELECT * FROM lake.SignIn s JOIN analytics.findings USING (a)":                                          "[analytics.findings lake.signin]",
		"WITH x AS (FROM lake.a) SELECT (SELECT max(b) FROM analytics.main.c) FROM x WHERE EXISTS (FROM lake.a)": "[analytics.c lake.a]",
		"SELECT getenv('HOME') FROM lake.a":                                                                      "[lake.a]",
		"SELECT 1":                                                                                               "[]",
		"SELECT 'FROM lake.text'":                                                                                "[]",
		"SELEC":                                                                                                  "[]",
		"DROP TABLE lake.a":                                                                                      "[]",
	} {
		named = nil
		if r, err := s.Query(t.Context(), sql); err == nil {
			r.Release()
		}
		if got := fmt.Sprint(named); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}
