package compile

import (
	"fmt"
	"strings"
	"time"

	"github.com/lakeward/lakeward/pipeline/detect"
	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// Elastic's entity risk, as its code has it (its documentation's example uses
// zeta(1.5) = 2.612 in place of 2.5924): S = sum of s_i / i^1.5 over the
// inputs sorted downwards, N = S / 2.5924, then the odds N / (100 - N) times
// the modifiers. The code's constant is the one used here.
const (
	riskPower = 1.5
	riskNorm  = 2.5924
	riskMost  = 10000   // inputs that count
	riskClamp = 99.9999 // N stays below 100
	plusShare = 0.2     // max_plus: what the inputs beside the highest add
)

// riskLevels are Elastic's.
func riskLevels() []sqltext.Level {
	return []sqltext.Level{{Below: 20, Name: "unknown"}, {Below: 40, Name: "low"}, {Below: 70, Name: "moderate"},
		{Below: 90, Name: "high"}}
}

// riskForm is a risk step.
type riskForm struct {
	of        []string // steps or findings tables read by earlier steps
	entity    string   // column path of the findings; normally entity
	types     []string // entity types that count; empty: all
	weights   []weight // by detector or pipeline
	halfLife  time.Duration
	method    string // rank, max_plus, sum
	lookback  time.Duration
	technique string
	critical  *criticalForm
	watch     *watchForm
}

type weight struct {
	name  string
	value float64
}

// criticalForm looks an entity's criticality up.
type criticalForm struct{ table, key, value string }

type watchForm struct {
	entities []string
	factor   float64
}

func riskLevel(score string) string { return sqltext.Levels(score, riskLevels(), "critical") }

// modified applies the modifier to a normalised sum by its odds.
func modified(n, m string) string {
	c := fmt.Sprintf("least(%s, %v)", n, riskClamp)
	return fmt.Sprintf("(100.0 * (%[1]s / (100.0 - %[1]s) * %[2]s) / (1 + %[1]s / (100.0 - %[1]s) * %[2]s))", c, m)
}

// total is the aggregate N over the ranked inputs s, i; without is the same with
// one input gone, from the row's columns and the entity's N and sums, which are
// further aggregates, each with a comma behind it; share is what the input adds.
func (f *riskForm) total() (agg, sums, without, share string) {
	switch f.method {
	case "max_plus":
		return fmt.Sprintf("(max(s) + %v * (sum(s) - max(s)))", plusShare),
			"sum(s) AS plain, max(s) AS top, coalesce(max(s) FILTER (i = 2), 0) AS next, ",
			fmt.Sprintf("CASE WHEN i = 1 THEN next + %[1]v * (plain - s - next) ELSE top + %[1]v * (plain - top - s) END",
				plusShare),
			fmt.Sprintf("CASE WHEN i = 1 THEN s ELSE %v * s END", plusShare)
	case "sum":
		return "sum(s)", "sum(s) AS plain, ", "plain - s", "s"
	default:
		return fmt.Sprintf("sum(s / pow(i, %v)) / %v", riskPower, riskNorm), "",
			fmt.Sprintf("n - (s / pow(i, %[1]v) - gain) / %[2]v", riskPower, riskNorm),
			fmt.Sprintf("s / pow(i, %v) / %v", riskPower, riskNorm)
	}
}

// riskStmts: inputs, their ranks, and one row an entity. Its rows have the
// findings' columns and besides level, criticality, modifier and inputs.
func (c *Compiled) riskStmts(s *step, r Run) ([]Stmt, error) {
	f := s.risk
	t := func(n string) string { return sqltext.Ident(s.name + "." + n) }
	var out []Stmt
	work := func(kind, name, sql string) {
		out = append(out, Stmt{Step: s.name, Purpose: PurposeWork,
			SQL: "CREATE OR REPLACE TEMP " + kind + " " + t(name) + " AS\n" + sql})
	}
	work("VIEW", "ranked", f.ranked("("+f.inputs(c, r)+")"))
	work("TABLE", "criticality", f.criticality())
	// In one statement with the entities: their contributions are large, and
	// would be written out twice.
	q, err := f.finding("("+f.entities(t)+")", r).SQL(detect.Source{Pipeline: c.name, Step: s.name, RunID: r.ID,
		Detector: "risk_" + f.method, Technique: f.technique})
	if err != nil {
		return nil, err
	}
	return append(out, Stmt{Step: s.name, Purpose: PurposeStep,
		SQL: "CREATE OR REPLACE TEMP TABLE " + sqltext.Ident(s.name) + " AS\n" + q}), nil
}

// inputs: findings of the look back, the strongest for each (pipeline,
// detector, entity, window), and each first use within one, weighted and decayed: s * 2^(-age / half life).
// Those older than the look back by as much again keep their entity, at zero.
func (f *riskForm) inputs(c *Compiled, r Run) string {
	var parts []string
	end := r.Window.End
	for _, of := range f.of {
		rows := sqltext.Ident(of)
		if k := c.steps[of].kind; k == kindRead || k == kindSQL {
			rows = c.raw(of, []Range{{Start: end.Add(-2 * f.lookback), End: end}})
		}
		parts = append(parts, fmt.Sprintf("SELECT finding_id, \"time\", window_start, window_end, entity_type, %s AS "+
			"entity, detector, %s AS score, reason, pipeline FROM %s", sqltext.FoldBy("entity_type", sqltext.Path(f.entity)),
			sqltext.Number("score"), rows))
	}
	var w strings.Builder
	for _, x := range f.weights {
		fmt.Fprintf(&w, " WHEN detector = %[1]s OR pipeline = %[1]s THEN %[2]s", sqltext.Str(x.name), sqltext.Num(x.value))
	}
	weighted := "1.0::DOUBLE"
	if w.Len() > 0 {
		weighted = "CASE" + w.String() + " ELSE 1.0 END"
	}
	where := "entity IS NOT NULL AND score > 0"
	if len(f.types) > 0 {
		where += " AND entity_type IN (" + sqltext.Literals(f.types) + ")"
	}
	age := fmt.Sprintf("(greatest(0, epoch_us(%s) - epoch_us(window_end)) / 1e6)", sqltext.Instant(end))
	return fmt.Sprintf(`SELECT * EXCLUDE (age), CASE WHEN age <= %[1]v THEN least(100.0, score * %[2]s) * pow(2.0, -age / %[3]v) ELSE 0.0 END AS s
FROM (SELECT *, %[4]s AS age FROM (
%[5]s))
WHERE %[6]s AND "time" < %[7]s
QUALIFY row_number() OVER (PARTITION BY pipeline, detector, entity_type, entity, window_start, window_end, CASE WHEN detector IN (%[8]s) THEN finding_id END ORDER BY score DESC, finding_id) = 1`,
		f.lookback.Seconds(), weighted, f.halfLife.Seconds(), age, strings.Join(parts, "\nUNION ALL "), where,
		sqltext.Instant(end), sqltext.Literals(detect.ByValue()))
}

// ranked adds each input's rank and gain: what the inputs behind it would add
// if they all moved up one rank.
func (f *riskForm) ranked(inputs string) string {
	gain := "0.0"
	if f.method == "rank" {
		gain = fmt.Sprintf("coalesce(sum(CASE WHEN i > 1 THEN s * (pow(i - 1, -%[1]v) - pow(i, -%[1]v)) ELSE 0 END) OVER "+
			"(PARTITION BY entity_type, entity ORDER BY i ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING), 0)", riskPower)
	}
	return fmt.Sprintf(`SELECT *, %s AS gain
FROM (SELECT * EXCLUDE (window_start), row_number() OVER (PARTITION BY entity_type, entity ORDER BY s DESC, finding_id) AS i FROM %s)
WHERE i <= %d`, gain, inputs, riskMost)
}

func (f *riskForm) criticality() string {
	if f.critical == nil {
		return "SELECT NULL::VARCHAR AS entity, NULL::VARCHAR AS criticality WHERE false"
	}
	k := f.critical
	key := "[" + sqltext.Folded(k.key) + "]"
	if sqltext.SpellingOf(sqltext.EntityType(k.key)) == sqltext.AsWritten { // of which type is not known
		key = anySpelling("(" + sqltext.Path(k.key) + ")::VARCHAR")
	}
	return fmt.Sprintf("SELECT entity, max_by(criticality, list_position(['low', 'medium', 'high', 'extreme'], "+
		"lower(trim(criticality)))) AS criticality FROM (SELECT unnest(%s) AS entity, %s::VARCHAR AS criticality FROM %s) "+
		"WHERE entity IS NOT NULL GROUP BY 1",
		key, sqltext.Path(k.value), sqltext.Source(k.table))
}

// anySpelling is a list of a text as it was written, as a name and as an address.
func anySpelling(expr string) string {
	return "list_distinct([" + sqltext.List([]string{expr, sqltext.Fold("user", expr), sqltext.Fold("ip", expr)}) + "])"
}

func (f *riskForm) entities(t func(string) string) string {
	agg, sums, without, share := f.total()
	watch := "1.0"
	if f.watch != nil {
		watch = fmt.Sprintf("CASE WHEN r.entity IN (SELECT unnest(%s) FROM (SELECT unnest(%s) AS w)) THEN %s ELSE 1.0 END",
			anySpelling("w"), sqltext.StringList(f.watch.entities), sqltext.Num(f.watch.factor))
	}
	final := modified("n", "modifier")
	gone := modified("("+without+")", "e.modifier")
	if f.method != "rank" {
		final, gone = "least(100.0, n * modifier)", "least(100.0, ("+without+") * e.modifier)"
	}
	return fmt.Sprintf(`WITH ranked AS MATERIALIZED (FROM %[5]s),
e AS (SELECT *, %[1]s AS score, %[2]s AS level FROM (
  SELECT r.*, c.criticality, coalesce(CASE lower(trim(c.criticality)) WHEN 'low' THEN 0.5 WHEN 'medium' THEN 1.0 WHEN 'high' THEN 1.5 WHEN 'extreme' THEN 2.0 END, 1.0) * %[4]s AS modifier
  FROM (SELECT entity_type, entity, %[3]s AS n, %[10]scount(*) FILTER (s > 0) AS inputs, min("time") FILTER (s > 0) AS first, max(window_end) AS last FROM ranked GROUP BY ALL) AS r
  LEFT JOIN %[6]s AS c ON c.entity = r.entity))
SELECT e.*, x.top AS contributions, x.strongest,
  nullif(list_transform(list_filter(x.top, lambda q: q.level_without <> e.level), lambda q: q.finding_id), []) AS needed
FROM e JOIN (
  SELECT entity_type, entity, arg_min(reason, i) AS strongest, list({'finding_id': finding_id, 'pipeline': pipeline, 'detector': detector, 'time': "time"::VARCHAR, 'score': score, 'decayed': round(s, 4),
      'contribution': round(part, 4), 'reason': reason, 'score_without': round(without, 2),
      'level_without': level_without} ORDER BY i) FILTER (s > 0) AS top
  FROM (SELECT *, %[9]s AS level_without FROM (
    SELECT r.*, %[7]s AS part, %[8]s AS without FROM ranked AS r JOIN e ON e.entity = r.entity AND e.entity_type = r.entity_type WHERE i <= 10))
  GROUP BY ALL) AS x ON x.entity = e.entity AND x.entity_type = e.entity_type`,
		final, riskLevel(final), agg, watch, t("ranked"), t("criticality"), share, gone, riskLevel("without"), sums)
}

func (f *riskForm) finding(from string, r Run) detect.Finding {
	end := sqltext.Instant(r.Window.End)
	return detect.Finding{
		From: from, Time: end, Start: "coalesce(first, last)", End: end,
		EntityType: "entity_type", Entity: "entity", Key: "entity_type",
		Score: "score", Observed: "n", Expected: "NULL",
		Reason: "{entity} is at {level} risk ({score}) from {inputs} findings; strongest: {strongest}",
		Vars: map[string]string{"entity": "entity", "level": "level", "score": sqltext.Shown("round(score)"),
			"inputs": "inputs", "strongest": "strongest", "criticality": "criticality"},
		Extra: []string{riskLevel("round(score, 2)") + " AS level", "criticality", "modifier", "inputs"},
		Evidence: [][2]string{{"normalised", "round(n, 4)"}, {"modifier", "modifier"}, {"criticality", "criticality"},
			{"inputs", "inputs"},
			{"contributions", "contributions"}, {"level_depends_on", "needed"}},
	}
}
