package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/tiers"
)

// BenchmarkRunDue is a run of each shipped pipeline, at successive logical
// times, over a week that is almost empty: what a run costs beside the reading
// of its rows.
func BenchmarkRunDue(b *testing.B) {
	w, lake := shapedWorld(b)
	lake.tables["signin"] = shape(b, w.dir, "signin",
		[]byte(`{"time":"2026-11-01T08:00:00Z","status":"Success","user":{"name":"ada"},"src_endpoint":{"ip":"192.0.2.1","location":{"lat":48.2,"long":16.4,"city":"Vienna"},"autonomous_system":{"number":1,"name":"x"}},"http_request":{"user_agent":"x"}}`))
	ds := shipped(b, w)
	slices.Reverse(ds) // the score reads what the others wrote
	for _, d := range ds {
		b.Run(d.Name, func(b *testing.B) {
			at := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
			for range 48 { // a history
				at = d.Cron.Next(at)
				w.now = at
				if _, err := w.runner.RunDue(b.Context(), d, nil, at); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				at = d.Cron.Next(at)
				w.now = at
				if _, err := w.runner.RunDue(b.Context(), d, nil, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkActivate loads 1,000 pipelines that differ in their names and
// thresholds, as after a start, and one of them again with a changed expression.
func BenchmarkActivate(b *testing.B) {
	w := newWorld(b)
	dir := b.TempDir()
	file := func(i int, where string) []byte {
		text := strings.Replace(example, "name: failed-signins", fmt.Sprintf("name: p%d", i), 1)
		text = strings.Replace(text, "threshold: 4", fmt.Sprintf("threshold: %d.%d", 4+i/100, i%100), 1)
		return []byte(strings.Replace(text, "status = 'Failure'", where, 1))
	}
	for _, remembered := range []bool{false, true} {
		var confiner compile.Confiner = w.engine
		if remembered {
			confiner = compile.Remember(confiner)
		}
		load := Loader(SpecOptions{Settle: time.Minute, Lateness: time.Hour,
			Compile: func(p *spec.Pipeline, schemas func(string) (tiers.Schema, bool)) (*compile.Compiled, []spec.Problem) {
				return compile.Compile(p, schemas, confiner)
			}})
		one := func(i int, where string) {
			if d, ps := load(b.Context(), dir, "p.yaml", file(i, where), nil); d == nil || len(ps) > 0 {
				b.Fatal(ps)
			}
		}
		b.Run(fmt.Sprintf("remembered=%t/all", remembered), func(b *testing.B) {
			for b.Loop() {
				for i := range 1000 {
					one(i, "status = 'Failure'")
				}
			}
		})
		b.Run(fmt.Sprintf("remembered=%t/one", remembered), func(b *testing.B) {
			n := 0
			for b.Loop() {
				n++
				one(1, fmt.Sprintf("status = 'Failure' AND n > %d", n))
			}
		})
	}
}
