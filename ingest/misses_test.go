package ingest

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEventsWithTheTimeOfPublishingAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var log bytes.Buffer
		o := w.options(w.lake)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		for i := range 3 {
			w.stream.publish("events.a", "", fmt.Sprintf(`{"time":"around %d"}`, i))
			w.stream.publish("events.b", "", `{"n":1}`)
			w.stream.publish("events.b", "", `{"ts":1793500200}`)
		}
		r := w.run(o)
		r.caughtUp()
		if got := fmt.Sprint(r.Status().TimeMisses); got != "[{ 3} {time 3}]" {
			t.Errorf("counted %s", got)
		}
		in, err := r.Inspect(t.Context(), "EVENTS")
		if err != nil || !strings.Contains(in.String(), "since the start: 3 with no time, 3 with time that is not a time") {
			t.Errorf("%v\n%s", err, in)
		}
		first := strings.Count(log.String(), "events have the time at which they were published")
		for range 20 { // over half a minute
			w.stream.publish("events.a", "", `{"time":"later"}`)
			r.caughtUp()
			time.Sleep(time.Second)
		}
		time.Sleep(saidEvery)
		w.stream.publish("events.a", "", `{"time":"last"}`)
		r.caughtUp()
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "events have the time at which they were published"); first < 1 || n > first+1 {
			t.Errorf("%d lines of the first batches, %d of all:\n%s", first, n, log.String())
		}
	})
}
