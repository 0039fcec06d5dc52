package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/internal/clockguard"
	"github.com/lakeward/lakeward/internal/disks"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

// Daemon is a daemon whose parts are open. What it owns is ended by Run.
type Daemon struct {
	*core
	commands Commands
	lock     *dirLock
	http     *serve.Server
	audit    *serve.Audit
	nats     *jetstream.Server // nil with a server of one's own
	conn     *jetstream.Conn
	sources  sources
	folder   *pipeline.Folder
	disks    *disks.Watch
	clock    *clockguard.Guard
	trouble  natsTrouble
	history  *history
	sched    *schedule.Scheduler
	backend  *backend
	started  time.Time
}

// RunOptions vary how a daemon runs.
type RunOptions struct {
	Unscheduled bool   // pipelines run when they are told to, not by the clock
	Reload      Reload // without Load, the configuration stays as it is
}

// Start opens every part, in the order in which they depend on each other. What
// was opened is closed again if a later part fails.
func Start(ctx context.Context, cfg config.Config, log *slog.Logger, commands Commands) (_ *Daemon, err error) {
	if err := cfg.Memory.Enough(); err != nil {
		return nil, err
	}
	debug.SetGCPercent(gcPercent)
	a := &Daemon{commands: commands, started: time.Now().UTC()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.lock, err = awaitDir(ctx, cfg.DataDir, log); err != nil {
		return nil, err
	}
	if a.nats, a.conn, err = awaitNATS(ctx, cfg, log); err != nil {
		return nil, err
	}
	if a.nats != nil {
		if err := a.conn.KeepFindings(ctx); err != nil {
			return nil, err
		}
	}
	if a.clock, err = clockguard.Open(filepath.Join(cfg.DataDir, "clock.json"), time.Now); err != nil {
		return nil, err
	}
	if a.core, err = openCore(ctx, cfg, log,
		coreOptions{publisher: jetstream.Findings{Conn: a.conn}, hold: a.heldByClock}); err != nil {
		return nil, err
	}
	if err := a.engine.owner.Start(ctx); err != nil {
		return nil, fmt.Errorf("open the engine: %w", err)
	}
	if err := a.watchDisks(); err != nil {
		return nil, err
	}
	if err := a.openSources(ctx); err != nil {
		return nil, err
	}
	if err := a.openPipelines(ctx); err != nil {
		return nil, err
	}
	a.backend = &backend{core: a.core, commands: commands, status: a.status, verbs: &Verbs{core: a.core, now: time.Now,
		active: func(context.Context) (*pipeline.Generation, error) { return a.folder.Current(), nil }, verify: a.verify,
		withSources: a.withSources, still: a.still,
		withConn: func(_ context.Context, f func(*jetstream.Conn) error) error { return f(a.conn) }}}
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	if err := a.publish(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Daemon) openSources(ctx context.Context) error {
	a.sources.open = func(ctx context.Context, cfg config.Config, s config.Source) (*ingest.Source, error) {
		return openSource(ctx, cfg, a.core, a.conn, s)
	}
	a.core.configured = a.sources.configs
	return a.sources.replace(ctx, a.cfg, true)
}

// openPipelines reads the folder for the first time, so that what is active is
// known before anything is scheduled.
func (a *Daemon) openPipelines(ctx context.Context) error {
	a.folder = a.core.folder(filepath.Join(a.cfg.DataDir, "pipelines.good"), func(*pipeline.Generation) {
		if a.sched != nil {
			a.sched.Poke()
		}
	})
	if err := a.folder.Scan(ctx); err != nil {
		return err
	}
	if _, err := os.Stat(a.cfg.Pipelines.Dir); errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("there is no folder of pipelines; they are taken once it is there", "pipelines.dir", a.cfg.Pipelines.Dir)
	}
	a.sched = schedule.New(schedule.Options{
		Jobs: func() []schedule.Job { return a.folder.Current().Jobs() },
		Run:  a.runDue, Workers: a.cfg.Pipelines.MaxRuns, Logger: a.log,
	})
	a.history = &history{read: a.runner.Progress, disks: a.disks.Look, log: a.log}
	return nil
}

// runDue runs one logical time of a pipeline, with the windows that late rows
// have re-opened before it.
func (a *Daemon) runDue(ctx context.Context, due schedule.Due) error {
	if err := a.believe(ctx); err != nil {
		return fmt.Errorf("%w: %w", schedule.ErrWait, err)
	}
	g := a.folder.Current()
	d, ok := g.Definitions[due.Job]
	if !ok {
		return nil // removed meanwhile
	}
	clocks, _ := g.Clocks()
	results, err := a.runner.RunDue(ctx, d, clocks[d.Name], due.At)
	for _, r := range results {
		a.durations.runs.WithLabelValues(r.Pipeline, r.Status).Observe(r.Duration.Seconds())
		a.log.Info("pipeline ran", "pipeline", r.Pipeline, "status", r.Status, "window_start", r.Window.Start, "window_end",
			r.Window.End,
			"trigger", r.Trigger, "rows_in", r.RowsIn, "rows_out", r.RowsOut, "published", r.Published, "duration", r.Duration)
	}
	if err != nil && (errors.Is(err, tiers.ErrAway) || errors.Is(a.lake.Ping(ctx), tiers.ErrAway)) {
		return fmt.Errorf("%w: %w", schedule.ErrWait, err)
	}
	return a.blameDisk(err)
}

// schedule runs pipelines by the clock, once the history that says where they
// stood can be read.
func (a *Daemon) schedule(ctx context.Context) error {
	done, err := a.history.await(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}
	a.sched.Resume(done)
	return a.sched.Run(ctx)
}

// Run works until ctx ends or a part fails, then ends the parts: first what
// starts work, then what answers, then what they stand on. Sources drain within
// the grace period. It closes the daemon.
func (a *Daemon) Run(ctx context.Context, o RunOptions) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	work := func(what string, f func(context.Context) error) {
		workers.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	a.sources.start(ctx, work)
	if o.Reload.Load != nil {
		work("reload the configuration", func(ctx context.Context) error { return a.reloads(ctx, o.Reload) })
	}
	work("watch pipelines", a.folder.Watch)
	work("memory", a.rest)
	work("watch disks", a.disks.Run)
	work("watch NATS", a.watchNATS)
	work("watch the clock", a.watchClock)
	work("retention", a.retain)
	work("maintenance", a.keeper.Run)
	work("look at data files", a.lookAtFiles)
	if !o.Unscheduled {
		work("schedule", a.schedule)
	}
	hctx, stopHTTP := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHTTP()
	var web sync.WaitGroup
	web.Go(func() {
		if err := a.http.Run(hctx, answersGrace(a.cfg.Shutdown.Grace)); err != nil {
			cancel(err)
		}
	})
	a.log.Info("ready to take events", "nats", a.NATSURL(), "http", a.http.URL(), "lake", a.cfg.Lake.Warehouse,
		"pipelines", a.cfg.Pipelines.Dir)
	<-ctx.Done()
	queries, endQueries := context.WithTimeout(context.WithoutCancel(ctx), queriesGrace(a.cfg.Shutdown.Grace))
	defer endQueries()
	a.http.Drain(queries)
	workers.Wait()
	endQueries()
	stopHTTP()
	web.Wait()
	var failed error
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		failed = cause
	}
	err := errors.Join(failed, a.Close())
	a.log.Info("drained and stopped")
	return err
}

