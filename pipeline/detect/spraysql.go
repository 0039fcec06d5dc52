package detect

// The temporary tables of a spray, in order.

const sprayFails = `SELECT {account} AS account, ({firstOrigin})::VARCHAR AS raw, {origins}, "time", {eventID}
FROM {rows}
WHERE ({failure}) AND {present}`

// sprayCandidates are sources with enough accounts that failed, for as many
// again may have been let in.
const sprayCandidates = `SELECT {i} AS o, {o} AS source FROM {fails} WHERE {o} IS NOT NULL
GROUP BY ALL HAVING count(DISTINCT account) >= {half}`

// spraySuccesses are grouped as they are written, and told by one spelling once
// they are few.
const spraySuccesses = `SELECT {named}, min(first) AS first, sum(n)::BIGINT AS n
FROM (
  SELECT {folded}, first, n
  FROM (
    SELECT {raw}, min("time") AS first, count(*) AS n
    FROM {rows}
    WHERE ({success}) AND {present} GROUP BY ALL))
GROUP BY {named} HAVING {isSomebody}`

const sprayFailed = `SELECT {i} AS o, {o} AS source, account, min("time") AS first, count(*) AS n, true AS bad
  FROM {fails} SEMI JOIN {candidates} AS c ON c.o = {i} AND c.source = {o} GROUP BY ALL`

const sprayLetIn = `SELECT {i} AS o, {o} AS source, account, min(first) AS first, sum(n) AS n, false AS bad
  FROM {successes} SEMI JOIN {candidates} AS c ON c.o = {i} AND c.source = {o} GROUP BY ALL`

// sprayPairs are the accounts at the candidates, with what each did there. An
// account is new to the source if it failed before it succeeded. So near the
// look-back's start does an old friend who mistyped, who then succeeded more
// often than not. Whoever succeeded first (joined) may be let in at once, or
// an old friend: campaigns tell.
const sprayPairs = `WITH f AS ({failed}),
s AS ({letIn})
SELECT *,
  coalesce(failed < let_in OR let_in IS NULL, false) AND (failed >= {edge} OR successes <= failures) AS tried,
  coalesce(let_in <= failed OR failed IS NULL, false) AND let_in >= {edge} AS joined
FROM (
  SELECT o, source, account,
    min(first) FILTER (bad) AS failed, coalesce(sum(n) FILTER (bad), 0) AS failures,
    min(first) FILTER (NOT bad) AS let_in, coalesce(sum(n) FILTER (NOT bad), 0) AS successes
  FROM (FROM f UNION ALL FROM s) GROUP BY ALL)
WHERE {isKnown}`

// sprayFailsOf are the failures of the pairs that a condition holds for. Who has
// been let in, and then succeeds more often than not, mistypes from then on
// like everybody there.
const sprayFailsOf = `SELECT x.o, x.source, x.account, f."time", f.event_id, true AS bad
  FROM {fails} AS f JOIN {pairs} AS x ON x.o = {i} AND x.source = f.{o} AND x.account = f.account
  WHERE {cond} AND (x.let_in IS NULL OR x.successes <= x.failures OR f."time" <= x.let_in + to_days({lead}))`

// sprayCampaigns are the runs of active days of a source.
const sprayCampaigns = `SELECT o, source, campaign, min("time") AS first, max("time") AS last
FROM (
  SELECT *, sum(fresh) OVER (PARTITION BY o, source ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
  FROM (
    SELECT *,
      coalesce("time" - lag("time") OVER (PARTITION BY o, source ORDER BY "time") > to_days({gap}), true)::INT AS fresh
    FROM ({triedPairs})))
GROUP BY ALL`

// sprayAttempts are the failures of accounts that are new to the source, and
// when each was let in, by campaign; marked with the attempts within which the
// short rule holds. Windows slide: a fixed bin would miss what crosses its edge.
const sprayAttempts = `WITH a AS (
  {allPairs}
  UNION ALL SELECT o, source, account, let_in, NULL, false FROM {pairs} WHERE let_in IS NOT NULL AND (tried OR joined)),
b AS (
  SELECT a.*, min(c.campaign) AS campaign
  FROM a JOIN {campaigns} AS c ON c.o = a.o AND c.source = a.source
    AND a."time" >= c.first - to_days({lead}) AND a."time" <= c.last + to_days({lead})
  GROUP BY ALL)
SELECT *, count(*) OVER w AS burst, count(DISTINCT account) OVER w AS burst_users
FROM b
WINDOW w AS (PARTITION BY o, source, campaign ORDER BY "time"
  RANGE BETWEEN INTERVAL '{seconds} seconds' PRECEDING AND CURRENT ROW)`

