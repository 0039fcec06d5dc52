-- robust_z: step
CREATE OR REPLACE TEMP TABLE "robust_z" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'robust_z', 'robust_z', entity, epoch_us("bucket"))))::VARCHAR AS "finding_id",
  ("bucket")::TIMESTAMPTZ AS "time",
  ("bucket")::TIMESTAMPTZ AS "window_start",
  (bucket_end)::TIMESTAMPTZ AS "window_end",
  ('user')::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('robust_z')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((CASE WHEN coalesce(r0, g0) = top THEN "n" WHEN coalesce(r1, g1) = top THEN "m" END)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((CASE WHEN coalesce(r0, g0) = top THEN "n" WHEN coalesce(r1, g1) = top THEN "m" END)::DOUBLE) END AS "observed",
  CASE WHEN abs(((CASE WHEN coalesce(r0, g0) = top THEN "n_median" WHEN coalesce(r1, g1) = top THEN "m_median" END)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((CASE WHEN coalesce(r0, g0) = top THEN "n_median" WHEN coalesce(r1, g1) = top THEN "m_median" END)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ': ' || coalesce((coalesce(CASE WHEN (observed) = round((observed)) AND abs((observed)) < 1e15 THEN ((observed))::BIGINT::VARCHAR WHEN abs((observed)) < 'Infinity'::DOUBLE THEN round((observed), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ' where ' || coalesce((coalesce(CASE WHEN (expected) = round((expected)) AND abs((expected)) < 1e15 THEN ((expected))::BIGINT::VARCHAR WHEN abs((expected)) < 'Infinity'::DOUBLE THEN round((expected), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ' is usual (' || coalesce((CASE WHEN coalesce(r0, g0) = top THEN "n_level" WHEN coalesce(r1, g1) = top THEN "m_level" END)::VARCHAR, 'unknown') || ')')::VARCHAR AS "reason",
  (NULL)::VARCHAR AS "technique",
  (json_object('measures', CASE WHEN typeof((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END)))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END)))) WHEN ((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END))))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END))))::VARCHAR, '[.]0$', '')::JSON END, 'level', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN "n_level" WHEN coalesce(r1, g1) = top THEN "m_level" END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN "n_level" WHEN coalesce(r1, g1) = top THEN "m_level" END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN "n_level" WHEN coalesce(r1, g1) = top THEN "m_level" END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN "n_level" WHEN coalesce(r1, g1) = top THEN "m_level" END))::VARCHAR, '[.]0$', '')::JSON END, 'support', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN "n_support" WHEN coalesce(r1, g1) = top THEN "m_support" END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN "n_support" WHEN coalesce(r1, g1) = top THEN "m_support" END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN "n_support" WHEN coalesce(r1, g1) = top THEN "m_support" END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN "n_support" WHEN coalesce(r1, g1) = top THEN "m_support" END))::VARCHAR, '[.]0$', '')::JSON END, 'learning', CASE WHEN typeof((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" WHEN coalesce(r1, g1) = top THEN "m_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" WHEN coalesce(r1, g1) = top THEN "m_own" END || '/4' END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" WHEN coalesce(r1, g1) = top THEN "m_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" WHEN coalesce(r1, g1) = top THEN "m_own" END || '/4' END)) WHEN ((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" WHEN coalesce(r1, g1) = top THEN "m_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" WHEN coalesce(r1, g1) = top THEN "m_own" END || '/4' END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" WHEN coalesce(r1, g1) = top THEN "m_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" WHEN coalesce(r1, g1) = top THEN "m_own" END || '/4' END))::VARCHAR, '[.]0$', '')::JSON END, 'measure', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN 'n' WHEN coalesce(r1, g1) = top THEN 'm' END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN 'n' WHEN coalesce(r1, g1) = top THEN 'm' END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN 'n' WHEN coalesce(r1, g1) = top THEN 'm' END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN 'n' WHEN coalesce(r1, g1) = top THEN 'm' END))::VARCHAR, '[.]0$', '')::JSON END, 'z', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) WHEN coalesce(r1, g1) = top THEN round(z1, 4) END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) WHEN coalesce(r1, g1) = top THEN round(z1, 4) END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) WHEN coalesce(r1, g1) = top THEN round(z1, 4) END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) WHEN coalesce(r1, g1) = top THEN round(z1, 4) END))::VARCHAR, '[.]0$', '')::JSON END, 'threshold', CASE WHEN typeof((3.5::DOUBLE)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((3.5::DOUBLE)) WHEN ((3.5::DOUBLE))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((3.5::DOUBLE))::VARCHAR, '[.]0$', '')::JSON END, 'degenerate', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL WHEN coalesce(r1, g1) = top THEN z1 IS NULL END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL WHEN coalesce(r1, g1) = top THEN z1 IS NULL END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL WHEN coalesce(r1, g1) = top THEN z1 IS NULL END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL WHEN coalesce(r1, g1) = top THEN z1 IS NULL END))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((least(100.0 * (1.0 - pow(2.0, -(top))), CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN coalesce("n_mad", 0) = 0 WHEN coalesce(r1, g1) = top THEN coalesce("m_mad", 0) = 0 END THEN 89 ELSE 100 END))) < 'Infinity'::DOUBLE THEN (least(100.0 * (1.0 - pow(2.0, -(top))), CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN coalesce("n_mad", 0) = 0 WHEN coalesce(r1, g1) = top THEN coalesce("m_mad", 0) = 0 END THEN 89 ELSE 100 END)) END AS "score before its bounds" FROM (SELECT *, greatest(coalesce(r0, g0), coalesce(r1, g1)) AS top
FROM (
  SELECT *, CASE WHEN NOT (("n_level" IN ('all hours', 'peers') AND coalesce("n" < "n_peak" + 1 * abs("n_peak") AND "n" >= "n_median", false) OR coalesce("n" < "n_moved" + 1 * abs("n_moved") AND "n" >= "n_median", false))) THEN (z0) / 3.5::DOUBLE END AS r0, NULL AS g0, CASE WHEN NOT (("m_level" IN ('all hours', 'peers') AND coalesce("m" < "m_peak" + 1 * abs("m_peak") AND "m" >= "m_median", false) OR coalesce("m" < "m_moved" + 1 * abs("m_moved") AND "m" >= "m_median", false))) THEN (z1) / 3.5::DOUBLE END AS r1, NULL AS g1
  FROM (
    SELECT *, CASE WHEN abs((CASE
  WHEN "n_mad" > 0 THEN 0.6745 * ("n" - "n_median") / "n_mad"
  WHEN "n_aad" > 0 THEN ("n" - "n_median") / (1.253314 * "n_aad")
END)) < 'Infinity'::DOUBLE THEN (CASE
  WHEN "n_mad" > 0 THEN 0.6745 * ("n" - "n_median") / "n_mad"
  WHEN "n_aad" > 0 THEN ("n" - "n_median") / (1.253314 * "n_aad")
END) END AS z0, CASE WHEN abs(("n" - "n_median")) < 'Infinity'::DOUBLE THEN ("n" - "n_median") END AS d0, CASE WHEN abs((CASE
  WHEN "m_mad" > 0 THEN 0.6745 * ("m" - "m_median") / "m_mad"
  WHEN "m_aad" > 0 THEN ("m" - "m_median") / (1.253314 * "m_aad")
END)) < 'Infinity'::DOUBLE THEN (CASE
  WHEN "m_mad" > 0 THEN 0.6745 * ("m" - "m_median") / "m_mad"
  WHEN "m_aad" > 0 THEN ("m" - "m_median") / (1.253314 * "m_aad")
END) END AS z1, CASE WHEN abs(("m" - "m_median")) < 'Infinity'::DOUBLE THEN ("m" - "m_median") END AS d1
    FROM "usual"))
WHERE greatest(coalesce(r0, g0), coalesce(r1, g1)) >= 1))
WHERE "score before its bounds" IS NOT NULL;

-- robust_z: work
CREATE OR REPLACE TEMP TABLE "robust_z.flagged before" AS SELECT DISTINCT entity, bucket FROM state.main."bl_1972dbd0245d1a79_flagged" WHERE step = 'robust_z' AND ((bucket >= 498753 AND bucket < 498754));

-- robust_z: state
DELETE FROM state.main."bl_1972dbd0245d1a79_flagged" WHERE step = 'robust_z' AND ((bucket >= 498753 AND bucket < 498754));

-- robust_z: state
INSERT INTO state.main."bl_1972dbd0245d1a79_flagged" SELECT entity, epoch_us("time") // 3600000000, 'robust_z' FROM "robust_z";

-- robust_z_full: step
CREATE OR REPLACE TEMP TABLE "robust_z_full" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'robust_z_full', 'robust_z', entity, epoch_us("bucket"))))::VARCHAR AS "finding_id",
  ("bucket")::TIMESTAMPTZ AS "time",
  ("bucket")::TIMESTAMPTZ AS "window_start",
  (bucket_end)::TIMESTAMPTZ AS "window_end",
  ('robot')::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('robust_z')::VARCHAR AS "detector",
  (round(greatest(0.0, least(60.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((CASE WHEN coalesce(r0, g0) = top THEN "m" END)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((CASE WHEN coalesce(r0, g0) = top THEN "m" END)::DOUBLE) END AS "observed",
  CASE WHEN abs(((CASE WHEN coalesce(r0, g0) = top THEN "m_median" END)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((CASE WHEN coalesce(r0, g0) = top THEN "m_median" END)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ': ' || coalesce((coalesce(CASE WHEN ("m") = round(("m")) AND abs(("m")) < 1e15 THEN (("m"))::BIGINT::VARCHAR WHEN abs(("m")) < 'Infinity'::DOUBLE THEN round(("m"), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ' of ' || coalesce((coalesce(CASE WHEN ("m_median") = round(("m_median")) AND abs(("m_median")) < 1e15 THEN (("m_median"))::BIGINT::VARCHAR WHEN abs(("m_median")) < 'Infinity'::DOUBLE THEN round(("m_median"), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  ('T1110')::VARCHAR AS "technique",
  (json_object('measures', CASE WHEN typeof((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END)))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END)))) WHEN ((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END))))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END))))::VARCHAR, '[.]0$', '')::JSON END, 'level', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN "m_level" END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN "m_level" END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN "m_level" END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN "m_level" END))::VARCHAR, '[.]0$', '')::JSON END, 'support', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN "m_support" END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN "m_support" END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN "m_support" END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN "m_support" END))::VARCHAR, '[.]0$', '')::JSON END, 'learning', CASE WHEN typeof((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "m_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "m_own" END || '/4' END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "m_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "m_own" END || '/4' END)) WHEN ((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "m_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "m_own" END || '/4' END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "m_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "m_own" END || '/4' END))::VARCHAR, '[.]0$', '')::JSON END, 'measure', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN 'm' END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN 'm' END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN 'm' END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN 'm' END))::VARCHAR, '[.]0$', '')::JSON END, 'z', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) END))::VARCHAR, '[.]0$', '')::JSON END, 'threshold', CASE WHEN typeof((4.0::DOUBLE)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((4.0::DOUBLE)) WHEN ((4.0::DOUBLE))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((4.0::DOUBLE))::VARCHAR, '[.]0$', '')::JSON END, 'degenerate', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL END))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((least(100.0 * (1.0 - pow(2.0, -(top))), CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN coalesce("m_mad", 0) = 0 END THEN 89 ELSE 100 END))) < 'Infinity'::DOUBLE THEN (least(100.0 * (1.0 - pow(2.0, -(top))), CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN coalesce("m_mad", 0) = 0 END THEN 89 ELSE 100 END)) END AS "score before its bounds" FROM (SELECT *, greatest(coalesce(r0, g0)) AS top
FROM (
  SELECT *, CASE WHEN CASE WHEN NOT (("m_level" IN ('all hours', 'peers') AND coalesce("m" < "m_peak" + 1 * abs("m_peak") AND "m" >= "m_median", false) OR coalesce("m" < "m_moved" + 1 * abs("m_moved") AND "m" >= "m_median", false))) THEN abs(d0) END >= 2.0::DOUBLE THEN CASE WHEN NOT (("m_level" IN ('all hours', 'peers') AND coalesce("m" < "m_peak" + 1 * abs("m_peak") AND "m" >= "m_median", false) OR coalesce("m" < "m_moved" + 1 * abs("m_moved") AND "m" >= "m_median", false))) THEN abs(z0) / 4.0::DOUBLE END END AS r0,
  CASE WHEN z0 IS NULL AND d0 IS NOT NULL AND CASE WHEN NOT (("m_level" IN ('all hours', 'peers') AND coalesce("m" < "m_peak" + 1 * abs("m_peak") AND "m" >= "m_median", false) OR coalesce("m" < "m_moved" + 1 * abs("m_moved") AND "m" >= "m_median", false))) THEN abs(d0) END >= 2.0::DOUBLE THEN CASE WHEN NOT (("m_level" IN ('all hours', 'peers') AND coalesce("m" < "m_peak" + 1 * abs("m_peak") AND "m" >= "m_median", false) OR coalesce("m" < "m_moved" + 1 * abs("m_moved") AND "m" >= "m_median", false))) THEN abs(d0) END / 2.0::DOUBLE END AS g0
  FROM (
    SELECT *, CASE WHEN abs((CASE
  WHEN "m_mad" > 0 THEN 0.6745 * ("m" - "m_median") / "m_mad"
  WHEN "m_aad" > 0 THEN ("m" - "m_median") / (1.253314 * "m_aad")
END)) < 'Infinity'::DOUBLE THEN (CASE
  WHEN "m_mad" > 0 THEN 0.6745 * ("m" - "m_median") / "m_mad"
  WHEN "m_aad" > 0 THEN ("m" - "m_median") / (1.253314 * "m_aad")
END) END AS z0, CASE WHEN abs(("m" - "m_median")) < 'Infinity'::DOUBLE THEN ("m" - "m_median") END AS d0
    FROM "usual"))
WHERE greatest(coalesce(r0, g0)) >= 1 AND "n" >= 5.0::DOUBLE))
WHERE "score before its bounds" IS NOT NULL;

-- robust_z_full: work
CREATE OR REPLACE TEMP TABLE "robust_z_full.flagged before" AS SELECT DISTINCT entity, bucket FROM state.main."bl_1972dbd0245d1a79_flagged" WHERE step = 'robust_z_full' AND ((bucket >= 498753 AND bucket < 498754));

-- robust_z_full: state
DELETE FROM state.main."bl_1972dbd0245d1a79_flagged" WHERE step = 'robust_z_full' AND ((bucket >= 498753 AND bucket < 498754));

-- robust_z_full: state
INSERT INTO state.main."bl_1972dbd0245d1a79_flagged" SELECT entity, epoch_us("time") // 3600000000, 'robust_z_full' FROM "robust_z_full";

-- robust_z_down: step
CREATE OR REPLACE TEMP TABLE "robust_z_down" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'robust_z_down', 'robust_z', entity, epoch_us("bucket"))))::VARCHAR AS "finding_id",
  ("bucket")::TIMESTAMPTZ AS "time",
  ("bucket")::TIMESTAMPTZ AS "window_start",
  (bucket_end)::TIMESTAMPTZ AS "window_end",
  ('user')::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('robust_z')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((CASE WHEN coalesce(r0, g0) = top THEN "n" END)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((CASE WHEN coalesce(r0, g0) = top THEN "n" END)::DOUBLE) END AS "observed",
  CASE WHEN abs(((CASE WHEN coalesce(r0, g0) = top THEN "n_mean" END)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((CASE WHEN coalesce(r0, g0) = top THEN "n_mean" END)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ': ' || coalesce((coalesce(CASE WHEN (observed) = round((observed)) AND abs((observed)) < 1e15 THEN ((observed))::BIGINT::VARCHAR WHEN abs((observed)) < 'Infinity'::DOUBLE THEN round((observed), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ' where ' || coalesce((coalesce(CASE WHEN (expected) = round((expected)) AND abs((expected)) < 1e15 THEN ((expected))::BIGINT::VARCHAR WHEN abs((expected)) < 'Infinity'::DOUBLE THEN round((expected), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ' is usual (' || coalesce((CASE WHEN coalesce(r0, g0) = top THEN "n_level" END)::VARCHAR, 'unknown') || ')')::VARCHAR AS "reason",
  (NULL)::VARCHAR AS "technique",
  (json_object('measures', CASE WHEN typeof((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END)))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END)))) WHEN ((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END))))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END))))::VARCHAR, '[.]0$', '')::JSON END, 'level', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN "n_level" END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN "n_level" END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN "n_level" END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN "n_level" END))::VARCHAR, '[.]0$', '')::JSON END, 'support', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN "n_support" END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN "n_support" END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN "n_support" END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN "n_support" END))::VARCHAR, '[.]0$', '')::JSON END, 'learning', CASE WHEN typeof((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" END || '/4' END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" END || '/4' END)) WHEN ((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" END || '/4' END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" END < 4 THEN CASE WHEN coalesce(r0, g0) = top THEN "n_own" END || '/4' END))::VARCHAR, '[.]0$', '')::JSON END, 'measure', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN 'n' END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN 'n' END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN 'n' END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN 'n' END))::VARCHAR, '[.]0$', '')::JSON END, 'z', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN round(z0, 4) END))::VARCHAR, '[.]0$', '')::JSON END, 'threshold', CASE WHEN typeof((3.5::DOUBLE)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((3.5::DOUBLE)) WHEN ((3.5::DOUBLE))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((3.5::DOUBLE))::VARCHAR, '[.]0$', '')::JSON END, 'degenerate', CASE WHEN typeof((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL END)) WHEN ((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN coalesce(r0, g0) = top THEN z0 IS NULL END))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((least(100.0 * (1.0 - pow(2.0, -(top))), CASE WHEN false THEN 89 ELSE 100 END))) < 'Infinity'::DOUBLE THEN (least(100.0 * (1.0 - pow(2.0, -(top))), CASE WHEN false THEN 89 ELSE 100 END)) END AS "score before its bounds" FROM (SELECT *, greatest(coalesce(r0, g0)) AS top
FROM (
  SELECT *, -(z0) / 3.5::DOUBLE AS r0, NULL AS g0
  FROM (
    SELECT *, CASE WHEN abs((CASE WHEN "n_sd" > 0 THEN ("n" - "n_mean") / "n_sd" END)) < 'Infinity'::DOUBLE THEN (CASE WHEN "n_sd" > 0 THEN ("n" - "n_mean") / "n_sd" END) END AS z0, CASE WHEN abs(("n" - "n_mean")) < 'Infinity'::DOUBLE THEN ("n" - "n_mean") END AS d0
    FROM "daily"))
WHERE greatest(coalesce(r0, g0)) >= 1))
WHERE "score before its bounds" IS NOT NULL;

