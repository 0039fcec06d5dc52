package querytest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lakeward/lakeward/query"
)

// values are an expression of each type, and the type and text that it has.
var values = []struct{ sql, typ, text string }{
	{"true", "bool", "true"},
	{"-7::TINYINT", "int8", "-7"}, {"-7::SMALLINT", "int16", "-7"}, {"-7::INT", "int32", "-7"},
	{"-7::BIGINT", "int64", "-7"},
	{"7::UTINYINT", "uint8", "7"}, {"7::USMALLINT", "uint16", "7"}, {"7::UINTEGER", "uint32", "7"},
	{"7::UBIGINT", "uint64", "7"},
	{"-7::HUGEINT", "decimal(38, 0)", "-7"}, {"7::UHUGEINT", "utf8", "7"},
	{"1.5::FLOAT", "float32", "1.5"}, {"-0.1::DOUBLE", "float64", "-0.1"},
	{"12.30::DECIMAL(4,2)", "decimal(4, 2)", "12.3"}, {"-0.001::DECIMAL(38,10)", "decimal(38, 10)", "-0.001"},
	{"'grüße \U0001F512'", "utf8", "grüße \U0001F512"}, {"''", "utf8", ""}, {`'\x00\xFF'::BLOB`, "binary", "AP8="},
	{"DATE '1969-12-31'", "date32", "1969-12-31"}, {"TIME '23:59:59.999999'", "time64[us]", "23:59:59.999999"},
	{"TIMESTAMP '2026-11-28 11:59:00.123456'", "timestamp[us]", "2026-11-28T11:59:00.123456"},
	{"TIMESTAMP_S '2026-11-28 11:59:00'", "timestamp[s]", "2026-11-28T11:59:00"},
	{"TIMESTAMP_MS '2026-11-28 11:59:00.123'", "timestamp[ms]", "2026-11-28T11:59:00.123"},
	{"TIMESTAMP_NS '2026-11-28 11:59:00.123456789'", "timestamp[ns]", "2026-11-28T11:59:00.123456789"},
	{"TIMESTAMPTZ '2026-11-28 11:59:00.5+02'", "timestamp[us, tz=UTC]", "2026-11-28T09:59:00.5Z"},
	{"INTERVAL '1 month 2 days 3 seconds'", "month_day_nano_interval", `{"months":1,"days":2,"nanoseconds":3000000000}`},
	{"'4ac7a9e9-607c-4c8a-84f3-843f0191e3fd'::UUID", "utf8", "4ac7a9e9-607c-4c8a-84f3-843f0191e3fd"},
	{"'b'::ENUM('a', 'b')", "utf8", "b"}, {`'{"a": [1]}'::JSON`, "utf8", `{"a": [1]}`},
	{"[1, NULL, 3]", "list<element: int32, nullable>", "[1,null,3]"},
	{"[]::INT[]", "list<element: int32, nullable>", "[]"},
	{"[1, 2]::INT[2]", "list<element: int32, nullable>", "[1,2]"},
	{"{'a': 1, 'b': {'c': 'x', 'd': NULL::DATE}}", "struct<a: int32 nullable, b: struct<c: utf8 nullable, d: date32 " +
		"nullable> nullable>", `{"a":1,"b":{"c":"x","d":null}}`},
	{"[{'k': 'a', 'v': [1.5::DECIMAL(3,1)]}]", "list<element: struct<k: utf8 nullable, v: list<element: decimal(3, 1), " +
		"nullable> nullable>, nullable>", `[{"k":"a","v":["1.5"]}]`},
	{"MAP {'a': 1, 'b': NULL}", "map<utf8, int32, items_nullable>", `[{"key":"a","value":1},{"key":"b","value":null}]`},
}

func testValues(c engineCase) {
	s := c.people(query.Options{})
	var list, types, texts []string
	for _, v := range values {
		c.equal(s, v.typ+"\n"+v.text, "SELECT "+v.sql)
		list, types, texts = append(list, v.sql), append(types, v.typ), append(texts, v.text)
	}
	c.equal(s, strings.Join(types, " | ")+"\n"+strings.Join(texts, " | "), "SELECT "+strings.Join(list, ", "))
	r, err := s.Query(c.Context(), `SELECT '{}'::JSON AS j, 'x' AS t`)
	if err != nil {
		c.Fatal(err)
	}
	defer r.Release()
	if got := fmt.Sprint(r.Schema().Field(0).Metadata,
		r.Schema().Field(1).Metadata); got != `["lakeward.type": "json"] []` {
		c.Errorf("columns are marked %s", got)
	}
}

func testNulls(c engineCase) {
	s := c.people(query.Options{})
	for _, v := range values {
		c.equal(s, v.typ+"\n(null)\n"+v.text+"\n(null)",
			fmt.Sprintf("SELECT v FROM range(1, 4) t(i) LEFT JOIN (SELECT 2 AS i, %s AS v) USING (i) ORDER BY i", v.sql))
	}
	c.equal(s, "int32\n(null)", "SELECT NULL")
}

