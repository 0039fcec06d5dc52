package demo

import (
	"strings"
	"testing"
	"time"
)

func at(hour int) time.Time {
	return time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).Add(time.Duration(hour) * time.Hour)
}

func burstOfAda() *Attack {
	return &Attack{ID: "burst-1", Kind: KindBurst, Start: at(10), End: at(11), Keys: Keys{
		Users: []string{"ada"}, IPs: []string{"100.64.3.7"}, ASNs: []int{64600}, UserAgents: []string{"curl/8"},
	}}
}

func TestTouches(t *testing.T) {
	for _, c := range []struct {
		name string
		f    Finding
		want bool
	}{
		{"user in the hour", Finding{EntityType: "user.name", Entity: "ada", WindowStart: at(10), WindowEnd: at(11)}, true},
		{"another user", Finding{EntityType: "user.name", Entity: "ben", WindowStart: at(10), WindowEnd: at(11)}, false},
		{"the user's name as an address", Finding{EntityType: "src_endpoint.ip", Entity: "ada", Time: at(10)}, false},
		{"within the tolerance", Finding{EntityType: "user", Entity: "ada", WindowStart: at(11), WindowEnd: at(12)}, true},
		{"after the tolerance", Finding{EntityType: "user", Entity: "ada", WindowStart: at(12), WindowEnd: at(13)}, false},
		{"ends where the tolerance begins", Finding{EntityType: "user", Entity: "ada", WindowStart: at(8), WindowEnd: at(9)},
			false},
		{"time alone", Finding{EntityType: "user", Entity: "ada", Time: at(10)}, true},
		{"a user's long window with the time elsewhere",
			Finding{EntityType: "user", Entity: "ada", Time: at(90), WindowStart: at(-600), WindowEnd: at(91)}, false},
		{"a source's long window", Finding{EntityType: "src_endpoint.ip", Entity: "100.64.3.7", Time: at(90),
			WindowStart: at(-600), WindowEnd: at(91)}, true},
		{"network of the address", Finding{EntityType: "src_endpoint.ip", Entity: "100.64.3.0/24", Time: at(10)}, true},
		{"network as wide as a continent", Finding{EntityType: "src_endpoint.ip", Entity: "100.0.0.0/8", Time: at(10)},
			false},
		{"ASN as a number", Finding{EntityType: "src_endpoint.autonomous_system.number", Entity: "64600", Time: at(10)},
			true},
		{"ASN as text", Finding{EntityType: "asn", Entity: "AS64600", Time: at(10)}, true},
		{"user agent", Finding{EntityType: "http_request.user_agent", Entity: "curl/8", Time: at(10)}, true},
		{"unknown type of entity", Finding{EntityType: "colour", Entity: "ada", Time: at(10)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Touches(burstOfAda(), c.f); got != c.want {
				t.Errorf("touches: %v", got)
			}
		})
	}
}

func TestScoreCountsFoundMissedAndFalse(t *testing.T) {
	missed := burstOfAda()
	missed.ID, missed.Kind, missed.Keys = "impossible_travel-2", KindTravel, Keys{Users: []string{"carla"}}
	takeover := burstOfAda()
	takeover.ID, takeover.Kind, takeover.Keys = "takeover-3", KindTakeover, Keys{Users: []string{"femi"}}
	r := Score(Truth{Attacks: []*Attack{burstOfAda(), missed, takeover}}, []Finding{
		{Pipeline: "a", EntityType: "user", Entity: "ada", Time: at(10), Severity: "high"},
		{Pipeline: "a", EntityType: "user", Entity: "ada", Time: at(10), Severity: "low"},
		{Pipeline: "a", EntityType: "user", Entity: "femi", Time: at(11), Severity: "low"},
		{Pipeline: "b", EntityType: "user", Entity: "ben", Time: at(10), Severity: "medium", Score: 55},
		{Pipeline: "b", EntityType: "user", Entity: "carla", Time: at(10), Severity: "informational"},
	})
	if r.Alerts != 4 || r.True != 3 || len(r.False) != 1 || r.Precision() != 0.75 || r.Recall() != 2.0/3 {
		t.Errorf("alerts %d, true %d, false %d, precision %v, recall %v", r.Alerts, r.True, len(r.False), r.Precision(),
			r.Recall())
	}
	r.RankRisk([]string{"ben", "femi"}, 1)
	if r.RiskHolds() {
		t.Error("second place is not within the first")
	}
	r.RankRisk([]string{"ben", "femi"}, 2)
	if !r.RiskHolds() {
		t.Error("second place is within the first two")
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"MISSED", "RAISED FOR NOTHING",
		"recall 0.667, precision 0.750 (4 alerts, 1 of them for nothing)", "place 2"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("report lacks %q:\n%s", want, out.String())
		}
	}
}

func TestNothingPlantedNothingRaised(t *testing.T) {
	r := Score(Truth{}, nil)
	if r.Recall() != 1 || r.Precision() != 1 || r.RiskHolds() {
		t.Errorf("recall %v, precision %v", r.Recall(), r.Precision())
	}
}
