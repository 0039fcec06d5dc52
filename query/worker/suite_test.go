package worker

import (
	"path/filepath"
	"testing"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/querytest"
)

func TestSuiteOfAPool(t *testing.T) {
	querytest.TestEngine(t, func(t *testing.T) query.Engine { return openPool(t, 3, 0) })
}

func TestSuiteOfAnOwner(t *testing.T) {
	querytest.TestEngine(t, func(t *testing.T) query.Engine {
		dir := t.TempDir()
		o := NewOwner(Options{Config: Config{Name: "runs", Write: []string{dir}}, Engine: EngineOptions{
			MemoryLimit: 256 << 20, Threads: 1, AnalyticsPath: filepath.Join(dir, "a.duckdb"),
			StatePath: filepath.Join(dir, "s.duckdb")}})
		t.Cleanup(func() {
			if err := o.Close(); err != nil {
				t.Error(err)
			}
		})
		return o
	})
}
