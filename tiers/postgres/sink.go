// Package postgres is the analytics tier in PostgreSQL: the schema "analytics"
// of a database. It implements tiers.Sink for what pipelines write, and
// query.Remote for sessions that read it.
//
// A write is one transaction: it takes the table's lock, makes what the table
// lacks, deletes, copies, and notes itself in lakeward.writes, the ledger, where
// a COMMIT whose answer was lost is looked up under the same lock. So the
// answer is known, whether the server saw the COMMIT or not.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// Schema holds the tables; SELECT ... FROM analytics.findings means the same
// to psql and to lakeward query.
const Schema = "analytics"

// Options open a Sink.
type Options struct {
	URL       string        // postgres://
	ReadLimit int64         // bytes that the sessions' statements may each copy; 0: 256 MiB
	Patience  time.Duration // how long a write waits for a server that is away; 0: 15 s
	Logger    *slog.Logger  // nil: discard
}

const (
	defaultReadLimit = 256 << 20
	defaultPatience  = 15 * time.Second
	readPatience     = 2 * time.Second // of somebody who waits for an answer
	pingTimeout      = 3 * time.Second
	connectTimeout   = 5 * time.Second
	commitTimeout    = 30 * time.Second
	maxConns         = 8
)

// Sink is the tier. Safe for concurrent use, also by several processes.
type Sink struct {
	pool      *pgxpool.Pool
	name      string // database on host:port
	readLimit int64
	patience  time.Duration
	log       *slog.Logger
}

var (
	_ tiers.RemoteSink = (*Sink)(nil)
	_ query.Remote     = (*Sink)(nil)
)

// Open does not wait for the server. The caller closes the sink.
func Open(ctx context.Context, o Options) (*Sink, error) {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("open the analytics tier: %w", err)
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectTimeout
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "lakeward"
	}
	if !strings.Contains(o.URL, "pool_max_conns=") {
		cfg.MaxConns = maxConns
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the analytics tier: %w", err)
	}
	s := &Sink{pool: pool, name: fmt.Sprintf("%s on %s:%d", cfg.ConnConfig.Database, cfg.ConnConfig.Host,
		cfg.ConnConfig.Port),
		readLimit: o.ReadLimit, patience: o.Patience, log: o.Logger}
	if s.readLimit <= 0 {
		s.readLimit = defaultReadLimit
	}
	if s.patience <= 0 {
		s.patience = defaultPatience
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Close waits for what is under way.
func (s *Sink) Close() error {
	s.pool.Close()
	return nil
}

// Ping implements tiers.RemoteSink.
func (s *Sink) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := s.pool.Ping(ctx); err != nil {
		if classOf(err) == final && ctx.Err() == nil {
			return fmt.Errorf("PostgreSQL of the analytics tier (%s) refuses: %w", s.name, err)
		}
		return s.away(err)
	}
	return nil
}

// errUnknown is a COMMIT whose answer was lost.
var errUnknown = errors.New("the answer to COMMIT was lost")

// Write implements tiers.Sink.
func (s *Sink) Write(ctx context.Context, w tiers.Write) (res tiers.WriteResult, err error) {
	defer func() {
		if err != nil {
			res, err = tiers.WriteResult{}, fmt.Errorf("write rows of %s to analytics.%s: %w", w.Pipeline, w.Table, err)
		}
	}()
	p, err := newPromotion(w)
	if err != nil {
		return res, err
	}
	p.log = s.log
	if p.rows, err = take(w.Rows); err != nil {
		return res, err
	}
	defer p.rows.release()
	var lost string // id of the attempt whose outcome is unknown
	err = s.again(ctx, s.patience, func() error {
		if lost != "" {
			done, got, err := s.committed(ctx, w.Table, lost)
			if err != nil {
				return err
			}
			if done {
				res = got
				return nil
			}
			lost = ""
		}
		id := uuid.NewString()
		err := s.transact(ctx, w.Table, func(tx pgx.Tx) (err error) {
			res, err = p.apply(ctx, tx, id)
			return err
		})
		if errors.Is(err, errUnknown) {
			s.log.Warn("the answer to COMMIT was lost; it is looked up", "table", "analytics."+w.Table, "pipeline", w.Pipeline,
				"error", err)
			lost = id
		}
		return err
	})
	return res, err
}

// begin bounds how long a caller that is gone keeps a lock, and insists that the
// log is on disk before COMMIT answers. Both hold for the transaction alone, also
// behind a pooler.
const begin = `SELECT set_config('idle_in_transaction_session_timeout', '30s', true),
	CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END`

// lockTable is the first lock of every change of a table, and is held to its
// end: changes of a table take turns, whoever makes them. The turns take as long
// as they take; what bounds the waits after it is for the locks of people.
const lockTable = `SELECT pg_advisory_xact_lock($1), set_config('lock_timeout', '30s', true)`

func lockKey(table string) int64 {
	h := fnv.New64a()
	h.Write([]byte("lakeward analytics." + strings.ToLower(table)))
	return int64(h.Sum64())
}

