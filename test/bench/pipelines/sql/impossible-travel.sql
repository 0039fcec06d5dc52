-- The same answer by hand: the jumps of the days that the window touches, and
-- the habits of the few users who made them.
CREATE OR REPLACE TEMP TABLE jumps AS
SELECT *, km / hours AS kmh FROM (
  SELECT *, 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(lat - p_lat) / 2), 2) + cos(radians(p_lat)) * cos(radians(lat)) * pow(sin(radians(lon - p_lon) / 2), 2)))) AS km,
    greatest((epoch_us("time") - epoch_us(p.t)) / 3.6e9, 0.0001) AS hours
  FROM (SELECT *, p.lat AS p_lat, p.lon AS p_lon FROM (
    SELECT *, lag({'t': "time", 'lat': lat, 'lon': lon, 'ip': ip, 'place': place, 'country': country, 'network': network}) OVER (PARTITION BY entity ORDER BY "time", ip) AS p
    FROM (SELECT lower(trim("user".name)) AS entity, "time", src_endpoint.location.lat AS lat, src_endpoint.location.long AS lon, src_endpoint.ip AS ip,
        src_endpoint.location.city AS place, src_endpoint.location.country AS country, src_endpoint.autonomous_system.number AS network
      FROM lake.signin WHERE status = 'Success' AND "user".name IS NOT NULL AND "time" >= date_trunc('day', $start) - INTERVAL 26 HOUR AND "time" < $end)
    WHERE lat IS NOT NULL AND lon IS NOT NULL AND ip IS NOT NULL))
  WHERE p IS NOT NULL AND p.ip <> ip AND (abs(lat - p_lat) > 0.1 OR abs(lon - p_lon) > 0.1) AND NOT coalesce(place = p.place AND country = p.country, false))
WHERE km >= 500 AND km / hours >= 800;

CREATE OR REPLACE TEMP TABLE habits AS
SELECT lower(trim("user".name)) AS entity, src_endpoint.autonomous_system.number AS network, round(src_endpoint.location.lat, 1) AS lat, round(src_endpoint.location.long, 1) AS lon, epoch_us("time") // 86400000000 AS day
FROM lake.signin WHERE status = 'Success' AND "time" >= date_trunc('day', $start) - INTERVAL 60 DAY AND "time" < date_trunc('day', $start) AND lower(trim("user".name)) IN (SELECT entity FROM jumps)
  AND abs(src_endpoint.location.lat) <= 90 AND abs(src_endpoint.location.long) <= 180 AND src_endpoint.ip IS NOT NULL
GROUP BY ALL;

-- Who was at a spot that was new and far from another within two days may have
-- been raised for it, which is no habit: nobody was, or this SQL is not enough.
SELECT if(count(*) = 0, 'settled', error('the days of ' || count(DISTINCT x.entity) || ' users must be gone through in order'))
FROM (FROM (SELECT *, count(*) OVER (PARTITION BY entity, network, lat, lon ORDER BY day RANGE BETWEEN 30 PRECEDING AND 1 PRECEDING) AS times, dense_rank() OVER (PARTITION BY entity ORDER BY day) AS i FROM habits)
  WHERE times < 3 AND i > 3) AS x
JOIN habits AS y ON y.entity = x.entity AND y.day BETWEEN x.day - 2 AND x.day
WHERE 2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin(radians(x.lat - y.lat) / 2), 2) + cos(radians(y.lat)) * cos(radians(x.lat)) * pow(sin(radians(x.lon - y.lon) / 2), 2)))) > 480;

CREATE OR REPLACE TEMP TABLE answer AS
WITH spots AS (SELECT entity, network, lat, lon, count(*) AS days FROM habits WHERE day >= epoch_us($start) // 86400000000 - 30 GROUP BY ALL), known AS (SELECT entity, count(DISTINCT day) AS known FROM habits GROUP BY ALL),
j AS (SELECT j.*, date_trunc('day', j."time") AS day, coalesce(a.days, 0) >= 3 AND coalesce(b.days, 0) >= 3 OR coalesce(k.known, 0) < 3 AS quiet
  FROM jumps j LEFT JOIN spots a ON a.entity = j.entity AND a.network = j.network AND a.lat = round(j.lat, 1) AND a.lon = round(j.lon, 1)
  LEFT JOIN spots b ON b.entity = j.entity AND b.network = j.p.network AND b.lat = round(j.p_lat, 1) AND b.lon = round(j.p_lon, 1) LEFT JOIN known k ON k.entity = j.entity),
d AS (SELECT entity, day, max(kmh) AS kmh, count(*) AS jumps, bool_and(quiet) AS quiet FROM (SELECT *, bool_and(quiet) OVER (PARTITION BY entity, day) AS all_quiet FROM j) WHERE all_quiet OR NOT quiet GROUP BY ALL HAVING max("time") >= $start)
SELECT 'user' AS entity_type, entity, round(if(quiet, 15.0, least(89, 100 * (1 - pow(2, -(1 + log2(kmh / 800) / 2 + (jumps - 1) / 4.0))))), 2) AS score FROM d
