// Package analytics is the embedded analytics tier: the catalog "analytics" of
// the engine that runs pipelines, wherever that runs. Only statements and rows go
// to the engine.
package analytics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// attempts bounds how often a transaction is repeated because another session
// of the engine changed the same table.
const attempts = 10

// pause is what a conflict waits for, times the number of the attempt.
const pause = 5 * time.Millisecond

// Sink writes pipelines' rows to the analytics catalog of an engine. It is
// safe for concurrent use; writes are serialised.
type Sink struct {
	engine    Engine
	readLimit int64      // bytes
	mu        sync.Mutex // held by writers
	closed    bool
}

// Engine opens connections to the catalog.
type Engine interface {
	Connect(ctx context.Context) (query.Conn, error)
}

var _ tiers.LocalSink = (*Sink)(nil)

var errClosed = errors.New("the sink is closed")

// New returns the sink of an engine, whose catalog is taken for granted. The
// engine stays the caller's to close, after the sink. readLimit is how many bytes
// Read may copy; 0: no limit.
func New(e Engine, readLimit int64) *Sink { return &Sink{engine: e, readLimit: readLimit} }

// Open is New for an engine that must have been opened with an AnalyticsPath.
func Open(ctx context.Context, e Engine) (*Sink, error) {
	c, err := e.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the analytics tier: %w", err)
	}
	names, err := texts(ctx, c, "SELECT database_name FROM duckdb_databases() WHERE database_name = 'analytics'")
	err = errors.Join(err, c.Close())
	if err == nil && len(names) == 0 {
		err = errors.New("the engine has no analytics database")
	}
	if err != nil {
		return nil, fmt.Errorf("open the analytics tier: %w", err)
	}
	return New(e, 0), nil
}

// Close waits for a write that is under way and refuses later ones.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Write promotes w.Rows in one transaction. It is idempotent for the same
// pipeline and window; nothing is changed if it fails.
func (s *Sink) Write(ctx context.Context, w tiers.Write) (res tiers.WriteResult, err error) {
	defer func() {
		if err != nil {
			res, err = tiers.WriteResult{}, fmt.Errorf("write rows of %s to analytics.%s: %w", w.Pipeline, w.Table, err)
		}
	}()
	p, err := newPromotion(w, w.Rows.Schema())
	if err != nil {
		return res, err
	}
	err = s.locked(ctx, func(c query.Conn) error {
		// Loaded once and outside the transaction: a conflict repeats only
		// what follows, and the reader can be read once.
		if _, err := c.Load(ctx, incoming, w.Rows); err != nil {
			return err
		}
		if err := unite(ctx, c, w.Table); err != nil {
			return err
		}
		return transact(ctx, c, func() (err error) {
			res, err = p.apply(ctx, c)
			return err
		})
	})
	return res, err
}

// WriteFrom implements tiers.LocalSink: the rows never leave the engine.
func (s *Sink) WriteFrom(ctx context.Context, c tiers.Statements, relation string,
	w tiers.Write) (res tiers.WriteResult, err error) {
	defer func() {
		if err != nil {
			res, err = tiers.WriteResult{}, fmt.Errorf("write rows of %s to analytics.%s: %w", w.Pipeline, w.Table, err)
		}
	}()
	schema, err := schemaOf(ctx, c, quote.Ident(relation))
	if err != nil {
		return res, err
	}
	p, err := newPromotion(w, schema)
	if err != nil {
		return res, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return res, errClosed
	}
	tables, err := texts(ctx, c, "SELECT table_name FROM duckdb_tables() WHERE temporary")
	if err != nil {
		return res, err
	}
	if p.from = temporary(relation); !slices.Contains(tables, relation) { // a view, computed once
		p.from = temporary(incoming)
		if _, err := c.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+quote.Ident(incoming)+" AS FROM "+quote.Ident(relation)); err != nil {
			return res, err
		}
	}
	if err := unite(ctx, c, w.Table); err != nil {
		return res, err
	}
	err = transact(ctx, c, func() (err error) {
		res, err = p.apply(ctx, c)
		return err
	})
	return res, err
}

func temporary(table string) string { return "temp.main." + quote.Ident(table) }

func schemaOf(ctx context.Context, c tiers.Statements, relation string) (*arrow.Schema, error) {
	r, err := c.Query(ctx, "FROM "+relation+" LIMIT 0")
	if err != nil {
		return nil, err
	}
	defer r.Release()
	return r.Schema(), nil
}

// Retain deletes the rows whose column, a time or a date, is before the cut.
// Rows without a value stay.
func (s *Sink) Retain(ctx context.Context, table, column string, cut time.Time) (n int64, err error) {
	defer func() {
		if err != nil {
			n, err = 0, fmt.Errorf("retention of analytics.%s: %w", table, err)
		}
	}()
	err = s.locked(ctx, func(c query.Conn) error {
		t, err := describe(ctx, c, table)
		if err != nil {
			return err
		}
		col, ok := t.column(column)
		if !ok || col.kind() != tiers.KindTimestamp && col.kind() != tiers.KindDate {
			return fmt.Errorf("%s is not a column of times", column)
		}
		return transact(ctx, c, func() (err error) {
			n, err = c.Exec(ctx, "DELETE FROM "+qualified(table)+" WHERE "+quote.Ident(col.name)+" < ?", cut)
			return err
		})
	})
	return n, err
}

// Drop removes a table, and is ErrNoTable if there is none.
func (s *Sink) Drop(ctx context.Context, table string) error {
	err := s.locked(ctx, func(c query.Conn) error {
		if _, err := describe(ctx, c, table); err != nil {
			return err
		}
		return transact(ctx, c, func() error {
			_, err := c.Exec(ctx, "DROP TABLE "+qualified(table))
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("drop analytics.%s: %w", table, err)
	}
	return nil
}

// locked gives f a connection of its own, and no other writer beside it.
// Temporary tables end with the connection.
func (s *Sink) locked(ctx context.Context, f func(query.Conn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	return s.connected(ctx, f)
}

func (s *Sink) connected(ctx context.Context, f func(query.Conn) error) error {
	c, err := s.engine.Connect(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.Close())
}

// transact runs f in a transaction, again if another session's took its place.
func transact(ctx context.Context, c tiers.Statements, f func() error) error {
	for n := 1; ; n++ {
		err := once(ctx, c, f)
		if err == nil || n == attempts || !errors.Is(err, query.ErrConflict) {
			return err
		}
		select {
		case <-time.After(time.Duration(n) * pause):
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

func once(ctx context.Context, c tiers.Statements, f func() error) error {
	if _, err := c.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		if _, err = c.Exec(ctx, "COMMIT"); err == nil {
			return nil
		}
	}
	// After a failed COMMIT there is no transaction left to undo.
	_, _ = c.Exec(context.WithoutCancel(ctx), "ROLLBACK")
	return err
}

func qualified(table string) string { return "analytics.main." + quote.Ident(table) }
