package hostile

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query/duckdb"
)

// allowList has every function that a reader may call.
const allowList = "query/duckdb/functions.txt"

// Texts that a reader writes, or an attacker published (lake.hostile).
const (
	brackets = `repeat('[', 200000)`
	nested   = `(repeat('[', 200000) || repeat(']', 200000))`
	objects  = `(repeat('{"a":', 100000) || '1' || repeat('}', 100000))`
	long     = `repeat('ab', 500000)`
	letters  = `repeat('éẞ', 200000)`
)

// corpus is every statement, each function's first.
func corpus(ctx context.Context, root string) ([]string, error) {
	list, err := os.ReadFile(root + allowList)
	if err != nil {
		return nil, fmt.Errorf("read the allow list: %w", err)
	}
	known, err := signatures(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the engine's functions: %w", err)
	}
	var out []string
	for _, f := range strings.Fields(string(list)) {
		out = append(out, callsOf(f, known[f])...)
	}
	return slices.Concat(out, growth(), deep(), jsons(), slow(), casts()), nil
}

// signature is one form of a function.
type signature struct {
	kind  string
	types []string
	more  string // type of further arguments; empty: none
}

func signatures(ctx context.Context) (map[string][]signature, error) {
	c, err := duckdb.Scratch(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close() // it holds nothing
	r, err := c.Query(ctx, `SELECT function_name, function_type, array_to_string(list_transform(parameters, lambda p, i: coalesce(parameter_types[i], 'VARCHAR')), ';'),
		coalesce(varargs, '') FROM duckdb_functions() WHERE schema_name = 'main' AND function_type IN ('scalar', 'aggregate', 'macro') ORDER BY ALL`)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	out := map[string][]signature{}
	for r.Next() {
		text := func(col, row int) string {
			return strings.Clone(r.RecordBatch().Column(col).(*array.String).Value(row))
		}
		for i := range int(r.RecordBatch().NumRows()) {
			s := signature{kind: text(1, i), more: text(3, i)}
			if types := text(2, i); types != "" {
				s.types = strings.Split(types, ";")
			}
			out[text(0, i)] = append(out[text(0, i)], s)
		}
	}
	return out, r.Err()
}

const formsEach = 2 // of a function's signatures, those with most arguments

// callsOf calls a function with extreme arguments.
func callsOf(f string, forms []signature) []string {
	if !isWord(f) {
		return []string{operator(f)}
	}
	if len(forms) == 0 { // the parser knows it: a window function, or unnest
		return []string{fmt.Sprintf(`SELECT max(v) FROM (SELECT %s(%s) OVER (ORDER BY i) AS v FROM range(3000000) t(i))`, f,
			windowArgs[f])}
	}
	forms = slices.Clone(forms)
	slices.SortStableFunc(forms, func(a, b signature) int { return len(b.types) - len(a.types) })
	var out []string
	for _, s := range forms[:min(len(forms), formsEach)] {
		var args []string
		for i, t := range s.types {
			args = append(args, extreme(t, i))
		}
		if s.more != "" {
			args = append(args, extreme(s.more, len(args)), extreme(s.more, len(args)+1))
		}
		call := fmt.Sprintf("%s(%s)", f, strings.Join(args, ", "))
		if s.kind == "aggregate" {
			out = append(out, fmt.Sprintf("SELECT %s FROM range(2000) t(i)", call))
			continue
		}
		out = append(out, "SELECT "+call, fmt.Sprintf("SELECT max(length(CAST(%s AS VARCHAR))) FROM range(100000) t(i)",
			call))
	}
	return out
}

func isWord(f string) bool {
	return f[0] == '_' || f[0] >= 'a' && f[0] <= 'z'
}

var windowArgs = map[string]string{"ntile": "9223372036854775807", "lag": long + ", 9223372036854775807",
	"lead":        "i, -9223372036854775807",
	"first_value": "repeat('x', 1000)", "last_value": "i", "nth_value": "i, 9223372036854775807", "fill": "i",
	"grouping": "i", "grouping_id": "i", "unnest": "range(1000000000)"}

func operator(f string) string {
	switch f {
	case "!__postfix":
		return `SELECT 9223372036854775807::HUGEINT !`
	case "@":
		return `SELECT @ (-9223372036854775808)`
	case "||":
		return fmt.Sprintf("SELECT length(string_agg(%s || i, '')) FROM range(100000) t(i)", long)
	case "~", "!~~", "!~~*", "~~", "~~*", "~~~", "^@":
		return fmt.Sprintf("SELECT count(*) FROM range(100000) t(i) WHERE (%s || i) %s '%%a%%b%%a%%b%%a%%c'", long, f)
	case "&&", "@>", "<@", "<->", "<=>":
		return fmt.Sprintf("SELECT range(5000000) %s range(5000000)", f)
	default:
		return fmt.Sprintf("SELECT 9223372036854775807::HUGEINT %s 9223372036854775807::HUGEINT", f)
	}
}

// extreme is an argument of a type at which one of its kind is unreasonable.
func extreme(t string, at int) string {
	switch {
	case strings.HasSuffix(t, "[]"):
		return `range(3000000)`
	case strings.Contains(t, "INT64"), strings.Contains(t, "BIGINT"), strings.Contains(t, "HUGEINT"):
		return []string{"2000000000", "9223372036854775807", "-9223372036854775807"}[at%3]
	case strings.Contains(t, "INT"):
		return []string{"2147483647", "100"}[at%2]
	case t == "DOUBLE", t == "FLOAT", strings.HasPrefix(t, "DECIMAL"):
		return []string{"1e308", "'nan'::DOUBLE"}[at%2]
	case t == "BOOLEAN":
		return "true"
	case t == "BLOB":
		return letters + "::BLOB"
	case t == "BIT":
		return "repeat('10', 500000)::BIT"
	case strings.HasPrefix(t, "TIMESTAMP"):
		return "'infinity'::" + t
	case t == "DATE":
		return "DATE '5881580-07-10'"
	case strings.HasPrefix(t, "TIME"):
		return "TIME '24:00:00'"
	case t == "INTERVAL":
		return "INTERVAL 2147483647 MONTH"
	case strings.HasPrefix(t, "MAP"):
		return "map(range(300000), range(300000))"
	case strings.HasPrefix(t, "STRUCT"):
		return "{'a': " + brackets + "}"
	case t == "JSON":
		return nested
	case t == "LAMBDA":
		return "lambda x: x"
	default:
		return []string{brackets, long, letters}[at%3]
	}
}

// growth allocates without a bound, if it is let.
func growth() (out []string) {
	const most = "1000000000"
	for _, e := range []string{
		"repeat('x', " + most + ")", "repeat('xyzzy', 4000000000)", "repeat(repeat('x', 100000), 100000)",
		"repeat([1], " + most + ")", "repeat('x'::BLOB, " + most + ")",
		"range(" + most + ")", "range(9223372036854775807)", "generate_series(1, " + most + ")",
		"range(DATE '0001-01-01', DATE '9999-12-31', INTERVAL 1 MILLISECOND)",
		"list_resize([1], " + most + ")", "list_resize([" + long + "], 100000000)", "array_resize([1], " + most + ", 2)",
		"lpad('x', " + most + ", 'y')", "rpad('x', 2147483647, 'y')", "lpad('é', " + most + ", 'ß')",
		"translate(" + long + ", 'ab', '" + strings.Repeat("é", 50) + "')", "replace(" + long + ", 'a', " + long + ")",
		"regexp_replace(" + long + ", 'a', " + long + ", 'g')", "regexp_split_to_array(" + long + ", '')",
		"string_split(" + long + ", '')",
		"flatten(list_transform(range(100000), lambda x: range(100000)))",
		"list_transform(range(100000), lambda x: repeat('x', 100000))",
		"list_reduce(list_transform(range(60), lambda x: 'x'), lambda a, b: a || a || b)",
		"list_zip(range(100000000), range(100000000))",
		"list_concat(range(100000000), range(100000000))", "list_sort(range(300000000))", "list_distinct(range(100000000))",
		"list_reverse(range(300000000))",
		"array_to_string(range(100000000), " + long + ")", "list_aggregate(range(100000000), 'string_agg', ',')",
		"list_histogram(range(50000000))",
		"map(range(50000000), range(50000000))", "map_entries(map(range(20000000), range(20000000)))",
		"bitstring('1', 2147483647)", "bitstring_agg(1, 0, 2147483640)",
		"printf('%2000000000d', 1)", "format('{:2000000000d}', 1)", "bar(1, 0, 1, 1e9)", "to_base(1, 2, 2147483647)",
		"bin(repeat('x', 300000000))", "hex(repeat('x', 300000000))",
		"to_base64(repeat('x', 500000000)::BLOB)", "url_encode(repeat('é', 300000000))", "upper(repeat('ß', 300000000))",
		"strip_accents(repeat('é', 300000000))",
		"struct_pack(a := repeat('x', " + most + "))", "to_json(range(100000000))",
		"json_array(range(50000000), range(50000000))", "json_object('a', repeat('x', " + most + "))",
		"concat(repeat('x', " + most + "), repeat('y', " + most + "))",
		"concat_ws(repeat('x', 100000000), 'a', 'b', 'c', 'd', 'e')", "equi_width_bins(0, 1000000000, 1000000000, false)",
		"list_value(repeat('a', 500000000), repeat('b', 500000000))", "reverse(repeat('x', " + most + "))",
		"factorial(2147483647)", "enum_range(NULL::ENUM('a'))", "md5(repeat('x', " + most + "))",
	} {
		out = append(out, "SELECT length(CAST("+e+" AS VARCHAR))", "SELECT "+e)
	}
	for _, e := range []string{
		"string_agg(repeat('x', 1000), ',')", "array_agg(repeat('x', 1000))", "list(i)", "quantile(i, 0.5)",
		"quantile_cont(i, [0.1, 0.5, 0.9])", "quantile_disc(repeat('x', 100) || i, 0.5)",
		"median(i)", "mad(i)", "mode(i)", "histogram(i)", "histogram_exact(i, [1])", "count(DISTINCT repeat('x', 100) || i)",
		"json_group_array(repeat('x', 100))", "json_group_object(i, repeat('x', 100))",
		"map(list(i), list(i))", "entropy(i)", "approx_top_k(repeat('x', 1000) || i, 100000)",
		"reservoir_quantile(i, 0.5, 1000000000)", "arg_max(i, repeat('x', 100) || i, 100000)", "max(i, 100000)",
		"min_by(repeat('x', 10000), i, 100000)", "bitstring_agg(i, 0, 2000000000)",
		"first(repeat('x', 1000) ORDER BY hash(i))", "listagg(repeat('x', 1000) || i, '' ORDER BY hash(i))", "product(i)",
		"sum(list_sum(range(i)))",
	} {
		out = append(out, "SELECT length(CAST("+e+" AS VARCHAR)) FROM range(1000000000) t(i)",
			"SELECT max(length(CAST(v AS VARCHAR))) FROM (SELECT i % 1000000 AS g, "+e+
				" AS v FROM range(100000000) t(i) GROUP BY g)")
	}
	return append(out,
		"SELECT unnest(range(1000000000))", "SELECT count(*) FROM (SELECT unnest(range(1000000000)) AS i) a, (SELECT "+
			"unnest(range(1000000)) AS j) b",
		"SELECT * FROM generate_series(1, 9223372036854775807)", "SELECT unnest(list_transform(range(1000000), lambda x: "+
			"range(1000000)))",
		"SELECT * FROM range(1000000000) a(i) ORDER BY hash(i)", "SELECT count(*) FROM range(1000000000) a(i) JOIN "+
			"range(1000000000) b(j) ON i % 1000 = j % 1000",
		"WITH RECURSIVE r AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r",
		"WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r",
		"WITH RECURSIVE r AS (SELECT [1] AS l UNION ALL SELECT list_concat(l, l) FROM r) SELECT max(len(l)) FROM r",
		"PIVOT (SELECT i, i % 5000 AS p FROM range(100000) t(i)) ON p USING sum(i)",
		"SELECT * FROM (SELECT repeat('x', 100000) AS s FROM range(1000000)) ORDER BY s",
		"SELECT sum(n) OVER (ORDER BY i ROWS BETWEEN 1000000 PRECEDING AND 1000000 FOLLOWING) FROM (SELECT i, i % 7 AS n "+
			"FROM range(50000000) t(i))",
		"SELECT list(i) OVER (ORDER BY i) FROM range(1000000) t(i)",
		"SELECT string_agg(i, ',') OVER (ORDER BY i) FROM range(100000) t(i)",
		"SELECT quantile(i, 0.5) OVER (ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM range(10000000) "+
			"t(i)",
		"SELECT DISTINCT repeat('x', 1000) || i FROM range(100000000) t(i)", "SELECT count(*) FROM range(100000) a, "+
			"range(100000) b, range(100000) c")
}

// deep is SQL that is nested itself.
func deep() (out []string) {
	wrap := func(n int, open, core, end string) string {
		return strings.Repeat(open, n) + core + strings.Repeat(end, n)
	}
	for _, n := range []int{500, 5_000, 50_000} {
		out = append(out,
			"SELECT "+wrap(n, "(", "1", ")"), "SELECT "+wrap(n, "[", "1", "]"), "SELECT "+wrap(n, "{'a': ", "1", "}"),
			"SELECT "+wrap(n, "abs(", "1", ")"),
			"SELECT "+wrap(n, "NOT ", "true", ""), "SELECT "+wrap(n, "- ", "1", ""), "SELECT 1"+strings.Repeat(" + 1", n),
			"SELECT true"+strings.Repeat(" AND i = 1", n)+" FROM range(9) t(i)",
			"SELECT "+wrap(n, "CASE WHEN true THEN ", "1", " END"), "SELECT * FROM "+wrap(n, "(SELECT * FROM ", "range(1)", ")"),
			"SELECT "+wrap(n, "(SELECT ", "1", ")"),
			strings.Repeat("SELECT 1 UNION ALL ", n)+"SELECT 1", "SELECT 'a'"+strings.Repeat(" || 'a'", n),
			"SELECT 1 IN (1"+strings.Repeat(", 1", n)+")",
			"SELECT CAST(NULL AS INT"+strings.Repeat("[]", n)+")", "SELECT CAST(NULL AS "+wrap(n, "STRUCT(a ", "INT", ")")+")",
			"SELECT list_transform([1], "+wrap(n, "lambda x: list_transform([x], ", "lambda y: y", ")")+")",
			"SELECT "+wrap(n, "coalesce(", "1", ", 1)"), "SELECT (1).a"+strings.Repeat(".a", n),
			"SELECT [1]"+strings.Repeat("[1]", n))
	}
	return out
}

// jsons reads texts of an attacker: written in the statement, and published.
func jsons() (out []string) {
	for _, text := range []string{nested, objects, brackets, "text"} {
		from := ""
		if text == "text" {
			from = " FROM lake.hostile"
		}
		for _, e := range []string{
			"json_structure(%s)", "json_valid(%s)", "json_type(%s)", "json_keys(%s)", "json_array_length(%s)", "json_pretty(%s)",
			"json_extract(%s, '$..a')", "json_extract(%s, '$[*][*]')", "json_extract_string(%s, '$')",
			"json_merge_patch(%[1]s, %[1]s)", "json_contains(%[1]s, %[1]s)", "json_transform(%s, '{\"a\":\"JSON\"}')",
			"from_json(%s, '[[[\"INT\"]]]')", "json_transform_strict(%s, '[\"JSON\"]')", "json_exists(%s, '$.a.a.a')",
			"json_value(%s, '$')", "json_quote(%s)", "to_json(%s)", "json(%s)", "json_group_structure(%s)",
			"json_group_array(%s)", "array_to_json([%s])", "json_object('a', %s)", "json_extract(%[1]s, %[1]s)",
			"json_transform('[]', %s)", "json_array(%s)", "row_to_json({'a': %s})",
		} {
			out = append(out, "SELECT length(CAST("+fmt.Sprintf(e, text)+" AS VARCHAR))"+from)
		}
	}
	return out
}

// slow computes where nobody looks whether it may go on.
func slow() (out []string) {
	for _, e := range []string{
		"levenshtein(%[1]s, reverse(%[1]s))", "damerau_levenshtein(%[1]s, reverse(%[1]s))",
		"editdist3(%[1]s, reverse(%[1]s))", "jaccard(%[1]s, reverse(%[1]s))", "jaro_similarity(%[1]s, reverse(%[1]s))",
		"jaro_winkler_similarity(%[1]s, reverse(%[1]s))",
		"hamming(%[1]s, reverse(%[1]s))", "mismatches(%[1]s, reverse(%[1]s))", "trim(%[1]s, reverse(%[1]s))",
		"ltrim(%[1]s, %[1]s)", "rtrim(%[1]s, %[1]s)", "strip_accents(%[1]s)", "translate(%[1]s, %[1]s, %[1]s)",
		"regexp_matches(%[1]s, '(a*)*b(a*)*c')", "regexp_full_match(%[1]s, '((a|b)*)*x')",
		"regexp_extract_all(%[1]s, '(a|b)')", "regexp_replace(%[1]s, '(.*)(.*)(.*)x', '')",
		"regexp_matches('a', repeat('(', 1000) || repeat(')*', 1000))",
		"regexp_matches(%[1]s, '(((a{0,1000}){0,1000}){0,1000})x')",
		"%[1]s LIKE '%%a%%a%%a%%a%%a%%x'", "%[1]s SIMILAR TO '(a|b)*x'", "%[1]s GLOB '*a*a*a*a*a*x'",
		"contains(%[1]s, repeat('ab', 200000) || 'x')", "position(repeat('ab', 200000) || 'x' IN %[1]s)",
		"instr(%[1]s, repeat('a', 300000))",
		"split_part(%[1]s, '', 2147483647)", "substring_grapheme(%[1]s, 1, 2147483647)", "length_grapheme(%[1]s)",
		"left_grapheme(%[1]s, 999999)", "icu_sort_key(%[1]s, 'de')", "nfc_normalize(%[1]s)",
		"list_contains(string_split(%[1]s, 'a'), 'x')",
		"list_has_all(string_split(%[1]s, 'a'), string_split(%[1]s, 'b'))", "list_position(range(100000000), -1)",
		"list_intersect(range(10000000), range(10000000))", "list_cosine_similarity(range(10000000), range(10000000))",
		"strptime(%[1]s, '%%Y')", "try_strptime(%[1]s, %[1]s)", "strftime(now()::TIMESTAMP, %[1]s)",
		"formatReadableSize(9223372036854775807)", "unicode(%[1]s)",
	} {
		out = append(out, "SELECT length(CAST("+fmt.Sprintf(e, "text")+" AS VARCHAR)) FROM lake.hostile",
			"SELECT length(CAST("+fmt.Sprintf(e, long)+" AS VARCHAR))")
	}
	return out
}

// casts make lists and structs of texts.
func casts() (out []string) {
	for _, t := range []string{"INT[]", "VARCHAR[]", "JSON", "JSON[]", "INT[][][][]", "STRUCT(a INT)",
		"MAP(VARCHAR, VARCHAR)", "UUID", "BIT", "BLOB", "HUGEINT", "DECIMAL(38,10)", "TIMESTAMP", "DATE", "INTERVAL",
		"DOUBLE", "VARCHAR[3]", "UNION(a INT, b VARCHAR)", "TIME", "BIGNUM"} {
		for _, text := range []string{nested, brackets, "('[' || repeat('1,', 3000000) || '1]')", "repeat('9', 3000000)"} {
			out = append(out, fmt.Sprintf("SELECT TRY_CAST(%s AS %s)", text, t))
		}
		out = append(out, fmt.Sprintf("SELECT max(length(CAST(CAST(text AS %s) AS VARCHAR))) FROM lake.hostile", t))
	}
	return out
}
