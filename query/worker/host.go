package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// Host gives engines that last for a short time, each with a directory of its
// own, in a worker that sees nothing else. Safe for concurrent use.
type Host struct {
	cfg    Config
	prefix string
	watch  sync.WaitGroup

	mu     sync.Mutex
	root   string
	cur    *Process
	opened int
	use    use // engines that are open
	closed bool
}

// mostHosted is the number of engines after which a worker is replaced.
const mostHosted = 200

// NewHost starts no worker yet; prefix begins the name of the directory.
func NewHost(cfg Config, prefix string) *Host {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Host{cfg: cfg, prefix: prefix, use: newUse()}
}

// HostedEngine is an engine of a host. Close removes its directory too.
type HostedEngine struct {
	*Engine
	h    *Host
	dir  string
	once sync.Once
	err  error
}

// Open opens an engine with the options for its directory.
func (h *Host) Open(ctx context.Context, options func(dir string) EngineOptions) (*HostedEngine, string, error) {
	p, root, err := h.process()
	if err != nil {
		return nil, "", err
	}
	dir, err := os.MkdirTemp(root, "case-")
	if err != nil {
		h.leave()
		return nil, "", fmt.Errorf("make a directory for a test: %w", err)
	}
	e, err := p.Open(ctx, options(dir))
	if err != nil {
		h.leave()
		return nil, "", errors.Join(err, os.RemoveAll(dir))
	}
	return &HostedEngine{Engine: e, h: h, dir: dir}, dir, nil
}

// process returns the running worker, or a new one.
func (h *Host) process() (*Process, string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, "", errors.New("the host of engines is closed")
	}
	if h.cur != nil && (h.cur.Failed() != nil || h.opened >= mostHosted && h.use.n.Load() == 0) {
		if err := h.end(); err != nil {
			return nil, "", err
		}
	}
	if h.cur == nil {
		root, err := os.MkdirTemp("", h.prefix+"*")
		if err != nil {
			return nil, "", fmt.Errorf("make a directory for tests: %w", err)
		}
		cfg := h.cfg
		cfg.Write = []string{root}
		p, err := Start(cfg)
		if err != nil {
			return nil, "", errors.Join(err, os.RemoveAll(root))
		}
		h.root, h.cur, h.opened = root, p, 0
		h.watch.Go(func() { p.watchMemory(&h.use) })
	}
	h.opened++
	h.use.enter()
	return h.cur, h.root, nil
}

func (h *Host) leave() { h.use.leave() }

// end ends the worker. h.mu is held.
func (h *Host) end() error {
	if h.cur == nil {
		return nil
	}
	h.cur.Stop()
	h.cur = nil
	return os.RemoveAll(h.root)
}

// Close closes the engine and removes its directory.
func (e *HostedEngine) Close() error {
	e.once.Do(func() {
		err := e.Engine.Close()
		if errors.As(err, new(*EndedError)) {
			err = nil // whoever used it knows
		}
		e.err = errors.Join(err, os.RemoveAll(e.dir))
		e.h.leave()
	})
	return e.err
}

// Close ends the worker and removes what is left of its directory.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	err := h.end()
	h.mu.Unlock()
	h.watch.Wait()
	return err
}
