package compile

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// columns are the top-level columns of a step's rows by lower-case name; a nil
// field has a type that is not known. nil columns are any.
type columns map[string]*tiers.Field

func columnsOf(s tiers.Schema) columns {
	c := columns{}
	for i := range s.Fields {
		c[strings.ToLower(s.Fields[i].Name)] = &s.Fields[i]
	}
	return c
}

// has reports whether a dotted path is there, as far as is known.
func (c columns) has(path string) bool {
	if c == nil {
		return true
	}
	parts := strings.Split(strings.ToLower(path), ".")
	f, ok := c[parts[0]]
	if !ok {
		return false
	}
	for _, name := range parts[1:] {
		if f == nil {
			return true
		}
		i := slices.IndexFunc(f.Type.Fields, func(x tiers.Field) bool { return strings.EqualFold(x.Name, name) })
		if i < 0 {
			return false
		}
		f = &f.Type.Fields[i]
	}
	return true
}

func (c columns) names() []string { return slices.Collect(maps.Keys(c)) }

// pathPattern finds references and calls in an expression without its texts.
func pathPattern() *regexp.Regexp {
	return regexp.MustCompile(`"?[A-Za-z_][A-Za-z0-9_]*"?(\."?[A-Za-z_][A-Za-z0-9_]*"?)*\s*\(?`)
}

func textPattern() *regexp.Regexp { return regexp.MustCompile(`'(?:[^']|'')*'`) }

// absent is the first column that an expression names and the input lacks;
// empty if there is none. An error says nothing about columns.
func (b *builder) absent(cols columns, expr string) (string, error) {
	if cols == nil || expr == "" {
		return "", nil
	}
	for _, ref := range pathPattern().FindAllString(textPattern().ReplaceAllString(expr, "''"), -1) {
		ref = strings.ReplaceAll(ref, `"`, "")
		head, _, dotted := strings.Cut(ref, ".")
		if strings.HasSuffix(ref, "(") {
			continue
		}
		ref = strings.TrimSpace(ref)
		if _, ok := cols[strings.ToLower(strings.TrimSpace(head))]; (ok || dotted) && !cols.has(ref) {
			return ref, nil
		}
	}
	// A bare word may be one of the language's: only the parser knows.
	err := b.confiner.Confine(expr, cols.names())
	if none := (*query.NoColumnError)(nil); errors.As(err, &none) {
		return none.Column, nil
	}
	return "", err
}

// checked confines an expression and says whether its columns are there.
func (b *builder) checked(of string, t spec.Text) (missing string, gone bool) {
	if t.Value == "" {
		return "", false
	}
	if err := b.confiner.Confine(t.Value, nil); err != nil {
		b.problem(t, err)
		return "", false
	}
	missing, err := b.absent(b.known[of], t.Value)
	if err != nil {
		b.problem(t, err)
	}
	return missing, missing != ""
}

// expr is an expression that the run cannot do without.
func (b *builder) expr(of string, t spec.Text) string { return b.needed(of, t, false) }

// aggregate is expr over many rows.
func (b *builder) aggregate(of string, t spec.Text) string { return b.needed(of, t, true) }

func (b *builder) needed(of string, t spec.Text, aggregate bool) string {
	if m, gone := b.checked(of, t); gone {
		b.missing(of, m, t.Pos)
	}
	sql := b.lenient(of, t)
	b.note(of, t, sql, aggregate)
	return sql
}

// optional is an expression, or nothing if the input lacks a column of it.
func (b *builder) optional(of string, t spec.Text) string {
	if m, gone := b.checked(of, t); gone {
		b.dropped(of, m, t.Pos)
		return ""
	}
	sql := b.lenient(of, t)
	b.note(of, t, sql, false)
	return sql
}

// optionalPath is optional for a column's path.
func (b *builder) optionalPath(of string, t spec.Text) string {
	if t.Value != "" && !b.known[of].has(t.Value) {
		b.dropped(of, t.Value, t.Pos)
		return ""
	}
	return t.Value
}

