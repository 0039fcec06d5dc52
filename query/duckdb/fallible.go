package duckdb

import (
	"slices"
	"strings"

	"github.com/lakeward/lakeward/query/duckdb/syntax"
)

// fallible are the scalar functions and operators that fail on a value that
// they cannot take: of numbers, because the result is out of their range.
const fallible = " + - * << >> abs @ gcd greatest_common_divisor lcm least_common_multiple !__postfix" +
	" ln log log2 log10 sqrt acos asin atanh cot lgamma gamma factorial chr repeat hamming mismatches list_resize " +
	"array_resize list_reduce array_reduce reduce map map_from_entries bar bitstring set_bit get_bit to_base sin cos " +
	"tan json_merge_patch to_microseconds to_milliseconds to_seconds to_minutes to_hours to_days to_weeks to_months " +
	"to_years from_base64 unhex from_hex from_binary unbin decode make_timestamp make_timestamptz make_date make_time " +
	"to_timestamp epoch_ms json json_structure json_extract json_extract_string json_extract_path " +
	"json_extract_path_text json_array_length json_type json_keys json_contains json_transform from_json -> ->>"

// parsing lists, by the number of the argument, functions that fail on its text: a
// pattern, a part of a date, a zone. If that text is a constant of the pipeline,
// the failure is a mistake in the pipeline and must be reported.
var parsing = [...]string{
	" date_trunc datetrunc date_part datepart date_diff datediff date_sub datesub timezone time_bucket format printf",
	" regexp_matches regexp_replace regexp_extract regexp_extract_all regexp_full_match regexp_split_to_array " +
		"string_split_regex str_split_regex substr substring array_extract",
	" like_escape ilike_escape not_like_escape not_ilike_escape",
}

// doubles are functions that return a DOUBLE.
const doubles = " / ln log log2 log10 sqrt cbrt exp pow power ** sin cos tan radians degrees avg mean stddev " +
	"stddev_samp stddev_pop variance var_samp var_pop corr epoch entropy"

// arithmetic are the operators and functions that may overflow. Division of
// numbers gives infinity or NULL.
const arithmetic = " + - * // % << abs add subtract multiply divide mod lcm bit_count substr substring epoch_ns" +
	" to_years to_months to_weeks to_days to_hours to_minutes to_seconds to_milliseconds to_microseconds to_decades " +
	"to_centuries to_millennia"

// dividing lists those of arithmetic that return NULL for a divisor of zero.
const dividing = " // % divide mod"

// squaring are the aggregates that fail on values whose squares are out of range.
const squaring = " stddev stddev_samp stddev_pop variance var_samp var_pop covar_samp covar_pop corr sem" +
	" regr_sxy regr_sxx regr_syy regr_slope regr_intercept regr_r2"

// converting lists those of fallible, and try_strptime, that convert their first argument.
const converting = " from_base64 unhex from_hex from_binary unbin to_timestamp epoch_ms try_strptime"

// aggregates are the functions that TRY may not hold, nor a condition of rows.
const aggregates = " string_agg bit_and bit_or bit_xor bitstring_agg stddev stddev_samp stddev_pop avg mean favg " +
	"approx_count_distinct quantile quantile_cont quantile_disc approx_quantile reservoir_quantile list array_agg " +
	"histogram histogram_exact skewness kurtosis kurtosis_pop arg_max arg_min argmax argmin arg_max_null arg_min_null " +
	"arg_max_nulls_last arg_min_nulls_last max_by min_by max min approx_top_k first last arbitrary any_value variance " +
	"var_samp var_pop covar_samp covar_pop corr mode mad median entropy regr_sxy regr_sxx regr_syy regr_slope " +
	"regr_intercept regr_avgx regr_avgy regr_r2 regr_count sum kahan_sum fsum sumkahan sum_no_overflow product sem " +
	"listagg group_concat count count_star count_if countif bool_and bool_or "

