package detect

import (
	"fmt"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// FirstSeen raises the first use of a value by an entity within the look-back,
// once the entity itself has been known for the learning period; an entity that
// is new is judged against all others.
type FirstSeen struct {
	Novelty
	Peers bool // judge an entity without a past against the others
}

// Method implements Detector.
func (*FirstSeen) Method() Method { return "first_seen" }

// About implements Detector.
func (*FirstSeen) About() string {
	return "The first use of a value by an entity within the look-back, once the entity itself has been known for the " +
		"learning period. A pause of the entity of more than a week does not count towards the look-back (ours): so rows " +
		"of the look-back and at least 180d more are read. Score: 100 (1 - 2^-(1 + log2(n) / 2)), n being how many values " +
		"are new to it in the window (ours)."
}

// Keys are those of a step.
func (*FirstSeen) Keys() []strict.Field[FirstSeen] {
	type F = FirstSeen
	const lookback = "Without it, as Microsoft's UEBA: 90d for countries, 30d for browsers, providers and devices, " +
		"otherwise 180d."
	return append(strict.Within(noveltyKeys(lookback), func(f *F) *Novelty { return &f.Novelty }),
		strict.F("peers", strict.Bool(), func(f *F) *bool { return &f.Peers },
			"Whether an entity that has not been known for long is judged against all others: a value that nobody used before "+
				"is raised, for a lower score (ours). Service principals by which a cloud acts on its own are left out.").
			Default("true"))
}

// Complete implements Detector. Look-backs are those that Microsoft's UEBA documents.
func (f *FirstSeen) Complete() {
	switch {
	case f.Lookback != 0:
	case mentions(f.Values, "country"):
		f.Lookback = 90 * day
	case mentions(f.Values, "user_agent", "browser", "provider", "isp", "autonomous_system", "device"):
		f.Lookback = 30 * day
	default:
		f.Lookback = 180 * day
	}
}

// Bind implements RowDetector.
func (f *FirstSeen) Bind(c Columns) RowDetector {
	out := *f
	out.Novelty = f.bind(c)
	return &out
}

// Reads implements RowDetector.
func (f *FirstSeen) Reads(window Range) Range { return f.reads(window) }

// Formula implements Detector.
func (f *FirstSeen) Formula() string {
	return fmt.Sprintf("first use of the value by the entity in %s, the entity being known for %s",
		sqltext.ShortDuration(f.Lookback), sqltext.ShortDuration(f.Learning))
}

// peersWeight is what a first use against peers weighs, which says less (ours).
const peersWeight = 0.5

// firstUses are the first uses of values in the window: each entity and value
// with its first and last use, then what is known of the entity (known,
// established, prev) and of the value (others), then the level that raises it.
const firstUses = `(SELECT *, count(*) OVER (PARTITION BY entity) AS new_values
FROM (
  SELECT *, CASE
    WHEN established AND NOT coalesce(last >= {start} - {lookback} - {pauses}, false) THEN 'own'
    WHEN {peers} THEN 'peers'
  END AS level
  FROM (
    SELECT *, min(earliest) OVER e AS known, min(earliest) OVER () AS since,
      first - min(earliest) OVER e >= {learning} AS established,
      max(last) OVER e AS prev, max(last) OVER (PARTITION BY value) AS others
    FROM (
      SELECT {entity} AS entity, {value} AS value, min("time") AS earliest,
        max("time") FILTER ("time" < {start}) AS last,
        min("time") FILTER ("time" >= {start}) AS first,
        count(*) FILTER ("time" >= {start}) AS uses
      FROM {rows}
      WHERE {present}
      GROUP BY 1, 2 HAVING {isSomebody} AND {isSaid})
    WINDOW e AS (PARTITION BY entity)))
WHERE first IS NOT NULL AND level IS NOT NULL)`

// newcomer holds for a value that no one has used, and an entity without a past.
const newcomer = `NOT established AND NOT coalesce(others >= {start} - {lookback}, false)
      AND coalesce({start} - since >= {learning}, false) AND NOT {cloudService}`

// cloudService holds for principals by which a cloud acts on its own: they
// come and go without a past.
const cloudService = `regexp_matches(lower(entity), '[.]amazonaws[.]com$|^aws internal$` +
	`|^service-.*[.]gserviceaccount[.]com$|@(cloudservices|system)[.]gserviceaccount[.]com$|^system:')`

// Query implements Detector.
func (f *FirstSeen) Query(r Run) Query {
	v := f.terms(r)
	v["peers"], v["cloudService"] = "false", cloudService
	if f.Peers {
		v["peers"] = sqltext.Fill(newcomer, v)
	}
	v["present"] = f.present()
	v["isSomebody"], v["isSaid"] = sqltext.IsSomebody(f.entity(r)), sqltext.IsSomebody(sqltext.Combined(texts(f.Values),
		sqltext.Said))
	lookback, learning := sqltext.Str(sqltext.ShortDuration(f.Lookback)), sqltext.Str(sqltext.ShortDuration(f.Learning))
	return Query{Findings: Finding{
		From: sqltext.Fill(firstUses, v),
		Time: "first", Start: sqltext.Instant(r.Window.Start), End: sqltext.Instant(r.Window.End), Key: "value",
		EntityType: sqltext.Str(r.EntityType), Entity: "entity",
		Score:    scoreOver(fmt.Sprintf("(CASE level WHEN 'own' THEN 1.0 ELSE %v END + log2(new_values) / 2)", peersWeight)),
		Observed: "uses", Expected: "0.0",
		Reason: "{entity} used {value} for the first time in {lookback}",
		Vars: map[string]string{"entity": "entity", "value": "value", "uses": "uses", "lookback": lookback,
			"new_values": "new_values", "observed": "uses", "expected": "0"},
		Evidence: [][2]string{{"value", "value"}, {"level", "level"}, {"new_values", "new_values"},
			{"first_use", "first::VARCHAR"}, {"entity_known_since", "known::VARCHAR"},
			{"lookback", lookback}, {"learning", learning}},
	}}
}
