package detect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/pipeline/terms"
)

// Bound is a measure's least value.
type Bound struct {
	Measure Text
	Min     float64
}

// Deviation is what detectors share that compare a value with its baseline.
type Deviation struct {
	AtLeast  []Bound // in order
	MinDelta float64
	Measures []Text // those that may raise; empty: all
}

func deviationKeys() []strict.Field[Deviation] {
	type D = Deviation
	bound := strict.Via(strict.Float(-terms.Most, terms.Most), func(b *Bound) *float64 { return &b.Min })
	return []strict.Field[D]{
		strict.F("at_least", strict.Keyed(bound, func(b *Bound) *Text { return &b.Measure }, terms.AnyKey),
			func(d *D) *[]Bound { return &d.AtLeast },
			"Measures and the least values that they must have, such as `{failures: 5}`."),
		strict.F("min_delta", strict.Float(0, terms.Most), func(d *D) *float64 { return &d.MinDelta },
			"Least difference from the usual value. Zero: none, and then a value that has no spread behind it raises nothing.").
			Default("0"),
		strict.F("measures", strict.OneOrList(strict.Named(terms.Word(), "measure")),
			func(d *D) *[]Text { return &d.Measures },
			"The measures that may raise a finding. Without it: all of the baseline's."),
	}
}

// Complete implements Detector.
func (d *Deviation) Complete() {}

// Check implements Detector.
func (d *Deviation) Check(func(at Pos, what, remedy string)) {}

// Named implements BaselineDetector.
func (d *Deviation) Named() []Text {
	var out []Text
	for _, b := range d.AtLeast {
		out = append(out, b.Measure)
	}
	return append(out, d.Measures...)
}

// Wanted implements BaselineDetector.
func (d *Deviation) Wanted(measures []string) string {
	var ands []string
	for _, least := range d.AtLeast {
		i := slices.Index(measures, least.Measure.Value)
		if i < 0 {
			return ""
		}
		ands = append(ands, fmt.Sprintf("coalesce(m%d >= %s, false)", i, sqltext.Num(least.Min)))
	}
	return strings.Join(ands, " AND ")
}

// Explain implements Detector.
func (d *Deviation) Explain(r Run, entity string) Explanation {
	b := r.Baseline
	return Explanation{
		Where: sqltext.Entity(b.Entity, b.EntityType) + " = " + sqltext.Str(entity),
		Compared: sqltext.Fill("SELECT * FROM {step} WHERE entity = {entity} AND bucket >= {start} AND bucket < {end}",
			sqltext.Values{"step": sqltext.Ident(b.Step), "entity": sqltext.Str(entity),
				"start": sqltext.Instant(r.Window.Start), "end": sqltext.Instant(r.Window.End)}),
	}
}

// flagging lists the measures that may raise a finding.
func (d *Deviation) flagging(b Baseline) []string {
	if len(d.Measures) > 0 {
		return texts(d.Measures)
	}
	return b.Measures
}

// atLeast are the conditions on a baseline's rows, after the first.
func (d *Deviation) atLeast(first string) string {
	ands := []string{first}
	for _, b := range d.AtLeast {
		ands = append(ands, sqltext.Ident(b.Measure.Value)+" >= "+sqltext.Num(b.Min))
	}
	return strings.Join(ands, " AND ")
}

// measure are the columns of a measure in its baseline's table, with its number.
func measure(i int, name string) sqltext.Values {
	v := sqltext.Values{"i": i, "x": sqltext.Ident(name), "name": sqltext.Str(name)}
	for _, of := range []string{"median", "mad", "aad", "mean", "sd", "p10", "p90", "peak", "moved", "level", "support",
		"own"} {
		v[of] = sqltext.Ident(name + "_" + of)
	}
	return v
}

// each fills a template for each measure.
func each(measures []string, template string) []string {
	out := make([]string, len(measures))
	for i, m := range measures {
		out[i] = sqltext.Fill(template, measure(i, m))
	}
	return out
}

// Where the season's slot has too few values, an hour below this many times
// what the same hour of a day has had before is not unusual (ours).
const routine = 2

// routineSQL holds for what the same hour has had before, at the levels that
// do not know the hour, and for what a change of clocks moved here. What is
// below the usual is not a routine of that kind.
func routineSQL(name string) string {
	under := func(most string) string {
		v := measure(0, name)
		v["most"], v["more"] = sqltext.Ident(name+most), routine-1
		return sqltext.Fill("coalesce({x} < {most} + {more} * abs({most}) AND {x} >= {median}, false)", v)
	}
	return fmt.Sprintf("(%s IN ('all hours', 'peers') AND %s OR %s)",
		sqltext.Ident(name+"_level"), under("_peak"), under("_moved"))
}

// picking is the SQL of what belongs to the measure that is raised: the first
// whose strength is the highest.
func picking(measures []string, strength string) func(template string) string {
	return func(template string) string {
		return "CASE" + strings.Join(each(measures, " WHEN "+strength+" = top THEN "+template), "") + " END"
	}
}

// finding is what findings against a baseline have in common. centre is the
// suffix of the column that a value is compared with.
func (d *Deviation) finding(r Run, centre string, pick func(template string) string) Finding {
	level, support, own := pick("{level}"), pick("{support}"), pick("{own}")
	vars := map[string]string{
		"entity": "entity", "level": level, "support": support,
		"bucket":   `strftime("bucket" AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M')`,
		"observed": sqltext.Shown("observed"), "expected": sqltext.Shown("expected"),
	}
	var measures []string
	for _, m := range r.Baseline.Measures {
		vars[m+".observed"] = sqltext.Shown(sqltext.Ident(m))
		vars[m+".expected"] = sqltext.Shown(sqltext.Ident(m + centre))
		vars[m+".p90"] = sqltext.Shown(sqltext.Ident(m + "_p90"))
		values := []string{"'observed', " + sqltext.Evidence(sqltext.Ident(m))}
		for _, of := range []string{"median", "mad", "aad", "mean", "p10", "p90"} {
			values = append(values, sqltext.Str(of)+", "+sqltext.Evidence("round("+sqltext.Ident(m+"_"+of)+", 6)"))
		}
		measures = append(measures, sqltext.Str(m)+", json_object("+sqltext.List(values)+")")
	}
	return Finding{
		Time: `"bucket"`, Start: `"bucket"`, End: "bucket_end", Key: `epoch_us("bucket")`,
		EntityType: sqltext.Str(r.EntityType), Entity: "entity",
		Vars: vars, Reason: "{entity}: {observed} where {expected} is usual ({level})",
		Observed: pick("{x}"),
		Evidence: [][2]string{
			{"measures", "json_object(" + sqltext.List(measures) + ")"},
			{"level", level}, {"support", support},
			{"learning", sqltext.Fill("CASE WHEN {own} < {least} THEN {own} || '/{least}' END",
				sqltext.Values{"own": own, "least": r.Baseline.MinSupport})},
		},
	}
}
