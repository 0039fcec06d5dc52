package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/worker"
	"github.com/lakeward/lakeward/tiers/analytics"
)

// engines evaluate SQL in processes of their own: the owner of the databases
// what is trusted, a pool what people send. They implement query.Engine and
// compile.Confiner.
type engines struct {
	owner *worker.Owner
	pool  *worker.Pool
	ends  *workerEnds
}

var (
	_ query.Engine     = (*engines)(nil)
	_ compile.Confiner = (*engines)(nil)
)

// openEngines prepares the engines; workers start when they are needed. external
// is the analytics tier if it is outside of the owner; otherwise the owner has the
// tier that is returned.
func openEngines(cfg config.Config, log *slog.Logger, readOnly bool, checker query.Checker,
	external analyticsTier) (*engines, analyticsTier) {
	e := &engines{ends: &workerEnds{}}
	shares := cfg.Memory.Shares()
	common := worker.EngineOptions{Threads: runtime.GOMAXPROCS(0), TempDir: cfg.TempDir(),
		AllowedDirs: []string{cfg.Lake.Warehouse},
		MaxSpill:    cfg.Query.MaxSpill / 2, Seam: worker.Seam{Checker: checker}}
	own := common
	own.MemoryLimit, own.StatePath, own.AnalyticsPath, own.ReadOnly = config.EngineLimit(shares.Runs), cfg.StateFile(),
		cfg.Analytics.File(), readOnly
	if external != nil {
		own.Remote, own.Seam.Remote = true, external
	}
	dirs := databaseDirs(cfg)
	oc := worker.Config{Name: workerRuns, Read: append([]string{cfg.Lake.Warehouse}, dirs...), Memory: shares.Runs,
		Logger: log}
	if !readOnly {
		oc.Write = dirs
	}
	e.owner = worker.NewOwner(worker.Options{Config: oc, Engine: own, Ended: e.ends.note})
	tier := external
	if tier == nil {
		tier = analytics.New(e.owner, cfg.Analytics.ReadLimit)
	}
	sent := common
	sent.MemoryLimit, sent.StatePath, sent.Remote, sent.Seam.Remote = config.EngineLimit(shares.Queries), ":memory:", true,
		tier
	e.pool = worker.NewPool(worker.Options{
		Config: worker.Config{Name: workerQuery, Read: []string{cfg.Lake.Warehouse}, Memory: shares.Queries, Logger: log},
		Engine: sent, Most: cfg.Query.MaxRunning, Total: shares.Queries, Ended: e.ends.note,
	})
	return e, tier
}

// The names of workers; those of the pool have a number behind.
const (
	workerRuns  = "runs"
	workerQuery = "query"
)

// NewParser returns a checker of SQL for commands without an engine. The caller
// closes it.
func NewParser() *worker.Pool {
	return worker.NewPool(worker.Options{Config: worker.Config{Name: workerQuery, Memory: parserMemory},
		Engine: worker.EngineOptions{MemoryLimit: parserMemory / 2, Threads: 1}})
}

const parserMemory = 256 << 20 // bytes

// Open implements query.Engine.
func (e *engines) Open(ctx context.Context, v query.View, o query.Options) (query.Session, error) {
	if o.Trusted {
		return e.owner.Open(ctx, v, o)
	}
	return e.pool.Open(ctx, v, o)
}

// Confine implements query.Confiner.
func (e *engines) Confine(expr string, columns []string) error { return e.pool.Confine(expr, columns) }

// ConfineSelect implements query.Confiner.
func (e *engines) ConfineSelect(sql string, inputs []string) error {
	return e.pool.ConfineSelect(sql, inputs)
}

// Lenient implements compile.Confiner.
func (e *engines) Lenient(expr string) (string, []string, error) { return e.pool.Lenient(expr) }

// LenientSelect implements compile.Confiner.
func (e *engines) LenientSelect(sql string) (string, []string, error) {
	return e.pool.LenientSelect(sql)
}

// Close ends the workers: the databases once every session is closed.
func (e *engines) Close() error { return errors.Join(e.pool.Close(), e.owner.Close()) }

// workerEnds remembers workers that ended by themselves or for a limit.
type workerEnds struct {
	mu     sync.Mutex
	counts map[string]int64
	recent []worker.Ended
}

const (
	endsOften  = 3 // within endsSoon: the daemon is degraded
	endsSoon   = 10 * time.Minute
	endsRecall = 64
)

func (w *workerEnds) note(e worker.Ended) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts == nil {
		w.counts = map[string]int64{}
	}
	w.counts[kindOf(e.Worker)]++
	w.recent = append(w.recent, e)
	w.recent = w.recent[max(0, len(w.recent)-endsRecall):]
}

// kindOf is the name of a worker without its number.
func kindOf(name string) string { return strings.TrimRight(name, "0123456789") }

// count is how many workers have ended, by kind.
func (w *workerEnds) count() map[string]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]int64{workerRuns: 0, workerQuery: 0}
	maps.Copy(out, w.counts)
	return out
}

// degraded says of each kind of worker whether it ends again and again.
func (w *workerEnds) degraded(now time.Time) (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, last := map[string]int{}, map[string]worker.Ended{}
	for _, e := range w.recent {
		if now.Sub(e.At) < endsSoon {
			n[kindOf(e.Worker)]++
			last[kindOf(e.Worker)] = e
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(n)) {
		if n[kind] >= endsOften {
			out = append(out, fmt.Sprintf("engine workers (%s) ended %d times within %s, the last one because %s; what they "+
				"did failed, events go on into the lake",
				kind, n[kind], endsSoon, last[kind].Reason))
		}
	}
	return out
}
