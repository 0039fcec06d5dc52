// Package detect holds the detectors, which are the methods of an anomaly step.
// A detector is one file: its keys with their defaults, its formula and whose
// that is, the SQL of a run, how far it looks back, and how it explains a
// finding. Kinds lists them. The package is pure.
//
// A detector's type holds its options, as they were decoded. Bind returns it
// for the columns that its input has; that one is asked for SQL.
package detect

import (
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/sqltext"
)

// Text is a column path or an expression, with its place.
type Text = strict.At[string]

// Pos is a place in a file.
type Pos = strict.Pos

// Range is a half-open interval of time.
type Range = sqltext.Range

// Method names a detector in a step.
type Method string

// Detector is one method with the options of one step.
type Detector interface {
	Method() Method
	// About says what is detected, by which formula, and whose that is.
	About() string
	// Complete fills in the defaults that depend on other options.
	Complete()
	// Check reports what no single option shows. The zero position is the step's.
	Check(report func(at Pos, what, remedy string))
	// Query is what one run asks the engine.
	Query(r Run) Query
	// Formula says in words, with the step's numbers, what is raised.
	Formula() string
	// Explain says what a finding of the entity in the run's window rests on.
	Explain(r Run, entity string) Explanation
}

// RowDetector reads the rows of a step.
type RowDetector interface {
	Detector
	// Subject is the column that the findings are about, of which they have their
	// entity type; empty: they name it themselves.
	Subject() string
	// Context lists the tables that it reads for context, which need not exist.
	Context() []Text
	// Bind is the detector for its input's columns: its expressions are confined,
	// and options whose columns are not there are gone.
	Bind(c Columns) RowDetector
	// Reads is the time of the rows that a run over the window reads.
	Reads(window Range) Range
}

// BaselineDetector compares the values of a baseline with what is usual.
type BaselineDetector interface {
	Detector
	// Named lists the measures that the options name.
	Named() []Text
	// LooksDown reports whether values may be raised that are too low.
	LooksDown() bool
	// Wanted is the condition of a baseline's values, which are m0, m1, ..., that
	// may be raised; empty: any may.
	Wanted(measures []string) string
}

// Columns are the columns of a detector's input, as far as they are known.
type Columns interface {
	// Path is a column that is needed.
	Path(column Text) Text
	// Number is a column that is needed, whose values are taken as numbers.
	Number(column Text) Text
	// Expr is an expression that is needed.
	Expr(expr Text) Text
	// OptionalPath and Optional are empty where the input lacks the column.
	OptionalPath(column Text) Text
	Optional(expr Text) Text
	// Beside is the column of a name beside another; empty if it is not known to
	// be there.
	Beside(column Text, name string) Text
	// HasTable reports whether a table of context and its column are there.
	HasTable(table, column Text) bool
}

// Run is one evaluation of a step.
type Run struct {
	Step       string
	EntityType string // of the findings
	Window     Range
	Rows       func(Range) string // table expression of the input's rows in a time
	EventID    string             // select item of an event's id, as event_id
	Baseline   Baseline           // of a baseline detector
}

// Temp is the name of a temporary table of the step.
func (r Run) Temp(name string) string { return sqltext.Ident(r.Step + "." + name) }

// Baseline describes the baseline step that values are compared with. Its table
// has columns of each measure: see compile.
type Baseline struct {
	Step       string
	Entity     []string // column paths
	EntityType string
	Measures   []string
	MinSupport int
	Classic    bool // centre and spread are mean and standard deviation
}

// Query is what a run asks the engine: temporary tables, in order, and then the
// findings.
type Query struct {
	Tables   []Table
	Findings Finding
}

// Table is a temporary table, which Run.Temp names. Without a name SQL is a
// statement.
type Table struct{ Name, SQL string }

// Explanation is what a finding rests on.
type Explanation struct {
	Where    string // condition of the input's rows (of a baseline's input)
	Compared string // SELECT of the numbers that they were compared with; may be empty
	Order    string // column path by which the rows are shown; empty: time
}

// Kind is one detector of the table.
type Kind struct {
	Method Method
	About  string
	Input  string // says which step it reads
	New    func() Detector
	Keys   []strict.Field[Detector]
}

// options is a detector with its keys.
type options[T any] interface {
	*T
	Keys() []strict.Field[T]
}

func kind[T any, D interface {
	options[T]
	Detector
}](input string) Kind {
	var d D = new(T)
	return Kind{Method: d.Method(), About: d.About(), Input: input,
		New:  func() Detector { return D(new(T)) },
		Keys: strict.Within(d.Keys(), func(d *Detector) *T { return (*d).(D) })}
}

func overBaseline[T any, D interface {
	options[T]
	BaselineDetector
}]() Kind {
	return kind[T, D]("The baseline step.")
}

func overRows[T any, D interface {
	options[T]
	RowDetector
}]() Kind {
	return kind[T, D]("A `read` or `sql` step.")
}

// Kinds is the table of the detectors.
func Kinds() []Kind {
	return []Kind{
		overBaseline[RobustZ](),
		overBaseline[Poisson](),
		overRows[FirstSeen](),
		overRows[Rare](),
		overRows[Travel](),
		overRows[Spray](),
		overRows[BruteForce](),
	}
}

const day = sqltext.Day

func texts(ts []Text) []string {
	out := make([]string, len(ts))
	for i, t := range ts {
		out[i] = t.Value
	}
	return out
}

func hours(n int) time.Duration { return time.Duration(n) * time.Hour }

// scoreOver maps how far a value is over its threshold to 0 to 100: at the
// threshold 50, twice the threshold 75, and so on (ours).
func scoreOver(ratio string) string {
	return "100.0 * (1.0 - pow(2.0, -(" + ratio + ")))"
}

// noSpreadCap is the highest score of an entity that has no spread of its own,
// below critical: it says less than one that has (ours).
const noSpreadCap = 89.0
