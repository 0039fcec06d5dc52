package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/pipeline/detect"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/tiers"
)

// Compile makes the program of a checked specification. schemas resolves
// "lake.NAME" to the table's columns; nil, or a table that it does not know,
// leaves columns unchecked. Problems are the author's mistakes; a column that
// the lake does not have yet is none: it is in Missing if a run needs it, and
// in Dropped if the run does without.
func Compile(p *spec.Pipeline, schemas func(string) (tiers.Schema, bool), confiner Confiner) (*Compiled,
	[]spec.Problem) {
	if schemas == nil {
		schemas = func(string) (tiers.Schema, bool) { return tiers.Schema{}, false }
	}
	b := &builder{schemas: schemas, confiner: confiner, known: map[string]columns{}, tables: map[string]string{},
		down: map[string]bool{},
		c: &Compiled{name: p.Name.Value, steps: map[string]*step{}, keys: map[string]string{},
			cols: map[string][]string{}}}
	for _, s := range p.Steps {
		if s.Anomaly == nil {
			continue
		}
		if d, ok := s.Anomaly.Detector.(detect.BaselineDetector); ok && d.LooksDown() {
			b.down[s.Anomaly.Of.Value] = true
		}
	}
	for _, s := range p.Steps {
		b.step(s)
	}
	b.want(p)
	if len(b.problems) == 0 {
		b.tryStatements(p)
	}
	if len(b.problems) > 0 {
		return nil, b.problems
	}
	return b.c, nil
}

// builder turns a specification's steps into forms.
type builder struct {
	schemas  func(string) (tiers.Schema, bool)
	confiner Confiner
	c        *Compiled
	known    map[string]columns // by step; absent: any column
	tables   map[string]string  // by step: what a message names
	down     map[string]bool    // baselines whose low values are looked for
	current  string             // the step that is being built
	problems []spec.Problem
}

func (b *builder) step(s spec.Step) {
	out := &step{name: s.Name.Value}
	for _, in := range s.Inputs() {
		out.of = append(out.of, in.Value)
	}
	b.c.order, b.c.steps[out.name] = append(b.c.order, out.name), out
	b.tables[out.name], b.current = "step "+out.name, out.name
	switch s.Kind {
	case spec.KindRead:
		out.kind, out.read = kindRead, b.read(out.name, s.Read)
	case spec.KindSQL:
		out.kind, out.sql = kindSQL, s.SQL.Query.Value
		if err := b.confiner.ConfineSelect(out.sql, out.of); err != nil {
			b.problem(s.SQL.Query, err)
		} else {
			out.sql = b.lenientSelect(out.name, s.SQL.Query)
			b.note(out.name, s.SQL.Query, out.sql, false)
		}
	case spec.KindBaseline:
		out.kind, out.baseline = kindBaseline, b.baseline(s.Baseline)
		b.keep(out)
	case spec.KindAnomaly:
		out.kind, out.anomaly = kindAnomaly, b.anomaly(s.Anomaly)
	case spec.KindMatch:
		m := s.Match
		out.kind = kindAnomaly
		out.anomaly = &anomaly{of: m.Of.Value, detector: m.Rows.Bind(input{b, m.Of.Value}), entityType: m.EntityType,
			technique: m.Technique}
	case spec.KindRisk:
		out.kind, out.risk = kindRisk, b.risk(s.Risk)
	}
}

// want notes of each baseline which rows anybody looks at: if its table is
// neither written nor an input of other steps than anomalies, those that have
// what each of these asks for at least.
func (b *builder) want(p *spec.Pipeline) {
	for _, s := range b.c.steps {
		if s.kind != kindBaseline || slices.ContainsFunc(p.Write, func(w spec.Write) bool { return w.From.Value == s.name }) {
			continue
		}
		var ors []string
		for _, reader := range b.c.steps {
			switch {
			case !slices.Contains(reader.of, s.name):
			case reader.kind == kindAnomaly:
				ors = append(ors, reader.anomaly.wanted(s.baseline))
			default:
				ors = append(ors, "")
			}
		}
		if len(ors) > 0 && !slices.Contains(ors, "") {
			slices.Sort(ors)
			s.baseline.wanted = strings.Join(ors, " OR ")
		}
	}
}

// problem reports an expression that the confiner or the compiler refused.
func (b *builder) problem(at spec.Text, err error) {
	what, remedy := sqltext.Plainly(err.Error())
	if remedy == "" {
		remedy = "use SQL over the columns of the step's input"
	}
	b.problems = append(b.problems, spec.Problem{Pos: at.Pos, What: what, Remedy: remedy})
}

func (b *builder) baseline(f *spec.Baseline) *baselineForm {
	out := &baselineForm{
		of: f.Of.Value, entity: b.paths(f.Of.Value, f.Entity), entityType: f.EntityType, where: b.expr(f.Of.Value, f.Where),
		bucket: f.Bucket,
		season: season(f.Season), zone: f.Timezone, history: f.History, minSupport: f.MinSupport,
		peers: b.expr(f.Of.Value, f.Peers), zeroFill: f.ZeroFill, skipFlagged: f.ExcludeFlagged,
		classic: f.Statistic == spec.Classic,
	}
	for _, m := range f.Measures {
		none := additive(m.Expr.Value)
		out.measures = append(out.measures, measure{name: m.Name.Value, expr: b.aggregate(f.Of.Value, m.Expr),
			fill: f.ZeroFill && none, none: none})
	}
	if out.absence = b.down[b.current]; f.Absence != nil {
		out.absence = *f.Absence
	}
	return out
}

