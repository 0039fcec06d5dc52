package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// Row is one row as JSON would hold it. Times are RFC 3339 in UTC.
type Row = map[string]any

// queryRows reads at most limit rows of a small result (0: all).
func queryRows(ctx context.Context, s query.Session, limit int, sql string, args ...any) ([]Row, error) {
	r, err := s.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return readRows(r, limit)
}

// ask runs a SELECT on the analytics tier alone: in its server if it has one,
// or in a session.
func (r *Runner) ask(ctx context.Context, limit int, sql string, args ...any) ([]Row, error) {
	if remote, ok := r.o.Sinks.Analytics.(tiers.RemoteSink); ok {
		rows, err := remote.Query(ctx, sql, args...)
		if err != nil {
			return nil, err
		}
		return readRows(rows, limit)
	}
	s, err := r.o.Engine.Open(ctx, query.View{}, query.Options{Trusted: true})
	if err != nil {
		return nil, err
	}
	defer r.closing(s)
	return queryRows(ctx, s, limit, sql, args...)
}

// readRows reads at most limit rows (0: all), and releases the reader.
func readRows(r array.RecordReader, limit int) ([]Row, error) {
	defer r.Release()
	var out []Row
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			if limit > 0 && len(out) >= limit {
				return out, nil
			}
			row := make(Row, rec.NumCols())
			for c, f := range rec.Schema().Fields() {
				row[f.Name] = cell(rec.Column(c), i)
			}
			out = append(out, row)
		}
	}
	return out, r.Err()
}

func cell(col arrow.Array, i int) any {
	if col.IsNull(i) {
		return nil
	}
	switch a := col.(type) {
	case *array.Timestamp:
		unit := a.DataType().(*arrow.TimestampType).Unit
		return a.Value(i).ToTime(unit).UTC().Format(time.RFC3339Nano)
	case *array.Int64:
		return a.Value(i)
	case *array.Int32:
		return int64(a.Value(i))
	case *array.Float64:
		return a.Value(i)
	case *array.String:
		return a.Value(i)
	case *array.Boolean:
		return a.Value(i)
	default:
		return col.GetOneForMarshal(i)
	}
}

func text(r Row, name string) string {
	switch v := r[name].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

func integer(r Row, name string) int64 {
	switch v := r[name].(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	default:
		return 0
	}
}

func moment(r Row, name string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text(r, name))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// count is the number of rows of a table expression.
func count(ctx context.Context, s query.Session, from string, args ...any) (int64, error) {
	rows, err := queryRows(ctx, s, 1, "SELECT count(*)::BIGINT AS n FROM "+from, args...)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return integer(rows[0], "n"), nil
}
