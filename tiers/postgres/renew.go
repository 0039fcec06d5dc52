package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// renew brings a table of findings that an earlier version made to the form that
// a new one has: one column each of the pipeline and of the run, and evidence as
// jsonb. What a view of a person's depends on stays as it is, and the write goes
// on. It returns the table as it is then.
func (p *promotion) renew(ctx context.Context, tx pgx.Tx, held *table) (*table, error) {
	if !strings.EqualFold(held.name, tiers.FindingsTable) {
		return held, nil
	}
	var again bool
	if stmts := united(held); len(stmts) > 0 {
		done, err := p.unless(ctx, tx, held.name, stmts)
		if err != nil {
			return nil, err
		}
		if again = done; !done { // they are there, so they are filled
			p.addOld(held)
		}
	}
	if at := find(held.columns, "evidence"); at >= 0 && held.columns[at].typ == typeText {
		name := quote.Ident(held.columns[at].name)
		done, err := p.unless(ctx, tx, held.name, []string{asJSON, "ALTER TABLE " + qualified(held.name) +
			" ALTER COLUMN " + name + " TYPE jsonb USING pg_temp.lakeward_json(" + name + ")"})
		if err != nil {
			return nil, err
		}
		again = again || done
	}
	if !again {
		return held, nil
	}
	if err := tx.Conn().DeallocateAll(ctx); err != nil { // it remembers the columns' types for COPY
		return nil, err
	}
	return describe(ctx, tx, held.name)
}

// asJSON makes a function that lasts as long as the connection: what is not JSON is
// a text of it.
const asJSON = `CREATE OR REPLACE FUNCTION pg_temp.lakeward_json(t text) RETURNS jsonb LANGUAGE plpgsql AS
	$$ BEGIN RETURN t::jsonb; EXCEPTION WHEN data_exception THEN RETURN to_jsonb(t); END $$`

// oldColumns are those of the sink with the finding's own that took their place.
func oldColumns() [][2]string {
	pipeline, run := tiers.Owner(tiers.FindingsTable)
	return [][2]string{{tiers.ColPipeline, pipeline}, {tiers.ColRunID, run}}
}

// united are the statements after which a table has one column of each.
func united(held *table) (stmts []string) {
	t := qualified(held.name)
	for _, pair := range oldColumns() {
		old, own := find(held.columns, pair[0]), find(held.columns, pair[1])
		switch {
		case old < 0:
		case own < 0:
			stmts = append(stmts, "ALTER TABLE "+t+" RENAME COLUMN "+pair[0]+" TO "+pair[1])
		default:
			name := quote.Ident(held.columns[own].name)
			stmts = append(stmts, "UPDATE "+t+" SET "+name+" = "+pair[0]+" WHERE "+name+" IS NULL",
				"ALTER TABLE "+t+" DROP COLUMN "+pair[0])
		}
	}
	if len(stmts) > 0 {
		stmts = append(stmts, windowIndex(held.name))
	}
	return stmts
}

// addOld has the write fill the sink's old columns, too.
func (p *promotion) addOld(held *table) {
	for i, pair := range oldColumns() {
		value := []any{p.write.Pipeline, p.write.RunID}[i]
		there := slices.ContainsFunc(p.added, func(a provenance) bool { return a.name == pair[0] })
		if find(held.columns, pair[0]) >= 0 && !there {
			p.added = append(p.added, provenance{column{pair[0], typeText}, value})
		}
	}
}

// windowIndex is the statement of the index by which a write finds the rows that
// make way.
func windowIndex(table string) string {
	pipeline, _ := tiers.Owner(table)
	return "CREATE INDEX ON " + qualified(table) + " (" + pipeline + ", " + tiers.ColWindowStart + ", " +
		tiers.ColWindowEnd + ")"
}

// unless runs statements together, or none of them if a view depends on what
// they change.
func (p *promotion) unless(ctx context.Context, tx pgx.Tx, table string, stmts []string) (done bool, err error) {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return false, err
	}
	for _, sql := range stmts {
		if _, err = inner.Exec(ctx, sql); err != nil {
			break
		}
	}
	if err == nil {
		return true, inner.Commit(ctx)
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "2BP01" && pg.Code != "0A000" {
		return false, err
	}
	p.log.Warn("a table of an earlier version stays as it is because a view depends on its columns; drop the view",
		"table", "analytics."+table, "error", err)
	return false, inner.Rollback(ctx)
}
