package pipeline

import (
	"os"
	"path/filepath"
	"slices"
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
		if !strings.HasSuffix(f, "_test.yaml") && !strings.HasPrefix(string(data), "# yaml-language-server: $schema=../docs/pipeline.schema.json\n") {
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
	lake.tables["signin"] = shape(t, w.dir, "bare", []byte(`{"time":"2026-11-24T11:00:00Z","status":"Success","user":{"name":"ada"},"src_endpoint":{"ip":"192.0.2.1"}}`))
	want := map[string]string{"failed-signins": StatusSucceeded, "password-spray": StatusSucceeded, "impossible-travel": StatusSkipped, "entity-risk": StatusSucceeded}
	slices.Reverse(ds) // the score is last: it reads what the others wrote
	for _, d := range ds {
		if s, why := status(d); s != want[d.Name] {
			t.Errorf("%s with bare sign-ins: %s %s", d.Name, s, why)
		} else if s == StatusSkipped && !strings.Contains(why, "lake.signin has no column src_endpoint.location.lat") {
			t.Error(why)
		}
	}
}
