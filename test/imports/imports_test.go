// Package imports holds the test of the one way that imports run.
package imports

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/lakeward/lakeward/"

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// under reports whether path is the package, or below it.
func under(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

func TestStagesMeetOnlyThroughSnapshots(t *testing.T) {
	stages := []string{"ingest", "compact", "pipeline", "serve"}
	domain := []string{"query", "tiers", "config"}
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module)
			if !ours {
				continue
			}
			for _, s := range stages {
				if !under(to, s) {
					continue
				}
				for _, other := range append(stages, domain...) {
					if other != s && under(from, other) {
						t.Errorf("%s imports %s: stages and the domain do not import a stage", from, to)
					}
				}
			}
			if under(to, "daemon") && from != "" && !under(from, "daemon") && from != strings.TrimSuffix(module, "/") && !under(from, "test") && !under(from, "internal/docgen") {
				t.Errorf("%s imports %s: only main does", from, to)
			}
		}
	}
}

func TestEachLibraryHasOneImporter(t *testing.T) {
	only := map[string][]string{
		"github.com/nats-io/":              {"ingest/jetstream", "test"},
		"github.com/apache/iceberg-go":     {"tiers/lake", "test"},
		"github.com/duckdb/":               {"query/duckdb"},
		"github.com/prometheus/":           {"serve", "daemon"},
		"github.com/spf13/cobra":           {"daemon", "internal/docgen"},
		"github.com/robfig/cron":           {"pipeline/schedule", "pipeline/spec"},
		"gopkg.in/yaml.v3":                 {"config"},
		"github.com/jackc/pgx":             {"tiers", "internal/pgtest", "test"},
		"github.com/hanwen/go-fuse":        {"test"},
		"github.com/parquet-go/parquet-go": {"tiers/parquetfile", "ingest", "test"},
	}
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			for lib, allowed := range only {
				if strings.HasPrefix(imp, lib) && !anyUnder(from, allowed) {
					t.Errorf("%s imports %s, which belongs to %v", from, imp, allowed)
				}
			}
		}
	}
}

func anyUnder(path string, dirs []string) bool {
	for _, d := range dirs {
		if under(path, d) {
			return true
		}
	}
	return false
}
