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
			fmt.Fprintf(b, "{\"time\":\"%s\",\"who\":%q,\"v\":%s}\n",
				time.Date(2026, 11, 24, h, 5, 0, 0, time.UTC).Format(time.RFC3339), who, v)
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
	if want := "big: 1 rows have a value that does not convert or overflows, taken as null; sums: 1 rows have a value " +
		"that does not convert or overflows, taken as null"; res.Note != want {
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
			if ev := fmt.Sprint(r["evidence"], r["score"], r["reason"]); strings.Contains(ev, "NaN") ||
				strings.Contains(ev, "Inf") || strings.Contains(ev, "inf") {
				t.Errorf("%s: %s", step, ev)
			}
		}
	}
}

func TestArithmeticThatOverflowsIsNullAndCounted(t *testing.T) {
	const text = `
name: sums
schedule: "0 * * * *"
settle: 0s
steps:
  rows: {read: lake.t, where: "v * 4 <> 7 OR v IS NOT NULL", select: [time, who, v, d, s, "-v AS m", "v * v + 1 AS q", "abs(v - 1) AS a", "time + to_days(v) AS later", "v % 0 AS none"]}
  more: {sql: "SELECT time, who, v + v AS twice, list_transform([v], x -> x * 2) AS l FROM rows", inputs: [rows]}
  groups: {sql: "SELECT v + 1 AS k, count(*) AS n FROM rows GROUP BY v + 1 ORDER BY v + 1", inputs: [rows]}
  usual: {baseline: {of: rows, entity: who, season: none, where: "v + v IS NOT NULL OR d * 2 > 0 OR true", measures: {v: "sum(v * 8)", d: "max(d * d)", s: "sum(s::BIGINT * 2)"}}}
  odd: {anomaly: {of: usual, method: robust_z, measures: v}}
write:
  - {from: odd, to: analytics.findings}
`
	const small, large = "-9223372036854775808", "9223372036854775807"
	var b strings.Builder
	for h := range 12 {
		for i, v := range []string{fmt.Sprint(5 + h%3), small, large, "3", "null"} {
			if i > 0 && h < 11 {
				continue
			}
			if i == 3 {
				v = "900"
			}
			fmt.Fprintf(&b, "{\"time\":\"2026-11-24T%02d:%02d:00Z\",\"who\":\"ann\",\"v\":%s,\"d\":%s,\"s\":%q}\n", h, 5+i, v,
				[]string{"1.5", "1e300", "-1e300", "2.5", "0.1"}[i], []string{"1", "NaN", large, "x", "1e9"}[i])
		}
	}
	res := evaluated(t, text, "2026-11-24T12:00:00Z", map[string]string{"t": b.String()}, "odd", "rows", "more", "groups")
	if got := found(res.Rows["odd"]); got != "ann 7256" { // 8 * (7 + 900): the others are none
		t.Errorf("found %s", got)
	}
	if n := len(res.Rows["rows"]); n != 4 {
		t.Errorf("%d rows", n)
	}
	if n := len(res.Rows["groups"]); n != 4 { // 8, 901, the smallest, and what has none
		t.Errorf("groups %v", res.Rows["groups"])
	}
	const says = " rows have a value that does not convert or overflows, taken as null"
	// of rows 2 as they are read, 3 as they are summed up
	if want := "groups: 1" + says + "; more: 2" + says + "; rows: 5" + says; res.Note != want {
		t.Errorf("note: %s", res.Note)
	}
}

func TestExpressionsThatFailOnAValueGiveNull(t *testing.T) {
	const text = `
name: odd
schedule: "0 * * * *"
settle: 0s
steps:
  ssh: {read: lake.t, where: "port = 22"}
  few: {read: lake.t, where: "port IN (22, 23)"}
  sums: {read: lake.t, select: [time, who, "v + v AS n", "-v AS m", "regexp_matches(who, port) AS r", "v * 2.0 AS d"]}
  usual:
    baseline:
      of: sums
      entity: who
      season: none
      measures: {l: "ln(count(*) FILTER (r))", s: "stddev(d * 1e300)", d: "max(n) - min(m)", n: count(*)}
  odd: {anomaly: {of: usual, method: robust_z, min_delta: 1}}
write:
  - {from: odd, to: analytics.findings}
  - {from: ssh, to: analytics.ssh}
  - {from: few, to: analytics.few}
`
	var b strings.Builder
	hourly(&b, "ann", 12, func(int) string { return `5,"port":"80"` })
	for i, port := range []string{"22", "n/a", "(", "23"} {
		fmt.Fprintf(&b, "{\"time\":\"2026-11-24T11:0%d:00Z\",\"who\":\"ann\",\"v\":9223372036854775807,\"port\":%q}\n", i+6,
			port)
	}
	res := evaluated(t, text, "2026-11-24T12:00:00Z", map[string]string{"t": b.String()}, "ssh", "few", "odd")
	if len(res.Rows["ssh"]) != 1 || len(res.Rows["few"]) != 2 {
		t.Errorf("ports: %v, %v", res.Rows["ssh"], res.Rows["few"])
	}
	if got := found(res.Rows["odd"]); got != "ann 5" { // n; what is out of range is none
		t.Errorf("found %s", got)
	}
	for _, want := range []string{"ssh: 2 rows", "few: 2 rows", "sums: 4 rows"} {
		if !strings.Contains(res.Note, want) {
			t.Errorf("note %q, want %q in it", res.Note, want)
		}
	}
}
