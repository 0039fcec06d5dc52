package compile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/detect"
	"github.com/lakeward/lakeward/pipeline/spec"
)

const signinTable = `CREATE TABLE lake.signin (time TIMESTAMPTZ, event_id VARCHAR, "user" STRUCT(name VARCHAR),
  src_endpoint STRUCT(ip VARCHAR, asn BIGINT, lat DOUBLE, long DOUBLE, city VARCHAR), ua VARCHAR, status VARCHAR)`

// signin adds one event; places are lat, lon, city.
func (b *bench) signin(when, user, ip string, asn int, place [3]any, ua, status string) {
	b.exec(fmt.Sprintf(`INSERT INTO lake.signin SELECT TIMESTAMPTZ '%s+00', 'e' || (SELECT count(*) FROM lake.signin), {'name': '%s'},
  {'ip': '%s', 'asn': %d, 'lat': %v, 'long': %v, 'city': '%v'}, '%s', '%s'`, when, user, ip, asn, place[0], place[1], place[2], ua, status))
}

var (
	vienna = [3]any{48.2082, 16.3738, "Vienna"}
	sydney = [3]any{-33.8688, 151.2093, "Sydney"}
	graz   = [3]any{47.0707, 15.4395, "Graz"}
	tokyo  = [3]any{35.6762, 139.6503, "Tokyo"}
)

func travelStep(familiar string) *step {
	return detectorStep("travel", "rows", "T1078", &detect.Travel{Entity: words("user.name"),
		Lat: word("src_endpoint.lat"), Lon: word("src_endpoint.long"), Address: word("src_endpoint.ip"),
		Place:   word("src_endpoint.city"),
		Success: word("status = 'Success'"), Familiar: word(familiar), SpeedKmh: 800, DistanceKm: 500})
}

// travelOf are the options of a step of travelStep.
func travelOf(s *step) *detect.Travel { return s.anomaly.detector.(*detect.Travel) }

// detectorStep is an anomaly step about users.
func detectorStep(name, of, technique string, d detect.Detector) *step {
	return &step{name: name, kind: kindAnomaly, of: []string{of},
		anomaly: &anomaly{of: of, entityType: "user", technique: technique, detector: d}}
}

func word(s string) spec.Text { return spec.Text{Value: s} }

func words(s ...string) []spec.Text {
	var out []spec.Text
	for _, x := range s {
		out = append(out, word(x))
	}
	return out
}

