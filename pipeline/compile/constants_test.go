package compile

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/detect"
)

// TestConstantsAreThoseOfTheirSources pins what the references document. A
// change here is a change of meaning: say so in the changelog.
func TestConstantsAreThoseOfTheirSources(t *testing.T) {
	for _, c := range []struct {
		what, source string
		got, want    float64
	}{
		{"rank's power", "Elastic's entity risk", riskPower, 1.5},
		{"rank's norm", "Elastic's entity risk, its code", riskNorm, 2.5924},
		{"rank's inputs", "Elastic's entity risk", riskMost, 10_000},
		{"share of the rest", "Google's max plus", plusShare, 0.2},
	} {
		if c.got != c.want {
			t.Errorf("%s (%s): %v, want %v", c.what, c.source, c.got, c.want)
		}
	}
	levels := ""
	for _, l := range riskLevels() {
		levels += fmt.Sprintf("%v %s ", l.Below, l.Name)
	}
	if levels != "20 unknown 40 low 70 moderate 90 high " {
		t.Error(levels)
	}
}

// attempts adds n failures a second apart by users and addresses in turn.
func (b *bench) attempts(start time.Time, n, users, addresses int, ua string) {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf("(TIMESTAMPTZ '%s+00', 'x%d', {'name': 'u%d'}, {'ip': '9.9.%d.%d', 'asn': 9, "+
			"'lat': 0, 'long': 0, 'city': 'x'}, '%s', 'Failure')",
			start.Add(time.Duration(i)*time.Second).Format("2006-01-02 15:04:05"), i, i%users, i%addresses/200, i%addresses%200,
			ua))
	}
	b.exec("INSERT INTO lake.signin VALUES " + strings.Join(rows, ", "))
}

