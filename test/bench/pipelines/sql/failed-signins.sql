-- The same answer by hand. Like the first run it keeps what every user does in
-- every hour, successes too, for they show how long a user is known, so that a
-- next run is cheap; then it looks at the few users with failures enough in the
-- hour, and at nobody else's history.
CREATE OR REPLACE TABLE state.main.hand_usual AS
SELECT lower(trim("user".name)) AS entity, epoch_us("time") // 3600000000 AS bucket, count(*) FILTER (status = 'Failure')::DOUBLE AS n,
  count(DISTINCT src_endpoint.ip) FILTER (status = 'Failure')::DOUBLE AS sources
FROM lake.signin
WHERE "user".name IS NOT NULL AND "time" >= $start - INTERVAL 28 DAY AND "time" < $end
GROUP BY 1, 2;

CREATE OR REPLACE TEMP TABLE answer AS
WITH w AS (SELECT epoch_us($start) // 3600000000 AS w),
cand AS (SELECT a.entity, a.n, w FROM state.main.hand_usual a, w WHERE bucket = w AND n >= 10),
hist AS (SELECT a.entity, a.bucket, a.n FROM state.main.hand_usual a SEMI JOIN cand USING (entity) WHERE bucket < (FROM w)),
seen AS (SELECT entity, min(bucket) AS first FROM hist GROUP BY 1),
cal AS (SELECT b, (b + 72) % 168 = (w + 72) % 168 AS same_slot, b % 24 = w % 24 AND ((b // 24 + 3) % 7 >= 5) = ((w // 24 + 3) % 7 >= 5) AS same_hour FROM (SELECT unnest(range(w - 672, w)) AS b, w FROM w)),
level AS (SELECT c.entity, c.n, s.first, c.w, CASE WHEN count(*) FILTER (same_slot) >= 4 THEN 0 WHEN count(*) FILTER (same_hour) >= 4 THEN 1 ELSE 2 END AS level
  FROM cand c JOIN seen s USING (entity) JOIN cal ON cal.b >= s.first GROUP BY ALL HAVING count(*) >= 4),
vals AS (SELECT l.entity, l.n, l.level, coalesce(h.n, 0.0) AS v FROM level l
  JOIN cal ON cal.b >= l.first AND (l.level = 2 OR (l.level = 0 AND same_slot) OR (l.level = 1 AND same_hour))
  LEFT JOIN hist h ON h.entity = l.entity AND h.bucket = cal.b),
fit AS (SELECT entity, any_value(n) AS n, any_value(level) AS level, median(v) AS med, mad(v) AS mad, list(v) AS vs FROM vals GROUP BY 1),
z AS (SELECT *, list_avg(list_transform(vs, lambda e: abs(e - med))) AS aad, CASE WHEN mad > 0 THEN 0.6745 * (n - med) / mad WHEN aad > 0 THEN (n - med) / (1.253314 * aad) END AS z FROM fit),
peak AS (SELECT h.entity, max(h.n) AS peak FROM hist h, w WHERE h.bucket % 24 = w % 24 GROUP BY 1)
SELECT 'user' AS entity_type, z.entity, round(least(100 * (1 - pow(2, -coalesce(z / 4, (n - med) / 10))), if(mad = 0, 89, 100)), 2) AS score
FROM z LEFT JOIN peak USING (entity)
WHERE n - med >= 10 AND coalesce(z / 4, 1) >= 1 AND NOT (level = 2 AND coalesce(n < 2 * peak, false))
