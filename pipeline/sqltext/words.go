package sqltext

import (
	"regexp"
	"strings"
)

// phrase is a message of the engine in other words. What follows the first line
// of a message is the statement, which nobody wrote.
type phrase struct{ pattern, what, remedy string }

func phrases() []phrase {
	const nearest = `(?s).*?(?:Did you mean|Candidate (?:bindings|Entries)|candidate bindings):?\s*"?([\w.]+)"?`
	return []phrase{
		{`Referenced column "([^"]+)" not found` + nearest, "there is no column `$1`", "did you mean `$2`?"},
		{`Referenced column "([^"]+)" not found`, "there is no column `$1`", "name one that the step's input has"},
		{`Could not find key "([^"]+)" in struct` + nearest, "there is no column `$1`", "did you mean `$2`?"},
		{`Could not find key "([^"]+)" in struct`, "there is no column `$1`", "name one that the step's input has"},
		{`(?:Table|Column) "?([\w]+)"? (?:does not have|doesn't have) a column named "([^"]+)"`, "`$1` has no column `$2`",
			"name one that it has"},
		{`Table with name ([\w.]+) does not exist`, "there is no table or step `$1`", "name an earlier step"},
		{`Referenced table "([^"]+)" not found`, "there is no table or step `$1`", "name one that the statement reads"},
		{`(?:Scalar|Aggregate|Table|Macro)? ?Function with name "?([\w.]+)"? (?:does not exist|is not in the catalog)` +
			nearest, "there is no function `$1`", "did you mean `$2`?"},
		{`Function with name "?([\w.]+)"? does not exist`, "there is no function `$1`", "use one of DuckDB's"},
		{`No function matches the given name and argument types '(\w+)\(([^']*)\)'`, "`$1` does not take a value of type $2",
			"convert it, such as TRY_CAST(x AS DOUBLE), or use another function"},
		{`column "?([^"]+?)"? must appear in the GROUP BY clause`,
			"`$1` is one row's value, and a value over many rows is needed",
			"use an aggregate, such as count(*), sum(x) or max(x)"},
		{`Cannot compare values of type ([^-]+?) and (?:type )?([^-]+?) -`,
			"a value of type $1 is compared with one of type $2", "convert one of them, such as TRY_CAST(x AS DOUBLE)"},
		{`Could not choose a best candidate function for the function call "?(\w+)\(([^)]*)\)"?`,
			"`$1` takes many types, and $2 is none that it can choose by", "convert the value, such as x::DOUBLE"},
		{`WHERE clause cannot contain aggregates`, "a condition is about one row, and this one is about many",
			"use it in a measure, or in HAVING of an `sql` step"},
		{`Ambiguous reference to column name "([^"]+)"`, "`$1` is a column of several inputs",
			"write the input's name before it, such as t.$1"},
		{`the function (\w+) is not allowed`, "there is no function `$1` here",
			"check its name; what reaches beyond the rows is not allowed"},
		{`syntax error at or near "([^"]+)"`, "this is not SQL at `$1`", "check brackets, commas and quotes"},
		{`syntax error at end of input`, "the SQL ends too early", "check brackets, commas and quotes"},
	}
}

// Plainly says in a sentence what a message of the engine means, and what to do;
// what is not known in other words stays, without the statement.
func Plainly(msg string) (what, remedy string) {
	for _, p := range phrases() {
		re := regexp.MustCompile(p.pattern)
		if m := re.FindStringSubmatchIndex(msg); m != nil {
			return string(re.ExpandString(nil, p.what, msg, m)), string(re.ExpandString(nil, p.remedy, msg, m))
		}
	}
	if i := strings.Index(msg, "\n\nLINE "); i > 0 {
		msg = msg[:i]
	}
	return msg, ""
}
