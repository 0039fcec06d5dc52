package removal

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	r := Record{ID: "erase-1", At: time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC), Kind: Erase, By: "ada@host",
		Reason: "request 4711", Files: 2, Rows: 3,
		Gone: map[string][]tiers.SeqRange{"EVENTS|events.>|2026": {{First: 3, Last: 9}, {First: 11, Last: 1 << 40}}}}
	text, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decode(text); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%v\n%+v\n%+v", err, got, r)
	}
	r.Settled = true
	text, err = r.Encode()
	got, derr := decode(text)
	if err != nil || derr != nil || got.ID != r.ID || !got.Settled || len(got.Gone) > 0 ||
		strings.Contains(text, "request") {
		t.Errorf("%v %v %s", err, derr, text)
	}
	for _, bad := range []string{"{", `{"id":"x","gone":{"EVENTS":"!"}}`} {
		if got, err := decode(bad); err == nil {
			t.Errorf("%s is %+v", bad, got)
		}
	}
}
