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
	sprayCover                             = 0.8
)

// sprayStmts work from the failures of the look back, which are few. An
// attempt counts where the account is a stranger to the source: no success of
// the pair comes before its first failure, and successes are no more than
// failures. So an office's address or a common browser, where people mistype
// beside many successes, is no spray, while the same network used for one is.
func (c *Compiled) sprayStmts(s *step, r Run) ([]Stmt, error) {
	f, p := s.anomaly, s.anomaly.spray
	rows := c.raw(f.of, []Range{{r.Window.Start.Add(-p.lookback), r.Window.End}})
	t := func(n string) string { return ident(s.name + "." + n) }
	var out []Stmt
	work := func(name, sql string) {
		out = append(out, Stmt{Step: s.name, Purpose: PurposeWork, SQL: "CREATE OR REPLACE TEMP TABLE " + t(name) + " AS\n" + sql})
	}
	cols := []string{path(p.account) + "::VARCHAR AS account"}
	for i, o := range p.origins {
		cols = append(cols, fmt.Sprintf("(%s)::VARCHAR AS o%d", o.expr, i))
	}
	work("fails", fmt.Sprintf(`SELECT %s, "time", %s FROM %s WHERE (%s) AND %s IS NOT NULL`, list(cols), c.eventID(f.of), rows, p.failure, path(p.account)))
	work("candidates", p.candidates(t))
	work("successes", fmt.Sprintf(`SELECT * REPLACE (%s) FROM (SELECT %s, min("time") AS first, count(*) AS n FROM %s WHERE (%s) GROUP BY ALL)`,
		list(p.texts()), list(p.successCols(t)), rows, p.success))
	known := "true"
	if p.known {
		known = "account IN (SELECT account FROM " + t("successes") + ")"
	}
	work("attempts", p.attempts(t, known))
	work("campaigns", p.campaigns(t))
	work("hits", p.hits(t, r.Window))
	q, err := c.findingSQL(s.name, r.ID, p.shape(f, t))
	if err != nil {
		return nil, err
	}
	return append(out, Stmt{Step: s.name, Purpose: PurposeStep, SQL: "CREATE OR REPLACE TEMP TABLE " + ident(s.name) + " AS\n" + q}), nil
}

// successCols are what successes are grouped by. Of the narrowest origin, whose
// values are many, only the candidates are told apart; casts wait for the few
// groups.
func (p *sprayForm) successCols(t func(string) string) []string {
	cols := []string{path(p.account) + " AS account"}
	for i, o := range p.origins {
		expr := "(" + o.expr + ")"
		if i == 0 {
			expr = fmt.Sprintf("CASE WHEN %s::VARCHAR IN (SELECT source FROM %s WHERE o = 0) THEN %[1]s END", expr, t("candidates"))
		}
		cols = append(cols, fmt.Sprintf("%s AS o%d", expr, i))
	}
	return cols
}

// texts cast the account and the origins.
func (p *sprayForm) texts() []string {
	out := []string{"account::VARCHAR AS account"}
	for i := range p.origins {
		out = append(out, fmt.Sprintf("o%d::VARCHAR AS o%[1]d", i))
	}
	return out
}

// each unions a SELECT over the origins; $o is the origin's column, $i its number.
func (p *sprayForm) each(sql string) string {
	parts := make([]string, len(p.origins))
	for i := range p.origins {
		parts[i] = strings.NewReplacer("$o", fmt.Sprintf("o%d", i), "$i", fmt.Sprint(i)).Replace(sql)
	}
	return strings.Join(parts, "\nUNION ALL ")
}

func (p *sprayForm) candidates(t func(string) string) string {
	return p.each(fmt.Sprintf("SELECT $i AS o, $o AS source FROM %s WHERE $o IS NOT NULL GROUP BY ALL HAVING count(DISTINCT account) >= %d", t("fails"), min(p.minUsers, p.shortUsers)))
}

// attempts are the failures of strangers, with what the pair did besides.
func (p *sprayForm) attempts(t func(string) string, known string) string {
	return fmt.Sprintf(`WITH f AS (%s),
s AS (%s),
pairs AS (SELECT f.o, f.source, f.account, min(f."time") AS first, count(*) AS failures FROM f GROUP BY ALL),
strange AS (SELECT p.o, p.source, p.account, coalesce(s.n, 0) AS successes FROM pairs AS p LEFT JOIN s ON s.o = p.o AND s.source = p.source AND s.account = p.account
  WHERE s.first IS NULL OR (s.first > p.first AND s.n <= p.failures))
SELECT f.*, x.successes FROM f JOIN strange AS x ON x.o = f.o AND x.source = f.source AND x.account = f.account WHERE %s`,
		p.each(fmt.Sprintf(`SELECT $i AS o, $o AS source, account, "time", event_id FROM %s SEMI JOIN %s AS c ON c.o = $i AND c.source = $o`, t("fails"), t("candidates"))),
		p.each(fmt.Sprintf(`SELECT $i AS o, $o AS source, account, min(first) AS first, sum(n) AS n FROM %s SEMI JOIN %s AS c ON c.o = $i AND c.source = $o GROUP BY ALL`, t("successes"), t("candidates"))),
		strings.ReplaceAll(known, "account IN", "f.account IN"))
}

