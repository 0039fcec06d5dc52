package compile

import (
	"fmt"
	"strings"
	"time"
)

const day = 24 * time.Hour

func hours(n int) time.Duration { return time.Duration(n) * time.Hour }

// origin is one way to say where an attempt came from.
type origin struct {
	kind string // ip, asn, user_agent: the finding's entity type
	expr string // SQL over the input's columns
}

// text is the origin's value in the one spelling of its type; null if unknown.
func (o origin) text() string {
	switch {
	case o.kind == "asn":
		return networkText(o.expr)
	case spellingOf(o.kind) == asWritten:
		return given(o.expr)
	}
	return fold(o.kind, o.expr)
}

// sprayForm is one source trying many accounts: see SEMANTICS, "spray" and
// "low and slow".
type sprayForm struct {
	account  string   // column path
	origins  []origin // from the narrowest
	success  string   // condition
	failure  string   // condition
	lookback time.Duration
	minUsers int
	perUser  float64 // most attempts an account, on average
	minDays  int
	score    float64 // least low-and-slow score, 0 to 1
	known    bool    // count only accounts that exist: that succeeded somewhere in the look back
	// The short rule.
	shortUsers, shortAttempts int
	short                     time.Duration
}

// Weights of the low-and-slow score (ours); U saturates at 50 users.
const (
	sprayUsers, spraySuccess, sprayEntropy = 0.5, 0.2, 0.3
	spraySaturation                        = 51
	sprayBase                              = 85 // score of a perfect spray without a success
	sprayHit                               = 15 // added when a success follows
	sprayGap                               = 7  // days without activity end a campaign
	sprayLead                              = 1  // days around a campaign's failures in which who is let in at once belongs to it
	sprayReach                             = 4  // how many look-backs a campaign is followed back to its start
	sprayCover                             = 0.8
	sprayOffice                            = 5 // accounts from which an address that mostly lets in is a site
)

// reach is how far back a campaign's start is looked for.
func (p *sprayForm) reach() time.Duration { return sprayReach * p.lookback }

// sprayStmts work from the failures of the look back, which are few. What
// counts is an account that is new to the source: its first attempt there
// failed, or it was let in at once about when others failed. So an office's
// address or a common browser, where people mistype beside many successes, is
// no spray, while the same network used for one is. A source that lets most
// newcomers in is a new office.
func (c *Compiled) sprayStmts(s *step, r Run) ([]Stmt, error) {
	f, p := s.anomaly, s.anomaly.spray
	look := Range{r.Window.Start.Add(-p.lookback), r.Window.End}
	rows := c.raw(f.of, []Range{look})
	t := func(n string) string { return ident(s.name + "." + n) }
	var out []Stmt
	work := func(name, sql string) {
		out = append(out, Stmt{Step: s.name, Purpose: PurposeWork, SQL: "CREATE OR REPLACE TEMP TABLE " + t(name) + " AS\n" + sql})
	}
	cols := []string{p.accountText() + " AS account", "(" + p.origins[0].expr + ")::VARCHAR AS raw"}
	for i, o := range p.origins {
		cols = append(cols, fmt.Sprintf("%s AS o%d", o.text(), i))
	}
	work("fails", fmt.Sprintf(`SELECT %s, "time", %s FROM %s WHERE (%s) AND %s`, list(cols), c.eventID(f.of), rows, p.failure, present([]string{p.account})))
	out = append(out, Stmt{Step: s.name, Purpose: PurposeWork, SQL: "DELETE FROM " + t("fails") + " WHERE account IS NULL"})
	work("candidates", p.candidates(t))
	work("successes", p.successes(rows, t))
	work("pairs", p.pairs(t, look))
	work("campaigns", p.campaigns(t))
	work("attempts", p.attempts(t))
	work("raised", p.raised(t, r.Window))
	work("hits", p.hits(t, c.raw(f.of, []Range{{r.Window.Start.Add(-p.reach()), look.Start}}), look))
	q, err := c.findingSQL(s.name, r.ID, p.shape(f, t))
	if err != nil {
		return nil, err
	}
	return append(out, Stmt{Step: s.name, Purpose: PurposeStep, SQL: "CREATE OR REPLACE TEMP TABLE " + ident(s.name) + " AS\n" + q}), nil
}

