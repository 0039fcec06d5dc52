package duckdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb/syntax"
)

// Lenient implements query.Lenient.
func (p *Parser) Lenient(expr string) (string, []string, error) {
	out, rows, err := p.lenient("SELECT " + expr)
	if err != nil || out == "" {
		return expr, nil, err
	}
	var misfits []string
	for _, r := range rows {
		if !slices.Contains(misfits, r.cond) {
			misfits = append(misfits, r.cond)
		}
	}
	return strings.TrimPrefix(out, "SELECT "), misfits, nil
}

// LenientSelect implements query.Lenient.
func (p *Parser) LenientSelect(sql string) (string, []string, error) {
	out, rows, err := p.lenient(sql)
	if err != nil || out == "" {
		return sql, nil, err
	}
	var counts []string
	for _, r := range rows {
		if r.from == nil {
			continue
		}
		text, err := p.text(&syntax.Statement{Node: r.from})
		if err != nil {
			return sql, nil, err
		}
		if text += " WHERE " + r.cond; !slices.Contains(counts, text) {
			counts = append(counts, text)
		}
	}
	return out, counts, nil
}

// misfit is a condition that holds for the rows that do not convert.
type misfit struct {
	cond string
	from *syntax.Select // of a count, over the table that the condition is about; nil: not known
}

// lenient returns the statement with its conversions made lenient; empty if it has none.
func (p *Parser) lenient(sql string) (string, []misfit, error) {
	tree, err := p.parse(sql)
	if err != nil {
		return "", nil, err
	}
	l := lenience{p: p}
	l.node(tree.Node, scope{rows: true})
	if l.err != nil || !l.changed {
		return "", nil, l.err
	}
	out, err := p.text(tree)
	return out, l.misfits, err
}

// text writes a syntax tree as SQL.
func (p *Parser) text(tree *syntax.Statement) (string, error) {
	data, err := syntax.Encode(tree)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return "", query.ErrUnavailable
	}
	r, err := p.conn.Query(context.Background(), "SELECT json_deserialize_sql(?::JSON)", string(data))
	if err != nil {
		return "", fmt.Errorf("write syntax tree: %w", err)
	}
	defer r.Release()
	if !r.Next() {
		return "", fmt.Errorf("write syntax tree: no answer: %w", r.Err())
	}
	return strings.TrimSuffix(r.RecordBatch().Column(0).(*array.String).Value(0), ";"), nil
}

// lenience rewrites a tree in place.
type lenience struct {
	p       *Parser
	changed bool
	misfits []misfit
	err     error
}

// scope is what surrounds an expression.
type scope struct {
	rows bool           // it is about rows whose misfits can be counted
	held bool           // it is an operand of arithmetic that TRY holds already
	from *syntax.Select // a count of the rows of the SELECT around it; nil: not known
}

// node rewrites what is below a node.
func (l *lenience) node(n syntax.Node, in scope) {
	if s, ok := n.(*syntax.Select); ok {
		in.from = countOf(s)
	}
	for c := range syntax.Below(n) {
		e, ok := c.Node.(syntax.Expr)
		if !ok {
			l.node(c.Node, in)
			continue
		}
		if other := l.rewritten(e, in); other != e {
			c.Replace(other)
			l.changed = true
		}
	}
}

// rewritten is an expression after what is below it has been rewritten.
func (l *lenience) rewritten(e syntax.Expr, in scope) syntax.Expr {
	inner := in
	inner.held = l.overflows(e)
	if _, ok := e.(*syntax.Lambda); ok {
		inner.rows = false
	}
	l.node(e, inner)
	switch e := e.(type) {
	case *syntax.Cast:
		return l.cast(e, in)
	case *syntax.Function:
		switch {
		case !inner.held:
			return l.function(e, in)
		case !in.held:
			return l.compute(e, in)
		}
	case *syntax.Comparison:
		return l.comparison(e, []syntax.Expr{e.Left, e.Right}, in)
	case *syntax.Operator:
		if e.Type == "COMPARE_IN" || e.Type == "COMPARE_NOT_IN" {
			return l.comparison(e, e.Args, in)
		}
	}
	return e
}

// comparison makes the comparison of a column with constants other than texts
// return NULL for a text that does not convert to their type. Only the engine knows
// the column's type; it resolves typeof before it plans, so the comparison of a
// number costs nothing more.
func (l *lenience) comparison(e syntax.Expr, values []syntax.Expr, in scope) syntax.Expr {
	var column syntax.Expr
	for _, v := range values {
		switch _, ok := v.(*syntax.Column); {
		case ok && column == nil:
			column = v
		case varies(v) || isText(v):
			return e
		}
	}
	if column == nil {
		return e
	}
	whole, value := l.text(e), l.text(column)
	out := l.parsed(fmt.Sprintf("CASE WHEN typeof(%s) = 'VARCHAR' THEN TRY(%s) ELSE %[2]s END", value, whole),
		e.Base().Alias)
	if l.err != nil {
		return e
	}
	if in.rows {
		l.misfits = append(l.misfits, misfit{fmt.Sprintf("typeof(%[1]s) = 'VARCHAR' AND (%[1]s) IS NOT NULL AND "+
			"TRY(%[2]s) IS NULL", value, whole), in.from})
	}
	return out
}

// countOf is a SELECT of count(*) over the one table that a SELECT reads; nil
// if that is not one.
func countOf(s *syntax.Select) *syntax.Select {
	t, ok := s.From.(*syntax.BaseTable)
	if !ok {
		return nil
	}
	out := syntax.SelectOf(t, syntax.Call("count_star"))
	out.CTEs = s.CTEs
	return out
}

