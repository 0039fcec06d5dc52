package detect

import (
	"fmt"
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/pipeline/terms"
)

// Rare raises values of an entity that are improbable for it:
// p = (N_c + a) / (N + a K) over the look-back before the window; unusual if
// ln p is below the mean less threshold standard deviations of ln p, both
// weighted by count. What recurs is not rare: neither a value that has MaxP of
// the entity's uses, nor one that was used and so raised within Once.
type Rare struct {
	Novelty
	Smoothing float64 // a
	Threshold float64 // standard deviations of ln p
	MaxP      float64 // share of uses from which a value is not rare
	Once      time.Duration
}

// Method implements Detector.
func (*Rare) Method() Method { return "rare" }

// About implements Detector.
func (*Rare) About() string {
	return "A value that is improbable for its entity: p = (N_c + a) / (N + a K), unusual if ln p is below its mean " +
		"less `threshold` standard deviations, both weighted by count. Where all its values are as likely, 0.5 stands for " +
		"the deviation, and the score stays below critical (ours). Pauses as for `first_seen`."
}

// Keys are those of a step.
func (*Rare) Keys() []strict.Field[Rare] {
	type R = Rare
	return append(strict.Within(noveltyKeys("Without it: 30d (ours)."), func(r *R) *Novelty { return &r.Novelty }),
		strict.F("smoothing", strict.Float(0.001, 1000), func(r *R) *float64 { return &r.Smoothing },
			"a, added to every count.").Default("2"),
		strict.F("threshold", strict.Float(0.1, 100), func(r *R) *float64 { return &r.Threshold },
			"Standard deviations of ln p.").Default("2"),
		strict.F("max_p", strict.Float(0, 1), func(r *R) *float64 { return &r.MaxP },
			"Share of the entity's earlier uses from which a value is not rare, however the others are spread (ours).").
			Default("0.05"),
		strict.F("once", strict.Duration(0, terms.Longest), func(r *R) *time.Duration { return &r.Once },
			"One finding a value in so long: what was used within it, when the entity was known already, is not raised again "+
				"(ours).").
			Default("30d"))
}

// Complete implements Detector.
func (f *Rare) Complete() {
	if f.Lookback == 0 {
		f.Lookback = 30 * day // ours
	}
}

// Bind implements RowDetector.
func (f *Rare) Bind(c Columns) RowDetector {
	out := *f
	out.Novelty = f.bind(c)
	return &out
}

// Reads implements RowDetector.
func (f *Rare) Reads(window Range) Range { return f.reads(window) }

// Formula implements Detector.
func (f *Rare) Formula() string {
	return fmt.Sprintf("p = (N_c + %v) / (N + %v K); raised if ln p < mean - %v sigma of ln p, weighted by count",
		f.Smoothing, f.Smoothing, f.Threshold)
}

// rareSigma takes the place of the deviation that an entity does not have whose
// habits are all as likely, in units of ln p (ours).
const rareSigma = 0.5

// rareUses are the improbable values of the window, with z of their ln p.
const rareUses = `(WITH used AS (
  SELECT {entity} AS entity, {value} AS value, "time" FROM {rows} WHERE {isSomebody} AND {isSaid}),
seen AS (
  SELECT entity, min("time") AS known, max("time") FILTER ("time" < {start}) AS prev
  FROM used GROUP BY 1 HAVING max("time") >= {start}),
pairs AS (
  SELECT entity, value, any_value(known) AS known,
    count(*) FILTER ("time" < {start}) AS past, count(*) FILTER ("time" >= {start}) AS uses,
    min("time") FILTER ("time" >= {start}) AS first,
    min("time") FILTER ("time" < {start} AND "time" >= {start} - {once}) AS before
  FROM used JOIN seen USING (entity)
  WHERE "time" >= {start} - {lookback} - {pauses} GROUP BY 1, 2),
p AS (
  SELECT *, ln((past + {smoothing}) / (sum(past) OVER e + {smoothing} * count(*) OVER e)) AS lp,
    sum(past) OVER e AS total, count(*) OVER e AS kinds
  FROM pairs WINDOW e AS (PARTITION BY entity)),
m AS (
  SELECT *, sum(past * lp) OVER e / nullif(total, 0) AS mean, sum(past * lp * lp) OVER e / nullif(total, 0) AS square
  FROM p WINDOW e AS (PARTITION BY entity)),
d AS (
  SELECT *, sqrt(greatest(0.0, square - mean * mean)) AS deviation FROM m),
z AS (
  SELECT * EXCLUDE (deviation), deviation < 1e-6 AS degenerate,
    CASE WHEN deviation < 1e-6 THEN {sigma} ELSE deviation END AS sigma
  FROM d)
SELECT *, (mean - lp) / sigma AS z FROM z
WHERE uses > 0 AND {start} - known >= {learning} AND lp < mean - {threshold} * sigma
  AND past < {maxP} * total AND NOT coalesce(before - known >= {learning}, false))`

// Query implements Detector.
func (f *Rare) Query(r Run) Query {
	v := f.terms(r)
	v["isSomebody"] = sqltext.NotNull(texts(f.Entity), r.EntityType)
	v["isSaid"] = sqltext.Present(texts(f.Values)) + sqltext.Fill(" AND {value} IS NOT NULL", v)
	v["once"], v["sigma"] = sqltext.Interval(f.Once), rareSigma
	v["smoothing"], v["threshold"], v["maxP"] = sqltext.Num(f.Smoothing), sqltext.Num(f.Threshold), sqltext.Num(f.MaxP)
	start := sqltext.Str(r.Window.Start.UTC().Format("2006-01-02T15:04:05"))
	return Query{Findings: Finding{
		From: sqltext.Fill(rareUses, v),
		Time: "first", Start: sqltext.Instant(r.Window.Start), End: sqltext.Instant(r.Window.End),
		Key:        "concat_ws(chr(31), value, " + start + ")",
		EntityType: sqltext.Str(r.EntityType), Entity: "entity",
		Score: fmt.Sprintf("least(%s, CASE WHEN degenerate THEN %v ELSE 100 END)",
			scoreOver("z / "+sqltext.Num(f.Threshold)), noSpreadCap),
		Observed: "uses", Expected: "past",
		Reason: "{value} is rare for {entity}: {past} of {total} before",
		Vars: map[string]string{"entity": "entity", "value": "value", "past": "past", "total": "total", "uses": "uses",
			"observed": "uses", "expected": "past"},
		Evidence: [][2]string{{"value", "value"}, {"p", "exp(lp)"}, {"past", "past"}, {"total", "total"}, {"kinds", "kinds"},
			{"z", "round(z, 4)"}, {"mean_log_p", "round(mean, 6)"}, {"sigma", "round(sigma, 6)"}, {"degenerate", "degenerate"}},
	}}
}
