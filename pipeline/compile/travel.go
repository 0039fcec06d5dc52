package compile

import (
	"fmt"
	"math"
	"time"
)

// travelForm is impossible travel: see SEMANTICS.
type travelForm struct {
	lat, lon, address string // column paths
	radius            string // accuracy in km; empty: unknown
	place             string // SQL text of a place, for people
	success           string // condition
	familiar          string // condition of rows that are no evidence: VPN, relays, allowed networks; empty: none
	speedKmh          float64
	distanceKm        float64
	// A jump between two networks that the entity used on at least habitDays
	// earlier days is its habit (a phone beside a desk, a VPN), hence
	// information only; so is any jump of an entity known for fewer days.
	network   string // column path; empty: no habits
	habitDays int
	habitBack time.Duration
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
// row never becomes the anchor. Two positions under one place's name are one
// place: carriers and new GeoIP editions move addresses, not people.
func (c *Compiled) jumps(f *anomalyForm, rs []Range) string {
	t := f.travel
	opt := func(expr, as, none string) string {
		if expr == "" {
			return none + " AS " + as
		}
		return expr + " AS " + as
	}
	cols := []string{entityText(f.entity) + " AS entity", `"time"`, number(path(t.lat)) + " AS lat", number(path(t.lon)) + " AS lon",
		path(t.address) + "::VARCHAR AS ip", opt(t.place, "place", "''"), opt(t.familiar, "familiar", "false"), opt(t.radiusSQL(), "radius", "0.0"), opt(t.networkText(), "network", "NULL"), c.eventID(f.of)}
	// One window function over a struct: one for each column sorts as often.
	before := `{'t': "time", 'lat': lat, 'lon': lon, 'ip': ip, 'place': place, 'radius': radius, 'network': network}`
	prev := "lag(" + before + `) OVER (PARTITION BY entity ORDER BY "time", ip)`
	if t.familiar != "" {
		prev = "last_value(CASE WHEN NOT familiar THEN " + before + ` END IGNORE NULLS) OVER (PARTITION BY entity ORDER BY "time", ip ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)`
	}
	return fmt.Sprintf(`SELECT *, km / hours AS kmh FROM (
  SELECT *, greatest(0.0, %s - radius - p_radius) AS km, greatest((epoch_us("time") - epoch_us(p_time)) / 3.6e9, %v) AS hours
  FROM (SELECT * EXCLUDE (p), p.t AS p_time, p.lat AS p_lat, p.lon AS p_lon, p.ip AS p_ip, p.place AS p_place, p.radius AS p_radius, p.network AS p_network
    FROM (SELECT *, %s AS p FROM (SELECT %s FROM %s WHERE %s) WHERE lat IS NOT NULL AND lon IS NOT NULL AND ip IS NOT NULL))
  WHERE p_time IS NOT NULL AND p_ip <> ip AND (abs(lat - p_lat) > 0.1 OR abs(lon - p_lon) > 0.1)
    AND (place IS NULL OR place = '' OR place IS DISTINCT FROM p_place))
WHERE km >= %s AND km / hours >= %s`,
		distanceSQL("p_lat", "p_lon", "lat", "lon"), zeroHours, prev, list(cols), c.raw(f.of, rs), t.condition(f), num(t.distanceKm), num(t.speedKmh))
}

// radiusSQL is the accuracy in km: 0 where it is not known or no number.
func (t *travelForm) radiusSQL() string {
	if t.radius == "" {
		return ""
	}
	return "coalesce(" + number(t.radius) + ", 0.0)"
}

func (t *travelForm) condition(f *anomalyForm) string {
	cond := notNull(f.entity)
	if t.success != "" {
		cond += " AND (" + t.success + ")"
	}
	return cond
}

// habitCondition is condition for rows that are joined with an entity that is
// not null: the scan then need not look for nulls in a struct, which is slow.
func (t *travelForm) habitCondition(f *anomalyForm) string {
	switch {
	case len(f.entity) > 1:
		return t.condition(f)
	case t.success != "":
		return "(" + t.success + ")"
	default:
		return "true"
	}
}

func (t *travelForm) networkText() string {
	if t.network == "" {
		return ""
	}
	return path(t.network) + "::VARCHAR"
}

// travelStmts raise one finding a user and day: the jumps of the days that
// the window adds to.
func (c *Compiled) travelStmts(s *step, r Run) ([]Stmt, error) {
	f, t, win := s.anomaly, s.anomaly.travel, r.Window
	n := func(x string) string { return ident(s.name + "." + x) }
	work := func(name, sql string) Stmt {
		return Stmt{Step: s.name, Purpose: PurposeWork, SQL: "CREATE OR REPLACE TEMP TABLE " + n(name) + " AS\n" + sql}
	}
	today := floorTo(win.Start, day)
	out := []Stmt{work("jumps", c.jumps(f, []Range{{today.Add(-hours(t.lookbackHours() - 24)), win.End}}))}
	habits := "SELECT NULL::VARCHAR AS entity, NULL::VARCHAR AS network, 0::BIGINT AS days, 0::BIGINT AS known WHERE false"
	if t.network != "" {
		// Casts wait for the few rows that the join leaves.
		habits = fmt.Sprintf(`SELECT entity, network::VARCHAR AS network, count(*) AS days, any_value(known) AS known FROM (
  SELECT *, len(list(DISTINCT day) OVER (PARTITION BY entity)) AS known FROM (
    SELECT DISTINCT %s AS entity, %s AS network, epoch_us("time") // 86400000000 AS day FROM %s WHERE %s AND %[1]s IN (SELECT entity FROM %[5]s)))
GROUP BY ALL`, entityText(f.entity), path(t.network), c.raw(f.of, []Range{{today.Add(-t.habitBack), today}}), t.habitCondition(f), n("jumps"))
	}
	out = append(out, work("habits", habits))
	q, err := c.findingSQL(s.name, r.ID, t.shape(f, t.days(n, win)))
	if err != nil {
		return nil, err
	}
	return append(out, Stmt{Step: s.name, Purpose: PurposeStep, SQL: "CREATE OR REPLACE TEMP TABLE " + ident(s.name) + " AS\n" + q}), nil
}

// days sums up each entity's jumps of a day; if any is neither familiar nor
// habit, only those count.
func (t *travelForm) days(n func(string) string, win Range) string {
	quiet := "familiar"
	note := "CASE WHEN familiar THEN 'allowed network' END"
	if t.network != "" {
		quiet = fmt.Sprintf("familiar OR coalesce(a.days, 0) >= %[1]d AND coalesce(b.days, 0) >= %[1]d OR coalesce(k.known, 0) < %[1]d", t.habitDays)
		note = fmt.Sprintf("CASE WHEN familiar THEN 'allowed network' WHEN coalesce(k.known, 0) < %[1]d THEN 'learning ' || coalesce(k.known, 0) || '/%[1]d' WHEN coalesce(a.days, 0) >= %[1]d AND coalesce(b.days, 0) >= %[1]d THEN 'habit' END", t.habitDays)
	}
	return fmt.Sprintf(`(SELECT entity, day, min("time") AS first, max("time") AS last, min(p_time) AS since, count(*) AS jumps,
  max(kmh) AS kmh, arg_max(km, kmh) AS km, arg_max(hours, kmh) AS hours, arg_max(p_place, kmh) AS origin, arg_max(place, kmh) AS destination,
  arg_max(p_ip, kmh) AS from_ip, arg_max(ip, kmh) AS to_ip, bool_and(quiet) AS quiet, any_value(note) AS note, list(DISTINCT event_id ORDER BY event_id)[1:10] AS samples
FROM (SELECT *, bool_and(quiet) OVER (PARTITION BY entity, day) AS all_quiet FROM (
  SELECT j.*, date_trunc('day', j."time" AT TIME ZONE 'UTC') AS day, (%s) AS quiet, %s AS note
  FROM %s AS j LEFT JOIN %[4]s AS a ON a.entity = j.entity AND a.network = j.network LEFT JOIN %[4]s AS b ON b.entity = j.entity AND b.network = j.p_network
  LEFT JOIN (SELECT entity, any_value(known) AS known FROM %[4]s GROUP BY 1) AS k ON k.entity = j.entity))
WHERE all_quiet OR NOT quiet
GROUP BY entity, day HAVING max("time") >= %[5]s)`, quiet, note, n("jumps"), n("habits"), instant(win.Start))
}

func (t *travelForm) shape(f *anomalyForm, from string) shape {
	reason := f.reason
	if reason == "" {
		reason = "{entity} signed in from {from} and then {to}, {km} km apart, within {hours} h ({kmh} km/h)"
	}
	return shape{
		from: from, time: "first", start: "since", end: "last + to_microseconds(1)",
		entityType: str(f.entityType), entity: "entity", detector: f.method, key: "day",
		score:    "CASE WHEN quiet THEN 15.0 ELSE " + scoreOver("1 + log2(kmh / "+num(t.speedKmh)+") / 2 + (jumps - 1) / 4.0") + " END",
		observed: "kmh", expected: num(t.speedKmh), reason: reason, technique: f.technique,
		vars: map[string]string{"entity": "entity", "from": "origin", "to": "destination", "km": text("round(km)"), "hours": text("hours"),
			"kmh": text("round(kmh)"), "jumps": "jumps", "observed": text("round(kmh)"), "expected": text(num(t.speedKmh)), "from_ip": "from_ip", "to_ip": "to_ip"},
		evidence: [][2]string{{"km", "round(km, 1)"}, {"hours", "round(hours, 4)"}, {"kmh", "round(kmh, 1)"}, {"jumps", "jumps"},
			{"from", "origin"}, {"to", "destination"}, {"from_ip", "from_ip"}, {"to_ip", "to_ip"}, {"lowered_because", "note"},
			{"speed_kmh", num(t.speedKmh)}, {"distance_km", num(t.distanceKm)}, {"event_ids", "samples"}},
	}
}