func (p *sprayForm) accountText() string { return fold("user", path(p.account)) }

// successes are grouped as they are written, and told by one spelling once
// they are few. Of the narrowest origin, whose values are many, only the
// candidates are told apart, and addresses that have many spellings.
func (p *sprayForm) successes(rows string, t func(string) string) string {
	raw, texts, names := []string{path(p.account) + " AS account"}, []string{fold("user", "account") + " AS account"}, []string{"account"}
	for i, o := range p.origins {
		expr, name := "("+o.expr+")", fmt.Sprintf("o%d", i)
		if i == 0 {
			many := "false"
			if spellingOf(o.kind) == asAddress {
				many = "contains(" + expr + "::VARCHAR, ':')"
			}
			expr = fmt.Sprintf("CASE WHEN %[1]s::VARCHAR IN (SELECT raw FROM %[2]s WHERE o0 IN (SELECT source FROM %[3]s WHERE o = 0)) OR %[4]s THEN %[1]s END", expr, t("fails"), t("candidates"), many)
		}
		raw = append(raw, expr+" AS "+name)
		texts = append(texts, origin{o.kind, name}.text()+" AS "+name)
		names = append(names, name)
	}
	return fmt.Sprintf(`SELECT %[1]s, min(first) AS first, sum(n)::BIGINT AS n FROM (
  SELECT %[2]s, first, n FROM (SELECT %[3]s, min("time") AS first, count(*) AS n FROM %[4]s WHERE (%[5]s) AND %[6]s GROUP BY ALL))
GROUP BY %[1]s HAVING %[7]s`, list(names), list(texts), list(raw), rows, p.success, present([]string{p.account}), isSomebody("account"))
}

// each unions a SELECT over the origins; $o is the origin's column, $i its number.
func (p *sprayForm) each(sql string) string {
	parts := make([]string, len(p.origins))
	for i := range p.origins {
		parts[i] = strings.NewReplacer("$o", fmt.Sprintf("o%d", i), "$i", fmt.Sprint(i)).Replace(sql)
	}
	return strings.Join(parts, "\nUNION ALL ")
}

// candidates are sources with enough accounts that failed, for as many again
// may have been let in.
func (p *sprayForm) candidates(t func(string) string) string {
	return p.each(fmt.Sprintf("SELECT $i AS o, $o AS source FROM %s WHERE $o IS NOT NULL GROUP BY ALL HAVING count(DISTINCT account) >= %d", t("fails"), (min(p.minUsers, p.shortUsers)+1)/2))
}

// pairs are the accounts at the candidates, with what each did there. An
// account is new to the source if it failed before it succeeded. So near the
// look-back's start does an old friend who mistyped, who then succeeded more
// often than not. Whoever succeeded first (joined) may be let in at once, or
// an old friend: campaigns tell.
func (p *sprayForm) pairs(t func(string) string, look Range) string {
	edge := instant(look.Start.Add(sprayGap * day))
	known := "true"
	if p.known {
		known = "account IN (SELECT account FROM " + t("successes") + ")"
	}
	return fmt.Sprintf(`WITH f AS (%[1]s),
s AS (%[2]s)
SELECT *, coalesce(failed < let_in OR let_in IS NULL, false) AND (failed >= %[3]s OR successes <= failures) AS tried,
  coalesce(let_in <= failed OR failed IS NULL, false) AND let_in >= %[3]s AS joined
FROM (SELECT o, source, account, min(first) FILTER (bad) AS failed, coalesce(sum(n) FILTER (bad), 0) AS failures, min(first) FILTER (NOT bad) AS let_in, coalesce(sum(n) FILTER (NOT bad), 0) AS successes
  FROM (FROM f UNION ALL FROM s) GROUP BY ALL)
WHERE %[4]s`,
		p.each(fmt.Sprintf(`SELECT $i AS o, $o AS source, account, min("time") AS first, count(*) AS n, true AS bad FROM %s SEMI JOIN %s AS c ON c.o = $i AND c.source = $o GROUP BY ALL`, t("fails"), t("candidates"))),
		p.each(fmt.Sprintf(`SELECT $i AS o, $o AS source, account, min(first) AS first, sum(n) AS n, false AS bad FROM %s SEMI JOIN %s AS c ON c.o = $i AND c.source = $o GROUP BY ALL`, t("successes"), t("candidates"))),
		edge, known)
}