-- poisson: step
CREATE OR REPLACE TEMP TABLE "poisson" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'poisson', 'poisson', entity, epoch_us("bucket"))))::VARCHAR AS "finding_id",
  ("bucket")::TIMESTAMPTZ AS "time",
  ("bucket")::TIMESTAMPTZ AS "window_start",
  (bucket_end)::TIMESTAMPTZ AS "window_end",
  ('user')::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('poisson')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((CASE WHEN r0 = top THEN "n" WHEN r1 = top THEN "m" END)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((CASE WHEN r0 = top THEN "n" WHEN r1 = top THEN "m" END)::DOUBLE) END AS "observed",
  CASE WHEN abs(((CASE WHEN r0 = top THEN l0 WHEN r1 = top THEN l1 END)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((CASE WHEN r0 = top THEN l0 WHEN r1 = top THEN l1 END)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ': ' || coalesce((coalesce(CASE WHEN (observed) = round((observed)) AND abs((observed)) < 1e15 THEN ((observed))::BIGINT::VARCHAR WHEN abs((observed)) < 'Infinity'::DOUBLE THEN round((observed), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ' where ' || coalesce((coalesce(CASE WHEN (expected) = round((expected)) AND abs((expected)) < 1e15 THEN ((expected))::BIGINT::VARCHAR WHEN abs((expected)) < 'Infinity'::DOUBLE THEN round((expected), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ' is usual (' || coalesce((CASE WHEN r0 = top THEN "n_level" WHEN r1 = top THEN "m_level" END)::VARCHAR, 'unknown') || ')')::VARCHAR AS "reason",
  (NULL)::VARCHAR AS "technique",
  (json_object('measures', CASE WHEN typeof((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END)))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END)))) WHEN ((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END))))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END), 'm', json_object('observed', CASE WHEN typeof(("m")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("m")) WHEN (("m"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("m"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("m_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_median", 6))) WHEN ((round("m_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("m_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mad", 6))) WHEN ((round("m_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("m_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_aad", 6))) WHEN ((round("m_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("m_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_mean", 6))) WHEN ((round("m_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("m_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p10", 6))) WHEN ((round("m_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("m_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("m_p90", 6))) WHEN ((round("m_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("m_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END))))::VARCHAR, '[.]0$', '')::JSON END, 'level', CASE WHEN typeof((CASE WHEN r0 = top THEN "n_level" WHEN r1 = top THEN "m_level" END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN r0 = top THEN "n_level" WHEN r1 = top THEN "m_level" END)) WHEN ((CASE WHEN r0 = top THEN "n_level" WHEN r1 = top THEN "m_level" END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN r0 = top THEN "n_level" WHEN r1 = top THEN "m_level" END))::VARCHAR, '[.]0$', '')::JSON END, 'support', CASE WHEN typeof((CASE WHEN r0 = top THEN "n_support" WHEN r1 = top THEN "m_support" END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN r0 = top THEN "n_support" WHEN r1 = top THEN "m_support" END)) WHEN ((CASE WHEN r0 = top THEN "n_support" WHEN r1 = top THEN "m_support" END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN r0 = top THEN "n_support" WHEN r1 = top THEN "m_support" END))::VARCHAR, '[.]0$', '')::JSON END, 'learning', CASE WHEN typeof((CASE WHEN CASE WHEN r0 = top THEN "n_own" WHEN r1 = top THEN "m_own" END < 4 THEN CASE WHEN r0 = top THEN "n_own" WHEN r1 = top THEN "m_own" END || '/4' END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN CASE WHEN r0 = top THEN "n_own" WHEN r1 = top THEN "m_own" END < 4 THEN CASE WHEN r0 = top THEN "n_own" WHEN r1 = top THEN "m_own" END || '/4' END)) WHEN ((CASE WHEN CASE WHEN r0 = top THEN "n_own" WHEN r1 = top THEN "m_own" END < 4 THEN CASE WHEN r0 = top THEN "n_own" WHEN r1 = top THEN "m_own" END || '/4' END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN CASE WHEN r0 = top THEN "n_own" WHEN r1 = top THEN "m_own" END < 4 THEN CASE WHEN r0 = top THEN "n_own" WHEN r1 = top THEN "m_own" END || '/4' END))::VARCHAR, '[.]0$', '')::JSON END, 'measure', CASE WHEN typeof((CASE WHEN r0 = top THEN 'n' WHEN r1 = top THEN 'm' END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN r0 = top THEN 'n' WHEN r1 = top THEN 'm' END)) WHEN ((CASE WHEN r0 = top THEN 'n' WHEN r1 = top THEN 'm' END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN r0 = top THEN 'n' WHEN r1 = top THEN 'm' END))::VARCHAR, '[.]0$', '')::JSON END, 'log10_p', CASE WHEN typeof((CASE WHEN r0 = top THEN round(lp0 / ln(10), 4) WHEN r1 = top THEN round(lp1 / ln(10), 4) END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN r0 = top THEN round(lp0 / ln(10), 4) WHEN r1 = top THEN round(lp1 / ln(10), 4) END)) WHEN ((CASE WHEN r0 = top THEN round(lp0 / ln(10), 4) WHEN r1 = top THEN round(lp1 / ln(10), 4) END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN r0 = top THEN round(lp0 / ln(10), 4) WHEN r1 = top THEN round(lp1 / ln(10), 4) END))::VARCHAR, '[.]0$', '')::JSON END, 'threshold', CASE WHEN typeof((0.0001::DOUBLE)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((0.0001::DOUBLE)) WHEN ((0.0001::DOUBLE))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((0.0001::DOUBLE))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((100.0 * (1.0 - pow(2.0, -(top))))) < 'Infinity'::DOUBLE THEN (100.0 * (1.0 - pow(2.0, -(top)))) END AS "score before its bounds" FROM (SELECT *, greatest(r0, r1) AS top
FROM (
  SELECT *, CASE WHEN ("n_level" IN ('all hours', 'peers') AND coalesce("n" < "n_peak" + 1 * abs("n_peak") AND "n" >= "n_median", false) OR coalesce("n" < "n_moved" + 1 * abs("n_moved") AND "n" >= "n_median", false)) THEN NULL WHEN lp0 IS NULL THEN NULL ELSE CASE WHEN abs((lp0 / -9.210340371976182::DOUBLE)) < 'Infinity'::DOUBLE THEN (lp0 / -9.210340371976182::DOUBLE) END END AS r0, CASE WHEN ("m_level" IN ('all hours', 'peers') AND coalesce("m" < "m_peak" + 1 * abs("m_peak") AND "m" >= "m_median", false) OR coalesce("m" < "m_moved" + 1 * abs("m_moved") AND "m" >= "m_median", false)) THEN NULL WHEN lp1 IS NULL THEN NULL ELSE CASE WHEN abs((lp1 / -9.210340371976182::DOUBLE)) < 'Infinity'::DOUBLE THEN (lp1 / -9.210340371976182::DOUBLE) END END AS r1
  FROM (
    SELECT *, CASE
  WHEN l0 IS NULL OR least(k0, 1e15) IS NULL THEN NULL
  WHEN least(k0, 1e15) <= l0 THEN 0.0
  ELSE least(k0, 1e15) * ln(l0) - l0 - lgamma(least(k0, 1e15) + 1) + CASE
    WHEN least(k0, 1e15) > 1e6 THEN -ln(1.0 - l0 / (least(k0, 1e15) + 1))
    ELSE ln(list_sum(list_transform(range(0, (50 + 9 * sqrt(least(least(k0, 1e15), 1e6)))::BIGINT),
      lambda j: exp(j * ln(l0) + lgamma(least(k0, 1e15) + 1) - lgamma(least(k0, 1e15) + 1 + j)))))
  END
END AS lp0, CASE
  WHEN l1 IS NULL OR least(k1, 1e15) IS NULL THEN NULL
  WHEN least(k1, 1e15) <= l1 THEN 0.0
  ELSE least(k1, 1e15) * ln(l1) - l1 - lgamma(least(k1, 1e15) + 1) + CASE
    WHEN least(k1, 1e15) > 1e6 THEN -ln(1.0 - l1 / (least(k1, 1e15) + 1))
    ELSE ln(list_sum(list_transform(range(0, (50 + 9 * sqrt(least(least(k1, 1e15), 1e6)))::BIGINT),
      lambda j: exp(j * ln(l1) + lgamma(least(k1, 1e15) + 1) - lgamma(least(k1, 1e15) + 1 + j)))))
  END
END AS lp1
    FROM (
      SELECT *, CASE WHEN "n_level" <> 'learning' THEN greatest("n_mean", 0.5 / greatest("n_support", 1)) END AS l0,
      greatest(round("n"), 0) AS k0, CASE WHEN "m_level" <> 'learning' THEN greatest("m_mean", 0.5 / greatest("m_support", 1)) END AS l1,
      greatest(round("m"), 0) AS k1
      FROM "usual"
      WHERE true)))
WHERE greatest(r0, r1) >= 1))
WHERE "score before its bounds" IS NOT NULL;

-- poisson: work
CREATE OR REPLACE TEMP TABLE "poisson.flagged before" AS SELECT DISTINCT entity, bucket FROM state.main."bl_1972dbd0245d1a79_flagged" WHERE step = 'poisson' AND ((bucket >= 498753 AND bucket < 498754));

-- poisson: state
DELETE FROM state.main."bl_1972dbd0245d1a79_flagged" WHERE step = 'poisson' AND ((bucket >= 498753 AND bucket < 498754));

-- poisson: state
INSERT INTO state.main."bl_1972dbd0245d1a79_flagged" SELECT entity, epoch_us("time") // 3600000000, 'poisson' FROM "poisson";

-- poisson_full: step
CREATE OR REPLACE TEMP TABLE "poisson_full" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'poisson_full', 'poisson', entity, epoch_us("bucket"))))::VARCHAR AS "finding_id",
  ("bucket")::TIMESTAMPTZ AS "time",
  ("bucket")::TIMESTAMPTZ AS "window_start",
  (bucket_end)::TIMESTAMPTZ AS "window_end",
  ('user')::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('poisson')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((CASE WHEN r0 = top THEN "n" END)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((CASE WHEN r0 = top THEN "n" END)::DOUBLE) END AS "observed",
  CASE WHEN abs(((CASE WHEN r0 = top THEN l0 END)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((CASE WHEN r0 = top THEN l0 END)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  ('T1110')::VARCHAR AS "technique",
  (json_object('measures', CASE WHEN typeof((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END)))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END)))) WHEN ((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END))))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((json_object('n', json_object('observed', CASE WHEN typeof(("n")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("n")) WHEN (("n"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("n"))::VARCHAR, '[.]0$', '')::JSON END, 'median', CASE WHEN typeof((round("n_median", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_median", 6))) WHEN ((round("n_median", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_median", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mad', CASE WHEN typeof((round("n_mad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mad", 6))) WHEN ((round("n_mad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'aad', CASE WHEN typeof((round("n_aad", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_aad", 6))) WHEN ((round("n_aad", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_aad", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'mean', CASE WHEN typeof((round("n_mean", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_mean", 6))) WHEN ((round("n_mean", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_mean", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p10', CASE WHEN typeof((round("n_p10", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p10", 6))) WHEN ((round("n_p10", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p10", 6)))::VARCHAR, '[.]0$', '')::JSON END, 'p90', CASE WHEN typeof((round("n_p90", 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round("n_p90", 6))) WHEN ((round("n_p90", 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round("n_p90", 6)))::VARCHAR, '[.]0$', '')::JSON END))))::VARCHAR, '[.]0$', '')::JSON END, 'level', CASE WHEN typeof((CASE WHEN r0 = top THEN "n_level" END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN r0 = top THEN "n_level" END)) WHEN ((CASE WHEN r0 = top THEN "n_level" END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN r0 = top THEN "n_level" END))::VARCHAR, '[.]0$', '')::JSON END, 'support', CASE WHEN typeof((CASE WHEN r0 = top THEN "n_support" END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN r0 = top THEN "n_support" END)) WHEN ((CASE WHEN r0 = top THEN "n_support" END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN r0 = top THEN "n_support" END))::VARCHAR, '[.]0$', '')::JSON END, 'learning', CASE WHEN typeof((CASE WHEN CASE WHEN r0 = top THEN "n_own" END < 4 THEN CASE WHEN r0 = top THEN "n_own" END || '/4' END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN CASE WHEN r0 = top THEN "n_own" END < 4 THEN CASE WHEN r0 = top THEN "n_own" END || '/4' END)) WHEN ((CASE WHEN CASE WHEN r0 = top THEN "n_own" END < 4 THEN CASE WHEN r0 = top THEN "n_own" END || '/4' END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN CASE WHEN r0 = top THEN "n_own" END < 4 THEN CASE WHEN r0 = top THEN "n_own" END || '/4' END))::VARCHAR, '[.]0$', '')::JSON END, 'measure', CASE WHEN typeof((CASE WHEN r0 = top THEN 'n' END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN r0 = top THEN 'n' END)) WHEN ((CASE WHEN r0 = top THEN 'n' END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN r0 = top THEN 'n' END))::VARCHAR, '[.]0$', '')::JSON END, 'log10_p', CASE WHEN typeof((CASE WHEN r0 = top THEN round(lp0 / ln(10), 4) END)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((CASE WHEN r0 = top THEN round(lp0 / ln(10), 4) END)) WHEN ((CASE WHEN r0 = top THEN round(lp0 / ln(10), 4) END))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((CASE WHEN r0 = top THEN round(lp0 / ln(10), 4) END))::VARCHAR, '[.]0$', '')::JSON END, 'threshold', CASE WHEN typeof((0.01::DOUBLE)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((0.01::DOUBLE)) WHEN ((0.01::DOUBLE))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((0.01::DOUBLE))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((100.0 * (1.0 - pow(2.0, -(top))))) < 'Infinity'::DOUBLE THEN (100.0 * (1.0 - pow(2.0, -(top)))) END AS "score before its bounds" FROM (SELECT *, greatest(r0) AS top
FROM (
  SELECT *, CASE WHEN ("n_level" IN ('all hours', 'peers') AND coalesce("n" < "n_peak" + 1 * abs("n_peak") AND "n" >= "n_median", false) OR coalesce("n" < "n_moved" + 1 * abs("n_moved") AND "n" >= "n_median", false)) THEN NULL WHEN k0 - l0 < 2.0::DOUBLE THEN NULL WHEN lp0 IS NULL THEN NULL ELSE CASE WHEN abs((lp0 / -4.605170185988092::DOUBLE)) < 'Infinity'::DOUBLE THEN (lp0 / -4.605170185988092::DOUBLE) END END AS r0
  FROM (
    SELECT *, CASE
  WHEN l0 IS NULL OR least(k0, 1e15) IS NULL THEN NULL
  WHEN least(k0, 1e15) <= l0 THEN 0.0
  ELSE least(k0, 1e15) * ln(l0) - l0 - lgamma(least(k0, 1e15) + 1) + CASE
    WHEN least(k0, 1e15) > 1e6 THEN -ln(1.0 - l0 / (least(k0, 1e15) + 1))
    ELSE ln(list_sum(list_transform(range(0, (50 + 9 * sqrt(least(least(k0, 1e15), 1e6)))::BIGINT),
      lambda j: exp(j * ln(l0) + lgamma(least(k0, 1e15) + 1) - lgamma(least(k0, 1e15) + 1 + j)))))
  END
END AS lp0
    FROM (
      SELECT *, CASE WHEN "n_level" <> 'learning' THEN greatest("n_mean", 0.5 / greatest("n_support", 1)) END AS l0,
      greatest(round("n"), 0) AS k0
      FROM "daily"
      WHERE true AND "n" >= 5.0::DOUBLE)))
WHERE greatest(r0) >= 1))
WHERE "score before its bounds" IS NOT NULL;

