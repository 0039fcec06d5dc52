package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/ingest"
)

// Reload lets a daemon take what changed in its configuration while it runs.
type Reload struct {
	Ask   <-chan os.Signal // each asks once
	Load  func() (config.Config, error)
	Level *slog.LevelVar      // the logger's
	Taken func(config.Config) // is told what was read and taken; nil: nobody is
}

// What changes while running: these keys, and those below them. Tokens and
// certificates are read again by themselves.
func live(key string) bool {
	return key == "log.level" || ofSources(key)
}

// ofSources reports whether sources are opened with the key.
func ofSources(key string) bool {
	return key == "sources" || strings.HasPrefix(key, "tables.") || strings.HasPrefix(key, "ingest.")
}

// reloads takes changes until ctx ends. What cannot be taken changes nothing,
// and is logged.
func (a *Daemon) reloads(ctx context.Context, r Reload) error {
	running := a.cfg
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.Ask:
		}
		next, err := r.Load()
		if err == nil {
			running, err = a.reload(ctx, running, next, r.Level)
		}
		if err == nil && r.Taken != nil {
			r.Taken(next)
		}
		if err != nil && ctx.Err() == nil {
			a.log.Error("the configuration is not reloaded; what ran goes on", "error", err)
		}
	}
}

// reload takes what can change from next, and returns the configuration that
// runs then.
func (a *Daemon) reload(ctx context.Context, running, next config.Config, level *slog.LevelVar) (config.Config, error) {
	changed, err := config.Changed(running, next)
	if err != nil {
		return running, err
	}
	restart := slices.DeleteFunc(slices.Clone(changed), live)
	if slices.ContainsFunc(changed, ofSources) {
		taken := running
		taken.Sources, taken.Ingest, taken.Tables = next.Sources, next.Ingest, next.Tables
		all := slices.ContainsFunc(changed, func(key string) bool { return ofSources(key) && key != "sources" })
		if err := a.sources.replace(ctx, taken, all); err != nil {
			return running, err
		}
		running = taken
	}
	level.Set(next.Log.Level.Slog())
	running.Log.Level = next.Log.Level
	switch {
	case len(changed) == 0:
		a.log.Info("the configuration is as it was")
	case len(restart) > 0:
		a.log.Warn("the configuration was reloaded; some of what changed needs a restart", "changed", changed,
			"needs_restart", restart)
	default:
		a.log.Info("the configuration was reloaded", "changed", changed)
	}
	return running, nil
}

// sources are those of a daemon. list and configs are safe for concurrent use;
// start and replace are called one after another.
type sources struct {
	open func(context.Context, config.Config, config.Source) (*ingest.Source, error)
	// run runs a source until its context ends; nil until the daemon runs.
	run func(*openedSource)

	mu  sync.Mutex // of all
	all []*openedSource
}

// openedSource is a source and how it is configured.
type openedSource struct {
	*ingest.Source
	cfg   config.Source
	since time.Time          // when it was opened
	stop  context.CancelFunc // ends its run; nil: it does not run
	done  chan struct{}      // closed when its run has ended
}

// list are the sources as they are now.
func (s *sources) list() []*openedSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// start runs all sources, and those that come later, each until ctx ends or it
// is replaced. work owns the goroutines.
func (s *sources) start(ctx context.Context, work func(what string, f func(context.Context) error)) {
	s.run = func(o *openedSource) {
		var own context.Context
		own, o.stop = context.WithCancel(ctx)
		o.done = make(chan struct{})
		work("source", func(context.Context) error {
			defer close(o.done)
			defer o.stop()
			err := o.Run(own)
			if own.Err() != nil && ctx.Err() == nil {
				err = nil // it was replaced
			}
			return err
		})
	}
	for _, o := range s.list() {
		s.run(o)
	}
}

// configs are how the sources are configured.
func (s *sources) configs() []config.Source {
	var out []config.Source
	for _, o := range s.list() {
		out = append(out, o.cfg)
	}
	return out
}

// same reports whether two sources are configured alike, wherever that is written.
func same(a, b config.Source) bool {
	unplaced := func(names []strict.At[string]) (out []string) {
		for _, n := range names {
			out = append(out, n.Value)
		}
		return out
	}
	if !slices.Equal(unplaced(a.Mapping), unplaced(b.Mapping)) {
		return false
	}
	a.Mapping, b.Mapping = nil, nil
	return reflect.DeepEqual(a, b)
}

// replace makes the sources those of the configuration: what changed, or all,
// is opened before what ran is drained. If one cannot be opened, those that ran
// go on.
func (s *sources) replace(ctx context.Context, cfg config.Config, all bool) error {
	before := s.list()
	var next, fresh []*openedSource
	for _, c := range cfg.Sources {
		i := slices.IndexFunc(before, func(o *openedSource) bool { return same(o.cfg, c) })
		if i >= 0 && !all {
			next = append(next, before[i])
			continue
		}
		src, err := s.open(ctx, cfg, c)
		if err != nil {
			return fmt.Errorf("open source %s: %w", c.Name, err)
		}
		fresh = append(fresh, &openedSource{Source: src, cfg: c, since: time.Now()})
		next = append(next, fresh[len(fresh)-1])
	}
	for _, o := range before {
		if o.stop == nil || slices.Contains(next, o) {
			continue
		}
		o.stop()
		select {
		case <-o.done:
		case <-ctx.Done():
			return errors.Join(errors.New("the daemon stops"), context.Cause(ctx))
		}
	}
	s.mu.Lock()
	s.all = next
	s.mu.Unlock()
	if s.run != nil {
		for _, o := range fresh {
			s.run(o)
		}
	}
	return nil
}
