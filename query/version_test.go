package query

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

func TestAVersionIsASnapshotThatIsKept(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 28, 10, minute, 0, 0, time.UTC) }
	kept := []tiers.Snapshot{{ID: 7, Time: at(10)}, {ID: 3, Time: at(20)}, {ID: 9, Time: at(30)}}
	for _, c := range []struct {
		v     Version
		want  int64
		wrong string
	}{
		{Version{Snapshot: 3}, 3, ""},
		{Version{Time: at(10)}, 7, ""},
		{Version{Time: at(29)}, 3, ""},
		{Version{Time: at(59)}, 9, ""},
		{Version{Snapshot: 4}, 0, "lake.t has no snapshot 4: it has 3, from 7 (2026-11-28 10:10:00Z) to 9 (2026-11-28 " +
			"10:30:00Z), and older ones have expired"},
		{Version{Time: at(9)}, 0, "lake.t has no snapshot of 2026-11-28 10:09:00Z or before: it has 3"},
	} {
		s, err := c.v.Of("t", kept)
		if c.wrong == "" && (err != nil || s.ID != c.want) {
			t.Errorf("%+v: %d, %v", c.v, s.ID, err)
		}
		if pe := (*ParseError)(nil); c.wrong != "" && (!errors.As(err, &pe) || !strings.HasPrefix(err.Error(), c.wrong)) {
			t.Errorf("%+v: %v", c.v, err)
		}
	}
	if _, err := (Version{Snapshot: 1}).Of("t", nil); err == nil {
		t.Error("a snapshot of a table without any")
	}
}
