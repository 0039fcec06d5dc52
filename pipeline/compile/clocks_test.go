package compile

import (
	"fmt"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/detect"
)

func TestSeasonsInUTCKnowWhichClocksChanged(t *testing.T) {
	f := hourly(seasonHourOfWeek, 28*day).baseline
	for _, c := range []struct{ from, to, want string }{
		{"2026-10-20 00:00", "2026-10-24 00:00", "[]"},
		{"2026-10-20 00:00", "2026-10-26 00:00", "[1]"},  // Europe: back
		{"2026-03-10 00:00", "2026-03-30 00:00", "[-1]"}, // Europe: forward
		{"2026-03-20 00:00", "2026-04-08 00:00", "[-1 1]"},
		{"2026-04-20 00:00", "2026-04-27 00:00", "[-1]"}, // Egypt: forward
		{"2026-02-10 00:00", "2026-02-20 00:00", "[1]"},  // Morocco: back, for Ramadan
	} {
		if got := fmt.Sprint(f.clockShifts(Range{Start: at(c.from), End: at(c.to)})); got != c.want {
			t.Errorf("%s to %s: %s", c.from, c.to, got)
		}
	}
	f.bucket = 15 * time.Minute
	// Lord Howe: half an hour
	if got := fmt.Sprint(f.clockShifts(Range{Start: at("2026-04-01 00:00"),
		End: at("2026-04-06 00:00")})); got != "[2 4]" {
		t.Errorf("of a quarter of an hour: %s", got)
	}
	f.zone = "Europe/Vienna"
	if got := f.clockShifts(Range{Start: at("2026-10-20 00:00"), End: at("2026-10-26 00:00")}); got != nil {
		t.Errorf("with a zone: %v", got)
	}
}

func TestARoutineThatTheClocksMovedIsUsual(t *testing.T) {
	b := newBench(t)
	// Every Monday at eight in Vienna, over 2026-10-25; eve at nine on that Monday alone.
	b.exec(`CREATE TABLE lake.ev AS SELECT "time", 'e' AS event_id, {'name': who} AS "user", 1.0 AS v FROM (
		SELECT TIMESTAMPTZ '2026-09-28 06:10:00+00' + to_days(7 * w) + to_seconds(i) AS "time", 'ada' AS who FROM range(4) t(w), range(12) u(i)
		UNION ALL SELECT TIMESTAMPTZ '2026-10-26 07:10:00+00' + to_seconds(i), who FROM range(12) u(i), (VALUES ('ada'), ('eve')) v(who)
		UNION ALL SELECT TIMESTAMPTZ '2026-09-28 05:10:00+00' + to_days(7 * w), 'eve' FROM range(4) t(w))`)
	c := compiled(readStep("rows", "lake.ev", ""), hourly(seasonHourOfWeek, 28*day),
		zStep(detect.RobustZ{Threshold: 4, Direction: detect.Up,
			Deviation: detect.Deviation{MinDelta: 10, Measures: words("n")}}))
	w := at("2026-10-26 07:00")
	b.run(c, Run{Window: Range{Start: w, End: w.Add(time.Hour)}, Stateless: true})
	expect(t, b.rows(`SELECT entity FROM unusual`), "eve")
}