// volatile are the functions that TRY may not hold either.
const volatile = " random gen_random_uuid uuid uuidv4 uuidv7"

func named(list, name string) bool { return strings.Contains(list+" ", " "+strings.ToLower(name)+" ") }

// mayFail reports whether a function fails by the values of its arguments.
func mayFail(name string, args []syntax.Expr) bool {
	for i, list := range parsing {
		if named(list, name) {
			return i < len(args) && varies(args[i])
		}
	}
	if !named(fallible, name) || !slices.ContainsFunc(args, varies) || slices.ContainsFunc(args, isVolatile) {
		return false
	}
	if strings.Contains("+-*", name) { // of counts and sums they do not, nor with a double or a constant interval
		return slices.ContainsFunc(args, func(a syntax.Expr) bool { return varies(a) && !isTotal(a) }) &&
			!slices.ContainsFunc(args, func(a syntax.Expr) bool { return isDouble(a) || name != "*" && isInterval(a) })
	}
	return true
}

// isDouble knows some expressions whose type is DOUBLE: arithmetic with them
// has infinity for what is out of range.
func isDouble(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Cast:
		return e.To.ID == "DOUBLE"
	case *syntax.Function:
		return named(doubles, e.Name) || strings.Contains("+-*", e.Name) && slices.ContainsFunc(e.Args, isDouble)
	case *syntax.Operator:
		return e.Type == "OPERATOR_TRY" && slices.ContainsFunc(e.Args, isDouble)
	default:
		return false
	}
}

// varies reports whether an expression has another value for other rows.
func varies(e syntax.Expr) bool {
	return syntax.Any(e, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Column, *syntax.Subquery, *syntax.Window:
			return true
		case *syntax.Function:
			return named(aggregates, n.Name)
		default:
			return false
		}
	})
}

// isTotal knows counts and sums, which have room beyond a column's range, and
// what is made of them.
func isTotal(e syntax.Expr) bool {
	f, ok := e.(*syntax.Function)
	switch {
	case !ok:
		return false
	case strings.Contains("+-*", f.Name):
		return !slices.ContainsFunc(f.Args, func(a syntax.Expr) bool { return varies(a) && !isTotal(a) })
	default:
		return named(" sum count count_star approx_count_distinct", f.Name)
	}
}

// isVolatile reports whether an expression is another one each time.
func isVolatile(e syntax.Expr) bool {
	return syntax.Any(e, func(n syntax.Node) bool {
		f, ok := n.(*syntax.Function)
		return ok && named(volatile, f.Name)
	})
}

// isInterval knows INTERVAL 1 HOUR.
func isInterval(e syntax.Expr) bool {
	f, ok := e.(*syntax.Function)
	return ok && strings.HasPrefix(f.Name, "to_") && !varies(e)
}

// isText knows a constant that is a text or NULL.
func isText(e syntax.Expr) bool {
	c, ok := e.(*syntax.Constant)
	return ok && (c.Value.Type.ID == "VARCHAR" || c.Value.Type.ID == "NULL")
}

// isUnmapped knows the column of an event's other values: it is always JSON.
func isUnmapped(e syntax.Expr) bool {
	c, ok := e.(*syntax.Column)
	return ok && len(c.Names) > 0 && c.Names[len(c.Names)-1] == "unmapped"
}

// ofRow reports whether an expression is over the values of one row.
func ofRow(e syntax.Expr) bool {
	return !syntax.Any(e, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Window, *syntax.Subquery, *syntax.Lambda, *syntax.Parameter, *syntax.Position, *syntax.Star:
			return true
		case *syntax.Function:
			return named(aggregates, n.Name) || named(volatile, n.Name)
		default:
			return false
		}
	})
}

// hasColumn reports whether an expression reads a column.
func hasColumn(e syntax.Expr) bool {
	return syntax.Any(e, func(n syntax.Node) bool {
		_, ok := n.(*syntax.Column)
		return ok
	})
}
