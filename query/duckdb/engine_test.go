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

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

func exec(t testing.TB, c interface {
	Exec(context.Context, string, ...any) (int64, error)
}, sql string, args ...any) {
	t.Helper()
	if _, err := c.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// cells reads a result as rows of text.
func cells(t testing.TB, r array.RecordReader, err error) []string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	var out []string
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			row := make([]string, rec.NumCols())
			for c, col := range rec.Columns() {
				row[c] = col.ValueStr(i)
			}
			out = append(out, strings.Join(row, "|"))
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return out
}

func str(id int, name string) tiers.Field {
	return tiers.Field{ID: id, Name: name, Type: tiers.Type{Kind: tiers.KindString}}
}

func long(id int, name string) tiers.Field {
	return tiers.Field{ID: id, Name: name, Type: tiers.Type{Kind: tiers.KindLong}}
}

// signin is the schema after two evolutions.
func signin() tiers.Schema {
	return tiers.Schema{Fields: []tiers.Field{
		{ID: 1, Name: "time", Type: tiers.Type{Kind: tiers.KindTimestamp}},
		long(11, "count"),
		{ID: 2, Name: "user", Type: tiers.Type{Kind: tiers.KindStruct,
			Fields: []tiers.Field{str(3, "name"), long(4, "uid")}}},
		{ID: 5, Name: "tags", Type: tiers.Type{Kind: tiers.KindList, Elem: &tiers.Field{ID: 6, Name: "element",
			Type: tiers.Type{Kind: tiers.KindStruct, Fields: []tiers.Field{str(7, "k"), str(8, "v")}}}}},
		{ID: 9, Name: "ok", Type: tiers.Type{Kind: tiers.KindBool}},
	}}
}

