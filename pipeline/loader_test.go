package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/schedule"
)

const example = `name: failed-signins
description: Failed sign-ins per user, against that user's own usual week.
schedule: "5 * * * *"
lateness: 2h
steps:
  failures:
    read: lake.signin
    where: status = 'Failure'
  usual:
    baseline:
      of: failures
      entity: user.name
      bucket: 1h
      season: hour_of_week
      history: 28d
      measures:
        failures: count(*)
  unusual:
    anomaly:
      of: usual
      method: robust_z
      threshold: 4
      at_least: {failures: 5}
write:
  - from: unusual
    to: analytics.findings
    mode: merge
    publish: findings.failed-signins
`

const exampleTests = `cases:
  - name: quiet
    at: 2026-11-24T10:05:00Z
    given: {lake.signin: {rows: [{user: {name: ada}}]}}
    expect: {unusual: [{entity: ada, severity: high}]}
`

func TestTheDesignsExampleLoads(t *testing.T) {
	load := Loader(SpecOptions{Settle: 5 * time.Minute, Lateness: time.Hour})
	d, problems := load(t.Context(), t.TempDir(), "failed-signins.yaml", []byte(example), []byte(exampleTests))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if d.Lateness != 2*time.Hour || d.Bucket != time.Hour || d.Outputs[0].Publish != "findings.failed-signins" ||
		d.Hash == "" {
		t.Errorf("%+v", d)
	}
	check(t, "case", Diff(d.Tests[0].Expect["unusual"], []Row{{"entity": "ada", "severity": "high", "score": 80.0}}), "")
	w, err := d.WindowAt(at5(10), nil)
	if err != nil || w != span(9, 10) {
		t.Error(w, err)
	}
}

func TestMistakesInEitherFileAreProblemsAtTheirPlace(t *testing.T) {
	load := Loader(SpecOptions{})
	for _, c := range []struct{ spec, tests, want string }{
		{strings.Replace(example, "lateness", "latenes", 1), exampleTests, "p.yaml:4:"},
		{example, strings.Replace(exampleTests, "cases", "case", 1), "p_test.yaml:1:"},
	} {
		d, problems := load(t.Context(), t.TempDir(), "p.yaml", []byte(c.spec), []byte(c.tests))
		if d != nil || len(problems) == 0 || !strings.HasPrefix(problems[0].String(), c.want) {
			t.Errorf("want a problem at %s: %v", c.want, problems)
		}
	}
}

func TestACaseThatDiffersIsAProblem(t *testing.T) {
	w := newWorld(t)
	d, _ := w.toyDefinition(2)
	d.File = "toy.yaml"
	d.Tests = []Case{{Name: "c", At: at5(10), Given: map[string][]byte{"lake.signin": []byte("9 ada,9 ada")},
		Expect: map[string][]Row{"unusual": {}}}}
	ps := Checker(func(string) *schedule.Cron { return nil }, benches(t), 0)(t.Context(), d)
	if len(ps) != 1 || !strings.Contains(ps[0].String(), "toy_test.yaml: case c differs") {
		t.Error(ps)
	}
}
