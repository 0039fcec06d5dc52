-- The same answer by hand: the jumps of the days that the window touches, and
-- the habits of the few users who made them.
CREATE OR REPLACE TEMP TABLE jumps AS
SELECT *, km / hours AS kmh FROM (
  SELECT *, 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(lat - p_lat) / 2), 2) + cos(radians(p_lat)) * cos(radians(lat)) * pow(sin(radians(lon - p_lon) / 2), 2)))) AS km,
    greatest((epoch_us("time") - epoch_us(p.t)) / 3.6e9, 0.0001) AS hours
  FROM (SELECT *, p.lat AS p_lat, p.lon AS p_lon FROM (
    SELECT *, last_value(CASE WHEN NOT familiar THEN {'t': "time", 'lat': lat, 'lon': lon, 'ip': ip, 'place': place, 'network': network} END IGNORE NULLS)
      OVER (PARTITION BY entity ORDER BY "time", ip ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS p
    FROM (SELECT "user".name AS entity, "time", src_endpoint.location.lat AS lat, src_endpoint.location.long AS lon, src_endpoint.ip AS ip, src_endpoint.location.city AS place,
        coalesce(src_endpoint.autonomous_system.name ILIKE '%VPN%', false) AS familiar, src_endpoint.autonomous_system.number AS network
      FROM lake.signin WHERE status = 'Success' AND "user".name IS NOT NULL AND "time" >= date_trunc('day', $start) - INTERVAL 26 HOUR AND "time" < $end)
    WHERE lat IS NOT NULL AND lon IS NOT NULL AND ip IS NOT NULL))
  WHERE p IS NOT NULL AND p.ip <> ip AND (abs(lat - p_lat) > 0.1 OR abs(lon - p_lon) > 0.1) AND (place IS NULL OR place = '' OR place IS DISTINCT FROM p.place))
WHERE km >= 500 AND km / hours >= 800;

CREATE OR REPLACE TEMP TABLE habits AS
SELECT "user".name AS entity, src_endpoint.autonomous_system.number AS network, epoch_us("time") // 86400000000 AS day
FROM lake.signin WHERE status = 'Success' AND "time" >= date_trunc('day', $start) - INTERVAL 30 DAY AND "time" < date_trunc('day', $start) AND "user".name IN (SELECT entity FROM jumps)
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE answer AS
WITH nets AS (SELECT entity, network, count(*) AS days FROM habits GROUP BY ALL), known AS (SELECT entity, count(DISTINCT day) AS known FROM habits GROUP BY ALL),
j AS (SELECT j.*, date_trunc('day', j."time") AS day, familiar OR coalesce(a.days, 0) >= 3 AND coalesce(b.days, 0) >= 3 OR coalesce(k.known, 0) < 3 AS quiet
  FROM jumps j LEFT JOIN nets a ON a.entity = j.entity AND a.network = j.network LEFT JOIN nets b ON b.entity = j.entity AND b.network = j.p.network LEFT JOIN known k ON k.entity = j.entity),
d AS (SELECT entity, day, max(kmh) AS kmh, count(*) AS jumps, bool_and(quiet) AS quiet FROM (SELECT *, bool_and(quiet) OVER (PARTITION BY entity, day) AS all_quiet FROM j) WHERE all_quiet OR NOT quiet GROUP BY ALL HAVING max("time") >= $start)
SELECT 'user' AS entity_type, entity, round(if(quiet, 15.0, least(89, 100 * (1 - pow(2, -(1 + log2(kmh / 800) / 2 + (jumps - 1) / 4.0))))), 2) AS score FROM d
