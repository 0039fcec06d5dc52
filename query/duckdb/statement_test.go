package duckdb

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
)

// firstColumn is that of an answer.
func firstColumn(t *testing.T, s query.Session, sql string, args ...any) []string {
	t.Helper()
	r, err := s.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer r.Release()
	var out []string
	for r.Next() {
		c := r.RecordBatch().Column(0).(*array.String)
		for i := range c.Len() {
			out = append(out, c.Value(i))
		}
	}
	if r.Err() != nil {
		t.Fatalf("%s: %v", sql, r.Err())
	}
	return out
}

func TestPeopleListAndDescribeTables(t *testing.T) {
	dir, v := lakeDir(t)
	v.Analytics = []query.Want{{Table: "findings"}}
	s := openSession(t, openEngine(t, Options{AllowedDirs: []string{dir}}), v, query.Options{})
	for sql, want := range map[string][]string{
		"-- all\nSHOW TABLES;":              {"analytics.findings", "lake.empty", "lake.signin"},
		"/* all */ show all tables":         {"analytics.findings", "lake.empty", "lake.signin"},
		"SHOW TABLES FROM lake":             {"lake.empty", "lake.signin"},
		"SHOW TABLES FROM nowhere":          nil,
		"/* one */ DESCRIBE lake.signin":    {"time", "count", "user", "tags", "ok"},
		"DESCRIBE SELECT 1 AS a, true AS b": {"a", "b"},
	} {
		got := firstColumn(t, s, sql)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", sql, got)
		}
	}
}

func TestExplainShowsNoFiles(t *testing.T) {
	dir, v := lakeDir(t)
	s := openSession(t, openEngine(t, Options{AllowedDirs: []string{dir}}), v, query.Options{})
	var all []string
	for _, sql := range []string{
		"EXPLAIN SELECT * FROM lake.signin WHERE count = 1",
		"/* why */ explain SELECT \"user\".name, count(*) AS n FROM lake.signin GROUP BY 1 ORDER BY n DESC LIMIT 3",
		"EXPLAIN WITH a AS (FROM lake.signin) SELECT count(*) FROM a JOIN lake.signin b ON a.count < b.count",
		"EXPLAIN DESCRIBE lake.signin",
	} {
		all = append(all, firstColumn(t, s, sql)...)
	}
	all = append(all, firstColumn(t, s, "EXPLAIN SELECT * FROM lake.signin WHERE count = ?", 3)...)
	text := strings.Join(all, "\n")
	for _, want := range []string{"filters: count=1", "TOP_N (order by: count_star() DESC; top: 3)", "READ_PARQUET", " rows)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, f := range v.Tables[0].Files {
		if strings.Contains(text, filepath.Base(f.Path)) || strings.Contains(text, dir) {
			t.Errorf("a file of the host in\n%s", text)
		}
	}
	refuses(t, s, map[string]string{
		"EXPLAIN SELECT 1,\n nothing FROM lake.signin":            "line 2, column 2: ",
		"-- a\nEXPLAIN SELECT 1 FROM nowhere":                     "line 2, column 23: ",
		"-- a\nEXPLAIN SELECT FROM WHERE":                         "line 2, column ",
		"EXPLAIN ANALYZE SELECT 1":                                "use EXPLAIN",
		"EXPLAIN SELECT count FROM lake.signin WHERE nothing = 1": "line 1, column 45: ",
	})
}

// refuses fails unless each statement is refused with an error that has its text.
func refuses(t *testing.T, s query.Session, statements map[string]string) {
	t.Helper()
	for sql, want := range statements {
		r, err := s.Query(t.Context(), sql)
		if err == nil {
			r.Release()
			t.Errorf("ran: %s", sql)
			continue
		}
		if pe := (*query.ParseError)(nil); !strings.Contains(err.Error(), want) || !errors.As(err, &pe) &&
			!errors.Is(err, query.ErrRefused) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
