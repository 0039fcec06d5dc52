package duckdb

import (
	"fmt"
	"testing"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

func TestOnlyWhatEveryRowNeedsNarrowsAView(t *testing.T) {
	p, err := NewParser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	view := query.TableView{Name: "signin", Schema: tiers.Schema{Fields: []tiers.Field{
		str(1, "host"), long(2, "n"), {ID: 3, Name: "user",
			Type: tiers.Type{Kind: tiers.KindStruct, Fields: []tiers.Field{str(4, "name"), str(5, "uid"), str(8, "Uid")}}},
		{ID: 6, Name: "src", Type: tiers.Type{Kind: tiers.KindStruct, Fields: []tiers.Field{str(7, "ip")}}}}}}
	for sql, want := range map[string]string{
		`SELECT * FROM lake.signin WHERE "user".name = 'ada'`:                                                        "[{4 ada}]",
		`SELECT * FROM lake.signin WHERE 'ada' = "user".NAME AND n > 3 AND (src.ip = '::1' AND true)`:                "[{4 ada} {7 ::1}]",
		`SELECT count(*) FROM lake.signin s WHERE s.user.name = 'o''hara' GROUP BY host HAVING count(*) > 1`:         "[{4 o'hara}]",
		`SELECT * FROM lake.signin WHERE signin.host = 'h'`:                                                          "[{1 h}]",
		`WITH x AS (SELECT * FROM lake.signin WHERE host = 'h') SELECT * FROM x JOIN analytics.findings f USING (n)`: "[{1 h}]",
		`SELECT * FROM lake.signin WHERE host = 'h' AND n IN (SELECT n FROM analytics.findings WHERE entity = 'x')`:  "[{1 h}]",
		`SELECT * FROM lake.signin WHERE "user".name = 'ada' OR n = 1`:                                               "[]",
		`SELECT * FROM lake.signin WHERE NOT ("user".name = 'ada')`:                                                  "[]",
		`SELECT * FROM lake.signin WHERE "user".name <> 'ada'`:                                                       "[]",
		`SELECT * FROM lake.signin WHERE lower("user".name) = 'ada'`:                                                 "[]",
		`SELECT * FROM lake.signin WHERE "user".name = host`:                                                         "[]",
		`SELECT * FROM lake.signin WHERE "user".name = NULL`:                                                         "[]",
		`SELECT * FROM lake.signin WHERE "user".name COLLATE NOCASE = 'ada'`:                                         "[]",
		`SELECT * FROM lake.signin WHERE "user".uid = '7'`:                                                           "[]",
		`SELECT * FROM lake.signin WHERE n = '7'`:                                                                    "[]",
		`SELECT * FROM lake.signin`:                                                                                  "[]",
		`SELECT * FROM lake.signin AS "user" WHERE "user".name = 'ada'`:                                              "[]",
		`SELECT * FROM lake.signin AS s(a, b, c, d) WHERE a = 'h'`:                                                   "[]",
		`SELECT * FROM lake.signin USING SAMPLE 3 ROWS`:                                                              "[]",
		`SELECT * FROM lake.signin TABLESAMPLE reservoir(3) WHERE host = 'h'`:                                        "[]",
		`SELECT * FROM lake.signin a JOIN lake.signin b USING (n) WHERE a.host = 'h'`:                                "[]",
		`SELECT * FROM analytics.findings f LEFT JOIN lake.signin s ON s.n = f.n WHERE s.host = 'h'`:                 "[]",
		`SELECT (SELECT count(*) FROM lake.signin) FROM lake.signin WHERE host = 'h'`:                                "[]",
		`SELECT * FROM lake.signin WHERE host = 'h' UNION ALL SELECT * FROM lake.signin`:                             "[]",
		`WITH signin AS (SELECT 1 AS host) SELECT * FROM lake.signin, signin`:                                        "[]",
		`SELECT count(*) FILTER (WHERE host = 'h') FROM lake.signin`:                                                 "[]",
		`SELECT * FROM lake.signin QUALIFY row_number() OVER (ORDER BY n) = 1 AND host = 'h'`:                        "[]",
		`SELECT * FROM lake.other WHERE host = 'h'`:                                                                  "[]",
	} {
		node, err := p.parse(sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		if got := fmt.Sprint(required(node, view)); got != want {
			t.Errorf("%s\n  %s, want %s", sql, got, want)
		}
	}
}
