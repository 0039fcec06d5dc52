package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
)

// shapedTable is a lake table whose schema is that of its JSON.
type shapedTable struct {
	memTable
	schema tiers.Schema
}

func (t *shapedTable) Schema() tiers.Schema { return t.schema }

// shapedLake holds tables by bare name.
type shapedLake struct {
	tiers.Lake
	tables map[string]tiers.Table
}

func (l *shapedLake) Open(_ context.Context, name string) (tiers.Table, error) {
	if t := l.tables[name]; t != nil {
		return t, nil
	}
	return nil, tiers.ErrNoTable
}

// shaper infers one schema from objects, with Iceberg's field ids.
type shaper struct{ next int }

func (s *shaper) fields(objects []map[string]any) []tiers.Field {
	values := map[string][]any{}
	for _, o := range objects {
		for k, v := range o {
			if v != nil {
				values[k] = append(values[k], v)
			}
		}
	}
	var out []tiers.Field
	for _, name := range slices.Sorted(maps.Keys(values)) {
		s.next++
		id := s.next
		out = append(out, tiers.Field{ID: id, Name: name, Type: s.kind(name, values[name])})
	}
	return out
}

func (s *shaper) kind(name string, vs []any) tiers.Type {
	switch vs[0].(type) {
	case map[string]any:
		var inner []map[string]any
		for _, v := range vs {
			inner = append(inner, v.(map[string]any))
		}
		return tiers.Type{Kind: tiers.KindStruct, Fields: s.fields(inner)}
	case bool:
		return tiers.Type{Kind: tiers.KindBool}
	case json.Number:
		for _, v := range vs {
			if strings.ContainsAny(v.(json.Number).String(), ".e") {
				return tiers.Type{Kind: tiers.KindDouble}
			}
		}
		return tiers.Type{Kind: tiers.KindLong}
	}
	if name == "time" {
		return tiers.Type{Kind: tiers.KindTimestamp}
	}
	return tiers.Type{Kind: tiers.KindString}
}

func duckColumn(t tiers.Type) string {
	switch t.Kind {
	case tiers.KindStruct:
		var parts []string
		for _, f := range t.Fields {
			parts = append(parts, sqltext.Ident(f.Name)+" "+duckColumn(f.Type))
		}
		return "STRUCT(" + strings.Join(parts, ", ") + ")"
	case tiers.KindBool:
		return "BOOLEAN"
	case tiers.KindLong:
		return "BIGINT"
	case tiers.KindDouble:
		return "DOUBLE"
	case tiers.KindTimestamp:
		return "TIMESTAMPTZ"
	default:
		return "VARCHAR"
	}
}

func fieldIDs(fs []tiers.Field) string {
	var parts []string
	for _, f := range fs {
		if f.Type.Kind == tiers.KindStruct {
			parts = append(parts, fmt.Sprintf("%s: {__duckdb_field_id: %d, %s}", sqltext.Ident(f.Name), f.ID, fieldIDs(f.Type.Fields)))
		} else {
			parts = append(parts, fmt.Sprintf("%s: %d", sqltext.Ident(f.Name), f.ID))
		}
	}
	return strings.Join(parts, ", ")
}

