package duckdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
)

var (
	_ query.Engine   = (*Engine)(nil)
	_ query.Confiner = (*Engine)(nil)
	_ query.Session  = (*Session)(nil)
	_ query.Loader   = (*Session)(nil)
)

// Session is one connection whose default database is its own, in memory, and
// holds the views of one query.View. It implements query.Session.
type Session struct {
	conn   *Conn
	parser *Parser
	name   string // of the session's database
	inputs []string
	opts   query.Options
}

// Open creates a session over a view.
func (e *Engine) Open(ctx context.Context, v query.View, o query.Options) (query.Session, error) {
	n, err := e.acquire()
	if err != nil {
		return nil, err
	}
	c, err := newConn(e.db, e.open.Done)
	if err != nil {
		e.open.Done()
		return nil, err
	}
	s := &Session{conn: c, parser: e.parser, name: fmt.Sprintf("s%d", n), opts: o}
	if err := s.setup(ctx, v); err != nil {
		return nil, errors.Join(fmt.Errorf("open session: %w", err), s.Close())
	}
	return s, nil
}

func (s *Session) setup(ctx context.Context, v query.View) error {
	db := quoteIdent(s.name)
	for _, sql := range []string{
		"ATTACH ':memory:' AS " + db,
		"CREATE SCHEMA " + db + ".lake",
		"USE " + db,
	} {
		if _, err := s.conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	s.inputs = []string{"analytics.*"}
	for _, t := range v.Tables {
		sel, err := tableSelect(t)
		if err != nil {
			return err
		}
		if _, err := s.conn.Exec(ctx, "CREATE VIEW lake."+quoteIdent(t.Name)+" AS "+sel); err != nil {
			return fmt.Errorf("view of lake.%s: %w", t.Name, err)
		}
		s.inputs = append(s.inputs, "lake."+t.Name)
	}
	return nil
}

func (s *Session) limits() limits {
	return limits{maxRows: s.opts.MaxRows, timeout: s.opts.Timeout, redact: !s.opts.Trusted}
}

// Query implements query.Session. Only one result is open at a time.
func (s *Session) Query(ctx context.Context, sql string, args ...any) (array.RecordReader, error) {
	if !s.opts.Trusted {
		if err := s.parser.ConfineSelect(sql, s.inputs); err != nil {
			return nil, err
		}
	}
	r, err := s.conn.query(ctx, sql, s.limits(), args)
	if err != nil {
		if !s.opts.Trusted {
			err = withoutPaths(err)
		}
		return nil, err
	}
	return r, nil
}

// Exec implements query.Session.
func (s *Session) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if !s.opts.Trusted {
		return 0, fmt.Errorf("%w: this session only reads", query.ErrRefused)
	}
	ctx, cancel := s.limits().bound(ctx)
	defer cancel()
	return s.conn.Exec(ctx, sql, args...)
}

// Load implements query.Loader.
func (s *Session) Load(ctx context.Context, table string, rows array.RecordReader) (int64, error) {
	if !s.opts.Trusted {
		return 0, fmt.Errorf("%w: this session only reads", query.ErrRefused)
	}
	return s.conn.Load(ctx, table, rows)
}

// Progress implements query.Session.
func (s *Session) Progress() query.Progress {
	f, rows, elapsed := s.conn.progress()
	return query.Progress{Fraction: f, Rows: rows, Elapsed: elapsed}
}

// Close implements query.Session. It drops what the session created.
func (s *Session) Close() error {
	if s.conn.raw.Ptr == nil {
		return nil
	}
	if s.conn.reader != nil {
		s.conn.reader.finish()
	}
	// The session may be inside a transaction, whose outcome is to be undone.
	ctx := context.Background()
	_, _ = s.conn.Exec(ctx, "ROLLBACK")
	_, err := s.conn.Exec(ctx, "USE memory")
	if err == nil {
		_, err = s.conn.Exec(ctx, "DETACH DATABASE IF EXISTS "+quoteIdent(s.name))
	}
	return errors.Join(err, s.conn.Close())
}
