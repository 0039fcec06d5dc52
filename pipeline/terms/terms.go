// Package terms holds what single values in a pipeline file can be: tables,
// columns, conditions and expressions. The language and the detectors are
// written in them.
package terms

import (
	"regexp"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// Text is a value with its place.
type Text = strict.At[string]

// The ranges that several keys share.
const (
	Longest = 732 * sqltext.Day // two years
	Most    = 1 << 40
)

// Word is a text that is not empty.
func Word() strict.Type[Text] { return strict.Positioned(strict.NonEmpty()) }

// Expression is SQL over the columns of a step's input.
func Expression() strict.Type[Text] { return strict.Named(Word(), "expression") }

// Condition is an expression that is true or false.
func Condition() strict.Type[Text] { return strict.Named(Word(), "condition") }

// Table is a table of one of the tiers.
func Table() strict.Type[Text] { return strict.Positioned(Checked("table", TableProblem)) }

// Column is a column's path.
func Column() strict.Type[Text] { return strict.Positioned(Checked("column", columnProblem)) }

// Checked is a text of its own kind; check returns what is wrong, and what to do.
func Checked(name string, check func(string) (what, remedy string)) strict.Type[string] {
	return strict.Named(strict.Checked(strict.NonEmpty(), check), name)
}

// Identifier is the pattern of names in SQL.
const Identifier = `[A-Za-z_][A-Za-z0-9_]*`

// Matches reports whether a name of at most 63 bytes matches a pattern as a whole.
func Matches(s, pattern string) bool {
	ok, err := regexp.MatchString("^(?:"+pattern+")$", s)
	return err == nil && ok && len(s) <= 63
}

// AnyKey accepts every key.
func AnyKey(string) (what, remedy string) { return "", "" }

// TableProblem says what is wrong with the name of a table.
func TableProblem(s string) (what, remedy string) {
	tier, name, _ := strings.Cut(s, ".")
	if tier != "lake" && tier != "analytics" {
		return "`" + s + "` names no tier", "write `lake.NAME` or `analytics.NAME`"
	}
	if !Matches(name, Identifier) {
		return "`" + s + "` is not a table", "use letters, digits and `_` after `" + tier +
			".`, at most 63, not beginning with a digit"
	}
	return "", ""
}

func columnProblem(s string) (what, remedy string) {
	if strings.ContainsAny(s, "()'\"`,;\x00\n*") ||
		strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' }) {
		return "`" + s + "` is an expression, and a column is needed",
			"write a column such as `user.name`; compute others with `select` in a `read` step"
	}
	if slices.Contains(strings.Split(s, "."), "") {
		return "`" + s + "` has an empty part", "write a column such as `user.name`"
	}
	return "", ""
}

// TemplateProblem says what is wrong with the template of a sentence.
func TemplateProblem(s string) (what, remedy string) {
	for s != "" {
		open := strings.IndexByte(s, '{')
		if open < 0 {
			if strings.Contains(s, "}") {
				return "a brace closes that was not opened", "write `{name}`"
			}
			return "", ""
		}
		end := strings.IndexByte(s[open:], '}')
		if end < 0 {
			return "a brace is not closed", "write `{name}`"
		}
		if name := s[open+1 : open+end]; name == "" || strings.ContainsAny(name, "{ ") {
			return "`{" + name + "}` names nothing", "write a name, such as `{entity}`"
		}
		s = s[open+end+1:]
	}
	return "", ""
}
