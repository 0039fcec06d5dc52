package compile

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// The methods of an anomaly step.
const (
	methodRobustZ  = "robust_z"
	methodPoisson  = "poisson"
	methodFirst    = "first_seen"
	methodRare     = "rare"
	methodTravel   = "impossible_travel"
	methodSpray    = "spray"
	methodGuessing = "brute_force"
)

// Constants with their sources; goldens pin them.
const (
	// Iglewicz and Hoaglin (1993): M = 0.6745 (x - median) / MAD, 0.6745 being
	// the 0.75 quantile of the standard normal distribution.
	madFactor = 0.6745
	// With MAD = 0 the mean absolute deviation takes its place: sqrt(pi / 2).
	aadFactor = 1.253314
	// An entity that has no spread of its own says less than one that has: its
	// score stays below critical (ours).
	noSpreadCap = 89.0
	// Where the season's slot has too few values, an hour below this many times
	// what the same hour of a day has had before is not unusual (ours).
	routine     = 2
	earthKm     = 6371.0088 // mean radius, IUGG
	halfEarthKm = math.Pi * earthKm
)

// anomalyForm is an anomaly step with its defaults filled in.
type anomalyForm struct {
	method     string
	of         string
	entityType string
	entity     []string // column paths; of the baseline for robust_z and poisson
	threshold  float64
	direction  string // up, down, both
	atLeast    []bound
	minDelta   float64
	measures   []string // which measures may flag; empty: all
	technique  string
	reason     string
	ceiling    float64 // highest score; 0: none

	values    []string // first_seen, rare: column paths
	lookback  time.Duration
	learning  time.Duration
	smoothing float64
	peers     bool          // first_seen: an entity that is still learning is judged against the others
	maxP      float64       // rare: share of the entity's uses from which a value is not
	once      time.Duration // rare: one finding a value in so long

	travel *travelForm
	spray  *sprayForm
	guess  *guessForm
}

type bound struct {
	measure string
	min     float64
}

// scoreOver maps how far a value is over its threshold to 0 to 100: at the
// threshold 50, twice the threshold 75, and so on (ours).
func scoreOver(ratio string) string {
	return "100.0 * (1.0 - pow(2.0, -(" + ratio + ")))"
}

// zSQL is the robust z of a measure of a baseline's table; null without a
// baseline, or when there is no spread at all.
func zSQL(m string, classic bool) string {
	c := func(s string) string { return ident(m + s) }
	if classic {
		return fmt.Sprintf("CASE WHEN %[1]s > 0 THEN (%[2]s - %[3]s) / %[1]s END", c("_sd"), ident(m), c("_mean"))
	}
	return fmt.Sprintf("CASE WHEN %[1]s > 0 THEN %[5]v * (%[2]s - %[3]s) / %[1]s WHEN %[4]s > 0 THEN (%[2]s - %[3]s) / (%[6]v * %[4]s) END",
		c("_mad"), ident(m), c("_median"), c("_aad"), madFactor, aadFactor)
}

func directed(expr, direction string) string {
	switch direction {
	case "down":
		return "-(" + expr + ")"
	case "both":
		return "abs(" + expr + ")"
	default:
		return "(" + expr + ")"
	}
}

