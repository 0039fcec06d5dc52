package spec

import (
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/pipeline/terms"
	"github.com/lakeward/lakeward/tiers"
)

const (
	day    = sqltext.Day
	second = time.Second
)

// pipelineType is the whole language.
func pipelineType() strict.Type[Pipeline] {
	type P = Pipeline
	return strict.Object(
		strict.F("name", strict.Positioned(terms.Checked("name", nameProblem)), func(p *P) *Text { return &p.Name },
			"Name of the pipeline, unique in the folder: lower-case letters, digits, `-` and `_`, at most 63.").Needed(),
		strict.F("description", strict.Text(), func(p *P) *string { return &p.Description },
			"What it looks for, in a sentence."),
		strict.F("enabled", strict.Bool(), func(p *P) *bool { return &p.Enabled }, "Whether it is scheduled. A pipeline "+
			"that is not can still be run by hand.").Default("true"),
		strict.F("schedule", strict.Named(terms.Word(), "cron"), func(p *P) *Text { return &p.Schedule },
			"When it runs: five cron fields (minute, hour, day of month, month, day of week). Either this or `after`."),
		strict.F("after", strict.OneOrList(strict.Named(terms.Word(), "pipeline")), func(p *P) *[]Text { return &p.After },
			"Pipelines after each of whose runs this one runs, with the same window and logical time. Either this or "+
				"`schedule`."),
		strict.F("timezone", zone(), func(p *P) *string { return &p.Timezone }, "IANA time zone of `schedule`. Where "+
			"clocks change, a time that does not exist is skipped and a repeated one runs twice; windows are UTC and neither "+
			"overlap nor leave gaps.").Default("UTC"),
		strict.F("window", strict.Duration(time.Minute, terms.Longest), func(p *P) *time.Duration { return &p.Window },
			"How far a run looks back from its end. Without it: from the end of the run before, so that windows meet."),
		strict.F("settle", strict.Pointer(strict.Duration(0, 7*day)), func(p *P) **time.Duration { return &p.Settle },
			"How long before its logical time a window ends, because data arrives late. Without it: `pipelines.settle` of "+
				"the configuration."),
		strict.F("lateness", strict.Pointer(strict.Duration(0, 31*day)), func(p *P) **time.Duration { return &p.Lateness },
			"How long late events re-open the windows that they belong to. Without it: `pipelines.lateness` of the "+
				"configuration."),
		strict.F("budget", budgetType(), func(p *P) *Budget { return &p.Budget }, "What one run may use. A run beyond it "+
			"writes nothing and says so. What is not given is the configuration's."),
		strict.F("steps", strict.Keyed(stepType(), func(s *Step) *Text { return &s.Name }, stepNameProblem),
			func(p *P) *[]Step { return &p.Steps }, "The steps, in order; a step's key is its name, and a step reads tables "+
				"or earlier steps.").Needed(),
		strict.F("write", strict.List(writeType()), func(p *P) *[]Write { return &p.Write }, "Where results go.").Needed(),
		strict.F("tests", strict.List(caseType()), func(p *P) *[]Case { return &p.Tests },
			"Test cases, as in the `*_test.yaml` file beside the pipeline."),
	)
}

func budgetType() strict.Type[Budget] {
	return strict.Object(
		strict.F("rows", strict.Int[int64](1, terms.Most), func(b *Budget) *int64 { return &b.Rows },
			"Rows of the lake that a run reads."),
		strict.F("bytes", strict.Size(1, 1<<50), func(b *Budget) *int64 { return &b.Bytes },
			"Bytes of data files that a run reads."),
		strict.F("time", strict.Duration(second, 7*day), func(b *Budget) *time.Duration { return &b.Time },
			"How long a run takes."),
	)
}

