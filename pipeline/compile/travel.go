package compile

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// travelForm is impossible travel: see SEMANTICS.
type travelForm struct {
	lat, lon, address string       // column paths
	radius            string       // accuracy in km; empty: unknown
	place             string       // SQL text of a place, for people; with country it tells places apart
	country           string       // SQL text of the place's country; empty: unknown
	success           string       // condition
	familiar          string       // condition of rows that are no evidence: VPN, relays; empty: none
	allowed           *allowedForm // networks that are no evidence; nil: none
	speedKmh          float64
	distanceKm        float64
	// A jump between two spots (a network at a place) that the entity used on
	// at least habitDays earlier days is its habit (a phone beside a desk, a
	// VPN), hence information only; so is any jump of an entity known for fewer
	// days. See habitSQL.
	network   string // column path; empty: no habits
	habitDays int
	habitBack time.Duration
}

// allowedForm is where the networks stand that are the organization's own.
type allowedForm struct{ table, key string }

// known is the condition of rows that are no evidence; empty: none.
func (t *travelForm) known() string {
	var ors []string
	if t.familiar != "" {
		ors = append(ors, "coalesce(("+t.familiar+"), false)")
	}
	if a := t.allowed; a != nil {
		name := func(column string) string { return "nullif(" + somebody(trimmed(path(column))) + ", '0')" }
		ors = append(ors, fmt.Sprintf("coalesce(%s IN (SELECT %s FROM %s), false)", name(t.network), name(a.key), source(a.table)))
	}
	return strings.Join(ors, " OR ")
}

// zeroHours stands for no time at all between two sign-ins.
const zeroHours = 0.0001

// travelCap is the highest score of travel, below critical: positions are
// estimates (ours).
const travelCap = 89.0

// nullIsland is within how many degrees of 0/0 a position is unknown.
const nullIsland = 0.01

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

// positions are the rows with a known position and address. Texts are as they
// were written: only the few rows that are looked at closer are worth their one
// spelling (see jumps and habitSQL).
func (c *Compiled) positions(f *anomalyForm, rs []Range, cond string) string {
	t := f.travel
	opt := func(expr string) string {
		if expr == "" {
			return "NULL::VARCHAR"
		}
		return "(" + expr + ")::VARCHAR"
	}
	familiar, radius, network := "false", "0.0::DOUBLE", ""
	if known := t.known(); known != "" {
		familiar = known
	}
	if t.radius != "" {
		radius = "greatest(0.0, coalesce(" + number(t.radius) + ", 0.0))"
	}
	if t.network != "" {
		network = path(t.network)
	}
	cols := []string{entityText(f.entity, f.entityType) + " AS entity", `"time"`, number(path(t.lat)) + " AS lat", number(path(t.lon)) + " AS lon",
		opt(path(t.address)) + " AS ip", opt(t.place) + " AS place", opt(t.country) + " AS country",
		familiar + " AS familiar", radius + " AS radius", opt(network) + " AS network", c.eventID(f.of)}
	// Nearly every address begins with a digit, and then names something.
	return fmt.Sprintf("SELECT * FROM (SELECT %s FROM %s WHERE %s) WHERE %s AND CASE WHEN ip >= '1' AND ip < ':' THEN true ELSE %s IS NOT NULL END",
		list(cols), c.raw(f.of, rs), cond, onGlobe("lat", "lon"), fold("ip", "ip"))
}

