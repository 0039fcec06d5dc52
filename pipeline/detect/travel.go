package detect

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/pipeline/terms"
)

// Travel raises consecutive sign-ins that are too far apart for the time
// between them: one finding an entity and day, of the jumps of the days that
// the window adds to.
type Travel struct {
	Entity      []Text   // column paths
	Lat, Lon    Text     // column paths, degrees
	Address     Text     // column path
	Radius      Text     // expression, accuracy in km; may be empty
	Place       Text     // expression, for people; with Country it tells places apart; may be empty
	Country     Text     // expression: the place's country; may be empty
	Success     Text     // condition of rows that count; may be empty
	Familiar    Text     // condition of rows that are no evidence: VPN, relays; may be empty
	Allowed     *Allowed // networks that are no evidence; nil: none
	SpeedKmh    float64
	DistanceKm  float64
	Network     Text // column path; empty: no habits
	HabitDays   int
	HabitWindow time.Duration
}

// Allowed names the table of the networks that are the organization's own.
type Allowed struct {
	Table Text // lake.x or analytics.x
	Key   Text // column path, equal to Travel.Network
}

// Method implements Detector.
func (*Travel) Method() Method { return "impossible_travel" }

// About implements Detector.
func (*Travel) About() string {
	return "Consecutive sign-ins of an entity that are too far apart for the time between them: great-circle distance " +
		"less both accuracy radii, over the time, zero of which counts as 0.0001 h. One finding an entity and day. " +
		"Thresholds as Elastic's (Panther: 900 km/h)."
}

// Keys are those of a step.
func (*Travel) Keys() []strict.Field[Travel] {
	type T = Travel
	return []strict.Field[T]{
		strict.F("entity", strict.OneOrList(terms.Column()), func(t *T) *[]Text { return &t.Entity },
			"Column of whom it is about.").Default("user.name"),
		strict.F("lat", terms.Column(), func(t *T) *Text { return &t.Lat },
			"Column of the latitude, degrees.").Default("src_endpoint.location.lat"),
		strict.F("lon", terms.Column(), func(t *T) *Text { return &t.Lon },
			"Column of the longitude, degrees.").Default("src_endpoint.location.long"),
		strict.F("address", terms.Column(), func(t *T) *Text { return &t.Address },
			"Column of the address; the same address elsewhere is not travel.").Default("src_endpoint.ip"),
		strict.F("radius", terms.Expression(), func(t *T) *Text { return &t.Radius },
			"Accuracy of the position, km."),
		strict.F("place", terms.Expression(), func(t *T) *Text { return &t.Place },
			"Name of the place, for people; two positions of one name in one country are one place."),
		strict.F("country", terms.Expression(), func(t *T) *Text { return &t.Country },
			"Country of the place. Without it: the column `country` beside `lat`, if there is one. "+
				"A name without a country is not a place."),
		strict.F("success", terms.Condition(), func(t *T) *Text { return &t.Success },
			"Condition of the rows that count. Without it: all of the step's."),
		strict.F("familiar", terms.Condition(), func(t *T) *Text { return &t.Familiar },
			"Condition of rows from networks that are allowed, such as your own VPN, relays and satellites: "+
				"they lower a finding to information and never become the place that others are measured from."),
		strict.F("allowed", strict.Pointer(allowedType()), func(t *T) **Allowed { return &t.Allowed },
			"Where the networks stand that are your own, such as a VPN's, by what `network` says of them: "+
				"rows from there are as those of `familiar`."),
		strict.F("speed", strict.Quantity("speed", "km/h", "800km/h", 1, 100_000), func(t *T) *float64 { return &t.SpeedKmh },
			"Speed from which it is impossible.").Default("800km/h"),
		strict.F("distance", strict.Quantity("distance", "km", "500km", 0, 20_100),
			func(t *T) *float64 { return &t.DistanceKm },
			"Distance below which nothing is raised.").Default("500km"),
		strict.F("network", terms.Column(), func(t *T) *Text { return &t.Network },
			"Column of the network, such as the AS number. With it a jump between two spots (a network at a place) that the "+
				"entity has used on `habit_days` earlier days is a habit (a phone beside a desk, a VPN), and is information only; "+
				"a day on which a new spot was one end of a jump that was raised does not count (ours)."),
		strict.F("habit_days", strict.Int(1, 366), func(t *T) *int { return &t.HabitDays },
			"Earlier days that make a network a habit (ours).").Default("3"),
		strict.F("habit_window", strict.Duration(day, terms.Longest), func(t *T) *time.Duration { return &t.HabitWindow },
			"How far back habits are looked for (ours).").Default("30d"),
	}
}

