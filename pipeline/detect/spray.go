package detect

import (
	"fmt"
	"strings"
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/pipeline/terms"
)

// Spray raises one source that tries many accounts.
//
// It works from the failures of the look-back, which are few. What counts is an
// account that is new to the source: its first attempt there failed, or it was
// let in at once about when others failed. So an office's address or a common
// browser, where people mistype beside many successes, is not a spray, while the
// same network used for one is. A source that lets most newcomers in is a new
// office.
type Spray struct {
	Account         Text     // column path
	Sources         []Origin // from the narrowest
	Success         Text     // condition
	Failure         Text     // condition
	Lookback        time.Duration
	MinUsers        int
	AttemptsPerUser float64 // at most, on average
	MinDays         int
	MinScore        float64 // 0 to 1
	KnownAccounts   bool    // count only accounts that exist: that succeeded somewhere in the look-back
	Short           Burst
}

// Origin is one way to say where attempts come from.
type Origin struct {
	Type Text // ip, asn, user_agent: the finding's entity_type
	Expr Text
}

// Burst is the short rule: so much within a sliding window.
type Burst struct {
	Users    int
	Attempts int
	Window   time.Duration
}

// Method implements Detector.
func (*Spray) Method() Method { return "spray" }

// About implements Detector.
func (*Spray) About() string {
	return "One source that tries many accounts. Low and slow (ours): u distinct users over the look-back, " +
		"U = min(1, ln(1+u) / ln 51), H = entropy of attempts over users / log2 u; 0.5 U + 0.2 (1 - success rate) + 0.3 H " +
		"at least `min_score`. Short (Elastic's rule): `short`, in a sliding window. A success that follows escalates."
}

// Keys are those of a step.
func (*Spray) Keys() []strict.Field[Spray] {
	type S = Spray
	source := strict.Via(terms.Expression(), func(o *Origin) *Text { return &o.Expr })
	return []strict.Field[S]{
		strict.F("account", terms.Column(), func(s *S) *Text { return &s.Account },
			"Column of the account that is tried.").Default("user.name"),
		strict.F("sources", strict.Keyed(source, func(o *Origin) *Text { return &o.Type }, sourceTypeProblem),
			func(s *S) *[]Origin { return &s.Sources },
			"What can be the one source, from the narrowest: an entity type and its column. A spray from many addresses with "+
				"one user agent is one spray, so name address, network and user agent where there are.").
			Default("{ip: src_endpoint.ip}"),
		strict.F("success", terms.Condition(), func(s *S) *Text { return &s.Success },
			"Condition of a sign-in that succeeded.").Default("status = 'Success'"),
		strict.F("failure", terms.Condition(), func(s *S) *Text { return &s.Failure },
			"Condition of a sign-in that failed.").Default("status = 'Failure'"),
		strict.F("lookback", strict.Duration(time.Hour, terms.Longest), func(s *S) *time.Duration { return &s.Lookback },
			"How far back attempts are counted.").Default("30d"),
		strict.F("min_users", strict.Int(2, 1_000_000), func(s *S) *int { return &s.MinUsers },
			"Low and slow: distinct accounts (ours).").Default("10"),
		strict.F("attempts_per_user", strict.Float(1, 1000), func(s *S) *float64 { return &s.AttemptsPerUser },
			"Low and slow: at most so many attempts an account, on average.").Default("5"),
		strict.F("min_days", strict.Int(1, 366), func(s *S) *int { return &s.MinDays },
			"Low and slow: days with attempts.").Default("3"),
		strict.F("min_score", strict.Float(0, 1), func(s *S) *float64 { return &s.MinScore },
			"Low and slow: least score (ours).").Default("0.6"),
		strict.F("known_accounts", strict.Bool(), func(s *S) *bool { return &s.KnownAccounts },
			"Count only accounts that exist, that is, succeeded somewhere in the look-back (ours).").Default("false"),
		strict.F("short", burstType(), func(s *S) *Burst { return &s.Short }, "The short rule."),
	}
}