func stepType() strict.Type[Step] {
	type S = Step
	branch := func(k Kind, doc string, init func(*S), fields ...strict.Field[S]) strict.Branch[S] {
		return strict.Branch[S]{Key: string(k), Text: doc, Fields: fields,
			Init: func(s *S) { s.Kind = k; init(s) }, Is: func(s *S) bool { return s.Kind == k }}
	}
	return strict.Choice("step",
		branch(KindRead, "Rows of a lake or analytics table in the run's window.", func(s *S) { s.Read = &Read{} },
			readFields()...),
		branch(KindSQL, "One SELECT over earlier steps.", func(s *S) { s.SQL = &SQL{} },
			strict.F("sql", strict.Named(terms.Word(), "SQL"), func(s *S) *Text { return &s.SQL.Query },
				"One SELECT. The tables it names are earlier steps; nothing else can be reached.").Needed(),
			strict.F("inputs", strict.OneOrList(strict.Named(terms.Word(), "step")), func(s *S) *[]Text { return &s.SQL.Inputs },
				"The steps that it reads. Without it: the earlier steps whose names occur in the SQL.")),
		branch(KindBaseline, "Per entity and time bucket, the usual value of each measure.",
			func(s *S) { s.Baseline = &Baseline{} },
			strict.F("baseline", baselineType(), func(s *S) *Baseline { return s.Baseline }, "The baseline.").Needed()),
		branch(KindAnomaly, "Findings by one method.", func(s *S) { s.Anomaly = &Anomaly{} },
			strict.F("anomaly", anomalyType(), func(s *S) *Anomaly { return s.Anomaly }, "The detector.").Needed()),
		branch(KindMatch, "Findings from the rows of a step, such as what an `sql` step has found.",
			func(s *S) { s.Match = &Match{} },
			strict.F("match", matchType(), func(s *S) *Match { return s.Match }, "What each row says.").Needed()),
		branch(KindRisk, "One score for each entity, from findings.", func(s *S) { s.Risk = &Risk{} },
			strict.F("risk", riskType(), func(s *S) *Risk { return s.Risk }, "The score.").Needed()),
	)
}

func readFields() []strict.Field[Step] {
	type S = Step
	return []strict.Field[S]{
		strict.F("read", terms.Table(), func(s *S) *Text { return &s.Read.Table },
			"The table: `lake.NAME` or `analytics.NAME`. For the union of several, read each and join them in an `sql` step.").Needed(),
		strict.F("where", terms.Condition(), func(s *S) *Text { return &s.Read.Where },
			"Condition over the table's columns."),
		strict.F("select", strict.List(terms.Expression()), func(s *S) *[]Text { return &s.Read.Select },
			"Columns, or `expression AS name`. Without it: every column. Keep `time` (and `event_id`, for evidence) for the "+
				"steps that follow."),
		strict.F("join", strict.List(joinType()), func(s *S) *[]Join { return &s.Read.Join },
			"Context tables, such as assets and roles."),
		strict.F("window", lookback(), func(s *S) *Read { return s.Read }, "How far back from the window's end rows are "+
			"read, or `all` for every row whatever its time. Without it: the run's own window."),
	}
}

func lookback() strict.Type[Read] {
	schema := strict.Schema{"type": "string", "pattern": `^(all|([0-9]+(ms|s|m|h|d))+)$`}
	duration := strict.Duration(time.Minute, terms.Longest)
	return strict.Plain("duration or all", schema, func(s string, r *Read) (string, string) {
		if s == "all" {
			r.Whole = true
			return "", ""
		}
		d, what, remedy := strict.ParseText(duration, s)
		r.Window = d
		return what, remedy
	}, func(r *Read) string {
		if r.Whole {
			return "all"
		}
		return strict.FormatDuration(r.Window)
	})
}

func joinType() strict.Type[Join] {
	type J = Join
	return strict.Object(
		strict.F("table", strict.Named(terms.Word(), "table or step"), func(j *J) *Text { return &j.Table },
			"`lake.NAME`, `analytics.NAME` or an earlier step. A lake table is read whole.").Needed(),
		strict.F("as", strict.Positioned(terms.Checked("identifier", identProblem)), func(j *J) *Text { return &j.As },
			"Name of the struct that holds the joined columns.").Needed(),
		strict.F("on", terms.Condition(), func(j *J) *Text { return &j.On }, "Condition; the step's own table is `t`, the "+
			"joined one has the name of `as`.").Needed(),
		strict.F("unmatched", keep(), func(j *J) *bool { return &j.Left },
			"What happens to rows without a partner: `keep` or `drop`.").Default("keep"),
	)
}

func keep() strict.Type[bool] {
	return strict.Plain("keep, drop", strict.Schema{"enum": []any{"keep", "drop"}},
		func(s string, b *bool) (string, string) {
			if s != "keep" && s != "drop" {
				return "unknown value `" + s + "`", strict.Suggest(s, []string{"keep", "drop"})
			}
			*b = s == "keep"
			return "", ""
		}, func(b *bool) string {
			if *b {
				return "keep"
			}
			return "drop"
		})
}