func allowedType() strict.Type[Allowed] {
	type A = Allowed
	return strict.Object(
		strict.F("table", terms.Table(), func(a *A) *Text { return &a.Table },
			"`lake.NAME` or `analytics.NAME`. Where it does not exist yet no network is allowed.").Needed(),
		strict.F("key", terms.Column(), func(a *A) *Text { return &a.Key }, "Column that equals `network`.").Needed(),
	)
}

// Complete implements Detector.
func (*Travel) Complete() {}

// Check implements Detector.
func (t *Travel) Check(report func(at Pos, what, remedy string)) {
	if t.Allowed != nil && t.Network.Value == "" {
		report(t.Allowed.Key.Pos, "`allowed` needs `network`",
			"name the column of the network, such as `network: src_endpoint.autonomous_system.number`")
	}
}

// Subject implements RowDetector.
func (t *Travel) Subject() string {
	if len(t.Entity) == 0 {
		return ""
	}
	return t.Entity[0].Value
}

// Context implements RowDetector.
func (t *Travel) Context() []Text {
	if t.Allowed == nil {
		return nil
	}
	return []Text{t.Allowed.Table}
}

// Bind implements RowDetector.
func (t *Travel) Bind(c Columns) RowDetector {
	out := *t
	if out.Country = c.Optional(t.Country); t.Country.Value == "" {
		out.Country = c.Beside(t.Lat, "country")
	}
	out.Entity, out.Network = paths(c, t.Entity), c.OptionalPath(t.Network)
	out.Lat, out.Lon, out.Address = c.Number(t.Lat), c.Number(t.Lon), c.Path(t.Address)
	out.Radius, out.Place = c.Optional(t.Radius), c.Optional(t.Place)
	out.Success, out.Familiar = c.Expr(t.Success), c.Optional(t.Familiar)
	if a := t.Allowed; a != nil && (out.Network.Value == "" || !c.HasTable(a.Table, a.Key)) {
		out.Allowed = nil
	}
	return &out
}

const (
	earthKm     = 6371.0088 // mean radius, IUGG
	halfEarthKm = math.Pi * earthKm
	// zeroHours stands for no time at all between two sign-ins.
	zeroHours = 0.0001
	// travelCap is the highest score, below critical: positions are estimates (ours).
	travelCap = 89.0
	// nullIsland is within how many degrees of 0/0 a position is unknown.
	nullIsland = 0.01
)

// reach is how long after one place another can still be impossible: half the
// way round the earth at the threshold's speed.
func (t *Travel) reach() time.Duration { return hours(int(math.Ceil(halfEarthKm / t.SpeedKmh))) }

// Reads implements RowDetector. It begins with the first of a day, so that a
// day's alternations are one finding.
func (t *Travel) Reads(window Range) Range {
	back := t.reach()
	if t.Network.Value != "" {
		back = max(back, t.habitReach())
	}
	return Range{Start: sqltext.Floor(window.Start, day).Add(-back), End: window.End}
}

// Formula implements Detector.
func (t *Travel) Formula() string {
	return fmt.Sprintf("great-circle km (haversine, less both accuracy radii) / hours >= %v km/h and km >= %v",
		t.SpeedKmh, t.DistanceKm)
}

// Explain implements Detector.
func (t *Travel) Explain(r Run, entity string) Explanation {
	return Explanation{Where: t.entity(r) + " = " + sqltext.Str(entity) + " AND " + t.condition(r)}
}

func (t *Travel) entity(r Run) string { return sqltext.Entity(texts(t.Entity), r.EntityType) }

