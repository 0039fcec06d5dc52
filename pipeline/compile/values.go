package compile

import (
	"fmt"
	"slices"
	"time"
)

const (
	// A pause of an entity that is longer than this does not count towards the
	// look-back: what is known of it is not forgotten meanwhile (ours).
	pauseGrace = 7 * day
	// The longest pause over which an entity is still known, at least (ours).
	longestPause = 180 * day
	// Against peers a first use says less: of half the weight (ours).
	peersWeight = 0.5
	// An entity whose habits are all as likely has no deviation; this one takes
	// its place, in units of ln p (ours).
	rareSigma = 0.5
)

func (f *anomalyForm) valueText() string { return combined(f.values, said) }

// memory is how far back the methods read: the look-back, and a pause before it.
func (f *anomalyForm) memory() time.Duration { return f.lookback + max(f.lookback, longestPause) }

// pauses is how long the entity of a row has paused before the window, as far
// as the look-back leaves it out; prev is its last row before the window.
func pauses(win Range) string {
	return fmt.Sprintf("to_microseconds(coalesce(greatest(0, epoch_us(%s) - epoch_us(prev) - %d), 0))", instant(win.Start), pauseGrace.Microseconds())
}

// cloudService holds for principals by which a cloud acts on its own: they
// come and go without a past.
func cloudService(entity string) string {
	return fmt.Sprintf(`regexp_matches(lower(%s), '[.]amazonaws[.]com$|^aws internal$|^service-.*[.]gserviceaccount[.]com$|@(cloudservices|system)[.]gserviceaccount[.]com$|^system:')`, entity)
}

// firstSeen raises the first use of a value by an entity within the look back,
// once the entity itself has been known for the learning period; an entity that
// is new is judged against all others.
func (c *Compiled) firstSeen(s *step, r Run) (string, error) {
	f := s.anomaly
	win := r.Window
	start, learning := instant(win.Start), interval(f.learning)
	rows := c.raw(f.of, []Range{{win.Start.Add(-f.memory()), win.End}})
	peers := "false"
	if f.peers {
		peers = fmt.Sprintf("NOT established AND NOT coalesce(others >= %s - %s, false) AND coalesce(%[1]s - since >= %[3]s, false) AND NOT %[4]s", start, interval(f.lookback), learning, cloudService("entity"))
	}
	from := fmt.Sprintf(`(SELECT *, count(*) OVER (PARTITION BY entity) AS new_values FROM (
  SELECT *, CASE WHEN established AND NOT coalesce(last >= %[1]s - %[2]s - %[3]s, false) THEN 'own' WHEN %[4]s THEN 'peers' END AS level FROM (
    SELECT *, min(earliest) OVER e AS known, min(earliest) OVER () AS since, first - min(earliest) OVER e >= %[5]s AS established, max(last) OVER e AS prev, max(last) OVER (PARTITION BY value) AS others FROM (
      SELECT %[6]s AS entity, %[7]s AS value, min("time") AS earliest, max("time") FILTER ("time" < %[1]s) AS last, min("time") FILTER ("time" >= %[1]s) AS first, count(*) FILTER ("time" >= %[1]s) AS uses
      FROM %[8]s WHERE %[9]s GROUP BY 1, 2 HAVING %[10]s AND %[11]s) WINDOW e AS (PARTITION BY entity)))
WHERE first IS NOT NULL AND level IS NOT NULL)`,
		start, interval(f.lookback), pauses(win), peers, learning, entityText(f.entity, f.entityType), f.valueText(), rows,
		present(slices.Concat(f.entity, f.values)), isSomebody(entityText(f.entity, f.entityType)), isSomebody(f.valueText()))
	reason := f.reason
	if reason == "" {
		reason = "{entity} used {value} for the first time in {lookback}"
	}
	return c.findingSQL(s.name, r.ID, shape{
		from: from, time: "first", start: start, end: instant(win.End),
		entityType: str(f.entityType), entity: "entity", detector: f.method, key: "value",
		score:    scoreOver(fmt.Sprintf("(CASE level WHEN 'own' THEN 1.0 ELSE %v END + log2(new_values) / 2)", peersWeight)),
		observed: "uses", expected: "0.0", reason: reason, technique: f.technique,
		vars: map[string]string{"entity": "entity", "value": "value", "uses": "uses", "lookback": str(shortDuration(f.lookback)),
			"new_values": "new_values", "observed": "uses", "expected": "0"},
		evidence: [][2]string{{"value", "value"}, {"level", "level"}, {"new_values", "new_values"}, {"first_use", "first::VARCHAR"}, {"entity_known_since", "known::VARCHAR"},
			{"lookback", str(shortDuration(f.lookback))}, {"learning", str(shortDuration(f.learning))}},
	})
}

