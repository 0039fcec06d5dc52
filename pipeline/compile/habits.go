package compile

import (
	"fmt"
	"math"
	"time"
)

// habitReach is how far back habits are worked out: the days that count, and
// as many before them, from which it is known what was a habit then.
func (t *travelForm) habitReach() time.Duration { return 2 * t.habitBack }

// near is within how many km two positions of one network are one spot.
func (t *travelForm) near() float64 { return math.Max(t.distanceKm, 100) }

// isHabit holds if the list taught has the spot on at least habitDays days
// that are not long before the day.
func (t *travelForm) isHabit(network, lat, lon, today string) string {
	return t.taughtOn(t.habitDays, network, lat, lon, today)
}

func (t *travelForm) taughtOn(days int, network, lat, lon, today string) string {
	return fmt.Sprintf(`len(list_distinct(list_transform(list_filter(taught, lambda q: q.n = %s AND q.d >= %s - %d AND %s < %s), lambda q: q.d))) >= %d`,
		network, today, t.habitSpan(), distanceSQL("q.lat", "q.lon", lat, lon), num(t.near()), days)
}

// spotsSQL are each entity's spots of each day of the positions past: networks
// at places, which are told apart by a tenth of a degree.
func spotsSQL(past string) string {
	return fmt.Sprintf(`SELECT entity, day, %s AS network, lat, lon FROM (
  SELECT entity, epoch_us("time") // %d AS day, network, round(lat, 1) AS lat, round(lon, 1) AS lon FROM (%s) GROUP BY ALL) GROUP BY ALL`,
		networkText("network"), day.Microseconds(), past)
}

// rounding is more than what rounding two spots changes in their distance, in km.
const rounding = 20

// unsettledSQL lists the entities of which a day may have taught less than its
// spots: a spot was no habit yet, and so far from another of that day, or of
// the days from which it can be reached too fast, that one jump may have been
// raised. Of the others all days taught all spots, whatever the order of their
// rows: by induction, none of their jumps was raised.
func (t *travelForm) unsettledSQL(spots string) string {
	return fmt.Sprintf(`WITH s AS (
  SELECT *, count(*) OVER (PARTITION BY entity, network, lat, lon ORDER BY day RANGE BETWEEN %[1]d PRECEDING AND 1 PRECEDING) AS times,
    dense_rank() OVER (PARTITION BY entity ORDER BY day) AS i FROM %[2]s)
SELECT DISTINCT x.entity FROM (FROM s WHERE i > %[3]d AND times < %[3]d AND network IS NOT NULL) AS x
JOIN s AS y ON y.entity = x.entity AND y.day BETWEEN x.day - %[4]d AND x.day WHERE %[5]s > %[6]s`,
		t.habitSpan(), spots, t.habitDays, int(math.Ceil(float64(t.lookbackHours()-24)/24)), distanceSQL("x.lat", "x.lon", "y.lat", "y.lon"), num(t.distanceKm-rounding))
}

// habitSpan is for how many days a spot counts.
func (t *travelForm) habitSpan() int { return int(math.Ceil(t.habitBack.Hours() / 24)) }

// habitSQL is one row for each entity of spots: how many days it has been
// known, and what those days taught, which are its spots. Days are gone through
// in order, as their own runs did: a spot that was new and one end of a jump
// that was raised teaches nothing, or an attacker would be a habit from the
// fourth day on. So it depends on the rows alone, and not on which runs there
// were. past is the sequence of the entities for which that makes a difference.
func (t *travelForm) habitSQL(spots, unsettled, past string) string {
	const spot = "{'n': %[1]snetwork, 'lat': %[1]slat, 'lon': %[1]slon}"
	here, there := fmt.Sprintf(spot, ""), fmt.Sprintf(spot, "p_")
	habit := func(x string) string { return t.isHabit(x+".n", x+".lat", x+".lon", "s.day") }
	known := t.taughtOn(1, "x.n", "x.lat", "x.lon", "s.day")
	raised := fmt.Sprintf("len(list_filter(s.hops, lambda h: (h.f = x OR h.t = x) AND NOT coalesce(%s AND %s, false))) > 0", habit("h.f"), habit("h.t"))
	return fmt.Sprintf(`WITH RECURSIVE moves AS (
  SELECT entity, epoch_us("time") // %[1]d AS day, network, round(lat, 1) AS lat, round(lon, 1) AS lon, hop,
    CASE WHEN hop THEN p_network END AS p_network, CASE WHEN hop THEN round(p_lat, 1) END AS p_lat, CASE WHEN hop THEN round(p_lon, 1) END AS p_lon
  FROM (SELECT *, NOT familiar AND %[4]s AS hop FROM (%[5]s)) GROUP BY ALL),
days AS (
  SELECT entity, day, list(DISTINCT %[2]s) FILTER (network IS NOT NULL) AS spots, list(DISTINCT {'f': %[3]s, 't': %[2]s}) FILTER (hop) AS hops
  FROM (SELECT * REPLACE (%[9]s AS network, %[10]s AS p_network) FROM moves) GROUP BY ALL),
steps AS MATERIALIZED (SELECT *, row_number() OVER (PARTITION BY entity ORDER BY day) AS i FROM days),
learn AS (
  SELECT entity, 0::BIGINT AS known, []::STRUCT(d BIGINT, n VARCHAR, lat DOUBLE, lon DOUBLE)[] AS taught FROM (SELECT DISTINCT entity FROM steps)
  UNION ALL
  SELECT s.entity, s.i, list_concat(taught, list_transform(
    list_filter(coalesce(s.spots, []), lambda x: s.i <= %[6]d OR s.hops IS NULL OR %[7]s OR NOT %[8]s),
    lambda x: {'d': s.day, 'n': x.n, 'lat': x.lat, 'lon': x.lon}))
  FROM learn AS l JOIN steps AS s ON s.entity = l.entity AND s.i = l.known + 1)
SELECT entity, max(known) AS known, arg_max(taught, known) AS taught FROM learn GROUP BY entity
UNION ALL
SELECT entity, count(DISTINCT day), coalesce(list({'d': day, 'n': network, 'lat': lat, 'lon': lon}) FILTER (network IS NOT NULL), [])
FROM %[11]s WHERE entity NOT IN (SELECT entity FROM %[12]s) GROUP BY entity`,
		day.Microseconds(), here, there, t.impossible(), past, t.habitDays, known, raised, networkText("network"), networkText("p_network"), spots, unsettled)
}