func TestTravelRaisesTheImpossibleJumpOnceADay(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	for _, e := range [][3]any{{"08:00", vienna, "1.1.1.1"}, {"09:00", sydney, "2.2.2.2"}, {"09:30", vienna, "1.1.1.1"},
		{"10:30", graz, "3.3.3.3"}} {
		b.signin(fmt.Sprintf("2026-11-02 %s:00", e[0]), "ada", e[2].(string), 1, e[1].([3]any), "ua", "Success")
	}
	// bob's failure abroad is not a sign-in, and his flight leaves time enough.
	b.signin("2026-11-02 08:00:00", "bob", "1.1.1.2", 1, vienna, "ua", "Success")
	b.signin("2026-11-02 08:10:00", "bob", "9.9.9.9", 1, tokyo, "ua", "Failure")
	b.signin("2026-11-02 21:00:00", "bob", "2.2.2.3", 1, tokyo, "ua", "Success")
	c := compiled(readStep("rows", "lake.signin", ""), travelStep(""))
	q := `SELECT entity, entity_type, round(observed), evidence->>'km', evidence->>'jumps', evidence->>'from', evidence->>'to', technique, evidence->>'event_ids', reason FROM travel`
	b.run(c, Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
	// Vienna to Sydney is 15,976 km by haversine; half an hour later back again.
	expect(t, b.rows(q), `ada|user|31951|15975.7|2|Sydney|Vienna|T1078|["e1","e2"]|ada signed in from Sydney and then Vienna, 15976 km apart, within 0.5 h (31951 km/h)`)
	ids := b.rows("SELECT finding_id FROM travel")
	b.run(c, Run{Window: Range{Start: at("2026-11-02 09:00"), End: at("2026-11-02 10:00")}})
	expect(t, b.rows("SELECT finding_id FROM travel"), ids...)
	b.run(c, Run{Window: Range{Start: at("2026-11-02 10:00"), End: at("2026-11-02 11:00")}})
	expect(t, b.rows("SELECT count(*) FROM travel"), "0")
}

func TestTravelByAFamiliarNetworkIsInformationAndNoAnchor(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	b.signin("2026-11-02 08:00:00", "ada", "1.1.1.1", 1, vienna, "ua", "Success")
	b.signin("2026-11-02 08:30:00", "ada", "5.5.5.5", 66, sydney, "ua", "Success")
	b.signin("2026-11-02 09:00:00", "ada", "1.1.1.1", 1, vienna, "ua", "Success")
	c := compiled(readStep("rows", "lake.signin", ""), travelStep("src_endpoint.asn = 66"))
	b.run(c, Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
	expect(t, b.rows("SELECT entity, severity, evidence->>'jumps' FROM travel"), "ada|informational|1")
}

func TestTravelByAnAllowedNetworkIsInformation(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	b.exec(`CREATE TABLE lake.network (number VARCHAR, name VARCHAR)`)
	b.exec(`INSERT INTO lake.network VALUES (' 66 ', 'our VPN'), ('0', 'nobody'), (NULL, 'unknown')`)
	for i, asn := range []int{66, 67, 0} {
		who := fmt.Sprint("u", i)
		b.signin("2026-11-02 08:00:00", who, "1.1.1.1", 1, vienna, "ua", "Success")
		b.signin("2026-11-02 08:30:00", who, "5.5.5.5", asn, sydney, "ua", "Success")
	}
	travel := travelStep("")
	habits(travel, 0)
	travelOf(travel).Allowed = &detect.Allowed{Table: word("lake.network"), Key: word("number")}
	b.run(compiled(readStep("rows", "lake.signin", ""), travel),
		Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
	expect(t, b.rows("SELECT entity, severity, evidence->>'lowered_because' FROM travel ORDER BY 1"),
		"u0|informational|allowed network", "u1|high|(null)", "u2|high|(null)")
}

func sprayStep(known bool) *step {
	return detectorStep("spray", "rows", "", &detect.Spray{
		Account: word("user.name"), Success: word("status = 'Success'"), Failure: word("status = 'Failure'"),
		Sources: []detect.Origin{{Type: word("ip"), Expr: word("src_endpoint.ip")},
			{Type: word("asn"), Expr: word("src_endpoint.asn")}, {Type: word("user_agent"), Expr: word("ua")}},
		Lookback: 30 * day, MinUsers: 10, AttemptsPerUser: 5, MinDays: 3, MinScore: 0.6, KnownAccounts: known,
		Short: detect.Burst{Users: 15, Attempts: 15, Window: 30 * time.Minute},
	})
}

func TestSprayFindsTheUserAgentBehindManyAddresses(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	// Twelve accounts at home, where two mistype; then one try each from twelve
	// addresses and networks over four days by one user agent.
	for i := range 12 {
		u := fmt.Sprintf("u%02d", i)
		b.signin("2026-10-20 08:00:00", u, "10.0.0.1", 1, vienna, "browser", "Success")
		b.signin("2026-11-02 08:00:00", u, "10.0.0.1", 1, vienna, "browser", "Failure")
		b.signin("2026-11-02 08:00:09", u, "10.0.0.1", 1, vienna, "browser", "Success")
		b.signin(fmt.Sprintf("2026-11-%02d 1%d:00:00", 3+i%4, i%10), u, fmt.Sprintf("9.9.9.%d", i), 100+i, tokyo, "curl",
			"Failure")
	}
	c := compiled(readStep("rows", "lake.signin", ""), sprayStep(true))
	b.run(c, Run{Window: Range{Start: at("2026-11-06 00:00"), End: at("2026-11-07 00:00")}})
	// U = ln 13 / ln 51 = 0.65235, H = 1: 0.5 U + 0.2 + 0.3 = 0.82617
	q := "SELECT entity_type, entity, observed, evidence->>'days', evidence->>'low_and_slow', score FROM spray"
	expect(t, b.rows(q), "user_agent|curl|12|4|0.8262|70.23")
	before := b.rows("SELECT finding_id FROM spray")
	b.signin("2026-11-07 09:00:00", "u03", "9.9.9.3", 103, tokyo, "curl", "Success")
	b.signin("2026-11-07 09:30:00", "u04", "9.9.9.3", 103, tokyo, "curl", "Failure")
	b.run(c, Run{Window: Range{Start: at("2026-11-07 00:00"), End: at("2026-11-08 00:00")}})
	expect(t, b.rows("SELECT severity, evidence->>'successes' FROM spray"), "high|1")
	expect(t, b.rows("SELECT finding_id FROM spray"), before...)
	b.run(c, Run{Window: Range{Start: at("2026-11-08 00:00"), End: at("2026-11-09 00:00")}})
	expect(t, b.rows("SELECT count(*) FROM spray"), "0")
}

func TestSprayShortRuleSlidesAcrossTheEdgeOfAnyBin(t *testing.T) {
	for _, tc := range []struct {
		users int
		want  []string
	}{{14, nil}, {15, []string{"ip|6.6.6.6|15|[\"short\"]"}}} {
		b := newBench(t)
		b.exec(signinTable)
		for i := range tc.users {
			b.signin(fmt.Sprintf("2026-11-02 %02d:%02d:00", 8+(46+2*i)/60, (46+2*i)%60), fmt.Sprintf("u%d", i), "6.6.6.6", 7,
				tokyo, "x", "Failure")
		}
		c := compiled(readStep("rows", "lake.signin", ""), sprayStep(false))
		b.run(c, Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
		expect(t, b.rows("SELECT entity_type, entity, evidence->>'burst_users', evidence->>'rules' FROM spray"), tc.want...)
	}
}

func TestGuessingCountsInSlidingWindows(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	for i := range 30 { // 30 in 290 s across 09:00, and 29 for bob
		b.signin(fmt.Sprintf("2026-11-02 %02d:%02d:%02d", 8+(3450+i*10)/3600, (3450+i*10)%3600/60, (3450+i*10)%60), "ada",
			"6.6.6.6", 7, tokyo, "x", "Failure")
		if i > 0 {
			b.signin(fmt.Sprintf("2026-11-02 12:%02d:%02d", i*10/60, i*10%60), "bob", "6.6.6.6", 7, tokyo, "x", "Failure")
		}
	}
	c := compiled(readStep("rows", "lake.signin", ""),
		detectorStep("guess", "rows", "", &detect.BruteForce{Account: word("user.name"), Address: word("src_endpoint.ip"),
			Group: word("ua"), Failure: word("status = 'Failure'"), Attempts: 30, Window: 5 * time.Minute}))
	b.run(c, Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
	expect(t, b.rows("SELECT entity, observed, score FROM guess"), "ada|30|50")
}

func TestFirstSeenWaitsForLearningAndRareKnowsTheUsual(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	for i := range 20 {
		b.signin(fmt.Sprintf("2026-10-%02d 08:00:00", 1+i), "ada", "1.1.1.1", 1, vienna, "ua", "Success")
		b.signin(fmt.Sprintf("2026-10-%02d 08:00:00", 1+i), "ada", "1.1.1.1", 1, graz, "ua", "Success")
	}
	b.signin("2026-10-30 08:00:00", "new", "1.1.1.1", 1, vienna, "ua", "Success")
	for _, u := range []string{"ada", "new"} {
		b.signin("2026-11-02 08:00:00", u, "1.1.1.1", 1, tokyo, "ua", "Success")
		b.signin("2026-11-02 08:00:00", u, "1.1.1.1", 1, vienna, "ua", "Success")
	}
	c := compiled(readStep("rows", "lake.signin", ""), firstStep(false), rareStep(2))
	b.run(c, Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
	expect(t, b.rows("SELECT entity, evidence->>'value' FROM first"), "ada|Tokyo")
	// Both usual values are as likely: there is no deviation, and the score stays below critical.
	// ln p: 22/46 and 2/46, which are 2.398 apart, over 0.5.
	expect(t, b.rows("SELECT entity, evidence->>'value', evidence->>'z', evidence->>'degenerate', score FROM rare"),
		"ada|Tokyo|4.7958|true|81.03")
}

func novelty() detect.Novelty {
	return detect.Novelty{Entity: words("user.name"), Values: words("src_endpoint.city"), Lookback: 30 * day,
		Learning: 14 * day}
}

func firstStep(peers bool) *step {
	return detectorStep("first", "rows", "", &detect.FirstSeen{Novelty: novelty(), Peers: peers})
}

func rareStep(threshold float64) *step {
	return detectorStep("rare", "rows", "",
		&detect.Rare{Novelty: novelty(), Threshold: threshold, Smoothing: 2, MaxP: 0.05, Once: 30 * day})
}

func TestAnEntityIsStillKnownAfterAPause(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	for i := range 20 {
		b.signin(fmt.Sprintf("2026-08-%02d 08:00:00", 1+i), "ada", "1.1.1.1", 1, vienna, "ua", "Success")
	}
	b.signin("2026-11-02 08:00:00", "ADA ", "1.1.1.1", 1, vienna, "ua", "Success")
	b.signin("2026-11-02 08:10:00", "Ada", "1.1.1.1", 1, tokyo, "ua", "Success")
	c := compiled(readStep("rows", "lake.signin", ""), firstStep(false), rareStep(2))
	b.run(c, Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
	expect(t, b.rows("SELECT entity, evidence->>'value', score FROM first"), "ada|Tokyo|50")
	expect(t, b.rows("SELECT entity, evidence->>'value', evidence->>'total' FROM rare"), "ada|Tokyo|20")
	if need := c.Needs(Run{Window: Range{Start: at("2026-11-02 00:00"),
		End: at("2026-11-03 00:00")}})["lake.signin"]; !need[0].Start.Equal(at("2026-04-06 00:00")) {
		t.Errorf("reads from %v", need[0].Start) // 30 days and 180
	}
}

func TestWhatRecursIsNotRare(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	for i := range 40 { // Graz is 1 of 10; Tokyo was raised on the 25th
		place := vienna
		if i%10 == 5 {
			place = graz
		}
		b.signin(fmt.Sprintf("2026-10-%02d %02d:00:00", 1+i%30, i%24), "ada", "1.1.1.1", 1, place, "ua", "Success")
	}
	for _, when := range []string{"2026-10-25 08:00:00", "2026-11-02 09:00:00"} {
		b.signin(when, "ada", "1.1.1.1", 1, tokyo, "ua", "Success")
	}
	b.signin("2026-11-02 08:10:00", "ada", "1.1.1.1", 1, graz, "ua", "Success")
	c := compiled(readStep("rows", "lake.signin", ""), rareStep(0.1))
	b.run(c, Run{Window: Range{Start: at("2026-10-25 00:00"), End: at("2026-10-26 00:00")}})
	expect(t, b.rows("SELECT entity, evidence->>'value' FROM rare"), "ada|Tokyo")
	b.run(c, Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
	expect(t, b.rows("SELECT count(*) FROM rare"), "0")
}

func TestAnEntityWithoutAPastIsJudgedAgainstItsPeers(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	for i := range 20 {
		b.signin(fmt.Sprintf("2026-10-%02d 08:00:00", 1+i), "ada", "1.1.1.1", 1, vienna, "ua", "Success")
	}
	for _, u := range []string{"thief", "ec2.amazonaws.com"} {
		b.signin("2026-11-02 08:00:00", u, "1.1.1.1", 1, vienna, "ua", "Success")
		b.signin("2026-11-02 08:00:00", u, "1.1.1.1", 1, tokyo, "ua", "Success")
	}
	c := compiled(readStep("rows", "lake.signin", ""), firstStep(true))
	b.run(c, Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
	expect(t, b.rows("SELECT entity, evidence->>'value', evidence->>'level', severity FROM first"),
		"thief|Tokyo|peers|low")
}

// habitStep is travel that learns habits.
func habitStep() *step {
	s := travelStep("")
	habits(s, 3)
	travelOf(s).Country = word("'X'")
	return s
}

// habits lets travel learn them from so many days.
func habits(s *step, days int) {
	t := travelOf(s)
	t.Network, t.HabitDays, t.HabitWindow = word("src_endpoint.asn"), days, 30*day
}

func TestAHabitIsANetworkAtAPlaceAndWhatWasRaisedTeachesNothing(t *testing.T) {
	type use struct {
		asn   int
		place [3]any
	}
	desk := use{1, vienna}
	for name, tc := range map[string]struct {
		from int // days ago since when the other place is used
		to   use
		want []string
	}{
		"a phone beside the desk from the first day on":  {12, use{2, sydney}, []string{"informational|habit"}},
		"an attacker since four days":                    {4, use{2, sydney}, []string{"high|NULL"}},
		"the desk's own network at the far end of earth": {0, use{1, sydney}, []string{"high|NULL"}},
		"a position that nobody knows":                   {0, use{2, [3]any{0, 0, ""}}, nil},
		"a position beyond the globe":                    {0, use{2, [3]any{999, 999, "x"}}, nil},
		"another position of one place":                  {0, use{2, [3]any{-33.8, 151.2, "VIENNA"}}, nil},
		"a position that is not a number":                {0, use{2, [3]any{"'NaN'", 12, "x"}}, nil},
	} {
		b := newBench(t)
		b.exec(signinTable)
		for ago := 12; ago >= 0; ago-- {
			day := at("2026-11-20 00:00").AddDate(0, 0, -ago).Format("2006-01-02")
			b.signin(day+" 08:00:00", "ada", "1.1.1.1", desk.asn, desk.place, "ua", "Success")
			if ago <= tc.from {
				b.signin(day+" 08:30:00", "Ada", "2.2.2.2", tc.to.asn, tc.to.place, "ua", "Success")
			}
		}
		c := compiled(readStep("rows", "lake.signin", ""), habitStep())
		b.run(c, Run{Window: Range{Start: at("2026-11-20 00:00"), End: at("2026-11-21 00:00")}})
		got := b.rows("SELECT severity, coalesce(evidence->>'lowered_because', 'NULL') FROM travel")
		if fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestAPlaceHasItsCountry(t *testing.T) {
	for country, want := range map[string]int{"'FR'": 0, "ua": 1, "NULL": 1, "''": 1} {
		b := newBench(t)
		b.exec(signinTable)
		b.signin("2026-11-02 08:00:00", "ada", "1.1.1.1", 1, [3]any{48.86, 2.35, "Paris"}, "FR", "Success")
		b.signin("2026-11-02 08:30:00", "ada", "2.2.2.2", 2, [3]any{33.66, -95.56, "Paris"}, "US", "Success")
		s := travelStep("")
		travelOf(s).Country = word(country)
		b.run(compiled(readStep("rows", "lake.signin", ""), s),
			Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
		expect(t, b.rows("SELECT count(*) FROM travel"), fmt.Sprint(want))
	}
}

func TestSprayCountsWhoIsLetInAtOnceAndLeavesANewOfficeAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		right func(i int) bool // whether account i's password was guessed
		want  []string
	}{
		"half of the guesses are right": {func(i int) bool { return i%2 == 0 }, []string{"ip|9.9.9.9|20|10|10|u00"}},
		"a new office":                  {func(i int) bool { return i%3 > 0 }, nil},
	} {
		b := newBench(t)
		b.exec(signinTable)
		for i := range 20 {
			u := fmt.Sprintf("u%02d", i)
			b.signin("2026-10-20 08:00:00", u, "10.0.0.1", 1, vienna, "browser", "Success")
			status := "Failure"
			if tc.right(i) {
				status = "Success"
			}
			b.signin(fmt.Sprintf("2026-11-%02d %d:00:00", 3+i/5, 10+i%5), strings.ToUpper(u), "9.9.9.9", 100, tokyo,
				fmt.Sprint("x", i), status)
		}
		c := compiled(readStep("rows", "lake.signin", ""), sprayStep(true))
		b.run(c, Run{Window: Range{Start: at("2026-11-06 00:00"), End: at("2026-11-07 00:00")}})
		got := b.rows("SELECT entity_type, entity, observed, evidence->>'successes', evidence->>'let_in', " +
			"evidence->'let_in_accounts'->>0 FROM spray")
		if fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestACampaignIsOneFindingHoweverLongItLasts(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	for d := range 80 {
		b.signin(at("2026-08-01 10:00").AddDate(0, 0, d).Format("2006-01-02 15:04:05"), fmt.Sprintf("u%d", d%40), "9.9.9.9",
			100, tokyo, "curl", "Failure")
	}
	ids := map[string]bool{}
	c := compiled(readStep("rows", "lake.signin", ""), sprayStep(false))
	for _, d := range []int{15, 29, 31, 33, 40, 60, 79} {
		start := at("2026-08-01 00:00").AddDate(0, 0, d)
		b.run(c, Run{Window: Range{Start: start, End: start.Add(day)}})
		got := b.rows("SELECT finding_id, time FROM spray")
		if len(got) != 1 {
			t.Fatalf("day %d: %v", d, got)
		}
		ids[got[0]] = true
	}
	if len(ids) != 1 {
		t.Errorf("%d findings: %v", len(ids), ids)
	}
}
