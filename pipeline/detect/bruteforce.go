package detect

import (
	"fmt"
	"strings"
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/pipeline/terms"
)

// BruteForce raises guessing at one account, and the forms of it that share
// accounts and addresses.
type BruteForce struct {
	Account  Text // column path
	Address  Text // column path; may be empty
	Group    Text // expression: what attempts by several addresses have in common; may be empty
	Failure  Text // condition
	Attempts int
	Window   time.Duration
}

// Method implements Detector.
func (*BruteForce) Method() Method { return "brute_force" }

// About implements Detector.
func (*BruteForce) About() string {
	return "Guessing at one account, in a sliding window (Elastic's rule); with `address` also one account from more " +
		"than 30 addresses with 100 failures in 30 minutes; with `group` also credential stuffing (10 users, 30 failures, " +
		"5 addresses, more users than addresses, 10 minutes) and distributed guessing (5 addresses, 8 users, 25 failures, " +
		"at most 5 a user and 2 users an address). Each rule has limits of its own. One campaign is one finding, whatever " +
		"windows it crosses: a day without ends it (ours)."
}

// Keys are those of a step.
func (*BruteForce) Keys() []strict.Field[BruteForce] {
	type B = BruteForce
	return []strict.Field[B]{
		strict.F("account", terms.Column(), func(b *B) *Text { return &b.Account },
			"Column of the account.").Default("user.name"),
		strict.F("address", terms.Column(), func(b *B) *Text { return &b.Address },
			"Column of the address that attempts come from; with it, the rules over many addresses."),
		strict.F("group", terms.Expression(), func(b *B) *Text { return &b.Group },
			"What attempts from several addresses have in common, such as the user agent; with it, the rules over many "+
				"accounts. Needs `address`."),
		strict.F("failure", terms.Condition(), func(b *B) *Text { return &b.Failure },
			"Condition of an attempt that failed.").Default("status = 'Failure'"),
		strict.F("attempts", strict.Int(2, 1_000_000), func(b *B) *int { return &b.Attempts },
			"Failures of one account.").Default("30"),
		strict.F("window", strict.Duration(time.Second, day), func(b *B) *time.Duration { return &b.Window },
			"Width of the sliding window.").Default("5m"),
	}
}

// Complete implements Detector.
func (*BruteForce) Complete() {}

// Check implements Detector.
func (b *BruteForce) Check(report func(at Pos, what, remedy string)) {
	if b.Group.Value != "" && b.Address.Value == "" {
		report(b.Group.Pos, "`group` needs `address`", "name the address's column, or remove `group`")
	}
}

// Subject implements RowDetector.
func (b *BruteForce) Subject() string { return b.Account.Value }

// Context implements RowDetector.
func (*BruteForce) Context() []Text { return nil }

// Bind implements RowDetector.
func (b *BruteForce) Bind(c Columns) RowDetector {
	out := *b
	out.Account, out.Failure = c.Path(b.Account), c.Expr(b.Failure)
	out.Address, out.Group = c.OptionalPath(b.Address), c.Optional(b.Group)
	if out.Address.Value == "" {
		out.Group = Text{}
	}
	return &out
}

// Guessing that goes on is one campaign, and so one finding: a day without it
// ends it (ours). One that is older than can be seen is known by its quarter.
const (
	guessGap  = day
	guessBack = 7 * day
)

// Reads implements RowDetector: the campaign, and what slides into its first moment.
func (b *BruteForce) Reads(window Range) Range {
	return Range{Start: window.Start.Add(-guessBack - max(30*time.Minute, b.Window)), End: window.End}
}

// Formula implements Detector.
func (b *BruteForce) Formula() string {
	return fmt.Sprintf("at least %d failures for one account within %s, or 100 from more than 30 addresses within 30m, "+
		"whatever the first limit; a day without ends a campaign", b.Attempts, b.Window)
}

// Explain implements Detector.
func (b *BruteForce) Explain(_ Run, entity string) Explanation {
	who := sqltext.Fold("user", sqltext.Path(b.Account.Value)) + " = " + sqltext.Str(entity)
	if b.Group.Value != "" {
		who += " OR (" + b.Group.Value + ")::VARCHAR = " + sqltext.Str(entity)
	}
	return Explanation{Where: "(" + b.Failure.Value + ") AND (" + who + ")"}
}

// guessRule is one rule over a sliding window.
type guessRule struct {
	name, entity, entityType string
	window                   time.Duration
	least                    int    // failures within the window
	cond                     string // over n, users, addresses
}

