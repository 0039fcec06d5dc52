package pipeline

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeward/lakeward/pipeline/schedule"
)

func TestShippedPipelinesPassTheirOwnTests(t *testing.T) {
	w, _ := shapedWorld(t)
	ds := shipped(t, w)
	if len(ds) != 4 {
		t.Fatalf("%d pipelines", len(ds))
	}
	for _, d := range ds {
		t.Run(d.Name, func(t *testing.T) {
			if len(d.Tests) < 2 {
				t.Error("a pipeline needs a case that is raised and one that is not")
			}
			results, err := Test(t.Context(), d, nil, shapedBenches(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if r.Diff != "" {
					t.Errorf("%s:\n%s", r.Case, r.Diff)
				}
			}
		})
	}
}

func TestShippedPipelinesNameTheirSchema(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "pipelines.d", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(f, "_test.yaml") &&
			!strings.HasPrefix(string(data), "# yaml-language-server: $schema=../docs/pipeline.schema.json\n") {
			t.Errorf("%s does not begin with its schema", f)
		}
	}
}

func TestShippedPipelinesWaitForTheirTablesAndColumns(t *testing.T) {
	w, lake := shapedWorld(t)
	at := time.Date(2026, 11, 24, 12, 15, 0, 0, time.UTC)
	clock, err := schedule.Parse("15 * * * *", "")
	if err != nil {
		t.Fatal(err)
	}
	status := func(d *Definition) (string, string) {
		t.Helper()
		win, err := d.WindowAt(at, clock)
		if err != nil {
			t.Fatal(err)
		}
		res, err := w.runner.Run(t.Context(), d, win, RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return res.Status, res.Error
	}
	ds := shipped(t, w)
	for _, d := range ds {
		if s, why := status(d); s != StatusSkipped || !strings.Contains(why, "does not exist yet") {
			t.Errorf("%s without a lake: %s %s", d.Name, s, why)
		}
	}
	// Sign-ins without places, networks and clients.
	lake.tables["signin"] = shape(t, w.dir,
		"bare", []byte(`{"time":"2026-11-24T11:00:00Z","status":"Success","user":{"name":"ada"},"src_endpoint":{"ip":"192.0.2.1"}}`))
	want := map[string]string{"failed-signins": StatusSucceeded, "password-spray": StatusSucceeded,
		"impossible-travel": StatusSkipped, "entity-risk": StatusSucceeded}
	slices.Reverse(ds) // the score is last: it reads what the others wrote
	for _, d := range ds {
		if s, why := status(d); s != want[d.Name] {
			t.Errorf("%s with bare sign-ins: %s %s", d.Name, s, why)
		} else if s == StatusSkipped && !strings.Contains(why, "lake.signin has no column src_endpoint.location.lat") {
			t.Error(why)
		}
	}
	runs, err := w.runner.History(t.Context(), HistoryFilter{Pipeline: "password-spray", Limit: 1})
	if err != nil || len(runs) != 1 {
		t.Fatal(err, runs)
	}
	check(t, "note", runs[0].Note, "left out: lake.signin has no column src_endpoint.autonomous_system.number; left "+
		"out: lake.signin has no column http_request.user_agent")
}

// TestShippedFindingsAreExplained runs each detector over its own test's rows,
// and asks where the finding comes from.
func TestShippedFindingsAreExplained(t *testing.T) {
	for _, tc := range []struct{ name, file, at, rows string }{
		{"failed-signins", "burst.ndjson", "2026-11-24T10:15:00Z", "24"},
		{"password-spray", "slow-spray.ndjson", "2026-11-23T18:15:00Z", "12"},
		{"impossible-travel", "vienna-sydney.ndjson", "2026-11-23T12:15:00Z", "2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, lake := shapedWorld(t)
			data, err := os.ReadFile(filepath.Join("..", "pipelines.d", "testdata", tc.file))
			if err != nil {
				t.Fatal(err)
			}
			lake.tables["signin"] = shape(t, w.dir, "signin", data)
			ds := map[string]*Definition{}
			for _, d := range shipped(t, w) {
				ds[d.Name] = d
			}
			d := ds[tc.name]
			w.now, err = time.Parse(time.RFC3339, tc.at)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.runner.RunDue(t.Context(), d, nil, w.now); err != nil {
				t.Fatal(err)
			}
			id := w.query("SELECT finding_id AS v FROM analytics.findings")
			find := func(name string) (*Definition, bool) { d, ok := ds[name]; return d, ok }
			rep, err := w.runner.ExplainFinding(t.Context(), id, find)
			if err != nil {
				t.Fatal(err)
			}
			if rep.Formula == "" || len(rep.Rows) == 0 || !strings.Contains(rep.Text(10), rep.Formula) {
				t.Errorf("%d rows, formula %q", len(rep.Rows), rep.Formula)
			}
			if got := strconv.Itoa(len(rep.Rows)); got != tc.rows {
				t.Errorf("rests on %s rows, want %s", got, tc.rows)
			}
			// The score of its user, source or client is explained by the finding.
			risk := ds["entity-risk"]
			at := w.now.Add(15 * time.Minute)
			if res, err := w.runner.RunDue(t.Context(), risk, nil, at); err != nil || res[len(res)-1].Status != StatusSucceeded {
				t.Fatal(err, res)
			}
			sql, err := w.runner.Explain(t.Context(), d, nil, w.now)
			if err != nil || !strings.Contains(sql, "SELECT") {
				t.Error(err, sql)
			}
		})
	}
}

// TestPlanShowsWhatAStricterVersionWouldLose plans an edited file against the
// live one.
func TestPlanShowsWhatAStricterVersionWouldLose(t *testing.T) {
	w, lake := shapedWorld(t)
	dir := filepath.Join("..", "pipelines.d")
	burst, err := os.ReadFile(filepath.Join(dir, "testdata", "burst.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	lake.tables["signin"] = shape(t, w.dir, "signin", burst)
	text, err := os.ReadFile(filepath.Join(dir, "failed-signins.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	load := func(text string) *Definition {
		d, ps := Loader(specOptions(w))(t.Context(), dir, "failed-signins.yaml", []byte(text), nil)
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		return d
	}
	live := load(string(text))
	stricter := load(strings.Replace(string(text), "at_least: {failures: 10}", "at_least: {failures: 100}", 1))
	from := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	rep, err := w.runner.Plan(t.Context(), stricter, live, nil, from, from.Add(4*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Findings) != 0 || len(rep.Added) != 0 || len(rep.Removed) != 1 {
		t.Errorf("%+v", rep)
	}
	if text := rep.String(); !strings.Contains(text, "0 added, 1 removed") {
		t.Error(text)
	}
}
