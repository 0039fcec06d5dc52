package compile

import (
	"fmt"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/detect"
	"github.com/lakeward/lakeward/pipeline/sqltext"
)

func hourly(season season, history time.Duration) *step {
	return &step{name: "usual", kind: kindBaseline, of: []string{"rows"}, baseline: &baselineForm{
		of: "rows", entity: []string{"user.name"}, bucket: time.Hour, season: season, history: history,
		measures:   []measure{{"n", "count(*)", true, true}, {"mx", "max(v)", false, false}},
		minSupport: 4, zeroFill: true, skipFlagged: true,
	}}
}

const day = sqltext.Day

func zStep(z detect.RobustZ) *step { return detectorStep("unusual", "usual", "", &z) }

// events makes lake.ev; each item is user, time, how many, v.
func (b *bench) events(items ...[4]any) {
	b.exec(`CREATE TABLE lake.ev (time TIMESTAMPTZ, event_id VARCHAR, "user" STRUCT(name VARCHAR), v DOUBLE)`)
	for _, it := range items {
		b.exec(fmt.Sprintf("INSERT INTO lake.ev SELECT TIMESTAMPTZ '%s+00', 'e' || i, {'name': '%s'}, %v FROM range(%v) "+
			"t(i)", it[1], it[0], it[3], it[2]))
	}
}

func TestBaselineFillsZerosOnlySinceFirstSeenAndFindsMedianAndMAD(t *testing.T) {
	b := newBench(t)
	// Ten hours of history. ada is first seen in hour 3: 7 values
	// 4 0 2 0 6 1 3 -> sorted 0 0 1 2 3 4 6: median 2, |x-2| = 2 2 1 0 1 2 4 -> MAD 2.
	b.events(
		[4]any{"ada", "2026-11-02 03:10:00", 4, 1}, [4]any{"ada", "2026-11-02 05:10:00", 2, 7},
		[4]any{"ada", "2026-11-02 07:00:00", 6, 2}, [4]any{"ada", "2026-11-02 08:59:59", 1, 3},
		[4]any{"ada", "2026-11-02 09:00:00", 3, 4}, [4]any{"ada", "2026-11-02 10:30:00", 9, 5})
	c := compiled(readStep("rows", "lake.ev", ""), hourly(seasonNone, 10*time.Hour))
	win := Range{Start: at("2026-11-02 10:00"), End: at("2026-11-02 11:00")}
	q := `SELECT entity, level, support, own, n, n_median, n_mad, round(n_aad, 6), round(n_mean, 6), n_p10, round(n_p90, 6), mx, mx_median, epoch(bucket)::BIGINT % 86400 FROM usual`
	// aad = (2+2+1+0+1+2+4)/7; mean = 16/7; p10 at index 0.6: 0; p90 at 5.4: 4 + 0.4*2
	want := "ada|all hours|7|7|9|2|2|1.714286|2.285714|0|4.8|5|3|36000"
	want = "ada|season" + want[len("ada|all hours"):]
	b.run(c, Run{Window: win, Stateless: true})
	expect(t, b.rows(q), want)
	b.run(c, Run{Window: win, Refresh: map[string][]Range{"usual": {{Start: at("2026-11-02 00:00"), End: win.End}}}})
	expect(t, b.rows(q), want)
	// A second run refreshes nothing and says the same.
	b.run(c, Run{Window: win})
	expect(t, b.rows(q), want)
}

func TestBaselineTakesMedianZeroWhenMostBucketsAreEmpty(t *testing.T) {
	b := newBench(t)
	// First seen in hour 0: ten values, seven of them zero; 5 10 20 else.
	b.events([4]any{"bob", "2026-11-02 00:10:00", 5, 1}, [4]any{"bob", "2026-11-02 04:10:00", 10, 1},
		[4]any{"bob", "2026-11-02 05:10:00", 20, 1},
		[4]any{"bob", "2026-11-02 10:10:00", 30, 1})
	c := compiled(readStep("rows", "lake.ev", ""), hourly(seasonNone, 10*time.Hour),
		zStep(detect.RobustZ{Threshold: 3.5, Direction: detect.Up, Deviation: detect.Deviation{MinDelta: 1}}))
	b.run(c, Run{ID: "r1", Window: Range{Start: at("2026-11-02 10:00"), End: at("2026-11-02 11:00")}, Stateless: true})
	// mean|x - 0| = 3.5; p90 at index 8.1: 10 + 0.1 * 10
	expect(t, b.rows(`SELECT n_median, n_mad, n_aad, round(n_p90, 6) FROM usual`), "0|0|3.5|11")
	// z = 30 / (1.253314 * 3.5) = 6.839; no spread of its own: at most 89.
	expect(t, b.rows(`SELECT entity, observed, expected, round((evidence->>'z')::DOUBLE, 4), severity, evidence->>'degenerate', run_id FROM unusual`),
		"bob|30|0|6.839|high|false|r1")
}

