package spec

import (
	"strings"
	"time"
	"unicode"

	"github.com/lakeward/lakeward/pipeline/detect"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/tiers"
)

// complete fills in the defaults that depend on other values, after decoding
// and before anything looks at the pipeline. What is wrong it leaves open.
func (p *Pipeline) complete() {
	for i := range p.Steps {
		s, earlier := &p.Steps[i], p.Steps[:i]
		switch {
		case s.SQL != nil && len(s.SQL.Inputs) == 0:
			s.SQL.Inputs = named(s.SQL.Query, earlier)
		case s.Baseline != nil:
			s.Baseline.complete()
		case s.Match != nil:
			s.Match.complete()
		case s.Anomaly != nil && s.Anomaly.Detector != nil:
			s.Anomaly.complete(earlier)
		}
	}
	for i := range p.Write {
		p.Write[i].complete(p.Steps)
	}
}

// named are the earlier steps whose names a statement has.
func named(query Text, earlier []Step) []Text {
	var out []Text
	words := sqlWords(query.Value)
	for _, s := range earlier {
		if words[s.Name.Value] {
			out = append(out, Text{Value: s.Name.Value, Pos: query.Pos})
		}
	}
	return out
}

// sqlWords are the names in a statement, in lower case, those in text
// constants too: as inputs they do no harm.
func sqlWords(q string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsFuncSeq(strings.ToLower(q), func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		out[w] = true
	}
	return out
}

// hourly reports whether the buckets divide an hour.
func (b *Baseline) hourly() bool {
	return b.Bucket > 0 && b.Bucket <= time.Hour && time.Hour%b.Bucket == 0
}

func (b *Baseline) complete() {
	if len(b.Entity) > 0 && b.EntityType == "" {
		b.EntityType = sqltext.EntityType(b.Entity[0].Value)
	}
	switch {
	case b.Season != "" || b.Bucket == 0:
	case b.hourly():
		b.Season = SeasonHourOfWeek
	case b.Bucket == day:
		b.Season = SeasonDayOfWeek
	default:
		b.Season = SeasonNone
	}
}

func (a *Anomaly) complete(earlier []Step) {
	a.Detector.Complete()
	if a.EntityType != "" {
		return
	}
	if d, ok := a.Detector.(detect.RowDetector); ok {
		if column := d.Subject(); column != "" {
			a.EntityType = sqltext.EntityType(column)
		}
		return
	}
	for _, s := range earlier {
		if s.Name.Value == a.Of.Value && s.Baseline != nil {
			a.EntityType = s.Baseline.EntityType
		}
	}
}

func (m *Match) complete() {
	m.Rows.Complete()
	if column := m.Rows.Subject(); m.EntityType == "" && column != "" {
		m.EntityType = sqltext.EntityType(column)
	}
}

func (w *Write) complete(steps []Step) {
	for i := range steps {
		s := &steps[i]
		if s.Name.Value != w.From.Value {
			continue
		}
		findings := s.givesFindings()
		if w.Mode == "" {
			w.Mode = tiers.ReplaceWindow
			if findings || len(w.Key) > 0 {
				w.Mode = tiers.Merge
			}
		}
		if w.Mode == tiers.Merge && len(w.Key) == 0 && findings {
			w.Key = []Text{{Value: "finding_id", Pos: w.From.Pos}}
		}
		return
	}
}