func (b *builder) path(of string, t spec.Text) string {
	if !b.known[of].has(t.Value) {
		b.missing(of, t.Value, t.Pos)
	}
	b.note(of, t, sqltext.Path(t.Value), false)
	return t.Value
}

func (b *builder) paths(of string, ts []spec.Text) []string {
	var out []string
	for _, t := range ts {
		out = append(out, b.path(of, t))
	}
	return out
}

func (b *builder) dropped(of, column string, at spec.Pos) {
	b.c.Dropped = append(b.c.Dropped, b.tables[of]+" has no column "+column)
	b.absence(of, column, at, true)
}

func (b *builder) missing(of, column string, at spec.Pos) {
	b.absence(of, column, at, false)
	m := b.tables[of] + " has no column " + column
	if !slices.Contains(b.c.Missing, m) {
		b.c.Missing = append(b.c.Missing, m)
	}
}

// read makes the form of a read step, and learns which columns its rows have.
func (b *builder) read(name string, r *spec.Read) *readForm {
	f := &readForm{table: r.Table.Value, window: r.Window, whole: r.Whole, timed: true}
	b.tables[name] = f.table
	if schema, ok := b.schemas(f.table); ok && sqltext.IsLake(f.table) {
		b.known[name] = columnsOf(schema)
		_, f.timed = b.known[name]["time"]
		for _, c := range schema.Fields {
			b.c.cols[name] = append(b.c.cols[name], c.Name)
		}
	}
	for _, j := range r.Join {
		if err := b.confiner.Confine(j.On.Value, nil); err != nil {
			b.problem(j.On, err)
		}
		on, _, err := b.confiner.Lenient(j.On.Value)
		if err != nil {
			on = j.On.Value
		}
		f.joins = append(f.joins, joinForm{table: j.Table.Value, as: j.As.Value, on: on, left: j.Left})
	}
	if len(f.joins) > 0 && b.known[name] != nil {
		b.known[name]["t"] = nil
		for _, j := range f.joins {
			b.known[name][strings.ToLower(j.as)] = nil
		}
	}
	f.where = b.expr(name, r.Where)
	b.selected(name, f, r.Select)
	return f
}

// selected compiles the list of columns, which become the step's only ones.
func (b *builder) selected(name string, f *readForm, items []spec.Text) {
	if len(items) == 0 {
		return
	}
	out, names := columns{}, []string{}
	for _, it := range items {
		expr, alias := splitAlias(it.Value)
		text := spec.Text{Value: expr, Pos: it.Pos}
		sql := b.expr(name, text)
		if alias == "" {
			parts := strings.Split(expr, ".")
			alias = strings.Trim(parts[len(parts)-1], `"`)
		}
		f.cols = append(f.cols, "("+sql+") AS "+sqltext.Ident(alias))
		names = append(names, alias)
		out[strings.ToLower(alias)] = b.fieldOf(name, expr)
	}
	b.known[name], b.c.cols[name] = out, names
}

// fieldOf is the column that an expression is, if it is one.
func (b *builder) fieldOf(step, expr string) *tiers.Field {
	cols := b.known[step]
	f := cols[strings.ToLower(strings.Split(expr, ".")[0])]
	if f == nil {
		return nil
	}
	if !strings.Contains(expr, ".") {
		return f
	}
	got, ok := tiers.Schema{Fields: []tiers.Field{*f}}.Lookup(expr)
	if !ok {
		return nil
	}
	return &got
}

// splitAlias cuts "expression AS name".
func splitAlias(item string) (expr, alias string) {
	m := regexp.MustCompile(`(?is)^(.*\S)\s+as\s+"?([A-Za-z_][A-Za-z0-9_]*)"?\s*$`).FindStringSubmatch(item)
	if m == nil {
		return item, ""
	}
	return m[1], m[2]
}