// sequence are the positions, each with what is known of the row before it
// (p_...), and km and hours from there. A familiar row is never the one before.
func (c *Compiled) sequence(f *anomalyForm, rs []Range, cond string) string {
	// One window function over a struct: one for each column sorts as often.
	before := `{'t': "time", 'lat': lat, 'lon': lon, 'ip': ip, 'place': place, 'country': country, 'radius': radius, 'network': network}`
	order := `(PARTITION BY entity ORDER BY "time", ip, lat, lon`
	prev := "lag(" + before + ") OVER " + order + ")"
	if f.travel.known() != "" {
		prev = "last_value(CASE WHEN NOT familiar THEN " + before + " END IGNORE NULLS) OVER " + order + " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
	}
	return fmt.Sprintf(`SELECT *, greatest(0.0, %s - radius - p_radius) AS km, greatest((epoch_us("time") - epoch_us(p_time)) / 3.6e9, %v) AS hours
FROM (SELECT * EXCLUDE (p), p.t AS p_time, p.lat AS p_lat, p.lon AS p_lon, p.ip AS p_ip, p.place AS p_place, p.country AS p_country, p.radius AS p_radius, p.network AS p_network
  FROM (SELECT *, %s AS p FROM (%s)))`,
		distanceSQL("p_lat", "p_lon", "lat", "lon"), zeroHours, prev, c.positions(f, rs, cond))
}

// onGlobe holds for a position that is one: what no one knows is written as
// 0/0, or beyond the globe.
func onGlobe(lat, lon string) string {
	return fmt.Sprintf("abs(%[1]s) <= 90 AND abs(%[2]s) <= 180 AND (abs(%[1]s) > %[3]v OR abs(%[2]s) > %[3]v)", lat, lon, nullIsland)
}

// impossible holds for a row of sequence whose speed from the row before is
// impossible. Two positions under one place's name and country are one place:
// carriers and new GeoIP editions move addresses, not people. What costs least
// is asked first, of all rows, and the rest of those that are left.
func (t *travelForm) impossible() string {
	same := func(column string) string { return somebody(trimmed(column)) + " = " + somebody(trimmed("p_"+column)) }
	return fmt.Sprintf(`CASE WHEN p_ip <> ip AND (abs(lat - p_lat) > 0.1 OR abs(lon - p_lon) > 0.1) THEN
    CASE WHEN km >= %s AND km / hours >= %s THEN %s <> %s AND NOT coalesce(%s AND %s, false) ELSE false END
  ELSE false END`,
		num(t.distanceKm), num(t.speedKmh), fold("ip", "p_ip"), fold("ip", "ip"), same("place"), same("country"))
}

// jumps are the rows of sequence that are impossible, their texts in the one
// spelling.
func (c *Compiled) jumps(f *anomalyForm, rs []Range) string {
	t := f.travel
	var texts []string
	for _, p := range []string{"", "p_"} {
		texts = append(texts, fold("ip", p+"ip")+" AS "+p+"ip", given(p+"place")+" AS "+p+"place", given(p+"country")+" AS "+p+"country",
			networkText(p+"network")+" AS "+p+"network")
	}
	return fmt.Sprintf("SELECT * REPLACE (%s), km / hours AS kmh FROM (%s)\nWHERE %s", list(texts), c.sequence(f, rs, t.condition(f)), t.impossible())
}

func (t *travelForm) condition(f *anomalyForm) string {
	return t.input(f) + " AND " + entityText(f.entity, f.entityType) + " IS NOT NULL"
}

// input is condition without that the entity is somebody.
func (t *travelForm) input(f *anomalyForm) string {
	cond := present(f.entity)
	if t.success != "" {
		cond += " AND (" + t.success + ")"
	}
	return cond
}

// networkText is a network's number; null where it is not known. AS 0 is
// nobody's.
func networkText(column string) string { return "nullif(" + given(column) + ", '0')" }

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
	if t.network != "" {
		past := []Range{{today.Add(-t.habitReach()), today}}
		in := func(table string) string {
			return fmt.Sprintf("%s AND %s IN (SELECT entity FROM %s)", t.input(f), entityText(f.entity, f.entityType), n(table))
		}
		out = append(out, work("spots", spotsSQL(c.positions(f, past, in("jumps")))), work("unsettled", t.unsettledSQL(n("spots"))),
			work("habits", t.habitSQL(n("spots"), n("unsettled"), c.sequence(f, past, in("unsettled")))))
	}
	q, err := c.findingSQL(s.name, r.ID, t.shape(f, t.days(n, win)))
	if err != nil {
		return nil, err
	}
	return append(out, Stmt{Step: s.name, Purpose: PurposeStep, SQL: "CREATE OR REPLACE TEMP TABLE " + ident(s.name) + " AS\n" + q}), nil
}

