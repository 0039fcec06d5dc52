package analytics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// incoming is the temporary table that holds the rows of one write. No step of
// a pipeline has such a name.
const incoming = ".incoming"

// provenance says which write a row is of.
type provenance struct {
	column
	value any
}

// provenanceOf is in the order of a table's columns.
func provenanceOf(w tiers.Write) []provenance {
	pipeline, run := tiers.Owner(w.Table)
	str, at := tiers.Type{Kind: tiers.KindString}, tiers.Type{Kind: tiers.KindTimestamp}
	return []provenance{{column{pipeline, str}, w.Pipeline}, {column{run, str}, w.RunID},
		{column{tiers.ColWindowStart, at}, w.Start}, {column{tiers.ColWindowEnd, at}, w.End}}
}

// promotion is one checked write on its way into a table.
type promotion struct {
	write   tiers.Write
	from    string   // temporary table of the rows, quoted
	columns []column // of the rows, as they are stored
	added   []provenance
}

// all are the columns of the rows and those that are added to them.
func (p *promotion) all() []column {
	out := slices.Clone(p.columns)
	for _, a := range p.added {
		out = append(out, a.column)
	}
	return out
}

func newPromotion(w tiers.Write, rows *arrow.Schema) (*promotion, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	p := &promotion{write: w, from: temporary(incoming)}
	for _, f := range rows.Fields() {
		t, err := tiers.StoredType(f.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		if find(p.columns, f.Name) >= 0 {
			return nil, fmt.Errorf("column %s appears twice (names differ by more than case)", f.Name)
		}
		if tiers.IsProvenance(f.Name) {
			return nil, fmt.Errorf("column %s is the sink's own", f.Name)
		}
		p.columns = append(p.columns, column{f.Name, t})
	}
	for _, a := range provenanceOf(w) {
		if find(p.columns, a.name) < 0 {
			p.added = append(p.added, a)
		}
	}
	for _, k := range w.Key {
		if find(p.columns, k) < 0 {
			return nil, fmt.Errorf("key column %s is not among the rows' columns", k)
		}
	}
	return p, nil
}

// apply runs inside the transaction.
func (p *promotion) apply(ctx context.Context, c tiers.Statements) (tiers.WriteResult, error) {
	var res tiers.WriteResult
	held, err := describe(ctx, c, p.write.Table)
	switch {
	case errors.Is(err, tiers.ErrNoTable):
		err = p.create(ctx, c)
		held = &table{name: p.write.Table, columns: p.all()}
	case err == nil:
		err = p.evolve(ctx, c, held)
	}
	if err != nil {
		return res, err
	}
	if res.Deleted, err = p.clear(ctx, c); err != nil {
		return res, err
	}
	res.Inserted, err = p.insert(ctx, c, held)
	return res, err
}

func (p *promotion) create(ctx context.Context, c tiers.Statements) error {
	var defs []string
	for _, col := range p.all() {
		defs = append(defs, quote.Ident(col.name)+" "+sqlType(col.typ))
	}
	_, err := c.Exec(ctx, "CREATE TABLE "+qualified(p.write.Table)+" ("+strings.Join(defs, ", ")+")")
	return err
}

// evolve adds what the table lacks, and keeps held in step.
func (p *promotion) evolve(ctx context.Context, c tiers.Statements, held *table) error {
	var changes []string
	for _, col := range p.all() {
		at := find(held.columns, col.name)
		if at < 0 {
			held.columns = append(held.columns, col)
			changes = append(changes, quote.Ident(col.name)+" "+sqlType(col.typ))
			continue
		}
		grown, adds, ok := widen(held.columns[at].typ, col.typ, quote.Ident(held.columns[at].name))
		if !ok {
			return fmt.Errorf("column %s is %s in the table and %s in the rows: cast it in the pipeline to %s, write to "+
				"another table, or drop this one",
				col.name, held.columns[at].typ, col.typ, sqlType(held.columns[at].typ))
		}
		held.columns[at].typ = grown
		changes = append(changes, adds...)
	}
	for _, ch := range changes {
		if _, err := c.Exec(ctx, "ALTER TABLE "+qualified(p.write.Table)+" ADD COLUMN "+ch); err != nil {
			return err
		}
	}
	return nil
}

// clear deletes the rows that make way.
func (p *promotion) clear(ctx context.Context, c tiers.Statements) (int64, error) {
	w, t := p.write, qualified(p.write.Table)
	pipeline, run := tiers.Owner(w.Table)
	window := " WHERE " + pipeline + " = ? AND "
	switch w.Mode {
	case tiers.Overwrite:
		return c.Exec(ctx, "DELETE FROM "+t)
	case tiers.Append:
		return c.Exec(ctx, "DELETE FROM "+t+window+"("+run+" = ? OR (_window_start = ? AND _window_end = ?))", w.Pipeline,
			w.RunID, w.Start, w.End)
	}
	n, err := c.Exec(ctx, "DELETE FROM "+t+window+"_window_start >= ? AND _window_end <= ?", w.Pipeline, w.Start, w.End)
	if err != nil || w.Mode != tiers.Merge {
		return n, err
	}
	same := make([]string, len(w.Key))
	for i, k := range w.Key {
		same[i] = "held." + quote.Ident(k) + " IS NOT DISTINCT FROM fresh." + quote.Ident(k)
	}
	m, err := c.Exec(ctx, "DELETE FROM "+t+" AS held USING "+p.from+" AS fresh WHERE "+strings.Join(same, " AND "))
	return n + m, err
}

// insert adds the rows in their order, which the engine preserves; of those with
// one key, the last.
func (p *promotion) insert(ctx context.Context, c tiers.Statements, held *table) (int64, error) {
	w := p.write
	var names, values []string
	for _, col := range p.columns {
		stored := held.columns[find(held.columns, col.name)]
		names = append(names, quote.Ident(stored.name))
		values = append(values, "CAST("+quote.Ident(col.name)+" AS "+sqlType(stored.typ)+")")
	}
	var args []any
	for _, a := range p.added {
		names, values, args = append(names, quote.Ident(a.name)), append(values, "?"), append(args, a.value)
	}
	sql := "INSERT INTO " + qualified(w.Table) + " (" + strings.Join(names, ", ") + ") SELECT " +
		strings.Join(values, ", ") + " FROM " + p.from
	if w.Mode == tiers.Merge {
		keys := make([]string, len(w.Key))
		for i, k := range w.Key {
			keys[i] = quote.Ident(k)
		}
		sql += " WHERE rowid IN (SELECT max(rowid) FROM " + p.from + " GROUP BY " + strings.Join(keys, ", ") + ")"
	}
	return c.Exec(ctx, sql, args...)
}