// lakeDir writes an old and a new file of the table and returns its view.
func lakeDir(t testing.TB) (string, query.View) {
	t.Helper()
	dir := t.TempDir()
	c, err := Scratch(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	old, young := filepath.Join(dir, "old.parquet"), filepath.Join(dir, "young.parquet")
	exec(t, c, `COPY (SELECT TIMESTAMPTZ '2026-11-01 10:00:00Z' AS time, 7::BIGINT AS n, {'name': 'ada'} AS user, [{'k': 'a'}] AS tags)
		TO '`+old+`' (FIELD_IDS {time: 1, n: 11, user: {__duckdb_field_id: 2, name: 3}, tags: {__duckdb_field_id: 5, element: {__duckdb_field_id: 6, k: 7}}})`)
	exec(t, c, `COPY (SELECT true AS ok, {'uid': 42::BIGINT, 'name': 'bob'} AS user, [{'k': 'b', 'v': 'w'}, NULL] AS tags, TIMESTAMPTZ '2026-11-02 10:00:00Z' AS time, 8::BIGINT AS count)
		TO '`+young+`' (FIELD_IDS {ok: 9, time: 1, count: 11, user: {__duckdb_field_id: 2, name: 3, uid: 4}, tags: {__duckdb_field_id: 5, element: {__duckdb_field_id: 6, k: 7, v: 8}}})`)
	return dir, query.View{Tables: []query.TableView{
		{Name: "signin", Schema: signin(), Files: []tiers.DataFile{{Path: "file://" + old}, {Path: "file://" + young}}},
		{Name: "empty", Schema: signin()},
	}}
}

func openEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	dir := t.TempDir()
	if o.AnalyticsPath == "" {
		o.AnalyticsPath = filepath.Join(dir, "analytics.db")
	}
	o.StatePath = filepath.Join(dir, "state.db")
	o.TempDir = filepath.Join(dir, "spill")
	e, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func openSession(t testing.TB, e *Engine, v query.View, o query.Options) query.Session {
	t.Helper()
	s, err := e.Open(context.Background(), v, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestFilesOfEverySchemaAreReadByFieldID(t *testing.T) {
	dir, v := lakeDir(t)
	s := openSession(t, openEngine(t, Options{AllowedDirs: []string{dir}}), v, query.Options{})
	r, err := s.Query(t.Context(), "SELECT time, count, user, tags, ok FROM lake.signin ORDER BY time")
	got := cells(t, r, err)
	want := []string{
		`2026-11-01T10:00:00Z|7|{"name":"ada","uid":null}|[{"k":"a","v":null}]|(null)`,
		`2026-11-02T10:00:00Z|8|{"name":"bob","uid":42}|[{"k":"b","v":"w"},null]|true`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	r, err = s.Query(t.Context(), "SELECT count(*), max(user.name) FROM lake.empty WHERE time > ?", time.Unix(0, 0))
	if got := cells(t, r, err); got[0] != "0|(null)" {
		t.Errorf("empty table: %v", got)
	}
}

func TestSessionsDoNotSeeEachOther(t *testing.T) {
	dir, v := lakeDir(t)
	e := openEngine(t, Options{AllowedDirs: []string{dir}})
	a := openSession(t, e, v, query.Options{Trusted: true})
	old := v
	old.Tables = []query.TableView{{Name: "signin", Schema: signin(), Files: v.Tables[0].Files[:1]}}
	b := openSession(t, e, old, query.Options{Trusted: true})
	exec(t, a, "CREATE TEMP TABLE step AS SELECT count(*) n FROM lake.signin")
	exec(t, b, "CREATE TEMP TABLE step AS SELECT count(*) n FROM lake.signin")
	r, err := a.Query(t.Context(), "FROM step")
	if got := cells(t, r, err); got[0] != "2" {
		t.Errorf("first session: %v", got)
	}
	r, err = b.Query(t.Context(), "FROM step")
	if got := cells(t, r, err); got[0] != "1" {
		t.Errorf("second session: %v", got)
	}
}

func TestTrustedSessionWritesStateAndAnalytics(t *testing.T) {
	e := openEngine(t, Options{})
	s := openSession(t, e, query.View{}, query.Options{Trusted: true})
	exec(t, s, "BEGIN")
	exec(t, s, "CREATE TEMP TABLE t AS SELECT 1 AS a")
	exec(t, s, "CREATE TABLE state.main.bl AS FROM t")
	exec(t, s, "COMMIT")
	exec(t, s, "CREATE TABLE analytics.findings AS SELECT 'f' AS finding_id")
	u := openSession(t, e, query.View{}, query.Options{})
	r, err := u.Query(t.Context(), "SELECT finding_id FROM analytics.findings")
	if got := cells(t, r, err); len(got) != 1 {
		t.Errorf("findings: %v", got)
	}
}

func TestEveryTypeReachesArrow(t *testing.T) {
	s := openSession(t, openEngine(t, Options{}), query.View{}, query.Options{})
	for _, tc := range []struct{ sql, want string }{
		{"true", "true"}, {"-1::TINYINT", "-1"}, {"-2::SMALLINT", "-2"}, {"-3::INT", "-3"}, {"-4::BIGINT", "-4"},
		{"1::UTINYINT", "1"}, {"2::USMALLINT", "2"}, {"3::UINTEGER", "3"},
		{"18446744073709551615::UBIGINT", "18446744073709551615"},
		{"sum(5::BIGINT)", "5"}, {"(-5)::HUGEINT", "-5"},
		{"340282366920938463463374607431768211455::UHUGEINT", "340282366920938463463374607431768211455"},
		{"1.5::FLOAT", "1.5"}, {"2.5::DOUBLE", "2.5"}, {"1.25::DECIMAL(4,2)", "1.25"}, {"-1.25::DECIMAL(9,2)", "-1.25"},
		{"1.25::DECIMAL(18,2)", "1.25"}, {"-1.25::DECIMAL(38,2)", "-1.25"},
		{"'short'", "short"}, {"'a text longer than twelve bytes'", "a text longer than twelve bytes"},
		{`'\xAB'::BLOB`, "qw=="},
		{"DATE '2026-01-02'", "2026-01-02"}, {"TIME '01:02:03.5'", "01:02:03.500000"},
		{"TIMESTAMP '2026-01-02 03:04:05.678901'", "2026-01-02T03:04:05.678901"},
		{"TIMESTAMPTZ '2026-01-02 03:04:05Z'", "2026-01-02T03:04:05Z"},
		{"'2026-01-02 03:04:05'::TIMESTAMP_S", "2026-01-02T03:04:05"},
		{"'2026-01-02 03:04:05'::TIMESTAMP_NS", "2026-01-02T03:04:05"},
		{"INTERVAL '1 month 2 days 3 seconds'", `{"months":1,"days":2,"nanoseconds":3000000000}`},
		{"'0190b3f0-1234-7abc-8def-0123456789ab'::UUID", "0190b3f0-1234-7abc-8def-0123456789ab"},
		{"[1, NULL, 3]", "[1,null,3]"}, {"[]::INT[]", "[]"}, {"[[1],[2,3]]", "[[1],[2,3]]"}, {"[1,2]::INT[2]", "[1,2]"},
		{"{'a': 1, 'b': [{'c': 'x'}]}", `{"a":1,"b":[{"c":"x"}]}`}, {"MAP {'k': 1}", `[{"key":"k","value":1}]`},
		{"'b'::ENUM('a','b')", "b"}, {`'{"a":1}'::JSON`, `{"a":1}`}, {"NULL", "(null)"}, {"NULL::INT[]", "(null)"},
		{"{'a': NULL}", `{"a":null}`},
	} {
		r, err := s.Query(t.Context(), "SELECT "+tc.sql)
		if got := cells(t, r, err); len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s: got %v, want %s", tc.sql, got, tc.want)
		}
	}
}

func TestRowsComeBackFromLoadAsTheyWere(t *testing.T) {
	e := openEngine(t, Options{})
	src := openSession(t, e, query.View{}, query.Options{Trusted: true})
	dst := openSession(t, e, query.View{}, query.Options{Trusted: true})
	const sql = `SELECT i, if(i % 3 = 0, NULL, 'text number ' || i) s, if(i % 5 = 0, NULL, [i, NULL, i+1]) l,
		if(i % 7 = 0, NULL, {'a': i, 'b': [{'c': i::VARCHAR}]}) st, MAP {'k' || i: i} m, i * 1.5 d, i::DECIMAL(18,3) / 3 dd, i::HUGEINT h,
		TIMESTAMPTZ '2026-01-01 00:00:00Z' + to_seconds(i) t, DATE '2026-01-01' + i::INT dt, TIME '10:00:00' ti, i % 2 = 0 b,
		i::VARCHAR::BLOB bl, to_days(i::INT) iv FROM range(5000) r(i) ORDER BY i`
	r, err := src.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	n, err := dst.(query.Loader).Load(t.Context(), "copy", r)
	r.Release()
	if err != nil || n != 5000 {
		t.Fatalf("loaded %d: %v", n, err)
	}
	r, err = src.Query(t.Context(), sql)
	want := cells(t, r, err)
	r, err = dst.Query(t.Context(), "FROM copy ORDER BY i")
	got := cells(t, r, err)
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("row %d differs:\n%s\n%s", i, got[i], want[i])
		}
	}
}

func TestBounds(t *testing.T) {
	e := openEngine(t, Options{})
	const long = "SELECT count(*) FROM range(10000000000) a(i), range(1000) b(j) WHERE i * j % 7 = 3"
	t.Run("rows", func(t *testing.T) {
		s := openSession(t, e, query.View{}, query.Options{MaxRows: 10})
		r, err := s.Query(t.Context(), "FROM range(10)")
		if got := cells(t, r, err); len(got) != 10 {
			t.Errorf("got %d rows", len(got))
		}
		r, err = s.Query(t.Context(), "FROM range(11)")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Release()
		for r.Next() {
		}
		if !errors.Is(r.Err(), query.ErrTooManyRows) {
			t.Errorf("one row too many: %v", r.Err())
		}
	})
	t.Run("timeout", func(t *testing.T) {
		s := openSession(t, e, query.View{}, query.Options{Timeout: 50 * time.Millisecond})
		start := time.Now()
		err := drain(s.Query(t.Context(), long))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 2*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		s := openSession(t, e, query.View{}, query.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var asked time.Time
		stop := context.AfterFunc(ctx, func() {})
		defer stop()
		timer := time.AfterFunc(100*time.Millisecond, func() { asked = time.Now(); cancel() })
		defer timer.Stop()
		err := drain(s.Query(ctx, long))
		if took := time.Since(asked); !errors.Is(err, context.Canceled) || took > time.Second {
			t.Errorf("%s after the cancel: %v", took, err)
		}
		r, err := s.Query(t.Context(), "SELECT 1")
		if got := cells(t, r, err); got[0] != "1" {
			t.Errorf("the session is unusable after a cancel: %v", got)
		}
	})
}

// count reads a result to its end.
func count(r array.RecordReader, err error) (rows int64, _ error) {
	if err != nil {
		return 0, err
	}
	defer r.Release()
	for r.Next() {
		rows += r.RecordBatch().NumRows()
	}
	return rows, r.Err()
}

func drain(r array.RecordReader, err error) error {
	_, err = count(r, err)
	return err
}

func TestParseErrorHasItsPosition(t *testing.T) {
	e := openEngine(t, Options{})
	u := openSession(t, e, query.View{}, query.Options{})
	tr := openSession(t, e, query.View{}, query.Options{Trusted: true})
	for _, tc := range []struct {
		s         query.Session
		sql       string
		line, col int
	}{
		{u, "SELECT a FRM x y z", 1, 14},
		{u, "SELECT 1,\n  nosuch", 2, 3},
		{tr, "SELECT a FRM x y z", 1, 14},
		{tr, "SELECT 1,\n  nosuch", 2, 3},
		{tr, "SELECT 1, " + strings.Repeat("1, ", 60) + "nosuch", 1, 191},
	} {
		_, err := tc.s.Query(t.Context(), tc.sql)
		var pe *query.ParseError
		if !errors.As(err, &pe) || pe.Line != tc.line || pe.Column != tc.col {
			t.Errorf("%q: %#v", tc.sql, err)
		}
	}
}

func TestNothingIsLeftOpen(t *testing.T) {
	e := openEngine(t, Options{})
	for i := range 20 {
		s, err := e.Open(t.Context(), query.View{}, query.Options{Trusted: true})
		if err != nil {
			t.Fatal(err)
		}
		exec(t, s, "BEGIN")
		if _, err := s.Query(t.Context(), fmt.Sprintf("FROM range(100000) WHERE range > %d", i)); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c, err := e.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Query(t.Context(), "SELECT count(*) FROM duckdb_databases() WHERE database_name LIKE 's%' AND "+
		"database_name NOT IN ('state', 'system')")
	if got := cells(t, r, err); got[0] != "0" {
		t.Errorf("databases of closed sessions: %v", got)
	}
	if _, err := os.Stat(".tmp"); err == nil {
		t.Error("a spill directory in the working directory")
	}
}

// BenchmarkTexts is what it costs to hand on a result of texts.
func BenchmarkTexts(b *testing.B) {
	const rows = 100_000
	s := openSession(b, openEngine(b, Options{}), query.View{}, query.Options{})
	for b.Loop() {
		n, err := count(s.Query(b.Context(), "SELECT range::VARCHAR AS a, 'user' || range || '@example.test' AS b, CASE "+
			"WHEN range % 3 > 0 THEN 'Mozilla/5.0' END AS c FROM range(?)", rows))
		if err != nil || n != rows {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/rows, "ns/row")
}
