package compile

import (
	"fmt"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/detect"
)

func guessStep(attempts int, window time.Duration) *step {
	return detectorStep("guess", "rows", "",
		&detect.BruteForce{Account: word("account"), Address: word("ip"), Failure: word("true"), Attempts: attempts,
			Window: window})
}

func TestTheLimitsOfARuleDoNotDependOnTheFirst(t *testing.T) {
	for _, attempts := range []int{5, 30, 200} {
		b := newBench(t)
		b.exec(`CREATE TABLE lake.fails AS SELECT TIMESTAMPTZ '2026-11-24 10:00:00+00' + to_seconds(5 * i) AS "time", 'e' AS event_id, 'ada' AS account, '203.0.113.' || i % 40 AS ip FROM range(150) t(i)`)
		c := compiled(readStep("rows", "lake.fails", ""), guessStep(attempts, time.Minute))
		b.run(c, Run{Window: Range{Start: at("2026-11-24 10:00"), End: at("2026-11-24 11:00")}})
		// 150 failures where 100 are the limit: 100 (1 - 2^-1.5).
		expect(t, b.rows("SELECT entity, observed, expected, score FROM guess WHERE evidence->>'rule' = 'many addresses'"),
			"ada|150|100|64.64")
	}
}

func TestOneCampaignIsOneFindingOverManyWindows(t *testing.T) {
	b := newBench(t)
	// Bursts of 40 failures in a minute, every five hours over three days, then
	// three days of peace, then one more.
	b.exec(`CREATE TABLE lake.fails AS SELECT TIMESTAMPTZ '2026-11-20 21:10:00+00' + to_hours(5 * b) + to_seconds(i) AS "time", 'e' AS event_id, 'ada' AS account, 'x' AS ip
		FROM range(40) t(i), (FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (28)) v(b))`)
	c := compiled(readStep("rows", "lake.fails", ""), guessStep(30, 2*time.Minute))
	ids, times := map[string]bool{}, map[string]bool{}
	for h := range 54 {
		start := at("2026-11-20 20:00").Add(time.Duration(h) * 3 * time.Hour)
		b.run(c, Run{Window: Range{Start: start, End: start.Add(3 * time.Hour)}})
		for _, id := range b.rows("SELECT finding_id FROM guess") {
			ids[id] = true
		}
		for _, at := range b.rows(`SELECT "time"::VARCHAR FROM guess`) {
			times[at] = true
		}
	}
	if len(ids) != 2 || len(times) != 2 {
		t.Errorf("%d ids, starts %v", len(ids), times)
	}
}

func TestACampaignLongerThanTheLookBackKeepsItsID(t *testing.T) {
	b := newBench(t)
	b.exec(`CREATE TABLE lake.fails AS SELECT TIMESTAMPTZ '2026-10-02 00:10:00+00' + to_hours(6 * b) + to_seconds(i) AS "time", 'e' AS event_id, 'ada' AS account, 'x' AS ip FROM range(40) t(i), range(120) u(b)`)
	c := compiled(readStep("rows", "lake.fails", ""), guessStep(30, 2*time.Minute))
	ids := map[string]bool{}
	for d := range 30 {
		start := at("2026-10-02 00:00").Add(time.Duration(d) * day)
		b.run(c, Run{Window: Range{Start: start, End: start.Add(time.Hour)}})
		for _, id := range b.rows("SELECT finding_id FROM guess") {
			ids[id] = true
		}
	}
	if len(ids) != 2 { // while its beginning is seen, and after that
		t.Error(fmt.Sprint(len(ids), " ids"))
	}
}
