-- What the detectors are to find, in the last hours: guessing at twenty
-- accounts, a patient spray and a hasty one, and twenty journeys that nobody
-- makes.
SELECT moment AS "time", moment AS ingest_time, 900000000 + row_number() OVER (ORDER BY moment) AS stream_seq, 'a' || row_number() OVER (ORDER BY moment, u) AS event_id, NULL::VARCHAR AS unmapped,
  3002::BIGINT AS class_uid, status, NULL::VARCHAR AS status_detail,
  {'name': 'user' || u, 'uid': md5('user' || u), 'email_addr': NULL::VARCHAR, 'type': 'User'} AS "user",
  {'ip': ip, 'location': {'city': place, 'country': 'X', 'lat': lat, 'long': long}, 'autonomous_system': {'number': asn::BIGINT, 'name': 'Hosting ' || asn}} AS src_endpoint,
  {'user_agent': agent} AS http_request, {'name': 'mail'} AS service, 'OIDC' AS auth_protocol, false AS is_mfa, {'uid': NULL::VARCHAR} AS session, {'uid': NULL::VARCHAR} AS metadata
FROM (
  SELECT $end - to_seconds(3600 - 80 * k - v) AS moment, 10 + 7 * v AS u, 'Failure' AS status, '198.51.100.' || v AS ip, 'Nowhere' AS place, 1.0 AS lat, 1.0 AS long, 65001 AS asn, 'curl/8' AS agent FROM range(40) a(k), range(20) b(v)
  UNION ALL SELECT $end - to_hours((9 * 24 - d * 24)::INT) - to_seconds(60 + 311 * k), 100 + (31 * k + 17 * d) % ($users - 100), 'Failure', '203.0.113.7', 'Nowhere', 1.0, 1.0, 65002, 'python-requests/2' FROM range(10) a(d), range(40) b(k)
  UNION ALL SELECT $end - to_minutes(190) + to_seconds(15 * k), 50 + k, 'Failure', '203.0.113.99', 'Nowhere', 1.0, 1.0, 65003, 'Go-http-client/1.1' FROM range(60) a(k)
  UNION ALL SELECT $end - to_seconds(7200 - 60 * v - 1800 * leg), 11 + 7 * v, 'Success', if(leg = 0, '192.0.2.', '192.0.3.') || v, if(leg = 0, 'Here', 'There'), if(leg = 0, 52.0, -33.0), if(leg = 0, 4.0, 151.0), 65010 + leg, 'Mozilla/5.0' FROM range(20) a(v), range(2) b(leg)
) WHERE moment >= $lo AND moment < $hi