func burstType() strict.Type[Burst] {
	type B = Burst
	return strict.Object(
		strict.F("users", strict.Int(2, 1_000_000), func(b *B) *int { return &b.Users }, "Distinct accounts.").Default("15"),
		strict.F("attempts", strict.Int(2, 1_000_000_000), func(b *B) *int { return &b.Attempts }, "Failures.").Default("15"),
		strict.F("window", strict.Duration(time.Second, day), func(b *B) *time.Duration { return &b.Window },
			"Width of the sliding window.").Default("30m"),
	)
}

func sourceTypeProblem(s string) (what, remedy string) {
	if !terms.Matches(s, `[a-z][a-z0-9_]*`) {
		return "`" + s + "` is not an entity type", "use lower-case letters, digits and `_`, such as ip, asn or user_agent"
	}
	return "", ""
}

// Complete implements Detector.
func (*Spray) Complete() {}

// Check implements Detector.
func (p *Spray) Check(report func(at Pos, what, remedy string)) {
	if len(p.Sources) == 0 {
		report(Pos{}, "the spray has no sources", "name one under `sources`, such as `ip: src_endpoint.ip`")
	}
}

// Subject implements RowDetector.
func (p *Spray) Subject() string { return p.Account.Value }

// Context implements RowDetector.
func (*Spray) Context() []Text { return nil }

// Bind implements RowDetector.
func (p *Spray) Bind(c Columns) RowDetector {
	out := *p
	out.Account, out.Success, out.Failure = c.Path(p.Account), c.Expr(p.Success), c.Expr(p.Failure)
	out.Sources = nil
	for _, o := range p.Sources {
		if o.Expr = c.Optional(o.Expr); o.Expr.Value != "" {
			out.Sources = append(out.Sources, o)
		}
	}
	if len(out.Sources) == 0 && len(p.Sources) > 0 {
		c.Expr(p.Sources[0].Expr) // one is needed
	}
	return &out
}

// Weights of the low-and-slow score (ours); U saturates at 50 users.
const (
	sprayUsers, spraySuccess, sprayEntropy = 0.5, 0.2, 0.3
	spraySaturation                        = 51
	sprayBase                              = 85 // score of a perfect spray without a success
	sprayHit                               = 15 // added when a success follows
	sprayGap                               = 7  // days without activity end a campaign
	// days around a campaign's failures in which who is let in at once belongs to it
	sprayLead   = 1
	sprayReach  = 4 // how many look-backs a campaign is followed back to its start
	sprayCover  = 0.8
	sprayOffice = 5 // accounts from which an address that mostly lets in is a site
)

// reach is how far back a campaign's start is looked for.
func (p *Spray) reach() time.Duration { return sprayReach * p.Lookback }

// Reads implements RowDetector.
func (p *Spray) Reads(window Range) Range {
	return Range{Start: window.Start.Add(-p.reach()), End: window.End}
}

// look is the time whose attempts count.
func (p *Spray) look(window Range) Range {
	return Range{Start: window.Start.Add(-p.Lookback), End: window.End}
}

// Formula implements Detector.
func (p *Spray) Formula() string {
	return fmt.Sprintf("U = min(1, ln(1 + u) / ln %d); H = entropy of tries over accounts / log2 u; "+
		"%v U + %v (1 - success rate) + %v H >= %v, at least %d accounts on %d days, at most %v tries an account; "+
		"or %d accounts and %d tries within %s. Only accounts that are strangers to the source count.",
		spraySaturation, sprayUsers, spraySuccess, sprayEntropy, p.MinScore, p.MinUsers, p.MinDays, p.AttemptsPerUser,
		p.Short.Users, p.Short.Attempts, p.Short.Window)
}

// Explain implements Detector.
func (p *Spray) Explain(r Run, entity string) Explanation {
	ors := make([]string, len(p.Sources))
	for i, o := range p.Sources {
		ors[i] = o.text() + " = " + sqltext.Str(entity)
	}
	return Explanation{
		Where:    "(" + p.Failure.Value + ") AND (" + strings.Join(ors, " OR ") + ")",
		Compared: "SELECT * EXCLUDE (everyone) FROM " + r.Temp("hits") + " WHERE source = " + sqltext.Str(entity),
	}
}

