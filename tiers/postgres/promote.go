package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// provenance says which write a row is of.
type provenance struct {
	column
	value any
}

// provenanceOf is in the order of a table's columns.
func provenanceOf(w tiers.Write) []provenance {
	pipeline, run := tiers.Owner(w.Table)
	return []provenance{{column{pipeline, typeText}, w.Pipeline}, {column{run, typeText}, w.RunID},
		{column{tiers.ColWindowStart, typeTime}, w.Start}, {column{tiers.ColWindowEnd, typeTime}, w.End}}
}

// The temporary table of a merge, which ends with the transaction, and the
// column that keeps its rows' order.
const (
	incoming = "lakeward_incoming"
	order    = "lakeward_order"
)

// maxName is PostgreSQL's limit, in bytes; it would cut off the rest.
const maxName = 63

// promotion is one checked write on its way into a table.
type promotion struct {
	write   tiers.Write
	rows    *taken
	columns []column // of the rows
	added   []provenance
	log     *slog.Logger
}

// addedColumns are those of what is added to the rows.
func (p *promotion) addedColumns() (out []column) {
	for _, a := range p.added {
		out = append(out, a.column)
	}
	return out
}

func (p *promotion) addedValues() (out []any) {
	for _, a := range p.added {
		out = append(out, a.value)
	}
	return out
}

