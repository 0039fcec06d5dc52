package compile

import (
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/detect"
)

// crowd fills lake.ev with n events of 5,000 users over 28 days and an hour.
func (b *bench) crowd(n int) {
	b.exec(`CREATE TABLE lake.ev AS SELECT TIMESTAMPTZ '2026-11-01 00:00:00+00' + to_microseconds((i::DOUBLE * (28 * 24 + 1) * 3600000000 / ?)::BIGINT) AS time, 'e' || i AS event_id,
  {'name': 'user' || (hash(i) % 5000)} AS "user", 1.0 AS v, CASE WHEN hash(i + 1) % 20 = 0 THEN 'Failure' ELSE 'Success' END AS status, '10.0.' || (hash(i + 2) % 200) AS ip FROM range(?) t(i)`, n, n)
}

// handwritten is the best SQL that we know for the first run's answer.
const handwritten = `CREATE OR REPLACE TEMP TABLE hand AS
WITH agg AS (SELECT "user".name AS u, epoch_us(time) // 3600000000 AS h, count(*) AS n FROM lake.ev WHERE status = 'Failure' AND time >= TIMESTAMPTZ '2026-11-01 00:00:00+00' AND time < TIMESTAMPTZ '2026-11-29 01:00:00+00' GROUP BY 1, 2),
last AS (SELECT max(h) AS w FROM agg),
seen AS (SELECT u, min(h) AS f FROM agg WHERE h < (SELECT w FROM last) GROUP BY 1),
obs AS (SELECT u, n FROM agg WHERE h = (SELECT w FROM last)),
grid AS (SELECT obs.u, obs.n AS x, (SELECT w FROM last) - 168 * k AS h FROM obs, range(1, 5) t(k)),
vals AS (SELECT g.u, g.x, coalesce(a.n, 0)::DOUBLE AS n FROM grid g JOIN seen s ON s.u = g.u AND g.h >= s.f LEFT JOIN agg a ON a.u = g.u AND a.h = g.h)
SELECT u, x, median(n) AS med, mad(n) AS mad, avg(n) AS mean FROM vals GROUP BY 1, 2`

func benchSteps() *Compiled {
	base := hourly(seasonHourOfWeek, 28*day)
	base.baseline.measures = base.baseline.measures[:1]
	return compiled(readStep("rows", "lake.ev", "status = 'Failure'"), base,
		zStep(detect.RobustZ{Threshold: 4, Direction: detect.Up, Deviation: detect.Deviation{MinDelta: 5}}))
}

// BenchmarkBaseline compares the first run over 28 days, the next hourly run,
// and the same by hand.
func BenchmarkBaseline(b *testing.B) {
	const n = 4_000_000
	x := newBench(b)
	x.exec("SET threads = 2")
	x.crowd(n)
	c := benchSteps()
	w := Range{Start: at("2026-11-29 00:00"), End: at("2026-11-29 01:00")}
	start := Range{Start: at("2026-11-01 00:00"), End: w.End}
	timed := func(f func()) float64 {
		t := time.Now()
		f()
		return time.Since(t).Seconds()
	}
	for b.Loop() {
		hand := timed(func() { x.exec(handwritten) })
		first := timed(func() { x.run(c, Run{Window: w, Refresh: map[string][]Range{"usual": {start}}}) })
		next := timed(func() { x.run(c, Run{Window: w, Refresh: map[string][]Range{"usual": {w}}}) })
		b.ReportMetric(first/hand, "first/hand")
		b.ReportMetric(next/first, "next/first")
		b.ReportMetric(first, "first_s")
	}
}
