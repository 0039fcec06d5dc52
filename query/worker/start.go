package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// spillDir begins the name of a worker's directory for what it spills.
const spillDir = "worker-"

// lockedFor is how long the databases may still be held by the worker of a
// daemon that was killed.
const lockedFor = 10 * time.Second

// start starts a worker with an engine, which has a part of the disk that all may
// spill to.
func start(ctx context.Context, o Options, parts int64) (_ *started, err error) {
	s := &started{}
	cfg, eo := o.Config, o.Engine
	if eo.TempDir != "" {
		if err := os.MkdirAll(eo.TempDir, 0o700); err != nil {
			return nil, fmt.Errorf("create spill directory: %w", err)
		}
		if s.temp, err = os.MkdirTemp(eo.TempDir, spillDir+cfg.Name+"-"); err != nil {
			return nil, fmt.Errorf("create a worker's directory: %w", err)
		}
		eo.TempDir = s.temp
		cfg.Write = append(slices.Clone(cfg.Write), s.temp)
	}
	eo.MaxSpill /= max(parts, 1)
	defer func() {
		if err != nil {
			s.discard()
		}
	}()
	if s.p, err = Start(cfg); err != nil {
		return nil, err
	}
	until := time.Now().Add(lockedFor)
	for {
		s.e, err = s.p.Open(ctx, eo)
		if err == nil || !locked(err) || time.Now().After(until) || eo.ReadOnly {
			break
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if err == nil {
		s.p.limit()
	}
	return s, err
}

// stop ends a worker whose databases are to be closed.
func (s *started) stop() error {
	var err error
	if s.p.Failed() == nil {
		err = s.e.Close()
		if errors.As(err, new(*EndedError)) {
			err = nil // there is nothing left to close
		}
	}
	s.discard()
	return err
}

// discard ends a worker at once.
func (s *started) discard() {
	if s.e != nil {
		s.e.drop()
	}
	if s.p != nil {
		s.p.Stop()
	}
	if s.temp != "" {
		_ = os.RemoveAll(s.temp) // the next start of all removes what is left
	}
}

// Tidy removes what workers have left that were killed together with the
// daemon. No worker may be running.
func Tidy(tempDir string) error {
	left, err := filepath.Glob(filepath.Join(tempDir, spillDir+"*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}