// cast makes a conversion return NULL where it would fail or return a number that
// is not finite. Conversions to text and of constants always succeed or always fail.
func (l *lenience) cast(c *syntax.Cast, in scope) syntax.Expr {
	if c.To.ID == "VARCHAR" || !varies(c.Child) {
		return c
	}
	if !c.Try {
		c.Try, l.changed = true, true
	}
	var out syntax.Expr = c
	if (c.To.ID == "DOUBLE" || c.To.ID == "FLOAT") && ofRow(c.Child) {
		// One text that reads NaN would be the sum of all, and is more than any number.
		out = l.within(c, "CASE WHEN isfinite(%[1]s) THEN %[1]s END")
	}
	l.count(c.Child, out, in)
	return out
}

// count notes the rows that have a value and for which whole gives none.
func (l *lenience) count(value, whole syntax.Expr, in scope) {
	if !in.rows || !ofRow(value) {
		return
	}
	w, v := l.text(whole), l.text(value)
	if l.err == nil {
		l.misfits = append(l.misfits, misfit{"(" + v + ") IS NOT NULL AND (" + w + ") IS NULL", in.from})
	}
}

// text writes one expression, without its alias.
func (l *lenience) text(e syntax.Expr) string {
	text, err := l.p.text(&syntax.Statement{Node: syntax.SelectOf(syntax.NoTable(), syntax.Named(e, ""))})
	l.err = errors.Join(l.err, err)
	return strings.TrimPrefix(text, "SELECT ")
}

// function makes a function that may fail give NULL instead.
func (l *lenience) function(f *syntax.Function, in scope) syntax.Expr {
	if len(f.Args) == 0 {
		return f
	}
	var out syntax.Expr = f
	switch {
	case strings.EqualFold(f.Name, "strptime"):
		f.Name, l.changed = "try_strptime", true
	case named(squaring, f.Name):
		for i, a := range f.Args {
			f.Args[i] = l.within(a, "CASE WHEN abs(TRY_CAST(%[1]s AS DOUBLE)) < 1e150 THEN %[1]s END")
			l.changed = l.changed || f.Args[i] != a
		}
	case mayFail(f.Name, f.Args) && !isUnmapped(f.Args[0]):
		out = l.try(f)
	}
	if named(converting, f.Name) {
		l.count(f.Args[0], out, in)
	}
	return out
}

// try puts a function into TRY. That holds no aggregates, windows and
// subqueries, so such arguments are worked out before it.
func (l *lenience) try(f *syntax.Function) syntax.Expr {
	if ofRow(f) {
		return syntax.Try(f)
	}
	var members []string
	inner := *f
	inner.Alias, inner.Args = "", slices.Clone(f.Args)
	for i, a := range f.Args {
		if _, lambda := a.(*syntax.Lambda); lambda || !varies(a) {
			continue
		}
		member := fmt.Sprintf("a%d", i)
		members = append(members, member+" := "+l.text(a))
		inner.Args[i] = syntax.ColumnOf("lakeward_args", member)
	}
	text := l.text(syntax.Try(&inner))
	return l.parsed("list_transform([struct_pack("+strings.Join(members, ", ")+")], lambda lakeward_args: "+text+")[1]",
		f.Alias)
}

// within writes an expression that varies into a template.
func (l *lenience) within(e syntax.Expr, template string) syntax.Expr {
	if !varies(e) {
		return e
	}
	return l.parsed(fmt.Sprintf(template, "("+l.text(e)+")"), e.Base().Alias)
}

// parsed is the expression of a text. After an error it stands for nothing.
func (l *lenience) parsed(text, alias string) syntax.Expr {
	tree, err := l.p.parse("SELECT " + text)
	if err != nil {
		l.err = errors.Join(l.err, err)
		return syntax.ColumnOf("")
	}
	s, ok := tree.Node.(*syntax.Select)
	if !ok || len(s.List) != 1 {
		l.err = errors.Join(l.err, fmt.Errorf("%q is not an expression", text))
		return syntax.ColumnOf("")
	}
	return syntax.Named(s.List[0], alias)
}

// overflows reports whether an expression is arithmetic over values of a row.
func (l *lenience) overflows(e syntax.Expr) bool {
	f, ok := e.(*syntax.Function)
	return ok && named(arithmetic, f.Name) && ofRow(f) && slices.ContainsFunc(f.Args, hasColumn)
}

// compute makes arithmetic that overflows give NULL, and notes the rows whose
// operands have values and give none.
func (l *lenience) compute(f *syntax.Function, in scope) syntax.Expr {
	whole := syntax.Try(f)
	if !in.rows {
		return whole
	}
	operands, divisors := l.operands(f)
	conds := []string{"(" + l.text(whole) + ") IS NULL"}
	for _, o := range operands {
		conds = append(conds, "("+l.text(o)+") IS NOT NULL")
	}
	for _, d := range divisors {
		conds = append(conds, "("+l.text(d)+") <> 0")
	}
	if l.err == nil {
		l.misfits = append(l.misfits, misfit{strings.Join(conds, " AND "), in.from})
	}
	return whole
}

// operands are what arithmetic is made of, constants left out, and by what it divides.
func (l *lenience) operands(f *syntax.Function) (operands, divisors []syntax.Expr) {
	for i, a := range f.Args {
		if i == 1 && named(dividing, f.Name) {
			divisors = append(divisors, a)
		}
		switch inner, _ := a.(*syntax.Function); {
		case l.overflows(a):
			o, d := l.operands(inner)
			operands, divisors = append(operands, o...), append(divisors, d...)
		case hasColumn(a):
			operands = append(operands, a)
		}
	}
	return operands, divisors
}
