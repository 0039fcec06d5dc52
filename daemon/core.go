package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/ingest/mapping"
	"github.com/lakeward/lakeward/internal/home"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/worker"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
	"github.com/lakeward/lakeward/tiers/lease"
	"github.com/lakeward/lakeward/tiers/postgres"
)

// core is what the daemon and the commands without one share: both tiers, the
// engine over them, and what runs pipelines.
type core struct {
	cfg       config.Config
	log       *slog.Logger
	lake      *lake.Lake
	engine    *engines
	confiner  compile.Confiner // the engine's
	benches   *Benches         // for the tests of pipelines
	analytics analyticsTier
	runner    *pipeline.Runner
	keeper    *compact.Maintainer
	batches   *ingest.Memory // of all sources
	holder    lease.Holder   // who we are among the daemons of one lake
	durations *durations
	mappings  mapping.Set // all that there are
	believed  atomic.Bool // the catalog was compared with the warehouse
	// configured are the sources that run; nil: those of cfg.
	configured func() []config.Source
}

// sourceConfigs are the sources of the configuration as it is now.
func (c *core) sourceConfigs() []config.Source {
	if c.configured != nil {
		return c.configured()
	}
	return c.cfg.Sources
}

// believe fails if the catalog is older than the lake: what is computed from it
// would be wrong. Once it has succeeded it does not compare again.
func (c *core) believe(ctx context.Context) error {
	if c.believed.Load() {
		return nil
	}
	err := c.lake.CheckCatalog(ctx)
	c.believed.Store(err == nil)
	return err
}

// analyticsTier is the analytics tier, wherever it is.
type analyticsTier interface {
	tiers.Sink
	query.Remote
	Close() error
}

// coreOptions vary what openCore opens.
type coreOptions struct {
	readOnly  bool
	publisher pipeline.Publisher // nil: findings are not published
	hold      func() string      // why nothing may be deleted for its age; nil: it may
}

// openCore opens the tiers in the order in which they depend on each other.
// The caller closes the core.
func openCore(ctx context.Context, cfg config.Config, log *slog.Logger, o coreOptions) (_ *core, err error) {
	shares := cfg.Memory.Shares()
	debug.SetMemoryLimit(shares.Go)
	if err := makeDirs(cfg, log); err != nil {
		return nil, err
	}
	c := &core{cfg: cfg, log: log, batches: ingest.NewMemory(shares.Batches), durations: newDurations()}
	if c.holder, err = holderOf(cfg.DataDir, o.readOnly); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.mappings, err = Mappings(cfg.Mappings.Dir); err != nil {
		return nil, err
	}
	if ps := CheckMappings(cfg, c.mappings); len(ps) > 0 {
		return nil, ps
	}
	if c.lake, err = OpenLake(ctx, cfg, log, o.readOnly); err != nil {
		return nil, err
	}
	c.cfg.Lake.Warehouse = c.lake.Warehouse() // by the name that files have in metadata
	if err = c.openEngine(ctx, o.readOnly); err != nil {
		return nil, err
	}
	c.runner = pipeline.NewRunner(pipeline.Options{
		Lake: c.lake, Engine: c.engine, Rehearsal: c.engine.pool, Publisher: o.publisher, Logger: log,
		Sinks:        pipeline.Sinks{Lake: lake.NewSink(c.lake), Analytics: c.analytics},
		AllowDamaged: cfg.Pipelines.AllowDamaged, PlanTime: cfg.Pipelines.PlanTime,
		Budget: pipeline.Budget{Rows: cfg.Pipelines.Budget.Rows, Bytes: cfg.Pipelines.Budget.Bytes,
			Time: cfg.Pipelines.Budget.Time},
	})
	c.keeper = newKeeper(c, o.hold)
	return c, nil
}

