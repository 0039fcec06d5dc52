package parquetfile_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/lakeward/lakeward/internal/randomtable"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// TestAnyTableCanBeWrittenAndRead writes random columns, of which some have no
// values, one, or one distinct on some days and in some row groups, and has the
// engine read the files.
func TestAnyTableCanBeWrittenAndRead(t *testing.T) {
	const cases = 150
	dir := t.TempDir()
	engine, err := duckdb.Open(t.Context(), duckdb.Options{AllowedDirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	w := parquetfile.NewParallelWriter(2)
	for seed := range uint64(cases) {
		r := rand.New(rand.NewPCG(seed, 1))
		schema := randomtable.Schema(r, true)
		c := randomtable.Fill(r, schema, 1+r.IntN([]int{5, 300, 9000}[r.IntN(3)]))
		o := c.Options
		o.Schema = schema
		v := query.TableView{Name: "t", Schema: schema}
		for day, rows := range c.Days {
			if len(rows) == 0 {
				continue
			}
			f, err := w.Write(c.Table, rows, o)
			if err != nil {
				t.Fatalf("seed %d, day %d: %v", seed, day, err)
			}
			f.Info.Path = filepath.Join(dir, fmt.Sprintf("%d-%d.parquet", seed, day))
			if err := os.WriteFile(f.Info.Path, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
			v.Files = append(v.Files, f.Info)
		}
		got := rowsOf(t, engine, v)
		if len(got) != len(c.Rows) {
			t.Fatalf("seed %d: %d rows of %d", seed, len(got), len(c.Rows))
		}
		for i := range got {
			want, err := json.Marshal(c.Rows[i])
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got[i], want) {
				t.Fatalf("seed %d: row %d is\n%s, want\n%s", seed, i, got[i], want)
			}
		}
	}
}

// rowsOf are the rows as the engine has them, in the notation of randomtable.
func rowsOf(t *testing.T, e query.Engine, v query.TableView) (out [][]byte) {
	t.Helper()
	ctx := context.Background()
	s, err := e.Open(ctx, query.View{Tables: []query.TableView{v}}, query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := s.Query(ctx, `SELECT * FROM lake.t ORDER BY "row"`)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			row := map[string]any{}
			for k, col := range rec.Columns() {
				if v := valueOf(col, i); v != nil {
					row[rec.ColumnName(k)] = v
				}
			}
			b, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b)
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return out
}

func valueOf(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(i)
	case *array.Int64:
		return a.Value(i)
	case *array.Float64:
		return int64(math.Float64bits(a.Value(i)))
	case *array.String:
		return a.Value(i)
	case *array.Binary:
		return hex.EncodeToString(a.Value(i))
	case *array.Date32:
		return int64(a.Value(i))
	case *array.Timestamp:
		return int64(a.Value(i))
	case *array.Struct:
		out := map[string]any{}
		for k, f := range a.DataType().(*arrow.StructType).Fields() {
			if v := valueOf(a.Field(k), i); v != nil {
				out[f.Name] = v
			}
		}
		return out
	case *array.List:
		from, to := a.ValueOffsets(i)
		out := []any{}
		for e := from; e < to; e++ {
			out = append(out, valueOf(a.ListValues(), int(e)))
		}
		return out
	}
	panic(fmt.Sprintf("a column of type %s", a.DataType()))
}
