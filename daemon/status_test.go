package daemon

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

func TestASourceThatCannotCommitIsNotReady(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		s    ingest.Status
		want string // part of the reason; empty: ready
	}{
		{"it runs", ingest.Status{State: ingest.Running}, ""},
		{"a try failed just now", ingest.Status{State: ingest.Running, Failing: now.Add(-time.Second), Reason: "write x"},
			""},
		{"it fails", ingest.Status{State: ingest.Running, Failing: now.Add(-time.Minute),
			Reason: "write x: no space left on device"}, "no space left"},
		{"it waits", ingest.Status{State: ingest.Waiting, Reason: "for the stream"}, "waiting: for the stream"},
	} {
		if got := notReady(c.s, now); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAHistoryThatMemoryDoesNotReachForLeavesTheDaemonReady(t *testing.T) {
	for _, c := range []struct {
		err               error
		reasons, degraded int
	}{
		{nil, 0, 0},
		{fmt.Errorf("read the history: %w: 64 MiB", query.ErrMemory), 0, 1},
		{fmt.Errorf("PostgreSQL %w", tiers.ErrAway), 0, 1},
		{errors.New("IO Error: input/output error"), 1, 0},
		{fmt.Errorf("%w: sync", query.ErrUnavailable), 1, 0},
	} {
		var st serve.Status
		sayUnread(&st, c.err)
		if len(st.Reasons) != c.reasons || len(st.Degraded) != c.degraded {
			t.Errorf("%v: not ready for %q, degraded for %q", c.err, st.Reasons, st.Degraded)
		}
		if said := strings.Join(append(st.Reasons, st.Degraded...), ""); c.err != nil &&
			!strings.Contains(said, c.err.Error()) {
			t.Errorf("%v: it says %q", c.err, said)
		}
	}
}

func TestASourceThatForgetsIDsEarlySaysSo(t *testing.T) {
	if why := shortOfIDs(ingest.Status{Name: "events"}); why != "" {
		t.Error(why)
	}
	s := ingest.Status{Name: "events", IDs: ingest.MessageIDs{Window: 7 * 24 * time.Hour, Reach: 3 * time.Hour}}
	if why := shortOfIDs(s); !strings.Contains(why, "3h0m0s only, not over their window of 168h0m0s") {
		t.Error(why)
	}
}
