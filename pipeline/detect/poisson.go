package detect

import (
	"fmt"
	"math"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// Poisson raises counts whose upper tail P(X >= k), X Poisson with the mean of
// the baseline, is at most the threshold. The rate is taken as no less than
// half an event in all the values seen.
type Poisson struct {
	Deviation
	Threshold float64 // probability of the upper tail
}

// Method implements Detector.
func (*Poisson) Method() Method { return "poisson" }

// About implements Detector.
func (*Poisson) About() string {
	return "How improbable a count is: P(X >= k) for X Poisson with the baseline's mean as its rate, " +
		"at least half an event in all the values seen."
}

// Keys are those of a step.
func (*Poisson) Keys() []strict.Field[Poisson] {
	type P = Poisson
	return append(strict.Within(deviationKeys(), func(p *P) *Deviation { return &p.Deviation }),
		strict.F("threshold", strict.Float(1e-300, 0.5), func(p *P) *float64 { return &p.Threshold },
			"Probability of the upper tail at or below which a count is unusual (ours).").Default("0.0001"))
}

// LooksDown implements BaselineDetector.
func (*Poisson) LooksDown() bool { return false }

// Formula implements Detector.
func (p *Poisson) Formula() string {
	return fmt.Sprintf("p = P(X >= observed), X Poisson with the mean of the baseline (at least half an event in all "+
		"values); raised if p <= %v. Score = 100 (1 - 2^(-ln p / ln %v)).", p.Threshold, p.Threshold)
}

// poissonRows are the rows of a baseline whose least probable measure is beyond
// the threshold. A measure i has its count k{i} and rate l{i}, from them the
// logarithm lp{i} of the tail, and from that its strength r{i}.
const poissonRows = `(SELECT *, {best} AS top
FROM (
  SELECT *, {strengths}
  FROM (
    SELECT *, {tails}
    FROM (
      SELECT *, {rates}
      FROM {baseline}
      WHERE {candidates})))
WHERE {best} >= 1)`

const poissonRate = `CASE WHEN {level} <> 'learning' THEN greatest({mean}, 0.5 / greatest({support}, 1)) END AS l{i},
      greatest(round({x}), 0) AS k{i}`

// poissonTail is ln P(X >= k): the series pmf(k) (1 + l/(k+1) +
// l^2/((k+1)(k+2)) + ...), summed in logarithms, so that neither large counts
// nor tiny tails lose it. Below the rate the tail is at least about a half,
// which no threshold flags: it is given as ln 1. Past a million events the
// series is bounded by the geometric one, and past 1e15 the tail is that of
// 1e15: so no value makes the sum long or infinite.
const poissonTail = `CASE
  WHEN {l} IS NULL OR {k} IS NULL THEN NULL
  WHEN {k} <= {l} THEN 0.0
  ELSE {k} * ln({l}) - {l} - lgamma({k} + 1) + CASE
    WHEN {k} > 1e6 THEN -ln(1.0 - {l} / ({k} + 1))
    ELSE ln(list_sum(list_transform(range(0, (50 + 9 * sqrt(least({k}, 1e6)))::BIGINT),
      lambda j: exp(j * ln({l}) + lgamma({k} + 1) - lgamma({k} + 1 + j)))))
  END
END`

func logTail(k, l string) string {
	return sqltext.Fill(poissonTail, sqltext.Values{"k": "least(" + k + ", 1e15)", "l": l})
}

// Query implements Detector.
func (p *Poisson) Query(r Run) Query {
	b := r.Baseline
	names := p.flagging(b)
	limit := sqltext.Num(math.Log(p.Threshold))
	var tails, strengths []string
	for i, name := range names {
		v := measure(i, name)
		tails = append(tails, fmt.Sprintf("%s AS lp%d", logTail(fmt.Sprintf("k%d", i), fmt.Sprintf("l%d", i)), i))
		v["routine"], v["delta"], v["small"] = routineSQL(name), sqltext.Num(p.MinDelta), ""
		if p.MinDelta > 0 {
			v["small"] = sqltext.Fill("WHEN k{i} - l{i} < {delta} THEN NULL ", v)
		}
		v["strength"] = sqltext.Finite(fmt.Sprintf("(lp%d / %s)", i, limit))
		strengths = append(strengths, sqltext.Fill(
			"CASE WHEN {routine} THEN NULL {small}WHEN lp{i} IS NULL THEN NULL ELSE {strength} END AS r{i}", v))
	}
	best := "greatest(" + sqltext.List(each(names, "r{i}")) + ")"
	pick := picking(names, "r{i}")
	f := p.finding(r, "_mean", pick)
	f.From = sqltext.Fill(poissonRows, sqltext.Values{"best": best, "strengths": sqltext.List(strengths),
		"tails": sqltext.List(tails), "rates": sqltext.List(each(names, poissonRate)),
		"baseline": sqltext.Ident(b.Step), "candidates": p.atLeast("true")})
	f.Score = scoreOver("top")
	f.Expected = pick("l{i}")
	f.Evidence = append(f.Evidence,
		[2]string{"measure", pick("{name}")},
		[2]string{"log10_p", pick("round(lp{i} / ln(10), 4)")},
		[2]string{"threshold", sqltext.Num(p.Threshold)})
	return Query{Findings: f}
}
