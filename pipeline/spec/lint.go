package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/pipeline/terms"
	"github.com/lakeward/lakeward/tiers"
)

// linter checks what no single value shows. It changes nothing: complete has
// filled in what was left open.
type linter struct {
	p        *Pipeline
	root     Pos
	problems strict.Problems
}

func (l *linter) report(at Pos, what, remedy string) {
	if at.Line == 0 && at.File == "" {
		at = l.root
	}
	l.problems = append(l.problems, Problem{Pos: at, What: what, Remedy: remedy})
}

func (l *linter) lint() {
	l.schedule()
	seen := map[string]Pos{}
	for i := range l.p.Steps {
		s := &l.p.Steps[i]
		if first, again := seen[strings.ToLower(s.Name.Value)]; again {
			l.report(s.Name.Pos, "the step `"+s.Name.Value+"` comes twice",
				fmt.Sprintf("rename it; the first is on line %d", first.Line))
		}
		seen[strings.ToLower(s.Name.Value)] = s.Name.Pos
		l.step(s, l.p.Steps[:i])
	}
	for i := range l.p.Write {
		l.write(l.p.Write[i])
		l.sameTable(l.p.Write[:i], l.p.Write[i])
	}
	if len(l.p.Steps) == 0 && len(l.problems) == 0 {
		l.report(l.root, "there are no steps", "begin with a `read` step")
	}
	if len(l.p.Write) == 0 && len(l.problems) == 0 {
		l.report(l.root, "nothing is written", "name a step and a table under `write`")
	}
	l.cases(l.p.Tests)
}

// isUnknownKey holds for a key that may be the misspelt one that is missing.
func isUnknownKey(p Problem) bool { return strings.HasPrefix(p.What, "unknown key") }

func (l *linter) schedule() {
	p := l.p
	switch {
	case p.Schedule.Value != "" && len(p.After) > 0:
		l.report(p.After[0].Pos, "both `schedule` and `after` are given", "keep one of them")
	case p.Schedule.Value == "" && len(p.After) == 0 && !slices.ContainsFunc(l.problems, isUnknownKey):
		l.report(l.root, "neither `schedule` nor `after` is given",
			"add `schedule` with five cron fields, such as `5 * * * *`")
	}
	seen := map[string]bool{}
	for _, a := range p.After {
		switch {
		case a.Value == p.Name.Value:
			l.report(a.Pos, "the pipeline runs after itself", "name another one")
		case seen[a.Value]:
			l.report(a.Pos, "`"+a.Value+"` is named twice", "keep one of them")
		}
		seen[a.Value] = true
	}
	if p.Schedule.Value == "" {
		return
	}
	if what, _ := zoneProblem(p.Timezone); what != "" {
		return // reported where it stands
	}
	_, err := schedule.Parse(p.Schedule.Value, p.Timezone)
	switch {
	case errors.Is(err, schedule.ErrNever):
		l.report(p.Schedule.Pos, "the schedule never comes", "check day of month and month")
	case err != nil:
		l.report(p.Schedule.Pos, strings.TrimPrefix(err.Error(), "read "), "write minute, hour, day of month, month and "+
			"day of week, such as `5 * * * *`")
	}
}

// ref checks a reference to an earlier step of one of the kinds (none: any).
func (l *linter) ref(r Text, earlier []Step, kinds ...Kind) *Step {
	if r.Value == "" {
		return nil
	}
	names := make([]string, len(earlier))
	for i := range earlier {
		s := &earlier[i]
		names[i] = s.Name.Value
		if s.Name.Value != r.Value {
			continue
		}
		if s.Kind != "" && len(kinds) > 0 && !slices.Contains(kinds, s.Kind) {
			l.report(r.Pos, fmt.Sprintf("`%s` is a step of kind %s", r.Value, s.Kind), "name one of kind "+joinKinds(kinds))
			return nil
		}
		return s
	}
	switch {
	case isTable(r.Value):
		l.report(r.Pos, "`"+r.Value+"` is a table, and a step is needed", "read it in a step of its own first")
	case slices.ContainsFunc(l.p.Steps, func(s Step) bool { return s.Name.Value == r.Value }):
		l.report(r.Pos, "the step `"+r.Value+"` does not come before this one", "move it up, or name an earlier one")
	case len(names) == 0:
		l.report(r.Pos, "unknown step `"+r.Value+"`", "no step comes before this one; begin with a `read` step")
	default:
		l.report(r.Pos, "unknown step `"+r.Value+"`", strict.Suggest(r.Value, names))
	}
	return nil
}

