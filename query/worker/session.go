package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

var (
	_ query.Session = (*session)(nil)
	_ query.Loader  = (*session)(nil)
)

const (
	moreQuestions = 16       // of one request, beside one for each table of the view
	formMost      = 32 << 20 // bytes of a frame beside the values
)

// session is a query.Session that runs in a worker. The worker asks for what it
// needs of the lake and of the remote tier, and session answers.
type session struct {
	*client
	e      *Engine
	view   query.View
	o      query.Options
	closed bool
}

// Open implements query.Engine.
func (e *Engine) Open(ctx context.Context, v query.View, o query.Options) (query.Session, error) {
	c, err := e.p.client()
	if err != nil {
		return nil, err
	}
	s := &session{client: c, e: e, view: v, o: o}
	c.timeout, c.asked, c.named = o.Timeout, s.asked, o.OnTables
	c.maxRows, c.maxBytes, c.questions = o.MaxRows, o.MaxBytes, len(v.Tables)+moreQuestions
	if o.MaxBytes > 0 {
		c.ch.bound(int(min(o.MaxBytes, mostFrame)) + formMost)
	}
	wants, err := wantsOf(v.Analytics)
	if err != nil {
		c.ch.close()
		return nil, err
	}
	out := &view{Versions: v.At != nil, Analytics: wants, Trusted: o.Trusted, MaxRows: o.MaxRows, MaxBytes: o.MaxBytes,
		Timeout: o.Timeout}
	for _, t := range v.Tables {
		out.Tables = append(out.Tables, t.Name)
	}
	if _, err := c.do(ctx, request{Op: opSession, Engine: e.number, View: out}, o.Timeout); err != nil {
		c.ch.close()
		return nil, err
	}
	return s, nil
}

// Close implements query.Session.
func (s *session) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return s.client.Close()
}

// asked answers a question of the worker. An error ends the channel.
func (s *session) asked(ctx context.Context, q question) error {
	if q.Table == "" {
		return s.read(ctx, q.Read)
	}
	if s.named != nil { // whatever the worker says of the statement
		s.named([]string{"lake." + strings.ToLower(q.Table)})
	}
	t, err := s.table(ctx, q)
	a := answer{Schema: t.Schema, Snapshot: t.Snapshot, Error: toWire(err)}
	data, jerr := json.Marshal(a)
	if jerr != nil {
		return fmt.Errorf("encode lake.%s: %w", q.Table, jerr)
	}
	s.answer = errors.Join(err, s.answer)
	return s.ch.send(kindAnswer, appendFiles(append(data, '\n'), t.Files))
}

// table returns a table of the view without its damaged files.
func (s *session) table(ctx context.Context, q question) (query.TableView, error) {
	at := slices.IndexFunc(s.view.Tables, func(t query.TableView) bool { return t.Name == q.Table })
	if at < 0 || q.At != nil && s.view.At == nil {
		return query.TableView{}, fmt.Errorf("%w: lake.%s is not among the tables", query.ErrRefused, q.Table)
	}
	t := s.view.Tables[at]
	if t.Problem != nil {
		return query.TableView{}, t.Problem
	}
	if q.At != nil {
		var err error
		if t, err = s.view.At(ctx, q.Table, *q.At); err != nil {
			return t, err
		}
	}
	if s.view.Fill != nil {
		if q.At != nil {
			return t, nil
		}
		return s.view.Fill(ctx, q.Table)
	}
	if s.e.o.Checker == nil {
		return t, nil
	}
	bad, err := s.e.o.Checker.Check(ctx, t.Name, t.Files)
	switch {
	case err != nil || len(bad) == 0:
		return t, err
	case s.o.OnDamage == nil:
		return query.TableView{}, &tiers.DamageError{Files: bad}
	}
	s.o.OnDamage(bad)
	t.Files = slices.DeleteFunc(slices.Clone(t.Files), func(f tiers.DataFile) bool {
		return slices.ContainsFunc(bad, func(d tiers.Damage) bool { return d.Path == f.Path })
	})
	return t, nil
}

// read sends what is wanted of the remote tier, and then how that went.
func (s *session) read(ctx context.Context, wants []want) error {
	var list []query.Want
	for _, w := range wants {
		v, err := w.value()
		if err != nil {
			return fmt.Errorf("%w: %w", errFrame, err)
		}
		list = append(list, v)
		if s.named != nil {
			s.named([]string{"analytics." + strings.ToLower(v.Table)})
		}
	}
	err := errors.New("there is no other analytics tier")
	if s.e.o.Remote != nil {
		err = s.e.o.Remote.Read(ctx, list, func(table string, rows array.RecordReader) error {
			schema, err := schemaBytes(rows.Schema())
			if err != nil {
				return err
			}
			if err := s.ch.sendJSON(kindTable, reply{Names: []string{table}, Schema: schema}); err != nil {
				return err
			}
			return s.sendRows(ctx, rows)
		})
	}
	if errors.Is(err, errUnwanted) {
		err = nil // the worker knows why
	}
	s.answer = errors.Join(err, s.answer)
	return s.ch.sendJSON(kindAnswer, reply{Error: toWire(err)})
}
