package lake

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/lakeward/lakeward/tiers"
)

// Copy reads the tables and properties in one transaction.
func (p *sqlCatalog) Copy(ctx context.Context) (c CatalogCopy, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	o := &sql.TxOptions{ReadOnly: true}
	if p.dialect.numbered {
		o.Isolation = sql.LevelRepeatableRead // SQLite's only level is not a weaker
	}
	tx, err := p.db.BeginTx(ctx, o)
	if err != nil {
		return c, err
	}
	defer tx.Rollback() //nolint:errcheck // it has changed nothing
	c = CatalogCopy{Tables: []CatalogRow{}, Properties: map[string]string{}}
	err = each(ctx, tx, p.dialect.sql(`SELECT table_name, metadata_location, COALESCE(previous_metadata_location, '') FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND metadata_location IS NOT NULL ORDER BY table_name`), func(rows *sql.Rows) error {
		var r CatalogRow
		err := rows.Scan(&r.Table, &r.Metadata, &r.Previous)
		c.Tables = append(c.Tables, r)
		return err
	})
	if err != nil {
		return c, err
	}
	return c, each(ctx, tx, p.dialect.sql(`SELECT property_key, property_value FROM iceberg_namespace_properties
		WHERE catalog_name = ? AND namespace = ? AND property_value IS NOT NULL`), func(rows *sql.Rows) error {
		var key, value string
		err := rows.Scan(&key, &value)
		if !strings.HasPrefix(key, leasePrefix) {
			c.Properties[key] = value
		}
		return err
	})
}

func each(ctx context.Context, tx *sql.Tx, stmt string, row func(*sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, stmt, CatalogName, Namespace)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Fill puts a copy into the catalog, in one transaction.
func (p *sqlCatalog) Fill(ctx context.Context, c CatalogCopy) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("fill the catalog: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // without effect after the commit
	for _, r := range c.Tables {
		previous := sql.NullString{String: r.Previous, Valid: r.Previous != ""}
		if _, err := p.exec(ctx, tx, `INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, iceberg_type, metadata_location,
			previous_metadata_location) VALUES (?, ?, ?, 'TABLE', ?, ?)`, []any{CatalogName, Namespace, r.Table, r.Metadata, previous}); err != nil {
			return fmt.Errorf("fill the catalog: %w", err)
		}
	}
	c.Properties[idProp], c.Properties[placeProp] = c.Record.ID, c.Record.Place
	for key, value := range c.Properties {
		if _, err := p.exec(ctx, tx, `DELETE FROM iceberg_namespace_properties WHERE catalog_name = ? AND namespace = ? AND property_key = ?`,
			[]any{CatalogName, Namespace, key}); err != nil {
			return fmt.Errorf("fill the catalog: %w", err)
		}
		if _, err := p.exec(ctx, tx, `INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
			VALUES (?, ?, ?, ?)`, []any{CatalogName, Namespace, key, value}); err != nil {
			return fmt.Errorf("fill the catalog: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("fill the catalog: %w", err)
	}
	return nil
}

// Move points tables at new metadata and records r, in one transaction.
func (p *sqlCatalog) Move(ctx context.Context, tables map[string]Move, r Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), swapTimeout)
	defer cancel()
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // without effect after the commit
	for name, m := range tables {
		n, err := p.exec(ctx, tx, `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?
			WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`,
			[]any{m.To, m.Previous, CatalogName, Namespace, name, m.From})
		if err != nil {
			return err
		}
		if n != 1 {
			return fmt.Errorf("%w: somebody has committed to lake.%s: stop what writes to the lake, and try again",
				tiers.ErrConflict, name)
		}
	}
	if _, err := p.exec(ctx, tx, `DELETE FROM iceberg_namespace_properties WHERE catalog_name = ? AND namespace = ?
		AND (property_key IN (?, ?) OR property_key LIKE ?)`,
		[]any{CatalogName, Namespace, idProp, placeProp, leasePrefix + "%"}); err != nil {
		return err
	}
	for _, prop := range [][2]string{{idProp, r.ID}, {placeProp, r.Place}} {
		if _, err := p.exec(ctx, tx, `INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
			VALUES (?, ?, ?, ?)`, []any{CatalogName, Namespace, prop[0], prop[1]}); err != nil {
			return err
		}
	}
	if err := p.at(StepCommit); err != nil {
		return fmt.Errorf("commit to the catalog: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit to the catalog: %w", err)
	}
	return p.at(StepCommitted)
}