// openEngine opens the engine and the analytics tier together: the tier is in the
// engine, or the engine reads it.
func (c *core) openEngine(ctx context.Context, readOnly bool) error {
	if !readOnly {
		if err := worker.Tidy(c.cfg.TempDir()); err != nil {
			c.log.Warn("what was spilled before stays on the disk", "error", err)
		}
	}
	var external analyticsTier
	if c.cfg.Analytics.External() {
		s, err := openPostgres(ctx, c.cfg.Analytics, c.log)
		if err != nil {
			return err
		}
		external, c.analytics = s, s
	}
	c.benches = NewBenches(c.log)
	c.engine, c.analytics = openEngines(c.cfg, c.log, readOnly, c.lake, external)
	c.confiner = compile.Remember(c.engine)
	return nil
}

// openPostgres succeeds if the server is away, and fails if it refuses.
func openPostgres(ctx context.Context, a config.Analytics, log *slog.Logger) (*postgres.Sink, error) {
	s, err := postgres.Open(ctx, postgres.Options{URL: a.URL, ReadLimit: a.ReadLimit, Logger: log})
	if err != nil {
		return nil, err
	}
	switch err := s.Ping(ctx); {
	case errors.Is(err, tiers.ErrAway):
		log.Warn("pipelines and queries of analytics.* wait until it is back", "error", err)
	case err != nil:
		return nil, errors.Join(fmt.Errorf("open the analytics tier: %w", err), s.Close())
	}
	return s, nil
}

// OpenLake opens the lake alone. The caller closes it.
func OpenLake(ctx context.Context, cfg config.Config, log *slog.Logger, readOnly bool) (*lake.Lake, error) {
	l, err := lake.Open(ctx, lake.Options{Warehouse: cfg.Lake.Warehouse, Catalog: cfg.Lake.CatalogAt(), ReadOnly: readOnly,
		Logger: log})
	if err != nil {
		return nil, fmt.Errorf("open the lake: %w", err)
	}
	if err := home.Check(cfg.DataDir, l.Record().ID, readOnly); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// close ends the engine after the tier that is in it, and before those that it
// reads.
func (c *core) close() error {
	var errs []error
	if c.analytics != nil && !c.cfg.Analytics.External() {
		errs = append(errs, c.analytics.Close())
	}
	if c.engine != nil {
		errs = append(errs, c.engine.Close())
	}
	if c.benches != nil {
		errs = append(errs, c.benches.Close())
	}
	if c.analytics != nil && c.cfg.Analytics.External() {
		errs = append(errs, c.analytics.Close())
	}
	if c.lake != nil {
		errs = append(errs, c.lake.Close())
	}
	return errors.Join(errs...)
}

// loader parses pipeline files for this core's engine.
func (c *core) loader() pipeline.Load {
	return Loader(c.cfg.Pipelines, c.confiner)
}

// Loader parses pipeline files as the configuration says.
func Loader(p config.Pipelines, confiner compile.Confiner) pipeline.Load {
	return pipeline.Loader(pipeline.SpecOptions{
		Settle: p.Settle, Lateness: p.Lateness, CatchUp: max(1, int(p.CatchUp/time.Hour)),
		Compile: func(s *spec.Pipeline, schemas func(string) (tiers.Schema, bool)) (*compile.Compiled, []spec.Problem) {
			return compile.Compile(s, schemas, confiner)
		},
	})
}

// folder watches the pipelines' directory; keep says where last good versions
// are remembered (empty: nowhere).
func (c *core) folder(keep string, changed func(*pipeline.Generation)) *pipeline.Folder {
	return pipeline.NewFolder(pipeline.FolderOptions{
		Dir: c.cfg.Pipelines.Dir, Keep: keep, Poll: c.cfg.Pipelines.Poll,
		Load: c.loader(), Check: pipeline.Checker(noClock, c.benches.Open, c.cfg.Pipelines.PlanTime), Changed: changed,
		Logger: c.log,
	})
}

// readFolder reads the pipelines' directory once, without running their tests.
func (c *core) readFolder(ctx context.Context) (*pipeline.Generation, error) {
	f := pipeline.NewFolder(pipeline.FolderOptions{Dir: c.cfg.Pipelines.Dir, Load: c.loader(), Logger: c.log})
	if err := f.Scan(ctx); err != nil {
		return nil, err
	}
	return f.Current(), nil
}