func joinKinds(kinds []Kind) string {
	parts := make([]string, len(kinds))
	for i, k := range kinds {
		parts[i] = string(k)
	}
	return strings.Join(parts, " or ")
}

func (l *linter) step(s *Step, earlier []Step) {
	switch {
	case s.Read != nil:
		l.read(s.Read, earlier)
	case s.SQL != nil:
		l.sql(s.SQL, earlier)
	case s.Baseline != nil:
		l.baseline(s, earlier)
	case s.Anomaly != nil:
		l.anomaly(s.Anomaly, earlier)
	case s.Match != nil:
		l.ref(s.Match.Of, earlier, KindRead, KindSQL)
		s.Match.Rows.Check(l.report)
	case s.Risk != nil:
		l.risk(s, earlier)
	}
}

func (l *linter) read(r *Read, earlier []Step) {
	seen := map[string]bool{}
	for _, j := range r.Join {
		if isTable(j.Table.Value) {
			if what, remedy := terms.TableProblem(j.Table.Value); what != "" {
				l.report(j.Table.Pos, what, remedy)
			}
		} else {
			l.ref(j.Table, earlier)
		}
		if name := strings.ToLower(j.As.Value); name != "" && seen[name] {
			l.report(j.As.Pos, "the name `"+j.As.Value+"` is given twice", "choose another")
		}
		seen[strings.ToLower(j.As.Value)] = true
	}
}

func (l *linter) sql(q *SQL, earlier []Step) {
	for _, in := range q.Inputs {
		l.ref(in, earlier)
	}
	if len(q.Inputs) == 0 && q.Query.Value != "" {
		l.report(q.Query.Pos, "the SQL names no earlier step", "select from a step; read tables in `read` steps first")
	}
}

func (l *linter) baseline(s *Step, earlier []Step) {
	b := s.Baseline
	l.ref(b.Of, earlier, KindRead, KindSQL)
	if len(b.Measures) == 0 && b.Of.Value != "" {
		l.report(s.Name.Pos, "the baseline has no measures", "add one, such as `events: count(*)`")
	}
	if b.Bucket == 0 {
		return
	}
	switch {
	case (b.Season == SeasonHourOfDay || b.Season == SeasonHourOfWeek) && !b.hourly():
		l.report(s.Name.Pos, fmt.Sprintf("buckets of %s do not divide an hour, which the season %s needs",
			strict.FormatDuration(b.Bucket), b.Season), "use a bucket such as `1h`, or another season")
	case b.Season == SeasonDayOfWeek && (b.Bucket > day || day%b.Bucket != 0):
		l.report(s.Name.Pos, fmt.Sprintf("buckets of %s do not divide a day, which the season %s needs",
			strict.FormatDuration(b.Bucket), b.Season), "use a bucket such as `1d`, or another season")
	}
	if b.History > 0 && b.History < 2*b.Bucket {
		l.report(s.Name.Pos, fmt.Sprintf("a history of %s holds fewer than two buckets of %s",
			strict.FormatDuration(b.History), strict.FormatDuration(b.Bucket)), "lengthen `history`")
	}
}

// givesFindings reports whether the step's rows have the findings' shape.
func (s *Step) givesFindings() bool {
	return s.Kind == KindAnomaly || s.Kind == KindMatch || s.Kind == KindRisk
}

func (l *linter) risk(s *Step, earlier []Step) {
	r := s.Risk
	for _, of := range r.Of {
		in := l.ref(of, earlier, KindAnomaly, KindMatch, KindRead, KindSQL)
		if in != nil && in.Read != nil && !in.Read.Whole && in.Read.Window < r.Lookback {
			l.report(of.Pos, fmt.Sprintf("`%s` reads less than the lookback of %s", of.Value, strict.FormatDuration(r.Lookback)),
				fmt.Sprintf("set its `window` to %s, or shorten `lookback`", strict.FormatDuration(r.Lookback)))
		}
	}
}

