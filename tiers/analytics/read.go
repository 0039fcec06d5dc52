package analytics

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/quote"
	"github.com/lakeward/lakeward/tiers"
)

var _ query.Remote = (*Sink)(nil)

// Read implements query.Remote, for engines that do not have the catalog.
func (s *Sink) Read(ctx context.Context, wants []query.Want, each func(string, array.RecordReader) error) error {
	err := s.connected(ctx, func(c query.Conn) (err error) {
		if _, err := c.Exec(ctx, "BEGIN"); err != nil { // all tables at one moment
			return err
		}
		defer func() {
			if _, rerr := c.Exec(context.WithoutCancel(ctx), "ROLLBACK"); err == nil {
				err = rerr
			}
		}()
		names, err := texts(ctx, c, listTables)
		if err != nil {
			return err
		}
		left := s.readLimit
		for _, w := range wants {
			at := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, w.Table) })
			if at < 0 {
				continue
			}
			if err := s.readTable(ctx, c, names[at], w, &left, each); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the analytics tier: %w", err)
	}
	return nil
}

func (s *Sink) readTable(ctx context.Context, c query.Conn, name string, w query.Want, left *int64,
	each func(string, array.RecordReader) error) error {
	t, err := columnsOf(ctx, c, name)
	if err != nil {
		return err
	}
	sql, args := selectOf(t, w)
	r, err := c.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer r.Release()
	m := &measured{RecordReader: r, left: left, unlimited: s.readLimit <= 0}
	err = each(t.name, m)
	if m.over {
		return fmt.Errorf("%w: analytics.%s and the other analytics tables of the statement are over %d MiB. Name the "+
			"columns that it needs instead of *, compare time with a constant, or raise analytics.read_limit",
			query.ErrTooMuch, t.name, max(1, s.readLimit>>20))
	}
	return err
}

// measured ends when more has been read than is left of the limit.
type measured struct {
	array.RecordReader
	left      *int64
	unlimited bool
	over      bool
}

// Next implements array.RecordReader.
func (m *measured) Next() bool {
	if m.over || !m.RecordReader.Next() {
		return false
	}
	*m.left -= bytesOf(m.RecordBatch())
	m.over = *m.left < 0 && !m.unlimited
	return !m.over
}

// Err implements array.RecordReader.
func (m *measured) Err() error {
	if m.over {
		return query.ErrTooMuch
	}
	return m.RecordReader.Err()
}

func bytesOf(rec arrow.RecordBatch) (n int64) {
	for _, c := range rec.Columns() {
		n += int64(c.Data().SizeInBytes())
	}
	return n
}

// selectOf is the statement of what is wanted, or of more.
func selectOf(t *table, w query.Want) (sql string, args []any) {
	var exprs []string
	for _, c := range t.columns {
		if w.Columns == nil || slices.ContainsFunc(w.Columns, func(n string) bool { return strings.EqualFold(n, c.name) }) {
			exprs = append(exprs, quote.Ident(c.name))
		}
	}
	if len(exprs) == 0 && len(t.columns) > 0 { // only counted
		exprs = []string{"true AS " + quote.Ident(t.columns[0].name)}
	}
	var ands []string
	if within := spansOf(t, w.Times, &args); within != "" {
		ands = append(ands, within)
	}
	for _, c := range w.Where {
		if conditionHolds(t, c) {
			ands = append(ands, quote.Ident(c.Column)+" "+c.Op+" ?")
			args = append(args, c.Value)
		}
	}
	sql = "SELECT " + strings.Join(exprs, ", ") + " FROM " + qualified(t.name)
	if len(ands) > 0 {
		sql += " WHERE " + strings.Join(ands, " AND ")
	}
	return sql, args
}

// spansOf is empty if every row is wanted.
func spansOf(t *table, spans []query.Span, args *[]any) string {
	col, ok := t.column(tiers.ColTime)
	if len(spans) == 0 || !ok || col.kind() != tiers.KindTimestamp {
		return ""
	}
	var ors []string
	for _, s := range spans {
		var ands []string
		if !s.From.IsZero() {
			ands, *args = append(ands, quote.Ident(col.name)+" >= ?"), append(*args, s.From)
		}
		if !s.To.IsZero() {
			ands, *args = append(ands, quote.Ident(col.name)+" < ?"), append(*args, s.To)
		}
		if len(ands) == 0 {
			ands = []string{"true"}
		}
		ors = append(ors, strings.Join(ands, " AND "))
	}
	return "(" + strings.Join(ors, " OR ") + ")"
}

// conditionHolds reports whether the comparison means here what it means in
// the statement: the types are the same, so that nothing is cast.
func conditionHolds(t *table, c query.Condition) bool {
	col, ok := t.column(c.Column)
	if !ok || !slices.Contains([]string{"=", "<", "<=", ">", ">="}, c.Op) {
		return false
	}
	switch c.Value.(type) {
	case string:
		return col.kind() == tiers.KindString
	case int64:
		return col.kind() == tiers.KindLong
	default:
		return col.kind() == tiers.KindTimestamp
	}
}
