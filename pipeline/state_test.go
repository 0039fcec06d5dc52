package pipeline

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/analytics"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// realWorld is the real engine over a real lake and analytics tier.
type realWorld struct {
	t      *testing.T
	lake   *lake.Lake
	engine *duckdb.Engine
	runner *Runner
	now    time.Time
	seq    uint64
	ds     []*Definition
}

func newRealWorld(t *testing.T, texts ...string) *realWorld {
	t.Helper()
	dir := t.TempDir()
	w := &realWorld{t: t}
	var err error
	if w.lake, err = lake.Open(t.Context(),
		lake.Options{Warehouse: filepath.Join(dir, "lake"), Catalog: filepath.Join(dir, "catalog.db")}); err != nil {
		t.Fatal(err)
	}
	if w.engine, err = duckdb.Open(t.Context(),
		duckdb.Options{AllowedDirs: []string{dir}, AnalyticsPath: filepath.Join(dir, "a.duckdb"),
			StatePath: filepath.Join(dir, "s.duckdb"), Threads: 1}); err != nil {
		t.Fatal(err)
	}
	sink := analytics.New(w.engine, 0)
	t.Cleanup(func() {
		for _, c := range []interface{ Close() error }{sink, w.engine, w.lake} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	w.runner = NewRunner(Options{Lake: w.lake, Engine: w.engine, Sinks: Sinks{Analytics: sink},
		Now: func() time.Time { return w.now }})
	for i, text := range texts {
		d, ps := Loader(specOptions(&world{engine: w.engine}))(t.Context(), dir, fmt.Sprintf("p%d.yaml", i), []byte(text),
			nil)
		if len(ps) > 0 || d == nil {
			t.Fatalf("%v", ps)
		}
		w.ds = append(w.ds, d)
	}
	return w
}

// ingest commits rows of lake.signin.
func (w *realWorld) ingest(rows []string) {
	w.t.Helper()
	if len(rows) == 0 {
		return
	}
	ctx := context.Background()
	b := columnar.NewBatch(tiers.Schema{}, columnar.Options{StreamTag: "test"})
	at := time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	for _, row := range rows {
		w.seq++
		if err := b.Append(columnar.Meta{Seq: w.seq, ID: fmt.Appendf(nil, "%x", sha256.Sum256([]byte(row))), Published: at},
			at, []byte(row)); err != nil {
			w.t.Fatal(err)
		}
	}
	t, err := w.lake.Open(ctx, "signin")
	if err != nil {
		t, err = w.lake.Create(ctx, "signin", b.Schema(), tiers.Options{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	files, err := b.Files(t.Schema(), parquetfile.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	c := tiers.Commit{ID: fmt.Sprint("test-", w.seq)}
	for _, f := range files {
		written, err := t.WriteNew(ctx, f.Info, f.Data)
		if err != nil {
			w.t.Fatal(err)
		}
		c.Add = append(c.Add, written)
	}
	if _, err := t.Commit(ctx, c); err != nil {
		w.t.Fatal(err)
	}
}

func (w *realWorld) due(at time.Time) {
	w.t.Helper()
	w.now = at
	for _, d := range w.ds {
		if _, err := w.runner.RunDue(w.t.Context(), d, nil, at); err != nil {
			w.t.Fatal(err)
		}
	}
}

// content is what the pipelines have found and keep, without the ids of runs
// and their times.
func (w *realWorld) content() string {
	w.t.Helper()
	s, err := w.engine.Open(w.t.Context(), query.View{}, query.Options{Trusted: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	var b strings.Builder
	tell := func(sql string) {
		rows, err := queryRows(w.t.Context(), s, 0, sql)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range rows {
			fmt.Fprintln(&b, text(r, "v"))
		}
	}
	tell("SELECT (r::JSON)::VARCHAR AS v FROM (SELECT COLUMNS(c -> c NOT IN ('run_id', '_run_id')) FROM " +
		"analytics.findings) AS r ORDER BY 1")
	tables, err := queryRows(w.t.Context(), s, 0, "SELECT table_name AS v FROM duckdb_tables() WHERE database_name = "+
		"'state' AND starts_with(table_name, 'bl_') ORDER BY 1")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range tables {
		name := text(r, "v")
		tell("SELECT '" + name + " ' || (r::JSON)::VARCHAR AS v FROM state.main." + sqltext.Ident(name) + " AS r ORDER BY 1")
	}
	tell("SELECT 'waits ' || pipeline || ' ' || window_start AS v FROM " + reopenedTable + " ORDER BY 1")
	return b.String()
}

func statePipelines() []string {
	const common = "schedule: \"0 * * * *\"\nsettle: 0s\nlateness: 20d\n"
	const write = "write:\n  - {from: odd, to: analytics.findings, mode: merge}\n"
	return []string{
		"name: counts\n" + common + `steps:
  rows: {read: lake.signin}
  usual: {baseline: {of: rows, entity: who, season: none, history: 24h, min_support: 4, measures: {n: "count(*)"}}}
  odd: {anomaly: {of: usual, method: robust_z, threshold: 3.5, min_delta: 2}}
` + write,
		"name: firsts\n" + common + `steps:
  rows: {read: lake.signin}
  odd: {anomaly: {of: rows, method: first_seen, entity: who, value: app, lookback: 2d, learning: 3h}}
` + write,
		"name: rares\n" + common + `steps:
  rows: {read: lake.signin}
  odd: {anomaly: {of: rows, method: rare, entity: who, value: app, lookback: 2d, learning: 3h, threshold: 1}}
` + write,
		"name: jumps\n" + common + `steps:
  rows: {read: lake.signin}
  odd: {anomaly: {of: rows, method: impossible_travel, entity: who, lat: lat, lon: lon, address: ip}}
` + write,
	}
}

// event is one row, and the hour in which it comes.
type event struct {
	row  string
	hour int // of its time
	came int
}

const (
	firstHour, lastHour = 8, 18
	stateSeeds          = 2
)

// events are what three users do in a day and more: at usual counts with
// bursts, of usual programs with rare ones, at home and far away.
func events(r *rand.Rand) []event {
	var out []event
	for h := range lastHour {
		for _, who := range []string{"ann", "bob", "cyd"} {
			n := 2 + r.IntN(2)
			if r.IntN(9) == 0 {
				n += 6
			}
			for range n {
				e := event{hour: h, came: h}
				if r.IntN(6) == 0 {
					e.came += r.IntN(8)
				}
				app, lat, ip := "mail", 48.2, "192.0.2.1"
				if r.IntN(25) == 0 {
					app = fmt.Sprint("tool", r.IntN(4))
				}
				if r.IntN(30) == 0 {
					lat, ip = -33.9, "198.51.100.7"
				}
				at := hour(h).Add(time.Duration(r.IntN(3600)) * time.Second)
				e.row = fmt.Sprintf(`{"time":%q,"who":%q,"app":%q,"lat":%v,"lon":16.4,"ip":%q,"n":%d}`, at.Format(time.RFC3339),
					who, app, lat, ip, len(out))
				out = append(out, e)
			}
		}
	}
	return out
}

func arriving(all []event, from, to int) (rows []string) {
	for _, e := range all {
		if e.came >= from && e.came < to {
			rows = append(rows, e.row)
		}
	}
	return rows
}

// inOrder runs every window once over all rows.
func inOrder(t *testing.T, all []event) string {
	w := newRealWorld(t, statePipelines()...)
	w.ingest(arriving(all, 0, lastHour+100))
	for h := firstHour; h <= lastHour; h++ {
		w.due(hour(h))
	}
	return w.content()
}

// anyhow runs the windows as they come: late rows, runs that were missed, runs
// by hand, and backfills.
func anyhow(t *testing.T, all []event, r *rand.Rand) string {
	w := newRealWorld(t, statePipelines()...)
	w.ingest(arriving(all, 0, firstHour-1))
	for h := firstHour; h < lastHour; h++ {
		w.ingest(arriving(all, h-1, h))
		if r.IntN(4) > 0 {
			w.due(hour(h))
		}
		switch r.IntN(5) {
		case 0: // by hand
			d := w.ds[r.IntN(len(w.ds))]
			at := firstHour + r.IntN(h-firstHour+1)
			if _, err := w.runner.Run(t.Context(), d, span(at-1, at),
				RunOptions{At: hour(at), Trigger: TriggerManual}); err != nil {
				t.Fatal(err)
			}
		case 1:
			w.backfill(hour(firstHour-1+r.IntN(h-firstHour+1)), hour(h))
		case 2: // a new process
			w.runner = NewRunner(w.runner.o)
		}
	}
	w.ingest(arriving(all, lastHour-1, lastHour+100))
	w.backfill(hour(firstHour-1), hour(lastHour-1))
	w.due(hour(lastHour))
	w.due(hour(lastHour))
	return w.content()
}

func (w *realWorld) backfill(from, to time.Time) {
	w.t.Helper()
	if err := w.runner.Backfill(w.t.Context(), w.ds, nil, from, to, nil); err != nil {
		w.t.Fatal(err)
	}
}

func TestTheStateIsAFunctionOfTheWindows(t *testing.T) {
	seeds := uint64(stateSeeds)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			all := events(r)
			want := inOrder(t, all)
			if n := strings.Count(want, "\"finding_id\""); n < 5 {
				t.Errorf("only %d findings:\n%s", n, want)
			}
			if got := anyhow(t, all, r); got != want {
				t.Errorf("it is another state:\n%s", differing(want, got))
			}
		})
	}
}

// differing are the lines that only one of two texts has.
func differing(want, got string) string {
	count := map[string]int{}
	for line := range strings.Lines(want) {
		count[line]--
	}
	for line := range strings.Lines(got) {
		count[line]++
	}
	var b strings.Builder
	for _, line := range sortedKeys(count) {
		if n := count[line]; n != 0 {
			fmt.Fprintf(&b, "%+d %s", n, line)
		}
	}
	return b.String()
}
