package duckdb

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// statements makes random SELECTs, most of which parse.
type statements struct {
	*rand.Rand
	depth int
}

func (g *statements) pick(of ...string) string { return of[g.IntN(len(of))] }

func (g *statements) many(most int, one func() string) string {
	parts := make([]string, 1+g.IntN(most))
	for i := range parts {
		parts[i] = one()
	}
	return strings.Join(parts, ", ")
}

// maybe is what one makes, or rarely nothing else than nothing.
func (g *statements) maybe(before string, one func() string) string {
	if g.IntN(3) > 0 {
		return ""
	}
	return before + one()
}

func (g *statements) column() string {
	return g.pick("a", "b", "host", "t", "x.a", "f.host", "signin.host", `"user".name`, "src.ip", "unmapped", "f", "n",
		"lake.signin.host", "e")
}

func (g *statements) literal() string {
	return g.pick("1", "-3", "2.5", "'x'", "'2026-01-01'", "NULL", "true", "TIMESTAMP '2026-01-01'", "DATE '2026-01-01'",
		"TIMESTAMPTZ '2026-01-01 00:00:00Z'", "'5'::INTEGER", "99999999999", "INTERVAL 1 HOUR", "?")
}

func (g *statements) function() string {
	return g.pick("count", "sum", "lower", "abs", "ln", "strptime", "getenv", "stddev", "regexp_matches", "min",
		"main.abs", "system.main.lower", "random", "from_base64", "date_trunc", "coalesce", "round", "sleep_ms", "list_value")
}

func (g *statements) expr() string {
	if g.depth++; g.depth > 5 {
		g.depth--
		return g.pick(g.column(), g.literal())
	}
	defer func() { g.depth-- }()
	e := g.expr
	switch g.IntN(24) {
	case 0, 1, 2, 3:
		return g.column()
	case 4, 5:
		return g.literal()
	case 6, 7, 8:
		return fmt.Sprintf("(%s %s %s)", e(), g.pick("+", "-", "*", "/", "//", "%", "||", "->>"), e())
	case 9, 10:
		return fmt.Sprintf("%s(%s)%s", g.function(), g.many(2, e), g.maybe(" FILTER (WHERE ", func() string { return e() + ")" }))
	case 11:
		return fmt.Sprintf("%s(%s) OVER (%s%s)", g.pick("sum", "lag", "row_number", "getenv"), e(),
			g.maybe("PARTITION BY ", e), g.maybe(" ORDER BY ", e))
	case 12:
		return fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END", g.condition(), e(), e())
	case 13:
		return fmt.Sprintf("%s(%s AS %s)", g.pick("CAST", "TRY_CAST"), e(),
			g.pick("DOUBLE", "BIGINT", "VARCHAR", "DECIMAL(10,2)", "TIMESTAMP", "STRUCT(a INTEGER)", "foo", "FLOAT[]"))
	case 14:
		return fmt.Sprintf("(%s)", g.query())
	case 15:
		return fmt.Sprintf("list_transform([%s], lambda x: %s)", g.many(2, e), e())
	case 16:
		return fmt.Sprintf("{'k': %s}", e())
	case 17:
		return fmt.Sprintf("%s COLLATE nocase", g.column())
	case 18:
		return fmt.Sprintf("(%s)[%s]", e(), g.pick("1", "1:2", "'k'"))
	case 19:
		return fmt.Sprintf("sum(%s ORDER BY %s)", e(), e())
	case 20:
		return fmt.Sprintf("struct_pack(k := %s)", e())
	default:
		return g.condition()
	}
}

