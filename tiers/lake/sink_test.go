package lake

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go/table"

	"github.com/lakeward/lakeward/tiers/tierstest"
)

func TestSinkConformance(t *testing.T) {
	testSink(t, func(t *testing.T) string { return filepath.Join(t.TempDir(), "catalog.db") })
}

func testSink(t *testing.T, catalog func(t *testing.T) string) {
	tierstest.TestSink(t, func(t *testing.T) tierstest.SinkUnderTest {
		fail := false
		l, err := Open(t.Context(), Options{Warehouse: filepath.Join(t.TempDir(), "lake"), Catalog: catalog(t),
			CatalogFault: func(s Step) error {
				if fail && s == StepUpdate {
					fail = false
					return errors.New("injected")
				}
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		return tierstest.SinkUnderTest{Sink: NewSink(l), Fail: func() { fail = true },
			Read: func(ctx context.Context, name string, columns ...string) ([][]any, error) {
				return scan(ctx, l, name, columns)
			}}
	})
}

// scan reads a table with iceberg-go's own reader: by field id, through the
// metadata, as another engine would.
func scan(ctx context.Context, l *Lake, name string, columns []string) ([][]any, error) {
	v, err := l.version(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	tbl := table.New(table.Identifier{Namespace, name}, v.meta, v.location, l.io.load, nil)
	_, recs, err := tbl.Scan(table.WithSelectedFields(columns...)).ToArrowRecords(ctx)
	if err != nil {
		return nil, err
	}
	rows := [][]any{}
	for rec, err := range recs {
		if err != nil {
			return nil, err
		}
		for i := range int(rec.NumRows()) {
			row := make([]any, len(columns))
			for c, name := range columns {
				at := rec.Schema().FieldIndices(name)
				if len(at) == 0 {
					return nil, errors.New("no column " + name)
				}
				row[c] = cell(rec.Column(at[0]), i)
			}
			rows = append(rows, row)
		}
		rec.Release()
	}
	return rows, nil
}

func cell(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(i)
	case *array.Int64:
		return a.Value(i)
	case *array.Float64:
		return a.Value(i)
	case *array.String:
		return a.Value(i)
	case *array.Decimal128:
		return a.Value(i).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
	case *array.LargeString:
		return a.Value(i)
	case *array.Timestamp:
		return time.UnixMicro(int64(a.Value(i))).UTC()
	}
	return a.ValueStr(i)
}
