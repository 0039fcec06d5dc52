package duckdb

import (
	"fmt"
	"slices"
	"testing"
)

func TestWhatIsWantedOfARemoteTable(t *testing.T) {
	p, err := NewParser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for sql, want := range map[string]string{
		`SELECT score FROM analytics.findings WHERE score > 3`:                                    "[score] [{score > 3}]",
		`SELECT f.score FROM analytics.findings AS f WHERE 3 < F.Score AND entity = 'ada'`:        "[entity f score] [{score > 3} {entity = ada}]",
		`SELECT a FROM analytics.findings WHERE n BETWEEN 1 AND 2 AND (a = 'x' OR b = 'y')`:       "[a b n] [{n >= 1} {n <= 2}]",
		`SELECT a FROM analytics.findings WHERE t >= TIMESTAMP '2026-01-02'`:                      "[a t] [{t >= 2026-01-02 00:00:00 +0000 UTC}]",
		`SELECT a FROM analytics.findings WHERE NOT (a = 'x') AND b IN ('y') AND c = d`:           "[a b c d] []",
		`SELECT a FROM analytics.findings WHERE a = 'x' UNION SELECT b FROM analytics.findings`:   "[a b] []",
		`SELECT * FROM analytics.findings WHERE a = 'x'`:                                          "all [{a = x}]",
		`SELECT findings FROM analytics.findings`:                                                 "all []",
		`SELECT a FROM analytics.findings AS f(a, b) WHERE a = 'x'`:                               "all []",
		`SELECT a FROM analytics.findings TABLESAMPLE 10% WHERE a = 'x'`:                          "[a] []",
		`SELECT a FROM analytics.findings JOIN analytics.other USING (k) WHERE a = 'x'`:           "[a k] []",
		`SELECT 1 FROM analytics.findings NATURAL JOIN analytics.other`:                           "all []",
		`SELECT a FROM (SELECT a FROM analytics.findings WHERE b = 1) WHERE a = 'x'`:              "[a b] [{b = 1}]",
		`SELECT a FROM analytics.findings WHERE EXISTS (FROM analytics.other o WHERE o.b = c.d)`:  "all []",
		`SELECT a FROM analytics.findings WHERE outer_.a = 'x' AND a = '1'::INTEGER AND a = NULL`: "[a outer_] []",
	} {
		tree, err := p.parse(sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		w := wantOf("findings", tree)
		slices.Sort(w.Columns)
		got := fmt.Sprint(w.Columns, " ", w.Where)
		if w.Columns == nil {
			got = fmt.Sprint("all ", w.Where)
		}
		if got != want {
			t.Errorf("%s\n  %s, want %s", sql, got, want)
		}
	}
}
