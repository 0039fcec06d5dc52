package spec

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/config/strict"
)

// splitTable cuts "lake.signin" into tier and bare name.
func splitTable(t string) (tier, table string) {
	tier, table, _ = strings.Cut(t, ".")
	return tier, table
}

// isTable reports whether a reference names a table rather than a step.
func isTable(ref string) bool { return strings.Contains(ref, ".") }

func (r *Read) stepJoins() []Text {
	var out []Text
	for _, j := range r.Join {
		if !isTable(j.Table.Value) {
			out = append(out, j.Table)
		}
	}
	return out
}

func checkedText(name string, check func(string) (what, remedy string)) strict.Type[string] {
	return strict.Named(strict.Checked(strict.NonEmpty(), check), name)
}

func table() strict.Type[Text]  { return strict.Positioned(checkedText("table", tableProblem)) }
func column() strict.Type[Text] { return strict.Positioned(checkedText("column", columnProblem)) }
func step() strict.Type[Text]   { return strict.Named(text(), "step") }
func condition() strict.Type[Text] {
	return strict.Named(text(), "condition")
}
func technique() strict.Type[string] { return checkedText("technique", techniqueProblem) }
func zone() strict.Type[string]      { return checkedText("time zone", zoneProblem) }

// matches is whole-name matching of [first][rest]*, at most 63 bytes.
func matches(s, pattern string) bool {
	ok, err := regexp.MatchString("^(?:"+pattern+")$", s)
	return err == nil && ok && len(s) <= 63
}

const identPattern = `[A-Za-z_][A-Za-z0-9_]*`

func nameProblem(s string) (what, remedy string) {
	if !matches(s, `[a-z0-9][a-z0-9_-]*`) {
		return "`" + s + "` is no name of a pipeline", "use lower-case letters, digits, `-` and `_`, at most 63"
	}
	return "", ""
}

func stepNameProblem(s string) (what, remedy string) {
	if !matches(s, `[a-z_][a-z0-9_]*`) {
		return "`" + s + "` is no name of a step", "use lower-case letters, digits and `_`, at most 63, not beginning with a digit"
	}
	if slices.Contains([]string{"lake", "analytics", "state", "main", "t"}, s) {
		return "the step's name `" + s + "` is taken", "choose another"
	}
	return "", ""
}

func identProblem(s string) (what, remedy string) {
	if !matches(s, identPattern) {
		return "`" + s + "` is no identifier", "use letters, digits and `_`, at most 63, not beginning with a digit"
	}
	if s == "t" {
		return "`t` is the step's own table", "choose another name"
	}
	return "", ""
}

// measureProblem also keeps a baseline's own columns apart from its measures.
func measureProblem(s string) (what, remedy string) {
	own := []string{"entity", "bucket", "bucket_end", "peer", "level", "support", "own", "top", "s0", "s1"}
	if slices.Contains(own, s) {
		return "the measure's name `" + s + "` is taken", "choose another than " + strings.Join(own, ", ")
	}
	for _, suffix := range []string{"_median", "_mad", "_aad", "_mean", "_sd", "_p10", "_p90", "_peak", "_moved", "_level", "_support", "_own"} {
		if strings.HasSuffix(s, suffix) {
			return "the measure's name ends in `" + suffix + "`, as the baseline's own columns do", "choose another"
		}
	}
	return identProblem(s)
}

func sourceTypeProblem(s string) (what, remedy string) {
	if !matches(s, `[a-z][a-z0-9_]*`) {
		return "`" + s + "` is no entity type", "use lower-case letters, digits and `_`, such as ip, asn or user_agent"
	}
	return "", ""
}

func anyKey(string) (what, remedy string) { return "", "" }

func tableProblem(s string) (what, remedy string) {
	tier, name := splitTable(s)
	if tier != "lake" && tier != "analytics" {
		return "`" + s + "` names no tier", "write `lake.NAME` or `analytics.NAME`"
	}
	if !matches(name, identPattern) {
		return "`" + s + "` is no table", "use letters, digits and `_` after `" + tier + ".`, at most 63, not beginning with a digit"
	}
	return "", ""
}

func columnProblem(s string) (what, remedy string) {
	if strings.ContainsAny(s, "()'\"`,;\x00\n*") || strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' }) {
		return "`" + s + "` is an expression, and a column is needed", "write a column such as `user.name`; compute others with `select` in a `read` step"
	}
	if slices.Contains(strings.Split(s, "."), "") {
		return "`" + s + "` has an empty part", "write a column such as `user.name`"
	}
	return "", ""
}

func techniqueProblem(s string) (what, remedy string) {
	if !matches(s, `TA?[0-9]{4}(\.[0-9]{3})?`) {
		return "`" + s + "` is no technique of MITRE ATT&CK", "write an id such as `T1110` or `T1110.003`"
	}
	return "", ""
}

func zoneProblem(s string) (what, remedy string) {
	if _, err := time.LoadLocation(s); err != nil || s == "Local" {
		return "unknown time zone `" + s + "`", "use an IANA name such as `Europe/Vienna`, or `UTC`"
	}
	return "", ""
}

func subjectProblem(s string) (what, remedy string) {
	if strings.ContainsAny(s, " \t\r\n\x00") || slices.Contains(strings.Split(s, "."), "") {
		return "`" + s + "` is no NATS subject", "write tokens joined by dots, such as `findings.failed-signins`"
	}
	if strings.ContainsAny(s, "*>") {
		return "`" + s + "` has a wildcard, and findings are published on one subject", "remove `*` and `>`"
	}
	if strings.HasPrefix(s, "$") {
		return "subjects that begin with `$` belong to NATS", "choose another"
	}
	return "", ""
}

func templateProblem(s string) (what, remedy string) {
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

// EntityType is what an entity's column says that it is: the member before a
// name or id (user.name is a user), otherwise the last member.
func EntityType(column string) string {
	parts := strings.Split(column, ".")
	last := parts[len(parts)-1]
	before := ""
	if len(parts) > 1 {
		before = parts[len(parts)-2]
	}
	switch last {
	case "name", "uid", "id", "number":
		switch before {
		case "":
			return last
		case "autonomous_system":
			return "asn"
		default:
			return before
		}
	case "hostname":
		return "host"
	case "username", "user_name":
		return "user"
	default:
		return last
	}
}
