package detect

import (
	"fmt"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// Iglewicz and Hoaglin (1993): M = 0.6745 (x - median) / MAD, 0.6745 being the
// 0.75 quantile of the standard normal distribution. With MAD = 0 the mean
// absolute deviation takes its place, and 1.253314 is sqrt(pi / 2).
const (
	madFactor = 0.6745
	aadFactor = 1.253314
)

// Direction is the side on which a value is unusual.
type Direction string

// The directions.
const (
	Up   Direction = "up"
	Down Direction = "down"
	Both Direction = "both"
)

// RobustZ raises values that are many spreads away from their baseline's centre.
type RobustZ struct {
	Deviation
	Threshold float64 // |M|
	Direction Direction
}

// Method implements Detector.
func (*RobustZ) Method() Method { return "robust_z" }

// About implements Detector.
func (*RobustZ) About() string {
	return "How far a value is from its baseline's centre, in spreads. M = 0.6745 (x - median) / MAD; with MAD = 0, " +
		"(x - median) / (1.253314 mean|x - median|) (Iglewicz and Hoaglin 1993). With both zero only `min_delta` decides, " +
		"and the finding says `degenerate`. Score: 100 (1 - 2^-(|M| / threshold)) (ours)."
}

// Keys are those of a step.
func (*RobustZ) Keys() []strict.Field[RobustZ] {
	type Z = RobustZ
	return append(strict.Within(deviationKeys(), func(z *Z) *Deviation { return &z.Deviation }),
		strict.F("threshold", strict.Float(0.1, 1000), func(z *Z) *float64 { return &z.Threshold },
			"|M| from which a value is unusual.").Default("3.5"),
		strict.F("direction", strict.Enum(Up, Down, Both), func(z *Z) *Direction { return &z.Direction },
			"The side on which a value is unusual (ours: up).").Default("up"))
}

// LooksDown implements BaselineDetector.
func (z *RobustZ) LooksDown() bool { return z.Direction != Up }

// Formula implements Detector.
func (z *RobustZ) Formula() string {
	return fmt.Sprintf("M = %v (observed - median) / MAD; if MAD = 0: (observed - median) / (%v mean|x - median|); "+
		"raised if M >= %v (direction %s). Score = 100 (1 - 2^(-M / %v)), at most %v where MAD = 0.",
		madFactor, aadFactor, z.Threshold, z.Direction, z.Threshold, noSpreadCap)
}

// robustZRows are the rows of a baseline whose strongest measure is unusual. A
// measure i has z{i} and its difference d{i} from the centre, from them its
// strength r{i}, and g{i} where there is no spread; 1 is the threshold.
const robustZRows = `(SELECT *, {best} AS top
FROM (
  SELECT *, {strengths}
  FROM (
    SELECT *, {deviations}
    FROM {baseline}))
WHERE {raised})`

// robustM is M of a measure; null without a baseline, or without any spread.
const robustM = `CASE
  WHEN {mad} > 0 THEN {madFactor} * ({x} - {median}) / {mad}
  WHEN {aad} > 0 THEN ({x} - {median}) / ({aadFactor} * {aad})
END`

// classicM is M of a baseline of means and standard deviations.
const classicM = `CASE WHEN {sd} > 0 THEN ({x} - {mean}) / {sd} END`

// Query implements Detector.
func (z *RobustZ) Query(r Run) Query {
	b := r.Baseline
	names := z.flagging(b)
	m, centre, noSpread := robustM, "median", "coalesce({mad}, 0) = 0"
	if b.Classic {
		m, centre, noSpread = classicM, "mean", ""
	}
	var deviations, strengths []string
	for i, name := range names {
		v := measure(i, name)
		v["madFactor"], v["aadFactor"] = madFactor, aadFactor
		deviations = append(deviations,
			sqltext.Finite("("+sqltext.Fill(m, v)+")")+sqltext.Fill(" AS z{i}", v),
			sqltext.Finite("("+sqltext.Fill("{x} - {"+centre+"}", v)+")")+sqltext.Fill(" AS d{i}", v))
		strengths = append(strengths, z.strength(name, v))
	}
	const strength = "coalesce(r{i}, g{i})"
	best := "greatest(" + sqltext.List(each(names, strength)) + ")"
	pick := picking(names, strength)
	f := z.finding(r, "_"+centre, pick)
	f.From = sqltext.Fill(robustZRows, sqltext.Values{"best": best, "strengths": sqltext.List(strengths),
		"deviations": sqltext.List(deviations), "baseline": sqltext.Ident(b.Step), "raised": z.atLeast(best + " >= 1")})
	spread := "false"
	if noSpread != "" {
		spread = pick(noSpread)
	}
	f.Score = fmt.Sprintf("least(%s, CASE WHEN %s THEN %v ELSE 100 END)", scoreOver("top"), spread, noSpreadCap)
	f.Expected = pick("{" + centre + "}")
	f.Evidence = append(f.Evidence,
		[2]string{"measure", pick("{name}")},
		[2]string{"z", pick("round(z{i}, 4)")},
		[2]string{"threshold", sqltext.Num(z.Threshold)},
		[2]string{"degenerate", pick("z{i} IS NULL")})
	return Query{Findings: f}
}

// strength is how far a measure is beyond the threshold, as r{i}, and beyond
// min_delta where it has no spread, as g{i}.
func (z *RobustZ) strength(name string, v sqltext.Values) string {
	v["threshold"], v["delta"] = sqltext.Num(z.Threshold), sqltext.Num(z.MinDelta)
	v["zed"], v["diff"] = z.directed(sqltext.Fill("z{i}", v)), z.directed(sqltext.Fill("d{i}", v))
	v["ratio"] = sqltext.Fill("{zed} / {threshold}", v)
	if z.Direction != Down {
		v["routine"] = routineSQL(name)
		v["diff"] = sqltext.Fill("CASE WHEN NOT ({routine}) THEN {diff} END", v)
		v["ratio"] = sqltext.Fill("CASE WHEN NOT ({routine}) THEN {ratio} END", v)
	}
	if z.MinDelta == 0 {
		return sqltext.Fill("{ratio} AS r{i}, NULL AS g{i}", v)
	}
	return sqltext.Fill(`CASE WHEN {diff} >= {delta} THEN {ratio} END AS r{i},
  CASE WHEN z{i} IS NULL AND d{i} IS NOT NULL AND {diff} >= {delta} THEN {diff} / {delta} END AS g{i}`, v)
}

func (z *RobustZ) directed(expr string) string {
	switch z.Direction {
	case Down:
		return "-(" + expr + ")"
	case Both:
		return "abs(" + expr + ")"
	default:
		return "(" + expr + ")"
	}
}
