package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/internal/safefile"
	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/tiers"
)

// SpecOptions turn a specification into a Definition.
type SpecOptions struct {
	Hash  string      // of the specification
	Base  string      // directory of the tests' data files
	Tests []spec.Case // of the test file; the specification's own come first
	// Untested leaves the tests out, as where their data files are not at hand.
	Untested bool
	// Compile makes the program; its problems are positioned in the file.
	Compile func(p *spec.Pipeline, schemas func(string) (tiers.Schema, bool)) (*compile.Compiled, []spec.Problem)
	// What the file leaves open.
	Settle, Lateness time.Duration
	CatchUp          int
}

func (o SpecOptions) cases(p *spec.Pipeline) []spec.Case {
	if o.Untested {
		return nil
	}
	return slices.Concat(p.Tests, o.Tests)
}

// maxTestFile bounds a test's data file.
const maxTestFile = 16 << 20

// FromSpec makes the definition of a checked specification. Its problems are
// those of the schedule and of the tests' data files.
func FromSpec(p *spec.Pipeline, o SpecOptions) (*Definition, []Problem) {
	d := &Definition{
		Name: p.Name.Value, Description: p.Description, Hash: o.Hash, File: p.File, Disabled: !p.Enabled,
		After: values(p.After), Window: p.Window, Settle: o.Settle, Lateness: o.Lateness, CatchUp: o.CatchUp,
		Budget: Budget{Rows: p.Budget.Rows, Bytes: p.Budget.Bytes, Time: p.Budget.Time},
	}
	d.Places.Name, d.Places.Tables = p.Name.Pos, p.Tables()
	for _, a := range p.After {
		d.Places.After = append(d.Places.After, a.Pos)
	}
	if p.Settle != nil {
		d.Settle = *p.Settle
	}
	if p.Lateness != nil {
		d.Lateness = *p.Lateness
	}
	var problems []Problem
	if p.Schedule.Value != "" {
		var err error
		if d.Cron, err = schedule.Parse(p.Schedule.Value, p.Timezone); err != nil {
			problems = append(problems, problemAt(p.Schedule.Pos, err.Error(), "give five cron fields"))
		}
	}
	d.Reads, d.Optional = lakeTables(p)
	for _, s := range p.Steps {
		if s.Baseline != nil {
			d.Bucket = max(d.Bucket, s.Baseline.Bucket)
		}
		if s.Read != nil && strings.HasPrefix(s.Read.Table.Value, "analytics.") {
			d.ReadsAnalytics = append(d.ReadsAnalytics, s.Read.Table.Value)
		}
	}
	for _, w := range p.Write {
		d.Outputs = append(d.Outputs, Output{From: w.From.Value, Tier: w.Tier(), Table: w.Table(), Mode: w.Mode,
			Key: values(w.Key), Publish: w.Publish})
	}
	for _, c := range o.cases(p) {
		tc, ps := caseOf(c, o.Base)
		d.Tests, problems = append(d.Tests, tc), append(problems, ps...)
	}
	if o.Compile != nil {
		_, ps := o.Compile(p, nil) // what is wrong whatever the lake holds
		problems = append(problems, FromProblems(ps)...)
	}
	d.Compile = (&compiler{spec: p, compile: o.Compile, reads: d.Reads}).program
	return d, problems
}

// compiler keeps the last program: schemas change far more seldom than runs
// come.
type compiler struct {
	spec    *spec.Pipeline
	compile func(*spec.Pipeline, func(string) (tiers.Schema, bool)) (*compile.Compiled, []spec.Problem)
	reads   []string

	mu   sync.Mutex
	of   string // the schemas that last was compiled for
	last *compile.Compiled
}

func (c *compiler) program(schemas func(string) (tiers.Schema, bool)) (Program, []compile.Baseline, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if of := c.fingerprint(schemas); c.last == nil || c.of != of {
		got, ps := c.compile(c.spec, schemas)
		if len(ps) > 0 {
			return nil, nil, problemsError(ps)
		}
		c.last, c.of = got, of
	}
	if len(c.last.Missing) > 0 {
		return nil, nil, &MissingError{c.last.Missing, c.last}
	}
	return c.last, c.last.Baselines, nil
}

