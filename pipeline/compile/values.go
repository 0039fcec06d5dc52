package compile

import (
	"fmt"
	"math"
	"strings"
)

func (f *anomalyForm) valueText() string { return entityText(f.values) }

// firstSeen raises the first use of a value by an entity within the look back,
// once the entity itself has been known for the learning period.
func (c *Compiled) firstSeen(s *step, r Run) (string, error) {
	f := s.anomaly
	win := r.Window
	rows := c.raw(f.of, []Range{{win.Start.Add(-f.lookback), win.End}})
	from := fmt.Sprintf(`(SELECT * FROM (SELECT *, min(first) OVER (PARTITION BY entity) AS known FROM (
  SELECT %s AS entity, %s AS value, min("time") AS first, count(*) FILTER ("time" >= %s) AS uses
  FROM %s WHERE %s AND %s GROUP BY 1, 2))
WHERE first >= %s AND first - known >= %s)`,
		entityText(f.entity), f.valueText(), instant(win.Start), rows, notNull(f.entity), notNull(f.values), instant(win.Start), interval(f.learning))
	reason := f.reason
	if reason == "" {
		reason = "{entity} used {value} for the first time in {lookback}"
	}
	return c.findingSQL(s.name, r.ID, shape{
		from: from, time: "first", start: instant(win.Start), end: instant(win.End),
		entityType: str(f.entityType), entity: "entity", detector: f.method, key: "value",
		score: num(f.scoreOr(50)), observed: "uses", expected: "0.0", reason: reason, technique: f.technique,
		vars: map[string]string{"entity": "entity", "value": "value", "uses": "uses", "lookback": str(shortDuration(f.lookback)),
			"observed": "uses", "expected": "0"},
		evidence: [][2]string{{"value", "value"}, {"first_use", "first::VARCHAR"}, {"entity_known_since", "known::VARCHAR"},
			{"lookback", str(shortDuration(f.lookback))}, {"learning", str(shortDuration(f.learning))}},
	})
}

func (f *anomalyForm) scoreOr(d float64) float64 {
	if f.ceiling > 0 {
		return math.Min(f.ceiling, d)
	}
	return d
}

// rare raises values of an entity that are improbable for it:
// p = (N_c + a) / (N + a K) over the look back before the window; unusual if
// ln p is below the mean less threshold standard deviations of ln p, both
// weighted by count.
func (c *Compiled) rare(s *step, r Run) (string, error) {
	f := s.anomaly
	win := r.Window
	rows := c.raw(f.of, []Range{{win.Start.Add(-f.lookback), win.End}})
	from := fmt.Sprintf(`(WITH pairs AS (
  SELECT %[1]s AS entity, %[2]s AS value, count(*) FILTER ("time" < %[3]s) AS past, count(*) FILTER ("time" >= %[3]s) AS uses,
    min("time") AS since, min("time") FILTER ("time" >= %[3]s) AS first
  FROM %[4]s WHERE %[5]s AND %[6]s GROUP BY 1, 2),
p AS (SELECT *, ln((past + %[7]s) / (sum(past) OVER e + %[7]s * count(*) OVER e)) AS lp, sum(past) OVER e AS total, count(*) OVER e AS kinds, min(since) OVER e AS known
  FROM pairs WINDOW e AS (PARTITION BY entity)),
m AS (SELECT *, sum(past * lp) OVER e / nullif(total, 0) AS mean, sum(past * lp * lp) OVER e / nullif(total, 0) AS square FROM p WINDOW e AS (PARTITION BY entity)),
z AS (SELECT *, sqrt(greatest(0.0, square - mean * mean)) AS sigma FROM m)
SELECT *, (mean - lp) / sigma AS z FROM z
WHERE uses > 0 AND sigma > 0 AND %[3]s - known >= %[8]s AND lp < mean - %[9]s * sigma)`,
		entityText(f.entity), f.valueText(), instant(win.Start), rows, notNull(f.entity), notNull(f.values), num(f.smoothing), interval(f.learning), num(f.threshold))
	reason := f.reason
	if reason == "" {
		reason = "{value} is rare for {entity}: {past} of {total} before"
	}
	return c.findingSQL(s.name, r.ID, shape{
		from: from, time: "first", start: instant(win.Start), end: instant(win.End),
		entityType: str(f.entityType), entity: "entity", detector: f.method, key: "concat_ws(chr(31), value, " + str(win.Start.UTC().Format("2006-01-02T15:04:05")) + ")",
		score: scoreOver("z / " + num(f.threshold)), observed: "uses", expected: "past", reason: reason, technique: f.technique,
		vars: map[string]string{"entity": "entity", "value": "value", "past": "past", "total": "total", "uses": "uses",
			"observed": "uses", "expected": "past"},
		evidence: [][2]string{{"value", "value"}, {"p", "exp(lp)"}, {"past", "past"}, {"total", "total"}, {"kinds", "kinds"},
			{"z", "round(z, 4)"}, {"mean_log_p", "round(mean, 6)"}, {"sigma", "round(sigma, 6)"}},
	})
}

