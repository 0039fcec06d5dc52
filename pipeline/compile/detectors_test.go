package compile

import (
	"fmt"
	"testing"
	"time"
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
	return &step{name: "travel", kind: kindAnomaly, of: []string{"rows"}, anomaly: &anomalyForm{
		method: methodTravel, of: "rows", entityType: "user", entity: []string{"user.name"}, technique: "T1078",
		travel: &travelForm{lat: "src_endpoint.lat", lon: "src_endpoint.long", address: "src_endpoint.ip", place: "src_endpoint.city",
			success: "status = 'Success'", familiar: familiar, speedKmh: 800, distanceKm: 500},
	}}
}

func TestTravelRaisesTheImpossibleJumpOnceADay(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	for _, e := range [][3]any{{"08:00", vienna, "1.1.1.1"}, {"09:00", sydney, "2.2.2.2"}, {"09:30", vienna, "1.1.1.1"}, {"10:30", graz, "3.3.3.3"}} {
		b.signin(fmt.Sprintf("2026-11-02 %s:00", e[0]), "ada", e[2].(string), 1, e[1].([3]any), "ua", "Success")
	}
	// bob's failure abroad is no sign-in, and his flight leaves time enough.
	b.signin("2026-11-02 08:00:00", "bob", "1.1.1.2", 1, vienna, "ua", "Success")
	b.signin("2026-11-02 08:10:00", "bob", "9.9.9.9", 1, tokyo, "ua", "Failure")
	b.signin("2026-11-02 21:00:00", "bob", "2.2.2.3", 1, tokyo, "ua", "Success")
	c := compiled(readStep("rows", "lake.signin", ""), travelStep(""))
	q := `SELECT entity, entity_type, round(observed), evidence->>'km', evidence->>'jumps', evidence->>'from', evidence->>'to', technique, evidence->>'event_ids', reason FROM travel`
	b.run(c, Run{Window: Range{at("2026-11-02 00:00"), at("2026-11-03 00:00")}})
	// Vienna to Sydney is 15,976 km by haversine; half an hour later back again.
	expect(t, b.rows(q), `ada|user|31951|15975.7|2|Sydney|Vienna|T1078|["e1","e2"]|ada signed in from Sydney and then Vienna, 15976 km apart, within 0.5 h (31951 km/h)`)
	ids := b.rows("SELECT finding_id FROM travel")
	b.run(c, Run{Window: Range{at("2026-11-02 09:00"), at("2026-11-02 10:00")}})
	expect(t, b.rows("SELECT finding_id FROM travel"), ids...)
	b.run(c, Run{Window: Range{at("2026-11-02 10:00"), at("2026-11-02 11:00")}})
	expect(t, b.rows("SELECT count(*) FROM travel"), "0")
}

func TestTravelByAFamiliarNetworkIsInformationAndNoAnchor(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	b.signin("2026-11-02 08:00:00", "ada", "1.1.1.1", 1, vienna, "ua", "Success")
	b.signin("2026-11-02 08:30:00", "ada", "5.5.5.5", 66, sydney, "ua", "Success")
	b.signin("2026-11-02 09:00:00", "ada", "1.1.1.1", 1, vienna, "ua", "Success")
	c := compiled(readStep("rows", "lake.signin", ""), travelStep("src_endpoint.asn = 66"))
	b.run(c, Run{Window: Range{at("2026-11-02 00:00"), at("2026-11-03 00:00")}})
	expect(t, b.rows("SELECT entity, severity, evidence->>'jumps' FROM travel"), "ada|informational|1")
}