// campaigns are the runs of active days of a source.
func (p *sprayForm) campaigns(t func(string) string) string {
	return fmt.Sprintf(`SELECT o, source, campaign, min("time") AS first, max("time") AS last FROM (
  SELECT *, sum(fresh) OVER (PARTITION BY o, source ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign FROM (
    SELECT *, coalesce("time" - lag("time") OVER (PARTITION BY o, source ORDER BY "time") > to_days(%d), true)::INT AS fresh FROM (%s)))
GROUP BY ALL`, sprayGap, p.failsOf(t, "x.tried"))
}

// failsOf are the failures of the pairs that a condition holds for. Who has been
// let in, and then succeeds more often than not, mistypes from then on like
// everybody there.
func (p *sprayForm) failsOf(t func(string) string, cond string) string {
	return p.each(fmt.Sprintf(`SELECT x.o, x.source, x.account, f."time", f.event_id, true AS bad FROM %s AS f JOIN %s AS x ON x.o = $i AND x.source = f.$o AND x.account = f.account
WHERE %s AND (x.let_in IS NULL OR x.successes <= x.failures OR f."time" <= x.let_in + to_days(%d))`, t("fails"), t("pairs"), cond, sprayLead))
}

// attempts are the failures of accounts that are new to the source, and when
// each was let in, by campaign; marked with the attempts within which the
// short rule holds. Windows slide: a fixed bin would miss what crosses its edge.
func (p *sprayForm) attempts(t func(string) string) string {
	return fmt.Sprintf(`WITH a AS (%s UNION ALL SELECT o, source, account, let_in, NULL, false FROM %s WHERE let_in IS NOT NULL AND (tried OR joined)),
b AS (SELECT a.*, min(c.campaign) AS campaign FROM a JOIN %s AS c ON c.o = a.o AND c.source = a.source AND a."time" >= c.first - to_days(%[4]d) AND a."time" <= c.last + to_days(%[4]d) GROUP BY ALL)
SELECT *, count(*) OVER w AS burst, count(DISTINCT account) OVER w AS burst_users
FROM b WINDOW w AS (PARTITION BY o, source, campaign ORDER BY "time" RANGE BETWEEN INTERVAL '%[5]d seconds' PRECEDING AND CURRENT ROW)`,
		p.failsOf(t, "(x.tried OR x.joined)"), t("pairs"), t("campaigns"), sprayLead, int64(p.short.Seconds()))
}

