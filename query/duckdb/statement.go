package duckdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb/syntax"
	"github.com/lakeward/lakeward/query/quote"
)

// listing returns the scope of SHOW TABLES, if that is the whole statement:
// empty for every table, or the tier of SHOW TABLES FROM.
func (p *Parser) listing(sql string) (tier string, ok bool) {
	if query.Verb(sql) != "SHOW" {
		return "", false
	}
	tree, err := p.parse(sql)
	if err != nil {
		return "", false // the way of every statement says what is wrong
	}
	s, ok := tree.Node.(*syntax.Select)
	if !ok {
		return "", false
	}
	show, ok := s.From.(*syntax.Show)
	if !ok || show.Query != nil {
		return "", false
	}
	switch show.Kind {
	case "SHOW_UNQUALIFIED":
		return "", show.Name == `"tables"` || show.Name == "__show_tables_expanded"
	case "SHOW_FROM":
		return strings.ToLower(show.Schema), show.Catalog == ""
	}
	return "", false
}

// list answers SHOW TABLES with what statements of this session can read.
func (s *Session) list(ctx context.Context, tier string, args []any) (array.RecordReader, error) {
	if len(args) > 0 {
		return nil, &query.ParseError{Message: "SHOW TABLES has no parameters"}
	}
	names := []string{}
	for _, in := range s.inputs {
		if of, name, _ := strings.Cut(in, "."); name != "*" && (tier == "" || tier == of) {
			names = append(names, in)
		}
	}
	for _, w := range s.listed {
		if tier == "" || tier == "analytics" {
			names = append(names, "analytics."+w.Table)
		}
	}
	slices.Sort(names)
	return s.lines(ctx, "name", names)
}

// lines answers with one column of texts.
func (s *Session) lines(ctx context.Context, name string, lines []string) (array.RecordReader, error) {
	return s.conn.query(ctx, "SELECT unnest(?::VARCHAR[]) AS "+quote.Ident(name), s.limits(), []any{lines})
}

// bareOfExplain is a statement without the EXPLAIN before it. What is left stands where it
// stood, so that errors have their places.
func bareOfExplain(sql string) (rest string, ok bool, err error) {
	if query.Verb(sql) != "EXPLAIN" {
		return sql, false, nil
	}
	rest = query.WithoutVerb(sql)
	if query.Verb(rest) == "ANALYZE" {
		return "", true, fmt.Errorf("%w: EXPLAIN ANALYZE runs the statement and shows which files it opens; use EXPLAIN",
			query.ErrRefused)
	}
	return rest, true, nil
}

// explain answers with the plan of a statement that has been confined.
func (s *Session) explain(ctx context.Context, sql string, args []any) (array.RecordReader, error) {
	const before = "EXPLAIN (FORMAT json)\n"
	r, err := s.conn.query(ctx, before+sql, s.limits(), args)
	if err != nil {
		if pe := (*query.ParseError)(nil); errors.As(err, &pe) && pe.Line > 1 {
			pe.Line--
		}
		return nil, err
	}
	text := ""
	for r.Next() {
		if c, ok := r.RecordBatch().Column(int(r.RecordBatch().NumCols()) - 1).(*array.String); ok && c.Len() > 0 {
			text = c.Value(0)
		}
	}
	err = r.Err()
	r.Release()
	if err != nil {
		return nil, err
	}
	var plan []operator
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		return nil, fmt.Errorf("read the engine's plan: %w", err)
	}
	return s.lines(ctx, "plan", planLines(nil, plan, 0))
}

// operator is a node of the engine's plan.
type operator struct {
	Name     string                     `json:"name"`
	Children []operator                 `json:"children"`
	Info     map[string]json.RawMessage `json:"extra_info"`
}

// planInfo lists what is shown of an operator, in order. The rest is left out
// because it can name files of the host.
func planInfo() []string {
	return []string{"Join Type", "Conditions", "Expression", "Expressions", "Filters", "Groups", "Aggregates",
		"Projections",
		"Order By", "Top", "Estimated Cardinality"}
}

// planLines adds a line for each operator, those that it reads from below it.
func planLines(lines []string, plan []operator, depth int) []string {
	for _, o := range plan {
		var about []string
		for _, key := range planInfo() {
			v := infoText(o.Info[key])
			switch {
			case v == "":
			case key == "Estimated Cardinality":
				about = append(about, "about "+v+" rows")
			default:
				about = append(about, strings.ToLower(key)+": "+v)
			}
		}
		line := strings.Repeat("  ", depth) + strings.TrimSpace(o.Name)
		if len(about) > 0 {
			line += " (" + strings.Join(about, "; ") + ")"
		}
		lines = planLines(append(lines, line), o.Children, depth+1)
	}
	return lines
}

// infoText returns a value that is a text or a list of texts.
func infoText(v json.RawMessage) string {
	var one string
	if json.Unmarshal(v, &one) == nil {
		return one
	}
	var many []string
	_ = json.Unmarshal(v, &many) // of another shape it is left out
	return strings.Join(many, ", ")
}
