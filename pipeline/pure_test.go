package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// hour is a time on 2026-11-24, or hours beyond it.
func hour(h int) time.Time { return time.Date(2026, 11, 24, h, 0, 0, 0, time.UTC) }

func span(a, b int) compile.Range { return compile.Range{Start: hour(a), End: hour(b)} }

func spans(rs []compile.Range) string {
	var out []string
	for _, r := range rs {
		out = append(out, fmt.Sprintf("%v-%v", r.Start.Sub(hour(0)).Hours(), r.End.Sub(hour(0)).Hours()))
	}
	return strings.Join(out, " ")
}

func TestBaselinesReadOnlyWhatIsNew(t *testing.T) {
	have := coverage{known: true, buckets: span(0, 10)}
	for _, c := range []struct {
		name    string
		have    coverage
		need    compile.Range
		late    []compile.Range
		refresh string
		covered string
	}{
		{"first run: all of it", coverage{}, span(0, 10), nil, "0-10", "0-10"},
		{"the next hour", have, span(1, 11), nil, "10-11", "0-11"},
		{"the same window again", have, span(0, 10), nil, "", "0-10"},
		{"late rows", have, span(1, 11), []compile.Range{span(3, 4), span(12, 13)}, "3-4 10-11", "0-11"},
		{"a gap stays no gap", have, span(20, 30), nil, "10-30", "0-30"},
		{"backwards", have, span(-5, 5), nil, "-5-0", "-5-10"},
	} {
		refresh, covered := extend(c.have, c.need, c.late)
		if spans(refresh) != c.refresh || spans([]compile.Range{covered}) != c.covered {
			t.Errorf("%s: refresh %s, covered %s", c.name, spans(refresh), spans([]compile.Range{covered}))
		}
	}
}

func TestMergeRangesKeepsUnboundedOnes(t *testing.T) {
	got := sqltext.Merge([]compile.Range{span(5, 6), span(0, 2), span(2, 3)})
	if spans(got) != "0-3 5-6" {
		t.Error(spans(got))
	}
	if got := sqltext.Merge([]compile.Range{{}, span(5, 6)}); len(got) != 1 || !got[0].End.IsZero() {
		t.Error(got)
	}
}

func TestTheDesignsExampleWindow(t *testing.T) {
	c, err := schedule.Parse("5 * * * *", "")
	if err != nil {
		t.Fatal(err)
	}
	d := Definition{Name: "failed-signins", Cron: c, Settle: 5 * time.Minute, Bucket: time.Hour}
	w, err := d.WindowAt(hour(10).Add(5*time.Minute), nil)
	if err != nil || w != span(9, 10) {
		t.Errorf("%v %v", w, err)
	}
}

func TestAWindowOfItsOwnEndsWhereTheScheduleSays(t *testing.T) {
	c, err := schedule.Parse("0 * * * *", "")
	if err != nil {
		t.Fatal(err)
	}
	d := Definition{Cron: c, Bucket: time.Hour, Window: 24 * time.Hour}
	if w, err := d.WindowAt(hour(10), nil); err != nil || w != span(-14, 10) {
		t.Errorf("%v %v", w, err)
	}
}

func TestDiffMatchesRowsOneToOne(t *testing.T) {
	a, b := Row{"entity": "ada", "score": 80.0, "n": int64(3)}, Row{"entity": "ada", "score": 20.0}
	for _, c := range []struct {
		name      string
		want, got []Row
		diff      string
	}{
		{"none", nil, nil, ""},
		{"any order, some columns, 3 is 3.0", []Row{{"score": 20}, {"n": 3.0}}, []Row{a, b}, ""},
		{"a vague row does not steal the only partner", []Row{{"entity": "ada"}, {"score": 80}}, []Row{a, b}, ""},
		{"missing", []Row{{"entity": "bob"}}, nil, "  - expected {entity: bob}\n"},
		{"unexpected", nil, []Row{b}, "  + found    {entity: ada, score: 20}\n"},
		{"a member of a struct", []Row{{"src.ip": "::1"}}, []Row{{"src": map[string]any{"ip": "::1"}}}, ""},
		{"same instant", []Row{{"time": "2026-11-24T10:00:00+01:00"}}, []Row{{"time": "2026-11-24T09:00:00Z"}}, ""},
	} {
		if got := Diff(c.want, c.got); got != c.diff {
			t.Errorf("%s:\n%s", c.name, got)
		}
	}
}

func TestUpstreamsComeFirst(t *testing.T) {
	ds := []*Definition{{Name: "a-risk", After: []string{"z", "m"}}, {Name: "m"}, {Name: "z"}}
	var names []string
	for _, d := range Order(ds) {
		names = append(names, d.Name)
	}
	if strings.Join(names, " ") != "z m a-risk" {
		t.Error(names)
	}
}

func TestKeyLocksExcludeAndGiveUpWithTheContext(t *testing.T) {
	k := keyLocks{held: map[string]chan struct{}{}}
	unlock, err := k.lock(t.Context(), []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.lock(ctx, []string{"0", "b"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	unlock()
	unlock, err = k.lock(t.Context(), []string{"0", "a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
