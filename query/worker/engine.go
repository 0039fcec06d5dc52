package worker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/duckdb"
)

var (
	_ query.Engine   = (*Engine)(nil)
	_ query.Confiner = (*Engine)(nil)
)

// EngineOptions are the settings of an engine in a worker: see duckdb.Options.
type EngineOptions struct {
	MemoryLimit   int64    `json:"memory_limit"`
	MaxSpill      int64    `json:"max_spill"`
	Threads       int      `json:"threads"`
	TempDir       string   `json:"temp_dir,omitempty"`
	AllowedDirs   []string `json:"allowed_dirs,omitempty"`
	AnalyticsPath string   `json:"analytics_path,omitempty"`
	StatePath     string   `json:"state_path,omitempty"`
	ReadOnly      bool     `json:"read_only,omitempty"`
	Remote        bool     `json:"remote,omitempty"` // there is one

	Seam Seam `json:"-"`
}

// Seam is what stays in this process.
type Seam struct {
	Checker query.Checker
	Remote  query.Remote
}

func (o EngineOptions) duckdb(log *slog.Logger) duckdb.Options {
	return duckdb.Options{MemoryLimit: o.MemoryLimit, MaxSpill: o.MaxSpill, Threads: o.Threads, TempDir: o.TempDir,
		AllowedDirs:   o.AllowedDirs,
		AnalyticsPath: o.AnalyticsPath, StatePath: o.StatePath, ReadOnly: o.ReadOnly, Logger: log}
}

// Engine is an engine in a worker. Safe for concurrent use.
type Engine struct {
	p      *Process
	o      Seam
	c      *client // the engine lasts as long as it does
	number int64   // in the worker

	mu  sync.Mutex
	ask *client // for questions about the engine, one at a time
}

const (
	openingTakes = 60 * time.Second // a database that was not closed is repaired
	askingTakes  = 10 * time.Second
)

// Open opens an engine in the process.
func (p *Process) Open(ctx context.Context, o EngineOptions) (*Engine, error) {
	c, err := p.client()
	if err != nil {
		return nil, err
	}
	r, err := c.do(ctx, request{Op: opEngine, Options: &o}, openingTakes)
	if err != nil {
		c.ch.close()
		return nil, err
	}
	return &Engine{p: p, o: o.Seam, c: c, number: r.Number}, nil
}

// Close waits until every session is closed, then closes the engine.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.ask != nil {
		e.ask.ch.close()
		e.ask = nil
	}
	e.mu.Unlock()
	return e.c.Close()
}

// drop ends the engine's channels, whatever becomes of the engine.
func (e *Engine) drop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ask != nil {
		e.ask.ch.close()
		e.ask = nil
	}
	e.c.ch.close()
}

// Connect opens a trusted connection without a view.
func (e *Engine) Connect(ctx context.Context) (query.Conn, error) {
	c, err := e.p.client()
	if err != nil {
		return nil, err
	}
	if _, err := c.do(ctx, request{Op: opConn, Engine: e.number}, openingTakes); err != nil {
		c.ch.close()
		return nil, err
	}
	return c, nil
}

// asks makes a request that concerns the engine.
func (e *Engine) asks(ctx context.Context, r request) (reply, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ask == nil {
		c, err := e.p.client()
		if err != nil {
			return reply{}, err
		}
		e.ask = c
	}
	r.Engine = e.number
	return e.ask.do(ctx, r, askingTakes)
}

// Usage is what the engine holds of its memory and of the disk.
func (e *Engine) Usage(ctx context.Context) (query.Usage, error) {
	r, err := e.asks(ctx, request{Op: opUsage})
	if err != nil {
		return query.Usage{}, fmt.Errorf("ask for the engine's memory: %w", err)
	}
	return query.Usage{Memory: r.Number, Spill: r.Spill}, nil
}

// Trim lets the engine forget files that are gone.
func (e *Engine) Trim(ctx context.Context) error {
	_, err := e.asks(ctx, request{Op: opTrim})
	return err
}

// Confine implements query.Confiner.
func (e *Engine) Confine(expr string, columns []string) error {
	_, err := e.asks(context.Background(), request{Op: opConfine, SQL: expr, Names: columns, Any: columns == nil})
	return err
}

// ConfineSelect implements query.Confiner.
func (e *Engine) ConfineSelect(sql string, inputs []string) error {
	_, err := e.asks(context.Background(), request{Op: opSelect, SQL: sql, Names: inputs, Any: inputs == nil})
	return err
}

// Lenient is that of the engine's parser.
func (e *Engine) Lenient(expr string) (string, []string, error) {
	r, err := e.asks(context.Background(), request{Op: opLenient, SQL: expr})
	return r.SQL, r.Names, err
}

// LenientSelect is that of the engine's parser.
func (e *Engine) LenientSelect(sql string) (string, []string, error) {
	r, err := e.asks(context.Background(), request{Op: opWhole, SQL: sql})
	return r.SQL, r.Names, err
}
