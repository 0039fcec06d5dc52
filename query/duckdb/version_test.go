package duckdb

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

func TestATableAtAVersion(t *testing.T) {
	dir, v := lakeDir(t)
	now := v.Tables[0]
	at := func(hour int) time.Time { return time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC) }
	kept := []tiers.Snapshot{{ID: 11, Time: at(10)}, {ID: 12, Time: at(12)}}
	var asked []string
	v.At = func(_ context.Context, name string, at query.Version) (query.TableView, error) {
		asked = append(asked, name)
		s, err := at.Of(name, kept)
		out := now
		if s.ID == 11 {
			out.Files = now.Files[:1]
		}
		return out, err
	}
	var named []string
	s := openSession(t, openEngine(t, Options{AllowedDirs: []string{dir}}), v,
		query.Options{OnTables: func(names []string) { named = names }})
	count := func(sql string, args ...any) string {
		t.Helper()
		r, err := s.Query(t.Context(), sql, args...)
		return cells(t, r, err)[0]
	}
	all, first := count("SELECT count(*) FROM lake.signin"), count("SELECT count(*) FROM lake.signin AT (VERSION => 11)")
	if all == first || len(asked) != 1 || asked[0] != "signin" || len(named) != 1 || named[0] != "lake.signin" {
		t.Fatalf("%s rows now, %s at the first version, of %v, %v", all, first, asked, named)
	}
	for sql, want := range map[string]string{
		`select count(*) from LAKE."SignIn" /* AT ( */ at -- (` + "\n" + `( version => 11 ) where signin.count > 0`:  first,
		"SELECT count(*) FROM lake.signin AS s AT (VERSION => 12) WHERE s.count > 0":                                 all,
		"SELECT count(*) FROM lake.signin s AT (TIMESTAMP => '2026-11-01 11:59:00')":                                 first,
		"SELECT count(*) FROM lake.signin AT (TIMESTAMP => TIMESTAMPTZ '2026-11-01 12:00:00Z')":                      all,
		"SELECT (SELECT count(*) FROM lake.signin) = (SELECT count(*) FROM lake.signin AT (VERSION => 12))":          "true",
		"SELECT max(s.b) FROM lake.signin AS s(a, b) AT (VERSION => 11)":                                             count("SELECT max(count) FROM lake.signin AT (VERSION => 11)"),
		"WITH a AS (FROM lake.signin AT (VERSION => 11)) SELECT count(*) FROM a":                                     first,
		"SELECT count(*) FROM (FROM lake.signin AT (VERSION => 11) UNION ALL FROM lake.signin AT (VERSION => 11)) x": count("SELECT 2 * " + first),
		"SELECT count(*) FROM (FROM lake.signin AT (VERSION => 11) EXCEPT ALL FROM lake.signin)":                     "0",
		"SELECT count(*) FROM (DESCRIBE FROM lake.signin AT (VERSION => 11))":                                        "5",
	} {
		if got := count(sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	if got := count("SELECT count(*) + ? FROM lake.signin AT (VERSION => 11)", 5); got != count("SELECT 5 + "+first) {
		t.Errorf("with a parameter: %s", got)
	}
	if plan := firstColumn(t, s, "EXPLAIN SELECT * FROM lake.signin AT (VERSION => 11)"); len(plan) == 0 {
		t.Error("no plan")
	}
	refuses(t, s, map[string]string{
		"SELECT 1 FROM lake.signin AT (VERSION => 5)":                              "it has 2, from 11 (2026-11-01 10:00:00Z)",
		"SELECT 1 FROM lake.signin AT (TIMESTAMP => '2026-10-01')":                 "no snapshot of 2026-10-01 00:00:00Z or before",
		"SELECT 1 FROM lake.signin AT (VERSION => 'x')":                            "line 1, column 15: write the number",
		"SELECT 1 FROM lake.signin AT (VERSION => ?)":                              "line 1, column 15: write the number",
		"SELECT 1 FROM lake.signin AT (VERSION => (SELECT 11))":                    "write the number",
		"SELECT 1 FROM lake.signin AT (TIMESTAMP => 'yesterday')":                  "write a time",
		"SELECT 1 FROM lake.signin AT (BRANCH => 'main')":                          "syntax error",
		"SELECT 1 FROM analytics.findings AT (VERSION => 1)":                       "AT is for tables of the lake",
		"WITH a AS (SELECT 1) SELECT 1 FROM a AT (VERSION => 1)":                   "AT is for tables of the lake",
		"SELECT 1 FROM lake.nosuch AT (VERSION => 1)":                              "there is no table lake.nosuch",
		`SELECT 1 FROM lake."@0"`:                                                  "there is no table lake.@0",
		"SELECT getenv('A') FROM lake.signin AT (VERSION => 11)":                   "getenv is not allowed",
		"SELECT 1\nFROM lake.signin AT (VERSION => 11)\nWHERE\n nothing = 1":       "line 4, column 2: ",
		"SELECT 1 FROM lake.signin AT\n(VERSION => 11) WHERE nothing = 1":          "line 2, column 23: ",
		"SELECT 1 FROM lake.signin AT (VERSION => 11) s":                           "",
		"SELECT 1 FROM range(3) AT (VERSION => 11)":                                "",
		"SELECT 1 FROM lake.signin AT (VERSION => 11) JOIN state.secret USING (a)": "",
	})
	p, err := NewParser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.ConfineSelect("SELECT 1 FROM lake.signin AT (VERSION => 11)", []string{"lake.signin"}); !errors.Is(err, query.ErrRefused) {
		t.Errorf("a pipeline's statement: %v", err)
	}
}