// condition is that of the rows that count.
func (t *Travel) condition(r Run) string { return t.counts() + " AND " + t.entity(r) + " IS NOT NULL" }

// counts is condition without that the entity is somebody.
func (t *Travel) counts() string {
	cond := sqltext.Present(texts(t.Entity))
	if t.Success.Value != "" {
		cond += " AND (" + t.Success.Value + ")"
	}
	return cond
}

// known is the condition of rows that are no evidence; empty: none.
func (t *Travel) known() string {
	var ors []string
	if t.Familiar.Value != "" {
		ors = append(ors, "coalesce(("+t.Familiar.Value+"), false)")
	}
	if a := t.Allowed; a != nil {
		name := func(column Text) string {
			return "nullif(" + sqltext.OneName(sqltext.Path(column.Value)) + ", '0')"
		}
		ors = append(ors, sqltext.Fill("coalesce({network} IN (SELECT {key} FROM {table}), false)",
			sqltext.Values{"network": name(t.Network), "key": name(a.Key), "table": sqltext.Source(a.Table.Value)}))
	}
	return strings.Join(ors, " OR ")
}

// greatCircle is the great-circle distance by the haversine formula, in km.
const greatCircle = `2 * {earthKm} * asin(least(1.0, sqrt(pow(sin(radians({lat2} - {lat1}) / 2), 2) ` +
	`+ cos(radians({lat1})) * cos(radians({lat2})) * pow(sin(radians({lon2} - {lon1}) / 2), 2))))`

func distanceSQL(lat1, lon1, lat2, lon2 string) string {
	return sqltext.Fill(greatCircle, sqltext.Values{"earthKm": earthKm, "lat1": lat1, "lon1": lon1, "lat2": lat2,
		"lon2": lon2})
}

// networkText is a network's number; null where it is not known. AS 0 is
// nobody's.
func networkText(column string) string { return "nullif(" + sqltext.Given(column) + ", '0')" }

// travelPositions are the rows with a known position and address: what no one
// knows is written as 0/0, or beyond the globe. Texts are as they were written:
// only the few rows that are looked at closer are worth their one spelling.
// Nearly every address begins with a digit, and then names something.
const travelPositions = `SELECT * FROM (
  SELECT {entity} AS entity, "time", {lat} AS lat, {lon} AS lon, {address} AS ip,
    {place} AS place, {country} AS country,
    {familiar} AS familiar, {radius} AS radius, {network} AS network, {eventID}
  FROM {rows}
  WHERE {cond})
WHERE abs(lat) <= 90 AND abs(lon) <= 180 AND (abs(lat) > {nullIsland} OR abs(lon) > {nullIsland})
  AND CASE WHEN ip >= '1' AND ip < ':' THEN true ELSE {isAddress} IS NOT NULL END`

func (t *Travel) positions(r Run, rows Range, cond string) string {
	text := func(expr string) string {
		if expr == "" {
			return "NULL::VARCHAR"
		}
		return "(" + expr + ")::VARCHAR"
	}
	v := sqltext.Values{
		"entity": t.entity(r), "lat": sqltext.Number(sqltext.Path(t.Lat.Value)),
		"lon":     sqltext.Number(sqltext.Path(t.Lon.Value)),
		"address": text(sqltext.Path(t.Address.Value)), "place": text(t.Place.Value), "country": text(t.Country.Value),
		"familiar": "false", "radius": "0.0::DOUBLE", "network": text(""), "eventID": r.EventID,
		"rows": r.Rows(rows), "cond": cond, "nullIsland": nullIsland, "isAddress": sqltext.Fold("ip", "ip"),
	}
	if known := t.known(); known != "" {
		v["familiar"] = known
	}
	if t.Radius.Value != "" {
		v["radius"] = "greatest(0.0, coalesce(" + sqltext.Number(t.Radius.Value) + ", 0.0))"
	}
	if t.Network.Value != "" {
		v["network"] = text(sqltext.Path(t.Network.Value))
	}
	return sqltext.Fill(travelPositions, v)
}

