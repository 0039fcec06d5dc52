package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/query"
)

// Check are the mistakes of a definition that only show beside the lake: tables
// and columns that it does not have, and expressions that do not fit the types
// of their columns. What is near an existing name is a mistake; another table or
// column may come with the first event that has it, and is a warning.
func (r *Runner) Check(ctx context.Context, d *Definition) (problems []Problem, err error) {
	err = Within(ctx, r.o.PlanTime, "check "+d.Name, func(ctx context.Context) error {
		problems, err = r.checked(ctx, d)
		return err
	})
	return problems, err
}

func (r *Runner) checked(ctx context.Context, d *Definition) ([]Problem, error) {
	p, err := pin(ctx, r.o.Lake, d.Reads, nil)
	if err != nil {
		return nil, err
	}
	gone, problems, err := r.checkTables(ctx, d)
	if err != nil {
		return nil, err
	}
	program, _, err := d.Compile(p.schema)
	if lacks := (*MissingError)(nil); errors.As(err, &lacks) {
		program, err = lacks.program, nil
	}
	if err != nil {
		return nil, err
	}
	for _, a := range program.Lacking() {
		problems = append(problems, absenceProblem(a))
	}
	more, err := r.bind(ctx, p, program, gone)
	if err != nil {
		return nil, err
	}
	for _, m := range more { // an expression whose column is not there is reported already
		if !slices.ContainsFunc(problems, func(o Problem) bool {
			return o.File == m.File && o.Line == m.Line && o.Column == m.Column
		}) {
			problems = append(problems, m)
		}
	}
	return problems, nil
}

// checkTables says which tables are not there.
func (r *Runner) checkTables(ctx context.Context, d *Definition) (gone []string, problems []Problem, err error) {
	known, err := r.o.Lake.Tables(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("list lake tables: %w", err)
	}
	infos, err := r.o.Sinks.Analytics.Tables(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("list analytics tables: %w", err)
	}
	for i := range known {
		known[i] = "lake." + known[i]
	}
	for _, t := range infos {
		known = append(known, "analytics."+t.Name)
	}
	for _, t := range d.Places.Tables {
		if slices.Contains(known, t.Name) {
			continue
		}
		gone = append(gone, t.Name)
		when := "it appears with its first event"
		if strings.HasPrefix(t.Name, "analytics.") {
			when = "it appears when a pipeline first writes it"
		}
		problems = append(problems, unknown(problemAt(t.Pos, "there is no table `"+t.Name+"` yet", when), t.Name, known))
	}
	return gone, problems, nil
}

// unknown reports a name that is not known: as a mistake if it is close to a known
// one, otherwise as a warning.
func unknown(p Problem, name string, known []string) Problem {
	if near := strict.Nearest(name, known); near != "" {
		p.Remedy = "did you mean `" + near + "`?"
		p.Message = strings.TrimSuffix(p.Message, " yet")
		return p
	}
	p.Warning = true
	return p
}

func absenceProblem(a compile.Absence) Problem {
	remedy := "it appears with the first event that has it"
	if a.Optional {
		remedy += "; until then the key is left out"
	}
	return unknown(problemAt(a.Pos, a.Table+" has no column `"+a.Column+"` yet", remedy), a.Column, a.Known)
}

// bind lets the engine find the types of every expression that stands on what is
// there. Of expressions that stand on a broken one nothing is said.
func (r *Runner) bind(ctx context.Context, p *pins, program Program, gone []string) ([]Problem, error) {
	bindings := program.Bindings()
	needs := map[string][]compile.Range{}
	for _, b := range bindings {
		for _, t := range b.Tables {
			if strings.HasPrefix(t, "analytics.") && !slices.Contains(gone, t) {
				needs[t] = []compile.Range{{Start: time.Unix(0, 0).UTC(), End: time.Unix(1, 0).UTC()}}
			}
		}
	}
	v, err := p.view(ctx, needs)
	if err != nil {
		return nil, err
	}
	s, err := r.o.Engine.Open(ctx, v, query.Options{Trusted: true})
	if err != nil {
		return nil, err
	}
	defer r.closing(s)
	var out []Problem
	broken := map[string]bool{}
	for _, b := range bindings {
		if slices.ContainsFunc(b.Tables, func(t string) bool { return slices.Contains(gone, t) }) ||
			slices.ContainsFunc(b.Steps, func(s string) bool { return broken[s] }) {
			continue
		}
		rows, err := queryRows(ctx, s, 1, "DESCRIBE "+b.SQL)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		switch {
		case err != nil:
			broken[b.Step] = true
			what, remedy := sqltext.Plainly(err.Error())
			out = append(out, problemAt(b.Pos, what, remedy))
		case b.Aggregate && len(rows) > 0 && !isNumber(text(rows[0], "column_type")):
			out = append(out, problemAt(b.Pos, "`"+b.Expr+"` is of type "+text(rows[0],
				"column_type")+", and a measure is a number",
				"use an aggregate that gives one, such as count(*) or sum(x)"))
		}
	}
	return out, nil
}

// isNumber reports whether a type of the engine is numeric.
func isNumber(kind string) bool {
	kind, _, _ = strings.Cut(kind, "(")
	return slices.Contains([]string{"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT",
		"UINTEGER", "UBIGINT", "UHUGEINT",
		"FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN"}, kind)
}
