package detect

import (
	"fmt"
	"math"
	"time"

	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// A jump between two spots (a network at a place) that the entity used on at
// least HabitDays earlier days is its habit (a phone beside a desk, a VPN),
// hence information only; so is any jump of an entity known for fewer days.

// habitReach is how far back habits are worked out: the days that count, and
// as many before them, from which it is known what was a habit then.
func (t *Travel) habitReach() time.Duration { return 2 * t.HabitWindow }

// habitSpan is for how many days a spot counts.
func (t *Travel) habitSpan() int { return int(math.Ceil(t.HabitWindow.Hours() / 24)) }

// near is within how many km two positions of one network are one spot.
func (t *Travel) near() float64 { return math.Max(t.DistanceKm, 100) }

// isHabit holds if the list taught has the spot on at least HabitDays days
// that are not long before the day.
func (t *Travel) isHabit(network, lat, lon, today string) string {
	return t.taughtOn(t.HabitDays, network, lat, lon, today)
}

const taughtDays = `len(list_distinct(list_transform(
  list_filter(taught, lambda q: q.n = {network} AND q.d >= {today} - {span} AND {distance} < {near}),
  lambda q: q.d))) >= {days}`

func (t *Travel) taughtOn(days int, network, lat, lon, today string) string {
	return sqltext.Fill(taughtDays, sqltext.Values{"network": network, "today": today, "span": t.habitSpan(),
		"distance": distanceSQL("q.lat", "q.lon", lat, lon), "near": sqltext.Num(t.near()), "days": days})
}

// habits are the tables from which habits are known, of the positions in the past.
func (t *Travel) habits(r Run, past Range) []Table {
	of := func(table string) string {
		return t.counts() + " AND " + t.entity(r) + " IN (SELECT entity FROM " + r.Temp(table) + ")"
	}
	v := sqltext.Values{
		"day": day.Microseconds(), "network": networkText("network"), "from": networkText("p_network"),
		"span": t.habitSpan(), "least": t.HabitDays, "spots": r.Temp("spots"), "unsettled": r.Temp("unsettled"),
		"reach":    int(math.Ceil(t.reach().Hours() / 24)),
		"distance": distanceSQL("x.lat", "x.lon", "y.lat", "y.lon"), "far": sqltext.Num(t.DistanceKm - rounding),
		"impossible": t.impossible(), "known": t.taughtOn(1, "x.n", "x.lat", "x.lon", "s.day"),
	}
	v["past"] = t.positions(r, past, of("jumps"))
	spots := sqltext.Fill(habitSpots, v)
	habit := func(x string) string { return t.isHabit(x+".n", x+".lat", x+".lon", "s.day") }
	v["past"] = t.sequence(r, past, of("unsettled"))
	v["raised"] = fmt.Sprintf("len(list_filter(s.hops, lambda h: (h.f = x OR h.t = x) AND NOT coalesce(%s AND %s, "+
		"false))) > 0",
		habit("h.f"), habit("h.t"))
	return []Table{{"spots", spots}, {"unsettled", sqltext.Fill(habitUnsettled, v)}, {"habits", sqltext.Fill(habitTaught,
		v)}}
}

// habitSpots are each entity's spots of each day of the positions past: networks
// at places, which are told apart by a tenth of a degree.
const habitSpots = `SELECT entity, day, {network} AS network, lat, lon
FROM (
  SELECT entity, epoch_us("time") // {day} AS day, network, round(lat, 1) AS lat, round(lon, 1) AS lon
  FROM ({past}) GROUP BY ALL)
GROUP BY ALL`

// rounding is more than what rounding two spots changes in their distance, in km.
const rounding = 20

// habitUnsettled lists the entities of which a day may have taught less than its
// spots: a spot was no habit yet, and so far from another of that day, or of
// the days from which it can be reached too fast, that one jump may have been
// raised. Of the others all days taught all spots, whatever the order of their
// rows: by induction, none of their jumps was raised.
const habitUnsettled = `WITH s AS (
  SELECT *,
    count(*) OVER (PARTITION BY entity, network, lat, lon ORDER BY day
      RANGE BETWEEN {span} PRECEDING AND 1 PRECEDING) AS times,
    dense_rank() OVER (PARTITION BY entity ORDER BY day) AS i
  FROM {spots})
SELECT DISTINCT x.entity
FROM (FROM s WHERE i > {least} AND times < {least} AND network IS NOT NULL) AS x
JOIN s AS y ON y.entity = x.entity AND y.day BETWEEN x.day - {reach} AND x.day
WHERE {distance} > {far}`

// habitTaught is one row for each entity of spots: how many days it has been
// known, and what those days taught, which are its spots. Days are gone through
// in order, as their own runs did: a spot that was new and one end of a jump
// that was raised teaches nothing, or an attacker would be a habit from the
// fourth day on. So it depends on the rows alone, and not on which runs there
// were. past is the sequence of the entities for which that makes a difference.
const habitTaught = `WITH RECURSIVE moves AS (
  SELECT entity, epoch_us("time") // {day} AS day, network, round(lat, 1) AS lat, round(lon, 1) AS lon, hop,
    CASE WHEN hop THEN p_network END AS p_network,
    CASE WHEN hop THEN round(p_lat, 1) END AS p_lat, CASE WHEN hop THEN round(p_lon, 1) END AS p_lon
  FROM (SELECT *, NOT familiar AND {impossible} AS hop FROM ({past}))
  GROUP BY ALL),
days AS (
  SELECT entity, day,
    list(DISTINCT {'n': network, 'lat': lat, 'lon': lon}) FILTER (network IS NOT NULL) AS spots,
    list(DISTINCT {'f': {'n': p_network, 'lat': p_lat, 'lon': p_lon},
      't': {'n': network, 'lat': lat, 'lon': lon}}) FILTER (hop) AS hops
  FROM (SELECT * REPLACE ({network} AS network, {from} AS p_network) FROM moves)
  GROUP BY ALL),
steps AS MATERIALIZED (
  SELECT *, row_number() OVER (PARTITION BY entity ORDER BY day) AS i FROM days),
learn AS (
  SELECT entity, 0::BIGINT AS known, []::STRUCT(d BIGINT, n VARCHAR, lat DOUBLE, lon DOUBLE)[] AS taught
  FROM (SELECT DISTINCT entity FROM steps)
  UNION ALL
  SELECT s.entity, s.i, list_concat(taught, list_transform(
    list_filter(coalesce(s.spots, []), lambda x: s.i <= {least} OR s.hops IS NULL OR {known} OR NOT {raised}),
    lambda x: {'d': s.day, 'n': x.n, 'lat': x.lat, 'lon': x.lon}))
  FROM learn AS l JOIN steps AS s ON s.entity = l.entity AND s.i = l.known + 1)
SELECT entity, max(known) AS known, arg_max(taught, known) AS taught FROM learn GROUP BY entity
UNION ALL
SELECT entity, count(DISTINCT day),
  coalesce(list({'d': day, 'n': network, 'lat': lat, 'lon': lon}) FILTER (network IS NOT NULL), [])
FROM {spots}
WHERE entity NOT IN (SELECT entity FROM {unsettled}) GROUP BY entity`
