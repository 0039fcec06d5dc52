-- The same answer by hand, with what explains each score: the ten strongest
-- inputs, what each adds, and the score and level without it.
CREATE OR REPLACE TEMP TABLE answer AS
WITH i AS (SELECT *, row_number() OVER (PARTITION BY entity ORDER BY s DESC, finding_id) AS i FROM (
    SELECT finding_id, entity, pipeline, detector, "time", score, reason, score * pow(2.0, -greatest(0, epoch_us($end) - epoch_us(window_end)) / 1e6 / 604800) * (window_end >= $end - INTERVAL 28 DAY)::INT AS s
    FROM analytics.findings WHERE entity_type = 'user' AND score > 0 AND severity <> 'informational' AND "time" >= $end - INTERVAL 28 DAY AND "time" < $end
    QUALIFY row_number() OVER (PARTITION BY pipeline, detector, entity, window_start, window_end, CASE WHEN detector IN ('first_seen', 'rare') THEN finding_id END ORDER BY score DESC, finding_id) = 1)),
c AS (SELECT "user".name AS entity, max_by(criticality, list_position(['low', 'medium', 'high', 'extreme'], lower(criticality))) AS criticality FROM lake.identity GROUP BY 1),
m AS (SELECT entity, criticality, coalesce(CASE lower(criticality) WHEN 'low' THEN 0.5 WHEN 'medium' THEN 1 WHEN 'high' THEN 1.5 WHEN 'extreme' THEN 2 END, 1) AS m FROM c),
r AS (SELECT *, s / pow(i, 1.5) AS part,
    coalesce(sum(if(i > 1, s * (pow(i - 1, -1.5) - pow(i, -1.5)), 0)) OVER (PARTITION BY entity ORDER BY i ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING), 0) AS gain
  FROM i WHERE i <= 10000),
t AS (SELECT entity, sum(part) AS tot, count(*) AS inputs, min("time") AS first FROM r WHERE s > 0 GROUP BY 1),
e AS (SELECT t.*, criticality, coalesce(m, 1) AS m, least(tot / 2.5924, 99.9999) AS n, n / (100 - n) * coalesce(m, 1) AS o, round(100.0 * o / (1 + o), 2) AS score FROM t LEFT JOIN m USING (entity)),
x AS (SELECT e.entity, r.*, least((tot - part + gain) / 2.5924, 99.9999) AS n, n / (100 - n) * m AS o, round(100.0 * o / (1 + o), 2) AS without FROM r JOIN e USING (entity) WHERE i <= 10 AND s > 0)
SELECT md5(concat_ws(chr(31), 'entity-risk', 'risk', 'risk_rank', e.entity, 'user')) AS finding_id, $end AS "time", first AS window_start, $end AS window_end, 'user' AS entity_type, e.entity, 'risk_rank' AS detector, e.score,
  CASE WHEN e.score < 20 THEN 'informational' WHEN e.score < 40 THEN 'low' WHEN e.score < 70 THEN 'medium' WHEN e.score < 90 THEN 'high' ELSE 'critical' END AS severity, n AS observed, NULL::DOUBLE AS expected,
  CASE WHEN e.score < 20 THEN 'unknown' WHEN e.score < 40 THEN 'low' WHEN e.score < 70 THEN 'moderate' WHEN e.score < 90 THEN 'high' ELSE 'critical' END AS level,
  e.entity || ' is at ' || level || ' risk (' || round(e.score) || ') from ' || inputs || ' findings; strongest: ' || strongest AS reason, NULL::VARCHAR AS technique,
  json_object('normalised', round(n, 4), 'modifier', m, 'criticality', criticality, 'inputs', inputs, 'contributions', top, 'level_depends_on', list_transform(list_filter(top, lambda c: c.level_without <> level), lambda c: c.finding_id))::VARCHAR AS evidence,
  'entity-risk' AS pipeline, 'by hand' AS run_id, criticality, m AS modifier, inputs
FROM e JOIN (SELECT entity, arg_min(reason, i) AS strongest, list({'finding_id': finding_id, 'pipeline': pipeline, 'detector': detector, 'time': "time"::VARCHAR, 'score': score, 'decayed': round(s, 4),
    'contribution': round(part / 2.5924, 4), 'reason': reason, 'score_without': without, 'level_without': CASE WHEN without < 20 THEN 'unknown' WHEN without < 40 THEN 'low' WHEN without < 70 THEN 'moderate' WHEN without < 90 THEN 'high' ELSE 'critical' END} ORDER BY i) AS top
  FROM x GROUP BY 1) USING (entity)