func newPromotion(w tiers.Write) (*promotion, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	if len(w.Table) > maxName {
		return nil, fmt.Errorf("the table's name has more than the %d bytes that PostgreSQL keeps", maxName)
	}
	p := &promotion{write: w}
	for _, f := range w.Rows.Schema().Fields() {
		t, err := typeOf(f.Type)
		switch {
		case err != nil:
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		case len(f.Name) > maxName:
			return nil, fmt.Errorf("column %s: its name has more than the %d bytes that PostgreSQL keeps; give it another "+
				"with AS", f.Name, maxName)
		case find(p.columns, f.Name) >= 0:
			return nil, fmt.Errorf("column %s appears twice (names differ by more than case)", f.Name)
		case tiers.IsProvenance(f.Name) || strings.EqualFold(f.Name, order):
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
func (p *promotion) apply(ctx context.Context, tx pgx.Tx, id string) (tiers.WriteResult, error) {
	var res tiers.WriteResult
	held, err := describe(ctx, tx, p.write.Table)
	switch {
	case errors.Is(err, tiers.ErrNoTable):
		held, err = p.create(ctx, tx)
	case err == nil:
		if held, err = p.renew(ctx, tx, held); err == nil {
			err = p.evolve(ctx, tx, held)
		}
	}
	if err != nil {
		return res, err
	}
	if p.write.Mode == tiers.Merge {
		res, err = p.merge(ctx, tx, held)
	} else if res.Deleted, err = p.clear(ctx, tx, held.name); err == nil {
		res.Inserted, err = p.copy(ctx, tx, pgx.Identifier{Schema, held.name}, held, p.addedColumns(),
			func(int64) []any { return p.addedValues() })
	}
	if err != nil {
		return res, err
	}
	w := p.write
	_, err = tx.Exec(ctx, "INSERT INTO "+ledgerTable+` (table_name, pipeline, window_start, window_end, run_id, id, mode, inserted, deleted)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (table_name, pipeline, window_start, window_end) DO UPDATE SET
		run_id = excluded.run_id, id = excluded.id, mode = excluded.mode, inserted = excluded.inserted, deleted = excluded.deleted, committed = now()`,
		strings.ToLower(held.name), w.Pipeline, w.Start, w.End, w.RunID, id, string(w.Mode), res.Inserted, res.Deleted)
	return res, err
}

// create makes the table with its comments and indexes.
func (p *promotion) create(ctx context.Context, tx pgx.Tx) (*table, error) {
	t := &table{name: p.write.Table, columns: slices.Concat(p.columns, p.addedColumns())}
	if at := find(t.columns, "evidence"); at >= 0 && p.findings() && t.columns[at].typ == typeText {
		t.columns[at].typ = typeJSON
	}
	defs := make([]string, 0, len(t.columns)+1)
	for _, c := range t.columns {
		defs = append(defs, quote.Ident(c.name)+" "+c.typ)
	}
	if p.identified() {
		defs = append(defs, "PRIMARY KEY ("+quote.Ident(p.columns[find(p.columns, findingID)].name)+")")
	}
	name := qualified(t.name)
	stmts := []string{
		"CREATE TABLE " + name + " (" + strings.Join(defs, ", ") + ")",
		"COMMENT ON TABLE " + name + " IS" + literal(tableComment(p)),
		windowIndex(t.name),
	}
	if at := find(p.columns, tiers.ColTime); at >= 0 && p.columns[at].typ == typeTime {
		stmts = append(stmts, "CREATE INDEX ON "+name+" ("+quote.Ident(p.columns[at].name)+")")
	}
	// A hash index takes values of any length, which a tree does not.
	if key := p.lookedUp(); key != "" && !p.identified() {
		stmts = append(stmts, "CREATE INDEX ON "+name+" USING hash ("+quote.Ident(key)+")")
	}
	for _, s := range append(stmts, comments(t.name, t.columns)...) {
		if _, err := tx.Exec(ctx, s); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// findingID is the column that identifies a finding.
const findingID = "finding_id"

// findings reports whether the rows are findings.
func (p *promotion) findings() bool { return find(p.columns, findingID) >= 0 }

// identified reports whether every row of the table is one finding, by its id.
func (p *promotion) identified() bool {
	return p.write.Mode == tiers.Merge && len(p.write.Key) == 1 && strings.EqualFold(p.write.Key[0], findingID)
}

// lookedUp is the column by which rows are found one by one, or empty.
func (p *promotion) lookedUp() string {
	for _, name := range append([]string{findingID}, p.write.Key...) {
		if at := find(p.columns, name); at >= 0 {
			return p.columns[at].name
		}
	}
	return ""
}

// evolve adds what the table lacks, and keeps held in step.
func (p *promotion) evolve(ctx context.Context, tx pgx.Tx, held *table) error {
	var fresh []column
	for _, c := range slices.Concat(p.columns, p.addedColumns()) {
		at := find(held.columns, c.name)
		if at < 0 {
			fresh = append(fresh, c)
			continue
		}
		if has := held.columns[at]; !fits(has.typ, c.typ) {
			return fmt.Errorf("column %s is %s in the table and %s in the rows: cast it in the pipeline, write to another "+
				"table, or drop this one",
				has.name, has.typ, c.typ)
		}
	}
	for _, c := range fresh {
		sql := "ALTER TABLE " + qualified(held.name) + " ADD COLUMN " + quote.Ident(c.name) + " " + c.typ
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	for _, s := range comments(held.name, fresh) {
		if _, err := tx.Exec(ctx, s); err != nil {
			return err
		}
	}
	held.columns = append(held.columns, fresh...)
	return nil
}

// clear deletes the rows of the window, or all.
func (p *promotion) clear(ctx context.Context, tx pgx.Tx, name string) (int64, error) {
	w, sql, args := p.write, "DELETE FROM "+qualified(name), []any(nil)
	pipeline, run := tiers.Owner(name)
	switch w.Mode {
	case tiers.Overwrite:
	case tiers.Append:
		sql += " WHERE " + pipeline + " = $1 AND (" + run + " = $2 OR (_window_start = $3 AND _window_end = $4))"
		args = []any{w.Pipeline, w.RunID, w.Start, w.End}
	default:
		sql += " WHERE " + pipeline + " = $1 AND _window_start >= $2 AND _window_end <= $3"
		args = []any{w.Pipeline, w.Start, w.End}
	}
	tag, err := tx.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// copy is COPY of the rows, in their order, with further columns behind them.
func (p *promotion) copy(ctx context.Context, tx pgx.Tx, into pgx.Identifier, held *table, more []column,
	tail func(int64) []any) (int64, error) {
	src := &copying{of: p.rows, tail: tail}
	var names []string
	for _, c := range p.columns {
		to := held.columns[find(held.columns, c.name)]
		names = append(names, to.name)
		src.encoders = append(src.encoders, encoderOf(to.typ))
	}
	src.names = slices.Clone(names)
	for _, c := range more {
		names = append(names, c.name)
	}
	return tx.CopyFrom(ctx, into, names, src)
}

// merge replaces rows with an equal key; of incoming ones with one key, the
// last stays.
func (p *promotion) merge(ctx context.Context, tx pgx.Tx, held *table) (res tiers.WriteResult, err error) {
	var defs, names []string
	for _, c := range p.columns {
		to := held.columns[find(held.columns, c.name)]
		defs = append(defs, quote.Ident(to.name)+" "+to.typ)
		names = append(names, quote.Ident(to.name))
	}
	if _, err = tx.Exec(ctx, "CREATE TEMPORARY TABLE "+incoming+" ("+strings.Join(defs, ", ")+", "+order+
		" bigint) ON COMMIT DROP"); err != nil {
		return res, err
	}
	if _, err = p.copy(ctx, tx, pgx.Identifier{incoming}, held, []column{{order, typeLong}},
		func(row int64) []any { return []any{row} }); err != nil {
		return res, err
	}
	if res.Deleted, err = p.clear(ctx, tx, held.name); err != nil {
		return res, err
	}
	keys := make([]string, len(p.write.Key))
	for i, k := range p.write.Key {
		keys[i] = quote.Ident(held.columns[find(held.columns, k)].name)
	}
	for _, sql := range sameKeys(keys) {
		tag, err := tx.Exec(ctx, "DELETE FROM "+qualified(held.name)+" AS held USING "+incoming+" AS fresh WHERE "+sql)
		if err != nil {
			return res, err
		}
		res.Deleted += tag.RowsAffected()
	}
	values := slices.Clone(names)
	for i, a := range p.added {
		names, values = append(names, quote.Ident(a.name)), append(values, fmt.Sprintf("$%d::%s", i+1, a.typ))
	}
	tag, err := tx.Exec(ctx, "INSERT INTO "+qualified(held.name)+" ("+strings.Join(names, ", ")+") SELECT "+
		strings.Join(values, ", ")+" FROM "+incoming+" WHERE "+order+" IN (SELECT max("+order+") FROM "+incoming+
		" GROUP BY "+strings.Join(keys, ", ")+") ORDER BY "+order, p.addedValues()...)
	res.Inserted = tag.RowsAffected()
	return res, err
}

// sameKeys are conditions that together find rows with equal keys. Equality
// can use an index, which IS NOT DISTINCT FROM cannot: that is for nulls alone.
func sameKeys(keys []string) []string {
	var equal, same, null []string
	for _, k := range keys {
		equal = append(equal, "held."+k+" = fresh."+k)
		same = append(same, "held."+k+" IS NOT DISTINCT FROM fresh."+k)
		null = append(null, "fresh."+k+" IS NULL")
	}
	return []string{strings.Join(equal, " AND "),
		"(" + strings.Join(null, " OR ") + ") AND " + strings.Join(same, " AND ")}
}

func tableComment(p *promotion) string {
	what := "rows of Lakeward's pipelines"
	if p.findings() {
		what = "findings of Lakeward's pipelines; `lakeward explain FINDING_ID` shows why"
	}
	if strings.EqualFold(p.write.Table, "pipeline_runs") {
		what = "every run of Lakeward's pipelines: window, status, rows, error"
	}
	return what
}

// comments describe the columns whose meaning is known.
func comments(name string, cols []column) []string {
	docs := map[string]string{
		tiers.ColPipeline:    "which pipeline wrote the row",
		tiers.ColRunID:       "which run wrote the row, see analytics.pipeline_runs",
		tiers.ColWindowStart: "start of the run's window", tiers.ColWindowEnd: "end of the run's window, exclusive",
	}
	if find(cols, findingID) >= 0 {
		for _, f := range tiers.FindingColumns() {
			docs[f.Name] = f.Doc
		}
	}
	var out []string
	for _, c := range cols {
		if doc := docs[strings.ToLower(c.name)]; doc != "" {
			out = append(out, "COMMENT ON COLUMN "+qualified(name)+"."+quote.Ident(c.name)+" IS"+literal(doc))
		}
	}
	return out
}