// additive reports whether an aggregate over no rows is zero: counts and sums,
// their sums, and multiples. A ratio of two counts is not a number there.
func additive(expr string) bool {
	call := regexp.MustCompile(`(?i)\b(count|count_if|countif|sum|approx_count_distinct|filter)\s*\(`)
	text := textPattern().ReplaceAllString(expr, "''")
	for {
		at := call.FindStringSubmatchIndex(text)
		if at == nil {
			break
		}
		end := closing(text, at[1])
		if end < 0 {
			return false
		}
		mark := "A"
		if strings.EqualFold(text[at[2]:at[3]], "filter") {
			mark = ""
		}
		text = text[:at[0]] + mark + text[end:]
	}
	const number, cast = `\d+(\.\d+)?`, `(\s*::\s*\w+)?`
	const term = `\s*(` + number + `\s*\*\s*)?A` + cast + `(\s*[*/]\s*` + number + `)?\s*`
	return regexp.MustCompile(`^` + term + `([+-]` + term + `)*$`).MatchString(text)
}

// closing is the offset behind the bracket that closes one opened before at; -1: none does.
func closing(text string, at int) int {
	for depth := 1; at < len(text); at++ {
		switch text[at] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
	return -1
}

// keep gives a baseline its state. The key is the SQL of the aggregates, so a
// pipeline whose threshold is changed keeps what it has learned.
func (b *builder) keep(s *step) {
	ranges := map[string][]Range{}
	b.c.tableRanges(s.baseline.of, []Range{{}}, ranges)
	// only those have snapshots
	maps.DeleteFunc(ranges, func(table string, _ []Range) bool { return !sqltext.IsLake(table) })
	sum := sha256.Sum256([]byte(b.c.name + "\x00" + s.name + "\x00" + b.c.aggregateSQL(s.baseline, []Range{{}})))
	key := hex.EncodeToString(sum[:8])
	b.c.keys[s.name] = key
	b.c.Baselines = append(b.c.Baselines, Baseline{Step: s.name, Key: key, Tables: sortedKeys(ranges),
		Bucket: s.baseline.bucket, History: s.baseline.history})
}

// beside is the column of a name beside another, or nothing if it is not there.
func (b *builder) beside(of, column, name string) string {
	i := strings.LastIndexByte(column, '.')
	if name = column[:i+1] + name; b.known[of] == nil || !b.known[of].has(name) {
		return ""
	}
	return sqltext.Path(name)
}

func (b *builder) risk(r *spec.Risk) *riskForm {
	f := &riskForm{entity: r.Entity.Value, types: r.EntityTypes, halfLife: r.HalfLife, method: string(r.Method),
		lookback: r.Lookback, technique: r.Technique}
	for _, of := range r.Of {
		f.of = append(f.of, of.Value)
	}
	for _, w := range r.Weights {
		f.weights = append(f.weights, weight{w.Name.Value, w.Value})
	}
	if r.WatchList != nil {
		f.watch = &watchForm{r.WatchList.Entities, r.WatchList.Factor}
	}
	f.critical = b.criticality(r.Criticality)
	return f
}

// criticality is nil where the table or its columns do not exist yet: then
// every entity is medium.
func (b *builder) criticality(k *spec.Criticality) *criticalForm {
	if k == nil {
		return nil
	}
	if !b.context(k.Table.Value, k.Key, k.Value) {
		return nil
	}
	return &criticalForm{table: k.Table.Value, key: k.Key.Value, value: k.Value.Value}
}

// context reports whether a table that only adds context can be read: it exists
// and has the columns, as far as is known.
func (b *builder) context(table string, columns ...spec.Text) bool {
	if !sqltext.IsLake(table) {
		return true
	}
	schema, ok := b.schemas(table)
	if !ok {
		return false
	}
	for _, c := range columns {
		if !columnsOf(schema).has(c.Value) {
			b.c.Dropped = append(b.c.Dropped, table+" has no column "+c.Value)
			b.c.absent = append(b.c.absent, Absence{Pos: c.Pos, Table: table, Column: c.Value, Known: columnsOf(schema).paths(),
				Optional: true})
			return false
		}
	}
	return true
}

// tryStatements finds what only shows in the statements: a reason that names
// nothing.
func (b *builder) tryStatements(p *spec.Pipeline) {
	day0 := time.Unix(0, 0).UTC()
	run := Run{ID: "check", Window: Range{Start: day0, End: day0.Add(sqltext.Day)}, Stateless: true}
	for _, s := range p.Steps {
		if _, err := b.c.stepStmts(b.c.steps[s.Name.Value], run); err != nil {
			at := s.Name
			switch {
			case s.Anomaly != nil && s.Anomaly.Reason.Value != "":
				at = s.Anomaly.Reason
			case s.Match != nil && s.Match.Rows.Reason.Value != "":
				at = s.Match.Rows.Reason
			}
			what, known, ok := strings.Cut(err.Error(), ": known are ")
			if !ok {
				b.problem(at, err)
				continue
			}
			b.problems = append(b.problems, spec.Problem{Pos: at.Pos, What: what, Remedy: "known are " + known})
		}
	}
}