// robustZ scores each measure of the baseline's rows and raises the strongest.
func (c *Compiled) robustZ(s *step, r Run) (string, error) {
	f := s.anomaly
	b := c.steps[f.of].baseline
	var cols, strength, degenerate []string
	names := f.flagging(b)
	for i, m := range names {
		centre := ident(m + "_median")
		if b.classic {
			centre = ident(m + "_mean")
		}
		cols = append(cols, fmt.Sprintf("%s AS z%d", finite("("+zSQL(m, b.classic)+")"), i),
			fmt.Sprintf("%s AS d%d", finite("("+ident(m)+" - "+centre+")"), i))
		ratio := fmt.Sprintf("%s / %s", directed(fmt.Sprintf("z%d", i), f.direction), num(f.threshold))
		delta := directed(fmt.Sprintf("d%d", i), f.direction)
		if f.direction != "down" {
			delta = fmt.Sprintf("CASE WHEN NOT (%s) THEN %s END", routineSQL(m), delta)
			ratio = fmt.Sprintf("CASE WHEN NOT (%s) THEN %s END", routineSQL(m), ratio)
		}
		d := "NULL"
		if f.minDelta > 0 {
			ratio = fmt.Sprintf("CASE WHEN %s >= %s THEN %s END", delta, num(f.minDelta), ratio)
			d = fmt.Sprintf("CASE WHEN z%d IS NULL AND d%d IS NOT NULL AND %s >= %s THEN %s / %s END", i, i, delta, num(f.minDelta), delta, num(f.minDelta))
		}
		strength = append(strength, fmt.Sprintf("%s AS r%d, %s AS g%d", ratio, i, d, i))
		degenerate = append(degenerate, fmt.Sprintf("coalesce(r%d, g%d)", i, i))
	}
	best := "greatest(" + list(degenerate) + ")"
	pick := func(expr func(i int, m string) string) string {
		var w strings.Builder
		w.WriteString("CASE")
		for i, m := range names {
			fmt.Fprintf(&w, " WHEN %s = top THEN %s", degenerate[i], expr(i, m))
		}
		return w.String() + " END"
	}
	where := append([]string{best + " >= 1"}, f.atLeastSQL()...)
	from := fmt.Sprintf("(SELECT *, %s AS top FROM (SELECT *, %s FROM (SELECT *, %s FROM %s)) WHERE %s)",
		best, list(strength), list(cols), ident(f.of), strings.Join(where, " AND "))
	suffix := "_median"
	if b.classic {
		suffix = "_mean"
	}
	spread := pick(func(i int, m string) string { return fmt.Sprintf("coalesce(%s, 0) = 0", ident(m+"_mad")) })
	if b.classic {
		spread = "false"
	}
	sh := f.baselineShape(b, from, pick)
	sh.score = fmt.Sprintf("least(%s, CASE WHEN %s THEN %v ELSE 100 END)", scoreOver("top"), spread, noSpreadCap)
	sh.observed = pick(func(_ int, m string) string { return ident(m) })
	sh.expected = pick(func(_ int, m string) string { return ident(m + suffix) })
	sh.evidence = append(sh.evidence,
		[2]string{"measure", pick(func(_ int, m string) string { return str(m) })},
		[2]string{"z", pick(func(i int, _ string) string { return fmt.Sprintf("round(z%d, 4)", i) })},
		[2]string{"threshold", num(f.threshold)},
		[2]string{"degenerate", pick(func(i int, _ string) string { return fmt.Sprintf("z%d IS NULL", i) })})
	return c.findingSQL(s.name, r.ID, sh)
}

// routineSQL holds for what the same hour has had before, at the levels that
// do not know the hour, and for what a change of clocks moved here. What is
// below the usual is no routine of that kind.
func routineSQL(m string) string {
	under := func(most string) string {
		return fmt.Sprintf("coalesce(%[1]s < %[2]s + %[3]d * abs(%[2]s) AND %[1]s >= %[4]s, false)", ident(m), ident(m+most), routine-1, ident(m+"_median"))
	}
	return fmt.Sprintf("(%s IN ('all hours', 'peers') AND %s OR %s)", ident(m+"_level"), under("_peak"), under("_moved"))
}

// flagging lists the measures that may raise a finding.
func (f *anomalyForm) flagging(b *baselineForm) []string {
	if len(f.measures) > 0 {
		return f.measures
	}
	var out []string
	for _, m := range b.measures {
		out = append(out, m.name)
	}
	return out
}

func (f *anomalyForm) atLeastSQL() []string {
	var out []string
	for _, b := range f.atLeast {
		out = append(out, ident(b.measure)+" >= "+num(b.min))
	}
	return out
}

// wantedSQL holds for the rows of a baseline's work tables that may be raised;
// empty: any.
func (f *anomalyForm) wantedSQL(b *baselineForm) string {
	var ands []string
	for _, least := range f.atLeast {
		i := slices.IndexFunc(b.measures, func(m measure) bool { return m.name == least.measure })
		if i < 0 {
			return ""
		}
		ands = append(ands, fmt.Sprintf("coalesce(m%d >= %s, false)", i, num(least.min)))
	}
	return strings.Join(ands, " AND ")
}

// baselineShape is what findings against a baseline have in common.
// pick is the SQL of what belongs to the measure that is raised.
func (f *anomalyForm) baselineShape(b *baselineForm, from string, pick func(func(int, string) string) string) shape {
	of := func(suffix string) string { return pick(func(_ int, m string) string { return ident(m + suffix) }) }
	level, support, own := of("_level"), of("_support"), of("_own")
	vars := map[string]string{
		"entity": "entity", "level": level, "bucket": `strftime("bucket" AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M')`,
		"observed": text("observed"), "expected": text("expected"), "support": support,
	}
	var measures []string
	for _, m := range b.measures {
		expected := ident(m.name + "_median")
		if b.classic || f.method == methodPoisson {
			expected = ident(m.name + "_mean")
		}
		vars[m.name+".observed"] = text(ident(m.name))
		vars[m.name+".expected"] = text(expected)
		vars[m.name+".p90"] = text(ident(m.name + "_p90"))
		var kv []string
		kv = append(kv, "'observed', "+evidence(ident(m.name)))
		for _, st := range []string{"median", "mad", "aad", "mean", "p10", "p90"} {
			kv = append(kv, str(st)+", "+finite("round("+ident(m.name+"_"+st)+", 6)"))
		}
		measures = append(measures, str(m.name)+", json_object("+list(kv)+")")
	}
	reason := f.reason
	if reason == "" {
		reason = "{entity}: {observed} where {expected} is usual ({level})"
	}
	return shape{
		from: from, time: `"bucket"`, start: `"bucket"`, end: "bucket_end",
		entityType: str(f.entityType), entity: "entity", detector: f.method, key: `epoch_us("bucket")`,
		vars: vars, reason: reason, technique: f.technique,
		evidence: [][2]string{
			{"measures", "json_object(" + list(measures) + ")"},
			{"level", level}, {"support", support},
			{"learning", fmt.Sprintf("CASE WHEN %s < %d THEN %[1]s || '/%[2]d' END", own, b.minSupport)},
		},
	}
}