// raised are the campaigns that the rules raise and the window adds to. Where
// most accounts were let in the narrowest source is an office; of a wider one
// only those count that never were, for it has many users who are new.
func (p *sprayForm) raised(t func(string) string, w Range) string {
	return fmt.Sprintf(`WITH share AS (SELECT o, source, campaign, count(DISTINCT account) AS accounts, count(DISTINCT account) FILTER (NOT bad) AS entered FROM %[1]s GROUP BY ALL),
offices AS (SELECT f.account FROM %[15]s AS f WHERE f.o0 IN (SELECT source FROM share WHERE o = 0 AND 2 * entered > accounts AND accounts >= %[16]d)),
a AS (SELECT a.* FROM %[1]s AS a JOIN share AS s USING (o, source, campaign)
  WHERE 2 * entered <= accounts OR (o > 0 AND account NOT IN (SELECT account FROM offices)
    AND NOT EXISTS (FROM %[1]s AS x WHERE NOT x.bad AND x.o = a.o AND x.source = a.source AND x.campaign = a.campaign AND x.account = a.account))),
users AS (SELECT o, source, campaign, account, count(*) AS n, bool_or(NOT bad) AS entered FROM a GROUP BY ALL),
u AS (SELECT o, source, campaign, count(*) AS users, sum(n) AS attempts, count(*) FILTER (entered) AS let_in, coalesce(sum(p.successes) FILTER (entered), 0)::BIGINT AS successes,
    any_value(entropy) AS h, list(account ORDER BY n DESC, account)[1:10] AS accounts, list(account) AS everyone, coalesce(list(account ORDER BY account) FILTER (entered), [])[1:100] AS let_in_accounts
  FROM (SELECT *, -sum(q * log2(q)) OVER (PARTITION BY o, source, campaign) AS entropy FROM (SELECT *, n / sum(n) OVER (PARTITION BY o, source, campaign) AS q FROM users))
  JOIN %[17]s AS p USING (o, source, account) GROUP BY o, source, campaign),
d AS (SELECT o, source, campaign, min("time") AS first, max("time") AS last, count(DISTINCT date_trunc('day', "time" AT TIME ZONE 'UTC')) AS days,
    max(burst) AS burst, max(burst_users) FILTER (burst >= %[2]d) AS burst_users, list(event_id ORDER BY "time" DESC) FILTER (event_id IS NOT NULL)[1:10] AS samples
  FROM a GROUP BY ALL),
m AS (SELECT *, least(1.0, ln(1 + users) / ln(%[3]d)) AS spread, let_in / attempts AS rate,
    CASE WHEN users < 2 THEN 0.0 ELSE h / log2(users) END AS evenness FROM u JOIN d USING (o, source, campaign)),
v AS (SELECT *, %[4]v * spread + %[5]v * (1 - rate) + %[6]v * evenness AS slow,
    users >= %[7]d AND attempts <= %[8]s * users AND days >= %[9]d AND slow >= %[10]s AS is_slow,
    coalesce(burst_users >= %[11]d, false) AS is_short FROM m)
SELECT * FROM v WHERE (is_slow OR is_short) AND last >= %[12]s AND last < %[13]s AND users >= %[14]d`,
		t("attempts"), p.shortAttempts, spraySaturation, sprayUsers, spraySuccess, sprayEntropy, p.minUsers, num(p.perUser), p.minDays, num(p.score),
		p.shortUsers, instant(w.Start), instant(w.End), min(p.minUsers, p.shortUsers), t("fails"), sprayOffice, t("pairs"))
}

