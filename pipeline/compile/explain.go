package compile

import (
	"fmt"
	"time"

	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// explainRows bounds the input rows that explain shows.
const explainRows = 1000

// Explained is how to show where one finding came from. Both statements run
// in a session in which the run's (stateless) statements have been executed.
type Explained struct {
	Rows     string // SELECT of the rows that it rests on, oldest first, at most 1,000
	Baseline string // SELECT of the numbers that they were compared with; empty if the method has none
	Formula  string // in words, with the step's constants
}

// FindingQuery explains the step's finding about an entity in [start, end).
// ok is false if the step makes no findings.
func (c *Compiled) FindingQuery(step, entity string, start, end time.Time) (e Explained, ok bool) {
	s := c.steps[step]
	switch {
	case s == nil:
		return Explained{}, false
	case s.kind == kindRisk:
		return Explained{
			Rows: fmt.Sprintf(`SELECT i AS rank, finding_id, "time", pipeline, detector, score, round(s, 4) AS decayed, reason FROM %s WHERE entity = %s ORDER BY i LIMIT %d`, sqltext.Ident(step+".ranked"), sqltext.Str(entity), explainRows),
			Baseline: "SELECT entity_type, entity, observed AS n, modifier, criticality, inputs, score, level FROM " +
				sqltext.Ident(step) + " WHERE entity = " + sqltext.Str(entity),
			Formula: s.risk.formula(),
		}, true
	case s.kind != kindAnomaly:
		return Explained{}, false
	}
	return c.explain(s, entity, Range{Start: start, End: end}), true
}

func (f *riskForm) formula() string {
	decay := fmt.Sprintf("s = score x weight x 2^(-age / %s)", sqltext.ShortDuration(f.halfLife))
	switch f.method {
	case "max_plus":
		return fmt.Sprintf("%s; N = max + %v of the rest; score = N x modifier, at most 100", decay, plusShare)
	case "sum":
		return decay + "; N = sum; score = N x modifier, at most 100"
	default:
		return fmt.Sprintf("%s, sorted downwards; N = sum s_i / i^%v / %v; odds o = N / (100 - N) x modifier; score = 100 "+
			"o / (1 + o)", decay, riskPower, riskNorm)
	}
}