// text is the origin's value in the one spelling of its type; null if unknown.
func (o Origin) text() string { return spelled(o.Type.Value, o.Expr.Value) }

func spelled(kind, expr string) string {
	switch {
	case kind == "asn":
		return networkText(expr)
	case sqltext.SpellingOf(kind) == sqltext.AsWritten:
		return sqltext.Given(expr)
	}
	return sqltext.Fold(kind, expr)
}

// Query implements Detector.
func (p *Spray) Query(r Run) Query {
	v := p.values(r)
	fill := func(template string) string { return sqltext.Fill(template, v) }
	v["allPairs"] = p.each(fill(sprayFailsOf), "cond", "(x.tried OR x.joined)")
	v["triedPairs"] = p.each(fill(sprayFailsOf), "cond", "x.tried")
	v["failed"], v["letIn"] = p.each(fill(sprayFailed)), p.each(fill(sprayLetIn))
	v["old"] = p.each(sprayOld)
	return Query{Findings: p.finding(r), Tables: []Table{
		{"fails", fill(sprayFails)},
		{"", fill("DELETE FROM {fails} WHERE account IS NULL")},
		{"candidates", p.each(fill(sprayCandidates))},
		{"successes", fill(spraySuccesses)},
		{"pairs", fill(sprayPairs)},
		{"campaigns", fill(sprayCampaigns)},
		{"attempts", fill(sprayAttempts)},
		{"raised", fill(sprayRaised)},
		{"hits", fill(sprayHits)},
	}}
}

// each unions a SELECT over the origins: {o} is the origin's column, {i} its
// number. Further names and their values may follow.
func (p *Spray) each(sql string, further ...string) string {
	parts := make([]string, len(p.Sources))
	for i := range p.Sources {
		v := sqltext.Values{"o": fmt.Sprintf("o%d", i), "i": i}
		for k := 0; k+1 < len(further); k += 2 {
			v[further[k]] = further[k+1]
		}
		parts[i] = sqltext.Fill(sql, v)
	}
	return strings.Join(parts, "\nUNION ALL ")
}

// values are what the templates name.
func (p *Spray) values(r Run) sqltext.Values {
	look := p.look(r.Window)
	reach := look.End.Sub(look.Start) - p.Lookback + p.reach() // from the window's end
	v := sqltext.Values{
		"account": p.accountText(), "accountRaw": sqltext.Path(p.Account.Value), "firstOrigin": p.Sources[0].Expr.Value,
		"eventID": r.EventID, "rows": r.Rows(look), "older": r.Rows(Range{Start: r.Window.Start.Add(-p.reach()),
			End: look.Start}),
		"success": p.Success.Value, "failure": p.Failure.Value, "present": sqltext.Present([]string{p.Account.Value}),
		"isSomebody": sqltext.IsSomebody("account"), "isKnown": "true",
		"half": (min(p.MinUsers, p.Short.Users) + 1) / 2, "leastUsers": min(p.MinUsers, p.Short.Users),
		"minUsers": p.MinUsers, "perUser": sqltext.Num(p.AttemptsPerUser), "minDays": p.MinDays,
		"minScore":   sqltext.Num(p.MinScore),
		"shortUsers": p.Short.Users, "shortAttempts": p.Short.Attempts, "seconds": int64(p.Short.Window.Seconds()),
		"gap": sprayGap, "lead": sprayLead, "cover": sprayCover, "office": sprayOffice, "saturation": spraySaturation,
		"wUsers": sprayUsers, "wSuccess": spraySuccess, "wEntropy": sprayEntropy,
		"start": sqltext.Instant(r.Window.Start), "end": sqltext.Instant(r.Window.End),
		"lookStart": sqltext.Instant(look.Start),
		"edge":      sqltext.Instant(look.Start.Add(sprayGap * day)), "reach": p.reach().Microseconds(),
		"far": sqltext.Instant(look.End.Add(-reach + sprayGap*day)),
	}
	for _, table := range []string{"fails", "candidates", "successes", "pairs", "campaigns", "attempts", "raised"} {
		v[table] = r.Temp(table)
	}
	if p.KnownAccounts {
		v["isKnown"] = sqltext.Fill("account IN (SELECT account FROM {successes})", v)
	}
	p.origins(v)
	return v
}