// hits are what is raised, each campaign once: where a narrow source accounts
// for a wide one's users the narrow is kept, and where it is only a part of it
// the wide. A campaign that is older than the look-back is followed back to
// its start, which names it: only then are the older rows read.
func (p *sprayForm) hits(t func(string) string, older string, look Range) string {
	reach := look.End.Sub(look.Start) - p.lookback + p.reach() // from the window's end
	cols, named := []string{p.accountText() + " AS account", `"time"`, "coalesce((" + p.failure + "), false) AS bad"}, make([]string, len(p.origins))
	for i, o := range p.origins {
		cols = append(cols, fmt.Sprintf("%s AS o%d", o.text(), i))
		named[i] = fmt.Sprintf("(%s IN (SELECT source FROM open WHERE o = %d))", o.text(), i)
	}
	known := "true"
	if p.known {
		known = "account IN (SELECT account FROM " + t("successes") + ")"
	}
	return fmt.Sprintf(`WITH pairs AS (SELECT n.o AS no, n.source AS ns, n.campaign AS nc, r.o AS wo, r.source AS ws, r.campaign AS wc, len(list_intersect(n.everyone, r.everyone)) AS common, n.users AS nu, r.users AS wu
  FROM %[1]s AS n JOIN %[1]s AS r ON n.o < r.o AND n.first <= r.last AND n.last >= r.first),
gone AS (SELECT wo AS o, ws AS source, wc AS campaign FROM pairs WHERE common >= %[2]v * wu
  UNION SELECT no, ns, nc FROM pairs WHERE common < %[2]v * wu AND common >= %[2]v * nu),
kept AS MATERIALIZED (SELECT * FROM %[1]s ANTI JOIN gone USING (o, source, campaign)),
open AS MATERIALIZED (SELECT o, source, campaign, first FROM kept WHERE first < %[3]s + to_days(%[4]d)),
old AS MATERIALIZED (SELECT * FROM (SELECT %[5]s FROM %[6]s WHERE ((%[7]s) OR (%[8]s)) AND EXISTS (FROM open) AND (%[9]s)) WHERE %[10]s),
events AS (%[11]s),
strange AS (SELECT o, source, account FROM events GROUP BY ALL
  HAVING min("time") FILTER (bad) < coalesce(min("time") FILTER (NOT bad), 'infinity'::TIMESTAMPTZ)),
chain AS (SELECT x.o, x.source, x.campaign, e."time" FROM events AS e SEMI JOIN strange USING (o, source, account) JOIN open AS x USING (o, source) WHERE e.bad
  UNION ALL SELECT o, source, campaign, first FROM open),
since AS (SELECT o, source, campaign, max("time") FILTER (fresh) AS since FROM (
    SELECT *, coalesce("time" - lag("time") OVER (PARTITION BY o, source, campaign ORDER BY "time") > to_days(%[4]d), true) AS fresh FROM chain) GROUP BY ALL)
SELECT kept.* EXCLUDE (first), coalesce(since, first) AS first,
  CASE WHEN since < %[12]s THEN 'since before ' || (epoch_us(%[13]s) // %[14]d)::VARCHAR ELSE date_trunc('day', coalesce(since, first) AT TIME ZONE 'UTC')::VARCHAR END AS started
FROM kept LEFT JOIN since USING (o, source, campaign)`,
		t("raised"), sprayCover, instant(look.Start), sprayGap, list(cols), older, p.failure, p.success, strings.Join(named, " OR "), known,
		p.each(`SELECT $i AS o, $o AS source, account, "time", bad FROM old WHERE $o IN (SELECT source FROM open WHERE o = $i)`),
		instant(look.End.Add(-reach+sprayGap*day)), instant(look.End), p.reach().Microseconds())
}

func (p *sprayForm) shape(f *anomalyForm, t func(string) string) shape {
	kinds := make([]string, len(p.origins))
	for i, o := range p.origins {
		kinds[i] = str(o.kind)
	}
	reason := f.reason
	if reason == "" {
		reason = "{entity} tried {users} accounts {attempts} times over {days} days, {per_user} each; {let_in} let it in"
	}
	return shape{
		from: t("hits"), time: "first", start: "first", end: "last + to_microseconds(1)",
		entityType: "[" + list(kinds) + "][o + 1]", entity: "source", detector: f.method, key: "started",
		score:    fmt.Sprintf("%d * slow + CASE WHEN successes > 0 THEN %d ELSE 0 END", sprayBase, sprayHit),
		observed: "users", expected: num(float64(p.minUsers)), reason: reason, technique: f.technique,
		vars: map[string]string{"entity": "source", "users": "users", "attempts": "attempts", "days": "days", "successes": "successes",
			"let_in": "let_in", "per_user": text("attempts / users"), "observed": "users", "expected": fmt.Sprint(p.minUsers), "source_kind": "[" + list(kinds) + "][o + 1]"},
		evidence: [][2]string{{"users", "users"}, {"attempts", "attempts"}, {"successes", "successes"}, {"let_in", "let_in"}, {"let_in_accounts", "let_in_accounts"}, {"days", "days"},
			{"low_and_slow", "round(slow, 4)"}, {"u", "round(spread, 4)"}, {"h", "round(evenness, 4)"}, {"success_rate", "round(rate, 4)"},
			{"rules", "[x FOR x IN [CASE WHEN is_slow THEN 'low and slow' END, CASE WHEN is_short THEN 'short' END] IF x IS NOT NULL]"},
			{"burst", "burst"}, {"burst_users", "burst_users"}, {"accounts", "accounts"}, {"last", "last::VARCHAR"}, {"event_ids", "samples"}},
	}
}
