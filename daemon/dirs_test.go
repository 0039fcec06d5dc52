package daemon

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeward/lakeward/config"
)

func defaults(t *testing.T, env ...string) config.Config {
	t.Helper()
	cfg, err := config.Load("", append(env, "LAKEWARD_DATA_DIR="+t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestDatabasesOfOlderVersionsAreMoved(t *testing.T) {
	for name, there := range map[string][]string{
		"closed":        {"state.duckdb", "analytics.duckdb"},
		"with logs":     {"state.duckdb", "state.duckdb.wal", "analytics.duckdb", "analytics.duckdb.wal"},
		"moved in part": {"state.duckdb", "databases/state.duckdb.wal", "databases/analytics.duckdb"}, "new": nil,
	} {
		t.Run(name, func(t *testing.T) {
			cfg := defaults(t)
			if err := os.MkdirAll(cfg.DatabaseDir(), 0o750); err != nil {
				t.Fatal(err)
			}
			for _, f := range there {
				if err := os.WriteFile(filepath.Join(cfg.DataDir, f), []byte(filepath.Base(f)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := makeDirs(cfg, slog.New(slog.DiscardHandler)); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range there {
				name := filepath.Base(f)
				if got, err := os.ReadFile(filepath.Join(cfg.DatabaseDir(), name)); string(got) != name {
					t.Errorf("%s is %q: %v", name, got, err)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(cfg.DataDir, "*.duckdb*")); len(left) > 0 {
				t.Errorf("left are %s", left)
			}
		})
	}
}

func TestDatabasesInBothPlacesAreRefused(t *testing.T) {
	cfg := defaults(t)
	if err := os.MkdirAll(cfg.DatabaseDir(), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{cfg.DataDir, cfg.DatabaseDir()} {
		if err := os.WriteFile(filepath.Join(dir, "state.duckdb"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := makeDirs(cfg, slog.New(slog.DiscardHandler)); err == nil ||
		!strings.Contains(err.Error(), "both are there") {
		t.Errorf("%v", err)
	}
}

func TestADatabaseAmongOtherDataIsWarnedOf(t *testing.T) {
	dir := t.TempDir()
	for url, want := range map[string]bool{
		"": false, "duckdb:" + filepath.Join(dir, "own", "a.duckdb"): false, "duckdb:" + filepath.Join(dir, "a.duckdb"): true,
		"duckdb:" + filepath.Join(dir, "data", "a.duckdb"): true,
	} {
		env := []string{"LAKEWARD_DATA_DIR=" + filepath.Join(dir, "data")}
		if url != "" {
			env = append(env, "LAKEWARD_ANALYTICS_URL="+url)
		}
		cfg, err := config.Load("", env)
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		if err := makeDirs(cfg, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "a folder of its own"); got != want {
			t.Errorf("%s: %q", url, log.String())
		}
	}
}
