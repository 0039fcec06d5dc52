package compile

import (
	"fmt"
	"math"
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