// campaigns number the runs of active days of a source, and mark the attempts
// within which the short rule holds. Windows slide: a fixed bin would miss
// what crosses its edge.
func (p *sprayForm) campaigns(t func(string) string) string {
	return fmt.Sprintf(`SELECT *, sum(fresh) OVER (PARTITION BY o, source ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
FROM (SELECT *, coalesce("time" - lag("time") OVER (PARTITION BY o, source ORDER BY "time") > to_days(%d), true)::INT AS fresh,
  count(*) OVER w AS burst, count(DISTINCT account) OVER w AS burst_users
FROM %s WINDOW w AS (PARTITION BY o, source ORDER BY "time" RANGE BETWEEN %s PRECEDING AND CURRENT ROW))`,
		sprayGap, t("attempts"), "INTERVAL '"+fmt.Sprint(int64(p.short.Seconds()))+" seconds'")
}

// hits are the campaigns that the rules raise and the window adds to. One
// campaign is one finding: where a narrow source accounts for a wide one's
// users the narrow is kept, and where it is only a part of it the wide.
func (p *sprayForm) hits(t func(string) string, w Range) string {
	return fmt.Sprintf(`WITH users AS (SELECT o, source, campaign, account, count(*) AS n, max(successes) AS successes FROM %[1]s GROUP BY ALL),
u AS (SELECT o, source, campaign, count(*) AS users, sum(n) AS failures, sum(successes) AS successes,
    entropy AS h, list(account ORDER BY n DESC, account)[1:10] AS accounts, list(account) AS everyone
  FROM (SELECT *, -sum(q * log2(q)) OVER (PARTITION BY o, source, campaign) AS entropy FROM (SELECT *, n / sum(n) OVER (PARTITION BY o, source, campaign) AS q FROM users)) GROUP BY ALL),
d AS (SELECT o, source, campaign, min("time") AS first, max("time") AS last, count(DISTINCT date_trunc('day', "time" AT TIME ZONE 'UTC')) AS days,
    max(burst) AS burst, max(burst_users) FILTER (burst >= %[2]d) AS burst_users, list(event_id ORDER BY "time" DESC)[1:10] AS samples
  FROM %[1]s GROUP BY ALL),
m AS (SELECT *, failures + successes AS attempts, least(1.0, ln(1 + users) / ln(%[3]d)) AS spread, successes / (failures + successes) AS rate,
    CASE WHEN users < 2 THEN 0.0 ELSE h / log2(users) END AS evenness FROM u JOIN d USING (o, source, campaign)),
v AS (SELECT *, %[4]v * spread + %[5]v * (1 - rate) + %[6]v * evenness AS slow,
    users >= %[7]d AND attempts <= %[8]s * users AND days >= %[9]d AND slow >= %[10]s AS is_slow,
    coalesce(burst_users >= %[11]d, false) AS is_short FROM m),
raised AS (SELECT * FROM v WHERE (is_slow OR is_short) AND last >= %[12]s AND last < %[13]s),
pairs AS (SELECT n.o AS no, n.source AS ns, n.campaign AS nc, r.o AS wo, r.source AS ws, r.campaign AS wc, len(list_intersect(n.everyone, r.everyone)) AS common, n.users AS nu, r.users AS wu
  FROM raised AS n JOIN raised AS r ON n.o < r.o AND n.first <= r.last AND n.last >= r.first),
gone AS (SELECT wo AS o, ws AS source, wc AS campaign FROM pairs WHERE common >= %[14]v * wu
  UNION SELECT no, ns, nc FROM pairs WHERE common < %[14]v * wu AND common >= %[14]v * nu)
SELECT * FROM raised ANTI JOIN gone USING (o, source, campaign)`,
		t("campaigns"), p.shortAttempts, spraySaturation, sprayUsers, spraySuccess, sprayEntropy, p.minUsers, num(p.perUser), p.minDays, num(p.score),
		p.shortUsers, instant(w.Start), instant(w.End), sprayCover)
}

func (p *sprayForm) shape(f *anomalyForm, t func(string) string) shape {
	kinds := make([]string, len(p.origins))
	for i, o := range p.origins {
		kinds[i] = str(o.kind)
	}
	reason := f.reason
	if reason == "" {
		reason = "{entity} tried {users} accounts {attempts} times over {days} days, {per_user} each; {successes} succeeded"
	}
	return shape{
		from: t("hits"), time: "first", start: "first", end: "last + to_microseconds(1)",
		entityType: "[" + list(kinds) + "][o + 1]", entity: "source", detector: f.method, key: "date_trunc('day', first AT TIME ZONE 'UTC')",
		score:    fmt.Sprintf("%d * slow + CASE WHEN successes > 0 THEN %d ELSE 0 END", sprayBase, sprayHit),
		observed: "users", expected: num(float64(p.minUsers)), reason: reason, technique: f.technique,
		vars: map[string]string{"entity": "source", "users": "users", "attempts": "attempts", "days": "days", "successes": "successes",
			"per_user": text("attempts / users"), "observed": "users", "expected": fmt.Sprint(p.minUsers), "source_kind": "[" + list(kinds) + "][o + 1]"},
		evidence: [][2]string{{"users", "users"}, {"attempts", "attempts"}, {"successes", "successes"}, {"days", "days"},
			{"low_and_slow", "round(slow, 4)"}, {"u", "round(spread, 4)"}, {"h", "round(evenness, 4)"}, {"success_rate", "round(rate, 4)"},
			{"rules", "[x FOR x IN [CASE WHEN is_slow THEN 'low and slow' END, CASE WHEN is_short THEN 'short' END] IF x IS NOT NULL]"},
			{"burst", "burst"}, {"burst_users", "burst_users"}, {"accounts", "accounts"}, {"last", "last::VARCHAR"}, {"event_ids", "samples"}},
	}
}
