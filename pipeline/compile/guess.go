package compile

import (
	"fmt"
	"strings"
	"time"
)

// guessForm is guessing at one account, and the forms that share accounts
// and addresses: see SEMANTICS.
type guessForm struct {
	account, address string // column paths; address may be empty
	group            string // what attempts by several addresses have in common, such as the user agent; may be empty
	failure          string // condition
	attempts         int
	window           time.Duration
}

// guessRule is one rule over a sliding window.
type guessRule struct {
	name, entity, entityType string
	window                   time.Duration
	least                    int    // failures within the window
	cond                     string // over n, users, addresses
}

func (g *guessForm) rules(entityType string) []guessRule {
	out := []guessRule{{"guessing", "account", entityType, g.window, g.attempts, fmt.Sprintf("n >= %d", g.attempts)}}
	if g.address == "" {
		return out
	}
	out = append(out, guessRule{"many addresses", "account", entityType, 30 * time.Minute, 100, "addresses > 30 AND n >= 100"})
	if g.group != "" {
		out = append(out,
			guessRule{"stuffing", "grp", "source", 10 * time.Minute, 30, "users >= 10 AND n >= 30 AND addresses >= 5 AND users > addresses"},
			guessRule{"distributed", "grp", "source", 10 * time.Minute, 25, "addresses >= 5 AND users >= 8 AND n >= 25 AND n <= 5 * users AND users <= 2 * addresses"})
	}
	return out
}

// Guessing that goes on is one campaign, and so one finding: a day without it
// ends it (ours). One that is older than can be seen is known by its quarter.
const (
	guessGap  = day
	guessBack = 7 * day
)

// back is how far before a window attempts are read: the campaign, and what
// slides into its first moment.
func (g *guessForm) back() time.Duration { return guessBack + max(30*time.Minute, g.window) }

// guessing raises one finding an entity, rule and campaign. Each rule has
// limits of its own.
func (c *Compiled) guessing(s *step, r Run) (string, error) {
	f, g := s.anomaly, s.anomaly.guess
	address, group := "NULL", "NULL"
	if g.address != "" {
		address = path(g.address)
	}
	if g.group != "" {
		group = g.group
	}
	rows := fmt.Sprintf(`rows AS MATERIALIZED (SELECT * FROM (SELECT %s AS account, %s AS address, %s AS grp, "time", %s FROM %s WHERE (%s)) WHERE account IS NOT NULL)`,
		fold("user", path(g.account)), fold("ip", address), given(group), c.eventID(f.of), c.raw(f.of, []Range{{r.Window.Start.Add(-g.back()), r.Window.End}}), g.failure)
	var parts []string
	for _, rule := range g.rules(f.entityType) {
		parts = append(parts, rule.campaigns(r.Window))
	}
	from := "(WITH " + rows + "\n" + strings.Join(parts, "\nUNION ALL ") + ")"
	reason := f.reason
	if reason == "" {
		reason = "{entity}: {attempts} failures by {users} accounts from {addresses} addresses within the window ({rule})"
	}
	begun := fmt.Sprintf("CASE WHEN first < %s THEN 'since ' || date_trunc('quarter', first AT TIME ZONE 'UTC')::VARCHAR ELSE date_trunc('day', first AT TIME ZONE 'UTC')::VARCHAR END",
		instant(r.Window.Start.Add(guessGap-guessBack)))
	return c.findingSQL(s.name, r.ID, shape{
		from: from, time: "first", start: "first", end: "last + to_microseconds(1)",
		entityType: "kind", entity: "entity", detector: f.method, key: "concat_ws(chr(31), rule, " + begun + ")",
		score: scoreOver("n / least_n::DOUBLE"), observed: "n", expected: "least_n", reason: reason, technique: f.technique,
		vars: map[string]string{"entity": "entity", "attempts": "n", "users": "users", "addresses": "addresses", "rule": "rule", "observed": "n", "expected": "least_n"},
		evidence: [][2]string{{"rule", "rule"}, {"attempts", "n"}, {"users", "users"}, {"addresses", "addresses"}, {"hits", "hits"},
			{"last", "last::VARCHAR"}, {"event_ids", "samples"}},
	})
}

// campaigns is a SELECT of the rule's campaigns that the window adds to, over rows.
func (rule guessRule) campaigns(w Range) string {
	return fmt.Sprintf(`SELECT %[1]s AS rule, %[2]s AS kind, entity, %[4]d AS least_n, min("time") AS first, max("time") AS last,
  max(n) AS n, arg_max(users, n) AS users, arg_max(addresses, n) AS addresses, count(*) AS hits, list(event_id ORDER BY "time")[1:10] AS samples
FROM (SELECT *, sum(fresh) OVER (PARTITION BY entity ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
  FROM (SELECT *, coalesce("time" - lag("time") OVER (PARTITION BY entity ORDER BY "time") > %[9]s, true)::INT AS fresh
    FROM (SELECT *, count(*) OVER w AS n, count(DISTINCT account) OVER w AS users, count(DISTINCT address) OVER w AS addresses
      FROM (SELECT *, %[3]s AS entity FROM rows WHERE %[3]s IN (SELECT %[3]s FROM rows GROUP BY 1 HAVING count(*) >= %[4]d))
      WINDOW w AS (PARTITION BY entity ORDER BY "time" RANGE BETWEEN INTERVAL '%[5]d seconds' PRECEDING AND CURRENT ROW))
    WHERE %[6]s AND "time" >= %[8]s))
GROUP BY entity, campaign HAVING max("time") >= %[7]s`,
		str(rule.name), str(rule.entityType), rule.entity, rule.least, int64(rule.window.Seconds()), rule.cond, instant(w.Start), instant(w.Start.Add(-guessBack)), interval(guessGap))
}