// travelForm is impossible travel: see SEMANTICS.
type travelForm struct {
	lat, lon, address string // column paths
	radius            string // accuracy in km; empty: unknown
	place             string // SQL text of a place, for people
	success           string // condition
	familiar          string // condition of rows that are no evidence: VPN, relays, allowed networks; empty: none
	speedKmh          float64
	distanceKm        float64
}

// zeroHours stands for no time at all between two sign-ins.
const zeroHours = 0.0001

// travelLookback is how long after one place another can still be impossible:
// half the way round the earth at the threshold's speed; a whole day before it
// so that a day's alternations are one finding.
func (t *travelForm) lookbackHours() int {
	return 24 + int(math.Ceil(halfEarthKm/t.speedKmh))
}

// distanceSQL is the great-circle distance by the haversine formula, in km.
func distanceSQL(lat1, lon1, lat2, lon2 string) string {
	return fmt.Sprintf("2 * %v * asin(least(1.0, sqrt(pow(sin(radians(%s - %s) / 2), 2) + cos(radians(%s)) * cos(radians(%s)) * pow(sin(radians(%s - %s) / 2), 2))))",
		earthKm, lat2, lat1, lat1, lat2, lon2, lon1)
}

// jumps are the rows whose speed from the row before is impossible. A familiar
// row never becomes the anchor.
func (c *Compiled) jumps(f *anomalyForm, rs []Range) string {
	t := f.travel
	opt := func(expr, as, none string) string {
		if expr == "" {
			return none + " AS " + as
		}
		return expr + " AS " + as
	}
	cols := []string{entityText(f.entity) + " AS entity", `"time"`, path(t.lat) + "::DOUBLE AS lat", path(t.lon) + "::DOUBLE AS lon",
		path(t.address) + "::VARCHAR AS ip", opt(t.place, "place", "''"), opt(t.familiar, "familiar", "false"), opt(t.radius, "radius", "0.0"), c.eventID(f.of)}
	prev := func(col string) string {
		if t.familiar == "" {
			return fmt.Sprintf("lag(%s) OVER e AS p_%s", col, col)
		}
		return fmt.Sprintf("last_value(CASE WHEN NOT familiar THEN %s END IGNORE NULLS) OVER b AS p_%s", col, col)
	}
	window := `e AS (PARTITION BY entity ORDER BY "time", ip)`
	if t.familiar != "" {
		window = `b AS (PARTITION BY entity ORDER BY "time", ip ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)`
	}
	prevs := []string{prev(`"time"`), prev("lat"), prev("lon"), prev("ip"), prev("place"), prev("radius")}
	prevs[0] = strings.Replace(prevs[0], `p_"time"`, "p_time", 1)
	return fmt.Sprintf(`SELECT *, km / hours AS kmh FROM (
  SELECT *, greatest(0.0, %s - radius - p_radius) AS km, greatest((epoch_us("time") - epoch_us(p_time)) / 3.6e9, %v) AS hours
  FROM (SELECT *, %s FROM (SELECT %s FROM %s WHERE %s) WHERE lat IS NOT NULL AND lon IS NOT NULL AND ip IS NOT NULL WINDOW %s)
  WHERE p_time IS NOT NULL AND p_ip <> ip AND (abs(lat - p_lat) > 0.1 OR abs(lon - p_lon) > 0.1))
WHERE km >= %s AND km / hours >= %s`,
		distanceSQL("p_lat", "p_lon", "lat", "lon"), zeroHours, list(prevs), list(cols), c.raw(f.of, rs), t.condition(f), window, num(t.distanceKm), num(t.speedKmh))
}

