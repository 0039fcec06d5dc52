package ingest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// TestTwoSourcesOfOneTableDisagreeOnAType: both begin before the table exists,
// and the column is of the type that is committed first. The other source's
// values are not lost: they go to a column beside it.
func TestTwoSourcesOfOneTableDisagreeOnAType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		other := newMemStream()
		other.info.Name = "OTHER"
		for i := range 20 {
			w.stream.publish("events.t", "", fmt.Sprintf(`{"x":%d,"deep":{"a":[1]}}`, i))
			other.publish("events.t", "", fmt.Sprintf(`{"x":"text %d","deep":{"a":["b"],"b":1.5}}`, i))
		}
		o := w.options(w.lake)
		a := w.run(o)
		o.Stream = other
		b := w.run(o)
		for _, r := range []*running{a, b} {
			r.until(func(s Status) bool { return s.Committed == 20 })
			if err := r.end(); err != nil {
				t.Error(err)
			}
		}
		if got := len(w.rows("t")); got != 40 {
			t.Errorf("%d rows, want 40", got)
		}
		w.verify()
		tab, err := w.lake.Open(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		files, err := tab.Files(t.Context(), 0, time.Time{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		x, _ := tab.Schema().Lookup("x")
		beside := "x_long"
		if x.Type.Kind == tiers.KindLong {
			beside = "x_text"
		}
		var columns, others int
		for _, f := range files {
			if err := w.data().columns(w.Context(), f.Path, []string{"x", beside, tiers.ColUnmapped}, func(v []value) {
				if strings.Contains(v[2].text, `"x":`) {
					t.Errorf("unmapped has %s", v[2].text)
				}
				text := v[0].text // of the column that has the texts
				if x.Type.Kind == tiers.KindLong {
					text = v[1].text
				}
				if (text != "") == (x.Type.Kind == tiers.KindString) {
					columns++
				} else {
					others++
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		if columns != 20 || others != 20 {
			t.Errorf("x is %s: %d values in the column and %d beside it, want 20 and 20", x.Type, columns, others)
		}
	})
}
