package lake

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/lakeward/lakeward/tiers"
)

// The name of the catalog, part of every key in its tables, and the namespace
// that holds the lake's tables. PyIceberg and Spark must use the same.
const (
	CatalogName = "lakeward"
	Namespace   = "lake"
)

// swapTimeout bounds the compare-and-swap itself, which a caller's
// cancellation does not interrupt: its outcome must be known. readTimeout
// bounds a look-up in a catalog that does not answer.
const (
	swapTimeout = 30 * time.Second
	readTimeout = time.Minute
)

// Step is a moment of the catalog's commit at which a test can fail.
type Step string

// The steps of a commit.
const (
	StepBegin     Step = "begin"
	StepUpdate    Step = "update"
	StepCommit    Step = "commit"
	StepCommitted Step = "committed" // after the database has committed: a lost reply
)

// pointers is the row that each table has in Iceberg's SQL catalog: where its
// metadata is. iceberg-go's own CommitTable does the same swap but returns one
// class of error for what was refused, what failed and what is unknown; here
// they are told apart, and the metadata goes through our own durable IO.
type pointers struct {
	db      *sql.DB
	dialect dialect
	fault   func(Step) error
}

func (p pointers) at(s Step) error {
	if p.fault == nil {
		return nil
	}
	return p.fault(s)
}

// get returns the location of a table's metadata.
func (p pointers) get(ctx context.Context, name string) (string, error) {
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

// list returns the names of all tables in order.
func (p pointers) list(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := p.db.QueryContext(ctx, p.dialect.sql(`SELECT table_name FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)
		ORDER BY table_name`), CatalogName, Namespace)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return nil, fmt.Errorf("list tables: %w", err)
		}
		names = append(names, n)
	}
	return names, rows.Err()
}

// all returns where the metadata of every table is, by name.
func (p pointers) all(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := p.db.QueryContext(ctx, p.dialect.sql(`SELECT table_name, metadata_location FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND metadata_location IS NOT NULL`), CatalogName, Namespace)
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

// awaitChanges returns once no change of the table that began earlier can still take
// effect: a server may only come to a COMMIT after its sender has given up.
func (p pointers) awaitChanges(ctx context.Context, name string) error {
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

// swap points a table at new metadata if it still points at old.
func (p pointers) swap(ctx context.Context, name, old, new string) error {
	return p.change(ctx, `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?, iceberg_type = 'TABLE'
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`,
		new, old, CatalogName, Namespace, name, old)
}

// insert makes a table that must not exist.
func (p pointers) insert(ctx context.Context, name, loc string) error {
	return p.change(ctx, `INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, iceberg_type, metadata_location)
		VALUES (?, ?, ?, 'TABLE', ?) ON CONFLICT DO NOTHING`, CatalogName, Namespace, name, loc)
}

// drop forgets a table.
func (p pointers) drop(ctx context.Context, name string) error {
	return p.change(ctx, `DELETE FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`, CatalogName, Namespace, name)
}

// move is a table's row before and after a relocation.
type move struct{ from, to, previous string }

// move points tables at new metadata, and records which lake the catalog is of
// and where, in one transaction: all of it or nothing. Leases are of the
// daemons of the former place, and go. A table that has changed is ErrConflict.
func (p pointers) move(ctx context.Context, tables map[string]move, r Record) error {
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
			[]any{m.to, m.previous, CatalogName, Namespace, name, m.from})
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

// change runs one statement that must change one row. No row, or that the
// database undid it for another's change, is ErrConflict; a COMMIT that failed
// otherwise is ErrUnknown; any other error changed nothing.
func (p pointers) change(ctx context.Context, stmt string, args ...any) error {
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

// forget closes the connections that nobody uses, so that the next change opens
// one of its own.
func (p pointers) forget() {
	p.db.SetMaxIdleConns(0)
	p.db.SetMaxIdleConns(maxConns)
}

// classify wraps an error in ErrConflict if the database says that another's
// change was in the way, else in class unless that is nil.
func (p pointers) classify(err, class error) error {
	if p.dialect.refused(err) {
		class = tiers.ErrConflict
	}
	if class == nil {
		return err
	}
	return fmt.Errorf("%w: %w", class, err)
}

func (p pointers) exec(ctx context.Context, tx *sql.Tx, stmt string, args []any) (int64, error) {
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

// fenced is the catalog of one commit: it accepts the commit only on the very
// metadata that the commit was built on. Its refusals do not wrap
// table.ErrCommitFailed, so iceberg-go never rebases and retries on its own,
// whatever the table's properties say.
type fenced struct {
	lake *Lake
	base *version
}

var _ table.CatalogIO = fenced{}

// LoadTable is asked for only by iceberg-go's retry, which must not happen.
func (f fenced) LoadTable(context.Context, table.Identifier) (*table.Table, error) {
	return nil, fmt.Errorf("%w: lake.%s has changed", tiers.ErrConflict, f.base.name)
}

// CommitTable writes the new metadata durably, then swaps the pointer to it.
func (f fenced) CommitTable(ctx context.Context, _ table.Identifier, reqs []table.Requirement,
	updates []table.Update) (table.Metadata, string, error) {
	for _, r := range reqs {
		if err := r.Validate(f.base.meta); err != nil {
			return nil, "", fmt.Errorf("%w: %w", tiers.ErrConflict, err)
		}
	}
	if err := f.lake.believe(ctx, f.base.name); err != nil {
		return nil, "", err
	}
	meta, err := table.UpdateTableMetadata(f.base.meta, updates, f.base.location)
	if err != nil {
		return nil, "", fmt.Errorf("build metadata: %w", err)
	}
	loc := metadataLocation(meta, metadataNumber(f.base.location)+1)
	if err := f.lake.writeMetadata(loc, meta); err != nil {
		return nil, "", err
	}
	err = f.lake.pointers.swap(ctx, f.base.name, f.base.location, loc)
	if err == nil {
		f.lake.accept(loc)
		return meta, loc, nil
	}
	if !errors.Is(err, tiers.ErrUnknown) && !f.lake.adopted(ctx, f.base.name, loc) { // nothing names it
		err = errors.Join(err, f.lake.io.Remove(loc))
	}
	return nil, "", err
}

func (l *Lake) writeMetadata(loc string, meta table.Metadata) error {
	var b []byte
	var err error
	if m, ok := meta.(json.Marshaler); ok { // spares a copy and a check of the whole
		b, err = m.MarshalJSON()
	} else {
		b, err = json.Marshal(meta)
	}
	if err != nil {
		return fmt.Errorf("encode metadata: %w", err)
	}
	if err := l.io.WriteFile(loc, b); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	return nil
}

func metadataLocation(meta table.Metadata, n int) string {
	return fmt.Sprintf("%s/metadata/%05d-%s.metadata.json", meta.Location(), n, uuid.NewString())
}

// metadataNumber is the version in a metadata file's name.
func metadataNumber(loc string) int {
	base := loc[strings.LastIndexByte(loc, '/')+1:]
	head, _, _ := strings.Cut(base, "-")
	n, err := strconv.Atoi(head)
	if err != nil {
		return 0
	}
	return n
}
