package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/jackc/pgx/v5"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

// snapshot runs f in a transaction that sees one moment and changes nothing.
func (s *Sink) snapshot(ctx context.Context, f func(pgx.Tx) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	err = f(tx)
	if rerr := tx.Rollback(context.WithoutCancel(ctx)); err == nil && rerr != nil && !errors.Is(rerr, pgx.ErrTxClosed) {
		s.log.Debug("end a reading transaction", "error", rerr) // everything was read
	}
	if err != nil && conn.Conn().IsClosed() && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// Read implements query.Remote.
func (s *Sink) Read(ctx context.Context, wants []query.Want, each func(string, array.RecordReader) error) error {
	err := s.again(ctx, readPatience, func() error {
		return s.snapshot(ctx, func(tx pgx.Tx) error {
			all, err := list(ctx, tx)
			if err != nil {
				return err
			}
			left := s.readLimit
			for _, w := range wants {
				t := among(all, w.Table)
				if t == nil {
					continue
				}
				if err := s.readTable(ctx, tx, t, w, &left, each); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("read the analytics tier: %w", err)
	}
	return nil
}

func (s *Sink) readTable(ctx context.Context, tx pgx.Tx, t *table, w query.Want, left *int64,
	each func(string, array.RecordReader) error) error {
	sql, args, cols := selectOf(t, w)
	rows, err := tx.Query(ctx, sql, args...) //nolint:sqlclosecheck // the reader closes them
	if err != nil {
		return err
	}
	r := newReader(rows, schemaOf(cols), left, rows.Close)
	defer r.Release()
	err = each(t.name, r)
	if r.over {
		return fmt.Errorf("%w: analytics.%s and the other analytics tables of the statement are over %d MiB. Name the "+
			"columns that it needs instead of *, compare time with a constant, ask PostgreSQL itself (psql), or raise "+
			"analytics.read_limit",
			query.ErrTooMuch, t.name, max(1, s.readLimit>>20))
	}
	return err
}

// selectOf is the statement of what is wanted, or of more.
func selectOf(t *table, w query.Want) (sql string, args []any, cols []column) {
	var exprs []string
	for _, c := range t.columns {
		if w.Columns != nil && !slices.ContainsFunc(w.Columns, func(n string) bool { return strings.EqualFold(n, c.name) }) {
			continue
		}
		e := quote.Ident(c.name)
		switch k := kindOf(c.typ); {
		case k == tiers.KindString && c.typ != typeText:
			e += "::text"
		case k == tiers.KindDouble && c.typ != typeDouble:
			e += "::double precision"
		}
		exprs, cols = append(exprs, e), append(cols, c)
	}
	if len(cols) == 0 && len(t.columns) > 0 { // only counted
		exprs, cols = []string{"true"}, []column{{t.columns[0].name, typeBool}}
	}
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	sql = "SELECT " + strings.Join(exprs, ", ") + " FROM " + qualified(t.name)
	var ands []string
	if within := spansOf(t, w.Times, arg); within != "" {
		ands = append(ands, within)
	}
	for _, c := range w.Where {
		if cond := conditionOf(t, c, arg); cond != "" {
			ands = append(ands, cond)
		}
	}
	if len(ands) > 0 {
		sql += " WHERE " + strings.Join(ands, " AND ")
	}
	return sql, args, cols
}

// spansOf is empty if every row is wanted.
func spansOf(t *table, spans []query.Span, arg func(any) string) string {
	at := find(t.columns, tiers.ColTime)
	if len(spans) == 0 || at < 0 || t.columns[at].typ != typeTime {
		return ""
	}
	var ors []string
	for _, s := range spans {
		var ands []string
		if !s.From.IsZero() {
			ands = append(ands, quote.Ident(t.columns[at].name)+" >= "+arg(s.From))
		}
		if !s.To.IsZero() {
			ands = append(ands, quote.Ident(t.columns[at].name)+" < "+arg(s.To))
		}
		if len(ands) == 0 {
			return "true"
		}
		ors = append(ors, strings.Join(ands, " AND "))
	}
	return "(" + strings.Join(ors, " OR ") + ")"
}

// conditionOf is empty where the engine might compare in another way: texts in
// order, numbers with texts.
func conditionOf(t *table, c query.Condition, arg func(any) string) string {
	at := find(t.columns, c.Column)
	if at < 0 || !slices.Contains([]string{"=", "<", "<=", ">", ">="}, c.Op) {
		return ""
	}
	col := t.columns[at]
	var same bool
	switch v := c.Value.(type) {
	case string:
		same = col.typ == typeText && c.Op == "=" && strings.IndexByte(v, 0) < 0
	case int64:
		same = col.typ == typeLong
	default:
		same = col.typ == typeTime
	}
	if !same {
		return ""
	}
	return quote.Ident(col.name) + " " + c.Op + " " + arg(c.Value)
}

// Query implements tiers.RemoteSink.
func (s *Sink) Query(ctx context.Context, sql string, args ...any) (array.RecordReader, error) {
	var r *reader
	err := s.again(ctx, readPatience, func() (err error) {
		r, err = s.query(ctx, numbered(sql), args)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the analytics tier: %w", err)
	}
	return r, nil
}

func (s *Sink) query(ctx context.Context, sql string, args []any) (*reader, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, sql, args...)
	if err == nil {
		// The first batch is read here, where a stale connection is replaced.
		r := newReader(rows, schemaOfRows(rows), nil, func() {
			rows.Close()
			conn.Release()
		})
		if r.fill(); r.err == nil {
			return r, nil
		}
		err = r.err
		if conn.Conn().IsClosed() && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", errLost, err)
		}
		r.Release()
		return nil, err
	}
	conn.Release()
	return nil, err
}

// numbered writes ? as $1, $2, ...; a statement of ours holds it nowhere else.
func numbered(sql string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		head, tail, more := strings.Cut(sql, "?")
		b.WriteString(head)
		if !more {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		sql = tail
	}
}
