package postgres

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/analytics"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

func engineOf(t *testing.T, o duckdb.Options) *duckdb.Engine {
	t.Helper()
	o.Threads = 2
	e, err := duckdb.Open(t.Context(), o)
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

// counted is a remote that counts what a session copies.
type counted struct {
	query.Remote
	rows, columns int64
}

func (c *counted) Read(ctx context.Context, wants []query.Want, each func(string, array.RecordReader) error) error {
	c.rows, c.columns = 0, 0
	return c.Remote.Read(ctx, wants, func(table string, r array.RecordReader) error {
		c.columns += int64(r.Schema().NumFields())
		return each(table, &counting{RecordReader: r, rows: &c.rows})
	})
}

type counting struct {
	array.RecordReader
	rows *int64
}

func (c *counting) Next() bool {
	ok := c.RecordReader.Next()
	if ok {
		*c.rows += c.RecordBatch().NumRows()
	}
	return ok
}

func ask(ctx context.Context, e *duckdb.Engine, sql string) (string, error) {
	s, err := e.Open(ctx, query.View{}, query.Options{})
	if err != nil {
		return "", err
	}
	defer s.Close() // a session that only read
	r, err := s.Query(ctx, sql)
	if err != nil {
		return "", err
	}
	defer r.Release()
	var b strings.Builder
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			for c, col := range rec.Columns() {
				fmt.Fprintf(&b, "%s=%s ", rec.ColumnName(c), col.ValueStr(i))
			}
			b.WriteByte('\n')
		}
	}
	return b.String(), r.Err()
}

var findings = []arrow.Field{
	tierstest.Nullable("finding_id", arrow.BinaryTypes.String),
	tierstest.Nullable("time", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}),
	tierstest.Nullable("severity", arrow.BinaryTypes.String), tierstest.Nullable("score", arrow.PrimitiveTypes.Float64),
	tierstest.Nullable("n", arrow.PrimitiveTypes.Int64),
	tierstest.Nullable("ok", arrow.FixedWidthTypes.Boolean), tierstest.Nullable("day", arrow.FixedWidthTypes.Date32),
	tierstest.Nullable("raw", arrow.BinaryTypes.Binary),
}

