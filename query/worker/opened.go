package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
)

func (s *server) openEngine(ctx context.Context, req request) (int64, error) {
	if req.Options == nil || s.engine != 0 {
		return 0, fmt.Errorf("%w: an engine without options, or twice", errFrame)
	}
	o := req.Options.duckdb(s.h.log)
	if req.Options.Remote {
		o.Remote = remote{}
	}
	e, err := duckdb.Open(ctx, o)
	if err != nil {
		return 0, err
	}
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.h.last++
	s.engine = s.h.last
	s.h.engines[s.engine] = e
	return s.engine, nil
}

func (s *server) open(ctx context.Context, req request) error {
	e, err := s.h.engine(req.Engine)
	if err != nil {
		return err
	}
	if s.session != nil || s.conn != nil {
		return fmt.Errorf("%w: a session in a session", errFrame)
	}
	if req.Op == opConn {
		s.conn, err = e.Connect(ctx)
		return err
	}
	if req.View == nil {
		return fmt.Errorf("%w: a session without a view", errFrame)
	}
	v := query.View{Fill: s.fill}
	if req.View.Versions {
		v.At = s.fillAt
	}
	for _, t := range req.View.Tables {
		v.Tables = append(v.Tables, query.TableView{Name: t})
	}
	for _, w := range req.View.Analytics {
		value, err := w.value()
		if err != nil {
			return err
		}
		v.Analytics = append(v.Analytics, value)
	}
	s.session, err = e.Open(ctx, v, query.Options{Trusted: req.View.Trusted, MaxRows: req.View.MaxRows,
		MaxBytes: req.View.MaxBytes, Timeout: req.View.Timeout,
		OnTables: func(names []string) { s.names = names }})
	return err
}

func (s *server) statement(req request) (statements, []any, error) {
	args, err := valuesOf(req.Args)
	switch {
	case err != nil:
		return nil, nil, err
	case s.session != nil:
		return s.session, args, nil
	case s.conn != nil:
		return s.conn, args, nil
	}
	return nil, nil, fmt.Errorf("%w: a statement without a session", errFrame)
}

// end closes what the channel has opened and returns the errors of that.
func (s *server) end() error {
	var errs []error
	if s.session != nil {
		errs = append(errs, s.session.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	s.session, s.conn = nil, nil
	if s.engine != 0 {
		errs = append(errs, s.closeEngine())
	}
	return errors.Join(errs...)
}

// query replies when the statement has its first rows, then sends the rows.
func (s *server) query(ctx context.Context, req request) error {
	stop := s.progress()
	defer stop()
	s.names = nil
	c, args, err := s.statement(req)
	var rows array.RecordReader
	if err == nil {
		rows, err = c.Query(ctx, req.SQL, args...)
	}
	if err != nil {
		return s.ch.sendJSON(kindReply, reply{Of: req.Number, Names: s.names, Error: toWire(err)})
	}
	defer rows.Release()
	columns, err := columnsOf(rows.Schema())
	if err != nil {
		return s.ch.sendJSON(kindReply, reply{Of: req.Number, Names: s.names, Error: toWire(err)})
	}
	if err := s.ch.sendJSON(kindReply, reply{Of: req.Number, Names: s.names, Columns: columns}); err != nil {
		return err
	}
	err = newRowWriter(s.ch, rows.Schema(), ctx.Err).all(rows)
	if err != nil && over(err) {
		return err
	}
	stop() // nothing comes after the end
	return s.ch.sendJSON(kindEnd, reply{Of: req.Number, Error: toWire(err)})
}

// progress reports the progress of the session's statement until the returned
// function is called.
func (s *server) progress() (stop func()) {
	if s.session == nil {
		return func() {}
	}
	return query.Report(s.session, progressEvery, func(p query.Progress) {
		_ = s.ch.sendJSON(kindProgress, p) // if the channel has ended, the statement hears of it
	})
}
