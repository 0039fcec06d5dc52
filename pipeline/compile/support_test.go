package compile

import (
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/detect"
)

func TestOnlyCountsAndSumsAreZeroOverNoRows(t *testing.T) {
	for expr, want := range map[string]bool{
		"count(*)": true, "sum(v)": true, "COUNT(DISTINCT a.b)": true, "count(*) FILTER (status = 'a)')": true,
		"sum(a * (b + 1)) - sum(c)": true,
		"sum(bytes) / 1024":         true, "2 * count(*)": true, "count(*)::DOUBLE": true,
		"avg(v)": false, "max(v)": false, "count(*) + 1": false, "sum(a) / count(*)": false,
		"count(*) FILTER (status = 'F') / count(*) FILTER (status = 'S')": false, "count(": false,
	} {
		if additive(expr) != want {
			t.Errorf("%s: %t", expr, !want)
		}
	}
}

func TestAnAverageIsSupportedByTheValuesThatWereSeen(t *testing.T) {
	b := newBench(t)
	// eve has one value in ten hours; ada and bob have one in each.
	b.exec(`CREATE TABLE lake.ev (time TIMESTAMPTZ, event_id VARCHAR, "user" STRUCT(name VARCHAR), v DOUBLE)`)
	b.exec(`INSERT INTO lake.ev VALUES ('2026-11-02 00:10:00+00', 'e', {'name': 'eve'}, 5), ('2026-11-02 10:10:00+00', 'e', {'name': 'eve'}, 6)`)
	b.exec(`INSERT INTO lake.ev SELECT TIMESTAMPTZ '2026-11-02 00:10:00+00' + to_hours(i), 'e', {'name': who}, 100 + i FROM range(11) t(i), (VALUES ('ada'), ('bob')) u(who)`)
	c := compiled(readStep("rows", "lake.ev", ""), hourly(seasonNone, 10*time.Hour))
	b.run(c, Run{Window: Range{Start: at("2026-11-02 10:00"), End: at("2026-11-02 11:00")}, Stateless: true})
	expect(t, b.rows(`SELECT entity, n_level, n_support, n_median, mx_level, mx_support, mx_own, mx_median FROM usual ORDER BY 1`),
		"ada|season|10|1|season|10|10|104.5",
		"bob|season|10|1|season|10|10|104.5",
		"eve|season|10|0|peers|20|1|104.5")
}

func TestSumsMayBeNegative(t *testing.T) {
	b := newBench(t)
	// Ten hours: -8 -2 0 0 0 0 3 5 and twice nothing, so sorted -8 -2 0 0 0 0 0 0 3 5.
	b.exec(`CREATE TABLE lake.ev AS SELECT TIMESTAMPTZ '2026-11-02 00:10:00+00' + to_hours(h) AS "time", 'e' AS event_id, {'name': 'eve'} AS "user", v::DOUBLE AS v
		FROM (VALUES (0, -8), (1, 5), (3, -2), (5, 3), (10, -40)) t(h, v)`)
	s := hourly(seasonNone, 10*time.Hour)
	s.baseline.measures = []measure{{name: "v", expr: "sum(v)", fill: true, none: true}}
	c := compiled(readStep("rows", "lake.ev", ""), s, zStep(detect.RobustZ{Threshold: 3.5, Direction: detect.Both}))
	b.run(c, Run{Window: Range{Start: at("2026-11-02 10:00"), End: at("2026-11-02 11:00")}, Stateless: true})
	// p10 at index 0.9: -8 + 0.9 * 6; p90 at 8.1: 3 + 0.1 * 2; mean|x| 1.8; sd by n - 1: sqrt((102 - 10 * 0.04) / 9).
	expect(t, b.rows(`SELECT v_median, v_mad, v_aad, round(v_mean, 6), round(v_sd, 6), round(v_p10, 6), round(v_p90, 6) FROM usual`), "0|0|1.8|-0.2|3.359894|-2.6|3.2")
	expect(t, b.rows(`SELECT observed, round((evidence->>'z')::DOUBLE, 4) FROM unusual`), "-40|-17.7308")
}

func TestSilenceIsAValue(t *testing.T) {
	b := newBench(t)
	// dead stopped; dim whispers; gone was last seen 15 days ago; new has too short a past.
	b.exec(`CREATE TABLE lake.ev AS SELECT TIMESTAMPTZ '2026-11-01 00:00:00+00' + to_hours(h) + to_seconds(i) AS "time", 'e' AS event_id, {'name': who} AS "user", 1.0 AS v
		FROM range(600) t(h), range(13) u(i), (VALUES ('dead', 0, 600), ('dim', 0, 600), ('gone', 0, 239), ('new', 598, 600)) w(who, lo, hi) WHERE h >= lo AND h < hi AND i < 9 + h % 5`)
	b.exec(`INSERT INTO lake.ev VALUES ('2026-11-26 00:10:00+00', 'e', {'name': 'dim'}, 1)`)
	for _, direction := range []string{"down", "both"} {
		s := hourly(seasonNone, 40*day)
		s.baseline.absence = true
		for i := range s.baseline.measures {
			s.baseline.measures[i].none = s.baseline.measures[i].fill
		}
		c := compiled(readStep("rows", "lake.ev", ""), s,
			zStep(detect.RobustZ{Threshold: 3.5, Direction: detect.Direction(direction),
				Deviation: detect.Deviation{Measures: words("n")}}))
		b.run(c, Run{Window: Range{Start: at("2026-11-26 00:00"), End: at("2026-11-26 01:00")}, Stateless: true})
		expect(t, b.rows(`SELECT entity, observed, expected FROM unusual ORDER BY 1`), "dead|0|11", "dim|1|11")
	}
}

func TestAnHourOfFloodingInNarrowBucketsTeachesNothing(t *testing.T) {
	b := newBench(t)
	b.exec(`CREATE TABLE state.main.flagged AS SELECT 'eve' AS entity, (epoch_us(TIMESTAMPTZ '2026-11-02 09:00:00+00') // 300000000) + i AS bucket FROM range(12) t(i)`)
	f := hourly(seasonHourOfDay, 28*day).baseline
	f.bucket = 5 * time.Minute
	hist := Range{Start: at("2026-11-01 00:00"), End: at("2026-11-20 00:00")}
	skipped := func() []string {
		return b.rows("SELECT count(*) FROM (" + f.skipSQL("state.main.flagged", hist) + ")")
	}
	expect(t, skipped(), "12")
	b.exec(`INSERT INTO state.main.flagged SELECT 'eve', (epoch_us(TIMESTAMPTZ '2026-11-03 09:00:00+00' + to_days(d)) // 300000000) FROM range(2) t(d)`)
	expect(t, skipped(), "14")
	// On the fourth day the hour is a routine.
	b.exec(`INSERT INTO state.main.flagged SELECT 'eve', (epoch_us(TIMESTAMPTZ '2026-11-05 09:00:00+00') // 300000000)`)
	expect(t, skipped(), "0")
}