// origins adds what the templates say of the origins: their texts (origins),
// those of the successes in three steps (raw, folded, named), and that one is
// still open (isOpen).
func (p *Spray) origins(v sqltext.Values) {
	var origins, isOpen []string
	raw, folded, named := []string{sqltext.Fill("{accountRaw} AS account", v)},
		[]string{sqltext.Fold("user", "account") + " AS account"}, []string{"account"}
	for i, o := range p.Sources {
		name := fmt.Sprintf("o%d", i)
		origins = append(origins, o.text()+" AS "+name)
		isOpen = append(isOpen, fmt.Sprintf("(%s IN (SELECT source FROM open WHERE o = %d))", o.text(), i))
		expr := "(" + o.Expr.Value + ")"
		if i == 0 {
			expr = narrowest(o, v)
		}
		raw, named = append(raw, expr+" AS "+name), append(named, name)
		folded = append(folded, spelled(o.Type.Value, name)+" AS "+name)
	}
	v["origins"], v["isOpen"] = sqltext.List(origins), strings.Join(isOpen, " OR ")
	v["raw"], v["folded"], v["named"] = sqltext.List(raw), sqltext.List(folded), sqltext.List(named)
}

// narrowest is the narrowest origin of a success, whose values are many: only
// the candidates are told apart, and addresses that have many spellings.
func narrowest(o Origin, v sqltext.Values) string {
	expr, many := "("+o.Expr.Value+")", "false"
	if sqltext.SpellingOf(o.Type.Value) == sqltext.AsAddress {
		many = "contains(" + expr + "::VARCHAR, ':')"
	}
	return sqltext.Fill(`CASE WHEN {expr}::VARCHAR IN (
    SELECT raw FROM {fails} WHERE o0 IN (SELECT source FROM {candidates} WHERE o = 0)) OR {many} THEN {expr} END`,
		sqltext.Values{"expr": expr, "many": many, "fails": v["fails"], "candidates": v["candidates"]})
}

func (p *Spray) accountText() string { return sqltext.Fold("user", sqltext.Path(p.Account.Value)) }

func (p *Spray) finding(r Run) Finding {
	kinds := make([]string, len(p.Sources))
	for i, o := range p.Sources {
		kinds[i] = sqltext.Str(o.Type.Value)
	}
	kind := "[" + sqltext.List(kinds) + "][o + 1]"
	return Finding{
		From: r.Temp("hits"), Time: "first", Start: "first", End: "last + to_microseconds(1)", Key: "started",
		EntityType: kind, Entity: "source",
		Score:    fmt.Sprintf("%d * slow + CASE WHEN successes > 0 THEN %d ELSE 0 END", sprayBase, sprayHit),
		Observed: "users", Expected: sqltext.Num(float64(p.MinUsers)),
		Reason: "{entity} tried {users} accounts {attempts} times over {days} days, {per_user} each; {let_in} let it in",
		Vars: map[string]string{"entity": "source", "users": "users", "attempts": "attempts", "days": "days",
			"successes": "successes",
			"let_in":    "let_in", "per_user": sqltext.Shown("attempts / users"), "observed": "users",
			"expected": fmt.Sprint(p.MinUsers), "source_kind": kind},
		Evidence: [][2]string{{"users", "users"}, {"attempts", "attempts"}, {"successes", "successes"}, {"let_in", "let_in"},
			{"let_in_accounts", "let_in_accounts"}, {"days", "days"}, {"low_and_slow", "round(slow, 4)"}, {"u",
				"round(spread, 4)"},
			{"h", "round(evenness, 4)"}, {"success_rate", "round(rate, 4)"},
			{"rules", "[x FOR x IN [CASE WHEN is_slow THEN 'low and slow' END, CASE WHEN is_short THEN 'short' END] IF x IS " +
				"NOT NULL]"},
			{"burst", "burst"}, {"burst_users", "burst_users"}, {"accounts", "accounts"}, {"last", "last::VARCHAR"},
			{"event_ids", "samples"}},
	}
}
