package lake

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/lakeward/lakeward/tiers/lease"
)

// leasePrefix names the properties of the namespace that hold leases. They are
// rows of Iceberg's own catalog tables, so that a lease is where the commits
// are that it is about, and no table is added to a database of others.
const leasePrefix = "lakeward.lease."

// maxProperty is how long a property's name may be where another engine made
// the catalog's tables (255), less the prefix and some.
const maxProperty = 200

var _ lease.Store = (*Lake)(nil)

// Lease is what is stored under the name of a lease; empty if nothing is.
func (l *Lake) Lease(ctx context.Context, name string) (string, error) {
	var value sql.NullString
	err := l.db.QueryRowContext(ctx, l.pointers.dialect.sql(`SELECT property_value FROM iceberg_namespace_properties
		WHERE catalog_name = ? AND namespace = ? AND property_key = ?`), CatalogName, Namespace, leaseKey(name)).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look up in the catalog: %w", err)
	}
	return value.String, nil
}

// SwapLease stores new if what is stored still is old, and reports whether it
// did. It is one statement, so that a daemon which is paused within it keeps no
// row locked.
func (l *Lake) SwapLease(ctx context.Context, name, old, new string) (bool, error) {
	if l.readOnly {
		return false, errReadOnly
	}
	stmt, args := `UPDATE iceberg_namespace_properties SET property_value = ?
		WHERE catalog_name = ? AND namespace = ? AND property_key = ? AND property_value = ?`, []any{new, CatalogName, Namespace, leaseKey(name), old}
	if old == "" {
		stmt, args = `INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
			VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, []any{CatalogName, Namespace, leaseKey(name), new}
	}
	res, err := l.leases.ExecContext(ctx, l.pointers.dialect.sql(stmt), args...)
	if err != nil && l.pointers.dialect.refused(err) {
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

func leaseKey(name string) string {
	if len(name) > maxProperty {
		sum := sha256.Sum256([]byte(name))
		name = hex.EncodeToString(sum[:])
	}
	return leasePrefix + name
}
