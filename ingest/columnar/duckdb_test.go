package columnar

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// TestDuckDBReadsTheFiles has the engine read two days of a table that grew in
// between, by field id.
func TestDuckDBReadsTheFiles(t *testing.T) {
	dir := t.TempDir()
	batches := [][]string{
		{
			`{"time":"2026-01-01T00:00:02Z","src":{"ip":"10.0.0.1"},"tags":["a","b"],"hops":[{"port":1},{"port":2}],"x":1.5}`,
			`{"time":"2026-01-01T00:00:01Z","src":{},"tags":[],"odd":{}}`,
		},
		{
			`{"time":"2026-01-02T00:00:00Z","src":{"ip":"10.0.0.2","port":22},"tags":["c",null],"hops":[{"port":3,"name":"gw"}],"x":2,"id.orig_h":"h"}`,
		},
	}
	var schema tiers.Schema
	var files []tiers.DataFile
	b := NewBatch(schema, Options{StreamTag: "t"})
	seq := uint64(0)
	for _, events := range batches {
		b.Reset(schema)
		for _, e := range events {
			seq++
			if err := b.Append(Meta{Seq: seq}, published, []byte(e)); err != nil {
				t.Fatal(err)
			}
		}
		schema = grown(b.Schema())
		out, err := b.Files(schema, parquetfile.Options{Stream: "s", Bloom: []string{"src.ip"}})
		if err != nil || len(out) != 1 {
			t.Fatalf("%d files: %v", len(out), err)
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.parquet", len(files)))
		if err := os.WriteFile(path, out[0].Data, 0o600); err != nil {
			t.Fatal(err)
		}
		out[0].Info.Path = path
		files = append(files, out[0].Info)
	}
	got := ask(t, dir, query.TableView{Name: "e", Schema: schema, Files: files}, `SELECT
		stream_seq, event_id, strftime(time, '%d %S'), src.ip, src.port, tags::VARCHAR, hops::VARCHAR, x, id.orig_h, unmapped
		FROM lake.e ORDER BY time`)
	want := []string{
		`2|t-2|01 01|||[]||||{"odd":{}}`,
		`1|t-1|01 02|10.0.0.1||[a, b]|[{'port': 1, 'name': NULL}, {'port': 2, 'name': NULL}]|1.5||`,
		`3|t-3|02 00|10.0.0.2|22|[c, NULL]|[{'port': 3, 'name': gw}]|2|h|`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// grown gives new fields the ids that follow those in use, as a table would.
func grown(s tiers.Schema) tiers.Schema {
	next := 0
	var most func(fs []tiers.Field)
	most = func(fs []tiers.Field) {
		for _, f := range fs {
			next = max(next, f.ID)
			most(f.Type.Fields)
			if f.Type.Elem != nil {
				most([]tiers.Field{*f.Type.Elem})
			}
		}
	}
	most(s.Fields)
	var assign func(fs []tiers.Field) []tiers.Field
	assign = func(fs []tiers.Field) []tiers.Field {
		var out []tiers.Field
		for _, f := range fs {
			if f.ID == 0 {
				next++
				f.ID = next
			}
			f.Type.Fields = assign(f.Type.Fields)
			if f.Type.Elem != nil {
				f.Type.Elem = &assign([]tiers.Field{*f.Type.Elem})[0]
			}
			out = append(out, f)
		}
		return out
	}
	s.Fields = assign(s.Fields)
	return s
}

// ask returns the rows of a query as text.
func ask(t *testing.T, dir string, v query.TableView, sql string) []string {
	t.Helper()
	ctx := context.Background()
	e, err := duckdb.Open(ctx, duckdb.Options{AllowedDirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s, err := e.Open(ctx, query.View{Tables: []query.TableView{v}}, query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := s.Query(ctx, sql)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	var out []string
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			var cells []string
			for _, c := range rec.Columns() {
				if c.IsNull(i) {
					cells = append(cells, "")
				} else {
					cells = append(cells, c.ValueStr(i))
				}
			}
			out = append(out, strings.Join(cells, "|"))
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return out
}