func (t *travelForm) condition(f *anomalyForm) string {
	cond := notNull(f.entity)
	if t.success != "" {
		cond += " AND (" + t.success + ")"
	}
	return cond
}

// travel raises one finding a user and day: those jumps of the day that the
// window adds to.
func (c *Compiled) travel(s *step, r Run) (string, error) {
	f, t := s.anomaly, s.anomaly.travel
	win := r.Window
	back := floorTo(win.Start, day).Add(-hours(t.lookbackHours() - 24))
	from := fmt.Sprintf(`(SELECT entity, date_trunc('day', "time" AT TIME ZONE 'UTC') AS day, min("time") AS first, max("time") AS last, min(p_time) AS since, count(*) AS jumps,
  max(kmh) AS kmh, arg_max(km, kmh) AS km, arg_max(hours, kmh) AS hours, arg_max(p_place, kmh) AS origin, arg_max(place, kmh) AS destination,
  arg_max(p_ip, kmh) AS from_ip, arg_max(ip, kmh) AS to_ip, bool_and(familiar) AS familiar, list(DISTINCT event_id ORDER BY event_id)[1:10] AS samples
FROM (%s) GROUP BY 1, 2 HAVING max("time") >= %s AND min("time") < %s AND max("time") >= %s)`,
		c.jumps(f, []Range{{back, win.End}}), instant(win.Start), instant(win.End), instant(win.Start))
	reason := f.reason
	if reason == "" {
		reason = "{entity} signed in from {from} and then {to}, {km} km apart, within {hours} h ({kmh} km/h)"
	}
	score := "CASE WHEN familiar THEN 15.0 ELSE least(100.0, " + scoreOver("1 + log2(kmh / "+num(t.speedKmh)+") / 2 + (jumps - 1) / 4.0") + ") END"
	return c.findingSQL(s.name, r.ID, shape{
		from: from, time: "first", start: "since", end: "last + to_microseconds(1)",
		entityType: str(f.entityType), entity: "entity", detector: f.method, key: "day",
		score: score, observed: "kmh", expected: num(t.speedKmh), reason: reason, technique: f.technique,
		vars: map[string]string{"entity": "entity", "from": "origin", "to": "destination", "km": text("round(km)"), "hours": text("hours"),
			"kmh": text("round(kmh)"), "jumps": "jumps", "observed": text("round(kmh)"), "expected": text(num(t.speedKmh)), "from_ip": "from_ip", "to_ip": "to_ip"},
		evidence: [][2]string{{"km", "round(km, 1)"}, {"hours", "round(hours, 4)"}, {"kmh", "round(kmh, 1)"}, {"jumps", "jumps"},
			{"from", "origin"}, {"to", "destination"}, {"from_ip", "from_ip"}, {"to_ip", "to_ip"}, {"familiar", "familiar"},
			{"speed_kmh", num(t.speedKmh)}, {"distance_km", num(t.distanceKm)}, {"event_ids", "samples"}},
	})
}