func (g *statements) condition() string {
	if g.depth++; g.depth > 6 {
		g.depth--
		return g.pick("true", "a = 1")
	}
	defer func() { g.depth-- }()
	e := g.expr
	switch g.IntN(14) {
	case 0, 1, 2:
		return fmt.Sprintf("%s %s %s", g.column(), g.pick("=", "<", ">=", "<>", "=", "IS DISTINCT FROM"), g.literal())
	case 3:
		return fmt.Sprintf("%s %s %s", g.literal(), g.pick("=", "<", ">="), g.column())
	case 4, 5, 6:
		return fmt.Sprintf("(%s AND %s)", g.condition(), g.condition())
	case 7:
		return fmt.Sprintf("(%s OR %s)", g.condition(), g.condition())
	case 8:
		return fmt.Sprintf("%s BETWEEN %s AND %s", g.column(), g.literal(), g.literal())
	case 9:
		return fmt.Sprintf("%s %s (%s)", e(), g.pick("IN", "NOT IN"), g.many(3, g.literal))
	case 10:
		return fmt.Sprintf("%s IN (%s)", e(), g.query())
	case 11:
		return fmt.Sprintf("EXISTS (%s)", g.query())
	case 12:
		return fmt.Sprintf("NOT (%s)", g.condition())
	default:
		return fmt.Sprintf("%s %s %s", e(), g.pick("=", "<", ">"), e())
	}
}

func (g *statements) table() string {
	if g.depth++; g.depth > 4 {
		g.depth--
		return "lake.signin"
	}
	defer func() { g.depth-- }()
	name := g.pick("lake.signin", "lake.signin", "analytics.findings", "analytics.main.findings", "state.secret", "c", "d",
		"signin", "Lake.SignIn", "lake.nosuch", "'file.parquet'", "system.information_schema.tables")
	switch g.IntN(14) {
	case 0, 1, 2, 3, 4:
		return name
	case 5, 6:
		return name + g.pick(" f", " AS x", " AS e(a, b)", " TABLESAMPLE 10%")
	case 7:
		return fmt.Sprintf("%s %s %s USING (n)", g.table(), g.pick("JOIN", "LEFT JOIN", "ANTI JOIN"), g.table())
	case 8:
		return fmt.Sprintf("%s JOIN %s ON %s", g.table(), g.table(), g.condition())
	case 9:
		return fmt.Sprintf("%s%s%s", g.table(), g.pick(", ", " NATURAL JOIN ", " POSITIONAL JOIN "), g.table())
	case 10:
		return fmt.Sprintf("(%s) AS s", g.query())
	case 11:
		return g.pick("range(3) r(a)", "unnest([1]) u", "read_text('/etc/passwd')", "json_each('{}')", "glob('*')")
	case 12:
		return g.pick("(VALUES (1, 'a')) v(a, b)", "(DESCRIBE lake.signin)", "(SUMMARIZE lake.signin)", "(SHOW TABLES)")
	default:
		return g.pick("(PIVOT lake.signin ON a IN ('x') USING sum(n))", "(UNPIVOT lake.signin ON a, b)")
	}
}

func (g *statements) query() string {
	if g.depth++; g.depth > 5 {
		g.depth--
		return "SELECT 1"
	}
	defer func() { g.depth-- }()
	item := func() string {
		return g.pick(g.expr(), g.expr(), g.expr()+" AS m", g.pick("*", "f.*", "* EXCLUDE (a)", "* REPLACE (1 AS a)", "#1",
			"COLUMNS('a')"))
	}
	from := g.maybe(" FROM ", g.table)
	if g.IntN(2) == 0 {
		from = " FROM " + g.pick("lake.signin", "analytics.findings f", "lake.signin f", "analytics.findings")
	}
	q := "SELECT " + g.pick("", "", "DISTINCT ") + g.many(3, item) + from + g.maybe(" WHERE ", g.condition) +
		g.maybe(" GROUP BY ", func() string { return g.pick("ALL", "ROLLUP (a, b)", g.column()) }) +
		g.maybe(" HAVING ", g.condition) + g.maybe(" QUALIFY ", g.condition)
	if g.IntN(6) == 0 {
		q = fmt.Sprintf("(%s) %s (%s)", q, g.pick("UNION", "UNION ALL BY NAME", "EXCEPT", "INTERSECT"), g.query())
	}
	if g.IntN(6) == 0 {
		q = fmt.Sprintf("WITH %s c AS (%s), d AS MATERIALIZED (%s) %s", g.pick("", "RECURSIVE"), g.query(),
			g.pick("SELECT 1 UNION ALL SELECT a FROM d", g.query()), q)
	}
	return q + g.maybe(" ORDER BY ", func() string { return g.expr() + g.pick("", " DESC", " NULLS FIRST") }) +
		g.maybe(" LIMIT ", func() string { return g.pick("3", "10%", "3 OFFSET 1", "?") })
}
