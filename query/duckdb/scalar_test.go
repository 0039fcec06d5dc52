package duckdb

import (
	"strings"
	"testing"

	"github.com/lakeward/lakeward/query"
)

// TestOurFunctionsAnswerEveryRow looks at vectors whose rows stay as they are,
// change, and become null, of each kind that the engine makes: plain ones, of
// one value, of few values, and filtered.
func TestOurFunctionsAnswerEveryRow(t *testing.T) {
	e := openEngine(t, Options{})
	s := openSession(t, e, query.View{}, query.Options{})
	const of = " FROM range(5000) r(i)) WHERE i % 3 <> 0"
	for _, c := range []struct{ texts, call, count, want string }{
		{"'a' || i", "one_name(t)", "t", "3333|3333"},
		{"'A' || i", "one_name(t)", "lower(t)", "3333|3333"},
		{"CASE WHEN i % 2 = 0 THEN 'a' || i END", "one_name(t)", "t", "1666|3333"},
		{"CASE WHEN i % 2 = 0 THEN 'a long name of ' || i ELSE ' A LONG NAME OF ' || i || ' ' END", "one_name(t)",
			"'a long name of ' || i", "3333|3333"},
		{"CASE WHEN i % 2 = 0 THEN '10.0.' || i // 256 || '.' || i % 256 ELSE '-' END", "one_ip(t)",
			"CASE WHEN t <> '-' THEN t END", "1666|3333"},
		{"CASE WHEN i < 4000 THEN 'x' ELSE 'N/A' END", "given(t)", "nullif(t, 'N/A')", "2666|3333"},
		{"['chrome', 'unknown', 'Curl'][1 + i % 3]", "said(t)", "nullif(t, 'unknown')", "1666|3333"},
		{"'Ada'", "one_name(t)", "'ada'", "3333|3333"},
		{"NULL::VARCHAR", "one_ip(t)", "NULL", "0|3333"},
		{"'10.' || i % 2 || '.0.1'", "ip_in(t, '10.1.0.0/16')", "i % 2 = 1", "3333|3333"},
		{"'10.' || i % 2 || '.0.1'", "ip_in(t, '10.' || i % 2 || '.0.0/16')", "true", "3333|3333"},
		{"CASE WHEN i % 2 = 0 THEN '::ffff:10.0.0.1' ELSE 'nowhere' END", "ip_in(t, '10.0.0.0/8')",
			"CASE WHEN i % 2 = 0 THEN true END", "1666|3333"},
		{"'10.0.0.1'", "ip_in(t, CASE WHEN i % 2 = 0 THEN '10.0.0.0/99' ELSE NULL END)", "NULL", "0|3333"},
	} {
		r, err := s.Query(t.Context(), "SELECT count("+c.call+"), count(*) FILTER ("+c.call+" IS NOT DISTINCT FROM "+
			c.count+") FROM (SELECT i, "+c.texts+" AS t"+of)
		got := cells(t, r, err)
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s of %s: %v, want %s", c.call, c.texts, got, c.want)
		}
	}
}

func TestANetworkThatIsWrittenWronglyIsRefused(t *testing.T) {
	e := openEngine(t, Options{})
	for sql, refused := range map[string]bool{
		"SELECT ip_in('10.1.2.3', '10.0.0.0/8')":               false,
		"SELECT ip_in('10.1.2.3', '10.0.0.0/33')":              true,
		"SELECT ip_in('10.1.2.3', 'lan')":                      true,
		"SELECT ip_in('10.1.2.3', n) FROM (SELECT 'lan' AS n)": false,
	} {
		err := e.ConfineSelect(sql, nil)
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), "is not a network") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