func baselineType() strict.Type[Baseline] {
	type B = Baseline
	return strict.Object(
		strict.F("of", step(), func(b *B) *Text { return &b.Of },
			"The `read` or `sql` step whose rows are counted; they need `time`.").Needed(),
		strict.F("entity", strict.OneOrList(terms.Column()), func(b *B) *[]Text { return &b.Entity },
			"Column of whom it is about; several are one combined entity.").Needed(),
		strict.F("entity_type", strict.Text(), func(b *B) *string { return &b.EntityType },
			"`entity_type` of the findings. Without it: from the entity's column, so `user.name` is a `user` and "+
				"`src_endpoint.ip` an `ip`."),
		strict.F("where", terms.Condition(), func(b *B) *Text { return &b.Where }, "Condition of the rows that are counted."),
		strict.F("bucket", strict.Duration(time.Minute, 31*day), func(b *B) *time.Duration { return &b.Bucket },
			"Width of one value.").Default("1h"),
		strict.F("season", strict.Enum(SeasonNone, SeasonHourOfDay, SeasonDayOfWeek, SeasonHourOfWeek),
			func(b *B) *Season { return &b.Season }, "Which buckets are alike. `hour_of_week` has 168 slots. Without it: "+
				"`hour_of_week` if the bucket divides an hour, `day_of_week` for a day, otherwise `none`."),
		strict.F("timezone", zone(), func(b *B) *string { return &b.Timezone },
			"IANA time zone of the season.").Default("UTC"),
		strict.F("history", strict.Duration(time.Hour, terms.Longest), func(b *B) *time.Duration { return &b.History },
			"How far back the usual is learned, up to the window's start.").Default("56d"),
		strict.F("measures", strict.Keyed(strict.Via(strict.Named(terms.Word(), "SQL aggregate"),
			func(m *Measure) *Text { return &m.Expr }), func(m *Measure) *Text { return &m.Name }, measureProblem),
			func(b *B) *[]Measure { return &b.Measures }, "Names and SQL aggregates over the rows of one entity and bucket, "+
				"such as `count(*)`.").Needed(),
		strict.F("statistic", strict.Enum(Robust, Classic), func(b *B) *Statistic { return &b.Statistic },
			"Centre and spread: `robust` is median and median absolute deviation, `classic` mean and standard deviation.").Default("robust"),
		strict.F("min_support", strict.Int(1, 10_000), func(b *B) *int { return &b.MinSupport },
			"Values that a slot needs. With fewer it falls back to the same hour of weekdays or weekends, then to all of the "+
				"entity's hours, then to peers; a finding names the level.").Default("4"),
		strict.F("peers", terms.Expression(), func(b *B) *Text { return &b.Peers }, "What an entity's peers have in "+
			"common, such as a department. Without it: everyone."),
		strict.F("zero_fill", strict.Bool(), func(b *B) *bool { return &b.ZeroFill }, "Whether counts and sums are zero "+
			"in buckets without rows, since the entity's first. Other aggregates have no value there, and their support is "+
			"the values that were seen.").Default("true"),
		strict.F("absence", strict.Pointer(strict.Bool()), func(b *B) **bool { return &b.Absence },
			"Whether a bucket of the window without rows is a value of its entity: zero for counts and sums. So silence is "+
				"found, of an entity that has at least `min_support` buckets with rows and was seen in the last 14 days (ours). "+
				"Without it: yes if a `robust_z` step looks `down` or to `both` sides."),
		strict.F("exclude_flagged", strict.Bool(), func(b *B) *bool { return &b.ExcludeFlagged },
			"Whether buckets that were found anomalous are left out of the fit, so that an attacker cannot teach it. What is "+
				"flagged at the same hour of `min_support` days is a routine and is learned.").Default("true"),
	)
}

func riskType() strict.Type[Risk] {
	type R = Risk
	return strict.Object(
		strict.F("of", strict.OneOrList(step()), func(r *R) *[]Text { return &r.Of }, "Steps whose rows are findings: "+
			"anomaly steps, or a `read` of `analytics.findings` with a `window` of at least `lookback`.").Needed(),
		strict.F("entity", terms.Column(), func(r *R) *Text { return &r.Entity },
			"Column of whom the score is about.").Default("entity"),
		strict.F("entity_types", strict.OneOrList(strict.NonEmpty()), func(r *R) *[]string { return &r.EntityTypes },
			"The entity types that are scored. Without it: all."),
		strict.F("method", strict.Enum(RiskRank, RiskMaxPlus, RiskSum), func(r *R) *RiskMethod { return &r.Method },
			"`rank`: S = sum of s_i / i^1.5 over the inputs from the highest, N = S / 2.5924 (Elastic's entity risk, the "+
				"constant of its code). `max_plus`: the highest plus 0.2 of the rest (Google). `sum`: their sum (Splunk).").Default("rank"),
		strict.F("weights", strict.Keyed(strict.Via(strict.Float(0, 1000), func(w *Weight) *float64 { return &w.Value }),
			func(w *Weight) *Text { return &w.Name }, terms.AnyKey), func(r *R) *[]Weight { return &r.Weights },
			"Factors of a finding's score, by detector or pipeline. Those not named have 1."),
		strict.F("half_life", strict.Duration(time.Hour, terms.Longest), func(r *R) *time.Duration { return &r.HalfLife },
			"After this long a finding counts half: s * 2^(-age / half_life).").Default("7d"),
		strict.F("lookback", strict.Duration(time.Hour, terms.Longest), func(r *R) *time.Duration { return &r.Lookback },
			"Findings older than this do not count; an entity without any left is written with 0.").Default("28d"),
		strict.F("technique", technique(), func(r *R) *string { return &r.Technique },
			"MITRE ATT&CK technique of the result."),
		strict.F("criticality", strict.Pointer(criticalityType()), func(r *R) **Criticality { return &r.Criticality },
			"Where an entity's criticality stands. The odds N / (100 - N) are multiplied by 0.5 (low), 1 (medium), 1.5 "+
				"(high) or 2 (extreme)."),
		strict.F("watch_list", strict.Pointer(watchType()), func(r *R) **WatchList { return &r.WatchList },
			"Entities whose odds are raised."),
	)
}

