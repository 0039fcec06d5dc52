package spec

import (
	"slices"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/detect"
)

func (l *linter) anomaly(a *Anomaly, earlier []Step) {
	switch d := a.Detector.(type) {
	case detect.BaselineDetector:
		l.measures(d.Named(), l.ref(a.Of, earlier, KindBaseline))
	case detect.RowDetector:
		l.ref(a.Of, earlier, KindRead, KindSQL)
	default:
		return // the method is not known
	}
	a.Detector.Check(func(at Pos, what, remedy string) {
		if at == (Pos{}) {
			at = a.Of.Pos
		}
		l.report(at, what, remedy)
	})
}

// measures sees to it that a baseline has the measures that are named.
func (l *linter) measures(wanted []Text, of *Step) {
	if of == nil || of.Baseline == nil {
		return
	}
	var names []string
	for _, m := range of.Baseline.Measures {
		names = append(names, m.Name.Value)
	}
	for _, m := range wanted {
		if !slices.Contains(names, m.Value) {
			l.report(m.Pos, "the baseline `"+of.Name.Value+"` has no measure `"+m.Value+"`", strict.Suggest(m.Value, names))
		}
	}
}
