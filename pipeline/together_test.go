package pipeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/analytics"
)

// Two steps of one pipeline are written to one table; the first has a baseline,
// so that its run keeps state, or not.
const twoWrites = `
name: two
schedule: "0 * * * *"
settle: 0s
lateness: 0s
steps:
  rows: {read: lake.api}
  region: {anomaly: {of: rows, method: first_seen, entity: who, value: region, learning: 1d}}
  action: {anomaly: {of: rows, method: first_seen, entity: who, value: action, learning: 1d}}
  # BASELINE
write:
  - {from: region, to: analytics.findings, publish: findings.region}
  - {from: action, to: analytics.findings, publish: findings.action}
  - {from: rows, to: analytics.seen, mode: MODE}
  - {from: copy, to: analytics.seen, mode: MODE}
`

func TestTwoWritesToOneTableAddUp(t *testing.T) {
	var b strings.Builder
	for d := range 9 {
		fmt.Fprintf(&b, "{\"time\":\"2026-10-%02dT10:05:00Z\",\"who\":\"kim\",\"action\":\"Get\",\"region\":\"eu\"}\n", d+1)
	}
	b.WriteString(`{"time":"2026-10-10T10:05:00Z","who":"kim","action":"Delete","region":"us"}` + "\n")
	at := time.Date(2026, 10, 10, 11, 0, 0, 0, time.UTC)
	for _, kept := range []string{"", "usual: {baseline: {of: rows, entity: who, measures: {n: count(*)}}}"} {
		for _, mode := range []tiers.WriteMode{tiers.Append, tiers.ReplaceWindow, tiers.Overwrite} {
			for _, local := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, baseline %t, local %t", mode, kept != "", local), func(t *testing.T) {
					w, lake := shapedWorld(t)
					lake.tables["api"] = shape(t, w.dir, "api", []byte(b.String()))
					sink, err := analytics.Open(t.Context(), w.engine)
					if err != nil {
						t.Fatal(err)
					}
					defer sink.Close()
					w.runner.o.Sinks.Analytics = sink
					if !local {
						w.runner.o.Sinks.Analytics = struct{ tiers.Sink }{sink}
					}
					text := strings.NewReplacer("# BASELINE", "copy: {sql: \"SELECT *, 1 AS more FROM rows\", inputs: rows}\n  "+kept,
						"MODE", string(mode)).Replace(twoWrites)
					d := defined(t, w, text)
					win, err := d.WindowAt(at, nil)
					if err != nil {
						t.Fatal(err)
					}
					for range 2 { // running again repeats nothing
						if _, err := w.runner.Run(t.Context(), d, win, RunOptions{At: at}); err != nil {
							t.Fatal(err)
						}
					}
					if got := w.query("SELECT string_agg(json_extract_string(evidence, '$.value'), ' ' ORDER BY evidence) AS v " +
						"FROM analytics.findings"); got != "Delete us" {
						t.Errorf("findings: %s", got)
					}
					if got := w.query("SELECT count(*) || ' ' || count(more) AS v FROM analytics.seen"); got != "2 1" {
						t.Errorf("rows: %s", got)
					}
					if len(w.sent) != 2 {
						t.Errorf("%d findings published", len(w.sent))
					}
				})
			}
		}
	}
}