// transact runs f in a transaction that has the table's lock. The error wraps
// errUnknown if the server may have committed.
func (s *Sink) transact(ctx context.Context, table string, f func(pgx.Tx) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	err = within(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, begin); err != nil {
			return err
		}
		if err := prepare(ctx, tx); err != nil {
			return fmt.Errorf("prepare the database: %w", err)
		}
		if _, err := tx.Exec(ctx, lockTable, lockKey(table)); err != nil {
			return explained(err, table)
		}
		return explained(f(tx), table)
	})
	if err != nil && conn.Conn().IsClosed() && !errors.Is(err, errUnknown) {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// within is a transaction on a connection.
func within(ctx context.Context, conn *pgxpool.Conn, o pgx.TxOptions, f func(pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		// What is undone by a lost connection needs no ROLLBACK.
		_ = tx.Rollback(context.WithoutCancel(ctx))
		return err
	}
	// A caller that gives up now would leave the outcome unknown for nothing.
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	err = tx.Commit(cctx)
	var refused *pgconn.PgError
	if err == nil || errors.As(err, &refused) || errors.Is(err, pgx.ErrTxCommitRollback) {
		return err
	}
	return fmt.Errorf("%w: %w", errUnknown, err)
}

// explained adds what to do about the server's refusals.
func explained(err error, table string) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	remedy := ""
	switch pg.Code {
	case "55P03": // lock_not_available
		remedy = "another session has kept analytics." + table + " locked for 30s: SELECT pid, query FROM " +
			"pg_stat_activity WHERE state LIKE 'idle in%' shows who; end its transaction"
	case "42501": // insufficient_privilege
		remedy = "grant the role of analytics.url CREATE on the database, or make the schemas analytics and lakeward its own"
	case "2BP01": // dependent_objects_still_exist
		remedy = "a view depends on it: drop the view first"
	case "53100": // disk_full
		remedy = "the server's disk is full"
	}
	if remedy == "" {
		return err
	}
	return fmt.Errorf("%w (%s)", err, remedy)
}

// ledgerTable holds one row for each (table, pipeline, window): the last write.
const ledgerTable = "lakeward.writes"

// ddl makes what every write needs.
var ddl = []string{
	"CREATE SCHEMA IF NOT EXISTS " + Schema,
	"CREATE SCHEMA IF NOT EXISTS lakeward",
	"CREATE TABLE IF NOT EXISTS " + ledgerTable + ` (table_name text, pipeline text, window_start timestamptz, window_end timestamptz,
		run_id text NOT NULL, id uuid NOT NULL, mode text NOT NULL, inserted bigint NOT NULL, deleted bigint NOT NULL,
		committed timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (table_name, pipeline, window_start, window_end))`,
	"COMMENT ON SCHEMA " + Schema + " IS 'Lakeward: what pipelines found. Read it freely; pipelines write it.'",
	"COMMENT ON SCHEMA lakeward IS 'Lakeward''s own bookkeeping'",
	"COMMENT ON TABLE " + ledgerTable + " IS 'the last write of each pipeline and window: a COMMIT whose answer was " +
		"lost is looked up here'",
}

// prepare makes the schemas and the ledger, one caller at a time, and needs no
// right to if they are there.
func prepare(ctx context.Context, tx pgx.Tx) error {
	const there = `SELECT to_regclass('` + ledgerTable + `') IS NOT NULL AND to_regnamespace('` + Schema + `') IS NOT NULL`
	var exist bool
	if err := tx.QueryRow(ctx, there).Scan(&exist); err != nil || exist {
		return err
	}
	if _, err := tx.Exec(ctx, lockTable, lockKey("")); err != nil {
		return err
	}
	for _, stmt := range ddl {
		if _, err := tx.Exec(ctx, stmt); err != nil {
			return explained(err, "")
		}
	}
	return nil
}

// committed asks what became of an attempt. The table's lock is free only once
// the attempt's transaction has ended, one way or the other.
func (s *Sink) committed(ctx context.Context, table, id string) (done bool, res tiers.WriteResult, err error) {
	err = s.transact(ctx, table, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "SELECT inserted, deleted FROM "+ledgerTable+" WHERE table_name = $1 AND id = $2",
			strings.ToLower(table), id).
			Scan(&res.Inserted, &res.Deleted)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		done = err == nil
		return err
	})
	if errors.Is(err, errUnknown) { // it only read
		err = fmt.Errorf("%w: %w", errLost, err)
	}
	return done, res, err
}

// Retain implements tiers.Sink: it deletes the rows whose column, a time or a
// date, is before the cut. Rows without a value stay.
func (s *Sink) Retain(ctx context.Context, table, column string, cut time.Time) (n int64, err error) {
	err = s.again(ctx, s.patience, func() error {
		return s.transact(ctx, table, func(tx pgx.Tx) error {
			t, err := describe(ctx, tx, table)
			if err != nil {
				return err
			}
			at := find(t.columns, column)
			if at < 0 || t.columns[at].typ != typeTime && t.columns[at].typ != typeDate {
				return fmt.Errorf("%s is not a column of times", column)
			}
			tag, err := tx.Exec(ctx, "DELETE FROM "+qualified(t.name)+" WHERE "+quote.Ident(t.columns[at].name)+" < $1", cut)
			if err != nil {
				return err
			}
			n = tag.RowsAffected()
			_, err = tx.Exec(ctx, "DELETE FROM "+ledgerTable+" WHERE table_name = $1 AND window_end < $2 AND committed < $2",
				strings.ToLower(t.name), cut)
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("retention of analytics.%s: %w", table, err)
	}
	return n, nil
}

// Drop implements tiers.Sink, and is ErrNoTable if there is no such table.
func (s *Sink) Drop(ctx context.Context, table string) error {
	var lost bool
	err := s.again(ctx, s.patience, func() error {
		err := s.transact(ctx, table, func(tx pgx.Tx) error {
			t, err := describe(ctx, tx, table)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "DROP TABLE "+qualified(t.name)); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "DELETE FROM "+ledgerTable+" WHERE table_name = $1", strings.ToLower(t.name))
			return err
		})
		if lost && errors.Is(err, tiers.ErrNoTable) {
			return nil
		}
		lost = lost || errors.Is(err, errUnknown)
		return err
	})
	if err != nil {
		return fmt.Errorf("drop analytics.%s: %w", table, err)
	}
	return nil
}