// shape writes NDJSON as the Parquet files of a table, one for each day.
func shape(t testing.TB, dir, name string, ndjson []byte) tiers.Table {
	t.Helper()
	var sample []map[string]any
	for i, line := range bytes.Split(bytes.TrimSpace(ndjson), []byte("\n")) {
		if i%max(1, len(ndjson)/5_000_000) != 0 {
			continue
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		var o map[string]any
		if err := d.Decode(&o); err != nil {
			t.Fatal(err)
		}
		o["event_id"] = "x"
		sample = append(sample, o)
	}
	table := &shapedTable{schema: tiers.Schema{Fields: (&shaper{}).fields(sample)}}
	src := filepath.Join(dir, name+".ndjson")
	if err := os.WriteFile(src, ndjson, 0o600); err != nil {
		t.Fatal(err)
	}
	var cols []string
	for _, f := range table.schema.Fields {
		if f.Name != "event_id" {
			cols = append(cols, "'"+f.Name+"': '"+duckColumn(f.Type)+"'")
		}
	}
	c, err := duckdb.Scratch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	exec := func(sql string) {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%v\n%s", err, sql)
		}
	}
	exec("SET TimeZone = 'UTC'")
	exec(fmt.Sprintf("CREATE TABLE rows AS SELECT *, md5(\"time\"::VARCHAR || rowid) AS event_id FROM (SELECT *, "+
		"row_number() OVER () AS rowid FROM read_json('%s', format = 'newline_delimited', columns = {%s})) ORDER BY "+
		"\"time\"", src, strings.Join(cols, ", ")))
	exec("ALTER TABLE rows DROP COLUMN rowid")
	r, err := c.Query(t.Context(), `SELECT strftime(d, '%Y-%m-%d') || ' ' || n || ' ' || lo || ' ' || hi FROM (SELECT "time"::DATE AS d, count(*) AS n, epoch_us(min("time")) AS lo, epoch_us(max("time")) AS hi FROM rows GROUP BY 1 ORDER BY 1)`)
	if err != nil {
		t.Fatal(err)
	}
	var days []string
	for r.Next() {
		for i := range int(r.RecordBatch().NumRows()) {
			days = append(days, r.RecordBatch().Column(0).ValueStr(i))
		}
	}
	r.Release()
	for _, day := range days {
		var d string
		var n, lo, hi int64
		if _, err := fmt.Sscan(day, &d, &n, &lo, &hi); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+"-"+d+".parquet")
		exec(fmt.Sprintf(`COPY (FROM rows WHERE "time"::DATE = DATE '%s') TO '%s' (FORMAT parquet, FIELD_IDS {%s})`, d, path,
			fieldIDs(table.schema.Fields)))
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		table.files = append(table.files, tiers.DataFile{Path: path, Rows: n, Size: info.Size(),
			TimeMin: time.UnixMicro(lo).UTC(), TimeMax: time.UnixMicro(hi).UTC()})
	}
	return table
}

// shapedWorld is an empty lake of shaped tables beside a real engine.
func shapedWorld(t testing.TB) (*world, *shapedLake) {
	t.Helper()
	w := newWorld(t)
	lake := &shapedLake{tables: map[string]tiers.Table{}}
	w.runner = NewRunner(Options{Lake: lake, Engine: w.engine, Sinks: Sinks{Analytics: &duckSink{w}}, Publisher: w,
		Now: func() time.Time { return w.now }})
	return w, lake
}

// shipped loads the shipped pipelines the way the daemon does.
func shipped(t testing.TB, w *world) []*Definition {
	t.Helper()
	dir := filepath.Join("..", "pipelines.d")
	load := Loader(specOptions(w))
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*Definition
	for _, f := range files {
		if strings.HasSuffix(f, "_test.yaml") {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tests, err := os.ReadFile(strings.TrimSuffix(f, ".yaml") + "_test.yaml")
		if err != nil {
			t.Fatal(err)
		}
		d, ps := load(t.Context(), dir, filepath.Base(f), data, tests)
		for _, p := range ps {
			t.Error(p)
		}
		if d == nil || len(ps) > 0 {
			t.Fatalf("%s does not load", f)
		}
		out = append(out, d)
	}
	return Order(out)
}

func specOptions(w *world) SpecOptions {
	return SpecOptions{Settle: 15 * time.Minute, Lateness: 48 * time.Hour, CatchUp: 24,
		Compile: func(p *spec.Pipeline, schemas func(string) (tiers.Schema, bool)) (*compile.Compiled, []spec.Problem) {
			return compile.Compile(p, schemas, w.engine)
		}}
}

func shapedBenches(t *testing.T) func(context.Context) (*Bench, error) {
	return func(context.Context) (*Bench, error) {
		w, lake := shapedWorld(t)
		return &Bench{Lake: lake, Engine: w.engine, Sinks: Sinks{Analytics: &duckSink{w}}, Close: func() error { return nil },
			Ingest: func(_ context.Context, table string, rows []byte) error {
				name := strings.TrimPrefix(table, "lake.")
				lake.tables[name] = shape(t, w.dir, name, rows)
				return nil
			}}, nil
	}
}