func (c *compiler) fingerprint(schemas func(string) (tiers.Schema, bool)) string {
	var b strings.Builder
	for _, t := range c.reads {
		s, ok := schemas(t)
		fmt.Fprintf(&b, "%s %t %s\n", t, ok, tiers.Type{Kind: tiers.KindStruct, Fields: s.Fields})
	}
	return b.String()
}

// MissingError says which columns a pipeline needs that the lake does not have
// yet. The run is skipped: columns appear with the first event that has them.
type MissingError struct {
	Columns []string
	program *compile.Compiled
}

// Error lists them.
func (e *MissingError) Error() string {
	text := strings.Join(e.Columns, "; ") + " yet; columns appear with the first event that has them"
	for _, a := range e.program.Lacking() {
		if near := strict.Nearest(a.Column, a.Known); near != "" && !a.Optional {
			text += "; did you mean `" + near + "`?"
		}
	}
	return text
}

func problemsError(ps []spec.Problem) error {
	var errs []error
	for _, p := range ps {
		errs = append(errs, errors.New(p.String()))
	}
	return fmt.Errorf("compile: %w", errors.Join(errs...))
}

func problemAt(pos spec.Pos, message, remedy string) Problem {
	return Problem{File: pos.File, Line: pos.Line, Column: pos.Column, Message: message, Remedy: remedy}
}

// FromProblems are the problems of a parse or compilation.
func FromProblems(ps []spec.Problem) []Problem {
	var out []Problem
	for _, p := range ps {
		out = append(out, problemAt(p.Pos, p.What, p.Remedy))
	}
	return out
}

func values(ts []spec.Text) []string {
	var out []string
	for _, t := range ts {
		out = append(out, t.Value)
	}
	return out
}

// lakeTables returns the lake tables that the steps read, and those of them that
// only add context.
func lakeTables(p *spec.Pipeline) (reads, optional []string) {
	for _, t := range p.Tables() {
		if !strings.HasPrefix(t.Name, "lake.") {
			continue
		}
		reads = append(reads, t.Name)
		if t.Context {
			optional = append(optional, t.Name)
		}
	}
	slices.Sort(reads)
	slices.Sort(optional)
	return reads, optional
}

func caseOf(c spec.Case, base string) (Case, []Problem) {
	out := Case{Name: c.Name.Value, At: c.At, Given: map[string][]byte{}, Expect: map[string][]Row{}}
	var problems []Problem
	for _, g := range c.Given {
		rows := []byte(strings.Join(g.Rows, "\n"))
		if g.File.Value != "" {
			var err error
			if rows, err = readUnder(base, g.File.Value); err != nil {
				problems = append(problems, problemAt(g.File.Pos, err.Error(),
					"give a file beside the pipeline, of at most 16 MiB"))
			}
		}
		out.Given[g.Table.Value] = append(append(out.Given[g.Table.Value], rows...), '\n')
	}
	for _, e := range c.Expect {
		rows := []Row{}
		for _, r := range e.Rows {
			row, err := expected(r.Value)
			if err != nil {
				problems = append(problems, problemAt(r.Pos, err.Error(), "give a JSON value"))
			}
			rows = append(rows, row)
		}
		out.Expect[e.Step.Value] = rows
	}
	return out, problems
}

func expected(cols []spec.ExpectColumn) (Row, error) {
	row := Row{}
	for _, c := range cols {
		d := json.NewDecoder(bytes.NewReader([]byte(c.Value)))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("expected value of %s: %w", c.Path.Value, err)
		}
		row[c.Path.Value] = v
	}
	return row, nil
}

// readUnder reads a file that does not leave the directory, through links
// either.
func readUnder(base, name string) (data []byte, err error) {
	root, err := os.OpenRoot(base)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return safefile.ReadIn(root, name, maxTestFile)
}