// The grace period is for everything together, in this order. Sources commit
// what they have read while queries may go on for half of it; then answers are
// sent; the rest is for closing.
func sourcesGrace(all time.Duration) time.Duration { return all / 10 * 8 }
func queriesGrace(all time.Duration) time.Duration { return all / 2 }
func answersGrace(all time.Duration) time.Duration { return all / 10 }

// Close ends what is open, in the reverse order of opening.
func (a *Daemon) Close() error {
	var errs []error
	if a.http != nil {
		errs = append(errs, a.http.Close())
	}
	if a.audit != nil {
		errs = append(errs, a.audit.Close())
	}
	if a.core != nil {
		errs = append(errs, a.core.close())
	}
	if a.conn != nil {
		errs = append(errs, a.conn.Close())
	}
	if a.nats != nil {
		errs = append(errs, a.nats.Close())
	}
	if a.lock != nil {
		errs = append(errs, a.lock.release())
	}
	return errors.Join(errs...)
}

// NATSURL is where events are published.
func (a *Daemon) NATSURL() string {
	if a.nats != nil {
		return a.nats.ClientURL()
	}
	return a.cfg.NATS.URL
}

// HTTPURL is where the daemon answers.
func (a *Daemon) HTTPURL() string { return a.http.URL() }

// Backend answers as the daemon does over HTTP.
func (a *Daemon) Backend() serve.Backend { return a.backend }

// NATS is the connection to the streams.
func (a *Daemon) NATS() *jetstream.Conn { return a.conn }

// Pipelines are those that are active.
func (a *Daemon) Pipelines() *pipeline.Generation { return a.folder.Current() }

// Runner runs pipelines.
func (a *Daemon) Runner() *pipeline.Runner { return a.runner }

// Analytics are the tables of the analytics tier.
func (a *Daemon) Analytics(ctx context.Context) ([]tiers.TableInfo, error) {
	return a.analytics.Tables(ctx)
}
