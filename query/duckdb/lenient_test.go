package duckdb

import (
	"slices"
	"strings"
	"testing"
)

func TestConversionsAreMadeLenient(t *testing.T) {
	p, err := NewParser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, c := range []struct {
		expr, want string
		misfits    []string
	}{
		{"count(*) FILTER (a = 'x')", "count(*) FILTER (a = 'x')", nil},
		{"ip::VARCHAR = DATE '2026-01-01'", "ip::VARCHAR = DATE '2026-01-01'", nil},
		{"sum(bytes::BIGINT)", "sum(TRY_CAST(bytes AS BIGINT))",
			[]string{"(bytes) IS NOT NULL AND (TRY_CAST(bytes AS BIGINT)) IS NULL"}},
		{"max(a)::DOUBLE", "TRY_CAST(max(a) AS DOUBLE)", nil}, // of no row
		{"strptime(a, '%Y') > b", "(try_strptime(a, '%Y') > b)",
			[]string{"(a) IS NOT NULL AND (try_strptime(a, '%Y')) IS NULL"}},
		{"ln(sum(x)) + ln(y)", "(list_transform(main.list_value(struct_pack(a0 := sum(x))), (lakeward_args -> " +
			"TRY(ln(lakeward_args.a0))))[1] + TRY(ln(y)))", nil},
		{"sqrt(count(*) - 2)", "list_transform(main.list_value(struct_pack(a0 := (count_star() - 2))), (lakeward_args -> " +
			"TRY(sqrt(lakeward_args.a0))))[1]", nil},
		{"1 - max(a)", "list_transform(main.list_value(struct_pack(a1 := max(a))), (lakeward_args -> TRY((1 - " +
			"lakeward_args.a1))))[1]", nil},
		{"(count(*) - sum(x)) * 2.0 / count(y)", "(count(*) - sum(x)) * 2.0 / count(y)", nil},
		{"sum(a + b) - INTERVAL 1 HOUR", "(sum(TRY((a + b))) - to_hours(CAST(trunc(CAST(1 AS DOUBLE)) AS BIGINT)))",
			[]string{"(TRY((a + b))) IS NULL AND (a) IS NOT NULL AND (b) IS NOT NULL"}},
		{"-a < 1 + 2", "(TRY(-(a)) < (1 + 2))", []string{"(TRY(-(a))) IS NULL AND (a) IS NOT NULL"}},
		{"stddev(a)", "stddev(CASE  WHEN ((abs(TRY_CAST(a AS DOUBLE)) < 1e+150)) THEN (a) ELSE NULL END)", nil},
		{"sum(a::DOUBLE)", "sum(CASE  WHEN (isfinite(TRY_CAST(a AS DOUBLE))) THEN (TRY_CAST(a AS DOUBLE)) ELSE NULL END)",
			[]string{"(a) IS NOT NULL AND (CASE  WHEN (isfinite(TRY_CAST(a AS DOUBLE))) THEN (TRY_CAST(a AS DOUBLE)) ELSE " +
				"NULL END) IS NULL"}},
		{"struct_pack(k := a::DOUBLE)", "struct_pack(k := CASE  WHEN (isfinite(TRY_CAST(a AS DOUBLE))) THEN (TRY_CAST(a AS " +
			"DOUBLE)) ELSE NULL END)", []string{"(a) IS NOT NULL AND (CASE  WHEN (isfinite(TRY_CAST(a AS DOUBLE))) THEN " +
			"(TRY_CAST(a AS DOUBLE)) ELSE NULL END) IS NULL"}},
		{"a = 'x' AND b IN ('y', 'z')", "a = 'x' AND b IN ('y', 'z')", nil},
		{"a.port = 22", "CASE  WHEN ((typeof(a.port) = 'VARCHAR')) THEN (TRY((a.port = 22))) ELSE (a.port = 22) END",
			[]string{"typeof(a.port) = 'VARCHAR' AND (a.port) IS NOT NULL AND TRY((a.port = 22)) IS NULL"}},
		{"1.5 > a", "CASE  WHEN ((typeof(a) = 'VARCHAR')) THEN (TRY((1.5 > a))) ELSE (1.5 > a) END",
			[]string{"typeof(a) = 'VARCHAR' AND (a) IS NOT NULL AND TRY((1.5 > a)) IS NULL"}},
		{"a IN (1, 2)", "CASE  WHEN ((typeof(a) = 'VARCHAR')) THEN (TRY((a IN (1, 2)))) ELSE (a IN (1, 2)) END",
			[]string{"typeof(a) = 'VARCHAR' AND (a) IS NOT NULL AND TRY((a IN (1, 2))) IS NULL"}},
		// A pattern of the pipeline's own that is none is its mistake.
		{"regexp_matches(a, '(')", "regexp_matches(a, '(')", nil},
		{"regexp_matches('x', a)", "TRY(regexp_matches('x', a))", nil},
		{"date_trunc(a, b)", "TRY(date_trunc(a, b))", nil},
		{"params->>'$.a'", "TRY((params ->> '$.a'))", nil},
		{"unmapped->>'$.a' = 'b'", "unmapped->>'$.a' = 'b'", nil},
		{"bytes * 8 + n", "TRY(((bytes * 8) + n))", []string{"(TRY(((bytes * 8) + n))) IS NULL AND (bytes) IS NOT NULL " +
			"AND (n) IS NOT NULL"}},
		{"sum(a * b) FILTER (a // b > 2)", "sum(TRY((a * b))) FILTER (WHERE (TRY((a // b)) > 2))", []string{
			"(TRY((a * b))) IS NULL AND (a) IS NOT NULL AND (b) IS NOT NULL", "(TRY((a // b))) IS NULL AND (a) IS NOT NULL " +
				"AND (b) IS NOT NULL AND (b) <> 0"}},
		{"a + b = c AND b = 'x' AND c / 2 < 3", "((TRY((a + b)) = c) AND (b = 'x') AND ((c / 2) < 3))",
			[]string{"(TRY((a + b))) IS NULL AND (a) IS NOT NULL AND (b) IS NOT NULL"}},
		{"t > now_ - 3 * 4", "(t > TRY((now_ - (3 * 4))))",
			[]string{"(TRY((now_ - (3 * 4)))) IS NULL AND (now_) IS NOT NULL"}},
		{"n % 0 + random()", "(TRY((n % 0)) + random())",
			[]string{"(TRY((n % 0))) IS NULL AND (n) IS NOT NULL AND (0) <> 0"}},
		{"list_transform(l, lambda x: x::INT)", "list_transform(l, (x -> TRY_CAST(x AS INTEGER)))", nil},
	} {
		got, misfits, err := p.Lenient(c.expr)
		if err != nil || got != c.want || !slices.Equal(misfits, c.misfits) {
			t.Errorf("%s: %s, %q, %v", c.expr, got, misfits, err)
		}
		if err := p.Confine(got, nil); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
}

func TestConversionsOfASelectAreCountedOverItsTable(t *testing.T) {
	p, err := NewParser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	got, counts, err := p.LenientSelect("SELECT host, sum(bytes::BIGINT) AS b FROM seen WHERE ok GROUP BY ALL ORDER BY " +
		"1 LIMIT 3")
	if want := "SELECT host, sum(TRY_CAST(bytes AS BIGINT)) AS b FROM seen WHERE ok GROUP BY ALL ORDER BY 1 LIMIT 3"; err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if want := []string{"SELECT count_star() FROM seen WHERE (bytes) IS NOT NULL AND (TRY_CAST(bytes AS BIGINT)) IS NULL"}; !slices.Equal(counts, want) {
		t.Errorf("%q", counts)
	}
	// A column keeps its name.
	if got, _, err := p.LenientSelect("SELECT a::DOUBLE AS v FROM seen"); err != nil || !strings.HasSuffix(got, " END AS v FROM seen") {
		t.Errorf("%s, %v", got, err)
	}
	// Of two tables it is not known whose rows they are.
	if _, counts, err := p.LenientSelect("SELECT a::INT FROM x JOIN y USING (k)"); err != nil || len(counts) != 0 {
		t.Errorf("%q, %v", counts, err)
	}
}
