package lake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lakeward/lakeward/tiers"
)

// sqlCatalog is Iceberg's SQL catalog: a row for each table says where its
// metadata is, and the properties of the namespace are the values. iceberg-go's
// own CommitTable does the same swap but returns one class of error for what was
// refused, what failed and what is unknown; here they are told apart, and the
// metadata goes through our own durable IO.
type sqlCatalog struct {
	name    string
	db      *sql.DB
	leases  *sql.DB // for fleeting values; db, or its file once more
	dialect dialect
	fault   func(Step) error
}

var (
	_ Catalog  = (*sqlCatalog)(nil)
	_ Portable = (*sqlCatalog)(nil)
)

// Name is the path of the file, or the database and its server.
func (p *sqlCatalog) Name() string { return p.name }

// Ping is an error if the database does not answer.
func (p *sqlCatalog) Ping(ctx context.Context) error { return p.db.PingContext(ctx) }

// Close closes the connections.
func (p *sqlCatalog) Close() error {
	err := p.db.Close()
	if p.leases != p.db {
		err = errors.Join(p.leases.Close(), err)
	}
	return err
}

func (p *sqlCatalog) at(s Step) error {
	if p.fault == nil {
		return nil
	}
	return p.fault(s)
}

// Metadata returns the location of a table's metadata.
func (p *sqlCatalog) Metadata(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var loc sql.NullString
	err := p.db.QueryRowContext(ctx, p.dialect.sql(`SELECT metadata_location FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`),
		CatalogName, Namespace, name).Scan(&loc)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && !loc.Valid) {
		return "", fmt.Errorf("%w: lake.%s", tiers.ErrNoTable, name)
	}
	if err != nil {
		return "", fmt.Errorf("look up lake.%s in the catalog: %w", name, err)
	}
	return loc.String, nil
}

// Tables returns where the metadata of every table is, by name.
func (p *sqlCatalog) Tables(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := p.db.QueryContext(ctx, p.dialect.sql(`SELECT table_name, metadata_location FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND metadata_location IS NOT NULL
		AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)`), CatalogName, Namespace)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var name, loc string
		if err := rows.Scan(&name, &loc); err != nil {
			return nil, fmt.Errorf("list tables: %w", err)
		}
		out[name] = loc
	}
	return out, rows.Err()
}

// Settle waits for changes of the table that are under way.
func (p *sqlCatalog) Settle(ctx context.Context, name string) error {
	if p.dialect.awaitChanges == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var found string
	err := p.db.QueryRowContext(ctx, p.dialect.sql(p.dialect.awaitChanges), CatalogName, Namespace, name).Scan(&found)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("wait for changes of lake.%s in the catalog: %w", name, err)
	}
	return nil
}

// Swap points a table at new metadata if it still points at old.
func (p *sqlCatalog) Swap(ctx context.Context, name, old, new string) error {
	return p.change(ctx, `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?, iceberg_type = 'TABLE'
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`,
		new, old, CatalogName, Namespace, name, old)
}

// Insert makes a table that must not exist.
func (p *sqlCatalog) Insert(ctx context.Context, name, loc string) error {
	return p.change(ctx, `INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, iceberg_type, metadata_location)
		VALUES (?, ?, ?, 'TABLE', ?) ON CONFLICT DO NOTHING`, CatalogName, Namespace, name, loc)
}

// Drop forgets a table.
func (p *sqlCatalog) Drop(ctx context.Context, name string) error {
	return p.change(ctx, `DELETE FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`, CatalogName, Namespace, name)
}

// change runs one statement that must change one row. No row, or that the
// database undid it for another's change, is ErrConflict; a COMMIT that failed
// otherwise is ErrUnknown; any other error changed nothing.
func (p *sqlCatalog) change(ctx context.Context, stmt string, args ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), swapTimeout)
	defer cancel()
	if err := p.at(StepBegin); err != nil {
		return err
	}
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	n, err := p.exec(ctx, tx, stmt, args)
	if err != nil {
		err = errors.Join(err, tx.Rollback())
		if p.dialect.stale != nil && p.dialect.stale(err) {
			p.forget()
		}
		return err
	}
	if n == 0 {
		return errors.Join(fmt.Errorf("%w: the catalog's entry has changed", tiers.ErrConflict), tx.Rollback())
	}
	if err := p.at(StepCommit); err != nil {
		return errors.Join(fmt.Errorf("%w: commit to the catalog: %w", tiers.ErrUnknown, err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return p.classify(fmt.Errorf("commit to the catalog: %w", err), tiers.ErrUnknown)
	}
	if err := p.at(StepCommitted); err != nil {
		return fmt.Errorf("%w: commit to the catalog: %w", tiers.ErrUnknown, err)
	}
	return nil
}

// forget closes the idle connections, so that the next change opens a new one.
func (p *sqlCatalog) forget() {
	p.db.SetMaxIdleConns(0)
	p.db.SetMaxIdleConns(maxConns)
}

// classify wraps an error in ErrConflict if the database says that another's
// change was in the way, else in class unless that is nil.
func (p *sqlCatalog) classify(err, class error) error {
	if p.dialect.refused(err) {
		class = tiers.ErrConflict
	}
	if class == nil {
		return err
	}
	return fmt.Errorf("%w: %w", class, err)
}

func (p *sqlCatalog) exec(ctx context.Context, tx *sql.Tx, stmt string, args []any) (int64, error) {
	if err := p.at(StepUpdate); err != nil {
		return 0, err
	}
	if p.dialect.begin != "" {
		if _, err := tx.ExecContext(ctx, p.dialect.begin); err != nil {
			return 0, fmt.Errorf("begin: %w", err)
		}
	}
	res, err := tx.ExecContext(ctx, p.dialect.sql(stmt), args...)
	if err != nil {
		return 0, p.classify(fmt.Errorf("update the catalog: %w", err), nil)
	}
	return res.RowsAffected()
}

// Value is the property of the namespace with this key.
func (p *sqlCatalog) Value(ctx context.Context, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var value sql.NullString
	err := p.db.QueryRowContext(ctx, p.dialect.sql(`SELECT property_value FROM iceberg_namespace_properties
		WHERE catalog_name = ? AND namespace = ? AND property_key = ?`), CatalogName, Namespace, key).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look up in the catalog: %w", err)
	}
	return value.String, nil
}

// SwapValue changes a property of the namespace by one statement, which keeps no
// row locked.
func (p *sqlCatalog) SwapValue(ctx context.Context, v Value) (bool, error) {
	db := p.db
	if v.Fleeting {
		db = p.leases
	}
	stmt, args := `UPDATE iceberg_namespace_properties SET property_value = ?
		WHERE catalog_name = ? AND namespace = ? AND property_key = ? AND property_value = ?`, []any{v.New, CatalogName, Namespace, v.Key, v.Old}
	if v.Old == "" {
		stmt, args = `INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
			VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, []any{CatalogName, Namespace, v.Key, v.New}
	}
	res, err := db.ExecContext(ctx, p.dialect.sql(stmt), args...)
	if err != nil && p.dialect.refused(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("update the catalog: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("update the catalog: %w", err)
	}
	return n == 1, nil
}
