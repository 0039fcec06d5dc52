package spec_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/pipeline/detect"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/pipeline/sqltext"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got\n%s", path, got)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEveryMistakeHasPositionAndRemedy(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no test files", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			p, problems := spec.Parse(filepath.Base(f), read(t, f))
			if p != nil || len(problems) == 0 {
				t.Fatal("the mistake was not found")
			}
			var out strings.Builder
			for _, x := range problems {
				if x.Pos.Line == 0 || x.Remedy == "" {
					t.Errorf("no position or remedy: %s", x)
				}
				out.WriteString(x.String() + "\n")
			}
			golden(t, strings.TrimSuffix(f, ".yml")+".txt", []byte(out.String()))
		})
	}
}

func parse(t testing.TB, path string) *spec.Pipeline {
	t.Helper()
	p, problems := spec.Parse(filepath.Base(path), read(t, path))
	for _, x := range problems {
		t.Error(x)
	}
	if p == nil {
		t.FailNow()
	}
	return p
}

func TestDefaultsAreFilledIn(t *testing.T) {
	for _, name := range []string{"taste", "everything", "match"} {
		t.Run(name, func(t *testing.T) {
			p := parse(t, "testdata/"+name+".yml")
			out, err := p.Encode()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "testdata/"+name+".golden", out)
		})
	}
}

func TestHashIsOfWhatIsComputed(t *testing.T) {
	src := string(read(t, "testdata/taste.yml"))
	same := map[string]string{
		"description": strings.Replace(src, "own usual week", "week", 1),
		"comment":     strings.Replace(src, "# in order", "# so", 1),
		"default":     strings.Replace(src, "bucket: 1h", "bucket: 60m", 1),
		"enabled":     src + "enabled: false\n",
	}
	other := map[string]string{
		"threshold": strings.Replace(src, "threshold: 4", "threshold: 5", 1),
		"where":     strings.Replace(src, "'Failure'", "'failure'", 1),
		"order": strings.NewReplacer("failures: count(*)", "sources: count(DISTINCT src_endpoint.ip)",
			"sources: count(DISTINCT src_endpoint.ip)", "failures: count(*)").Replace(src),
	}
	hash := parse(t, "testdata/taste.yml").Hash()
	check := func(name, text string, equal bool) {
		p, problems := spec.Parse(name, []byte(text))
		if p == nil {
			t.Fatal(name, problems)
		}
		if (p.Hash() == hash) != equal {
			t.Errorf("%s: the hash is %s, and %s before", name, p.Hash(), hash)
		}
	}
	for name, text := range same {
		check(name, text, true)
	}
	for name, text := range other {
		check(name, text, false)
	}
}

func TestReferencesBecomeInputsAndTables(t *testing.T) {
	p := parse(t, "testdata/everything.yml")
	cut, ok := p.Step("cut")
	if in := cut.Inputs(); !ok || len(in) != 2 || in[0].Value != "rows" || in[1].Value != "everyone" {
		t.Errorf("inputs of the SQL are %v", in)
	}
	var names []string
	for _, t := range p.Tables() {
		names = append(names, t.Name)
	}
	if got := strings.Join(names, " "); got != "lake.signin lake.identity analytics.assets analytics.findings" {
		t.Errorf("tables are %s", got)
	}
	c := p.Tests[0]
	if got := c.Given[0].Rows[0]; got != `{"time":"2026-11-24T08:00:00Z","user":{"name":"ada","n":1.50},"ok":true,"none":null}` {
		t.Errorf("the row became %s", got)
	}
	if w := p.Write[0]; w.Tier() != "analytics" || w.Table() != "findings" || w.Key[0].Value != "finding_id" ||
		w.Mode != "merge" {
		t.Errorf("the write became %+v", w)
	}
}

func TestPositionsAreKept(t *testing.T) {
	p := parse(t, "testdata/taste.yml")
	for want, pos := range map[string]spec.Pos{
		"taste.yml:10:12": p.Steps[0].Read.Where.Pos,
		"taste.yml:20:19": p.Steps[1].Baseline.Measures[0].Expr.Pos,
		"taste.yml:28:18": p.Steps[2].Anomaly.Detector.(*detect.RobustZ).AtLeast[0].Measure.Pos,
		"taste.yml:2:7":   p.Name.Pos,
	} {
		if pos.String() != want {
			t.Errorf("got %s, want %s", pos, want)
		}
	}
}

func TestEntityTypeFollowsFromTheColumn(t *testing.T) {
	for column, want := range map[string]string{
		"user.name": "user", "src_endpoint.ip": "ip", "device.hostname": "host", "name": "name",
		"src_endpoint.autonomous_system.number": "asn", "http_request.user_agent": "user_agent", "actor.user.uid": "user",
	} {
		if got := sqltext.EntityType(column); got != want {
			t.Errorf("%s: got %s, want %s", column, got, want)
		}
	}
}

func TestSchemaIsStable(t *testing.T) {
	out, err := spec.Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../../docs/pipeline.schema.json", out)
}

func TestCasesOfATestFile(t *testing.T) {
	p := parse(t, "testdata/taste.yml")
	cases, problems := spec.ParseTests("x_test.yaml", []byte(`cases:
  - name: a burst after a quiet month is raised
    at: 2026-11-24T10:05:00Z
    given: {lake.signin: {file: testdata/burst.ndjson}}
    expect: {unusual: [{entity: ada, severity: high, evidence.level: slot}]}
`), p)
	if len(problems) > 0 || len(cases) != 1 || cases[0].Expect[0].Rows[0].Value[1].Value != `"high"` {
		t.Errorf("%v %+v", problems, cases)
	}
	_, problems = spec.ParseTests("x_test.yaml", []byte("cases:\n  - {name: a, at: tomorrow, expect: {usualy: []}}\n"), p)
	if len(problems) != 2 {
		t.Errorf("%v", problems)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(read(f, file))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, problems := spec.Parse("f", data)
		if (p == nil) == (len(problems) == 0) {
			t.Fatalf("pipeline %v with problems %v", p, problems)
		}
		if p == nil {
			return
		}
		if p.Schedule.Value != "" {
			if _, err := schedule.Parse(p.Schedule.Value, p.Timezone); err != nil {
				t.Fatal(err)
			}
		}
		if a, b := p.Hash(), p.Hash(); a != b {
			t.Fatal("the hash changes")
		}
	})
}