func TestBaselineFallsBackFromSlotToHourToAllToPeersToLearning(t *testing.T) {
	b := newBench(t)
	b.exec(`CREATE TABLE lake.ev (time TIMESTAMPTZ, event_id VARCHAR, "user" STRUCT(name VARCHAR), v DOUBLE)`)
	// Window: Monday 2026-11-30 09:00. slot: five Mondays; hour: four weekdays
	// of the last week; all: since six hours; peers: nobody before; fresh: two hours.
	b.exec(`INSERT INTO lake.ev SELECT TIMESTAMPTZ '2026-10-26 09:30:00+00' + to_hours(168 * i), 'x', {'name': 'slot'}, 1 FROM range(6) t(i)`)
	b.exec(`INSERT INTO lake.ev SELECT TIMESTAMPTZ '2026-11-24 09:30:00+00' + to_hours(24 * i), 'x', {'name': 'hour'}, 1 FROM range(7) t(i)`)
	b.exec(`INSERT INTO lake.ev SELECT TIMESTAMPTZ '2026-11-30 03:30:00+00' + to_hours(i), 'x', {'name': 'all'}, 1 FROM range(7) t(i)`)
	b.exec(`INSERT INTO lake.ev VALUES ('2026-11-30 09:30:00+00', 'x', {'name': 'peerless'}, 1), ('2026-11-30 09:31:00+00', 'x', {'name': 'fresh'}, 1), ('2026-11-30 07:31:00+00', 'x', {'name': 'fresh'}, 1)`)
	c := compiled(readStep("rows", "lake.ev", ""), hourly(seasonHourOfWeek, 35*24*time.Hour))
	b.run(c, Run{Window: Range{Start: at("2026-11-30 09:00"), End: at("2026-11-30 10:00")}, Stateless: true})
	expect(t, b.rows(`SELECT entity, level, support, own FROM usual ORDER BY entity`),
		"all|all hours|6|6",
		"fresh|peers|5|2", // peers in this slot since they were seen: slot 5; hour and all only later
		"hour|hour of day|4|144",
		"peerless|peers|5|0",
		"slot|season|5|840")
}

func TestFlaggedWindowsAreLeftOutOfLaterFits(t *testing.T) {
	b := newBench(t)
	for _, v := range [][4]any{{"eve", "2026-11-02 00:10:00", 5, 1}, {"eve", "2026-11-02 01:10:00", 6, 1},
		{"eve", "2026-11-02 02:10:00", 7, 1}, {"eve", "2026-11-02 03:10:00", 6, 1},
		{"eve", "2026-11-02 04:10:00", 500, 1}, {"eve", "2026-11-02 05:10:00", 500, 1}} {
		if v[1] == "2026-11-02 00:10:00" {
			b.events(v)
			continue
		}
		b.exec(fmt.Sprintf("INSERT INTO lake.ev SELECT TIMESTAMPTZ '%s+00', 'e', {'name': 'eve'}, 1 FROM range(%v)", v[1],
			v[2]))
	}
	c := compiled(readStep("rows", "lake.ev", ""), hourly(seasonNone, 24*time.Hour),
		zStep(detect.RobustZ{Threshold: 3.5, Direction: detect.Up, Deviation: detect.Deviation{MinDelta: 1}}))
	h4, h5 := Range{Start: at("2026-11-02 04:00"), End: at("2026-11-02 05:00")},
		Range{Start: at("2026-11-02 05:00"), End: at("2026-11-02 06:00")}
	b.run(c, Run{Window: h4, Refresh: map[string][]Range{"usual": {{Start: at("2026-11-02 00:00"), End: h4.End}}}})
	expect(t, b.rows(`SELECT entity, observed, expected FROM unusual`), "eve|500|6")
	b.run(c, Run{Window: h5, Refresh: map[string][]Range{"usual": {h5}}})
	expect(t, b.rows(`SELECT u.support, n_median, (SELECT count(*) FROM unusual) FROM usual u`), "4|6|1")
	b.run(c, Run{Window: h5, Refresh: map[string][]Range{"usual": {h5}}})
	expect(t, b.rows(`SELECT count(*) FROM state.main.bl_k_usual_flagged`), "2")
}

func TestRobustZWithoutAnySpreadNeedsMinDeltaAndSaysDegenerate(t *testing.T) {
	for _, tc := range []struct {
		delta float64
		want  []string
	}{{0, nil}, {20, nil}, {5, []string{"true|null|medium"}}} {
		b := newBench(t)
		b.exec(`CREATE TABLE lake.ev (time TIMESTAMPTZ, event_id VARCHAR, "user" STRUCT(name VARCHAR), v DOUBLE)`)
		b.exec(`INSERT INTO lake.ev SELECT TIMESTAMPTZ '2026-11-02 00:10:00+00' + to_hours(i % 6), 'x', {'name': 'eve'}, 1 FROM range(12) t(i)`)
		b.exec(`INSERT INTO lake.ev SELECT TIMESTAMPTZ '2026-11-02 06:10:00+00', 'x', {'name': 'eve'}, 1 FROM range(10)`)
		c := compiled(readStep("rows", "lake.ev", ""), hourly(seasonNone, 6*time.Hour),
			zStep(detect.RobustZ{Threshold: 3.5, Direction: detect.Up,
				Deviation: detect.Deviation{MinDelta: tc.delta, Measures: words("n")}}))
		b.run(c, Run{Window: Range{Start: at("2026-11-02 06:00"), End: at("2026-11-02 07:00")}, Stateless: true})
		expect(t, b.rows(`SELECT evidence->>'degenerate', coalesce(evidence->>'z', 'null'), severity FROM unusual`),
			tc.want...)
	}
}
