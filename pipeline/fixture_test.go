package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
)

// world is a real engine over real Parquet files, with a lake and a sink that
// are small stand-ins.
type world struct {
	t      testing.TB
	dir    string
	engine *duckdb.Engine
	lake   *memLake
	runner *Runner
	sent   map[string]int // message id to times published
	now    time.Time
	fail   func(table string) error // of the sink
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	e, err := duckdb.Open(t.Context(), duckdb.Options{
		AllowedDirs: []string{dir}, AnalyticsPath: filepath.Join(dir, "a.duckdb"), StatePath: filepath.Join(dir, "s.duckdb"),
		Threads: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, dir: dir, engine: e, lake: &memLake{tables: map[string]*memTable{}}, sent: map[string]int{},
		now: hour(10)}
	w.runner = NewRunner(Options{Lake: w.lake, Engine: e, Sinks: Sinks{Analytics: &duckSink{w}}, Publisher: w,
		Now: func() time.Time { return w.now }})
	return w
}

func (w *world) Publish(_ context.Context, _, id string, _ []byte) error {
	w.sent[id]++
	return nil
}

// ingest appends one file of (hour, user) rows to lake.signin.
func (w *world) ingest(rows ...string) {
	w.t.Helper()
	t := w.lake.tables["signin"]
	if t == nil {
		t = &memTable{}
		w.lake.tables["signin"] = t
	}
	var values []string
	f := tiers.DataFile{Path: filepath.Join(w.dir, fmt.Sprintf("f%d.parquet", len(t.files))), Rows: int64(len(rows))}
	for _, r := range rows {
		var h int
		var user string
		if _, err := fmt.Sscanf(r, "%d %s", &h, &user); err != nil {
			w.t.Fatal(err)
		}
		at := hour(h).Add(time.Minute)
		if f.TimeMin.IsZero() || at.Before(f.TimeMin) {
			f.TimeMin = at
		}
		if at.After(f.TimeMax) {
			f.TimeMax = at
		}
		values = append(values, fmt.Sprintf("(TIMESTAMPTZ '%s', '%s')", at.Format("2006-01-02 15:04:05+00"), user))
	}
	c, err := duckdb.Scratch(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	sql := `COPY (SELECT * FROM (VALUES ` + strings.Join(values, ",") + `) AS v("time", "user")) TO '` + f.Path +
		`' (FORMAT parquet, FIELD_IDS {time: 1, user: 2})`
	if _, err := c.Exec(w.t.Context(), sql); err != nil {
		w.t.Fatal(err)
	}
	info, err := os.Stat(f.Path)
	if err != nil {
		w.t.Fatal(err)
	}
	f.Size = info.Size()
	t.files = append(t.files, f)
}

func (w *world) query(sql string) string {
	w.t.Helper()
	s, err := w.engine.Open(w.t.Context(), query.View{}, query.Options{Trusted: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	rows, err := queryRows(w.t.Context(), s, 0, sql)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprint(r["v"]))
	}
	return strings.Join(out, " ")
}

// memLake and memTable keep one snapshot for each file, numbered from 1.
type memLake struct {
	tiers.Lake
	tables map[string]*memTable
}

func (l *memLake) Open(_ context.Context, name string) (tiers.Table, error) {
	if t := l.tables[name]; t != nil {
		return t, nil
	}
	return nil, tiers.ErrNoTable
}

type memTable struct {
	tiers.Table
	files   []tiers.DataFile
	broken  bool // its lineage
	expired int  // snapshots that are forgotten

	unreadable error // of its metadata
	unlisted   error // of a manifest
}

func (m *memTable) Schema() tiers.Schema {
	return tiers.Schema{Fields: []tiers.Field{
		{ID: 1, Name: "time", Type: tiers.Type{Kind: tiers.KindTimestamp}},
		{ID: 2, Name: "user", Type: tiers.Type{Kind: tiers.KindString}},
	}}
}
func (m *memTable) Snapshots() (out []tiers.Snapshot) {
	for i := m.expired; i < len(m.files); i++ {
		out = append(out, tiers.Snapshot{ID: int64(i + 1)})
	}
	return out
}
func (m *memTable) Refresh(context.Context) error { return m.unreadable }
func (m *memTable) Current() (tiers.Snapshot, bool) {
	return tiers.Snapshot{ID: int64(len(m.files))}, len(m.files) > 0
}
func (m *memTable) Files(_ context.Context, snap int64, from, to time.Time) ([]tiers.DataFile, error) {
	return overlapping(m.files[:snap], compile.Range{Start: from, End: to}), m.unlisted
}
func (m *memTable) Added(_ context.Context, since, until int64) ([]tiers.DataFile, bool, error) {
	return m.files[since:until], !m.broken, m.unlisted
}

// duckSink writes the analytics catalog: replace_window, merge on one column,
// and append.
type duckSink struct{ w *world }

func (d *duckSink) Write(ctx context.Context, wr tiers.Write) (res tiers.WriteResult, err error) {
	if d.w.fail != nil {
		if err := d.w.fail(wr.Table); err != nil {
			return res, err
		}
	}
	s, err := d.w.engine.Open(ctx, query.View{}, query.Options{Trusted: true})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if res.Inserted, err = s.(query.Loader).Load(ctx, "incoming", wr.Rows); err != nil {
		return res, err
	}
	sel := fmt.Sprintf("SELECT *, '%s' AS _pipeline, '%s' AS _run_id, TIMESTAMPTZ '%s' AS _window_start FROM incoming",
		wr.Pipeline, wr.RunID, wr.Start.Format("2006-01-02 15:04:05+00"))
	del := fmt.Sprintf("_pipeline = '%s' AND _window_start = TIMESTAMPTZ '%s'", wr.Pipeline,
		wr.Start.Format("2006-01-02 15:04:05+00"))
	if wr.Mode == tiers.Append {
		del = "_run_id = '" + wr.RunID + "'"
	}
	if wr.Mode == tiers.Merge {
		del = "(" + del + ") OR " + wr.Key[0] + " IN (SELECT " + wr.Key[0] + " FROM incoming)"
	}
	for _, sql := range []string{
		"CREATE TABLE IF NOT EXISTS analytics." + wr.Table + " AS " + sel + " LIMIT 0",
		"DELETE FROM analytics." + wr.Table + " WHERE " + del,
		"INSERT INTO analytics." + wr.Table + " " + sel,
	} {
		if _, err := s.Exec(ctx, sql); err != nil {
			return res, err
		}
	}
	return res, nil
}

func (d *duckSink) Tables(ctx context.Context) ([]tiers.TableInfo, error) {
	s, err := d.w.engine.Open(ctx, query.View{}, query.Options{Trusted: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	rows, err := queryRows(ctx, s, 0, "SELECT table_name AS v, list_contains(list(column_name), 'finding_id') AS f "+
		"FROM duckdb_columns() WHERE database_name = 'analytics' GROUP BY 1 ORDER BY 1")
	var out []tiers.TableInfo
	for _, r := range rows {
		info := tiers.TableInfo{Name: text(r, "v")}
		if r["f"] == true {
			info.Schema.Fields = []tiers.Field{{Name: "finding_id"}}
		}
		out = append(out, info)
	}
	return out, err
}
func (d *duckSink) Retain(context.Context, string, string, time.Time) (int64, error) { return 0, nil }
func (d *duckSink) Drop(context.Context, string) error                               { return nil }

// toy is a program of one baseline (rows of each user and hour) and one step
// of findings (users with more rows in the window than in all hours before).
type toy struct {
	mu   *sync.Mutex
	runs *[]compile.Run // as they were asked for
	min  int
}

var toyBaseline = compile.Baseline{Step: "usual", Key: "toy", Tables: []string{"lake.signin"}, Bucket: time.Hour,
	History: 6 * time.Hour}

func (p toy) Steps() []string { return []string{"usual", "unusual"} }

func (p toy) Needs(r compile.Run) map[string][]compile.Range {
	if r.Stateless {
		return map[string][]compile.Range{"lake.signin": {needed(toyBaseline, r.Window)}}
	}
	return map[string][]compile.Range{"lake.signin": r.Refresh["usual"]}
}

func (p toy) Statements(r compile.Run) ([]compile.Stmt, error) {
	p.mu.Lock()
	*p.runs = append(*p.runs, r)
	p.mu.Unlock()
	const agg = `SELECT "user" AS entity, time_bucket(INTERVAL 1 HOUR, "time") AS bucket, count(*) AS n FROM lake.signin WHERE "time" >= ? AND "time" < ? GROUP BY 1, 2`
	var out []compile.Stmt
	table := `state.main."bl_toy"`
	if r.Stateless {
		table = "agg"
		need := needed(toyBaseline, r.Window)
		out = append(out, compile.Stmt{Step: "usual", SQL: "CREATE OR REPLACE TEMP TABLE agg AS " + agg,
			Args: []any{need.Start, need.End}})
	} else {
		out = append(out, compile.Stmt{Step: "usual",
			SQL: "CREATE TABLE IF NOT EXISTS " + table + " (entity VARCHAR, bucket TIMESTAMPTZ, n BIGINT)"})
		for _, x := range r.Refresh["usual"] {
			out = append(out,
				compile.Stmt{Step: "usual", SQL: "DELETE FROM " + table + " WHERE bucket >= ? AND bucket < ?",
					Args: []any{x.Start, x.End}},
				compile.Stmt{Step: "usual", SQL: "INSERT INTO " + table + " " + agg, Args: []any{x.Start, x.End}})
		}
	}
	return append(out, compile.Stmt{Step: "unusual", SQL: fmt.Sprintf(`CREATE OR REPLACE TEMP TABLE unusual AS
		SELECT md5(entity || bucket) AS finding_id, bucket AS "time", bucket AS window_start, bucket + INTERVAL 1 HOUR AS window_end,
		'user' AS entity_type, 'toy' AS detector, 1.0::DOUBLE AS expected, NULL::VARCHAR AS technique, 'toy' AS pipeline,
		entity, n::DOUBLE AS observed, 90.0::DOUBLE AS score, 'high' AS severity, entity || ' was busy' AS reason, '%s' AS run_id, '{}' AS evidence
		FROM %s WHERE bucket >= ? AND bucket < ? AND n >= %d`, r.ID, table, p.min), Args: []any{r.Window.Start, r.Window.End}}), nil
}

func (p toy) BucketProbe(compile.Baseline) string {
	return `SELECT DISTINCT time_bucket(INTERVAL 1 HOUR, "time") AS bucket FROM lake.signin ORDER BY 1`
}

func (p toy) Learning(compile.Baseline) string { return "SELECT 1 AS learning, 3 AS entities" }

func (p toy) Misfits(compile.Run) string { return "" }

func (p toy) Reflagged(compile.Run) string { return "" }

func (p toy) Lacking() []compile.Absence { return nil }

func (p toy) Bindings() []compile.Binding { return nil }

func (p toy) FindingQuery(step, entity string, start, end time.Time) (compile.Explained, bool) {
	return compile.Explained{
		Rows:     fmt.Sprintf(`SELECT * FROM lake.signin WHERE "user" = '%s' AND epoch_us("time") >= %d AND epoch_us("time") < %d`, entity, start.UnixMicro(), end.UnixMicro()),
		Baseline: "SELECT count(*) AS hours FROM agg", Formula: "n >= limit",
	}, step == "unusual"
}

// toyDefinition is hourly at :05 and raises users with at least min rows.
func (w *world) toyDefinition(min int) (*Definition, *[]compile.Run) {
	w.t.Helper()
	c, err := schedule.Parse("5 * * * *", "")
	if err != nil {
		w.t.Fatal(err)
	}
	runs := &[]compile.Run{}
	return &Definition{
		Name: "toy", Hash: fmt.Sprint("h", min), Cron: c, Settle: 5 * time.Minute, Bucket: time.Hour, Lateness: 4 * time.Hour,
		CatchUp: 3,
		Reads:   []string{"lake.signin"},
		Outputs: []Output{{From: "unusual", Tier: "analytics", Table: "findings", Mode: tiers.Merge,
			Key: []string{"finding_id"}, Publish: "findings.toy"}},
		Compile: func(func(string) (tiers.Schema, bool)) (Program, []compile.Baseline, error) {
			return toy{&sync.Mutex{}, runs, min}, []compile.Baseline{toyBaseline}, nil
		},
	}, runs
}

func benches(t *testing.T) func(context.Context) (*Bench, error) {
	return func(context.Context) (*Bench, error) {
		w := newWorld(t)
		return &Bench{
			Lake: w.lake, Engine: w.engine, Sinks: Sinks{Analytics: &duckSink{w}},
			Ingest: func(_ context.Context, _ string, rows []byte) error {
				w.ingest(strings.Split(string(rows), ",")...)
				return nil
			},
			Close: func() error { return nil },
		}, nil
	}
}
