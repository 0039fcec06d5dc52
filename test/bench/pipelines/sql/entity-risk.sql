-- The same answer by hand, with what explains each score: the ten strongest
-- inputs, what each adds, and the level without it.
CREATE OR REPLACE TEMP TABLE answer AS
WITH i AS (SELECT *, row_number() OVER (PARTITION BY entity ORDER BY s DESC, finding_id) AS i FROM (
    SELECT finding_id, entity, pipeline, detector, "time", score, reason, score * pow(2.0, -greatest(0, epoch_us($end) - epoch_us(window_end)) / 1e6 / 604800) * (window_end >= $end - INTERVAL 28 DAY)::INT AS s
    FROM analytics.findings WHERE entity_type = 'user' AND score > 0 AND severity <> 'informational' AND "time" >= $end - INTERVAL 28 DAY AND "time" < $end
    QUALIFY row_number() OVER (PARTITION BY pipeline, detector, entity, window_start, window_end ORDER BY score DESC, finding_id) = 1)),
c AS (SELECT "user".name AS entity, max_by(criticality, list_position(['low', 'medium', 'high', 'extreme'], lower(criticality))) AS criticality FROM lake.identity GROUP BY 1),
e AS (SELECT i.entity, sum(s / pow(i, 1.5)) / 2.5924 AS n, sum(s / pow(i, 1.5)) AS tot,
    list({'finding_id': finding_id, 'pipeline': pipeline, 'detector': detector, 'time': "time", 'score': score, 'decayed': s, 'reason': reason, 'contribution': s / pow(i, 1.5) / 2.5924} ORDER BY i) FILTER (i <= 10) AS contributions
  FROM i WHERE i <= 10000 GROUP BY 1)
SELECT 'user' AS entity_type, e.entity, to_json(contributions)::VARCHAR AS contributions,
  round(100.0 * o / (1 + o), 2) AS score
FROM (SELECT e.*, least(n, 99.9999) / (100 - least(n, 99.9999)) * coalesce(CASE lower(criticality) WHEN 'low' THEN 0.5 WHEN 'medium' THEN 1 WHEN 'high' THEN 1.5 WHEN 'extreme' THEN 2 END, 1) AS o FROM e LEFT JOIN c USING (entity)) AS e
