package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lakeward/lakeward/tiers"
)

// table is what the catalog says of one table.
type table struct {
	name    string
	columns []column
	bytes   int64 // with its indexes
}

// asker is a connection, a pool or a transaction.
type asker interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// listColumns is every table and view of the schema, also one that a person made.
const listColumns = `SELECT c.relname, pg_total_relation_size(c.oid), coalesce(a.attname, ''), coalesce(format_type(a.atttypid, a.atttypmod), '')
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE n.nspname = '` + Schema + `' AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.relname, a.attnum`

func list(ctx context.Context, db asker) ([]*table, error) {
	rows, err := db.Query(ctx, listColumns)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*table
	for rows.Next() {
		var name string
		var bytes int64
		var c column
		if err := rows.Scan(&name, &bytes, &c.name, &c.typ); err != nil {
			return nil, err
		}
		if len(out) == 0 || out[len(out)-1].name != name {
			out = append(out, &table{name: name, bytes: bytes})
		}
		if t := out[len(out)-1]; c.name != "" {
			t.columns = append(t.columns, c)
		}
	}
	return out, rows.Err()
}

// describe is ErrNoTable for a table that does not exist.
func describe(ctx context.Context, db asker, name string) (*table, error) {
	all, err := list(ctx, db)
	if err != nil {
		return nil, err
	}
	if t := among(all, name); t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%w: the tier has %s", tiers.ErrNoTable, listed(all))
}

// among finds a table by its name; of two that differ by case, the exact one.
func among(all []*table, name string) *table {
	var found *table
	for _, t := range all {
		if t.name == name {
			return t
		}
		if strings.EqualFold(t.name, name) {
			found = t
		}
	}
	return found
}

func listed(all []*table) string {
	if len(all) == 0 {
		return "no tables yet"
	}
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.name
	}
	return strings.Join(names, ", ")
}

// Tables implements tiers.Sink. Bytes are on the server's disk, with indexes.
func (s *Sink) Tables(ctx context.Context) ([]tiers.TableInfo, error) {
	var out []tiers.TableInfo
	err := s.again(ctx, readPatience, func() error {
		out = nil
		return s.snapshot(ctx, func(tx pgx.Tx) error {
			all, err := list(ctx, tx)
			if err != nil {
				return err
			}
			for _, t := range all {
				info := tiers.TableInfo{Name: t.name, Bytes: t.bytes}
				if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+qualified(t.name)).Scan(&info.Rows); err != nil {
					return err
				}
				for _, c := range t.columns {
					info.Schema.Fields = append(info.Schema.Fields, tiers.Field{Name: c.name, Type: storedAs(c.typ)})
				}
				out = append(out, info)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the analytics tables: %w", err)
	}
	return out, nil
}
