-- Findings of four weeks by other pipelines, so that the risk has something
-- to add up.
INSERT INTO analytics.main.findings BY NAME
SELECT md5('f' || i) AS finding_id, moment AS "time", moment AS window_start, moment + INTERVAL 1 HOUR AS window_end, 'user' AS entity_type, 'user' || hash(i, 1) % $users AS entity,
  ['rare', 'first_seen', 'poisson'][(1 + i % 3)::BIGINT] AS detector, round(15 + hash(i, 2) % 850 / 10.0, 2) AS score, 'medium' AS severity, 1.0 AS observed, 0.0 AS expected,
  'user' || hash(i, 1) % $users || ' did something that is unusual' AS reason, 'T1078' AS technique, '{}' AS evidence, 'other' AS pipeline, 'r' || i % 600 AS run_id
FROM (SELECT i, $end - to_seconds((3600 * (1 + hash(i, 3) % 671))::BIGINT) AS moment FROM range($rows) t(i))
