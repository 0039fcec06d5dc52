package analytics

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

func openAt(t *testing.T, path string) (*duckdb.Engine, *Sink) {
	t.Helper()
	e, err := duckdb.Open(t.Context(), duckdb.Options{AnalyticsPath: path, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return e, s
}

func TestSinkConformance(t *testing.T) {
	tierstest.TestSink(t, func(t *testing.T) tierstest.SinkUnderTest {
		e, s := openAt(t, filepath.Join(t.TempDir(), "a.duckdb"))
		return tierstest.SinkUnderTest{Sink: s,
			Read: func(ctx context.Context, table string, columns ...string) ([][]any, error) {
				return read(ctx, e, table, columns)
			}}
	})
}

// localSink writes as a run does whose rows are in a session of the engine.
type localSink struct {
	*Sink
	e    *duckdb.Engine
	kind string // TABLE or VIEW
}

func (l localSink) Write(ctx context.Context, w tiers.Write) (tiers.WriteResult, error) {
	s, err := l.e.Open(ctx, query.View{}, query.Options{Trusted: true})
	if err != nil {
		return tiers.WriteResult{}, err
	}
	defer s.Close()
	if _, err := s.(query.Loader).Load(ctx, "step.rows", w.Rows); err != nil {
		return tiers.WriteResult{}, err
	}
	if _, err := s.Exec(ctx, `CREATE TEMP `+l.kind+` "a step" AS FROM "step.rows"`); err != nil {
		return tiers.WriteResult{}, err
	}
	w.Rows = nil
	return l.WriteFrom(ctx, s, "a step", w)
}

func TestLocalSinkConformance(t *testing.T) {
	for _, kind := range []string{"TABLE", "VIEW"} {
		t.Run(kind, func(t *testing.T) {
			tierstest.TestSink(t, func(t *testing.T) tierstest.SinkUnderTest {
				e, s := openAt(t, filepath.Join(t.TempDir(), "a.duckdb"))
				return tierstest.SinkUnderTest{Sink: localSink{s, e, kind},
					Read: func(ctx context.Context, table string, columns ...string) ([][]any, error) {
						return read(ctx, e, table, columns)
					}}
			})
		})
	}
}

// read sees the table as a reader of the tier does.
func read(ctx context.Context, e *duckdb.Engine, table string, columns []string) ([][]any, error) {
	s, err := e.Open(ctx, query.View{}, query.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	r, err := s.Query(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM analytics."+table)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	var out [][]any
	for r.Next() {
		for i := range int(r.RecordBatch().NumRows()) {
			var row []any
			for _, col := range r.RecordBatch().Columns() {
				row = append(row, value(col, i))
			}
			out = append(out, row)
		}
	}
	return out, r.Err()
}

func value(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch t := a.(type) {
	case *array.Boolean:
		return t.Value(i)
	case *array.Int64:
		return t.Value(i)
	case *array.Float64:
		return t.Value(i)
	case *array.String:
		return strings.Clone(t.Value(i))
	case *array.Decimal128:
		return t.Value(i).ToString(t.DataType().(*arrow.Decimal128Type).Scale)
	case *array.Timestamp:
		return time.UnixMicro(int64(t.Value(i))).UTC()
	}
	return a.ValueStr(i)
}

func TestNestedColumnsGrow(t *testing.T) {
	e, s := openAt(t, filepath.Join(t.TempDir(), "a.duckdb"))
	str, long := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64
	for i, step := range []struct {
		user arrow.DataType
		json string
	}{
		{arrow.StructOf(tierstest.Nullable("name", str)), `[{"user": {"name": "ada"}, "l": [{"a": 1}]}]`},
		{arrow.StructOf(tierstest.Nullable("uid", long), tierstest.Nullable("name", str)),
			`[{"user": {"name": "bob", "uid": 7}, "l": []}]`},
		{arrow.StructOf(tierstest.Nullable("name", str)), `[{"user": {"name": "cy"}, "l": null}]`},
	} {
		l := arrow.ListOf(arrow.StructOf(tierstest.Nullable([]string{"a", "b", "a"}[i], long)))
		r := tierstest.RowsOf(t, []arrow.Field{tierstest.Nullable("user", step.user), tierstest.Nullable("l", l)}, step.json)
		if _, err := s.Write(t.Context(), tierstest.WriteOf(i, tiers.Append, r)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := read(t.Context(), e, "t", []string{"user.name", "user.uid", "l"})
	want := `[[ada <nil> [{"a":1,"b":null}]] [bob 7 []] [cy <nil> <nil>]]`
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v: %v, want %s", err, got, want)
	}
}

func TestATypeThatDoesNotFitNamesTheRemedy(t *testing.T) {
	_, s := openAt(t, filepath.Join(t.TempDir(), "a.duckdb"))
	if _, err := s.Write(t.Context(), tierstest.WriteOf(0, tiers.Append,
		tierstest.RowsOf(t, []arrow.Field{tierstest.Nullable("score", arrow.PrimitiveTypes.Float64)},
			`[{"score": 1.5}]`))); err != nil {
		t.Fatal(err)
	}
	_, err := s.Write(t.Context(), tierstest.WriteOf(1, tiers.Append,
		tierstest.RowsOf(t, []arrow.Field{tierstest.Nullable("Score", arrow.BinaryTypes.String)}, `[{"Score": "high"}]`)))
	if err == nil {
		t.Fatal("text was written to a column of numbers")
	}
	for _, part := range []string{"analytics.t", "Score", "double", "string", "cast it in the pipeline to DOUBLE"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if _, err := s.Write(t.Context(), tierstest.WriteOf(1, tiers.Append,
		tierstest.RowsOf(t, []arrow.Field{tierstest.Nullable("score", arrow.PrimitiveTypes.Int32)},
			`[{"score": 2}]`))); err != nil {
		t.Errorf("a whole number fits a double: %v", err)
	}
}

func TestWritersOfOneTableTakeTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.duckdb")
	e, first := openAt(t, path)
	second, err := Open(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 40 {
		s := []*Sink{first, second}[i%2]
		r := tierstest.RowsOf(t, []arrow.Field{tierstest.Nullable("k", arrow.BinaryTypes.String),
			tierstest.Nullable(fmt.Sprint("c", i%4), arrow.PrimitiveTypes.Int64)},
			fmt.Sprintf(`[{"k": "same", "c%d": %d}]`, i%4, i))
		wg.Go(func() {
			if _, err := s.Write(t.Context(), tierstest.WriteOf(i, tiers.Merge, r)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := read(t.Context(), e, "t", []string{"k"})
	if err != nil || len(got) != 1 {
		t.Errorf("%v: %d rows of one key", err, len(got))
	}
}

func TestACancelledWriteChangesNothing(t *testing.T) {
	e, s := openAt(t, filepath.Join(t.TempDir(), "a.duckdb"))
	fields := []arrow.Field{tierstest.Nullable("k", arrow.BinaryTypes.String)}
	if _, err := s.Write(t.Context(), tierstest.WriteOf(0, tiers.Append,
		tierstest.RowsOf(t, fields, `[{"k": "a"}]`))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Write(ctx, tierstest.WriteOf(0, tiers.Append,
		tierstest.RowsOf(t, fields, `[{"k": "b"}]`))); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	got, err := read(t.Context(), e, "t", []string{"k"})
	if err != nil || fmt.Sprint(got) != "[[a]]" {
		t.Errorf("%v: %v", err, got)
	}
}

func TestTheFileKeepsWhatWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.duckdb")
	e, err := duckdb.Open(t.Context(), duckdb.Options{AnalyticsPath: path})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), tierstest.WriteOf(0, tiers.Append,
		tierstest.RowsOf(t, []arrow.Field{tierstest.Nullable("k", arrow.BinaryTypes.String)}, `[{"k": "a"}]`))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), tierstest.WriteOf(1, tiers.Append,
		tierstest.RowsOf(t, []arrow.Field{tierstest.Nullable("k", arrow.BinaryTypes.String)}, `[]`))); err == nil {
		t.Error("a closed sink writes")
	}
	_, again := openAt(t, path)
	infos, err := again.Tables(t.Context())
	if err != nil || len(infos) != 1 || infos[0].Rows != 1 || infos[0].Bytes <= 0 {
		t.Errorf("%v: %+v", err, infos)
	}
}

func TestMissingTables(t *testing.T) {
	_, s := openAt(t, filepath.Join(t.TempDir(), "a.duckdb"))
	if err := s.Drop(t.Context(), "none"); !errors.Is(err, tiers.ErrNoTable) {
		t.Errorf("drop: %v", err)
	}
	if _, err := s.Retain(t.Context(), "none", "time", tierstest.Noon()); !errors.Is(err, tiers.ErrNoTable) {
		t.Errorf("retain: %v", err)
	}
	e, err := duckdb.Open(t.Context(), duckdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := Open(t.Context(), e); err == nil {
		t.Error("a sink without a database was opened")
	}
}
