package compile

import (
	"fmt"
	"strings"
	"time"
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
			Rows:     fmt.Sprintf(`SELECT i AS rank, finding_id, "time", pipeline, detector, score, round(s, 4) AS decayed, reason FROM %s WHERE entity = %s ORDER BY i LIMIT %d`, ident(step+".ranked"), str(entity), explainRows),
			Baseline: "SELECT entity_type, entity, observed AS n, modifier, criticality, inputs, score, level FROM " + ident(step) + " WHERE entity = " + str(entity),
			Formula:  s.risk.formula(),
		}, true
	case s.kind != kindAnomaly:
		return Explained{}, false
	}
	f := s.anomaly
	e.Formula = f.formula()
	rng := []Range{{start, end}}
	switch f.method {
	case methodRobustZ, methodPoisson:
		b := c.steps[f.of].baseline
		e.Rows = c.rowsWhere(b.of, rng, entityText(b.entity, b.entityType)+" = "+str(entity))
		e.Baseline = fmt.Sprintf("SELECT * FROM %s WHERE entity = %s AND bucket >= %s AND bucket < %s", ident(f.of), str(entity), instant(start), instant(end))
	case methodSpray:
		e.Rows = c.rowsWhere(f.of, rng, "("+f.spray.failure+") AND ("+anyOrigin(f.spray.origins, entity)+")")
		e.Baseline = "SELECT * EXCLUDE (everyone) FROM " + ident(step+".hits") + " WHERE source = " + str(entity)
	case methodGuessing:
		any := fold("user", path(f.guess.account)) + " = " + str(entity)
		if f.guess.group != "" {
			any += " OR (" + f.guess.group + ")::VARCHAR = " + str(entity)
		}
		e.Rows = c.rowsWhere(f.of, rng, "("+f.guess.failure+") AND ("+any+")")
	case methodTravel:
		e.Rows = c.rowsWhere(f.of, rng, entityText(f.entity, f.entityType)+" = "+str(entity)+" AND "+f.travel.condition(f))
	default:
		e.Rows = c.rowsWhere(f.of, rng, entityText(f.entity, f.entityType)+" = "+str(entity))
	}
	return e, true
}

func anyOrigin(os []origin, value string) string {
	parts := make([]string, len(os))
	for i, o := range os {
		parts[i] = o.text() + " = " + str(value)
	}
	return strings.Join(parts, " OR ")
}

func (c *Compiled) rowsWhere(of string, rs []Range, cond string) string {
	return fmt.Sprintf("SELECT * FROM %s WHERE %s ORDER BY \"time\" LIMIT %d", c.raw(of, rs), cond, explainRows)
}

func (f *anomalyForm) formula() string {
	switch f.method {
	case methodRobustZ:
		return fmt.Sprintf("M = %v (observed - median) / MAD; if MAD = 0: (observed - median) / (%v mean|x - median|); raised if M >= %v (direction %s). Score = 100 (1 - 2^(-M / %v)), at most %v where MAD = 0.",
			madFactor, aadFactor, f.threshold, f.direction, f.threshold, noSpreadCap)
	case methodPoisson:
		return fmt.Sprintf("p = P(X >= observed), X Poisson with the mean of the baseline (at least half an event in all values); raised if p <= %v. Score = 100 (1 - 2^(-ln p / ln %v)).", f.threshold, f.threshold)
	case methodFirst:
		return fmt.Sprintf("first use of the value by the entity in %s, the entity being known for %s", shortDuration(f.lookback), shortDuration(f.learning))
	case methodRare:
		return fmt.Sprintf("p = (N_c + %v) / (N + %v K); raised if ln p < mean - %v sigma of ln p, weighted by count", f.smoothing, f.smoothing, f.threshold)
	case methodTravel:
		return fmt.Sprintf("great-circle km (haversine, less both accuracy radii) / hours >= %v km/h and km >= %v", f.travel.speedKmh, f.travel.distanceKm)
	case methodSpray:
		return fmt.Sprintf("U = min(1, ln(1 + u) / ln %d); H = entropy of tries over accounts / log2 u; %v U + %v (1 - success rate) + %v H >= %v, at least %d accounts on %d days, at most %v tries an account; or %d accounts and %d tries within %s. Only accounts that are strangers to the source count.",
			spraySaturation, sprayUsers, spraySuccess, sprayEntropy, f.spray.score, f.spray.minUsers, f.spray.minDays, f.spray.perUser, f.spray.shortUsers, f.spray.shortAttempts, f.spray.short)
	case methodGuessing:
		return fmt.Sprintf("at least %d failures for one account within %s, or 100 from more than 30 addresses within 30m, whatever the first limit; a day without ends a campaign", f.guess.attempts, f.guess.window)
	}
	return ""
}

func (f *riskForm) formula() string {
	decay := fmt.Sprintf("s = score x weight x 2^(-age / %s)", shortDuration(f.halfLife))
	switch f.method {
	case "max_plus":
		return fmt.Sprintf("%s; N = max + %v of the rest; score = N x modifier, at most 100", decay, plusShare)
	case "sum":
		return decay + "; N = sum; score = N x modifier, at most 100"
	default:
		return fmt.Sprintf("%s, sorted downwards; N = sum s_i / i^%v / %v; odds o = N / (100 - N) x modifier; score = 100 o / (1 + o)", decay, riskPower, riskNorm)
	}
}