func TestGuessingSeesStuffingAndManyAddresses(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	b.attempts(at("2026-11-02 09:00"), 36, 12, 6, "stuffer")      // 12 users, 36 failures, 6 addresses
	b.attempts(at("2026-11-02 11:00"), 36, 12, 4, "too few")      // 4 addresses
	b.attempts(at("2026-11-02 13:00"), 100, 1, 31, "one victim")  // u0 from 31 addresses
	b.attempts(at("2026-11-02 15:00"), 25, 8, 5, "distributed")   // 5 addresses, 8 users, 25 failures
	b.attempts(at("2026-11-02 17:00"), 25, 4, 5, "not so spread") // 4 users: too few
	c := compiled(readStep("rows", "lake.signin", ""),
		detectorStep("guess", "rows", "", &detect.BruteForce{Account: word("user.name"), Address: word("src_endpoint.ip"),
			Group: word("ua"), Failure: word("status = 'Failure'"), Attempts: 30, Window: 5 * time.Minute}))
	b.run(c, Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
	expect(t, b.rows("SELECT evidence->>'rule', entity, evidence->>'users', evidence->>'addresses' FROM guess ORDER BY "+
		"1, 2"),
		"distributed|distributed|8|5", "distributed|stuffer|12|6", "guessing|u0|1|31", "many addresses|u0|1|31",
		"stuffing|stuffer|12|6")
}

func TestRobustZIsTheTextbooks(t *testing.T) {
	b := newBench(t)
	// Seven hours: 4 0 2 0 6 1 3, median 2, MAD 2. Ten: 0.6745 * 8 / 2 = 2.698.
	b.events(
		[4]any{"ada", "2026-11-02 03:10:00", 4, 1}, [4]any{"ada", "2026-11-02 05:10:00", 2, 7},
		[4]any{"ada", "2026-11-02 07:00:00", 6, 2}, [4]any{"ada", "2026-11-02 08:59:59", 1, 3},
		[4]any{"ada", "2026-11-02 09:00:00", 3, 4}, [4]any{"ada", "2026-11-02 10:30:00", 14, 5})
	c := compiled(readStep("rows", "lake.ev", ""), hourly(seasonNone, 10*time.Hour),
		zStep(detect.RobustZ{Threshold: 3.5, Direction: detect.Up, Deviation: detect.Deviation{Measures: words("n")}}))
	b.run(c, Run{Window: Range{Start: at("2026-11-02 10:00"), End: at("2026-11-02 11:00")}, Stateless: true})
	// (14 - 2) * 0.6745 / 2 = 4.047; score 100 (1 - 2^(-4.047 / 3.5)) = 55.13.
	expect(t, b.rows(`SELECT entity, observed, expected, round((evidence->>'z')::DOUBLE, 3), score FROM unusual`),
		"ada|14|2|4.047|55.13")
}

func TestPoissonRaisesTheImprobable(t *testing.T) {
	b := newBench(t)
	b.exec(`CREATE TABLE lake.ev (time TIMESTAMPTZ, event_id VARCHAR, "user" STRUCT(name VARCHAR), v DOUBLE)`)
	b.exec(`INSERT INTO lake.ev SELECT TIMESTAMPTZ '2026-11-02 00:10:00+00' + to_hours(i % 6), 'x', {'name': u}, 1 FROM range(30) t(i), (VALUES ('ada'), ('bob')) n(u)`)
	b.exec(`INSERT INTO lake.ev SELECT TIMESTAMPTZ '2026-11-02 06:10:00+00', 'x', {'name': 'ada'}, 1 FROM range(20)`)
	b.exec(`INSERT INTO lake.ev SELECT TIMESTAMPTZ '2026-11-02 06:10:00+00', 'x', {'name': 'bob'}, 1 FROM range(8)`)
	c := compiled(readStep("rows", "lake.ev", ""), hourly(seasonNone, 6*time.Hour),
		detectorStep("unusual", "usual", "", &detect.Poisson{Threshold: 1e-4,
			Deviation: detect.Deviation{Measures: words("n")}}))
	b.run(c, Run{Window: Range{Start: at("2026-11-02 06:00"), End: at("2026-11-02 07:00")}, Stateless: true})
	// P(X >= 20 | 5) = 3.452e-7, log10 -6.462; P(X >= 8 | 5) = 0.13 raises nothing.
	expect(t, b.rows(`SELECT entity, observed, expected, round((evidence->>'log10_p')::DOUBLE, 3) FROM unusual`),
		"ada|20|5|-6.462")
}

func TestRareRaisesTheImprobableValue(t *testing.T) {
	b := newBench(t)
	b.exec(signinTable)
	for i := range 60 {
		place := vienna
		if i%3 == 0 {
			place = graz
		}
		b.signin(fmt.Sprintf("2026-10-%02d %02d:00:00", 1+i%30, i%24), "ada", "1.1.1.1", 1, place, "ua", "Success")
	}
	b.signin("2026-11-02 08:00:00", "ada", "1.1.1.1", 1, tokyo, "ua", "Success")
	b.signin("2026-11-02 08:10:00", "ada", "1.1.1.1", 1, graz, "ua", "Success")
	c := compiled(readStep("rows", "lake.signin", ""), detectorStep("rare", "rows", "", &detect.Rare{
		Novelty: detect.Novelty{Entity: words("user.name"), Values: words("src_endpoint.city"), Lookback: 90 * day,
			Learning: 14 * day}, Threshold: 2, Smoothing: 2, MaxP: 0.05}))
	b.run(c, Run{Window: Range{Start: at("2026-11-02 00:00"), End: at("2026-11-03 00:00")}})
	// N = 60, K = 3, a = 2: p(Tokyo) = 2/66; ln p of Vienna 42/66 and Graz 22/66, weighted by 40 and 20.
	mean := (40*math.Log(42.0/66) + 20*math.Log(22.0/66)) / 60
	sigma := math.Sqrt((40*math.Pow(math.Log(42.0/66), 2)+20*math.Pow(math.Log(22.0/66), 2))/60 - mean*mean)
	z := (mean - math.Log(2.0/66)) / sigma
	expect(t, b.rows(`SELECT entity, evidence->>'value', round((evidence->>'p')::DOUBLE, 5), round((evidence->>'z')::DOUBLE, 3) FROM rare`),
		fmt.Sprintf("ada|Tokyo|%.4g|%.3f", 2.0/66, z))
}
