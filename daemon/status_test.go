package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/ingest"
)

func TestASourceThatCannotCommitIsNotReady(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		s    ingest.Status
		want string // part of the reason; empty: ready
	}{
		{"it runs", ingest.Status{State: ingest.Running}, ""},
		{"a try failed just now", ingest.Status{State: ingest.Running, Failing: now.Add(-time.Second), Reason: "write x"}, ""},
		{"it fails", ingest.Status{State: ingest.Running, Failing: now.Add(-time.Minute), Reason: "write x: no space left on device"}, "no space left"},
		{"it waits", ingest.Status{State: ingest.Waiting, Reason: "for the stream"}, "waiting: for the stream"},
	} {
		if got := notReady(c.s, now); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