// travelSequence are the positions, each with what is known of the row before it
// (p_...), and km and hours from there. It is one window function over a
// struct: one for each column would sort as often.
const travelSequence = `SELECT *, greatest(0.0, {distance} - radius - p_radius) AS km,
  greatest((epoch_us("time") - epoch_us(p_time)) / 3.6e9, {zeroHours}) AS hours
FROM (
  SELECT * EXCLUDE (p), p.t AS p_time, p.lat AS p_lat, p.lon AS p_lon, p.ip AS p_ip, p.place AS p_place,
    p.country AS p_country, p.radius AS p_radius, p.network AS p_network
  FROM (
    SELECT *, {before} AS p FROM ({positions})))`

const (
	travelRow   = `{'t': "time", 'lat': lat, 'lon': lon, 'ip': ip, 'place': place, 'country': country, 'radius': radius, 'network': network}`
	travelOrder = `(PARTITION BY entity ORDER BY "time", ip, lat, lon`
	rowBefore   = "lag(" + travelRow + ") OVER " + travelOrder + ")"
	// A familiar row is never the one before.
	strangeBefore = "last_value(CASE WHEN NOT familiar THEN " + travelRow + " END IGNORE NULLS) OVER " + travelOrder +
		" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
)

func (t *Travel) sequence(r Run, rows Range, cond string) string {
	before := rowBefore
	if t.known() != "" {
		before = strangeBefore
	}
	return sqltext.Fill(travelSequence, sqltext.Values{"distance": distanceSQL("p_lat", "p_lon", "lat", "lon"),
		"zeroHours": zeroHours, "before": before, "positions": t.positions(r, rows, cond)})
}

// travelImpossible holds for a row of the sequence whose speed from the row
// before is impossible. Two positions under one place's name and country are
// one place: carriers and new GeoIP editions move addresses, not people. What
// costs least is asked first, of all rows, and the rest of those that are left.
const travelImpossible = `CASE WHEN p_ip <> ip AND (abs(lat - p_lat) > 0.1 OR abs(lon - p_lon) > 0.1) THEN
    CASE WHEN km >= {distance} AND km / hours >= {speed}
      THEN {from} <> {to} AND NOT coalesce({samePlace} AND {sameCountry}, false) ELSE false END
  ELSE false END`

func (t *Travel) impossible() string {
	same := func(column string) string {
		return sqltext.OneName(column) + " = " + sqltext.OneName("p_"+column)
	}
	return sqltext.Fill(travelImpossible, sqltext.Values{"distance": sqltext.Num(t.DistanceKm),
		"speed": sqltext.Num(t.SpeedKmh),
		"from":  sqltext.Fold("ip", "p_ip"), "to": sqltext.Fold("ip", "ip"),
		"samePlace": same("place"), "sameCountry": same("country")})
}

// jumps are the rows of the sequence that are impossible, their texts in the one
// spelling.
func (t *Travel) jumps(r Run, rows Range) string {
	var columns []string
	for _, p := range []string{"", "p_"} {
		columns = append(columns, sqltext.Fold("ip", p+"ip")+" AS "+p+"ip", sqltext.Given(p+"place")+" AS "+p+"place",
			sqltext.Given(p+"country")+" AS "+p+"country", networkText(p+"network")+" AS "+p+"network")
	}
	return sqltext.Fill(`SELECT * REPLACE ({texts}), km / hours AS kmh
FROM ({sequence})
WHERE {impossible}`, sqltext.Values{"texts": sqltext.List(columns),
		"sequence": t.sequence(r, rows, t.condition(r)), "impossible": t.impossible()})
}

