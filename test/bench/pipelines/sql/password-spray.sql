-- The same answer by hand: failures once, successes once, then only pairs.
CREATE OR REPLACE TEMP TABLE fails AS
SELECT "user".name AS account, src_endpoint.ip AS o0, src_endpoint.autonomous_system.number::VARCHAR AS o1, http_request.user_agent AS o2, "time"
FROM lake.signin WHERE status = 'Failure' AND "user".name IS NOT NULL AND "time" >= $start - INTERVAL 30 DAY AND "time" < $end;

CREATE OR REPLACE TEMP TABLE cands AS
SELECT 0 AS o, o0 AS source FROM fails WHERE o0 IS NOT NULL GROUP BY ALL HAVING count(DISTINCT account) >= 10
UNION ALL SELECT 1, o1 FROM fails WHERE o1 IS NOT NULL GROUP BY ALL HAVING count(DISTINCT account) >= 10
UNION ALL SELECT 2, o2 FROM fails WHERE o2 IS NOT NULL GROUP BY ALL HAVING count(DISTINCT account) >= 10;

CREATE OR REPLACE TEMP TABLE succ AS
SELECT "user".name AS account, CASE WHEN src_endpoint.ip IN (SELECT source FROM cands WHERE o = 0) THEN src_endpoint.ip END AS o0,
  src_endpoint.autonomous_system.number AS o1, http_request.user_agent AS o2, min("time") AS first, count(*) AS n
FROM lake.signin WHERE status = 'Success' AND "time" >= $start - INTERVAL 30 DAY AND "time" < $end GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE answer AS
WITH f AS (SELECT 0 AS o, o0 AS source, account, "time" FROM fails SEMI JOIN cands c ON c.o = 0 AND c.source = o0
  UNION ALL SELECT 1, o1, account, "time" FROM fails SEMI JOIN cands c ON c.o = 1 AND c.source = o1
  UNION ALL SELECT 2, o2, account, "time" FROM fails SEMI JOIN cands c ON c.o = 2 AND c.source = o2),
s AS (SELECT 0 AS o, o0 AS source, account, min(first) AS first, sum(n) AS n FROM succ SEMI JOIN cands c ON c.o = 0 AND c.source = o0 GROUP BY ALL
  UNION ALL SELECT 1, o1::VARCHAR, account, min(first), sum(n) FROM succ SEMI JOIN cands c ON c.o = 1 AND c.source = o1::VARCHAR GROUP BY ALL
  UNION ALL SELECT 2, o2, account, min(first), sum(n) FROM succ SEMI JOIN cands c ON c.o = 2 AND c.source = o2 GROUP BY ALL),
known AS (SELECT DISTINCT account FROM succ),
pairs AS (SELECT o, source, account, min("time") AS first, count(*) AS failures FROM f GROUP BY ALL),
strange AS (SELECT p.o, p.source, p.account, coalesce(s.n, 0) AS successes FROM pairs p LEFT JOIN s USING (o, source, account) WHERE s.first IS NULL OR (s.first > p.first AND s.n <= p.failures)),
att AS (SELECT f.*, x.successes FROM f JOIN strange x USING (o, source, account) WHERE f.account IN (FROM known)),
camp AS (SELECT *, sum(fresh) OVER (PARTITION BY o, source ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
  FROM (SELECT *, coalesce("time" - lag("time") OVER (PARTITION BY o, source ORDER BY "time") > INTERVAL 7 DAY, true)::INT AS fresh,
    count(*) OVER w AS burst, count(DISTINCT account) OVER w AS burst_users
  FROM att WINDOW w AS (PARTITION BY o, source ORDER BY "time" RANGE BETWEEN INTERVAL 30 MINUTE PRECEDING AND CURRENT ROW))),
users AS (SELECT o, source, campaign, account, count(*) AS n, max(successes) AS successes FROM camp GROUP BY ALL),
u AS (SELECT o, source, campaign, count(*) AS users, sum(n) AS failures, sum(successes) AS successes, log2(sum(n)) - sum(n * log2(n)) / sum(n) AS h, list(account) AS everyone FROM users GROUP BY ALL),
d AS (SELECT o, source, campaign, min("time") AS first, max("time") AS last, count(DISTINCT "time"::DATE) AS days, max(burst_users) FILTER (burst >= 15) AS burst_users FROM camp GROUP BY ALL),
v AS (SELECT *, 0.5 * least(1.0, ln(1 + users) / ln(51)) + 0.2 * (1 - successes / (failures + successes)) + 0.3 * if(users < 2, 0, h / log2(users)) AS slow FROM u JOIN d USING (o, source, campaign)),
raised AS (SELECT * FROM v WHERE ((users >= 10 AND failures + successes <= 5 * users AND days >= 3 AND slow >= 0.6) OR coalesce(burst_users >= 15, false)) AND last >= $start AND last < $end),
pr AS (SELECT n.o AS no, n.source AS ns, n.campaign AS nc, r.o AS wo, r.source AS ws, r.campaign AS wc, len(list_intersect(n.everyone, r.everyone)) AS common, n.users AS nu, r.users AS wu
  FROM raised n JOIN raised r ON n.o < r.o AND n.first <= r.last AND n.last >= r.first),
gone AS (SELECT wo AS o, ws AS source, wc AS campaign FROM pr WHERE common >= 0.8 * wu UNION SELECT no, ns, nc FROM pr WHERE common < 0.8 * wu AND common >= 0.8 * nu)
SELECT ['ip', 'asn', 'user_agent'][o + 1] AS entity_type, source AS entity, round(least(100, 85 * slow + if(successes > 0, 15, 0)), 2) AS score
FROM raised ANTI JOIN gone USING (o, source, campaign)