-- first_seen: step
CREATE OR REPLACE TEMP TABLE "first_seen" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'first_seen', 'first_seen', entity, value)))::VARCHAR AS "finding_id",
  (first)::TIMESTAMPTZ AS "time",
  (TIMESTAMPTZ '2026-11-24 09:00:00+00')::TIMESTAMPTZ AS "window_start",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "window_end",
  ('user')::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('first_seen')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((uses)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((uses)::DOUBLE) END AS "observed",
  CASE WHEN abs(((0.0)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((0.0)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ' used ' || coalesce((value)::VARCHAR, 'unknown') || ' for the first time in ' || coalesce(('90d')::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  (NULL)::VARCHAR AS "technique",
  (json_object('value', CASE WHEN typeof((value)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((value)) WHEN ((value))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((value))::VARCHAR, '[.]0$', '')::JSON END, 'level', CASE WHEN typeof((level)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((level)) WHEN ((level))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((level))::VARCHAR, '[.]0$', '')::JSON END, 'new_values', CASE WHEN typeof((new_values)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((new_values)) WHEN ((new_values))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((new_values))::VARCHAR, '[.]0$', '')::JSON END, 'first_use', CASE WHEN typeof((first::VARCHAR)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((first::VARCHAR)) WHEN ((first::VARCHAR))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((first::VARCHAR))::VARCHAR, '[.]0$', '')::JSON END, 'entity_known_since', CASE WHEN typeof((known::VARCHAR)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((known::VARCHAR)) WHEN ((known::VARCHAR))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((known::VARCHAR))::VARCHAR, '[.]0$', '')::JSON END, 'lookback', CASE WHEN typeof(('90d')) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(('90d')) WHEN (('90d'))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((('90d'))::VARCHAR, '[.]0$', '')::JSON END, 'learning', CASE WHEN typeof(('14d')) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(('14d')) WHEN (('14d'))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((('14d'))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((100.0 * (1.0 - pow(2.0, -((CASE level WHEN 'own' THEN 1.0 ELSE 0.5 END + log2(new_values) / 2)))))) < 'Infinity'::DOUBLE THEN (100.0 * (1.0 - pow(2.0, -((CASE level WHEN 'own' THEN 1.0 ELSE 0.5 END + log2(new_values) / 2))))) END AS "score before its bounds" FROM (SELECT *, count(*) OVER (PARTITION BY entity) AS new_values
FROM (
  SELECT *, CASE
    WHEN established AND NOT coalesce(last >= TIMESTAMPTZ '2026-11-24 09:00:00+00' - to_microseconds(7776000000000) - to_microseconds(coalesce(greatest(0, epoch_us(TIMESTAMPTZ '2026-11-24 09:00:00+00') - epoch_us(prev) - 604800000000), 0)), false) THEN 'own'
    WHEN NOT established AND NOT coalesce(others >= TIMESTAMPTZ '2026-11-24 09:00:00+00' - to_microseconds(7776000000000), false)
      AND coalesce(TIMESTAMPTZ '2026-11-24 09:00:00+00' - since >= to_microseconds(1209600000000), false) AND NOT regexp_matches(lower(entity), '[.]amazonaws[.]com$|^aws internal$|^service-.*[.]gserviceaccount[.]com$|@(cloudservices|system)[.]gserviceaccount[.]com$|^system:') THEN 'peers'
  END AS level
  FROM (
    SELECT *, min(earliest) OVER e AS known, min(earliest) OVER () AS since,
      first - min(earliest) OVER e >= to_microseconds(1209600000000) AS established,
      max(last) OVER e AS prev, max(last) OVER (PARTITION BY value) AS others
    FROM (
      SELECT one_name(("user"."name")::VARCHAR) AS entity, said(("src_endpoint"."location"."country")::VARCHAR) AS value, min("time") AS earliest,
        max("time") FILTER ("time" < TIMESTAMPTZ '2026-11-24 09:00:00+00') AS last,
        min("time") FILTER ("time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00') AS first,
        count(*) FILTER ("time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00') AS uses
      FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-02-27 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00')
      WHERE "user"."name" IS NOT NULL AND "src_endpoint"."location"."country" IS NOT NULL
      GROUP BY 1, 2 HAVING count(one_name(("user"."name")::VARCHAR)) > 0 AND count(said(("src_endpoint"."location"."country")::VARCHAR)) > 0)
    WINDOW e AS (PARTITION BY entity)))
WHERE first IS NOT NULL AND level IS NOT NULL))
WHERE "score before its bounds" IS NOT NULL;

-- first_seen_full: step
CREATE OR REPLACE TEMP TABLE "first_seen_full" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'first_seen_full', 'first_seen', entity, value)))::VARCHAR AS "finding_id",
  (first)::TIMESTAMPTZ AS "time",
  (TIMESTAMPTZ '2026-11-24 09:00:00+00')::TIMESTAMPTZ AS "window_start",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "window_end",
  ('user')::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('first_seen')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((uses)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((uses)::DOUBLE) END AS "observed",
  CASE WHEN abs(((0.0)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((0.0)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ' ' || coalesce((value)::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  ('T1078')::VARCHAR AS "technique",
  (json_object('value', CASE WHEN typeof((value)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((value)) WHEN ((value))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((value))::VARCHAR, '[.]0$', '')::JSON END, 'level', CASE WHEN typeof((level)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((level)) WHEN ((level))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((level))::VARCHAR, '[.]0$', '')::JSON END, 'new_values', CASE WHEN typeof((new_values)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((new_values)) WHEN ((new_values))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((new_values))::VARCHAR, '[.]0$', '')::JSON END, 'first_use', CASE WHEN typeof((first::VARCHAR)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((first::VARCHAR)) WHEN ((first::VARCHAR))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((first::VARCHAR))::VARCHAR, '[.]0$', '')::JSON END, 'entity_known_since', CASE WHEN typeof((known::VARCHAR)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((known::VARCHAR)) WHEN ((known::VARCHAR))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((known::VARCHAR))::VARCHAR, '[.]0$', '')::JSON END, 'lookback', CASE WHEN typeof(('60d')) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(('60d')) WHEN (('60d'))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((('60d'))::VARCHAR, '[.]0$', '')::JSON END, 'learning', CASE WHEN typeof(('2d')) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(('2d')) WHEN (('2d'))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((('2d'))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((100.0 * (1.0 - pow(2.0, -((CASE level WHEN 'own' THEN 1.0 ELSE 0.5 END + log2(new_values) / 2)))))) < 'Infinity'::DOUBLE THEN (100.0 * (1.0 - pow(2.0, -((CASE level WHEN 'own' THEN 1.0 ELSE 0.5 END + log2(new_values) / 2))))) END AS "score before its bounds" FROM (SELECT *, count(*) OVER (PARTITION BY entity) AS new_values
FROM (
  SELECT *, CASE
    WHEN established AND NOT coalesce(last >= TIMESTAMPTZ '2026-11-24 09:00:00+00' - to_microseconds(5184000000000) - to_microseconds(coalesce(greatest(0, epoch_us(TIMESTAMPTZ '2026-11-24 09:00:00+00') - epoch_us(prev) - 604800000000), 0)), false) THEN 'own'
    WHEN false THEN 'peers'
  END AS level
  FROM (
    SELECT *, min(earliest) OVER e AS known, min(earliest) OVER () AS since,
      first - min(earliest) OVER e >= to_microseconds(172800000000) AS established,
      max(last) OVER e AS prev, max(last) OVER (PARTITION BY value) AS others
    FROM (
      SELECT CASE WHEN one_name(("user"."name")::VARCHAR) IS NOT NULL AND one_ip(("ip")::VARCHAR) IS NOT NULL THEN concat_ws(' / ', one_name(("user"."name")::VARCHAR), one_ip(("ip")::VARCHAR)) END AS entity, CASE WHEN said(("ua")::VARCHAR) IS NOT NULL AND said(("city")::VARCHAR) IS NOT NULL THEN concat_ws(' / ', said(("ua")::VARCHAR), said(("city")::VARCHAR)) END AS value, min("time") AS earliest,
        max("time") FILTER ("time" < TIMESTAMPTZ '2026-11-24 09:00:00+00') AS last,
        min("time") FILTER ("time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00') AS first,
        count(*) FILTER ("time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00') AS uses
      FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-03-29 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00')
      WHERE "user"."name" IS NOT NULL AND "ip" IS NOT NULL AND "ua" IS NOT NULL AND "city" IS NOT NULL
      GROUP BY 1, 2 HAVING count(CASE WHEN one_name(("user"."name")::VARCHAR) IS NOT NULL AND one_ip(("ip")::VARCHAR) IS NOT NULL THEN concat_ws(' / ', one_name(("user"."name")::VARCHAR), one_ip(("ip")::VARCHAR)) END) > 0 AND count(CASE WHEN said(("ua")::VARCHAR) IS NOT NULL AND said(("city")::VARCHAR) IS NOT NULL THEN concat_ws(' / ', said(("ua")::VARCHAR), said(("city")::VARCHAR)) END) > 0)
    WINDOW e AS (PARTITION BY entity)))
WHERE first IS NOT NULL AND level IS NOT NULL))
WHERE "score before its bounds" IS NOT NULL;

-- rare: step
CREATE OR REPLACE TEMP TABLE "rare" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'rare', 'rare', entity, concat_ws(chr(31), value, '2026-11-24T09:00:00'))))::VARCHAR AS "finding_id",
  (first)::TIMESTAMPTZ AS "time",
  (TIMESTAMPTZ '2026-11-24 09:00:00+00')::TIMESTAMPTZ AS "window_start",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "window_end",
  ('user')::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('rare')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((uses)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((uses)::DOUBLE) END AS "observed",
  CASE WHEN abs(((past)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((past)::DOUBLE) END AS "expected",
  (coalesce((value)::VARCHAR, 'unknown') || ' is rare for ' || coalesce((entity)::VARCHAR, 'unknown') || ': ' || coalesce((past)::VARCHAR, 'unknown') || ' of ' || coalesce((total)::VARCHAR, 'unknown') || ' before')::VARCHAR AS "reason",
  (NULL)::VARCHAR AS "technique",
  (json_object('value', CASE WHEN typeof((value)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((value)) WHEN ((value))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((value))::VARCHAR, '[.]0$', '')::JSON END, 'p', CASE WHEN typeof((exp(lp))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((exp(lp))) WHEN ((exp(lp)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((exp(lp)))::VARCHAR, '[.]0$', '')::JSON END, 'past', CASE WHEN typeof((past)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((past)) WHEN ((past))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((past))::VARCHAR, '[.]0$', '')::JSON END, 'total', CASE WHEN typeof((total)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((total)) WHEN ((total))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((total))::VARCHAR, '[.]0$', '')::JSON END, 'kinds', CASE WHEN typeof((kinds)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((kinds)) WHEN ((kinds))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((kinds))::VARCHAR, '[.]0$', '')::JSON END, 'z', CASE WHEN typeof((round(z, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(z, 4))) WHEN ((round(z, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(z, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'mean_log_p', CASE WHEN typeof((round(mean, 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(mean, 6))) WHEN ((round(mean, 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(mean, 6)))::VARCHAR, '[.]0$', '')::JSON END, 'sigma', CASE WHEN typeof((round(sigma, 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(sigma, 6))) WHEN ((round(sigma, 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(sigma, 6)))::VARCHAR, '[.]0$', '')::JSON END, 'degenerate', CASE WHEN typeof((degenerate)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((degenerate)) WHEN ((degenerate))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((degenerate))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((least(100.0 * (1.0 - pow(2.0, -(z / 2.0::DOUBLE))), CASE WHEN degenerate THEN 89 ELSE 100 END))) < 'Infinity'::DOUBLE THEN (least(100.0 * (1.0 - pow(2.0, -(z / 2.0::DOUBLE))), CASE WHEN degenerate THEN 89 ELSE 100 END)) END AS "score before its bounds" FROM (WITH used AS (
  SELECT one_name(("user"."name")::VARCHAR) AS entity, said(("ua")::VARCHAR) AS value, "time" FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-04-28 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE "user"."name" IS NOT NULL AND one_name(("user"."name")::VARCHAR) IS NOT NULL AND "ua" IS NOT NULL AND said(("ua")::VARCHAR) IS NOT NULL),
seen AS (
  SELECT entity, min("time") AS known, max("time") FILTER ("time" < TIMESTAMPTZ '2026-11-24 09:00:00+00') AS prev
  FROM used GROUP BY 1 HAVING max("time") >= TIMESTAMPTZ '2026-11-24 09:00:00+00'),
pairs AS (
  SELECT entity, value, any_value(known) AS known,
    count(*) FILTER ("time" < TIMESTAMPTZ '2026-11-24 09:00:00+00') AS past, count(*) FILTER ("time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00') AS uses,
    min("time") FILTER ("time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00') AS first,
    min("time") FILTER ("time" < TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' - to_microseconds(2592000000000)) AS before
  FROM used JOIN seen USING (entity)
  WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' - to_microseconds(2592000000000) - to_microseconds(coalesce(greatest(0, epoch_us(TIMESTAMPTZ '2026-11-24 09:00:00+00') - epoch_us(prev) - 604800000000), 0)) GROUP BY 1, 2),
p AS (
  SELECT *, ln((past + 2.0::DOUBLE) / (sum(past) OVER e + 2.0::DOUBLE * count(*) OVER e)) AS lp,
    sum(past) OVER e AS total, count(*) OVER e AS kinds
  FROM pairs WINDOW e AS (PARTITION BY entity)),
m AS (
  SELECT *, sum(past * lp) OVER e / nullif(total, 0) AS mean, sum(past * lp * lp) OVER e / nullif(total, 0) AS square
  FROM p WINDOW e AS (PARTITION BY entity)),
d AS (
  SELECT *, sqrt(greatest(0.0, square - mean * mean)) AS deviation FROM m),
z AS (
  SELECT * EXCLUDE (deviation), deviation < 1e-6 AS degenerate,
    CASE WHEN deviation < 1e-6 THEN 0.5 ELSE deviation END AS sigma
  FROM d)
SELECT *, (mean - lp) / sigma AS z FROM z
WHERE uses > 0 AND TIMESTAMPTZ '2026-11-24 09:00:00+00' - known >= to_microseconds(1209600000000) AND lp < mean - 2.0::DOUBLE * sigma
  AND past < 0.05::DOUBLE * total AND NOT coalesce(before - known >= to_microseconds(1209600000000), false)))
WHERE "score before its bounds" IS NOT NULL;

-- rare_full: step
CREATE OR REPLACE TEMP TABLE "rare_full" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'rare_full', 'rare', entity, concat_ws(chr(31), value, '2026-11-24T09:00:00'))))::VARCHAR AS "finding_id",
  (first)::TIMESTAMPTZ AS "time",
  (TIMESTAMPTZ '2026-11-24 09:00:00+00')::TIMESTAMPTZ AS "window_start",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "window_end",
  ('user')::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('rare')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((uses)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((uses)::DOUBLE) END AS "observed",
  CASE WHEN abs(((past)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((past)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ' ' || coalesce((value)::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  ('T1078')::VARCHAR AS "technique",
  (json_object('value', CASE WHEN typeof((value)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((value)) WHEN ((value))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((value))::VARCHAR, '[.]0$', '')::JSON END, 'p', CASE WHEN typeof((exp(lp))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((exp(lp))) WHEN ((exp(lp)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((exp(lp)))::VARCHAR, '[.]0$', '')::JSON END, 'past', CASE WHEN typeof((past)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((past)) WHEN ((past))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((past))::VARCHAR, '[.]0$', '')::JSON END, 'total', CASE WHEN typeof((total)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((total)) WHEN ((total))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((total))::VARCHAR, '[.]0$', '')::JSON END, 'kinds', CASE WHEN typeof((kinds)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((kinds)) WHEN ((kinds))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((kinds))::VARCHAR, '[.]0$', '')::JSON END, 'z', CASE WHEN typeof((round(z, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(z, 4))) WHEN ((round(z, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(z, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'mean_log_p', CASE WHEN typeof((round(mean, 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(mean, 6))) WHEN ((round(mean, 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(mean, 6)))::VARCHAR, '[.]0$', '')::JSON END, 'sigma', CASE WHEN typeof((round(sigma, 6))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(sigma, 6))) WHEN ((round(sigma, 6)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(sigma, 6)))::VARCHAR, '[.]0$', '')::JSON END, 'degenerate', CASE WHEN typeof((degenerate)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((degenerate)) WHEN ((degenerate))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((degenerate))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((least(100.0 * (1.0 - pow(2.0, -(z / 3.0::DOUBLE))), CASE WHEN degenerate THEN 89 ELSE 100 END))) < 'Infinity'::DOUBLE THEN (least(100.0 * (1.0 - pow(2.0, -(z / 3.0::DOUBLE))), CASE WHEN degenerate THEN 89 ELSE 100 END)) END AS "score before its bounds" FROM (WITH used AS (
  SELECT one_name(("user"."name")::VARCHAR) AS entity, CASE WHEN said(("ua")::VARCHAR) IS NOT NULL AND said(("city")::VARCHAR) IS NOT NULL THEN concat_ws(' / ', said(("ua")::VARCHAR), said(("city")::VARCHAR)) END AS value, "time" FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-03-29 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE "user"."name" IS NOT NULL AND one_name(("user"."name")::VARCHAR) IS NOT NULL AND "ua" IS NOT NULL AND "city" IS NOT NULL AND CASE WHEN said(("ua")::VARCHAR) IS NOT NULL AND said(("city")::VARCHAR) IS NOT NULL THEN concat_ws(' / ', said(("ua")::VARCHAR), said(("city")::VARCHAR)) END IS NOT NULL),
seen AS (
  SELECT entity, min("time") AS known, max("time") FILTER ("time" < TIMESTAMPTZ '2026-11-24 09:00:00+00') AS prev
  FROM used GROUP BY 1 HAVING max("time") >= TIMESTAMPTZ '2026-11-24 09:00:00+00'),
pairs AS (
  SELECT entity, value, any_value(known) AS known,
    count(*) FILTER ("time" < TIMESTAMPTZ '2026-11-24 09:00:00+00') AS past, count(*) FILTER ("time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00') AS uses,
    min("time") FILTER ("time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00') AS first,
    min("time") FILTER ("time" < TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' - to_microseconds(0)) AS before
  FROM used JOIN seen USING (entity)
  WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' - to_microseconds(5184000000000) - to_microseconds(coalesce(greatest(0, epoch_us(TIMESTAMPTZ '2026-11-24 09:00:00+00') - epoch_us(prev) - 604800000000), 0)) GROUP BY 1, 2),
p AS (
  SELECT *, ln((past + 1.0::DOUBLE) / (sum(past) OVER e + 1.0::DOUBLE * count(*) OVER e)) AS lp,
    sum(past) OVER e AS total, count(*) OVER e AS kinds
  FROM pairs WINDOW e AS (PARTITION BY entity)),
m AS (
  SELECT *, sum(past * lp) OVER e / nullif(total, 0) AS mean, sum(past * lp * lp) OVER e / nullif(total, 0) AS square
  FROM p WINDOW e AS (PARTITION BY entity)),
d AS (
  SELECT *, sqrt(greatest(0.0, square - mean * mean)) AS deviation FROM m),
z AS (
  SELECT * EXCLUDE (deviation), deviation < 1e-6 AS degenerate,
    CASE WHEN deviation < 1e-6 THEN 0.5 ELSE deviation END AS sigma
  FROM d)
SELECT *, (mean - lp) / sigma AS z FROM z
WHERE uses > 0 AND TIMESTAMPTZ '2026-11-24 09:00:00+00' - known >= to_microseconds(172800000000) AND lp < mean - 3.0::DOUBLE * sigma
  AND past < 0.1::DOUBLE * total AND NOT coalesce(before - known >= to_microseconds(172800000000), false)))
WHERE "score before its bounds" IS NOT NULL;

-- impossible_travel: work
CREATE OR REPLACE TEMP TABLE "impossible_travel.jumps" AS
SELECT * REPLACE (one_ip((ip)::VARCHAR) AS ip, given((place)::VARCHAR) AS place, given((country)::VARCHAR) AS country, nullif(given((network)::VARCHAR), '0') AS network, one_ip((p_ip)::VARCHAR) AS p_ip, given((p_place)::VARCHAR) AS p_place, given((p_country)::VARCHAR) AS p_country, nullif(given((p_network)::VARCHAR), '0') AS p_network), km / hours AS kmh
FROM (SELECT *, greatest(0.0, 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(lat - p_lat) / 2), 2) + cos(radians(p_lat)) * cos(radians(lat)) * pow(sin(radians(lon - p_lon) / 2), 2)))) - radius - p_radius) AS km,
  greatest((epoch_us("time") - epoch_us(p_time)) / 3.6e9, 0.0001) AS hours
FROM (
  SELECT * EXCLUDE (p), p.t AS p_time, p.lat AS p_lat, p.lon AS p_lon, p.ip AS p_ip, p.place AS p_place,
    p.country AS p_country, p.radius AS p_radius, p.network AS p_network
  FROM (
    SELECT *, lag({'t': "time", 'lat': lat, 'lon': lon, 'ip': ip, 'place': place, 'country': country, 'radius': radius, 'network': network}) OVER (PARTITION BY entity ORDER BY "time", ip, lat, lon) AS p FROM (SELECT * FROM (
  SELECT one_name(("user"."name")::VARCHAR) AS entity, "time", CASE WHEN abs(TRY_CAST(("src_endpoint"."location"."lat") AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST(("src_endpoint"."location"."lat") AS DOUBLE) END AS lat, CASE WHEN abs(TRY_CAST(("src_endpoint"."location"."long") AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST(("src_endpoint"."location"."long") AS DOUBLE) END AS lon, ("src_endpoint"."ip")::VARCHAR AS ip,
    NULL::VARCHAR AS place, NULL::VARCHAR AS country,
    false AS familiar, 0.0::DOUBLE AS radius, NULL::VARCHAR AS network, NULL::VARCHAR AS event_id
  FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-22 22:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00')
  WHERE "user"."name" IS NOT NULL AND one_name(("user"."name")::VARCHAR) IS NOT NULL)
WHERE abs(lat) <= 90 AND abs(lon) <= 180 AND (abs(lat) > 0.01 OR abs(lon) > 0.01)
  AND CASE WHEN ip >= '1' AND ip < ':' THEN true ELSE one_ip((ip)::VARCHAR) IS NOT NULL END))))
WHERE CASE WHEN p_ip <> ip AND (abs(lat - p_lat) > 0.1 OR abs(lon - p_lon) > 0.1) THEN
    CASE WHEN km >= 500.0::DOUBLE AND km / hours >= 800.0::DOUBLE
      THEN one_ip((p_ip)::VARCHAR) <> one_ip((ip)::VARCHAR) AND NOT coalesce(one_name((place)::VARCHAR) = one_name((p_place)::VARCHAR) AND one_name((country)::VARCHAR) = one_name((p_country)::VARCHAR), false) ELSE false END
  ELSE false END;

-- impossible_travel: step
CREATE OR REPLACE TEMP TABLE "impossible_travel" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'impossible_travel', 'impossible_travel', entity, day)))::VARCHAR AS "finding_id",
  (first)::TIMESTAMPTZ AS "time",
  (since)::TIMESTAMPTZ AS "window_start",
  (last + to_microseconds(1))::TIMESTAMPTZ AS "window_end",
  ('user')::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('impossible_travel')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((kmh)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((kmh)::DOUBLE) END AS "observed",
  CASE WHEN abs(((800.0::DOUBLE)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((800.0::DOUBLE)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ' signed in from ' || coalesce((origin)::VARCHAR, 'unknown') || ' and then ' || coalesce((destination)::VARCHAR, 'unknown') || ', ' || coalesce((coalesce(CASE WHEN (round(km)) = round((round(km))) AND abs((round(km))) < 1e15 THEN ((round(km)))::BIGINT::VARCHAR WHEN abs((round(km))) < 'Infinity'::DOUBLE THEN round((round(km)), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ' km apart, within ' || coalesce((coalesce(CASE WHEN (hours) = round((hours)) AND abs((hours)) < 1e15 THEN ((hours))::BIGINT::VARCHAR WHEN abs((hours)) < 'Infinity'::DOUBLE THEN round((hours), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ' h (' || coalesce((coalesce(CASE WHEN (round(kmh)) = round((round(kmh))) AND abs((round(kmh))) < 1e15 THEN ((round(kmh)))::BIGINT::VARCHAR WHEN abs((round(kmh))) < 'Infinity'::DOUBLE THEN round((round(kmh)), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ' km/h)')::VARCHAR AS "reason",
  (NULL)::VARCHAR AS "technique",
  (json_object('km', CASE WHEN typeof((round(km, 1))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(km, 1))) WHEN ((round(km, 1)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(km, 1)))::VARCHAR, '[.]0$', '')::JSON END, 'hours', CASE WHEN typeof((round(hours, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(hours, 4))) WHEN ((round(hours, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(hours, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'kmh', CASE WHEN typeof((round(kmh, 1))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(kmh, 1))) WHEN ((round(kmh, 1)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(kmh, 1)))::VARCHAR, '[.]0$', '')::JSON END, 'jumps', CASE WHEN typeof((jumps)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((jumps)) WHEN ((jumps))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((jumps))::VARCHAR, '[.]0$', '')::JSON END, 'from', CASE WHEN typeof((origin)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((origin)) WHEN ((origin))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((origin))::VARCHAR, '[.]0$', '')::JSON END, 'to', CASE WHEN typeof((destination)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((destination)) WHEN ((destination))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((destination))::VARCHAR, '[.]0$', '')::JSON END, 'from_country', CASE WHEN typeof((from_country)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((from_country)) WHEN ((from_country))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((from_country))::VARCHAR, '[.]0$', '')::JSON END, 'to_country', CASE WHEN typeof((to_country)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((to_country)) WHEN ((to_country))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((to_country))::VARCHAR, '[.]0$', '')::JSON END, 'from_ip', CASE WHEN typeof((from_ip)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((from_ip)) WHEN ((from_ip))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((from_ip))::VARCHAR, '[.]0$', '')::JSON END, 'to_ip', CASE WHEN typeof((to_ip)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((to_ip)) WHEN ((to_ip))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((to_ip))::VARCHAR, '[.]0$', '')::JSON END, 'lowered_because', CASE WHEN typeof((note)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((note)) WHEN ((note))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((note))::VARCHAR, '[.]0$', '')::JSON END, 'speed_kmh', CASE WHEN typeof((800.0::DOUBLE)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((800.0::DOUBLE)) WHEN ((800.0::DOUBLE))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((800.0::DOUBLE))::VARCHAR, '[.]0$', '')::JSON END, 'distance_km', CASE WHEN typeof((500.0::DOUBLE)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((500.0::DOUBLE)) WHEN ((500.0::DOUBLE))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((500.0::DOUBLE))::VARCHAR, '[.]0$', '')::JSON END, 'event_ids', CASE WHEN typeof((samples)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((samples)) WHEN ((samples))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((samples))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((CASE WHEN quiet THEN 15.0 ELSE least(89, 100.0 * (1.0 - pow(2.0, -(1 + log2(kmh / 800.0::DOUBLE) / 2 + (jumps - 1) / 4.0)))) END)) < 'Infinity'::DOUBLE THEN (CASE WHEN quiet THEN 15.0 ELSE least(89, 100.0 * (1.0 - pow(2.0, -(1 + log2(kmh / 800.0::DOUBLE) / 2 + (jumps - 1) / 4.0)))) END) END AS "score before its bounds" FROM (SELECT entity, day, min("time") AS first, max("time") AS last, min(p_time) AS since,
  count(*) AS jumps,
  max(kmh) AS kmh, arg_max(km, kmh) AS km, arg_max(hours, kmh) AS hours,
  arg_max_null(p_place, kmh) AS origin, arg_max_null(place, kmh) AS destination,
  arg_max_null(p_country, kmh) AS from_country, arg_max_null(country, kmh) AS to_country,
  arg_max(p_ip, kmh) AS from_ip, arg_max(ip, kmh) AS to_ip,
  bool_and(quiet) AS quiet, max(note) AS note, list(DISTINCT event_id ORDER BY event_id)[1:10] AS samples
FROM (
  SELECT *, bool_and(quiet) OVER (PARTITION BY entity, day) AS all_quiet
  FROM (
    SELECT j.*, date_trunc('day', j."time" AT TIME ZONE 'UTC') AS day, (familiar) AS quiet, CASE WHEN familiar THEN 'allowed network' END AS note
    FROM "impossible_travel.jumps" AS j ))
WHERE all_quiet OR NOT quiet
GROUP BY entity, day HAVING max("time") >= TIMESTAMPTZ '2026-11-24 09:00:00+00'))
WHERE "score before its bounds" IS NOT NULL;

-- impossible_travel_full: work
CREATE OR REPLACE TEMP TABLE "impossible_travel_full.jumps" AS
SELECT * REPLACE (one_ip((ip)::VARCHAR) AS ip, given((place)::VARCHAR) AS place, given((country)::VARCHAR) AS country, nullif(given((network)::VARCHAR), '0') AS network, one_ip((p_ip)::VARCHAR) AS p_ip, given((p_place)::VARCHAR) AS p_place, given((p_country)::VARCHAR) AS p_country, nullif(given((p_network)::VARCHAR), '0') AS p_network), km / hours AS kmh
FROM (SELECT *, greatest(0.0, 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(lat - p_lat) / 2), 2) + cos(radians(p_lat)) * cos(radians(lat)) * pow(sin(radians(lon - p_lon) / 2), 2)))) - radius - p_radius) AS km,
  greatest((epoch_us("time") - epoch_us(p_time)) / 3.6e9, 0.0001) AS hours
FROM (
  SELECT * EXCLUDE (p), p.t AS p_time, p.lat AS p_lat, p.lon AS p_lon, p.ip AS p_ip, p.place AS p_place,
    p.country AS p_country, p.radius AS p_radius, p.network AS p_network
  FROM (
    SELECT *, last_value(CASE WHEN NOT familiar THEN {'t': "time", 'lat': lat, 'lon': lon, 'ip': ip, 'place': place, 'country': country, 'radius': radius, 'network': network} END IGNORE NULLS) OVER (PARTITION BY entity ORDER BY "time", ip, lat, lon ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS p FROM (SELECT * FROM (
  SELECT ("who")::VARCHAR AS entity, "time", CASE WHEN abs(TRY_CAST(("a") AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST(("a") AS DOUBLE) END AS lat, CASE WHEN abs(TRY_CAST(("b") AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST(("b") AS DOUBLE) END AS lon, ("c")::VARCHAR AS ip,
    (city)::VARCHAR AS place, (land)::VARCHAR AS country,
    coalesce((vpn), false) OR coalesce(nullif(one_name(("asn")::VARCHAR), '0') IN (SELECT nullif(one_name(("number")::VARCHAR), '0') FROM "analytics"."networks"), false) AS familiar, greatest(0.0, coalesce(CASE WHEN abs(TRY_CAST((r) AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST((r) AS DOUBLE) END, 0.0)) AS radius, ("asn")::VARCHAR AS network, NULL::VARCHAR AS event_id
  FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-22 10:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00' AND ((TRY_CAST(n AS INTEGER) > 3)))
  WHERE "who" IS NOT NULL AND (status = 'Success') AND ("who")::VARCHAR IS NOT NULL)
WHERE abs(lat) <= 90 AND abs(lon) <= 180 AND (abs(lat) > 0.01 OR abs(lon) > 0.01)
  AND CASE WHEN ip >= '1' AND ip < ':' THEN true ELSE one_ip((ip)::VARCHAR) IS NOT NULL END))))
WHERE CASE WHEN p_ip <> ip AND (abs(lat - p_lat) > 0.1 OR abs(lon - p_lon) > 0.1) THEN
    CASE WHEN km >= 100.0::DOUBLE AND km / hours >= 900.0::DOUBLE
      THEN one_ip((p_ip)::VARCHAR) <> one_ip((ip)::VARCHAR) AND NOT coalesce(one_name((place)::VARCHAR) = one_name((p_place)::VARCHAR) AND one_name((country)::VARCHAR) = one_name((p_country)::VARCHAR), false) ELSE false END
  ELSE false END;

-- impossible_travel_full: work
CREATE OR REPLACE TEMP TABLE "impossible_travel_full.spots" AS
SELECT entity, day, nullif(given((network)::VARCHAR), '0') AS network, lat, lon
FROM (
  SELECT entity, epoch_us("time") // 86400000000 AS day, network, round(lat, 1) AS lat, round(lon, 1) AS lon
  FROM (SELECT * FROM (
  SELECT ("who")::VARCHAR AS entity, "time", CASE WHEN abs(TRY_CAST(("a") AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST(("a") AS DOUBLE) END AS lat, CASE WHEN abs(TRY_CAST(("b") AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST(("b") AS DOUBLE) END AS lon, ("c")::VARCHAR AS ip,
    (city)::VARCHAR AS place, (land)::VARCHAR AS country,
    coalesce((vpn), false) OR coalesce(nullif(one_name(("asn")::VARCHAR), '0') IN (SELECT nullif(one_name(("number")::VARCHAR), '0') FROM "analytics"."networks"), false) AS familiar, greatest(0.0, coalesce(CASE WHEN abs(TRY_CAST((r) AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST((r) AS DOUBLE) END, 0.0)) AS radius, ("asn")::VARCHAR AS network, NULL::VARCHAR AS event_id
  FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-10-15 00:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 00:00:00+00' AND ((TRY_CAST(n AS INTEGER) > 3)))
  WHERE "who" IS NOT NULL AND (status = 'Success') AND ("who")::VARCHAR IN (SELECT entity FROM "impossible_travel_full.jumps"))
WHERE abs(lat) <= 90 AND abs(lon) <= 180 AND (abs(lat) > 0.01 OR abs(lon) > 0.01)
  AND CASE WHEN ip >= '1' AND ip < ':' THEN true ELSE one_ip((ip)::VARCHAR) IS NOT NULL END) GROUP BY ALL)
GROUP BY ALL;

-- impossible_travel_full: work
CREATE OR REPLACE TEMP TABLE "impossible_travel_full.unsettled" AS
WITH s AS (
  SELECT *,
    count(*) OVER (PARTITION BY entity, network, lat, lon ORDER BY day
      RANGE BETWEEN 20 PRECEDING AND 1 PRECEDING) AS times,
    dense_rank() OVER (PARTITION BY entity ORDER BY day) AS i
  FROM "impossible_travel_full.spots")
SELECT DISTINCT x.entity
FROM (FROM s WHERE i > 4 AND times < 4 AND network IS NOT NULL) AS x
JOIN s AS y ON y.entity = x.entity AND y.day BETWEEN x.day - 1 AND x.day
WHERE 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(y.lat - x.lat) / 2), 2) + cos(radians(x.lat)) * cos(radians(y.lat)) * pow(sin(radians(y.lon - x.lon) / 2), 2)))) > 80.0::DOUBLE;

-- impossible_travel_full: work
CREATE OR REPLACE TEMP TABLE "impossible_travel_full.habits" AS
WITH RECURSIVE moves AS (
  SELECT entity, epoch_us("time") // 86400000000 AS day, network, round(lat, 1) AS lat, round(lon, 1) AS lon, hop,
    CASE WHEN hop THEN p_network END AS p_network,
    CASE WHEN hop THEN round(p_lat, 1) END AS p_lat, CASE WHEN hop THEN round(p_lon, 1) END AS p_lon
  FROM (SELECT *, NOT familiar AND CASE WHEN p_ip <> ip AND (abs(lat - p_lat) > 0.1 OR abs(lon - p_lon) > 0.1) THEN
    CASE WHEN km >= 100.0::DOUBLE AND km / hours >= 900.0::DOUBLE
      THEN one_ip((p_ip)::VARCHAR) <> one_ip((ip)::VARCHAR) AND NOT coalesce(one_name((place)::VARCHAR) = one_name((p_place)::VARCHAR) AND one_name((country)::VARCHAR) = one_name((p_country)::VARCHAR), false) ELSE false END
  ELSE false END AS hop FROM (SELECT *, greatest(0.0, 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(lat - p_lat) / 2), 2) + cos(radians(p_lat)) * cos(radians(lat)) * pow(sin(radians(lon - p_lon) / 2), 2)))) - radius - p_radius) AS km,
  greatest((epoch_us("time") - epoch_us(p_time)) / 3.6e9, 0.0001) AS hours
FROM (
  SELECT * EXCLUDE (p), p.t AS p_time, p.lat AS p_lat, p.lon AS p_lon, p.ip AS p_ip, p.place AS p_place,
    p.country AS p_country, p.radius AS p_radius, p.network AS p_network
  FROM (
    SELECT *, last_value(CASE WHEN NOT familiar THEN {'t': "time", 'lat': lat, 'lon': lon, 'ip': ip, 'place': place, 'country': country, 'radius': radius, 'network': network} END IGNORE NULLS) OVER (PARTITION BY entity ORDER BY "time", ip, lat, lon ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS p FROM (SELECT * FROM (
  SELECT ("who")::VARCHAR AS entity, "time", CASE WHEN abs(TRY_CAST(("a") AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST(("a") AS DOUBLE) END AS lat, CASE WHEN abs(TRY_CAST(("b") AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST(("b") AS DOUBLE) END AS lon, ("c")::VARCHAR AS ip,
    (city)::VARCHAR AS place, (land)::VARCHAR AS country,
    coalesce((vpn), false) OR coalesce(nullif(one_name(("asn")::VARCHAR), '0') IN (SELECT nullif(one_name(("number")::VARCHAR), '0') FROM "analytics"."networks"), false) AS familiar, greatest(0.0, coalesce(CASE WHEN abs(TRY_CAST((r) AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST((r) AS DOUBLE) END, 0.0)) AS radius, ("asn")::VARCHAR AS network, NULL::VARCHAR AS event_id
  FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-10-15 00:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 00:00:00+00' AND ((TRY_CAST(n AS INTEGER) > 3)))
  WHERE "who" IS NOT NULL AND (status = 'Success') AND ("who")::VARCHAR IN (SELECT entity FROM "impossible_travel_full.unsettled"))
WHERE abs(lat) <= 90 AND abs(lon) <= 180 AND (abs(lat) > 0.01 OR abs(lon) > 0.01)
  AND CASE WHEN ip >= '1' AND ip < ':' THEN true ELSE one_ip((ip)::VARCHAR) IS NOT NULL END)))))
  GROUP BY ALL),
days AS (
  SELECT entity, day,
    list(DISTINCT {'n': network, 'lat': lat, 'lon': lon}) FILTER (network IS NOT NULL) AS spots,
    list(DISTINCT {'f': {'n': p_network, 'lat': p_lat, 'lon': p_lon},
      't': {'n': network, 'lat': lat, 'lon': lon}}) FILTER (hop) AS hops
  FROM (SELECT * REPLACE (nullif(given((network)::VARCHAR), '0') AS network, nullif(given((p_network)::VARCHAR), '0') AS p_network) FROM moves)
  GROUP BY ALL),
steps AS MATERIALIZED (
  SELECT *, row_number() OVER (PARTITION BY entity ORDER BY day) AS i FROM days),
learn AS (
  SELECT entity, 0::BIGINT AS known, []::STRUCT(d BIGINT, n VARCHAR, lat DOUBLE, lon DOUBLE)[] AS taught
  FROM (SELECT DISTINCT entity FROM steps)
  UNION ALL
  SELECT s.entity, s.i, list_concat(taught, list_transform(
    list_filter(coalesce(s.spots, []), lambda x: s.i <= 4 OR s.hops IS NULL OR len(list_distinct(list_transform(
  list_filter(taught, lambda q: q.n = x.n AND q.d >= s.day - 20 AND 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(x.lat - q.lat) / 2), 2) + cos(radians(q.lat)) * cos(radians(x.lat)) * pow(sin(radians(x.lon - q.lon) / 2), 2)))) < 100.0::DOUBLE),
  lambda q: q.d))) >= 1 OR NOT len(list_filter(s.hops, lambda h: (h.f = x OR h.t = x) AND NOT coalesce(len(list_distinct(list_transform(
  list_filter(taught, lambda q: q.n = h.f.n AND q.d >= s.day - 20 AND 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(h.f.lat - q.lat) / 2), 2) + cos(radians(q.lat)) * cos(radians(h.f.lat)) * pow(sin(radians(h.f.lon - q.lon) / 2), 2)))) < 100.0::DOUBLE),
  lambda q: q.d))) >= 4 AND len(list_distinct(list_transform(
  list_filter(taught, lambda q: q.n = h.t.n AND q.d >= s.day - 20 AND 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(h.t.lat - q.lat) / 2), 2) + cos(radians(q.lat)) * cos(radians(h.t.lat)) * pow(sin(radians(h.t.lon - q.lon) / 2), 2)))) < 100.0::DOUBLE),
  lambda q: q.d))) >= 4, false))) > 0),
    lambda x: {'d': s.day, 'n': x.n, 'lat': x.lat, 'lon': x.lon}))
  FROM learn AS l JOIN steps AS s ON s.entity = l.entity AND s.i = l.known + 1)
SELECT entity, max(known) AS known, arg_max(taught, known) AS taught FROM learn GROUP BY entity
UNION ALL
SELECT entity, count(DISTINCT day),
  coalesce(list({'d': day, 'n': network, 'lat': lat, 'lon': lon}) FILTER (network IS NOT NULL), [])
FROM "impossible_travel_full.spots"
WHERE entity NOT IN (SELECT entity FROM "impossible_travel_full.unsettled") GROUP BY entity;

-- impossible_travel_full: step
CREATE OR REPLACE TEMP TABLE "impossible_travel_full" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'impossible_travel_full', 'impossible_travel', entity, day)))::VARCHAR AS "finding_id",
  (first)::TIMESTAMPTZ AS "time",
  (since)::TIMESTAMPTZ AS "window_start",
  (last + to_microseconds(1))::TIMESTAMPTZ AS "window_end",
  ('who')::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('impossible_travel')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((kmh)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((kmh)::DOUBLE) END AS "observed",
  CASE WHEN abs(((900.0::DOUBLE)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((900.0::DOUBLE)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ' ' || coalesce((coalesce(CASE WHEN (round(km)) = round((round(km))) AND abs((round(km))) < 1e15 THEN ((round(km)))::BIGINT::VARCHAR WHEN abs((round(km))) < 'Infinity'::DOUBLE THEN round((round(km)), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  ('T1078')::VARCHAR AS "technique",
  (json_object('km', CASE WHEN typeof((round(km, 1))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(km, 1))) WHEN ((round(km, 1)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(km, 1)))::VARCHAR, '[.]0$', '')::JSON END, 'hours', CASE WHEN typeof((round(hours, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(hours, 4))) WHEN ((round(hours, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(hours, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'kmh', CASE WHEN typeof((round(kmh, 1))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(kmh, 1))) WHEN ((round(kmh, 1)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(kmh, 1)))::VARCHAR, '[.]0$', '')::JSON END, 'jumps', CASE WHEN typeof((jumps)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((jumps)) WHEN ((jumps))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((jumps))::VARCHAR, '[.]0$', '')::JSON END, 'from', CASE WHEN typeof((origin)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((origin)) WHEN ((origin))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((origin))::VARCHAR, '[.]0$', '')::JSON END, 'to', CASE WHEN typeof((destination)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((destination)) WHEN ((destination))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((destination))::VARCHAR, '[.]0$', '')::JSON END, 'from_country', CASE WHEN typeof((from_country)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((from_country)) WHEN ((from_country))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((from_country))::VARCHAR, '[.]0$', '')::JSON END, 'to_country', CASE WHEN typeof((to_country)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((to_country)) WHEN ((to_country))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((to_country))::VARCHAR, '[.]0$', '')::JSON END, 'from_ip', CASE WHEN typeof((from_ip)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((from_ip)) WHEN ((from_ip))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((from_ip))::VARCHAR, '[.]0$', '')::JSON END, 'to_ip', CASE WHEN typeof((to_ip)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((to_ip)) WHEN ((to_ip))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((to_ip))::VARCHAR, '[.]0$', '')::JSON END, 'lowered_because', CASE WHEN typeof((note)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((note)) WHEN ((note))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((note))::VARCHAR, '[.]0$', '')::JSON END, 'speed_kmh', CASE WHEN typeof((900.0::DOUBLE)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((900.0::DOUBLE)) WHEN ((900.0::DOUBLE))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((900.0::DOUBLE))::VARCHAR, '[.]0$', '')::JSON END, 'distance_km', CASE WHEN typeof((100.0::DOUBLE)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((100.0::DOUBLE)) WHEN ((100.0::DOUBLE))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((100.0::DOUBLE))::VARCHAR, '[.]0$', '')::JSON END, 'event_ids', CASE WHEN typeof((samples)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((samples)) WHEN ((samples))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((samples))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((CASE WHEN quiet THEN 15.0 ELSE least(89, 100.0 * (1.0 - pow(2.0, -(1 + log2(kmh / 900.0::DOUBLE) / 2 + (jumps - 1) / 4.0)))) END)) < 'Infinity'::DOUBLE THEN (CASE WHEN quiet THEN 15.0 ELSE least(89, 100.0 * (1.0 - pow(2.0, -(1 + log2(kmh / 900.0::DOUBLE) / 2 + (jumps - 1) / 4.0)))) END) END AS "score before its bounds" FROM (SELECT entity, day, min("time") AS first, max("time") AS last, min(p_time) AS since,
  count(*) AS jumps,
  max(kmh) AS kmh, arg_max(km, kmh) AS km, arg_max(hours, kmh) AS hours,
  arg_max_null(p_place, kmh) AS origin, arg_max_null(place, kmh) AS destination,
  arg_max_null(p_country, kmh) AS from_country, arg_max_null(country, kmh) AS to_country,
  arg_max(p_ip, kmh) AS from_ip, arg_max(ip, kmh) AS to_ip,
  bool_and(quiet) AS quiet, max(note) AS note, list(DISTINCT event_id ORDER BY event_id)[1:10] AS samples
FROM (
  SELECT *, bool_and(quiet) OVER (PARTITION BY entity, day) AS all_quiet
  FROM (
    SELECT j.*, date_trunc('day', j."time" AT TIME ZONE 'UTC') AS day, (familiar OR coalesce(h.known, 0) < 4 OR coalesce(len(list_distinct(list_transform(
  list_filter(taught, lambda q: q.n = j.network AND q.d >= epoch_us(j."time") // 86400000000 - 20 AND 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(j.lat - q.lat) / 2), 2) + cos(radians(q.lat)) * cos(radians(j.lat)) * pow(sin(radians(j.lon - q.lon) / 2), 2)))) < 100.0::DOUBLE),
  lambda q: q.d))) >= 4 AND len(list_distinct(list_transform(
  list_filter(taught, lambda q: q.n = j.p_network AND q.d >= epoch_us(j."time") // 86400000000 - 20 AND 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(j.p_lat - q.lat) / 2), 2) + cos(radians(q.lat)) * cos(radians(j.p_lat)) * pow(sin(radians(j.p_lon - q.lon) / 2), 2)))) < 100.0::DOUBLE),
  lambda q: q.d))) >= 4, false)) AS quiet, CASE WHEN familiar THEN 'allowed network'
      WHEN coalesce(h.known, 0) < 4 THEN 'learning ' || coalesce(h.known, 0) || '/4'
      WHEN len(list_distinct(list_transform(
  list_filter(taught, lambda q: q.n = j.network AND q.d >= epoch_us(j."time") // 86400000000 - 20 AND 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(j.lat - q.lat) / 2), 2) + cos(radians(q.lat)) * cos(radians(j.lat)) * pow(sin(radians(j.lon - q.lon) / 2), 2)))) < 100.0::DOUBLE),
  lambda q: q.d))) >= 4 AND len(list_distinct(list_transform(
  list_filter(taught, lambda q: q.n = j.p_network AND q.d >= epoch_us(j."time") // 86400000000 - 20 AND 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(j.p_lat - q.lat) / 2), 2) + cos(radians(q.lat)) * cos(radians(j.p_lat)) * pow(sin(radians(j.p_lon - q.lon) / 2), 2)))) < 100.0::DOUBLE),
  lambda q: q.d))) >= 4 THEN 'habit' END AS note
    FROM "impossible_travel_full.jumps" AS j LEFT JOIN "impossible_travel_full.habits" AS h ON h.entity = j.entity))
WHERE all_quiet OR NOT quiet
GROUP BY entity, day HAVING max("time") >= TIMESTAMPTZ '2026-11-24 09:00:00+00'))
WHERE "score before its bounds" IS NOT NULL;

-- spray: work
CREATE OR REPLACE TEMP TABLE "spray.fails" AS
SELECT one_name(("user"."name")::VARCHAR) AS account, (src_endpoint.ip)::VARCHAR AS raw, one_ip((src_endpoint.ip)::VARCHAR) AS o0, "time", NULL::VARCHAR AS event_id
FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-10-25 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00')
WHERE (status = 'Failure') AND "user"."name" IS NOT NULL;

-- spray: work
DELETE FROM "spray.fails" WHERE account IS NULL;

-- spray: work
CREATE OR REPLACE TEMP TABLE "spray.candidates" AS
SELECT 0 AS o, o0 AS source FROM "spray.fails" WHERE o0 IS NOT NULL
GROUP BY ALL HAVING count(DISTINCT account) >= 5;

-- spray: work
CREATE OR REPLACE TEMP TABLE "spray.successes" AS
SELECT account, o0, min(first) AS first, sum(n)::BIGINT AS n
FROM (
  SELECT one_name((account)::VARCHAR) AS account, one_ip((o0)::VARCHAR) AS o0, first, n
  FROM (
    SELECT "user"."name" AS account, CASE WHEN (src_endpoint.ip)::VARCHAR IN (
    SELECT raw FROM "spray.fails" WHERE o0 IN (SELECT source FROM "spray.candidates" WHERE o = 0)) OR contains((src_endpoint.ip)::VARCHAR, ':') THEN (src_endpoint.ip) END AS o0, min("time") AS first, count(*) AS n
    FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-10-25 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00')
    WHERE (status = 'Success') AND "user"."name" IS NOT NULL GROUP BY ALL))
GROUP BY account, o0 HAVING count(account) > 0;

-- spray: work
CREATE OR REPLACE TEMP TABLE "spray.pairs" AS
WITH f AS (SELECT 0 AS o, o0 AS source, account, min("time") AS first, count(*) AS n, true AS bad
  FROM "spray.fails" SEMI JOIN "spray.candidates" AS c ON c.o = 0 AND c.source = o0 GROUP BY ALL),
s AS (SELECT 0 AS o, o0 AS source, account, min(first) AS first, sum(n) AS n, false AS bad
  FROM "spray.successes" SEMI JOIN "spray.candidates" AS c ON c.o = 0 AND c.source = o0 GROUP BY ALL)
SELECT *,
  coalesce(failed < let_in OR let_in IS NULL, false) AND (failed >= TIMESTAMPTZ '2026-11-01 09:00:00+00' OR successes <= failures) AS tried,
  coalesce(let_in <= failed OR failed IS NULL, false) AND let_in >= TIMESTAMPTZ '2026-11-01 09:00:00+00' AS joined
FROM (
  SELECT o, source, account,
    min(first) FILTER (bad) AS failed, coalesce(sum(n) FILTER (bad), 0) AS failures,
    min(first) FILTER (NOT bad) AS let_in, coalesce(sum(n) FILTER (NOT bad), 0) AS successes
  FROM (FROM f UNION ALL FROM s) GROUP BY ALL)
WHERE true;

-- spray: work
CREATE OR REPLACE TEMP TABLE "spray.campaigns" AS
SELECT o, source, campaign, min("time") AS first, max("time") AS last
FROM (
  SELECT *, sum(fresh) OVER (PARTITION BY o, source ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
  FROM (
    SELECT *,
      coalesce("time" - lag("time") OVER (PARTITION BY o, source ORDER BY "time") > to_days(7), true)::INT AS fresh
    FROM (SELECT x.o, x.source, x.account, f."time", f.event_id, true AS bad
  FROM "spray.fails" AS f JOIN "spray.pairs" AS x ON x.o = 0 AND x.source = f.o0 AND x.account = f.account
  WHERE x.tried AND (x.let_in IS NULL OR x.successes <= x.failures OR f."time" <= x.let_in + to_days(1)))))
GROUP BY ALL;

-- spray: work
CREATE OR REPLACE TEMP TABLE "spray.attempts" AS
WITH a AS (
  SELECT x.o, x.source, x.account, f."time", f.event_id, true AS bad
  FROM "spray.fails" AS f JOIN "spray.pairs" AS x ON x.o = 0 AND x.source = f.o0 AND x.account = f.account
  WHERE (x.tried OR x.joined) AND (x.let_in IS NULL OR x.successes <= x.failures OR f."time" <= x.let_in + to_days(1))
  UNION ALL SELECT o, source, account, let_in, NULL, false FROM "spray.pairs" WHERE let_in IS NOT NULL AND (tried OR joined)),
b AS (
  SELECT a.*, min(c.campaign) AS campaign
  FROM a JOIN "spray.campaigns" AS c ON c.o = a.o AND c.source = a.source
    AND a."time" >= c.first - to_days(1) AND a."time" <= c.last + to_days(1)
  GROUP BY ALL)
SELECT *, count(*) OVER w AS burst, count(DISTINCT account) OVER w AS burst_users
FROM b
WINDOW w AS (PARTITION BY o, source, campaign ORDER BY "time"
  RANGE BETWEEN INTERVAL '1800 seconds' PRECEDING AND CURRENT ROW);

-- spray: work
CREATE OR REPLACE TEMP TABLE "spray.raised" AS
WITH share AS (
  SELECT o, source, campaign, count(DISTINCT account) AS accounts, count(DISTINCT account) FILTER (NOT bad) AS entered
  FROM "spray.attempts" GROUP BY ALL),
offices AS (
  SELECT f.account FROM "spray.fails" AS f
  WHERE f.o0 IN (SELECT source FROM share WHERE o = 0 AND 2 * entered > accounts AND accounts >= 5)),
a AS (
  SELECT a.* FROM "spray.attempts" AS a JOIN share AS s USING (o, source, campaign)
  WHERE 2 * entered <= accounts OR (o > 0 AND account NOT IN (SELECT account FROM offices)
    AND NOT EXISTS (FROM "spray.attempts" AS x
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
  JOIN "spray.pairs" AS p USING (o, source, account) GROUP BY o, source, campaign),
d AS (
  SELECT o, source, campaign, min("time") AS first, max("time") AS last,
    count(DISTINCT date_trunc('day', "time" AT TIME ZONE 'UTC')) AS days,
    max(burst) AS burst, max(burst_users) FILTER (burst >= 15) AS burst_users,
    list(event_id ORDER BY "time" DESC) FILTER (event_id IS NOT NULL)[1:10] AS samples
  FROM a GROUP BY ALL),
m AS (
  SELECT *, least(1.0, ln(1 + users) / ln(51)) AS spread, let_in / attempts AS rate,
    CASE WHEN users < 2 THEN 0.0 ELSE h / log2(users) END AS evenness
  FROM u JOIN d USING (o, source, campaign)),
v AS (
  SELECT *, 0.5 * spread + 0.2 * (1 - rate) + 0.3 * evenness AS slow,
    users >= 10 AND attempts <= 5.0::DOUBLE * users AND days >= 3 AND slow >= 0.6::DOUBLE AS is_slow,
    coalesce(burst_users >= 15, false) AS is_short
  FROM m)
SELECT * FROM v
WHERE (is_slow OR is_short) AND last >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND last < TIMESTAMPTZ '2026-11-24 10:00:00+00' AND users >= 10;

-- spray: work
CREATE OR REPLACE TEMP TABLE "spray.hits" AS
WITH pairs AS (
  SELECT n.o AS no, n.source AS ns, n.campaign AS nc, r.o AS wo, r.source AS ws, r.campaign AS wc,
    len(list_intersect(n.everyone, r.everyone)) AS common, n.users AS nu, r.users AS wu
  FROM "spray.raised" AS n JOIN "spray.raised" AS r ON n.o < r.o AND n.first <= r.last AND n.last >= r.first),
gone AS (
  SELECT wo AS o, ws AS source, wc AS campaign FROM pairs WHERE common >= 0.8 * wu
  UNION SELECT no, ns, nc FROM pairs WHERE common < 0.8 * wu AND common >= 0.8 * nu),
kept AS MATERIALIZED (SELECT * FROM "spray.raised" ANTI JOIN gone USING (o, source, campaign)),
open AS MATERIALIZED (SELECT o, source, campaign, first FROM kept WHERE first < TIMESTAMPTZ '2026-10-25 09:00:00+00' + to_days(7)),
old AS MATERIALIZED (
  SELECT * FROM (
    SELECT one_name(("user"."name")::VARCHAR) AS account, "time", coalesce((status = 'Failure'), false) AS bad, one_ip((src_endpoint.ip)::VARCHAR) AS o0
    FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-07-27 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-10-25 09:00:00+00')
    WHERE ((status = 'Failure') OR (status = 'Success')) AND EXISTS (FROM open) AND ((one_ip((src_endpoint.ip)::VARCHAR) IN (SELECT source FROM open WHERE o = 0))))
  WHERE true),
events AS (SELECT 0 AS o, o0 AS source, account, "time", bad
  FROM old WHERE o0 IN (SELECT source FROM open WHERE o = 0)),
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
        > to_days(7), true) AS fresh
    FROM chain)
  GROUP BY ALL)
SELECT kept.* EXCLUDE (first), coalesce(since, first) AS first,
  CASE WHEN since < TIMESTAMPTZ '2026-08-03 09:00:00+00' THEN 'since before ' || (epoch_us(TIMESTAMPTZ '2026-11-24 10:00:00+00') // 10368000000000)::VARCHAR
    ELSE date_trunc('day', coalesce(since, first) AT TIME ZONE 'UTC')::VARCHAR END AS started
FROM kept LEFT JOIN since USING (o, source, campaign);

-- spray: step
CREATE OR REPLACE TEMP TABLE "spray" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'spray', 'spray', source, started)))::VARCHAR AS "finding_id",
  (first)::TIMESTAMPTZ AS "time",
  (first)::TIMESTAMPTZ AS "window_start",
  (last + to_microseconds(1))::TIMESTAMPTZ AS "window_end",
  (['ip'][o + 1])::VARCHAR AS "entity_type",
  (source)::VARCHAR AS "entity",
  ('spray')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((users)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((users)::DOUBLE) END AS "observed",
  CASE WHEN abs(((10.0::DOUBLE)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((10.0::DOUBLE)::DOUBLE) END AS "expected",
  (coalesce((source)::VARCHAR, 'unknown') || ' tried ' || coalesce((users)::VARCHAR, 'unknown') || ' accounts ' || coalesce((attempts)::VARCHAR, 'unknown') || ' times over ' || coalesce((days)::VARCHAR, 'unknown') || ' days, ' || coalesce((coalesce(CASE WHEN (attempts / users) = round((attempts / users)) AND abs((attempts / users)) < 1e15 THEN ((attempts / users))::BIGINT::VARCHAR WHEN abs((attempts / users)) < 'Infinity'::DOUBLE THEN round((attempts / users), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ' each; ' || coalesce((let_in)::VARCHAR, 'unknown') || ' let it in')::VARCHAR AS "reason",
  (NULL)::VARCHAR AS "technique",
  (json_object('users', CASE WHEN typeof((users)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((users)) WHEN ((users))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((users))::VARCHAR, '[.]0$', '')::JSON END, 'attempts', CASE WHEN typeof((attempts)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((attempts)) WHEN ((attempts))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((attempts))::VARCHAR, '[.]0$', '')::JSON END, 'successes', CASE WHEN typeof((successes)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((successes)) WHEN ((successes))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((successes))::VARCHAR, '[.]0$', '')::JSON END, 'let_in', CASE WHEN typeof((let_in)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((let_in)) WHEN ((let_in))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((let_in))::VARCHAR, '[.]0$', '')::JSON END, 'let_in_accounts', CASE WHEN typeof((let_in_accounts)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((let_in_accounts)) WHEN ((let_in_accounts))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((let_in_accounts))::VARCHAR, '[.]0$', '')::JSON END, 'days', CASE WHEN typeof((days)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((days)) WHEN ((days))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((days))::VARCHAR, '[.]0$', '')::JSON END, 'low_and_slow', CASE WHEN typeof((round(slow, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(slow, 4))) WHEN ((round(slow, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(slow, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'u', CASE WHEN typeof((round(spread, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(spread, 4))) WHEN ((round(spread, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(spread, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'h', CASE WHEN typeof((round(evenness, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(evenness, 4))) WHEN ((round(evenness, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(evenness, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'success_rate', CASE WHEN typeof((round(rate, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(rate, 4))) WHEN ((round(rate, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(rate, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'rules', CASE WHEN typeof(([x FOR x IN [CASE WHEN is_slow THEN 'low and slow' END, CASE WHEN is_short THEN 'short' END] IF x IS NOT NULL])) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(([x FOR x IN [CASE WHEN is_slow THEN 'low and slow' END, CASE WHEN is_short THEN 'short' END] IF x IS NOT NULL])) WHEN (([x FOR x IN [CASE WHEN is_slow THEN 'low and slow' END, CASE WHEN is_short THEN 'short' END] IF x IS NOT NULL]))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((([x FOR x IN [CASE WHEN is_slow THEN 'low and slow' END, CASE WHEN is_short THEN 'short' END] IF x IS NOT NULL]))::VARCHAR, '[.]0$', '')::JSON END, 'burst', CASE WHEN typeof((burst)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((burst)) WHEN ((burst))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((burst))::VARCHAR, '[.]0$', '')::JSON END, 'burst_users', CASE WHEN typeof((burst_users)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((burst_users)) WHEN ((burst_users))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((burst_users))::VARCHAR, '[.]0$', '')::JSON END, 'accounts', CASE WHEN typeof((accounts)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((accounts)) WHEN ((accounts))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((accounts))::VARCHAR, '[.]0$', '')::JSON END, 'last', CASE WHEN typeof((last::VARCHAR)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((last::VARCHAR)) WHEN ((last::VARCHAR))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((last::VARCHAR))::VARCHAR, '[.]0$', '')::JSON END, 'event_ids', CASE WHEN typeof((samples)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((samples)) WHEN ((samples))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((samples))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((85 * slow + CASE WHEN successes > 0 THEN 15 ELSE 0 END)) < 'Infinity'::DOUBLE THEN (85 * slow + CASE WHEN successes > 0 THEN 15 ELSE 0 END) END AS "score before its bounds" FROM "spray.hits")
WHERE "score before its bounds" IS NOT NULL;

-- spray_full: work
CREATE OR REPLACE TEMP TABLE "spray_full.fails" AS
SELECT one_name(("who")::VARCHAR) AS account, (ip)::VARCHAR AS raw, one_ip((ip)::VARCHAR) AS o0, nullif(given((asn)::VARCHAR), '0') AS o1, given((ua)::VARCHAR) AS o2, "time", NULL::VARCHAR AS event_id
FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-04 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00')
WHERE (NOT ok) AND "who" IS NOT NULL;

-- spray_full: work
DELETE FROM "spray_full.fails" WHERE account IS NULL;

-- spray_full: work
CREATE OR REPLACE TEMP TABLE "spray_full.candidates" AS
SELECT 0 AS o, o0 AS source FROM "spray_full.fails" WHERE o0 IS NOT NULL
GROUP BY ALL HAVING count(DISTINCT account) >= 4
UNION ALL SELECT 1 AS o, o1 AS source FROM "spray_full.fails" WHERE o1 IS NOT NULL
GROUP BY ALL HAVING count(DISTINCT account) >= 4
UNION ALL SELECT 2 AS o, o2 AS source FROM "spray_full.fails" WHERE o2 IS NOT NULL
GROUP BY ALL HAVING count(DISTINCT account) >= 4;

-- spray_full: work
CREATE OR REPLACE TEMP TABLE "spray_full.successes" AS
SELECT account, o0, o1, o2, min(first) AS first, sum(n)::BIGINT AS n
FROM (
  SELECT one_name((account)::VARCHAR) AS account, one_ip((o0)::VARCHAR) AS o0, nullif(given((o1)::VARCHAR), '0') AS o1, given((o2)::VARCHAR) AS o2, first, n
  FROM (
    SELECT "who" AS account, CASE WHEN (ip)::VARCHAR IN (
    SELECT raw FROM "spray_full.fails" WHERE o0 IN (SELECT source FROM "spray_full.candidates" WHERE o = 0)) OR contains((ip)::VARCHAR, ':') THEN (ip) END AS o0, (asn) AS o1, (ua) AS o2, min("time") AS first, count(*) AS n
    FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-04 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00')
    WHERE (ok) AND "who" IS NOT NULL GROUP BY ALL))
GROUP BY account, o0, o1, o2 HAVING count(account) > 0;

-- spray_full: work
CREATE OR REPLACE TEMP TABLE "spray_full.pairs" AS
WITH f AS (SELECT 0 AS o, o0 AS source, account, min("time") AS first, count(*) AS n, true AS bad
  FROM "spray_full.fails" SEMI JOIN "spray_full.candidates" AS c ON c.o = 0 AND c.source = o0 GROUP BY ALL
UNION ALL SELECT 1 AS o, o1 AS source, account, min("time") AS first, count(*) AS n, true AS bad
  FROM "spray_full.fails" SEMI JOIN "spray_full.candidates" AS c ON c.o = 1 AND c.source = o1 GROUP BY ALL
UNION ALL SELECT 2 AS o, o2 AS source, account, min("time") AS first, count(*) AS n, true AS bad
  FROM "spray_full.fails" SEMI JOIN "spray_full.candidates" AS c ON c.o = 2 AND c.source = o2 GROUP BY ALL),
s AS (SELECT 0 AS o, o0 AS source, account, min(first) AS first, sum(n) AS n, false AS bad
  FROM "spray_full.successes" SEMI JOIN "spray_full.candidates" AS c ON c.o = 0 AND c.source = o0 GROUP BY ALL
UNION ALL SELECT 1 AS o, o1 AS source, account, min(first) AS first, sum(n) AS n, false AS bad
  FROM "spray_full.successes" SEMI JOIN "spray_full.candidates" AS c ON c.o = 1 AND c.source = o1 GROUP BY ALL
UNION ALL SELECT 2 AS o, o2 AS source, account, min(first) AS first, sum(n) AS n, false AS bad
  FROM "spray_full.successes" SEMI JOIN "spray_full.candidates" AS c ON c.o = 2 AND c.source = o2 GROUP BY ALL)
SELECT *,
  coalesce(failed < let_in OR let_in IS NULL, false) AND (failed >= TIMESTAMPTZ '2026-11-11 09:00:00+00' OR successes <= failures) AS tried,
  coalesce(let_in <= failed OR failed IS NULL, false) AND let_in >= TIMESTAMPTZ '2026-11-11 09:00:00+00' AS joined
FROM (
  SELECT o, source, account,
    min(first) FILTER (bad) AS failed, coalesce(sum(n) FILTER (bad), 0) AS failures,
    min(first) FILTER (NOT bad) AS let_in, coalesce(sum(n) FILTER (NOT bad), 0) AS successes
  FROM (FROM f UNION ALL FROM s) GROUP BY ALL)
WHERE account IN (SELECT account FROM "spray_full.successes");

-- spray_full: work
CREATE OR REPLACE TEMP TABLE "spray_full.campaigns" AS
SELECT o, source, campaign, min("time") AS first, max("time") AS last
FROM (
  SELECT *, sum(fresh) OVER (PARTITION BY o, source ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
  FROM (
    SELECT *,
      coalesce("time" - lag("time") OVER (PARTITION BY o, source ORDER BY "time") > to_days(7), true)::INT AS fresh
    FROM (SELECT x.o, x.source, x.account, f."time", f.event_id, true AS bad
  FROM "spray_full.fails" AS f JOIN "spray_full.pairs" AS x ON x.o = 0 AND x.source = f.o0 AND x.account = f.account
  WHERE x.tried AND (x.let_in IS NULL OR x.successes <= x.failures OR f."time" <= x.let_in + to_days(1))
UNION ALL SELECT x.o, x.source, x.account, f."time", f.event_id, true AS bad
  FROM "spray_full.fails" AS f JOIN "spray_full.pairs" AS x ON x.o = 1 AND x.source = f.o1 AND x.account = f.account
  WHERE x.tried AND (x.let_in IS NULL OR x.successes <= x.failures OR f."time" <= x.let_in + to_days(1))
UNION ALL SELECT x.o, x.source, x.account, f."time", f.event_id, true AS bad
  FROM "spray_full.fails" AS f JOIN "spray_full.pairs" AS x ON x.o = 2 AND x.source = f.o2 AND x.account = f.account
  WHERE x.tried AND (x.let_in IS NULL OR x.successes <= x.failures OR f."time" <= x.let_in + to_days(1)))))
GROUP BY ALL;

-- spray_full: work
CREATE OR REPLACE TEMP TABLE "spray_full.attempts" AS
WITH a AS (
  SELECT x.o, x.source, x.account, f."time", f.event_id, true AS bad
  FROM "spray_full.fails" AS f JOIN "spray_full.pairs" AS x ON x.o = 0 AND x.source = f.o0 AND x.account = f.account
  WHERE (x.tried OR x.joined) AND (x.let_in IS NULL OR x.successes <= x.failures OR f."time" <= x.let_in + to_days(1))
UNION ALL SELECT x.o, x.source, x.account, f."time", f.event_id, true AS bad
  FROM "spray_full.fails" AS f JOIN "spray_full.pairs" AS x ON x.o = 1 AND x.source = f.o1 AND x.account = f.account
  WHERE (x.tried OR x.joined) AND (x.let_in IS NULL OR x.successes <= x.failures OR f."time" <= x.let_in + to_days(1))
UNION ALL SELECT x.o, x.source, x.account, f."time", f.event_id, true AS bad
  FROM "spray_full.fails" AS f JOIN "spray_full.pairs" AS x ON x.o = 2 AND x.source = f.o2 AND x.account = f.account
  WHERE (x.tried OR x.joined) AND (x.let_in IS NULL OR x.successes <= x.failures OR f."time" <= x.let_in + to_days(1))
  UNION ALL SELECT o, source, account, let_in, NULL, false FROM "spray_full.pairs" WHERE let_in IS NOT NULL AND (tried OR joined)),
b AS (
  SELECT a.*, min(c.campaign) AS campaign
  FROM a JOIN "spray_full.campaigns" AS c ON c.o = a.o AND c.source = a.source
    AND a."time" >= c.first - to_days(1) AND a."time" <= c.last + to_days(1)
  GROUP BY ALL)
SELECT *, count(*) OVER w AS burst, count(DISTINCT account) OVER w AS burst_users
FROM b
WINDOW w AS (PARTITION BY o, source, campaign ORDER BY "time"
  RANGE BETWEEN INTERVAL '600 seconds' PRECEDING AND CURRENT ROW);

-- spray_full: work
CREATE OR REPLACE TEMP TABLE "spray_full.raised" AS
WITH share AS (
  SELECT o, source, campaign, count(DISTINCT account) AS accounts, count(DISTINCT account) FILTER (NOT bad) AS entered
  FROM "spray_full.attempts" GROUP BY ALL),
offices AS (
  SELECT f.account FROM "spray_full.fails" AS f
  WHERE f.o0 IN (SELECT source FROM share WHERE o = 0 AND 2 * entered > accounts AND accounts >= 5)),
a AS (
  SELECT a.* FROM "spray_full.attempts" AS a JOIN share AS s USING (o, source, campaign)
  WHERE 2 * entered <= accounts OR (o > 0 AND account NOT IN (SELECT account FROM offices)
    AND NOT EXISTS (FROM "spray_full.attempts" AS x
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
  JOIN "spray_full.pairs" AS p USING (o, source, account) GROUP BY o, source, campaign),
d AS (
  SELECT o, source, campaign, min("time") AS first, max("time") AS last,
    count(DISTINCT date_trunc('day', "time" AT TIME ZONE 'UTC')) AS days,
    max(burst) AS burst, max(burst_users) FILTER (burst >= 12) AS burst_users,
    list(event_id ORDER BY "time" DESC) FILTER (event_id IS NOT NULL)[1:10] AS samples
  FROM a GROUP BY ALL),
m AS (
  SELECT *, least(1.0, ln(1 + users) / ln(51)) AS spread, let_in / attempts AS rate,
    CASE WHEN users < 2 THEN 0.0 ELSE h / log2(users) END AS evenness
  FROM u JOIN d USING (o, source, campaign)),
v AS (
  SELECT *, 0.5 * spread + 0.2 * (1 - rate) + 0.3 * evenness AS slow,
    users >= 8 AND attempts <= 3.0::DOUBLE * users AND days >= 2 AND slow >= 0.5::DOUBLE AS is_slow,
    coalesce(burst_users >= 9, false) AS is_short
  FROM m)
SELECT * FROM v
WHERE (is_slow OR is_short) AND last >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND last < TIMESTAMPTZ '2026-11-24 10:00:00+00' AND users >= 8;

-- spray_full: work
CREATE OR REPLACE TEMP TABLE "spray_full.hits" AS
WITH pairs AS (
  SELECT n.o AS no, n.source AS ns, n.campaign AS nc, r.o AS wo, r.source AS ws, r.campaign AS wc,
    len(list_intersect(n.everyone, r.everyone)) AS common, n.users AS nu, r.users AS wu
  FROM "spray_full.raised" AS n JOIN "spray_full.raised" AS r ON n.o < r.o AND n.first <= r.last AND n.last >= r.first),
gone AS (
  SELECT wo AS o, ws AS source, wc AS campaign FROM pairs WHERE common >= 0.8 * wu
  UNION SELECT no, ns, nc FROM pairs WHERE common < 0.8 * wu AND common >= 0.8 * nu),
kept AS MATERIALIZED (SELECT * FROM "spray_full.raised" ANTI JOIN gone USING (o, source, campaign)),
open AS MATERIALIZED (SELECT o, source, campaign, first FROM kept WHERE first < TIMESTAMPTZ '2026-11-04 09:00:00+00' + to_days(7)),
old AS MATERIALIZED (
  SELECT * FROM (
    SELECT one_name(("who")::VARCHAR) AS account, "time", coalesce((NOT ok), false) AS bad, one_ip((ip)::VARCHAR) AS o0, nullif(given((asn)::VARCHAR), '0') AS o1, given((ua)::VARCHAR) AS o2
    FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-09-05 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-04 09:00:00+00')
    WHERE ((NOT ok) OR (ok)) AND EXISTS (FROM open) AND ((one_ip((ip)::VARCHAR) IN (SELECT source FROM open WHERE o = 0)) OR (nullif(given((asn)::VARCHAR), '0') IN (SELECT source FROM open WHERE o = 1)) OR (given((ua)::VARCHAR) IN (SELECT source FROM open WHERE o = 2))))
  WHERE account IN (SELECT account FROM "spray_full.successes")),
events AS (SELECT 0 AS o, o0 AS source, account, "time", bad
  FROM old WHERE o0 IN (SELECT source FROM open WHERE o = 0)
UNION ALL SELECT 1 AS o, o1 AS source, account, "time", bad
  FROM old WHERE o1 IN (SELECT source FROM open WHERE o = 1)
UNION ALL SELECT 2 AS o, o2 AS source, account, "time", bad
  FROM old WHERE o2 IN (SELECT source FROM open WHERE o = 2)),
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
        > to_days(7), true) AS fresh
    FROM chain)
  GROUP BY ALL)
SELECT kept.* EXCLUDE (first), coalesce(since, first) AS first,
  CASE WHEN since < TIMESTAMPTZ '2026-09-12 09:00:00+00' THEN 'since before ' || (epoch_us(TIMESTAMPTZ '2026-11-24 10:00:00+00') // 6912000000000)::VARCHAR
    ELSE date_trunc('day', coalesce(since, first) AT TIME ZONE 'UTC')::VARCHAR END AS started
FROM kept LEFT JOIN since USING (o, source, campaign);

-- spray_full: step
CREATE OR REPLACE TEMP TABLE "spray_full" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'spray_full', 'spray', source, started)))::VARCHAR AS "finding_id",
  (first)::TIMESTAMPTZ AS "time",
  (first)::TIMESTAMPTZ AS "window_start",
  (last + to_microseconds(1))::TIMESTAMPTZ AS "window_end",
  (['ip', 'asn', 'user_agent'][o + 1])::VARCHAR AS "entity_type",
  (source)::VARCHAR AS "entity",
  ('spray')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((users)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((users)::DOUBLE) END AS "observed",
  CASE WHEN abs(((8.0::DOUBLE)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((8.0::DOUBLE)::DOUBLE) END AS "expected",
  (coalesce((source)::VARCHAR, 'unknown') || ' ' || coalesce((users)::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  ('T1110.003')::VARCHAR AS "technique",
  (json_object('users', CASE WHEN typeof((users)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((users)) WHEN ((users))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((users))::VARCHAR, '[.]0$', '')::JSON END, 'attempts', CASE WHEN typeof((attempts)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((attempts)) WHEN ((attempts))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((attempts))::VARCHAR, '[.]0$', '')::JSON END, 'successes', CASE WHEN typeof((successes)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((successes)) WHEN ((successes))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((successes))::VARCHAR, '[.]0$', '')::JSON END, 'let_in', CASE WHEN typeof((let_in)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((let_in)) WHEN ((let_in))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((let_in))::VARCHAR, '[.]0$', '')::JSON END, 'let_in_accounts', CASE WHEN typeof((let_in_accounts)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((let_in_accounts)) WHEN ((let_in_accounts))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((let_in_accounts))::VARCHAR, '[.]0$', '')::JSON END, 'days', CASE WHEN typeof((days)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((days)) WHEN ((days))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((days))::VARCHAR, '[.]0$', '')::JSON END, 'low_and_slow', CASE WHEN typeof((round(slow, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(slow, 4))) WHEN ((round(slow, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(slow, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'u', CASE WHEN typeof((round(spread, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(spread, 4))) WHEN ((round(spread, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(spread, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'h', CASE WHEN typeof((round(evenness, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(evenness, 4))) WHEN ((round(evenness, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(evenness, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'success_rate', CASE WHEN typeof((round(rate, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(rate, 4))) WHEN ((round(rate, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(rate, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'rules', CASE WHEN typeof(([x FOR x IN [CASE WHEN is_slow THEN 'low and slow' END, CASE WHEN is_short THEN 'short' END] IF x IS NOT NULL])) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(([x FOR x IN [CASE WHEN is_slow THEN 'low and slow' END, CASE WHEN is_short THEN 'short' END] IF x IS NOT NULL])) WHEN (([x FOR x IN [CASE WHEN is_slow THEN 'low and slow' END, CASE WHEN is_short THEN 'short' END] IF x IS NOT NULL]))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((([x FOR x IN [CASE WHEN is_slow THEN 'low and slow' END, CASE WHEN is_short THEN 'short' END] IF x IS NOT NULL]))::VARCHAR, '[.]0$', '')::JSON END, 'burst', CASE WHEN typeof((burst)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((burst)) WHEN ((burst))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((burst))::VARCHAR, '[.]0$', '')::JSON END, 'burst_users', CASE WHEN typeof((burst_users)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((burst_users)) WHEN ((burst_users))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((burst_users))::VARCHAR, '[.]0$', '')::JSON END, 'accounts', CASE WHEN typeof((accounts)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((accounts)) WHEN ((accounts))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((accounts))::VARCHAR, '[.]0$', '')::JSON END, 'last', CASE WHEN typeof((last::VARCHAR)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((last::VARCHAR)) WHEN ((last::VARCHAR))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((last::VARCHAR))::VARCHAR, '[.]0$', '')::JSON END, 'event_ids', CASE WHEN typeof((samples)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((samples)) WHEN ((samples))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((samples))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((85 * slow + CASE WHEN successes > 0 THEN 15 ELSE 0 END)) < 'Infinity'::DOUBLE THEN (85 * slow + CASE WHEN successes > 0 THEN 15 ELSE 0 END) END AS "score before its bounds" FROM "spray_full.hits")
WHERE "score before its bounds" IS NOT NULL;

-- brute_force: step
CREATE OR REPLACE TEMP TABLE "brute_force" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'brute_force', 'brute_force', entity, concat_ws(chr(31), rule, CASE
  WHEN first < TIMESTAMPTZ '2026-11-18 09:00:00+00' THEN 'since ' || date_trunc('quarter', first AT TIME ZONE 'UTC')::VARCHAR
  ELSE date_trunc('day', first AT TIME ZONE 'UTC')::VARCHAR
END))))::VARCHAR AS "finding_id",
  (first)::TIMESTAMPTZ AS "time",
  (first)::TIMESTAMPTZ AS "window_start",
  (last + to_microseconds(1))::TIMESTAMPTZ AS "window_end",
  (kind)::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('brute_force')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((n)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((n)::DOUBLE) END AS "observed",
  CASE WHEN abs(((least_n)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((least_n)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ': ' || coalesce((n)::VARCHAR, 'unknown') || ' failures by ' || coalesce((users)::VARCHAR, 'unknown') || ' accounts from ' || coalesce((addresses)::VARCHAR, 'unknown') || ' addresses within the window (' || coalesce((rule)::VARCHAR, 'unknown') || ')')::VARCHAR AS "reason",
  (NULL)::VARCHAR AS "technique",
  (json_object('rule', CASE WHEN typeof((rule)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((rule)) WHEN ((rule))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((rule))::VARCHAR, '[.]0$', '')::JSON END, 'attempts', CASE WHEN typeof((n)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((n)) WHEN ((n))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((n))::VARCHAR, '[.]0$', '')::JSON END, 'users', CASE WHEN typeof((users)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((users)) WHEN ((users))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((users))::VARCHAR, '[.]0$', '')::JSON END, 'addresses', CASE WHEN typeof((addresses)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((addresses)) WHEN ((addresses))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((addresses))::VARCHAR, '[.]0$', '')::JSON END, 'hits', CASE WHEN typeof((hits)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((hits)) WHEN ((hits))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((hits))::VARCHAR, '[.]0$', '')::JSON END, 'last', CASE WHEN typeof((last::VARCHAR)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((last::VARCHAR)) WHEN ((last::VARCHAR))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((last::VARCHAR))::VARCHAR, '[.]0$', '')::JSON END, 'event_ids', CASE WHEN typeof((samples)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((samples)) WHEN ((samples))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((samples))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((100.0 * (1.0 - pow(2.0, -(n / least_n::DOUBLE))))) < 'Infinity'::DOUBLE THEN (100.0 * (1.0 - pow(2.0, -(n / least_n::DOUBLE)))) END AS "score before its bounds" FROM (WITH rows AS MATERIALIZED (SELECT *
FROM (
  SELECT one_name(("user"."name")::VARCHAR) AS account, one_ip((NULL)::VARCHAR) AS address, given((NULL)::VARCHAR) AS grp, "time", NULL::VARCHAR AS event_id
  FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-17 08:30:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00')
  WHERE (status = 'Failure'))
WHERE account IS NOT NULL)
SELECT 'guessing' AS rule, 'user' AS kind, entity, 30 AS least_n,
  min("time") AS first, max("time") AS last,
  max(n) AS n, arg_max(users, n) AS users, arg_max(addresses, n) AS addresses,
  count(*) AS hits, list(event_id ORDER BY "time")[1:10] AS samples
FROM (
  SELECT *, sum(fresh) OVER (PARTITION BY entity ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
  FROM (
    SELECT *, coalesce("time" - lag("time") OVER (PARTITION BY entity ORDER BY "time") > to_microseconds(86400000000), true)::INT AS fresh
    FROM (
      SELECT *, count(*) OVER w AS n, count(DISTINCT account) OVER w AS users,
        count(DISTINCT address) OVER w AS addresses
      FROM (
        SELECT *, account AS entity FROM rows
        WHERE account IN (SELECT account FROM rows GROUP BY 1 HAVING count(*) >= 30))
      WINDOW w AS (PARTITION BY entity ORDER BY "time"
        RANGE BETWEEN INTERVAL '300 seconds' PRECEDING AND CURRENT ROW))
    WHERE n >= 30 AND "time" >= TIMESTAMPTZ '2026-11-17 09:00:00+00'))
GROUP BY entity, campaign HAVING max("time") >= TIMESTAMPTZ '2026-11-24 09:00:00+00'))
WHERE "score before its bounds" IS NOT NULL;

-- brute_force_full: step
CREATE OR REPLACE TEMP TABLE "brute_force_full" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'brute_force_full', 'brute_force', entity, concat_ws(chr(31), rule, CASE
  WHEN first < TIMESTAMPTZ '2026-11-18 09:00:00+00' THEN 'since ' || date_trunc('quarter', first AT TIME ZONE 'UTC')::VARCHAR
  ELSE date_trunc('day', first AT TIME ZONE 'UTC')::VARCHAR
END))))::VARCHAR AS "finding_id",
  (first)::TIMESTAMPTZ AS "time",
  (first)::TIMESTAMPTZ AS "window_start",
  (last + to_microseconds(1))::TIMESTAMPTZ AS "window_end",
  (kind)::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('brute_force')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0::DOUBLE, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((n)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((n)::DOUBLE) END AS "observed",
  CASE WHEN abs(((least_n)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((least_n)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ' ' || coalesce((n)::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  ('T1110.001')::VARCHAR AS "technique",
  (json_object('rule', CASE WHEN typeof((rule)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((rule)) WHEN ((rule))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((rule))::VARCHAR, '[.]0$', '')::JSON END, 'attempts', CASE WHEN typeof((n)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((n)) WHEN ((n))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((n))::VARCHAR, '[.]0$', '')::JSON END, 'users', CASE WHEN typeof((users)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((users)) WHEN ((users))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((users))::VARCHAR, '[.]0$', '')::JSON END, 'addresses', CASE WHEN typeof((addresses)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((addresses)) WHEN ((addresses))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((addresses))::VARCHAR, '[.]0$', '')::JSON END, 'hits', CASE WHEN typeof((hits)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((hits)) WHEN ((hits))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((hits))::VARCHAR, '[.]0$', '')::JSON END, 'last', CASE WHEN typeof((last::VARCHAR)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((last::VARCHAR)) WHEN ((last::VARCHAR))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((last::VARCHAR))::VARCHAR, '[.]0$', '')::JSON END, 'event_ids', CASE WHEN typeof((samples)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((samples)) WHEN ((samples))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((samples))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs((100.0 * (1.0 - pow(2.0, -(n / least_n::DOUBLE))))) < 'Infinity'::DOUBLE THEN (100.0 * (1.0 - pow(2.0, -(n / least_n::DOUBLE)))) END AS "score before its bounds" FROM (WITH rows AS MATERIALIZED (SELECT *
FROM (
  SELECT one_name(("who")::VARCHAR) AS account, one_ip(("ip")::VARCHAR) AS address, given((ua)::VARCHAR) AS grp, "time", NULL::VARCHAR AS event_id
  FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-17 08:15:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00')
  WHERE (NOT ok))
WHERE account IS NOT NULL)
SELECT 'guessing' AS rule, 'who' AS kind, entity, 10 AS least_n,
  min("time") AS first, max("time") AS last,
  max(n) AS n, arg_max(users, n) AS users, arg_max(addresses, n) AS addresses,
  count(*) AS hits, list(event_id ORDER BY "time")[1:10] AS samples
FROM (
  SELECT *, sum(fresh) OVER (PARTITION BY entity ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
  FROM (
    SELECT *, coalesce("time" - lag("time") OVER (PARTITION BY entity ORDER BY "time") > to_microseconds(86400000000), true)::INT AS fresh
    FROM (
      SELECT *, count(*) OVER w AS n, count(DISTINCT account) OVER w AS users,
        count(DISTINCT address) OVER w AS addresses
      FROM (
        SELECT *, account AS entity FROM rows
        WHERE account IN (SELECT account FROM rows GROUP BY 1 HAVING count(*) >= 10))
      WINDOW w AS (PARTITION BY entity ORDER BY "time"
        RANGE BETWEEN INTERVAL '2700 seconds' PRECEDING AND CURRENT ROW))
    WHERE n >= 10 AND "time" >= TIMESTAMPTZ '2026-11-17 09:00:00+00'))
GROUP BY entity, campaign HAVING max("time") >= TIMESTAMPTZ '2026-11-24 09:00:00+00'
UNION ALL SELECT 'many addresses' AS rule, 'who' AS kind, entity, 100 AS least_n,
  min("time") AS first, max("time") AS last,
  max(n) AS n, arg_max(users, n) AS users, arg_max(addresses, n) AS addresses,
  count(*) AS hits, list(event_id ORDER BY "time")[1:10] AS samples
FROM (
  SELECT *, sum(fresh) OVER (PARTITION BY entity ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
  FROM (
    SELECT *, coalesce("time" - lag("time") OVER (PARTITION BY entity ORDER BY "time") > to_microseconds(86400000000), true)::INT AS fresh
    FROM (
      SELECT *, count(*) OVER w AS n, count(DISTINCT account) OVER w AS users,
        count(DISTINCT address) OVER w AS addresses
      FROM (
        SELECT *, account AS entity FROM rows
        WHERE account IN (SELECT account FROM rows GROUP BY 1 HAVING count(*) >= 100))
      WINDOW w AS (PARTITION BY entity ORDER BY "time"
        RANGE BETWEEN INTERVAL '1800 seconds' PRECEDING AND CURRENT ROW))
    WHERE addresses > 30 AND n >= 100 AND "time" >= TIMESTAMPTZ '2026-11-17 09:00:00+00'))
GROUP BY entity, campaign HAVING max("time") >= TIMESTAMPTZ '2026-11-24 09:00:00+00'
UNION ALL SELECT 'stuffing' AS rule, 'source' AS kind, entity, 30 AS least_n,
  min("time") AS first, max("time") AS last,
  max(n) AS n, arg_max(users, n) AS users, arg_max(addresses, n) AS addresses,
  count(*) AS hits, list(event_id ORDER BY "time")[1:10] AS samples
FROM (
  SELECT *, sum(fresh) OVER (PARTITION BY entity ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
  FROM (
    SELECT *, coalesce("time" - lag("time") OVER (PARTITION BY entity ORDER BY "time") > to_microseconds(86400000000), true)::INT AS fresh
    FROM (
      SELECT *, count(*) OVER w AS n, count(DISTINCT account) OVER w AS users,
        count(DISTINCT address) OVER w AS addresses
      FROM (
        SELECT *, grp AS entity FROM rows
        WHERE grp IN (SELECT grp FROM rows GROUP BY 1 HAVING count(*) >= 30))
      WINDOW w AS (PARTITION BY entity ORDER BY "time"
        RANGE BETWEEN INTERVAL '600 seconds' PRECEDING AND CURRENT ROW))
    WHERE users >= 10 AND n >= 30 AND addresses >= 5 AND users > addresses AND "time" >= TIMESTAMPTZ '2026-11-17 09:00:00+00'))
GROUP BY entity, campaign HAVING max("time") >= TIMESTAMPTZ '2026-11-24 09:00:00+00'
UNION ALL SELECT 'distributed' AS rule, 'source' AS kind, entity, 25 AS least_n,
  min("time") AS first, max("time") AS last,
  max(n) AS n, arg_max(users, n) AS users, arg_max(addresses, n) AS addresses,
  count(*) AS hits, list(event_id ORDER BY "time")[1:10] AS samples
FROM (
  SELECT *, sum(fresh) OVER (PARTITION BY entity ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS campaign
  FROM (
    SELECT *, coalesce("time" - lag("time") OVER (PARTITION BY entity ORDER BY "time") > to_microseconds(86400000000), true)::INT AS fresh
    FROM (
      SELECT *, count(*) OVER w AS n, count(DISTINCT account) OVER w AS users,
        count(DISTINCT address) OVER w AS addresses
      FROM (
        SELECT *, grp AS entity FROM rows
        WHERE grp IN (SELECT grp FROM rows GROUP BY 1 HAVING count(*) >= 25))
      WINDOW w AS (PARTITION BY entity ORDER BY "time"
        RANGE BETWEEN INTERVAL '600 seconds' PRECEDING AND CURRENT ROW))
    WHERE addresses >= 5 AND users >= 8 AND n >= 25 AND n <= 5 * users AND users <= 2 * addresses AND "time" >= TIMESTAMPTZ '2026-11-17 09:00:00+00'))
GROUP BY entity, campaign HAVING max("time") >= TIMESTAMPTZ '2026-11-24 09:00:00+00'))
WHERE "score before its bounds" IS NOT NULL;

-- match: step
CREATE OR REPLACE TEMP TABLE "match" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'match', 'match', "match entity", epoch_us("match time"))))::VARCHAR AS "finding_id",
  ("match time")::TIMESTAMPTZ AS "time",
  (TIMESTAMPTZ '2026-11-24 09:00:00+00')::TIMESTAMPTZ AS "window_start",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "window_end",
  ('user')::VARCHAR AS "entity_type",
  ("match entity")::VARCHAR AS "entity",
  ('match')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((NULL)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((NULL)::DOUBLE) END AS "observed",
  CASE WHEN abs(((NULL)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((NULL)::DOUBLE) END AS "expected",
  (coalesce(("match entity")::VARCHAR, 'unknown') || ': ' || coalesce(('what was found')::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  (NULL)::VARCHAR AS "technique",
  (json_object('title', CASE WHEN typeof(('what was found')) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(('what was found')) WHEN (('what was found'))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((('what was found'))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs(("match score")) < 'Infinity'::DOUBLE THEN ("match score") END AS "score before its bounds" FROM (SELECT *
FROM (
  SELECT *, one_name(("user"."name")::VARCHAR) AS "match entity", coalesce(TRY_CAST("time" AS TIMESTAMPTZ), TIMESTAMPTZ '2026-11-24 09:00:00+00') AS "match time",
    55.0::DOUBLE AS "match score"
  FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00'))
WHERE "match entity" IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY "match entity", epoch_us("match time")
  ORDER BY "match score" DESC NULLS LAST, "match time", concat_ws(chr(31), '')) = 1))
WHERE "score before its bounds" IS NOT NULL;

-- match_full: step
CREATE OR REPLACE TEMP TABLE "match_full" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'match_full', 'match', "match entity", concat_ws(chr(31), '', coalesce(("city")::VARCHAR, chr(30)), coalesce(("ua")::VARCHAR, chr(30))))))::VARCHAR AS "finding_id",
  ("match time")::TIMESTAMPTZ AS "time",
  (TIMESTAMPTZ '2026-11-24 09:00:00+00')::TIMESTAMPTZ AS "window_start",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "window_end",
  ('person')::VARCHAR AS "entity_type",
  ("match entity")::VARCHAR AS "entity",
  ('match')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((NULL)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((NULL)::DOUBLE) END AS "observed",
  CASE WHEN abs(((NULL)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((NULL)::DOUBLE) END AS "expected",
  (coalesce(("match entity")::VARCHAR, 'unknown') || ' used ' || coalesce(("ua")::VARCHAR, 'unknown') || ', ' || coalesce(('it''s found')::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  ('T1078')::VARCHAR AS "technique",
  (json_object('title', CASE WHEN typeof(('it''s found')) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(('it''s found')) WHEN (('it''s found'))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((('it''s found'))::VARCHAR, '[.]0$', '')::JSON END, 'ua', CASE WHEN typeof(("ua")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("ua")) WHEN (("ua"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("ua"))::VARCHAR, '[.]0$', '')::JSON END, 'city', CASE WHEN typeof(("city")) NOT IN ('DOUBLE', 'FLOAT') THEN to_json(("city")) WHEN (("city"))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace((("city"))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id"
FROM (SELECT *, CASE WHEN abs(("match score")) < 'Infinity'::DOUBLE THEN ("match score") END AS "score before its bounds" FROM (SELECT *
FROM (
  SELECT *, CASE WHEN one_name(("user"."name")::VARCHAR) IS NOT NULL AND one_ip(("ip")::VARCHAR) IS NOT NULL THEN concat_ws(' / ', one_name(("user"."name")::VARCHAR), one_ip(("ip")::VARCHAR)) END AS "match entity", coalesce(TRY_CAST("seen" AS TIMESTAMPTZ), TIMESTAMPTZ '2026-11-24 09:00:00+00') AS "match time",
    CASE WHEN abs(TRY_CAST((TRY_CAST(v AS INTEGER)) AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST((TRY_CAST(v AS INTEGER)) AS DOUBLE) END AS "match score"
  FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00'))
WHERE "match entity" IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY "match entity", concat_ws(chr(31), '', coalesce(("city")::VARCHAR, chr(30)), coalesce(("ua")::VARCHAR, chr(30)))
  ORDER BY "match score" DESC NULLS LAST, "match time", concat_ws(chr(31), '', coalesce(("ua")::VARCHAR, chr(30)), coalesce(("city")::VARCHAR, chr(30)))) = 1))
WHERE "score before its bounds" IS NOT NULL;

-- rank: work
CREATE OR REPLACE TEMP VIEW "rank.ranked" AS
SELECT *, coalesce(sum(CASE WHEN i > 1 THEN s * (pow(i - 1, -1.5) - pow(i, -1.5)) ELSE 0 END) OVER (PARTITION BY entity_type, entity ORDER BY i ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING), 0) AS gain
FROM (SELECT * EXCLUDE (window_start), row_number() OVER (PARTITION BY entity_type, entity ORDER BY s DESC, finding_id) AS i FROM (SELECT * EXCLUDE (age), CASE WHEN age <= 2.4192e+06 THEN least(100.0, score * 1.0::DOUBLE) * pow(2.0, -age / 604800) ELSE 0.0 END AS s
FROM (SELECT *, (greatest(0, epoch_us(TIMESTAMPTZ '2026-11-24 10:00:00+00') - epoch_us(window_end)) / 1e6) AS age FROM (
SELECT finding_id, "time", window_start, window_end, entity_type, CASE WHEN entity_type IN ('user', 'username', 'user_name', 'account', 'actor', 'principal', 'identity', 'login', 'upn', 'email', 'email_addr', 'email_address', 'host', 'hostname') OR entity_type LIKE '%\_user' ESCAPE '\' THEN one_name(("entity")::VARCHAR) WHEN entity_type IN ('ip', 'ip_address', 'address') OR entity_type LIKE '%\_ip' ESCAPE '\' THEN one_ip(("entity")::VARCHAR) ELSE ("entity")::VARCHAR END AS entity, detector, CASE WHEN abs(TRY_CAST((score) AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST((score) AS DOUBLE) END AS score, reason, pipeline FROM "spray"
UNION ALL SELECT finding_id, "time", window_start, window_end, entity_type, CASE WHEN entity_type IN ('user', 'username', 'user_name', 'account', 'actor', 'principal', 'identity', 'login', 'upn', 'email', 'email_addr', 'email_address', 'host', 'hostname') OR entity_type LIKE '%\_user' ESCAPE '\' THEN one_name(("entity")::VARCHAR) WHEN entity_type IN ('ip', 'ip_address', 'address') OR entity_type LIKE '%\_ip' ESCAPE '\' THEN one_ip(("entity")::VARCHAR) ELSE ("entity")::VARCHAR END AS entity, detector, CASE WHEN abs(TRY_CAST((score) AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST((score) AS DOUBLE) END AS score, reason, pipeline FROM "robust_z"))
WHERE entity IS NOT NULL AND score > 0 AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00'
QUALIFY row_number() OVER (PARTITION BY pipeline, detector, entity_type, entity, window_start, window_end, CASE WHEN detector IN ('first_seen', 'rare') THEN finding_id END ORDER BY score DESC, finding_id) = 1))
WHERE i <= 10000;

-- rank: work
CREATE OR REPLACE TEMP TABLE "rank.criticality" AS
SELECT NULL::VARCHAR AS entity, NULL::VARCHAR AS criticality WHERE false;

-- rank: step
CREATE OR REPLACE TEMP TABLE "rank" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'rank', 'risk_rank', entity, entity_type)))::VARCHAR AS "finding_id",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "time",
  (coalesce(first, last))::TIMESTAMPTZ AS "window_start",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "window_end",
  (entity_type)::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('risk_rank')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((n)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((n)::DOUBLE) END AS "observed",
  CASE WHEN abs(((NULL)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((NULL)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ' is at ' || coalesce((level)::VARCHAR, 'unknown') || ' risk (' || coalesce((coalesce(CASE WHEN (round(score)) = round((round(score))) AND abs((round(score))) < 1e15 THEN ((round(score)))::BIGINT::VARCHAR WHEN abs((round(score))) < 'Infinity'::DOUBLE THEN round((round(score)), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ') from ' || coalesce((inputs)::VARCHAR, 'unknown') || ' findings; strongest: ' || coalesce((strongest)::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  (NULL)::VARCHAR AS "technique",
  (json_object('normalised', CASE WHEN typeof((round(n, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(n, 4))) WHEN ((round(n, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(n, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'modifier', CASE WHEN typeof((modifier)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((modifier)) WHEN ((modifier))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((modifier))::VARCHAR, '[.]0$', '')::JSON END, 'criticality', CASE WHEN typeof((criticality)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((criticality)) WHEN ((criticality))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((criticality))::VARCHAR, '[.]0$', '')::JSON END, 'inputs', CASE WHEN typeof((inputs)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((inputs)) WHEN ((inputs))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((inputs))::VARCHAR, '[.]0$', '')::JSON END, 'contributions', CASE WHEN typeof((contributions)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((contributions)) WHEN ((contributions))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((contributions))::VARCHAR, '[.]0$', '')::JSON END, 'level_depends_on', CASE WHEN typeof((needed)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((needed)) WHEN ((needed))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((needed))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id",
  CASE WHEN round(score, 2) < 20 THEN 'unknown' WHEN round(score, 2) < 40 THEN 'low' WHEN round(score, 2) < 70 THEN 'moderate' WHEN round(score, 2) < 90 THEN 'high' ELSE 'critical' END AS level,
  criticality,
  modifier,
  inputs
FROM (SELECT *, CASE WHEN abs((score)) < 'Infinity'::DOUBLE THEN (score) END AS "score before its bounds" FROM (WITH ranked AS MATERIALIZED (FROM "rank.ranked"),
e AS (SELECT *, (100.0 * (least(n, 99.9999) / (100.0 - least(n, 99.9999)) * modifier) / (1 + least(n, 99.9999) / (100.0 - least(n, 99.9999)) * modifier)) AS score, CASE WHEN (100.0 * (least(n, 99.9999) / (100.0 - least(n, 99.9999)) * modifier) / (1 + least(n, 99.9999) / (100.0 - least(n, 99.9999)) * modifier)) < 20 THEN 'unknown' WHEN (100.0 * (least(n, 99.9999) / (100.0 - least(n, 99.9999)) * modifier) / (1 + least(n, 99.9999) / (100.0 - least(n, 99.9999)) * modifier)) < 40 THEN 'low' WHEN (100.0 * (least(n, 99.9999) / (100.0 - least(n, 99.9999)) * modifier) / (1 + least(n, 99.9999) / (100.0 - least(n, 99.9999)) * modifier)) < 70 THEN 'moderate' WHEN (100.0 * (least(n, 99.9999) / (100.0 - least(n, 99.9999)) * modifier) / (1 + least(n, 99.9999) / (100.0 - least(n, 99.9999)) * modifier)) < 90 THEN 'high' ELSE 'critical' END AS level FROM (
  SELECT r.*, c.criticality, coalesce(CASE lower(trim(c.criticality)) WHEN 'low' THEN 0.5 WHEN 'medium' THEN 1.0 WHEN 'high' THEN 1.5 WHEN 'extreme' THEN 2.0 END, 1.0) * 1.0 AS modifier
  FROM (SELECT entity_type, entity, sum(s / pow(i, 1.5)) / 2.5924 AS n, count(*) FILTER (s > 0) AS inputs, min("time") FILTER (s > 0) AS first, max(window_end) AS last FROM ranked GROUP BY ALL) AS r
  LEFT JOIN "rank.criticality" AS c ON c.entity = r.entity))
SELECT e.*, x.top AS contributions, x.strongest,
  nullif(list_transform(list_filter(x.top, lambda q: q.level_without <> e.level), lambda q: q.finding_id), []) AS needed
FROM e JOIN (
  SELECT entity_type, entity, arg_min(reason, i) AS strongest, list({'finding_id': finding_id, 'pipeline': pipeline, 'detector': detector, 'time': "time"::VARCHAR, 'score': score, 'decayed': round(s, 4),
      'contribution': round(part, 4), 'reason': reason, 'score_without': round(without, 2),
      'level_without': level_without} ORDER BY i) FILTER (s > 0) AS top
  FROM (SELECT *, CASE WHEN without < 20 THEN 'unknown' WHEN without < 40 THEN 'low' WHEN without < 70 THEN 'moderate' WHEN without < 90 THEN 'high' ELSE 'critical' END AS level_without FROM (
    SELECT r.*, s / pow(i, 1.5) / 2.5924 AS part, (100.0 * (least((n - (s / pow(i, 1.5) - gain) / 2.5924), 99.9999) / (100.0 - least((n - (s / pow(i, 1.5) - gain) / 2.5924), 99.9999)) * e.modifier) / (1 + least((n - (s / pow(i, 1.5) - gain) / 2.5924), 99.9999) / (100.0 - least((n - (s / pow(i, 1.5) - gain) / 2.5924), 99.9999)) * e.modifier)) AS without FROM ranked AS r JOIN e ON e.entity = r.entity AND e.entity_type = r.entity_type WHERE i <= 10))
  GROUP BY ALL) AS x ON x.entity = e.entity AND x.entity_type = e.entity_type))
WHERE "score before its bounds" IS NOT NULL;

-- plus: work
CREATE OR REPLACE TEMP VIEW "plus.ranked" AS
SELECT *, 0.0 AS gain
FROM (SELECT * EXCLUDE (window_start), row_number() OVER (PARTITION BY entity_type, entity ORDER BY s DESC, finding_id) AS i FROM (SELECT * EXCLUDE (age), CASE WHEN age <= 2.4192e+06 THEN least(100.0, score * CASE WHEN detector = 'spray' OR pipeline = 'spray' THEN 2.0::DOUBLE ELSE 1.0 END) * pow(2.0, -age / 604800) ELSE 0.0 END AS s
FROM (SELECT *, (greatest(0, epoch_us(TIMESTAMPTZ '2026-11-24 10:00:00+00') - epoch_us(window_end)) / 1e6) AS age FROM (
SELECT finding_id, "time", window_start, window_end, entity_type, CASE WHEN entity_type IN ('user', 'username', 'user_name', 'account', 'actor', 'principal', 'identity', 'login', 'upn', 'email', 'email_addr', 'email_address', 'host', 'hostname') OR entity_type LIKE '%\_user' ESCAPE '\' THEN one_name(("entity")::VARCHAR) WHEN entity_type IN ('ip', 'ip_address', 'address') OR entity_type LIKE '%\_ip' ESCAPE '\' THEN one_ip(("entity")::VARCHAR) ELSE ("entity")::VARCHAR END AS entity, detector, CASE WHEN abs(TRY_CAST((score) AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST((score) AS DOUBLE) END AS score, reason, pipeline FROM "spray"))
WHERE entity IS NOT NULL AND score > 0 AND entity_type IN ('ip') AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00'
QUALIFY row_number() OVER (PARTITION BY pipeline, detector, entity_type, entity, window_start, window_end, CASE WHEN detector IN ('first_seen', 'rare') THEN finding_id END ORDER BY score DESC, finding_id) = 1))
WHERE i <= 10000;

-- plus: work
CREATE OR REPLACE TEMP TABLE "plus.criticality" AS
SELECT NULL::VARCHAR AS entity, NULL::VARCHAR AS criticality WHERE false;

-- plus: step
CREATE OR REPLACE TEMP TABLE "plus" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'plus', 'risk_max_plus', entity, entity_type)))::VARCHAR AS "finding_id",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "time",
  (coalesce(first, last))::TIMESTAMPTZ AS "window_start",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "window_end",
  (entity_type)::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('risk_max_plus')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((n)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((n)::DOUBLE) END AS "observed",
  CASE WHEN abs(((NULL)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((NULL)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ' is at ' || coalesce((level)::VARCHAR, 'unknown') || ' risk (' || coalesce((coalesce(CASE WHEN (round(score)) = round((round(score))) AND abs((round(score))) < 1e15 THEN ((round(score)))::BIGINT::VARCHAR WHEN abs((round(score))) < 'Infinity'::DOUBLE THEN round((round(score)), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ') from ' || coalesce((inputs)::VARCHAR, 'unknown') || ' findings; strongest: ' || coalesce((strongest)::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  ('T1078')::VARCHAR AS "technique",
  (json_object('normalised', CASE WHEN typeof((round(n, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(n, 4))) WHEN ((round(n, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(n, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'modifier', CASE WHEN typeof((modifier)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((modifier)) WHEN ((modifier))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((modifier))::VARCHAR, '[.]0$', '')::JSON END, 'criticality', CASE WHEN typeof((criticality)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((criticality)) WHEN ((criticality))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((criticality))::VARCHAR, '[.]0$', '')::JSON END, 'inputs', CASE WHEN typeof((inputs)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((inputs)) WHEN ((inputs))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((inputs))::VARCHAR, '[.]0$', '')::JSON END, 'contributions', CASE WHEN typeof((contributions)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((contributions)) WHEN ((contributions))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((contributions))::VARCHAR, '[.]0$', '')::JSON END, 'level_depends_on', CASE WHEN typeof((needed)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((needed)) WHEN ((needed))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((needed))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id",
  CASE WHEN round(score, 2) < 20 THEN 'unknown' WHEN round(score, 2) < 40 THEN 'low' WHEN round(score, 2) < 70 THEN 'moderate' WHEN round(score, 2) < 90 THEN 'high' ELSE 'critical' END AS level,
  criticality,
  modifier,
  inputs
FROM (SELECT *, CASE WHEN abs((score)) < 'Infinity'::DOUBLE THEN (score) END AS "score before its bounds" FROM (WITH ranked AS MATERIALIZED (FROM "plus.ranked"),
e AS (SELECT *, least(100.0, n * modifier) AS score, CASE WHEN least(100.0, n * modifier) < 20 THEN 'unknown' WHEN least(100.0, n * modifier) < 40 THEN 'low' WHEN least(100.0, n * modifier) < 70 THEN 'moderate' WHEN least(100.0, n * modifier) < 90 THEN 'high' ELSE 'critical' END AS level FROM (
  SELECT r.*, c.criticality, coalesce(CASE lower(trim(c.criticality)) WHEN 'low' THEN 0.5 WHEN 'medium' THEN 1.0 WHEN 'high' THEN 1.5 WHEN 'extreme' THEN 2.0 END, 1.0) * CASE WHEN r.entity IN (SELECT unnest(list_distinct([w, one_name((w)::VARCHAR), one_ip((w)::VARCHAR)])) FROM (SELECT unnest(['ada']::VARCHAR[]) AS w)) THEN 1.5::DOUBLE ELSE 1.0 END AS modifier
  FROM (SELECT entity_type, entity, (max(s) + 0.2 * (sum(s) - max(s))) AS n, sum(s) AS plain, max(s) AS top, coalesce(max(s) FILTER (i = 2), 0) AS next, count(*) FILTER (s > 0) AS inputs, min("time") FILTER (s > 0) AS first, max(window_end) AS last FROM ranked GROUP BY ALL) AS r
  LEFT JOIN "plus.criticality" AS c ON c.entity = r.entity))
SELECT e.*, x.top AS contributions, x.strongest,
  nullif(list_transform(list_filter(x.top, lambda q: q.level_without <> e.level), lambda q: q.finding_id), []) AS needed
FROM e JOIN (
  SELECT entity_type, entity, arg_min(reason, i) AS strongest, list({'finding_id': finding_id, 'pipeline': pipeline, 'detector': detector, 'time': "time"::VARCHAR, 'score': score, 'decayed': round(s, 4),
      'contribution': round(part, 4), 'reason': reason, 'score_without': round(without, 2),
      'level_without': level_without} ORDER BY i) FILTER (s > 0) AS top
  FROM (SELECT *, CASE WHEN without < 20 THEN 'unknown' WHEN without < 40 THEN 'low' WHEN without < 70 THEN 'moderate' WHEN without < 90 THEN 'high' ELSE 'critical' END AS level_without FROM (
    SELECT r.*, CASE WHEN i = 1 THEN s ELSE 0.2 * s END AS part, least(100.0, (CASE WHEN i = 1 THEN next + 0.2 * (plain - s - next) ELSE top + 0.2 * (plain - top - s) END) * e.modifier) AS without FROM ranked AS r JOIN e ON e.entity = r.entity AND e.entity_type = r.entity_type WHERE i <= 10))
  GROUP BY ALL) AS x ON x.entity = e.entity AND x.entity_type = e.entity_type))
WHERE "score before its bounds" IS NOT NULL;

-- sum: work
CREATE OR REPLACE TEMP VIEW "sum.ranked" AS
SELECT *, 0.0 AS gain
FROM (SELECT * EXCLUDE (window_start), row_number() OVER (PARTITION BY entity_type, entity ORDER BY s DESC, finding_id) AS i FROM (SELECT * EXCLUDE (age), CASE WHEN age <= 2.4192e+06 THEN least(100.0, score * 1.0::DOUBLE) * pow(2.0, -age / 604800) ELSE 0.0 END AS s
FROM (SELECT *, (greatest(0, epoch_us(TIMESTAMPTZ '2026-11-24 10:00:00+00') - epoch_us(window_end)) / 1e6) AS age FROM (
SELECT finding_id, "time", window_start, window_end, entity_type, CASE WHEN entity_type IN ('user', 'username', 'user_name', 'account', 'actor', 'principal', 'identity', 'login', 'upn', 'email', 'email_addr', 'email_address', 'host', 'hostname') OR entity_type LIKE '%\_user' ESCAPE '\' THEN one_name(("entity")::VARCHAR) WHEN entity_type IN ('ip', 'ip_address', 'address') OR entity_type LIKE '%\_ip' ESCAPE '\' THEN one_ip(("entity")::VARCHAR) ELSE ("entity")::VARCHAR END AS entity, detector, CASE WHEN abs(TRY_CAST((score) AS DOUBLE)) < 'Infinity'::DOUBLE THEN TRY_CAST((score) AS DOUBLE) END AS score, reason, pipeline FROM "spray"))
WHERE entity IS NOT NULL AND score > 0 AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00'
QUALIFY row_number() OVER (PARTITION BY pipeline, detector, entity_type, entity, window_start, window_end, CASE WHEN detector IN ('first_seen', 'rare') THEN finding_id END ORDER BY score DESC, finding_id) = 1))
WHERE i <= 10000;

-- sum: work
CREATE OR REPLACE TEMP TABLE "sum.criticality" AS
SELECT NULL::VARCHAR AS entity, NULL::VARCHAR AS criticality WHERE false;

-- sum: step
CREATE OR REPLACE TEMP TABLE "sum" AS
SELECT (md5(concat_ws(chr(31), 'detectors', 'sum', 'risk_sum', entity, entity_type)))::VARCHAR AS "finding_id",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "time",
  (coalesce(first, last))::TIMESTAMPTZ AS "window_start",
  (TIMESTAMPTZ '2026-11-24 10:00:00+00')::TIMESTAMPTZ AS "window_end",
  (entity_type)::VARCHAR AS "entity_type",
  (entity)::VARCHAR AS "entity",
  ('risk_sum')::VARCHAR AS "detector",
  (round(greatest(0.0, least(100.0, "score before its bounds")), 2))::DOUBLE AS "score",
  CASE WHEN score < 20 THEN 'informational' WHEN score < 40 THEN 'low' WHEN score < 70 THEN 'medium' WHEN score < 90 THEN 'high' ELSE 'critical' END AS "severity",
  CASE WHEN abs(((n)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((n)::DOUBLE) END AS "observed",
  CASE WHEN abs(((NULL)::DOUBLE)) < 'Infinity'::DOUBLE THEN ((NULL)::DOUBLE) END AS "expected",
  (coalesce((entity)::VARCHAR, 'unknown') || ' is at ' || coalesce((level)::VARCHAR, 'unknown') || ' risk (' || coalesce((coalesce(CASE WHEN (round(score)) = round((round(score))) AND abs((round(score))) < 1e15 THEN ((round(score)))::BIGINT::VARCHAR WHEN abs((round(score))) < 'Infinity'::DOUBLE THEN round((round(score)), 2)::VARCHAR END, 'unknown'))::VARCHAR, 'unknown') || ') from ' || coalesce((inputs)::VARCHAR, 'unknown') || ' findings; strongest: ' || coalesce((strongest)::VARCHAR, 'unknown'))::VARCHAR AS "reason",
  (NULL)::VARCHAR AS "technique",
  (json_object('normalised', CASE WHEN typeof((round(n, 4))) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((round(n, 4))) WHEN ((round(n, 4)))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((round(n, 4)))::VARCHAR, '[.]0$', '')::JSON END, 'modifier', CASE WHEN typeof((modifier)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((modifier)) WHEN ((modifier))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((modifier))::VARCHAR, '[.]0$', '')::JSON END, 'criticality', CASE WHEN typeof((criticality)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((criticality)) WHEN ((criticality))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((criticality))::VARCHAR, '[.]0$', '')::JSON END, 'inputs', CASE WHEN typeof((inputs)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((inputs)) WHEN ((inputs))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((inputs))::VARCHAR, '[.]0$', '')::JSON END, 'contributions', CASE WHEN typeof((contributions)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((contributions)) WHEN ((contributions))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((contributions))::VARCHAR, '[.]0$', '')::JSON END, 'level_depends_on', CASE WHEN typeof((needed)) NOT IN ('DOUBLE', 'FLOAT') THEN to_json((needed)) WHEN ((needed))::VARCHAR NOT IN ('nan', 'inf', '-inf') THEN regexp_replace(((needed))::VARCHAR, '[.]0$', '')::JSON END))::VARCHAR AS "evidence",
  ('detectors')::VARCHAR AS "pipeline",
  ('run')::VARCHAR AS "run_id",
  CASE WHEN round(score, 2) < 20 THEN 'unknown' WHEN round(score, 2) < 40 THEN 'low' WHEN round(score, 2) < 70 THEN 'moderate' WHEN round(score, 2) < 90 THEN 'high' ELSE 'critical' END AS level,
  criticality,
  modifier,
  inputs
FROM (SELECT *, CASE WHEN abs((score)) < 'Infinity'::DOUBLE THEN (score) END AS "score before its bounds" FROM (WITH ranked AS MATERIALIZED (FROM "sum.ranked"),
e AS (SELECT *, least(100.0, n * modifier) AS score, CASE WHEN least(100.0, n * modifier) < 20 THEN 'unknown' WHEN least(100.0, n * modifier) < 40 THEN 'low' WHEN least(100.0, n * modifier) < 70 THEN 'moderate' WHEN least(100.0, n * modifier) < 90 THEN 'high' ELSE 'critical' END AS level FROM (
  SELECT r.*, c.criticality, coalesce(CASE lower(trim(c.criticality)) WHEN 'low' THEN 0.5 WHEN 'medium' THEN 1.0 WHEN 'high' THEN 1.5 WHEN 'extreme' THEN 2.0 END, 1.0) * 1.0 AS modifier
  FROM (SELECT entity_type, entity, sum(s) AS n, sum(s) AS plain, count(*) FILTER (s > 0) AS inputs, min("time") FILTER (s > 0) AS first, max(window_end) AS last FROM ranked GROUP BY ALL) AS r
  LEFT JOIN "sum.criticality" AS c ON c.entity = r.entity))
SELECT e.*, x.top AS contributions, x.strongest,
  nullif(list_transform(list_filter(x.top, lambda q: q.level_without <> e.level), lambda q: q.finding_id), []) AS needed
FROM e JOIN (
  SELECT entity_type, entity, arg_min(reason, i) AS strongest, list({'finding_id': finding_id, 'pipeline': pipeline, 'detector': detector, 'time': "time"::VARCHAR, 'score': score, 'decayed': round(s, 4),
      'contribution': round(part, 4), 'reason': reason, 'score_without': round(without, 2),
      'level_without': level_without} ORDER BY i) FILTER (s > 0) AS top
  FROM (SELECT *, CASE WHEN without < 20 THEN 'unknown' WHEN without < 40 THEN 'low' WHEN without < 70 THEN 'moderate' WHEN without < 90 THEN 'high' ELSE 'critical' END AS level_without FROM (
    SELECT r.*, s AS part, least(100.0, (plain - s) * e.modifier) AS without FROM ranked AS r JOIN e ON e.entity = r.entity AND e.entity_type = r.entity_type WHERE i <= 10))
  GROUP BY ALL) AS x ON x.entity = e.entity AND x.entity_type = e.entity_type))
WHERE "score before its bounds" IS NOT NULL;

-- needs analytics.networks from 0001-01-01T00:00:00Z to 0001-01-01T00:00:00Z
-- needs lake.signin from 2026-02-27T09:00:00Z to 2026-11-24T10:00:00Z

-- explain robust_z: M = 0.6745 (observed - median) / MAD; if MAD = 0: (observed - median) / (1.253314 mean|x - median|); raised if M >= 3.5 (direction up). Score = 100 (1 - 2^(-M / 3.5)), at most 89 where MAD = 0.
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE one_name(("user"."name")::VARCHAR) = 'ada' ORDER BY "time" LIMIT 1000;
SELECT * FROM "usual" WHERE entity = 'ada' AND bucket >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND bucket < TIMESTAMPTZ '2026-11-24 10:00:00+00';

-- explain robust_z_full: M = 0.6745 (observed - median) / MAD; if MAD = 0: (observed - median) / (1.253314 mean|x - median|); raised if M >= 4 (direction both). Score = 100 (1 - 2^(-M / 4)), at most 89 where MAD = 0.
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE one_name(("user"."name")::VARCHAR) = 'ada' ORDER BY "time" LIMIT 1000;
SELECT * FROM "usual" WHERE entity = 'ada' AND bucket >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND bucket < TIMESTAMPTZ '2026-11-24 10:00:00+00';

-- explain robust_z_down: M = 0.6745 (observed - median) / MAD; if MAD = 0: (observed - median) / (1.253314 mean|x - median|); raised if M >= 3.5 (direction down). Score = 100 (1 - 2^(-M / 3.5)), at most 89 where MAD = 0.
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-22 10:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00' AND ((TRY_CAST(n AS INTEGER) > 3))) WHERE CASE WHEN one_name(("user"."name")::VARCHAR) IS NOT NULL AND one_ip(("src_endpoint"."ip")::VARCHAR) IS NOT NULL THEN concat_ws(' / ', one_name(("user"."name")::VARCHAR), one_ip(("src_endpoint"."ip")::VARCHAR)) END = 'ada' ORDER BY "time" LIMIT 1000;
SELECT * FROM "daily" WHERE entity = 'ada' AND bucket >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND bucket < TIMESTAMPTZ '2026-11-24 10:00:00+00';

-- explain poisson: p = P(X >= observed), X Poisson with the mean of the baseline (at least half an event in all values); raised if p <= 0.0001. Score = 100 (1 - 2^(-ln p / ln 0.0001)).
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE one_name(("user"."name")::VARCHAR) = 'ada' ORDER BY "time" LIMIT 1000;
SELECT * FROM "usual" WHERE entity = 'ada' AND bucket >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND bucket < TIMESTAMPTZ '2026-11-24 10:00:00+00';

-- explain poisson_full: p = P(X >= observed), X Poisson with the mean of the baseline (at least half an event in all values); raised if p <= 0.01. Score = 100 (1 - 2^(-ln p / ln 0.01)).
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-22 10:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00' AND ((TRY_CAST(n AS INTEGER) > 3))) WHERE CASE WHEN one_name(("user"."name")::VARCHAR) IS NOT NULL AND one_ip(("src_endpoint"."ip")::VARCHAR) IS NOT NULL THEN concat_ws(' / ', one_name(("user"."name")::VARCHAR), one_ip(("src_endpoint"."ip")::VARCHAR)) END = 'ada' ORDER BY "time" LIMIT 1000;
SELECT * FROM "daily" WHERE entity = 'ada' AND bucket >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND bucket < TIMESTAMPTZ '2026-11-24 10:00:00+00';

-- explain first_seen: first use of the value by the entity in 90d, the entity being known for 14d
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE one_name(("user"."name")::VARCHAR) = 'ada' ORDER BY "time" LIMIT 1000;
;

-- explain first_seen_full: first use of the value by the entity in 60d, the entity being known for 2d
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE CASE WHEN one_name(("user"."name")::VARCHAR) IS NOT NULL AND one_ip(("ip")::VARCHAR) IS NOT NULL THEN concat_ws(' / ', one_name(("user"."name")::VARCHAR), one_ip(("ip")::VARCHAR)) END = 'ada' ORDER BY "time" LIMIT 1000;
;

-- explain rare: p = (N_c + 2) / (N + 2 K); raised if ln p < mean - 2 sigma of ln p, weighted by count
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE one_name(("user"."name")::VARCHAR) = 'ada' ORDER BY "time" LIMIT 1000;
;

-- explain rare_full: p = (N_c + 1) / (N + 1 K); raised if ln p < mean - 3 sigma of ln p, weighted by count
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE one_name(("user"."name")::VARCHAR) = 'ada' ORDER BY "time" LIMIT 1000;
;

-- explain impossible_travel: great-circle km (haversine, less both accuracy radii) / hours >= 800 km/h and km >= 500
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE one_name(("user"."name")::VARCHAR) = 'ada' AND "user"."name" IS NOT NULL AND one_name(("user"."name")::VARCHAR) IS NOT NULL ORDER BY "time" LIMIT 1000;
;

-- explain impossible_travel_full: great-circle km (haversine, less both accuracy radii) / hours >= 900 km/h and km >= 100
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-22 10:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00' AND ((TRY_CAST(n AS INTEGER) > 3))) WHERE ("who")::VARCHAR = 'ada' AND "who" IS NOT NULL AND (status = 'Success') AND ("who")::VARCHAR IS NOT NULL ORDER BY "time" LIMIT 1000;
;

-- explain spray: U = min(1, ln(1 + u) / ln 51); H = entropy of tries over accounts / log2 u; 0.5 U + 0.2 (1 - success rate) + 0.3 H >= 0.6, at least 10 accounts on 3 days, at most 5 tries an account; or 15 accounts and 15 tries within 30m0s. Only accounts that are strangers to the source count.
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE (status = 'Failure') AND (one_ip((src_endpoint.ip)::VARCHAR) = 'ada') ORDER BY "time" LIMIT 1000;
SELECT * EXCLUDE (everyone) FROM "spray.hits" WHERE source = 'ada';

-- explain spray_full: U = min(1, ln(1 + u) / ln 51); H = entropy of tries over accounts / log2 u; 0.5 U + 0.2 (1 - success rate) + 0.3 H >= 0.5, at least 8 accounts on 2 days, at most 3 tries an account; or 9 accounts and 12 tries within 10m0s. Only accounts that are strangers to the source count.
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE (NOT ok) AND (one_ip((ip)::VARCHAR) = 'ada' OR nullif(given((asn)::VARCHAR), '0') = 'ada' OR given((ua)::VARCHAR) = 'ada') ORDER BY "time" LIMIT 1000;
SELECT * EXCLUDE (everyone) FROM "spray_full.hits" WHERE source = 'ada';

-- explain brute_force: at least 30 failures for one account within 5m0s, or 100 from more than 30 addresses within 30m, whatever the first limit; a day without ends a campaign
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE (status = 'Failure') AND (one_name(("user"."name")::VARCHAR) = 'ada') ORDER BY "time" LIMIT 1000;
;

-- explain brute_force_full: at least 10 failures for one account within 45m0s, or 100 from more than 30 addresses within 30m, whatever the first limit; a day without ends a campaign
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE (NOT ok) AND (one_name(("who")::VARCHAR) = 'ada' OR (ua)::VARCHAR = 'ada') ORDER BY "time" LIMIT 1000;
;

-- explain match: every row of the step with an entity; severity medium
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE one_name(("user"."name")::VARCHAR) = 'ada' ORDER BY "time" LIMIT 1000;
;

-- explain match_full: every row of the step with an entity; score = TRY_CAST(v AS INTEGER)
SELECT * FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE CASE WHEN one_name(("user"."name")::VARCHAR) IS NOT NULL AND one_ip(("ip")::VARCHAR) IS NOT NULL THEN concat_ws(' / ', one_name(("user"."name")::VARCHAR), one_ip(("ip")::VARCHAR)) END = 'ada' ORDER BY "seen" LIMIT 1000;
;

-- explain rank: s = score x weight x 2^(-age / 7d), sorted downwards; N = sum s_i / i^1.5 / 2.5924; odds o = N / (100 - N) x modifier; score = 100 o / (1 + o)
SELECT i AS rank, finding_id, "time", pipeline, detector, score, round(s, 4) AS decayed, reason FROM "rank.ranked" WHERE entity = 'ada' ORDER BY i LIMIT 1000;
SELECT entity_type, entity, observed AS n, modifier, criticality, inputs, score, level FROM "rank" WHERE entity = 'ada';

-- explain plus: s = score x weight x 2^(-age / 7d); N = max + 0.2 of the rest; score = N x modifier, at most 100
SELECT i AS rank, finding_id, "time", pipeline, detector, score, round(s, 4) AS decayed, reason FROM "plus.ranked" WHERE entity = 'ada' ORDER BY i LIMIT 1000;
SELECT entity_type, entity, observed AS n, modifier, criticality, inputs, score, level FROM "plus" WHERE entity = 'ada';

-- explain sum: s = score x weight x 2^(-age / 7d); N = sum; score = N x modifier, at most 100
SELECT i AS rank, finding_id, "time", pipeline, detector, score, round(s, 4) AS decayed, reason FROM "sum.ranked" WHERE entity = 'ada' ORDER BY i LIMIT 1000;
SELECT entity_type, entity, observed AS n, modifier, criticality, inputs, score, level FROM "sum" WHERE entity = 'ada';

-- misfits
SELECT step, sum(n)::BIGINT AS n FROM (SELECT 'past' AS step, (SELECT count(*) FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-22 10:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00' AND (((n) IS NOT NULL AND (TRY_CAST(n AS INTEGER)) IS NULL))) AS n
UNION ALL SELECT 'rows' AS step, (SELECT count(*) FROM (SELECT * FROM "lake"."signin"
WHERE "time" >= TIMESTAMPTZ '2026-11-24 09:00:00+00' AND "time" < TIMESTAMPTZ '2026-11-24 10:00:00+00') WHERE (((v) IS NOT NULL AND (TRY_CAST(v AS INTEGER)) IS NULL))) AS n) GROUP BY step HAVING sum(n) > 0 ORDER BY step;

-- reflagged
(FROM (SELECT DISTINCT entity, epoch_us("time") // 3600000000 AS bucket FROM "robust_z") EXCEPT FROM "robust_z.flagged before")
UNION ALL (FROM "robust_z.flagged before" EXCEPT FROM (SELECT DISTINCT entity, epoch_us("time") // 3600000000 AS bucket FROM "robust_z"))
UNION ALL (FROM (SELECT DISTINCT entity, epoch_us("time") // 3600000000 AS bucket FROM "robust_z_full") EXCEPT FROM "robust_z_full.flagged before")
UNION ALL (FROM "robust_z_full.flagged before" EXCEPT FROM (SELECT DISTINCT entity, epoch_us("time") // 3600000000 AS bucket FROM "robust_z_full"))
UNION ALL (FROM (SELECT DISTINCT entity, epoch_us("time") // 3600000000 AS bucket FROM "poisson") EXCEPT FROM "poisson.flagged before")
UNION ALL (FROM "poisson.flagged before" EXCEPT FROM (SELECT DISTINCT entity, epoch_us("time") // 3600000000 AS bucket FROM "poisson"));