// days sums up each entity's jumps of a day; if any is neither familiar nor
// habit, only those count.
func (t *travelForm) days(n func(string) string, win Range) string {
	quiet, note, habits := "familiar", "CASE WHEN familiar THEN 'allowed network' END", ""
	if t.network != "" {
		both := t.isHabit("j.network", "j.lat", "j.lon", "today") + " AND " + t.isHabit("j.p_network", "j.p_lat", "j.p_lon", "today")
		today := fmt.Sprintf(`epoch_us(j."time") // %d`, day.Microseconds())
		quiet = fmt.Sprintf("familiar OR coalesce(h.known, 0) < %d OR coalesce(%s, false)", t.habitDays, strings.ReplaceAll(both, "today", today))
		note = fmt.Sprintf("CASE WHEN familiar THEN 'allowed network' WHEN coalesce(h.known, 0) < %[1]d THEN 'learning ' || coalesce(h.known, 0) || '/%[1]d' WHEN %[2]s THEN 'habit' END",
			t.habitDays, strings.ReplaceAll(both, "today", today))
		habits = "LEFT JOIN " + n("habits") + " AS h ON h.entity = j.entity"
	}
	return fmt.Sprintf(`(SELECT entity, day, min("time") AS first, max("time") AS last, min(p_time) AS since, count(*) AS jumps,
  max(kmh) AS kmh, arg_max(km, kmh) AS km, arg_max(hours, kmh) AS hours, arg_max_null(p_place, kmh) AS origin, arg_max_null(place, kmh) AS destination,
  arg_max_null(p_country, kmh) AS from_country, arg_max_null(country, kmh) AS to_country,
  arg_max(p_ip, kmh) AS from_ip, arg_max(ip, kmh) AS to_ip, bool_and(quiet) AS quiet, max(note) AS note, list(DISTINCT event_id ORDER BY event_id)[1:10] AS samples
FROM (SELECT *, bool_and(quiet) OVER (PARTITION BY entity, day) AS all_quiet FROM (
  SELECT j.*, date_trunc('day', j."time" AT TIME ZONE 'UTC') AS day, (%s) AS quiet, %s AS note FROM %s AS j %s))
WHERE all_quiet OR NOT quiet
GROUP BY entity, day HAVING max("time") >= %s)`, quiet, note, n("jumps"), habits, instant(win.Start))
}

func (t *travelForm) shape(f *anomalyForm, from string) shape {
	reason := f.reason
	if reason == "" {
		reason = "{entity} signed in from {from} and then {to}, {km} km apart, within {hours} h ({kmh} km/h)"
	}
	return shape{
		from: from, time: "first", start: "since", end: "last + to_microseconds(1)",
		entityType: str(f.entityType), entity: "entity", detector: f.method, key: "day",
		score:    fmt.Sprintf("CASE WHEN quiet THEN 15.0 ELSE least(%v, %s) END", travelCap, scoreOver("1 + log2(kmh / "+num(t.speedKmh)+") / 2 + (jumps - 1) / 4.0")),
		observed: "kmh", expected: num(t.speedKmh), reason: reason, technique: f.technique,
		vars: map[string]string{"entity": "entity", "from": "origin", "to": "destination", "km": text("round(km)"), "hours": text("hours"),
			"kmh": text("round(kmh)"), "jumps": "jumps", "observed": text("round(kmh)"), "expected": text(num(t.speedKmh)), "from_ip": "from_ip", "to_ip": "to_ip"},
		evidence: [][2]string{{"km", "round(km, 1)"}, {"hours", "round(hours, 4)"}, {"kmh", "round(kmh, 1)"}, {"jumps", "jumps"},
			{"from", "origin"}, {"to", "destination"}, {"from_country", "from_country"}, {"to_country", "to_country"},
			{"from_ip", "from_ip"}, {"to_ip", "to_ip"}, {"lowered_because", "note"},
			{"speed_kmh", num(t.speedKmh)}, {"distance_km", num(t.distanceKm)}, {"event_ids", "samples"}},
	}
}
