package duckdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb/syntax"
	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
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
	conn      *Conn
	parser    *Parser
	checker   query.Checker
	name      string // of the session's database
	inputs    []string
	listed    []query.Want               // analytics tables that SHOW TABLES names
	unseen    map[string]query.TableView // by lower-case name: no statement has read them yet
	fill      func(context.Context, string) (query.TableView, error)
	at        func(context.Context, string, query.Version) (query.TableView, error)
	pins      []pinned     // by the number in the name of their view
	remote    query.Remote // nil: the analytics tier is attached
	lookups   *extracts
	templates *templates
	taken     []string // files of extracts that the views read
	opts      query.Options

	memory, spill int64 // of the engine, for errors
}

// Open creates a session over a view.
func (e *Engine) Open(ctx context.Context, v query.View, o query.Options) (query.Session, error) {
	c, n, err := e.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &Session{conn: c, parser: e.parser, checker: e.opts.Checker, remote: e.opts.Remote, lookups: e.lookups,
		templates: e.templates, name: fmt.Sprintf("s%d", n), opts: o,
		memory: orDefault(e.opts.MemoryLimit, defaultMemory), spill: orDefault(e.opts.MaxSpill, defaultSpill)}
	if err := s.setup(ctx, v); err != nil {
		return nil, errors.Join(fmt.Errorf("open session: %w", err), s.Close())
	}
	return s, nil
}

func (s *Session) setup(ctx context.Context, v query.View) error {
	db := quote.Ident(s.name)
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
	s.unseen, s.fill, s.at = map[string]query.TableView{}, v.Fill, v.At
	for _, t := range v.Tables {
		s.unseen["lake."+strings.ToLower(t.Name)] = t
		s.inputs = append(s.inputs, "lake."+t.Name)
	}
	if s.remote != nil {
		if _, err := s.conn.Exec(ctx, "CREATE SCHEMA "+db+".analytics"); err != nil {
			return err
		}
	}
	if !s.opts.Trusted {
		s.listed = v.Analytics
		return nil // each when a statement reads it
	}
	if err := s.show(ctx, slices.Sorted(maps.Keys(s.unseen)), nil); err != nil {
		return err
	}
	_, err := s.fetch(ctx, v.Analytics)
	return err
}

// showWithin is show, bounded by the time limit of statements.
func (s *Session) showWithin(ctx context.Context, r reads) error {
	ctx, cancel := s.limits().bound(ctx)
	defer cancel()
	if err := s.show(ctx, r.tables, r.tree); err != nil {
		return err
	}
	return s.fetchFor(ctx, r)
}

// show makes the views of tables that the session has not read yet. A view can
// be narrowed to what the statement (nil: any) can need of it; then the next
// statement gets a view of its own.
func (s *Session) show(ctx context.Context, tables []string, statement *syntax.Statement) error {
	for _, name := range tables {
		t, ok := s.unseen[name]
		if !ok {
			continue
		}
		v, err := s.verify(ctx, t)
		if err != nil {
			return err
		}
		want := required(statement, t)
		parts := narrowed(v.table, want)
		narrow := parts != nil
		if narrow {
			if parts, err = s.extract(ctx, parts, want); err != nil {
				return fmt.Errorf("look up in lake.%s: %w", t.Name, err)
			}
		}
		if parts, err = s.named(ctx, v.table, parts); err != nil {
			return err
		}
		sel, err := tableSelect(v, parts)
		if err != nil {
			return err
		}
		if _, err := s.conn.Exec(ctx, "CREATE OR REPLACE VIEW lake."+quote.Ident(t.Name)+" AS "+sel); err != nil {
			return fmt.Errorf("view of lake.%s: %w", t.Name, err)
		}
		if !narrow {
			delete(s.unseen, name)
		}
	}
	return nil
}

// extract takes the pages that a statement needs out of the parts' files.
func (s *Session) extract(ctx context.Context, parts []part, want []equality) ([]part, error) {
	parts, made, err := s.lookups.extract(ctx, parts, want)
	s.taken = append(s.taken, made...)
	return parts, err
}

// verified is a table whose files have been checked. Only verify makes one, and
// a view is made of nothing else.
type verified struct{ table query.TableView }

// verify leaves out what is damaged, or fails.
func (s *Session) verify(ctx context.Context, t query.TableView) (verified, error) {
	if t.Problem != nil {
		return verified{}, t.Problem
	}
	table := t.Name
	if p, ok := s.pinOf(t.Name); ok {
		full, err := s.at(ctx, p.table, p.at)
		if full.Name = t.Name; err != nil || s.fill != nil {
			return verified{full}, err
		}
		t, table = full, p.table
	} else if s.fill != nil {
		full, err := s.fill(ctx, t.Name)
		return verified{full}, err
	}
	if s.checker == nil {
		return verified{t}, nil
	}
	bad, err := s.checker.Check(ctx, table, t.Files)
	switch {
	case err != nil:
		return verified{}, err
	case len(bad) == 0:
		return verified{t}, nil
	case s.opts.OnDamage == nil:
		return verified{}, &tiers.DamageError{Files: bad}
	}
	s.opts.OnDamage(bad)
	out := make(map[string]bool, len(bad))
	for _, d := range bad {
		out[d.Path] = true
	}
	t.Files = slices.DeleteFunc(slices.Clone(t.Files), func(f tiers.DataFile) bool { return out[f.Path] })
	return verified{t}, nil
}

func (s *Session) limits() limits {
	return limits{maxRows: s.opts.MaxRows, maxBytes: s.opts.MaxBytes, timeout: s.opts.Timeout, redact: !s.opts.Trusted,
		memory: s.memory, spill: s.spill}
}

// Query implements query.Session. Only one result is open at a time.
func (s *Session) Query(ctx context.Context, sql string, args ...any) (array.RecordReader, error) {
	if s.opts.Trusted {
		return s.answer(s.conn.query(ctx, sql, s.limits(), args))
	}
	if tier, ok := s.parser.listing(sql); ok {
		return s.answer(s.list(ctx, tier, args))
	}
	sql, explained, err := bareOfExplain(sql)
	if err != nil {
		return nil, err
	}
	reads, err := s.parser.confineSelect(sql, s.inputs, s.at != nil)
	if s.opts.OnTables != nil && len(reads.named) > 0 {
		s.opts.OnTables(reads.named)
	}
	if err == nil && len(reads.pinned) > 0 {
		var views []string
		if sql, views, err = s.pin(sql, reads.pinned); err == nil {
			reads, err = s.parser.confineSelect(sql, slices.Concat(s.inputs, views), false)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := s.forget(); err != nil {
		return nil, err
	}
	if err := s.showWithin(ctx, reads); err != nil {
		return nil, withoutPaths(s.limits().beyond(err))
	}
	if explained {
		return s.answer(s.explain(ctx, sql, args))
	}
	return s.answer(s.conn.query(ctx, sql, s.limits(), args))
}

// answer is a result, or an error as the session's caller may see it.
func (s *Session) answer(r array.RecordReader, err error) (array.RecordReader, error) {
	if err = s.limits().beyond(err); err != nil {
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
	n, err := s.conn.Exec(ctx, sql, args...)
	return n, s.limits().beyond(err)
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

// forget removes the extracts of the last statement, whose views are replaced.
func (s *Session) forget() error {
	taken := s.taken
	s.taken = nil
	return s.lookups.release(taken)
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
		_, err = s.conn.Exec(ctx, "DETACH DATABASE IF EXISTS "+quote.Ident(s.name))
	}
	return errors.Join(err, s.conn.Close(), s.forget())
}