// poisson raises counts whose upper tail P(X >= k), X Poisson with the mean of
// the baseline, is at most the threshold. The rate is taken as no less than
// half an event in all the values seen. The tail is the series
// pmf(k) (1 + l/(k+1) + l^2/((k+1)(k+2)) + ...), summed in logarithms, so
// that neither large counts nor tiny tails lose it.
func (c *Compiled) poisson(s *step, r Run) (string, error) {
	f := s.anomaly
	b := c.steps[f.of].baseline
	names := f.flagging(b)
	var rate, tail, strength []string
	limit := num(math.Log(f.threshold))
	for i, m := range names {
		rate = append(rate, fmt.Sprintf("CASE WHEN %s <> 'learning' THEN greatest(%s, 0.5 / greatest(%s, 1)) END AS l%d, greatest(round(%s), 0) AS k%[4]d",
			ident(m+"_level"), ident(m+"_mean"), ident(m+"_support"), i, ident(m)))
		tail = append(tail, fmt.Sprintf("%s AS lp%d", logTail(fmt.Sprintf("k%d", i), fmt.Sprintf("l%d", i)), i))
		cond := "WHEN " + routineSQL(m) + " THEN NULL "
		if f.minDelta > 0 {
			cond += fmt.Sprintf("WHEN k%d - l%d < %s THEN NULL ", i, i, num(f.minDelta))
		}
		strength = append(strength, fmt.Sprintf("CASE %sWHEN lp%d IS NULL THEN NULL ELSE %s END AS r%d", cond, i, finite(fmt.Sprintf("(lp%d / %s)", i, limit)), i))
	}
	var rs []string
	for i := range names {
		rs = append(rs, fmt.Sprintf("r%d", i))
	}
	best := "greatest(" + list(rs) + ")"
	pick := func(expr func(i int, m string) string) string {
		var w strings.Builder
		w.WriteString("CASE")
		for i, m := range names {
			fmt.Fprintf(&w, " WHEN r%d = top THEN %s", i, expr(i, m))
		}
		return w.String() + " END"
	}
	pre := append([]string{"true"}, f.atLeastSQL()...)
	from := fmt.Sprintf("(SELECT *, %s AS top FROM (SELECT *, %s FROM (SELECT *, %s FROM (SELECT *, %s FROM %s WHERE %s))) WHERE %s >= 1)",
		best, list(strength), list(tail), list(rate), ident(f.of), strings.Join(pre, " AND "), best)
	sh := f.baselineShape(b, from, pick)
	sh.score = scoreOver("top")
	sh.observed = pick(func(_ int, m string) string { return ident(m) })
	sh.expected = pick(func(i int, _ string) string { return fmt.Sprintf("l%d", i) })
	sh.evidence = append(sh.evidence,
		[2]string{"measure", pick(func(_ int, m string) string { return str(m) })},
		[2]string{"log10_p", pick(func(i int, _ string) string { return fmt.Sprintf("round(lp%d / ln(10), 4)", i) })},
		[2]string{"threshold", num(f.threshold)})
	return c.findingSQL(s.name, r.ID, sh)
}

// logTail is ln P(X >= k) for X Poisson(l). Below the rate the tail is at
// least about a half, which no threshold flags: it is given as ln 1. Past a
// million events the series is bounded by the geometric one, and past 1e15 the
// tail is that of 1e15: so no value makes the sum long or infinite.
func logTail(k, l string) string {
	k = "least(" + k + ", 1e15)"
	return fmt.Sprintf(`CASE WHEN %[2]s IS NULL OR %[1]s IS NULL THEN NULL WHEN %[1]s <= %[2]s THEN 0.0 ELSE
  %[1]s * ln(%[2]s) - %[2]s - lgamma(%[1]s + 1) + CASE WHEN %[1]s > 1e6 THEN -ln(1.0 - %[2]s / (%[1]s + 1)) ELSE ln(list_sum(list_transform(range(0, (50 + 9 * sqrt(least(%[1]s, 1e6)))::BIGINT),
    lambda j: exp(j * ln(%[2]s) + lgamma(%[1]s + 1) - lgamma(%[1]s + 1 + j))))) END END`, k, l)
}
