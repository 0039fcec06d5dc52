package lake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	icebergsql "github.com/apache/iceberg-go/catalog/sql"
	"github.com/apache/iceberg-go/table"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	sqlitedriver "modernc.org/sqlite" // the driver named "sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/lakeward/lakeward/internal/safefile"
)

// dialect is what differs between the databases that hold the catalog. The
// statements are written with ?.
type dialect struct {
	iceberg      icebergsql.SupportedDialect
	numbered     bool   // placeholders are $1, $2, ...
	begin        string // run first in every change; empty: nothing
	awaitChanges string // waits for changes of one table's row; empty: none outlives its caller
	refused      func(error) bool
	stale        func(error) bool // of a connection that never works again; nil: none does
}

func sqlite() dialect {
	return dialect{iceberg: icebergsql.SQLite, refused: func(error) bool { return false }, stale: openedReadOnly}
}

// openedReadOnly reports whether SQLite refused a change because the connection
// cannot make any: one that is opened while the file cannot be written to
// reads, and goes on doing only that when it can.
func openedReadOnly(err error) bool {
	var e *sqlitedriver.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlitelib.SQLITE_READONLY
}

// postgres bounds how long a caller that is gone keeps a row locked, and
// insists that the log is on disk before COMMIT answers. Both hold for the
// transaction alone, so that a pooler between does not carry them over.
func postgres() dialect {
	return dialect{
		iceberg:  icebergsql.Postgres,
		numbered: true,
		begin: `SELECT set_config('idle_in_transaction_session_timeout', '5s', true),
			CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END`,
		awaitChanges: `SELECT table_name FROM iceberg_tables
			WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? FOR SHARE`,
		refused: func(err error) bool {
			var pg *pgconn.PgError
			return errors.As(err, &pg) && (pg.Code == serializationFailure || pg.Code == deadlockDetected)
		},
	}
}

// What PostgreSQL answers when it undid a transaction because of another.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
)

// sql writes a statement with the dialect's placeholders.
func (d dialect) sql(stmt string) string {
	if !d.numbered {
		return stmt
	}
	var b strings.Builder
	for n := 1; ; n++ {
		head, tail, more := strings.Cut(stmt, "?")
		b.WriteString(head)
		if !more {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		stmt = tail
	}
}

// isPostgres tells a URL of PostgreSQL from the path of a SQLite file.
func isPostgres(at string) bool {
	return strings.HasPrefix(at, "postgres://") || strings.HasPrefix(at, "postgresql://")
}

// catalogName is a database for people: without the password of its URL.
func catalogName(at string) string {
	cfg, err := pgx.ParseConfig(at)
	if err != nil {
		return "PostgreSQL"
	}
	return fmt.Sprintf("%s on %s:%d", cfg.Database, cfg.Host, cfg.Port)
}

// The limits of a catalog's connections. SQLite's are to a file.
const (
	maxConns       = 4
	connectTimeout = 10 * time.Second
	maxIdle        = 5 * time.Minute
)

// openSQLite opens the catalog in a SQLite file.
func openSQLite(ctx context.Context, o catalogOptions) (*sqlCatalog, error) {
	if err := o.prepareFile(); err != nil {
		return nil, err
	}
	db, err := connectSQLite(ctx, o.at, o.readOnly)
	if err != nil {
		return nil, err
	}
	c := &sqlCatalog{name: o.at, db: db, leases: db, dialect: sqlite(), fault: o.fault}
	if !o.readOnly {
		if c.leases, err = openLeases(o.at); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return c, nil
}

// prepareFile makes the directory of the catalog's file, or looks for the file.
func (o catalogOptions) prepareFile() error {
	if !o.readOnly {
		dir := filepath.Dir(o.at)
		if err := o.files.ensureDir(dir); err != nil {
			return fmt.Errorf("make directory %s: %w", dir, err)
		}
		return nil
	}
	_, err := o.files.fs.Stat(o.at)
	if errors.Is(err, fs.ErrNotExist) {
		if _, werr := o.files.fs.Stat(filepath.Join(o.warehouse, Namespace)); werr == nil {
			return fmt.Errorf("find catalog: %w; the warehouse %s has tables: put the catalog back from a copy, or make it "+
				"anew of what the warehouse has: `lakeward lake adopt`", err, o.warehouse)
		}
	}
	if err != nil {
		return fmt.Errorf("find catalog: %w", err)
	}
	return nil
}

// connectSQLite opens the file for look-ups and commits. WAL lets PyIceberg and other processes
// read while a commit is made, without either waiting for the other; FULL
// syncs the log at every commit.
func connectSQLite(ctx context.Context, path string, readOnly bool) (*sql.DB, error) {
	q := url.Values{"_pragma": {"busy_timeout(10000)", "synchronous(FULL)"}}
	if readOnly {
		q.Set("mode", "ro")
		q.Add("_pragma", "query_only(true)")
	} else {
		q.Add("_pragma", "journal_mode(WAL)")
		if err := safefile.Private(path); err != nil { // its log has the same mode
			return nil, fmt.Errorf("open catalog: %w", err)
		}
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open catalog %s: %w%s", path, err, damageRemedy(err)), db.Close())
	}
	if readOnly {
		var tables int
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM iceberg_tables").Scan(&tables); err != nil {
			return nil, errors.Join(fmt.Errorf("read catalog %s: %w%s", path, err, damageRemedy(err)), db.Close())
		}
		return db, nil
	}
	if err := initCatalog(ctx, db, icebergsql.SQLite, iceberg.Properties{}); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare catalog %s: %w", path, err), db.Close())
	}
	return db, nil
}

