package detect

import (
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/pipeline/terms"
)

const (
	// A pause of an entity that is longer than this does not count towards the
	// look-back: what is known of it is not forgotten meanwhile (ours).
	pauseGrace = 7 * day
	// The longest pause over which an entity is still known, at least (ours).
	longestPause = 180 * day
)

// Novelty is what detectors share that look at the values which an entity uses.
type Novelty struct {
	Entity   []Text // column paths
	Values   []Text // column paths; several are one combined value
	Lookback time.Duration
	Learning time.Duration
}

func noveltyKeys(lookback string) []strict.Field[Novelty] {
	type N = Novelty
	return []strict.Field[N]{
		strict.F("entity", strict.OneOrList(terms.Column()), func(n *N) *[]Text { return &n.Entity },
			"Column of whom it is about; several are one combined entity.").Needed(),
		strict.F("value", strict.OneOrList(terms.Column()), func(n *N) *[]Text { return &n.Values },
			"Column of what is used; several are one combined value.").Needed(),
		strict.F("lookback", strict.Duration(time.Hour, terms.Longest), func(n *N) *time.Duration { return &n.Lookback },
			"How far back uses are remembered. "+lookback),
		strict.F("learning", strict.Duration(0, terms.Longest), func(n *N) *time.Duration { return &n.Learning },
			"How long an entity must have been known (ours).").Default("14d"),
	}
}

// Check implements Detector.
func (n *Novelty) Check(report func(at Pos, what, remedy string)) {
	if n.Learning >= n.Lookback && n.Lookback > 0 {
		report(Pos{}, "`learning` is not shorter than `lookback`, so nothing would ever be raised",
			"lengthen `lookback` or shorten `learning`")
	}
}

// Subject implements RowDetector.
func (n *Novelty) Subject() string {
	if len(n.Entity) == 0 {
		return ""
	}
	return n.Entity[0].Value
}

// Context implements RowDetector.
func (n *Novelty) Context() []Text { return nil }

// Explain implements Detector.
func (n *Novelty) Explain(r Run, entity string) Explanation {
	return Explanation{Where: n.entity(r) + " = " + sqltext.Str(entity)}
}

// bind is the part for the columns.
func (n Novelty) bind(c Columns) Novelty {
	n.Entity, n.Values = paths(c, n.Entity), paths(c, n.Values)
	return n
}

func paths(c Columns, ts []Text) []Text {
	out := make([]Text, len(ts))
	for i, t := range ts {
		out[i] = c.Path(t)
	}
	return out
}

// memory is how far back rows are read: the look-back, and a pause before it.
func (n *Novelty) memory() time.Duration { return n.Lookback + max(n.Lookback, longestPause) }

// reads is the time of the rows that are read.
func (n *Novelty) reads(window Range) Range {
	return Range{Start: window.Start.Add(-n.memory()), End: window.End}
}

func (n *Novelty) entity(r Run) string { return sqltext.Entity(texts(n.Entity), r.EntityType) }

// terms are the SQL of what both detectors' templates name.
func (n *Novelty) terms(r Run) sqltext.Values {
	return sqltext.Values{
		"rows": r.Rows(n.reads(r.Window)), "start": sqltext.Instant(r.Window.Start),
		"entity": n.entity(r), "value": sqltext.Combined(texts(n.Values), sqltext.Said),
		"lookback": sqltext.Interval(n.Lookback), "learning": sqltext.Interval(n.Learning),
		"pauses": pauses(r.Window),
	}
}

// present is the condition that the columns have values.
func (n *Novelty) present() string {
	return sqltext.Present(slices.Concat(texts(n.Entity), texts(n.Values)))
}

// pauses is how long the entity of a row has paused before the window, as far
// as the look-back leaves it out; prev is its last row before the window.
func pauses(window Range) string {
	return sqltext.Fill("to_microseconds(coalesce(greatest(0, epoch_us({start}) - epoch_us(prev) - {grace}), 0))",
		sqltext.Values{"start": sqltext.Instant(window.Start), "grace": pauseGrace.Microseconds()})
}

// mentions reports whether a column's name has one of the words.
func mentions(columns []Text, words ...string) bool {
	if len(columns) == 0 {
		return false
	}
	name := strings.ToLower(columns[0].Value)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
}

func (*Novelty) byValue() {}

// ByValue lists the methods that raise several findings of one entity in one
// window, one a value.
func ByValue() []string {
	var out []string
	for _, k := range Kinds() {
		if _, ok := k.New().(interface{ byValue() }); ok {
			out = append(out, string(k.Method))
		}
	}
	return out
}
