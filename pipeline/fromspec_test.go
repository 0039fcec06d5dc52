package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/tiers"
)

func word(s string) spec.Text { return spec.Text{Value: s} }

func TestADefinitionSaysWhatItReadsWritesAndExpects(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.ndjson"), []byte(`{"a":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	given := func(file string) spec.Case {
		return spec.Case{
			Given: []spec.Given{{Table: word("lake.signin"), File: word(file)},
				{Table: word("lake.signin"), Rows: []string{`{"a":2}`}}},
			Expect: []spec.Expect{{Step: word("risk"),
				Rows: []spec.ExpectRow{{Value: []spec.ExpectColumn{{Path: word("score"), Value: "53.5"}}}}}},
		}
	}
	p := &spec.Pipeline{
		Name: word("p"), Enabled: true, Schedule: word("5 * * * *"), Tests: []spec.Case{given("x.ndjson")},
		Steps: []spec.Step{
			{Kind: spec.KindRead, Read: &spec.Read{Table: word("lake.signin"),
				Join: []spec.Join{{Table: word("analytics.known")}}}},
			{Kind: spec.KindBaseline, Baseline: &spec.Baseline{Bucket: time.Hour}},
			{Kind: spec.KindRisk, Risk: &spec.Risk{Criticality: &spec.Criticality{Table: word("lake.identity")}}},
		},
		Write: []spec.Write{{From: word("risk"), To: word("analytics.risk"), Mode: tiers.Merge}},
	}
	d, problems := FromSpec(p, SpecOptions{Base: dir, Settle: time.Minute, Lateness: time.Hour})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	check(t, "reads", strings.Join(d.Reads, " "), "lake.identity lake.signin")
	check(t, "optional", strings.Join(d.Optional, " "), "lake.identity")
	check(t, "given", string(d.Tests[0].Given["lake.signin"]), "{\"a\":1}\n{\"a\":2}\n")
	check(t, "expected", Diff(d.Tests[0].Expect["risk"], []Row{{"score": 53.5}}), "")
	if d.Bucket != time.Hour || d.Outputs[0].Tier != "analytics" || d.Settle != time.Minute {
		t.Errorf("%+v", d)
	}
	if _, problems := FromSpec(p, SpecOptions{Base: dir, Tests: []spec.Case{given("../secret")}}); len(problems) != 1 {
		t.Errorf("a file outside: %v", problems)
	}
}