// travelDays sums up each entity's jumps of a day; if any is neither familiar
// nor habit, only those count.
const travelDays = `(SELECT entity, day, min("time") AS first, max("time") AS last, min(p_time) AS since,
  count(*) AS jumps,
  max(kmh) AS kmh, arg_max(km, kmh) AS km, arg_max(hours, kmh) AS hours,
  arg_max_null(p_place, kmh) AS origin, arg_max_null(place, kmh) AS destination,
  arg_max_null(p_country, kmh) AS from_country, arg_max_null(country, kmh) AS to_country,
  arg_max(p_ip, kmh) AS from_ip, arg_max(ip, kmh) AS to_ip,
  bool_and(quiet) AS quiet, max(note) AS note, list(DISTINCT event_id ORDER BY event_id)[1:10] AS samples
FROM (
  SELECT *, bool_and(quiet) OVER (PARTITION BY entity, day) AS all_quiet
  FROM (
    SELECT j.*, date_trunc('day', j."time" AT TIME ZONE 'UTC') AS day, ({quiet}) AS quiet, {note} AS note
    FROM {jumps} AS j {habits}))
WHERE all_quiet OR NOT quiet
GROUP BY entity, day HAVING max("time") >= {start})`

const (
	habitQuiet = `familiar OR coalesce(h.known, 0) < {least} OR coalesce({isHabit}, false)`
	habitNote  = `CASE WHEN familiar THEN 'allowed network'
      WHEN coalesce(h.known, 0) < {least} THEN 'learning ' || coalesce(h.known, 0) || '/{least}'
      WHEN {isHabit} THEN 'habit' END`
)

func (t *Travel) days(r Run) string {
	v := sqltext.Values{"quiet": "familiar", "note": "CASE WHEN familiar THEN 'allowed network' END", "habits": "",
		"jumps": r.Temp("jumps"), "start": sqltext.Instant(r.Window.Start)}
	if t.Network.Value != "" {
		today := fmt.Sprintf(`epoch_us(j."time") // %d`, day.Microseconds())
		v["least"] = t.HabitDays
		v["isHabit"] = t.isHabit("j.network", "j.lat", "j.lon", today) + " AND " + t.isHabit("j.p_network", "j.p_lat",
			"j.p_lon", today)
		v["quiet"], v["note"] = sqltext.Fill(habitQuiet, v), sqltext.Fill(habitNote, v)
		v["habits"] = "LEFT JOIN " + r.Temp("habits") + " AS h ON h.entity = j.entity"
	}
	return sqltext.Fill(travelDays, v)
}

// Query implements Detector.
func (t *Travel) Query(r Run) Query {
	today := sqltext.Floor(r.Window.Start, day)
	q := Query{Tables: []Table{{"jumps", t.jumps(r, Range{Start: today.Add(-t.reach()), End: r.Window.End})}}}
	if t.Network.Value != "" {
		q.Tables = append(q.Tables, t.habits(r, Range{Start: today.Add(-t.habitReach()), End: today})...)
	}
	speed := sqltext.Num(t.SpeedKmh)
	q.Findings = Finding{
		From: t.days(r), Time: "first", Start: "since", End: "last + to_microseconds(1)", Key: "day",
		EntityType: sqltext.Str(r.EntityType), Entity: "entity",
		Score: fmt.Sprintf("CASE WHEN quiet THEN 15.0 ELSE least(%v, %s) END", travelCap,
			scoreOver("1 + log2(kmh / "+speed+") / 2 + (jumps - 1) / 4.0")),
		Observed: "kmh", Expected: speed,
		Reason: "{entity} signed in from {from} and then {to}, {km} km apart, within {hours} h ({kmh} km/h)",
		Vars: map[string]string{"entity": "entity", "from": "origin", "to": "destination", "km": sqltext.Shown("round(km)"),
			"hours": sqltext.Shown("hours"), "kmh": sqltext.Shown("round(kmh)"), "jumps": "jumps",
			"observed": sqltext.Shown("round(kmh)"), "expected": sqltext.Shown(speed), "from_ip": "from_ip", "to_ip": "to_ip"},
		Evidence: [][2]string{{"km", "round(km, 1)"}, {"hours", "round(hours, 4)"}, {"kmh", "round(kmh, 1)"}, {"jumps",
			"jumps"},
			{"from", "origin"}, {"to", "destination"}, {"from_country", "from_country"}, {"to_country", "to_country"},
			{"from_ip", "from_ip"}, {"to_ip", "to_ip"}, {"lowered_because", "note"},
			{"speed_kmh", speed}, {"distance_km", sqltext.Num(t.DistanceKm)}, {"event_ids", "samples"}},
	}
	return q
}
