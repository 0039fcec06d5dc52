// Package spec is the language of pipelines: its types, its parser and its
// lint. A parsed Pipeline has every default filled in and every reference
// between steps checked; SQL expressions are text with a position, for the
// compiler to confine.
package spec

import (
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/detect"
	"github.com/lakeward/lakeward/tiers"
)

// Problem is one mistake: where, what, and what to do.
type Problem = strict.Problem

// Pos is a place in a file.
type Pos = strict.Pos

// Text is a string that can be wrong, with its position: an expression, a
// column path, or the name of a step or table. Value is empty if not given.
type Text = strict.At[string]

// Pipeline is one file. It is immutable after Parse.
type Pipeline struct {
	File        string
	Name        Text
	Description string
	Enabled     bool
	Schedule    Text   // cron, five fields; empty if After is given
	After       []Text // pipelines; empty if Schedule is given
	Timezone    string // IANA name, of the schedule
	// Window is how far a run looks back from its end; zero: to the end of the
	// run before.
	Window   time.Duration
	Lateness *time.Duration // nil: the configuration's
	Settle   *time.Duration // nil: the configuration's
	Budget   Budget
	Steps    []Step // in order
	Write    []Write
	Tests    []Case // the file's own cases; those of *_test.yaml are apart
}

// Budget bounds one run. Zero is the configuration's.
type Budget struct {
	Rows  int64 // that the run reads
	Bytes int64 // that the run reads
	Time  time.Duration
}

// Kind is what a step computes.
type Kind string

// The kinds of steps.
const (
	KindRead     Kind = "read"
	KindSQL      Kind = "sql"
	KindBaseline Kind = "baseline"
	KindAnomaly  Kind = "anomaly"
	KindMatch    Kind = "match"
	KindRisk     Kind = "risk"
)

// Step is one step; only the part of its kind is set.
type Step struct {
	Name     Text
	Kind     Kind
	Read     *Read
	SQL      *SQL
	Baseline *Baseline
	Anomaly  *Anomaly
	Match    *Match
	Risk     *Risk
}

// Inputs are the earlier steps that the step reads, in order, without repeats.
func (s Step) Inputs() []Text {
	switch s.Kind {
	case KindSQL:
		return s.SQL.Inputs
	case KindBaseline:
		return []Text{s.Baseline.Of}
	case KindAnomaly:
		return []Text{s.Anomaly.Of}
	case KindMatch:
		return []Text{s.Match.Of}
	case KindRisk:
		return s.Risk.Of
	case KindRead:
		return s.Read.stepJoins()
	default:
		return nil
	}
}

// Read is rows of one table in the run's window.
type Read struct {
	Table  Text   // lake.x or analytics.x
	Where  Text   // condition over the columns
	Select []Text // columns, or "expression AS name"; empty: all columns
	Join   []Join
	// Window is how far back from the window's end rows are read; zero: the
	// run's own window.
	Window time.Duration
	Whole  bool // every row, whatever its time
}

// Join adds the columns of a context table as a struct named As.
type Join struct {
	Table Text // lake.x, analytics.x or an earlier step
	As    Text
	On    Text // condition; the step's own table is t
	Left  bool // rows without a partner are kept
}

// SQL is one SELECT over its inputs.
type SQL struct {
	Query  Text
	Inputs []Text // earlier steps; those that the query names, if not given
}

// Season says which buckets are alike.
type Season string

// The seasons.
const (
	SeasonNone       Season = "none"
	SeasonHourOfDay  Season = "hour_of_day"
	SeasonDayOfWeek  Season = "day_of_week"
	SeasonHourOfWeek Season = "hour_of_week"
)

// Statistic is how a baseline gives centre and spread.
type Statistic string

// The statistics.
const (
	Robust  Statistic = "robust"  // median and median absolute deviation
	Classic Statistic = "classic" // mean and standard deviation
)

// Measure is one aggregate over a bucket.
type Measure struct {
	Name Text
	Expr Text // SQL aggregate over the input's columns
}

// Baseline is the usual value of each measure, per entity and season.
type Baseline struct {
	Of             Text
	Entity         []Text // column paths
	EntityType     string // user, ip, ...: the findings' entity_type
	Where          Text
	Bucket         time.Duration
	Season         Season
	Timezone       string // of the season
	History        time.Duration
	Measures       []Measure // in order
	Statistic      Statistic
	MinSupport     int
	Peers          Text // expression that peers have in common; empty: everyone
	ZeroFill       bool
	Absence        *bool // nil: if a step looks for values that are too low
	ExcludeFlagged bool
}

// Anomaly is findings by one method.
type Anomaly struct {
	Of         Text
	Method     detect.Method
	EntityType string // user, ip, ...: the findings' entity_type
	Technique  string // MITRE ATT&CK id; may be empty
	Reason     Text   // template; empty: the method's own sentence
	MaxScore   float64
	Detector   detect.Detector // the method, with its options
}

// Match is findings from the rows of a step.
type Match struct {
	Of         Text
	EntityType string // user, ip, ...: the findings' entity_type
	Technique  string // MITRE ATT&CK id; may be empty
	Rows       detect.Match
}

// RiskMethod is how a risk step adds findings up.
type RiskMethod string

// The methods of a risk step.
const (
	RiskRank    RiskMethod = "rank"
	RiskMaxPlus RiskMethod = "max_plus"
	RiskSum     RiskMethod = "sum"
)

// Weight multiplies the scores of a detector or pipeline.
type Weight struct {
	Name  Text // detector or pipeline
	Value float64
}

// Criticality looks an entity's criticality up.
type Criticality struct {
	Table Text // lake.x or analytics.x
	Key   Text // column path, equal to the entity
	Value Text // column path: low, medium, high or extreme
}

// WatchList raises the risk of those named.
type WatchList struct {
	Entities []string
	Factor   float64
}

// Risk is one score for each entity.
type Risk struct {
	Of          []Text // steps whose rows are findings
	Entity      Text   // column path
	EntityTypes []string
	Method      RiskMethod
	Weights     []Weight
	HalfLife    time.Duration
	Lookback    time.Duration
	Technique   string
	Criticality *Criticality // nil: none
	WatchList   *WatchList   // nil: none
}

// Write promotes a step's rows to a table.
type Write struct {
	From    Text // step
	To      Text // lake.x or analytics.x
	Mode    tiers.WriteMode
	Key     []Text // of merge
	Publish string // NATS subject for each new finding; empty: none
}

// Tier is "lake" or "analytics".
func (w Write) Tier() string { tier, _ := splitTable(w.To.Value); return tier }

// Table is the bare name.
func (w Write) Table() string { _, table := splitTable(w.To.Value); return table }

// Case is one test of a pipeline.
type Case struct {
	Name   Text
	At     time.Time // the run's logical time
	Given  []Given
	Expect []Expect
}

// Given is what a table holds before the run.
type Given struct {
	Table Text     // lake.x or analytics.x
	File  Text     // NDJSON, relative to the test file; empty if rows are given
	Rows  []string // one JSON object each, its keys in the file's order
}

// Expect is what a step must give.
type Expect struct {
	Step Text
	Rows []ExpectRow // in any order; none: the step must be empty
}

// ExpectRow names some columns of one row, in order; other columns may have
// any value.
type ExpectRow = strict.At[[]ExpectColumn]

// ExpectColumn is a column's expected value.
type ExpectColumn struct {
	Path  Text   // dotted for members of structs
	Value string // JSON
}
