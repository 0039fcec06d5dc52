package compile

import (
	"slices"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/pipeline/detect"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
)

func fields(names ...string) []tiers.Field {
	var out []tiers.Field
	for _, n := range names {
		out = append(out, tiers.Field{Name: n, Type: tiers.Type{Kind: tiers.KindString}})
	}
	return out
}

func structure(name string, fs ...tiers.Field) tiers.Field {
	return tiers.Field{Name: name, Type: tiers.Type{Kind: tiers.KindStruct, Fields: fs}}
}

// compileText compiles YAML against lake.signin with the columns (none: the
// table is not there).
func compileText(t *testing.T, text string, cols ...tiers.Field) (*Compiled, []spec.Problem) {
	t.Helper()
	p, ps := spec.Parse("p.yaml", []byte(text))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	parser, err := duckdb.NewParser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := parser.Close(); err != nil {
			t.Error(err)
		}
	})
	return Compile(p, func(table string) (tiers.Schema, bool) {
		return tiers.Schema{Fields: cols}, table == "lake.signin" && len(cols) > 0
	}, parser)
}

const travelText = `name: t
schedule: "5 * * * *"
steps:
  rows: {read: lake.signin, where: status = 'Success' AND length(user.name) > 0}
  travel:
    anomaly: {of: rows, method: impossible_travel, lat: lat, lon: lon, address: ip, network: net.number, familiar: net.name ILIKE '%VPN.x%'}
write: [{from: travel, to: analytics.findings}]
`

func TestColumnsThatTheLakeLacks(t *testing.T) {
	for _, tc := range []struct {
		name             string
		cols             []tiers.Field
		missing, dropped string
	}{
		{"no table yet", nil, "", ""},
		{"all there", append(fields("time", "event_id", "status", "lat", "lon", "ip"), structure("user", fields("name")...),
			structure("net", fields("number", "name")...)), "", ""},
		{"another case of letters", append(fields("TIME", "event_id", "Status", "Lat", "lon", "ip"),
			structure("User", fields("Name")...), structure("net", fields("number", "name")...)), "", ""},
		{"optional keys", append(fields("time", "event_id", "status", "lat", "lon", "ip"),
			structure("user", fields("name")...), structure("net", fields("name")...)), "",
			"lake.signin has no column net.number"},
		{"a whole struct", append(fields("time", "event_id", "status", "lat", "lon", "ip"),
			structure("user", fields("name")...)), "", "lake.signin has no column net.name; lake.signin has no column " +
			"net.number"},
		{"needed", append(fields("time", "event_id", "lat", "ip"), structure("user", fields("uid")...),
			structure("net", fields("number", "name")...)),
			"lake.signin has no column lon; lake.signin has no column user.name", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, ps := compileText(t, travelText, tc.cols...)
			if len(ps) > 0 {
				t.Fatal(ps)
			}
			if got := joined(c.Missing); got != tc.missing {
				t.Errorf("missing %q, want %q", got, tc.missing)
			}
			if got := joined(c.Dropped); got != tc.dropped {
				t.Errorf("dropped %q, want %q", got, tc.dropped)
			}
		})
	}
}

func joined(s []string) string {
	return strings.Join(slices.Sorted(slices.Values(s)), "; ")
}

func TestExpressionsAreConfined(t *testing.T) {
	for _, where := range []string{"(SELECT count(*) FROM read_csv('/etc/passwd')) > 0", "true) OR (true",
		"getenv('HOME') = 'x'", "1; DROP TABLE x"} {
		text := strings.Replace(travelText, "status = 'Success' AND length(user.name) > 0", `"`+where+`"`, 1)
		_, ps := compileText(t, text)
		if len(ps) == 0 {
			t.Errorf("%s is accepted", where)
			continue
		}
		if ps[0].Pos.Line != 4 || ps[0].Remedy == "" {
			t.Errorf("%v", ps[0])
		}
	}
}

func TestAReasonThatNamesNothingIsAProblemAtItsPlace(t *testing.T) {
	text := strings.Replace(travelText, "method: impossible_travel,",
		`method: impossible_travel, reason: "{nobody} moved",`, 1)
	_, ps := compileText(t, text)
	if len(ps) != 1 || ps[0].Pos.Line != 6 || !strings.Contains(ps[0].What, "nobody") {
		t.Errorf("%v", ps)
	}
}

func TestABaselinesKeyIsOfItsAggregatesAlone(t *testing.T) {
	text := `name: t
schedule: "5 * * * *"
steps:
  rows: {read: lake.signin, where: status = 'Failure'}
  usual: {baseline: {of: rows, entity: user.name, measures: {n: count(*)}}}
  odd: {anomaly: {of: usual, method: robust_z, threshold: 4}}
write: [{from: odd, to: analytics.findings}]
`
	key := func(text string) string {
		c, ps := compileText(t, text)
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		return c.Baselines[0].Key
	}
	same := key(strings.Replace(text, "threshold: 4", "threshold: 5", 1))
	other := key(strings.Replace(text, "'Failure'", "'failure'", 1))
	if k := key(text); k != same || k == other {
		t.Errorf("%s, with another threshold %s, with other rows %s", k, same, other)
	}
}

func TestMaxScoreBoundsTheScore(t *testing.T) {
	f := detect.Finding{From: "t", EntityType: "''", Entity: "''", Key: "''", Score: "90.0", Time: "now()", Start: "now()",
		End: "now()", Observed: "1", Expected: "1"}
	q, err := f.SQL(detect.Source{Step: "x", RunID: "r", Ceiling: 40})
	if err != nil || !strings.Contains(q, "least(40.0::DOUBLE, ") {
		t.Error(q, err)
	}
}

// interrupted is a confiner that is lost after so many answers.
type interrupted struct {
	Confiner
	answers int
}

func (i *interrupted) Confine(expr string, columns []string) error {
	if i.answers--; i.answers < 0 {
		return query.ErrCrashed
	}
	return i.Confiner.Confine(expr, columns)
}

// A confiner that fails says nothing about columns: what needs them must not be
// left out, whichever of its answers is lost.
func TestAConfinerThatFailsIsNoMissingColumn(t *testing.T) {
	parser, err := duckdb.NewParser(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer parser.Close()
	p, ps := spec.Parse("p.yaml", []byte(travelText))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	cols := append(fields("time", "event_id", "status", "lat", "lon", "ip"), structure("user", fields("name")...),
		structure("net", fields("number", "name")...))
	schema := func(string) (tiers.Schema, bool) { return tiers.Schema{Fields: cols}, true }
	for answers := 0; ; answers++ {
		confiner := &interrupted{Confiner: parser, answers: answers}
		c, problems := Compile(p, schema, confiner)
		if confiner.answers >= 0 {
			if len(problems) > 0 || len(c.Missing) > 0 || len(c.Dropped) > 0 {
				t.Errorf("with all answers: %v", problems)
			}
			return
		}
		if len(problems) == 0 && (len(c.Missing) > 0 || len(c.Dropped) > 0) {
			t.Errorf("after %d answers: missing %v, dropped %v", answers, c.Missing, c.Dropped)
		}
	}
}