// rules are Elastic's.
func (b *BruteForce) rules(entityType string) []guessRule {
	out := []guessRule{{"guessing", "account", entityType, b.Window, b.Attempts, fmt.Sprintf("n >= %d", b.Attempts)}}
	if b.Address.Value == "" {
		return out
	}
	out = append(out, guessRule{"many addresses", "account", entityType, 30 * time.Minute, 100,
		"addresses > 30 AND n >= 100"})
	if b.Group.Value == "" {
		return out
	}
	return append(out,
		guessRule{"stuffing", "grp", "source", 10 * time.Minute, 30,
			"users >= 10 AND n >= 30 AND addresses >= 5 AND users > addresses"},
		guessRule{"distributed", "grp", "source", 10 * time.Minute, 25,
			"addresses >= 5 AND users >= 8 AND n >= 25 AND n <= 5 * users AND users <= 2 * addresses"})
}

// guessAttempts are the failures.
const guessAttempts = `rows AS MATERIALIZED (SELECT *
FROM (
  SELECT {account} AS account, {address} AS address, {group} AS grp, "time", {eventID}
  FROM {rows}
  WHERE ({failure}))
WHERE account IS NOT NULL)`

// guessCampaigns are a rule's campaigns that the window adds to.
const guessCampaigns = `SELECT {rule} AS rule, {kind} AS kind, entity, {least} AS least_n,
  min("time") AS first, max("time") AS last,
  max(n) AS n, arg_max(users, n) AS users, arg_max(addresses, n) AS addresses,
  count(*) AS hits, list(event_id ORDER BY "time")[1:10] AS samples
FROM (
  SELECT *, sum(fresh) OVER (PARTITION BY entity ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
  FROM (
    SELECT *, coalesce("time" - lag("time") OVER (PARTITION BY entity ORDER BY "time") > {gap}, true)::INT AS fresh
    FROM (
      SELECT *, count(*) OVER w AS n, count(DISTINCT account) OVER w AS users,
        count(DISTINCT address) OVER w AS addresses
      FROM (
        SELECT *, {entity} AS entity FROM rows
        WHERE {entity} IN (SELECT {entity} FROM rows GROUP BY 1 HAVING count(*) >= {least}))
      WINDOW w AS (PARTITION BY entity ORDER BY "time"
        RANGE BETWEEN INTERVAL '{seconds} seconds' PRECEDING AND CURRENT ROW))
    WHERE {cond} AND "time" >= {since}))
GROUP BY entity, campaign HAVING max("time") >= {start}`

func (rule guessRule) campaigns(w Range) string {
	return sqltext.Fill(guessCampaigns, sqltext.Values{
		"rule": sqltext.Str(rule.name), "kind": sqltext.Str(rule.entityType), "entity": rule.entity, "least": rule.least,
		"seconds": int64(rule.window.Seconds()), "cond": rule.cond, "gap": sqltext.Interval(guessGap),
		"start": sqltext.Instant(w.Start), "since": sqltext.Instant(w.Start.Add(-guessBack)),
	})
}

// guessBegun is the day on which a campaign began, or the quarter of one that
// is older than can be seen.
const guessBegun = `CASE
  WHEN first < {seen} THEN 'since ' || date_trunc('quarter', first AT TIME ZONE 'UTC')::VARCHAR
  ELSE date_trunc('day', first AT TIME ZONE 'UTC')::VARCHAR
END`

// Query implements Detector. It raises one finding an entity, rule and campaign.
func (b *BruteForce) Query(r Run) Query {
	address, group := "NULL", "NULL"
	if b.Address.Value != "" {
		address = sqltext.Path(b.Address.Value)
	}
	if b.Group.Value != "" {
		group = b.Group.Value
	}
	rows := sqltext.Fill(guessAttempts, sqltext.Values{
		"account": sqltext.Fold("user", sqltext.Path(b.Account.Value)), "address": sqltext.Fold("ip", address),
		"group": sqltext.Given(group), "eventID": r.EventID, "rows": r.Rows(b.Reads(r.Window)), "failure": b.Failure.Value,
	})
	var parts []string
	for _, rule := range b.rules(r.EntityType) {
		parts = append(parts, rule.campaigns(r.Window))
	}
	seen := sqltext.Instant(r.Window.Start.Add(guessGap - guessBack))
	return Query{Findings: Finding{
		From: "(WITH " + rows + "\n" + strings.Join(parts, "\nUNION ALL ") + ")",
		Time: "first", Start: "first", End: "last + to_microseconds(1)",
		EntityType: "kind", Entity: "entity",
		Key:   "concat_ws(chr(31), rule, " + sqltext.Fill(guessBegun, sqltext.Values{"seen": seen}) + ")",
		Score: scoreOver("n / least_n::DOUBLE"), Observed: "n", Expected: "least_n",
		Reason: "{entity}: {attempts} failures by {users} accounts from {addresses} addresses within the window ({rule})",
		Vars: map[string]string{"entity": "entity", "attempts": "n", "users": "users", "addresses": "addresses",
			"rule":     "rule",
			"observed": "n", "expected": "least_n"},
		Evidence: [][2]string{{"rule", "rule"}, {"attempts", "n"}, {"users", "users"}, {"addresses", "addresses"}, {"hits",
			"hits"},
			{"last", "last::VARCHAR"}, {"event_ids", "samples"}},
	}}
}
