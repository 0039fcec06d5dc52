package pipeline

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkRunDue is a run of each shipped pipeline, at successive logical
// times, over a week that is almost empty: what a run costs beside the reading
// of its rows.
func BenchmarkRunDue(b *testing.B) {
	w, lake := shapedWorld(b)
	lake.tables["signin"] = shape(b, w.dir, "signin", []byte(`{"time":"2026-11-01T08:00:00Z","status":"Success","user":{"name":"ada"},"src_endpoint":{"ip":"192.0.2.1","location":{"lat":48.2,"long":16.4,"city":"Vienna"},"autonomous_system":{"number":1,"name":"x"}},"http_request":{"user_agent":"x"}}`))
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
