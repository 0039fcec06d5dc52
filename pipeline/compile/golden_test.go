package compile

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// TestTheStatementsOfEachDetector pins what every detector asks the engine,
// which tables and times it reads, and how it explains a finding.
func TestTheStatementsOfEachDetector(t *testing.T) {
	text, err := os.ReadFile("testdata/detectors.yml")
	if err != nil {
		t.Fatal(err)
	}
	c, ps := compileText(t, string(text))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	run := Run{ID: "run", Window: Range{Start: at("2026-11-24 09:00"), End: at("2026-11-24 10:00")}}
	stmts, err := c.Statements(run)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, s := range stmts {
		if k := c.steps[s.Step].kind; k != kindAnomaly && k != kindRisk {
			continue
		}
		fmt.Fprintf(&out, "-- %s: %s\n%s;\n\n", s.Step, s.Purpose, s.SQL)
	}
	needs := c.Needs(run)
	for _, table := range slices.Sorted(maps.Keys(needs)) {
		for _, r := range needs[table] {
			fmt.Fprintf(&out, "-- needs %s from %s to %s\n", table, r.Start.Format(time.RFC3339), r.End.Format(time.RFC3339))
		}
	}
	for _, name := range c.Steps() {
		if e, ok := c.FindingQuery(name, "ada", run.Window.Start, run.Window.End); ok {
			fmt.Fprintf(&out, "\n-- explain %s: %s\n%s;\n%s;\n", name, e.Formula, e.Rows, e.Baseline)
		}
	}
	fmt.Fprintf(&out, "\n-- misfits\n%s;\n\n-- reflagged\n%s;\n", c.Misfits(run), c.Reflagged(run))
	got := out.String()
	if *update {
		if err := os.WriteFile("testdata/detectors.golden.sql", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile("testdata/detectors.golden.sql")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("testdata/detectors.golden.sql differs; got\n%s", got)
	}
	if left := regexp.MustCompile(`[^\pL\d]\{[a-zA-Z]\w*\}`).FindString(got); left != "" {
		t.Errorf("a template's name has no value: %s", left)
	}
}
