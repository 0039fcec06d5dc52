-- One day of sign-ins: people with working hours, home places, three usual
-- addresses and a client each; a few robots that fail; phones on a carrier.
SELECT day + to_microseconds(us) AS "time", day + to_microseconds(us + 900000) AS ingest_time,
  $seq + row_number() OVER (ORDER BY us) AS stream_seq, 'e' || ($seq + i) AS event_id, NULL::VARCHAR AS unmapped,
  3002::BIGINT AS class_uid, if(failed, 'Failure', 'Success') AS status, if(failed, 'InvalidPassword', NULL) AS status_detail,
  {'name': 'user' || u, 'uid': md5('user' || u), 'email_addr': 'user' || u || '@example.com', 'type': if(robot, 'Service', 'User')} AS "user",
  {'ip': if(mobile, '100.' || 64 + city % 32 || '.' || hash(i) % 256 || '.' || hash(i, 1) % 256, '10.' || city || '.' || hash(u) % 256 || '.' || hash(u, hash(i, 2) % 3) % 256),
   'location': {'city': 'City ' || city, 'country': 'C' || city % 12, 'lat': (60 - (city * 37 % 100)::BIGINT)::DOUBLE, 'long': ((city * 91 % 340)::BIGINT - 170)::DOUBLE},
   'autonomous_system': {'number': if(mobile, 64900 + city % 12, 64500 + city)::BIGINT, 'name': if(mobile, 'Carrier ' || city % 12, 'Network ' || city)}} AS src_endpoint,
  {'user_agent': 'Mozilla/5.0 (client ' || hash(u, 3) % 40 || ') Gecko/' || hash(u, 4) % 25} AS http_request,
  {'name': ['mail', 'files', 'chat', 'crm', 'build', 'wiki'][(1 + hash(i, 5) % 6)::BIGINT]} AS service,
  'OIDC' AS auth_protocol, hash(i, 6) % 3 = 0 AS is_mfa, {'uid': md5('s' || i)} AS session, {'uid': 'm' || i} AS metadata
FROM (SELECT *, hash(u, 7) % 40 AS city, u % 33 = 0 AS robot, u % 33 <> 0 AND hash(i, 8) % 6 = 0 AS mobile,
    hash(i, 9) % 1000 < if(u % 33 = 0, 80, if(u % 97 = 0 AND hour = 9, 300, 30)) AS failed,
    (hour * 3600000000 + hash(i, 10) % 3600000000)::BIGINT AS us
  FROM (SELECT *, if(hash(i, 11) % 10 < 8, (7 + hash(u, 7) % 5 + hash(i, 12) % 10) % 24, hash(i, 13) % 24) AS hour
    FROM (SELECT i, $day AS day, hash(i, 14) % $users AS u FROM range($from, $from + $rows) r(i))))
WHERE us >= $lo AND us < $hi
