package worker_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/worker"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/analytics"
	"github.com/lakeward/lakeward/tiers/tierstest"
)

// TestAPromotionThatIsCutIsRepeatedWithTheSameRows kills the worker at random
// moments of a write, and writes again.
func TestAPromotionThatIsCutIsRepeatedWithTheSameRows(t *testing.T) {
	dir := t.TempDir()
	o := worker.NewOwner(worker.Options{
		Config: worker.Config{Name: "runs", Write: []string{dir}},
		Engine: worker.EngineOptions{MemoryLimit: 256 << 20, Threads: 1, AnalyticsPath: filepath.Join(dir, "a.duckdb")},
	})
	defer func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}()
	s := analytics.New(o, 0)
	var list []string
	for i := range 2000 {
		list = append(list, fmt.Sprintf(`{"k": "user%d"}`, i))
	}
	text := "[" + strings.Join(list, ",") + "]"
	fields := []arrow.Field{tierstest.Nullable("k", arrow.BinaryTypes.String)}
	cut := 0
	for range 6 {
		if err := o.Start(t.Context()); err != nil && !errors.Is(err, query.ErrUnavailable) {
			t.Fatal(err)
		}
		for _, pid := range o.PIDs() {
			time.AfterFunc(rand.N(30*time.Millisecond), func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		}
		_, err := s.Write(t.Context(), tierstest.WriteOf(0, tiers.Merge, tierstest.RowsOf(t, fields, text)))
		switch {
		case errors.Is(err, query.ErrCrashed):
			cut++
		case err != nil && !errors.Is(err, query.ErrUnavailable):
			t.Errorf("a write that was cut: %v", err)
		}
		await(t, func() bool { return len(o.PIDs()) == 0 }) // it dies, if late
	}
	t.Logf("%d writes were cut", cut)
	await(t, func() bool {
		_, err := s.Write(t.Context(), tierstest.WriteOf(0, tiers.Merge, tierstest.RowsOf(t, fields, text)))
		return err == nil
	})
	infos, err := s.Tables(t.Context())
	if err != nil || len(infos) != 1 || infos[0].Rows != 2000 {
		t.Errorf("%v: %+v", err, infos)
	}
}

// await waits for what is to happen.
func await(t *testing.T, f func() bool) {
	t.Helper()
	for until := time.Now().Add(60 * time.Second); !f(); {
		if time.Now().After(until) {
			t.Fatal("it does not happen")
		}
		time.Sleep(20 * time.Millisecond)
	}
}
