package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// evaluated runs a pipeline over rows once, without state, and collects steps.
func evaluated(t *testing.T, text, at string, given map[string]string, steps ...string) Result {
	t.Helper()
	w, lake := shapedWorld(t)
	for table, rows := range given {
		lake.tables[table] = shape(t, w.dir, table, []byte(rows))
	}
	d := defined(t, w, text)
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	win, err := d.WindowAt(when, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.runner.Run(t.Context(), d, win, RunOptions{At: when, DryRun: true, Stateless: true, Collect: steps})
	if err != nil {
		t.Fatal(err)
	}
	if res.Status != StatusSucceeded {
		t.Fatalf("%s: %s", res.Status, res.Error)
	}
	return res
}

// defined loads a pipeline from its text.
func defined(t *testing.T, w *world, text string) *Definition {
	t.Helper()
	d, ps := Loader(specOptions(w))(t.Context(), w.dir, "p.yaml", []byte(text), nil)
	if len(ps) > 0 || d == nil {
		t.Fatalf("%v", ps)
	}
	return d
}

// found are the findings as "entity observed", in order of the entities.
func found(rows []Row) string {
	var out []string
	for _, r := range rows {
		out = append(out, text(r, "entity")+" "+text(r, "observed"))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// hourly are events from 00:00 of 2026-11-24, value(h) at 5 past each hour.
func hourly(b *strings.Builder, who string, hours int, value func(h int) string) {
	for h := range hours {
		if v := value(h); v != "" {
			fmt.Fprintf(b, "{\"time\":\"%s\",\"who\":%q,\"v\":%s}\n", time.Date(2026, 11, 24, h, 5, 0, 0, time.UTC).Format(time.RFC3339), who, v)
		}
	}
}

func TestValuesThatDoNotConvertAreCountedAndEndNoRun(t *testing.T) {
	const text = `
name: texts
schedule: "0 * * * *"
settle: 0s
steps:
  big: {read: lake.t, where: "v::BIGINT < 1000000", select: [time, who, v, "v::INTEGER AS n"]}
  sums: {sql: "SELECT time, who, CAST(v AS SMALLINT) AS s FROM big", inputs: [big]}
  usual: {baseline: {of: big, entity: who, season: none, measures: {v: "sum(v::DOUBLE)", most: "max(v)"}}}
  odd: {anomaly: {of: usual, method: robust_z, measures: v}}
write:
  - {from: odd, to: analytics.findings}
`
	var b strings.Builder
	hourly(&b, "ann", 12, func(h int) string {
		if h == 11 {
			return `"900"`
		}
		return fmt.Sprintf(`"%d"`, 5+h%3)
	})
	b.WriteString(`{"time":"2026-11-24T11:06:00Z","who":"ann","v":"n/a"}` + "\n")
	b.WriteString(`{"time":"2026-11-24T11:07:00Z","who":"ann","v":"40000"}` + "\n")
	res := evaluated(t, text, "2026-11-24T12:00:00Z", map[string]string{"t": b.String()}, "odd", "sums")
	if got := found(res.Rows["odd"]); got != "ann 40900" {
		t.Errorf("found %s", got)
	}
	if want := "big: 1 rows have a value that does not convert, taken as null; sums: 1 rows have a value that does not convert, taken as null"; res.Note != want {
		t.Errorf("note: %s", res.Note)
	}
}

func TestWhatIsNotFiniteIsNoFindingNoScoreNoEvidence(t *testing.T) {
	const text = `
name: ratios
schedule: "0 * * * *"
settle: 0s
steps:
  rows: {read: lake.t}
  usual: {baseline: {of: rows, entity: who, season: none, measures: {r: "sum(v) / 0.0", m: "max(v)", huge: "max(v) * 1e308"}}}
  odd: {anomaly: {of: usual, method: robust_z, direction: both, measures: [r, m]}}
  many: {anomaly: {of: usual, method: poisson, threshold: 0.001, measures: [r, m]}}
  all: {anomaly: {of: usual, method: robust_z, direction: both, min_delta: 1}}
write:
  - {from: odd, to: analytics.findings}
`
	var b strings.Builder
	hourly(&b, "ann", 12, func(h int) string { return fmt.Sprint(5 + h%3) })
	hourly(&b, "bob", 12, func(h int) string {
		if h == 11 {
			return "1e17"
		}
		return fmt.Sprint(5 + h%3)
	})
	res := evaluated(t, text, "2026-11-24T12:00:00Z", map[string]string{"t": b.String()}, "odd", "many", "all")
	for _, step := range []string{"odd", "many", "all"} {
		if got := found(res.Rows[step]); got != "bob 1e+17" {
			t.Errorf("%s found %s", step, got)
		}
		for _, r := range res.Rows[step] {
			if ev := fmt.Sprint(r["evidence"], r["score"], r["reason"]); strings.Contains(ev, "NaN") || strings.Contains(ev, "Inf") || strings.Contains(ev, "inf") {
				t.Errorf("%s: %s", step, ev)
			}
		}
	}
}
