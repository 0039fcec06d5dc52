package compile

import (
	"testing"
	"time"
)

func riskSteps(method string) []*step {
	return []*step{
		{name: "found", kind: kindRead, read: &readForm{table: "analytics.findings", timed: true, window: 14 * day}},
		{name: "risk", kind: kindRisk, of: []string{"found"},
			risk: &riskForm{of: []string{"found"}, entity: "entity", halfLife: 7 * day, method: method, lookback: 14 * day,
				critical: &criticalForm{"lake.identity", "user.name", "criticality"}}},
	}
}

func (b *bench) findings() {
	b.exec(`CREATE TABLE analytics.findings (finding_id VARCHAR, time TIMESTAMPTZ, window_start TIMESTAMPTZ, window_end TIMESTAMPTZ, entity_type VARCHAR, entity VARCHAR,
  detector VARCHAR, score DOUBLE, reason VARCHAR, technique VARCHAR, pipeline VARCHAR)`)
	b.exec(`CREATE TABLE lake.identity ("user" STRUCT(name VARCHAR), criticality VARCHAR)`)
	b.exec(`INSERT INTO lake.identity VALUES ({'name': 'ada'}, 'extreme')`)
}

func (b *bench) finding(id, entity string, end time.Time, score float64) {
	b.exec(`INSERT INTO analytics.findings SELECT ?, ?::TIMESTAMPTZ - INTERVAL 1 hour, ?::TIMESTAMPTZ - INTERVAL 1 hour, ?::TIMESTAMPTZ, 'user', ?, 'spray', ?, 'because ' || ?, 'T1110', 'p' || ?`,
		id, end, end, end, entity, score, id, id)
}

func TestRiskMatchesElasticsPublishedExample(t *testing.T) {
	b := newBench(t)
	b.findings()
	end := at("2026-11-10 00:00")
	for i, s := range []float64{21, 70, 21, 45, 21} {
		b.finding(string(rune('a'+i)), "ada", end, s)
	}
	b.finding("z", "ada", end, 0) // nothing
	c := compiled(riskSteps("rank")...)
	b.run(c, Run{ID: "r", Window: Range{Start: at("2026-11-09 00:00"), End: end}})
	// S = 70 + 45/2^1.5 + 21 (3^-1.5 + 4^-1.5 + 5^-1.5) = 94.4554; / 2.5924 = 36.4355; extreme: 53.41.
	expect(t, b.rows(`SELECT entity, entity_type, round(observed, 2), score, level, criticality, modifier, inputs FROM risk`), "ada|user|36.44|53.41|moderate|extreme|2|5")
	// Without the 70: (45 + 21 (2^-1.5 + 3^-1.5 + 4^-1.5)) / 2.5924 = 22.794: 37.13 is low.
	expect(t, b.rows(`SELECT evidence->'contributions'->0->>'score', evidence->'contributions'->0->>'score_without', evidence->'contributions'->0->>'level_without',
  evidence->'contributions'->0->>'contribution', evidence->'contributions'->1->>'level_without', evidence->>'level_depends_on' FROM risk`),
		"70.0|37.13|low|27.002|moderate|[\"b\"]")
}

func TestRiskDecaysAndEndsAtZero(t *testing.T) {
	b := newBench(t)
	b.findings()
	b.finding("a", "ada", at("2026-11-03 00:00"), 80)
	b.finding("b", "bob", at("2026-10-20 00:00"), 80)
	c := compiled(riskSteps("sum")...)
	b.run(c, Run{Window: Range{Start: at("2026-11-09 00:00"), End: at("2026-11-10 00:00")}})
	expect(t, b.rows(`SELECT entity, score, inputs FROM risk ORDER BY 1`), "ada|80|1", "bob|0|0") // 80 / 2 * extreme
	c = compiled(riskSteps("max_plus")...)
	b.finding("c", "ada", at("2026-11-10 00:00"), 20)
	b.run(c, Run{Window: Range{Start: at("2026-11-09 00:00"), End: at("2026-11-10 00:00")}})
	expect(t, b.rows(`SELECT entity, observed FROM risk WHERE entity = 'ada'`), "ada|44")
}

func TestRiskCountsEachFirstUseOfAWindowAndOnePersonOnce(t *testing.T) {
	b := newBench(t)
	b.findings()
	end := at("2026-11-10 00:00")
	for i, who := range []string{"Ada", "ADA ", "ada", "n/a"} {
		b.exec(`INSERT INTO analytics.findings SELECT 'f' || ?, ?::TIMESTAMPTZ - INTERVAL 1 hour, ?::TIMESTAMPTZ - INTERVAL 1 hour, ?::TIMESTAMPTZ, 'user', ?, 'first_seen', 50, 'new', NULL, 'p'`, i, end, end, end, who)
	}
	steps := riskSteps("rank")
	steps[1].risk.watch = &watchForm{[]string{" ADA"}, 1.5}
	b.run(compiled(steps...), Run{ID: "r", Window: Range{Start: at("2026-11-09 00:00"), End: end}})
	// N = 50 (1 + 2^-1.5 + 3^-1.5) / 2.5924 = 29.818; extreme and watched: odds tripled.
	expect(t, b.rows(`SELECT entity, inputs, round(observed, 3), modifier, score FROM risk`), "ada|3|29.818|3|56.04")
}