func testBounds(c engineCase) {
	s := c.people(query.Options{})
	c.equal(s, "int8 | int16 | int32 | int64\n-128 | -32768 | -2147483648 | -9223372036854775808",
		"SELECT (-128)::TINYINT, (-32768)::SMALLINT, (-2147483648)::INT, (-9223372036854775808)::BIGINT")
	c.equal(s, "uint64 | utf8\n18446744073709551615 | 340282366920938463463374607431768211455",
		"SELECT 18446744073709551615::UBIGINT, 340282366920938463463374607431768211455::UHUGEINT")
	c.equal(s, "decimal(38, 0) | decimal(38, 2)\n99999999999999999999999999999999999999 | "+
		"-999999999999999999999999999999999999.99",
		"SELECT 99999999999999999999999999999999999999::HUGEINT, '-999999999999999999999999999999999999.99'::DECIMAL(38,2)")
	c.equal(s, "float64 | float64 | float64\n+Inf | -Inf | NaN", "SELECT 'inf'::DOUBLE, '-inf'::DOUBLE, 'nan'::DOUBLE")
	c.equal(s, "date32 | timestamp[us]\n9999-12-31 | 9999-12-31T23:59:59.999999",
		"SELECT DATE '9999-12-31', TIMESTAMP '9999-12-31 23:59:59.999999'")
}

func testHugeTexts(c engineCase) {
	s := c.people(query.Options{})
	for _, q := range []struct {
		sql  string
		want []int
	}{
		{"SELECT repeat('ab', 12000000)", []int{24_000_000}},
		{"SELECT repeat('x', 8000000 * i::INT) FROM range(4) t(i) ORDER BY i", []int{0, 8_000_000, 16_000_000, 24_000_000}},
		{"SELECT [repeat('x', 5000000), repeat('y', 5000000)]", []int{len(`["",""]`) + 10_000_000}},
	} {
		r, err := s.Query(c.Context(), q.sql)
		if err != nil {
			c.Fatal(err)
		}
		var got []int
		for r.Next() {
			col := r.RecordBatch().Column(0)
			for i := range col.Len() {
				got = append(got, len(col.ValueStr(i)))
			}
		}
		if r.Err() != nil || fmt.Sprint(got) != fmt.Sprint(q.want) {
			c.Errorf("%s: texts of %d bytes, want %d: %v", q.sql, got, q.want, r.Err())
		}
		r.Release()
	}
}

func testNoRows(c engineCase) {
	s := c.people(query.Options{})
	for _, v := range values {
		c.equal(s, v.typ, "SELECT "+v.sql+" WHERE false")
	}
	c.works(s)
}

func testManyColumns(c engineCase) {
	s := c.people(query.Options{})
	const n = 3000
	list, types, texts := make([]string, n), make([]string, n), make([]string, n)
	for i := range n {
		list[i], types[i], texts[i] = fmt.Sprintf("%d AS column_%d", i, i), "int32", fmt.Sprint(i)
	}
	c.equal(s, strings.Join(types, " | ")+"\n"+strings.Join(texts, " | "), "SELECT "+strings.Join(list, ", "))
	c.equal(s, "int32 | int32\n1 | 2", "SELECT 1 AS a, 2 AS a")
}

func testManyRows(c engineCase) {
	s := c.people(query.Options{})
	r, err := s.Query(c.Context(), "SELECT i, 'row ' || i FROM range(1000000) t(i) ORDER BY i")
	if err != nil {
		c.Fatal(err)
	}
	defer r.Release()
	n := 0
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			if a, b := rec.Column(0).ValueStr(i), rec.Column(1).ValueStr(i); a != fmt.Sprint(n) || b != "row "+a {
				c.Fatalf("row %d is %s, %s", n, a, b)
			}
			n++
		}
	}
	if n != 1_000_000 || r.Err() != nil {
		c.Errorf("%d rows, %v", n, r.Err())
	}
}

func testParameters(c engineCase) {
	s := c.people(query.Options{})
	at := time.Date(2026, 11, 28, 11, 59, 0, 123456000, time.FixedZone("", 3600))
	for _, p := range []struct {
		value any
		want  string
	}{
		{true, "true"}, {7, "7"}, {int32(-7), "-7"}, {int64(1) << 62, "4611686018427387904"},
		{uint64(1) << 63, "9223372036854775808"},
		{0.1, "0.1"}, {"'; DROP --\n\U0001F512", "'; DROP --\n\U0001F512"}, {"", ""}, {at, "2026-11-28 10:59:00.123456+00"},
		{nil, "(null)"}, {[]byte("ab"), "ab"}, {[]string{"a", "b c"}, "[a, b c]"}, {[]int64{1, -2}, "[1, -2]"},
		{[]float64{0.5}, "[0.5]"},
		{strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20)}, {json.RawMessage(`{"a":1}`), `{"a":1}`},
	} {
		c.equal(s, "utf8\n"+p.want, "SELECT ?::VARCHAR", p.value)
	}
	c.equal(s, "utf8 | utf8 | utf8\nb | a | b", "SELECT $2::VARCHAR, $1::VARCHAR, $2::VARCHAR", "a", "b")
	if _, err := text(c.Context(), s, "SELECT ?::VARCHAR", struct{}{}); err == nil {
		c.Error("a value of no SQL type was accepted")
	}
	if _, err := text(c.Context(), s, "SELECT ?::VARCHAR"); err == nil {
		c.Error("a parameter without a value was accepted")
	}
	c.works(s)
}