// damageRemedy is what to do about a file that holds no catalog, or a damaged
// one; empty if that is not what the error says.
func damageRemedy(err error) string {
	var e *sqlitedriver.Error
	if !errors.As(err, &e) {
		return ""
	}
	switch e.Code() & 0xFF {
	case sqlitelib.SQLITE_NOTADB, sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_ERROR:
		return "; the file is empty or damaged: put it back from a copy, or move it away (with its -wal and -shm) " +
			"and make it anew of what the warehouse has: `lakeward lake adopt`"
	}
	return ""
}

// openLeases opens the SQLite file once more, on first use, so that renewing a
// lease syncs nothing. Whoever commits next syncs the log for both.
func openLeases(path string) (*sql.DB, error) {
	q := url.Values{"_pragma": {"busy_timeout(1000)", "synchronous(NORMAL)", "journal_mode(WAL)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// openPostgres opens the catalog in the database that a URL names. Its tables
// are made in the first schema of the search path unless they are found.
func openPostgres(ctx context.Context, o catalogOptions) (*sqlCatalog, error) {
	cfg, err := pgx.ParseConfig(o.at)
	if err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "lakeward"
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(maxConns)
	db.SetConnMaxIdleTime(maxIdle)
	if err := preparePostgres(ctx, db, o.readOnly); err != nil {
		return nil, errors.Join(fmt.Errorf("open catalog in database %s: %w", catalogName(o.at), err), db.Close())
	}
	return &sqlCatalog{name: catalogName(o.at), db: db, leases: db, dialect: postgres(), fault: o.fault}, nil
}

// preparePostgres makes what is missing, one caller at a time: CREATE TABLE IF
// NOT EXISTS fails for one of two that run at once, and needs a right that
// using the tables does not.
func preparePostgres(ctx context.Context, db *sql.DB, readOnly bool) error {
	const tablesExist = `SELECT to_regclass('iceberg_tables') IS NOT NULL AND to_regclass('iceberg_namespace_properties') IS NOT NULL`
	var exist bool
	if readOnly {
		err := db.QueryRowContext(ctx, tablesExist).Scan(&exist)
		if err == nil && !exist {
			err = errors.New("it has no table iceberg_tables: open the lake for writing once, or correct the URL's search_path")
		}
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it holds nothing but the lock
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext('lakeward catalog'))`); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := tx.QueryRowContext(ctx, tablesExist).Scan(&exist); err != nil {
		return fmt.Errorf("look for its tables: %w", err)
	}
	props := iceberg.Properties{icebergsql.SchemaVersionKey: icebergsql.SchemaVersionV1}
	if exist {
		props["init_catalog_tables"] = "false"
	}
	if err := initCatalog(ctx, db, icebergsql.Postgres, props); err != nil {
		return fmt.Errorf("prepare its tables: %w", err)
	}
	return nil
}

// initCatalog makes iceberg-go's own catalog tables, and the namespace.
func initCatalog(ctx context.Context, db *sql.DB, d icebergsql.SupportedDialect, props iceberg.Properties) error {
	cat, err := icebergsql.NewCatalog(CatalogName, db, d, props)
	if err != nil {
		return err
	}
	ns := table.Identifier{Namespace}
	if ok, err := cat.CheckNamespaceExists(ctx, ns); err != nil || ok {
		return err
	}
	err = cat.CreateNamespace(ctx, ns, nil)
	if errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
		return nil
	}
	return err
}