func criticalityType() strict.Type[Criticality] {
	type C = Criticality
	return strict.Object(
		strict.F("table", terms.Table(), func(c *C) *Text { return &c.Table }, "`lake.NAME` or `analytics.NAME`. Where it "+
			"does not exist yet every entity is `medium`.").Needed(),
		strict.F("key", terms.Column(), func(c *C) *Text { return &c.Key }, "Column that equals the entity.").Needed(),
		strict.F("value", terms.Column(), func(c *C) *Text { return &c.Value },
			"Column with low, medium, high or extreme.").Needed(),
	)
}

func watchType() strict.Type[WatchList] {
	type W = WatchList
	return strict.Object(
		strict.F("entities", strict.OneOrList(strict.NonEmpty()), func(w *W) *[]string { return &w.Entities },
			"Who is watched.").Needed(),
		strict.F("factor", strict.Float(0.01, 100), func(w *W) *float64 { return &w.Factor },
			"What their odds are multiplied by.").Default("1.5"),
	)
}

func writeType() strict.Type[Write] {
	type W = Write
	return strict.Object(
		strict.F("from", step(), func(w *W) *Text { return &w.From }, "The step whose rows are written.").Needed(),
		strict.F("to", terms.Table(), func(w *W) *Text { return &w.To },
			"The table: `lake.NAME` or `analytics.NAME`, made at the first run.").Needed(),
		strict.F("mode", strict.Enum(tiers.Append, tiers.ReplaceWindow, tiers.Merge, tiers.Overwrite),
			func(w *W) *tiers.WriteMode { return &w.Mode }, "`append` adds; `replace_window` replaces this pipeline's rows "+
				"of the window; `merge` does so too, and replaces rows with an equal key; `overwrite` makes the table exactly "+
				"these rows. Running a window again never repeats rows. Several writes to one table are one, with one `mode` "+
				"and `key`. Without it: `merge` for findings, otherwise `replace_window`."),
		strict.F("key", strict.OneOrList(terms.Column()), func(w *W) *[]Text { return &w.Key },
			"Columns that make a row the same in mode `merge`. For findings: `finding_id`."),
		strict.F("publish", strict.Plain("subject", strict.Schema{"type": "string"},
			func(s string, out *string) (string, string) { *out = s; return subjectProblem(s) },
			func(s *string) string { return *s }), func(w *W) *string { return &w.Publish }, "NATS subject on which each new "+
			"finding is published, once it is written."),
	)
}

func caseType() strict.Type[Case] {
	type C = Case
	given := strict.Object(
		strict.F("file", terms.Word(), func(g *Given) *Text { return &g.File },
			"NDJSON file, relative to this one. Either this or `rows`."),
		strict.F("rows", strict.List(strict.JSON()), func(g *Given) *[]string { return &g.Rows },
			"Events, one mapping each. Either this or `file`."),
	)
	row := strict.Positioned(strict.Keyed(strict.Via(strict.JSON(), func(c *ExpectColumn) *string { return &c.Value }),
		func(c *ExpectColumn) *Text { return &c.Path }, terms.AnyKey))
	return strict.Object(
		strict.F("name", terms.Word(), func(c *C) *Text { return &c.Name }, "What the case shows.").Needed(),
		strict.F("at", strict.Time(), func(c *C) *time.Time { return &c.At }, "The run's logical time, RFC 3339.").Needed(),
		strict.F("given", strict.Keyed(given, func(g *Given) *Text { return &g.Table }, terms.TableProblem),
			func(c *C) *[]Given { return &c.Given }, "Tables and what they hold before the run."),
		strict.F("expect", strict.Keyed(strict.Via(strict.List(row), func(e *Expect) *[]ExpectRow { return &e.Rows }),
			func(e *Expect) *Text { return &e.Step }, stepNameProblem), func(c *C) *[]Expect { return &c.Expect },
			"Steps and the rows they must give, in any order; a row names only the columns that matter. `[]` expects none.").Needed(),
	)
}
