package spec

import (
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/terms"
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

func step() strict.Type[Text]        { return strict.Named(terms.Word(), "step") }
func technique() strict.Type[string] { return terms.Checked("technique", techniqueProblem) }
func zone() strict.Type[string]      { return terms.Checked("time zone", zoneProblem) }

func nameProblem(s string) (what, remedy string) {
	if !terms.Matches(s, `[a-z0-9][a-z0-9_-]*`) {
		return "`" + s + "` is not a name of a pipeline", "use lower-case letters, digits, `-` and `_`, at most 63"
	}
	return "", ""
}

func stepNameProblem(s string) (what, remedy string) {
	if !terms.Matches(s, `[a-z_][a-z0-9_]*`) {
		return "`" + s + "` is not a name of a step", "use lower-case letters, digits and `_`, at most 63, not beginning " +
			"with a digit"
	}
	if slices.Contains([]string{"lake", "analytics", "state", "main", "t"}, s) {
		return "the step's name `" + s + "` is taken", "choose another"
	}
	return "", ""
}

func identProblem(s string) (what, remedy string) {
	if !terms.Matches(s, terms.Identifier) {
		return "`" + s + "` is not an identifier", "use letters, digits and `_`, at most 63, not beginning with a digit"
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
	for _, suffix := range []string{"_median", "_mad", "_aad", "_mean", "_sd", "_p10", "_p90", "_peak", "_moved", "_level",
		"_support", "_own"} {
		if strings.HasSuffix(s, suffix) {
			return "the measure's name ends in `" + suffix + "`, as the baseline's own columns do", "choose another"
		}
	}
	return identProblem(s)
}

func techniqueProblem(s string) (what, remedy string) {
	if !terms.Matches(s, `TA?[0-9]{4}(\.[0-9]{3})?`) {
		return "`" + s + "` is not a technique of MITRE ATT&CK", "write an id such as `T1110` or `T1110.003`"
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
		return "`" + s + "` is not a NATS subject", "write tokens joined by dots, such as `findings.failed-signins`"
	}
	if strings.ContainsAny(s, "*>") {
		return "`" + s + "` has a wildcard, and findings are published on one subject", "remove `*` and `>`"
	}
	if strings.HasPrefix(s, "$") {
		return "subjects that begin with `$` belong to NATS", "choose another"
	}
	return "", ""
}