func sprayStep(p sprayForm) *step {
	p.account, p.success, p.failure = "user.name", "status = 'Success'", "status = 'Failure'"
	p.origins = []origin{{"ip", "src_endpoint.ip"}, {"asn", "src_endpoint.asn"}, {"user_agent", "ua"}}
	p.lookback, p.minUsers, p.perUser, p.minDays, p.score = 30*day, 10, 5, 3, 0.6
	p.shortUsers, p.shortAttempts, p.short = 15, 15, 30*time.Minute
	return &step{name: "spray", kind: kindAnomaly, of: []string{"rows"}, anomaly: &anomalyForm{method: methodSpray, of: "rows", spray: &p}}
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
		b.signin(fmt.Sprintf("2026-11-%02d 1%d:00:00", 3+i%4, i%10), u, fmt.Sprintf("9.9.9.%d", i), 100+i, tokyo, "curl", "Failure")
	}
	c := compiled(readStep("rows", "lake.signin", ""), sprayStep(sprayForm{known: true}))
	b.run(c, Run{Window: Range{at("2026-11-06 00:00"), at("2026-11-07 00:00")}})
	// U = ln 13 / ln 51 = 0.65235, H = 1: 0.5 U + 0.2 + 0.3 = 0.82617
	q := "SELECT entity_type, entity, observed, evidence->>'days', evidence->>'low_and_slow', score FROM spray"
	expect(t, b.rows(q), "user_agent|curl|12|4|0.8262|70.23")
	before := b.rows("SELECT finding_id FROM spray")
	b.signin("2026-11-07 09:00:00", "u03", "9.9.9.3", 103, tokyo, "curl", "Success")
	b.signin("2026-11-07 09:30:00", "u04", "9.9.9.3", 103, tokyo, "curl", "Failure")
	b.run(c, Run{Window: Range{at("2026-11-07 00:00"), at("2026-11-08 00:00")}})
	expect(t, b.rows("SELECT severity, evidence->>'successes' FROM spray"), "high|1")
	expect(t, b.rows("SELECT finding_id FROM spray"), before...)
	b.run(c, Run{Window: Range{at("2026-11-08 00:00"), at("2026-11-09 00:00")}})
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
			b.signin(fmt.Sprintf("2026-11-02 %02d:%02d:00", 8+(46+2*i)/60, (46+2*i)%60), fmt.Sprintf("u%d", i), "6.6.6.6", 7, tokyo, "x", "Failure")
		}
		c := compiled(readStep("rows", "lake.signin", ""), sprayStep(sprayForm{}))
		b.run(c, Run{Window: Range{at("2026-11-02 00:00"), at("2026-11-03 00:00")}})
		expect(t, b.rows("SELECT entity_type, entity, evidence->>'burst_users', evidence->>'rules' FROM spray"), tc.want...)
	}
}

func TestGuessingCountsInSlidingWindows(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	for i := range 30 { // 30 in 290 s across 09:00, and 29 for bob
		b.signin(fmt.Sprintf("2026-11-02 %02d:%02d:%02d", 8+(3450+i*10)/3600, (3450+i*10)%3600/60, (3450+i*10)%60), "ada", "6.6.6.6", 7, tokyo, "x", "Failure")
		if i > 0 {
			b.signin(fmt.Sprintf("2026-11-02 12:%02d:%02d", i*10/60, i*10%60), "bob", "6.6.6.6", 7, tokyo, "x", "Failure")
		}
	}
	c := compiled(readStep("rows", "lake.signin", ""), &step{name: "guess", kind: kindAnomaly, of: []string{"rows"}, anomaly: &anomalyForm{
		method: methodGuessing, of: "rows", entityType: "user", guess: &guessForm{account: "user.name", address: "src_endpoint.ip", group: "ua", failure: "status = 'Failure'", attempts: 30, window: 5 * time.Minute}}})
	b.run(c, Run{Window: Range{at("2026-11-02 00:00"), at("2026-11-03 00:00")}})
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
	f := anomalyForm{method: methodFirst, of: "rows", entityType: "user", entity: []string{"user.name"}, values: []string{"src_endpoint.city"}, lookback: 90 * day, learning: 14 * day}
	g := f
	g.method, g.threshold, g.smoothing = methodRare, 2, 2
	c := compiled(readStep("rows", "lake.signin", ""), &step{name: "first", kind: kindAnomaly, of: []string{"rows"}, anomaly: &f}, &step{name: "rare", kind: kindAnomaly, of: []string{"rows"}, anomaly: &g})
	b.run(c, Run{Window: Range{at("2026-11-02 00:00"), at("2026-11-03 00:00")}})
	expect(t, b.rows("SELECT entity, evidence->>'value' FROM first"), "ada|Tokyo")
	expect(t, b.rows("SELECT count(*) FROM rare"), "0") // both usual values are as likely: no deviation to compare with
}