// rare raises values of an entity that are improbable for it:
// p = (N_c + a) / (N + a K) over the look back before the window; unusual if
// ln p is below the mean less threshold standard deviations of ln p, both
// weighted by count. What recurs is not rare: neither a value that has maxP of
// the entity's uses, nor one that was used and so raised within once.
func (c *Compiled) rare(s *step, r Run) (string, error) {
	f := s.anomaly
	win := r.Window
	start := instant(win.Start)
	rows := c.raw(f.of, []Range{{win.Start.Add(-f.memory()), win.End}})
	from := fmt.Sprintf(`(WITH used AS (SELECT %[1]s AS entity, %[2]s AS value, "time" FROM %[4]s WHERE %[5]s AND %[6]s),
seen AS (SELECT entity, min("time") AS known, max("time") FILTER ("time" < %[3]s) AS prev FROM used GROUP BY 1 HAVING max("time") >= %[3]s),
pairs AS (
  SELECT entity, value, any_value(known) AS known, count(*) FILTER ("time" < %[3]s) AS past, count(*) FILTER ("time" >= %[3]s) AS uses,
    min("time") FILTER ("time" >= %[3]s) AS first, min("time") FILTER ("time" < %[3]s AND "time" >= %[3]s - %[10]s) AS before
  FROM used JOIN seen USING (entity) WHERE "time" >= %[3]s - %[11]s - %[12]s GROUP BY 1, 2),
p AS (SELECT *, ln((past + %[7]s) / (sum(past) OVER e + %[7]s * count(*) OVER e)) AS lp, sum(past) OVER e AS total, count(*) OVER e AS kinds
  FROM pairs WINDOW e AS (PARTITION BY entity)),
m AS (SELECT *, sum(past * lp) OVER e / nullif(total, 0) AS mean, sum(past * lp * lp) OVER e / nullif(total, 0) AS square FROM p WINDOW e AS (PARTITION BY entity)),
d AS (SELECT *, sqrt(greatest(0.0, square - mean * mean)) AS deviation FROM m),
z AS (SELECT * EXCLUDE (deviation), deviation < 1e-6 AS degenerate, CASE WHEN deviation < 1e-6 THEN %[13]v ELSE deviation END AS sigma FROM d)
SELECT *, (mean - lp) / sigma AS z FROM z
WHERE uses > 0 AND %[3]s - known >= %[8]s AND lp < mean - %[9]s * sigma
  AND past < %[14]s * total AND NOT coalesce(before - known >= %[8]s, false))`,
		entityText(f.entity, f.entityType), f.valueText(), start, rows, notNull(f.entity, f.entityType), present(f.values)+" AND "+f.valueText()+" IS NOT NULL", num(f.smoothing), interval(f.learning), num(f.threshold),
		interval(f.once), interval(f.lookback), pauses(win), rareSigma, num(f.maxP))
	reason := f.reason
	if reason == "" {
		reason = "{value} is rare for {entity}: {past} of {total} before"
	}
	return c.findingSQL(s.name, r.ID, shape{
		from: from, time: "first", start: start, end: instant(win.End),
		entityType: str(f.entityType), entity: "entity", detector: f.method, key: "concat_ws(chr(31), value, " + str(win.Start.UTC().Format("2006-01-02T15:04:05")) + ")",
		score: fmt.Sprintf("least(%s, CASE WHEN degenerate THEN %v ELSE 100 END)", scoreOver("z / "+num(f.threshold)), noSpreadCap), observed: "uses", expected: "past", reason: reason, technique: f.technique,
		vars: map[string]string{"entity": "entity", "value": "value", "past": "past", "total": "total", "uses": "uses",
			"observed": "uses", "expected": "past"},
		evidence: [][2]string{{"value", "value"}, {"p", "exp(lp)"}, {"past", "past"}, {"total", "total"}, {"kinds", "kinds"},
			{"z", "round(z, 4)"}, {"mean_log_p", "round(mean, 6)"}, {"sigma", "round(sigma, 6)"}, {"degenerate", "degenerate"}},
	})
}