// sprayRaised are the campaigns that the rules raise and the window adds to.
// Where most accounts were let in the narrowest source is an office; of a wider
// one only those count that never were, for it has many users who are new.
const sprayRaised = `WITH share AS (
  SELECT o, source, campaign, count(DISTINCT account) AS accounts, count(DISTINCT account) FILTER (NOT bad) AS entered
  FROM {attempts} GROUP BY ALL),
offices AS (
  SELECT f.account FROM {fails} AS f
  WHERE f.o0 IN (SELECT source FROM share WHERE o = 0 AND 2 * entered > accounts AND accounts >= {office})),
a AS (
  SELECT a.* FROM {attempts} AS a JOIN share AS s USING (o, source, campaign)
  WHERE 2 * entered <= accounts OR (o > 0 AND account NOT IN (SELECT account FROM offices)
    AND NOT EXISTS (FROM {attempts} AS x
      WHERE NOT x.bad AND x.o = a.o AND x.source = a.source AND x.campaign = a.campaign AND x.account = a.account))),
users AS (
  SELECT o, source, campaign, account, count(*) AS n, bool_or(NOT bad) AS entered FROM a GROUP BY ALL),
u AS (
  SELECT o, source, campaign, count(*) AS users, sum(n) AS attempts, count(*) FILTER (entered) AS let_in,
    coalesce(sum(p.successes) FILTER (entered), 0)::BIGINT AS successes, any_value(entropy) AS h,
    list(account ORDER BY n DESC, account)[1:10] AS accounts, list(account) AS everyone,
    coalesce(list(account ORDER BY account) FILTER (entered), [])[1:100] AS let_in_accounts
  FROM (
    SELECT *, -sum(q * log2(q)) OVER (PARTITION BY o, source, campaign) AS entropy
    FROM (SELECT *, n / sum(n) OVER (PARTITION BY o, source, campaign) AS q FROM users))
  JOIN {pairs} AS p USING (o, source, account) GROUP BY o, source, campaign),
d AS (
  SELECT o, source, campaign, min("time") AS first, max("time") AS last,
    count(DISTINCT date_trunc('day', "time" AT TIME ZONE 'UTC')) AS days,
    max(burst) AS burst, max(burst_users) FILTER (burst >= {shortAttempts}) AS burst_users,
    list(event_id ORDER BY "time" DESC) FILTER (event_id IS NOT NULL)[1:10] AS samples
  FROM a GROUP BY ALL),
m AS (
  SELECT *, least(1.0, ln(1 + users) / ln({saturation})) AS spread, let_in / attempts AS rate,
    CASE WHEN users < 2 THEN 0.0 ELSE h / log2(users) END AS evenness
  FROM u JOIN d USING (o, source, campaign)),
v AS (
  SELECT *, {wUsers} * spread + {wSuccess} * (1 - rate) + {wEntropy} * evenness AS slow,
    users >= {minUsers} AND attempts <= {perUser} * users AND days >= {minDays} AND slow >= {minScore} AS is_slow,
    coalesce(burst_users >= {shortUsers}, false) AS is_short
  FROM m)
SELECT * FROM v
WHERE (is_slow OR is_short) AND last >= {start} AND last < {end} AND users >= {leastUsers}`

// sprayHits are what is raised, each campaign once: where a narrow source
// accounts for a wide one's users the narrow is kept, and where it is only a
// part of it the wide. A campaign that is older than the look-back is followed
// back to its start, which names it: only then are the older rows read.
const sprayHits = `WITH pairs AS (
  SELECT n.o AS no, n.source AS ns, n.campaign AS nc, r.o AS wo, r.source AS ws, r.campaign AS wc,
    len(list_intersect(n.everyone, r.everyone)) AS common, n.users AS nu, r.users AS wu
  FROM {raised} AS n JOIN {raised} AS r ON n.o < r.o AND n.first <= r.last AND n.last >= r.first),
gone AS (
  SELECT wo AS o, ws AS source, wc AS campaign FROM pairs WHERE common >= {cover} * wu
  UNION SELECT no, ns, nc FROM pairs WHERE common < {cover} * wu AND common >= {cover} * nu),
kept AS MATERIALIZED (SELECT * FROM {raised} ANTI JOIN gone USING (o, source, campaign)),
open AS MATERIALIZED (SELECT o, source, campaign, first FROM kept WHERE first < {lookStart} + to_days({gap})),
old AS MATERIALIZED (
  SELECT * FROM (
    SELECT {account} AS account, "time", coalesce(({failure}), false) AS bad, {origins}
    FROM {older}
    WHERE (({failure}) OR ({success})) AND EXISTS (FROM open) AND ({isOpen}))
  WHERE {isKnown}),
events AS ({old}),
strange AS (
  SELECT o, source, account FROM events GROUP BY ALL
  HAVING min("time") FILTER (bad) < coalesce(min("time") FILTER (NOT bad), 'infinity'::TIMESTAMPTZ)),
chain AS (
  SELECT x.o, x.source, x.campaign, e."time"
  FROM events AS e SEMI JOIN strange USING (o, source, account) JOIN open AS x USING (o, source) WHERE e.bad
  UNION ALL SELECT o, source, campaign, first FROM open),
since AS (
  SELECT o, source, campaign, max("time") FILTER (fresh) AS since
  FROM (
    SELECT *,
      coalesce("time" - lag("time") OVER (PARTITION BY o, source, campaign ORDER BY "time")
        > to_days({gap}), true) AS fresh
    FROM chain)
  GROUP BY ALL)
SELECT kept.* EXCLUDE (first), coalesce(since, first) AS first,
  CASE WHEN since < {far} THEN 'since before ' || (epoch_us({end}) // {reach})::VARCHAR
    ELSE date_trunc('day', coalesce(since, first) AT TIME ZONE 'UTC')::VARCHAR END AS started
FROM kept LEFT JOIN since USING (o, source, campaign)`

const sprayOld = `SELECT {i} AS o, {o} AS source, account, "time", bad
  FROM old WHERE {o} IN (SELECT source FROM open WHERE o = {i})`