// FindingsTable is where findings are written. Its rows have their one shape.
const FindingsTable = "analytics.findings"

// system tables are written by Lakeward itself.
func systemTables() []string {
	return []string{"lake.quarantine", "lake.ingest_skipped", "lake.ingest_removed", "analytics.pipeline_runs"}
}

func (l *linter) write(w Write) {
	from := l.ref(w.From, l.p.Steps)
	if slices.Contains(systemTables(), w.To.Value) {
		l.report(w.To.Pos, "`"+w.To.Value+"` is Lakeward's own", "choose another table")
	}
	if from == nil {
		return
	}
	findings := from.givesFindings()
	if strings.EqualFold(w.To.Value, FindingsTable) && from.Kind != "" {
		l.findings(w, from)
	}
	switch {
	case w.Mode != tiers.Merge && len(w.Key) > 0:
		l.report(w.Key[0].Pos, fmt.Sprintf("mode %s has no key", w.Mode), "use mode `merge`, or remove `key`")
	case w.Mode == tiers.Merge && len(w.Key) == 0:
		l.report(w.From.Pos, "mode merge needs a key", "name the columns that make a row the same under `key`")
	}
	if w.Publish != "" && !findings && from.Kind != KindSQL && from.Kind != KindRead {
		l.report(w.From.Pos, "`"+w.From.Value+"` gives no findings to publish", "remove `publish`")
	}
	if w.Tier() == "lake" && slices.ContainsFunc(l.p.Steps,
		func(s Step) bool { return s.Read != nil && s.Read.Table.Value == w.To.Value }) {
		l.report(w.To.Pos, "the pipeline reads the table that it writes", "write to another table")
	}
}

// findings checks what is written to the table of findings.
func (l *linter) findings(w Write, from *Step) {
	if !from.givesFindings() {
		l.report(w.From.Pos, "`"+w.From.Value+"` is a step of kind "+string(from.Kind)+", and `"+FindingsTable+
			"` has only findings",
			"make findings of its rows by a step `match`, and write that one, or write to another table")
		return
	}
	if w.Mode != tiers.Merge || len(w.Key) != 1 || !strings.EqualFold(w.Key[0].Value, "finding_id") {
		l.report(w.To.Pos, "findings are merged by `finding_id`, so that each is there once",
			"remove `mode` and `key`, or write to another table")
	}
}

// sameTable sees to it that writes to one table can be one: a write replaces
// the rows that the pipeline wrote before.
func (l *linter) sameTable(before []Write, w Write) {
	for _, o := range before {
		if w.To.Value == "" || !strings.EqualFold(o.To.Value, w.To.Value) {
			continue
		}
		sameKey := slices.EqualFunc(o.Key, w.Key, func(a, b Text) bool { return strings.EqualFold(a.Value, b.Value) })
		switch {
		case o.From.Value == w.From.Value:
			l.report(w.From.Pos, "`"+w.From.Value+"` is written to `"+w.To.Value+"` twice", "remove one")
		case o.Mode != w.Mode || !sameKey:
			l.report(w.To.Pos, fmt.Sprintf("`%s` is written with mode %s and with mode %s, or with two keys: one would take "+
				"away the other's rows", w.To.Value, o.Mode, w.Mode),
				"give both writes one `mode` and `key`, or write to another table")
		default:
			continue
		}
		return
	}
}

func (l *linter) cases(cs []Case) {
	names := map[string]bool{}
	for _, c := range cs {
		if c.Name.Value != "" && names[c.Name.Value] {
			l.report(c.Name.Pos, "the case `"+c.Name.Value+"` comes twice", "rename it")
		}
		names[c.Name.Value] = true
		for _, g := range c.Given {
			if (g.File.Value == "") == (len(g.Rows) == 0) {
				l.report(g.Table.Pos, "`"+g.Table.Value+"` needs `file` or `rows`, and not both", "give one")
			}
			for _, r := range g.Rows {
				if !strings.HasPrefix(r, "{") {
					l.report(g.Table.Pos, "a row of `"+g.Table.Value+"` is not a mapping", "write `{column: value}`")
				}
			}
		}
		for _, e := range c.Expect {
			l.ref(e.Step, l.p.Steps)
		}
	}
}
