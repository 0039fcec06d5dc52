package detect

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/query/querytest"
)

// TestConstantsAreThoseOfTheirSources pins what the references document. A
// change here is a change of meaning: say so in the changelog.
func TestConstantsAreThoseOfTheirSources(t *testing.T) {
	for _, c := range []struct {
		what, source string
		got, want    float64
	}{
		{"0.75 quantile of the normal", "Iglewicz and Hoaglin 1993", madFactor, 0.6745},
		{"sqrt(pi/2)", "Iglewicz and Hoaglin 1993", aadFactor, 1.253314},
		{"Earth's mean radius, km", "IUGG", earthKm, 6371.0088},
		{"no time, h", "impossible travel", zeroHours, 0.0001},
		{"weight of breadth", "low and slow", sprayUsers, 0.5},
		{"weight of failure", "low and slow", spraySuccess, 0.2},
		{"weight of evenness", "low and slow", sprayEntropy, 0.3},
		{"saturation, 50 users", "low and slow", spraySaturation, 51},
	} {
		if c.got != c.want {
			t.Errorf("%s (%s): %v, want %v", c.what, c.source, c.got, c.want)
		}
	}
	if math.Abs(aadFactor-math.Sqrt(math.Pi/2)) > 1e-6 {
		t.Error("not the root of pi / 2")
	}
}

func TestGuessingRulesAreElastics(t *testing.T) {
	g := BruteForce{Account: Text{Value: "a"}, Address: Text{Value: "b"}, Group: Text{Value: "c"}, Attempts: 30,
		Window: 5 * time.Minute}
	var got []string
	for _, r := range g.rules("user") {
		got = append(got, fmt.Sprintf("%s of %s in %s: %s", r.name, r.entity, r.window, r.cond))
	}
	expect(t, got,
		"guessing of account in 5m0s: n >= 30",
		"many addresses of account in 30m0s: addresses > 30 AND n >= 100",
		"stuffing of grp in 10m0s: users >= 10 AND n >= 30 AND addresses >= 5 AND users > addresses",
		"distributed of grp in 10m0s: addresses >= 5 AND users >= 8 AND n >= 25 AND n <= 5 * users AND users <= 2 * "+
			"addresses")
}

func TestPoissonTailIsExactFarOut(t *testing.T) {
	// P(X >= 20 | 5) = 3.4521e-7 and P(X >= 3 | 0.5) = 0.014388, by summing the pmf exactly;
	// P(X >= 1000 | 100) has ln = 1000 ln 100 - 100 - ln 1000! + ln(1 + 100/1001 + ...).
	for _, tc := range [][2]string{{logTail("20.0", "5.0::DOUBLE"), "0.000000345213582"}, {logTail("3.0", "0.5::DOUBLE"),
		"0.014387677966971"}} {
		got := rows(t, "SELECT abs(exp("+tc[0]+") - "+tc[1]+") / "+tc[1]+" < 1e-4")
		expect(t, got, "true")
	}
	expect(t, rows(t, "SELECT round("+logTail("1000.0", "100.0::DOUBLE")+", 1), "+logTail("3.0", "5.0::DOUBLE")),
		"-1406.9|0")
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// rows returns a query's rows as text, columns joined by a bar.
func rows(t *testing.T, sql string) []string {
	t.Helper()
	conn, err := duckdb.Scratch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	return querytest.Rows(t, conn, sql)
}
