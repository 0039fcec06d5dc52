package compile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/detect"
)

// What a run does not work out must not have changed what it finds.

func TestHabitsOfTheSettledAreThoseThatTheSequenceTeaches(t *testing.T) {
	for seed := range 2 {
		b := newBench(t)
		b.exec(signinTable)
		// Of 40 users each is at one to four of seven spots a day, from eight places of which some are near.
		b.exec(fmt.Sprintf(`INSERT INTO lake.signin
			SELECT TIMESTAMPTZ '2026-10-01 00:00:00+00' + to_microseconds((86400000000 * d + hash(%[1]d, u, d, n, 1) %% 86400000000)::BIGINT), 'e' || u || '-' || d || '-' || n,
				{'name': 'u' || u}, {'ip': '10.0.' || s || '.' || u, 'asn': s %% 4, 'lat': p[1], 'long': p[2], 'city': 'city' || s}, 'ua', 'Success'
			FROM (SELECT *, (hash(%[1]d, u, d, n) %% (2 + u %% 3))::INT + if(hash(%[1]d, u, d) %% 23 = 0, 4, 0) AS s,
					[[48.2, 16.4], [47.1, 15.4], [48.2, 16.4], [-33.9, 151.2], [35.7, 139.7], [48.3, 14.3], [50.1, 14.4], [0, 0]][s + 1] AS p
				FROM range(40) a(u), range(55) b(d), range(4) c(n) WHERE hash(%[1]d, u, d, n, 2) %% 4 < 1 + u %% 4)`, seed))
		travel := travelStep("")
		habits(travel, 3)
		stmts, err := compiled(readStep("rows", "lake.signin", ""),
			travel).Statements(Run{Window: Range{Start: at("2026-11-24 00:00"), End: at("2026-11-25 00:00")}})
		if err != nil {
			t.Fatal(err)
		}
		// Everybody is asked about, whether they travelled or not.
		habits := func(unsettled string) []string {
			for _, s := range stmts {
				b.exec(s.SQL)
				switch {
				case strings.Contains(s.SQL, `TABLE "travel.jumps"`):
					b.exec(`INSERT INTO "travel.jumps" BY NAME SELECT 'u' || u AS entity FROM range(40) t(u)`)
				case strings.Contains(s.SQL, `TABLE "travel.unsettled"`) && unsettled != "":
					b.exec(`CREATE OR REPLACE TEMP TABLE "travel.unsettled" AS ` + unsettled)
				}
			}
			return b.rows(`SELECT entity, known, list_sort(taught)::VARCHAR FROM "travel.habits" ORDER BY 1`)
		}
		some := habits("")
		n := b.rows(`SELECT count(*) FROM "travel.unsettled"`)[0]
		if n == "0" || n == "40" {
			t.Fatalf("seed %d: %s of 40 are unsettled, so that nothing is compared", seed, n)
		}
		expect(t, some, habits(`SELECT DISTINCT entity FROM "travel.spots"`)...)
	}
}

func TestRowsThatNobodyWantsChangeNoFinding(t *testing.T) {
	for seed := range 2 {
		var found [2][]string
		for i, wanted := range []string{"", "coalesce(m0 >= 8, false)"} {
			b := newBench(t)
			b.exec(`CREATE TABLE lake.ev (time TIMESTAMPTZ, event_id VARCHAR, "user" STRUCT(name VARCHAR), v DOUBLE)`)
			// 30 users of whom every tenth is new; each has an hour of its own in which it does more.
			b.exec(fmt.Sprintf(`INSERT INTO lake.ev SELECT TIMESTAMPTZ '2026-10-01 00:10:00+00' + to_hours(h), 'e', {'name': 'u' || u}, (hash(%[1]d, u, h) %% 100)::DOUBLE
				FROM range(30) a(u), range(200) b(h), range(25) c(n)
				WHERE n < hash(%[1]d, u, h, 1) %% if(h %% 24 = u %% 24, 12, 4) + if(h > 190 AND hash(%[1]d, u, h, 2) %% 5 = 0, 12, 0) AND (u %% 10 <> 0 OR h > 190)`, seed))
			base := hourly(seasonHourOfDay, 190*time.Hour)
			base.baseline.measures, base.baseline.wanted = base.baseline.measures[:1], wanted
			c := compiled(readStep("rows", "lake.ev", ""), base,
				zStep(detect.RobustZ{Threshold: 3.5, Direction: detect.Up,
					Deviation: detect.Deviation{AtLeast: []detect.Bound{{Measure: word("n"), Min: 8}}}}))
			for h := range 5 {
				w := Range{Start: at("2026-10-09 00:00").Add(time.Duration(h) * time.Hour),
					End: at("2026-10-09 01:00").Add(time.Duration(h) * time.Hour)}
				refresh := map[string][]Range{"usual": {w}}
				if h == 0 {
					refresh["usual"] = []Range{{Start: at("2026-10-01 00:00"), End: w.End}}
				}
				b.run(c, Run{Window: w, Refresh: refresh})
				found[i] = append(found[i], b.rows(`SELECT * FROM unusual ORDER BY finding_id`)...)
				found[i] = append(found[i], b.rows(c.Learning(Baseline{Step: "usual"}))...)
			}
		}
		if len(found[0]) < 12 {
			t.Fatalf("seed %d: %d findings, so that little is compared", seed, len(found[0])-5)
		}
		if !slices.Equal(found[0], found[1]) {
			expect(t, found[1], found[0]...)
		}
	}
}