// TestSessionsReadBothTiersAlike: whatever is left out of what is copied, the
// answer is the embedded tier's.
func TestSessionsReadBothTiersAlike(t *testing.T) {
	embedded := engineOf(t, duckdb.Options{AnalyticsPath: filepath.Join(t.TempDir(), "a.duckdb")})
	file, err := analytics.Open(t.Context(), embedded)
	if err != nil {
		t.Fatal(err)
	}
	server := openAt(t, server.URL(t))
	remote := &counted{Remote: server}
	beside := engineOf(t, duckdb.Options{Remote: remote})
	for _, sink := range []tiers.Sink{file, server} {
		for i, table := range []string{"findings", "Other"} {
			rows := tierstest.RowsOf(t, findings, fmt.Sprintf(`[
				{"finding_id": "f1%[1]d", "time": "2026-11-24T10:00:00Z", "severity": "high", "score": 80.5, "n": 3, "ok": true, "day": "2026-11-24", "raw": "AQI="},
				{"finding_id": "f2", "time": "2026-11-24T11:00:00Z", "severity": "low", "score": 5, "n": 1, "ok": false},
				{"finding_id": "f3", "time": null, "severity": null, "score": null, "n": -9007199254740993},
				{"finding_id": "f4%[1]d", "time": "2026-11-25T00:00:00Z", "severity": "high", "score": 99, "n": 2}]`, i))
			w := tierstest.WriteOf(0, tiers.Append, rows)
			w.Table = table
			if _, err := sink.Write(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, q := range []struct {
		sql           string
		rows, columns int64 // that are copied; -1: whatever
	}{
		{"SELECT * FROM analytics.findings ORDER BY finding_id", 4, 12},
		{"FROM analytics.findings ORDER BY finding_id", 4, 12},
		{"SELECT count(*) AS c FROM analytics.findings", 4, 1},
		{"SELECT entity.severity FROM analytics.findings AS entity WHERE entity.severity = 'high' ORDER BY n", 2, 2},
		{"SELECT n FROM analytics.findings WHERE severity = 'high' AND time >= '2026-11-24T10:30:00Z'", 1, 3},
		{"SELECT n FROM analytics.findings WHERE time >= TIMESTAMPTZ '2026-11-24 11:00:00' AND time < TIMESTAMP " +
			"'2026-11-25' ORDER BY n", 1, 2},
		{"SELECT n FROM analytics.findings WHERE n = -9007199254740993 OR n > 2 ORDER BY n", 4, 1},
		{"SELECT n FROM analytics.findings WHERE n >= 2 ORDER BY n", 2, 1},
		{"SELECT n FROM analytics.findings WHERE severity > 'i' ORDER BY n", 4, 2},
		{"SELECT f FROM analytics.findings AS f ORDER BY f.finding_id", 4, 12},
		{"SELECT upper(severity) AS severity, n FROM analytics.findings WHERE severity = 'high' ORDER BY n", 2, 2},
		{"SELECT b FROM analytics.findings AS f(a, b) ORDER BY a", 4, 12},
		{"SELECT #1 FROM analytics.findings ORDER BY finding_id", 4, 12},
		{"SELECT COLUMNS('s.*') FROM analytics.findings ORDER BY finding_id", 4, 12},
		{"SELECT f.n FROM analytics.findings f JOIN analytics.other o USING (finding_id) WHERE f.severity = 'low'", 8, -1},
		{"SELECT f.finding_id FROM analytics.findings f NATURAL JOIN analytics.Other ORDER BY 1", 8, 24},
		{"SELECT o.n FROM analytics.Other o WHERE EXISTS (SELECT 1 FROM analytics.findings f WHERE o.severity = 'low' AND " +
			"f.severity = 'high')", -1, -1},
		{"SELECT n FROM (SELECT * FROM analytics.findings WHERE severity = 'high') ORDER BY n", 2, 12},
		{"WITH findings AS (SELECT n, severity FROM analytics.findings WHERE n > 1) SELECT n FROM findings WHERE severity " +
			"= 'high' ORDER BY n", -1, -1},
		{"SELECT n FROM analytics.findings WHERE severity = 'high' UNION ALL SELECT n FROM analytics.findings WHERE " +
			"severity = 'low' ORDER BY n", 4, 2},
		{"SELECT 1 AS one", 0, 0},
	} {
		want, err := ask(t.Context(), embedded, q.sql)
		if err != nil {
			t.Fatalf("%s: %v", q.sql, err)
		}
		remote.rows, remote.columns = 0, 0
		got, err := ask(t.Context(), beside, q.sql)
		if err != nil || got != want {
			t.Errorf("%s\n gives %v\n%s\n instead of\n%s", q.sql, err, got, want)
		}
		if q.rows >= 0 && remote.rows != q.rows || q.columns >= 0 && remote.columns != q.columns {
			t.Errorf("%s\n copies %d rows and %d columns, want %d and %d", q.sql, remote.rows, remote.columns, q.rows, q.columns)
		}
	}
}

// TestATableThatIsNotThere is named, and so is what would be too much.
func TestReadsThatAreRefused(t *testing.T) {
	url := server.URL(t)
	s, err := Open(t.Context(), Options{URL: url, ReadLimit: 20_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	e := engineOf(t, duckdb.Options{Remote: s})
	var parse *query.ParseError
	if _, err := ask(t.Context(), e, "SELECT * FROM analytics.nothing"); !errors.As(err, &parse) ||
		!strings.Contains(err.Error(), "analytics.nothing") {
		t.Errorf("%v", err)
	}
	big := tierstest.RowsOf(t, keyed, `[{"k": "`+strings.Repeat("x", 30_000)+`", "n": 1}]`)
	if _, err := s.Write(t.Context(), tierstest.WriteOf(0, tiers.Append, big)); err != nil {
		t.Fatal(err)
	}
	_, err = ask(t.Context(), e, "SELECT k FROM analytics.t")
	if !errors.Is(err, query.ErrTooMuch) || !strings.Contains(err.Error(), "analytics.t") ||
		!strings.Contains(err.Error(), "analytics.read_limit") {
		t.Errorf("%v", err)
	}
	if got, err := ask(t.Context(), e, "SELECT n FROM analytics.t"); err != nil || got != "n=1 \n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestARunSeesOneMoment: what a trusted session reads is copied when it opens,
// within the spans, and stays; a table that does not exist is left out.
func TestARunSeesOneMoment(t *testing.T) {
	s := openAt(t, server.URL(t))
	write := func(run int) {
		t.Helper()
		rows := tierstest.RowsOf(t, findings, fmt.Sprintf(`[{"finding_id": "r%d", "time": "2026-11-24T1%d:00:00Z"}]`, run,
			run))
		if _, err := s.Write(t.Context(), tierstest.WriteOf(run, tiers.Append, rows)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		write(i)
	}
	e := engineOf(t, duckdb.Options{Remote: s})
	span := query.Span{From: time.Date(2026, 11, 24, 11, 0, 0, 0, time.UTC),
		To: time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)}
	run, err := e.Open(t.Context(), query.View{Analytics: []query.Want{{Table: "t", Times: []query.Span{span}},
		{Table: "nothing"}}}, query.Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close() // a session that only read
	write(4)          // does not wait for the session
	r, err := run.Query(t.Context(), "SELECT string_agg(finding_id, ',' ORDER BY finding_id) FROM analytics.t")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if !r.Next() || r.RecordBatch().Column(0).ValueStr(0) != "r1,r2" {
		t.Error(r.RecordBatch())
	}
}
