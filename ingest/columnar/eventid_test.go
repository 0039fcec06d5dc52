package columnar

import (
	"testing"
)

func TestAnEventIDSaysWhoseItIs(t *testing.T) {
	const tag = "EVENTS-k3"
	seen := map[string]string{}
	for _, id := range []string{"", "m", "m#1", "m#0", "m#00", "m#1#0", "m#0#0", "m#", "#", "#1", "1", "m/1", "m#-1",
		"m#99999999999999999999",
		"EVENTS-k3-7", "EVENTS-k3-8", "EVENTS-k3-7#1", "EVENTS-k3-7#0", "EVENTS-k3-", "EVENTS-k3-x", "EVENTS-k3--7",
		"EVENTS-k3", "EVENTS-k37"} {
		for _, index := range []int{0, 1, 7, 12} {
			event := string(AppendEventID(nil, tag, Meta{Seq: 7, ID: []byte(id), Index: index}))
			if other, taken := seen[event]; taken {
				t.Errorf("event id %q is of %q and of %q", event, id, other)
			}
			seen[event] = id
			if gotID, gotIndex := ParseEventID(event, tag); gotID != id || gotIndex != index {
				t.Errorf("%q, event %d: %q says %q, event %d", id, index, event, gotID, gotIndex)
			}
		}
	}
}

func FuzzEventID(f *testing.F) {
	f.Add("m#1", 0)
	f.Add("T-7", 3)
	f.Fuzz(func(t *testing.T, id string, index int) {
		index = max(index, 0)
		event := string(AppendEventID(nil, "T", Meta{Seq: 7, ID: []byte(id), Index: index}))
		if gotID, gotIndex := ParseEventID(event, "T"); gotID != id || gotIndex != index {
			t.Errorf("%q, event %d: %q says %q, event %d", id, index, event, gotID, gotIndex)
		}
	})
}
