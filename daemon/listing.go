package daemon

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// listing is a lake table with the files of its current snapshot, or why it
// cannot be read.
type listing struct {
	name     string
	table    tiers.Table      // nil if there is a problem
	snapshot tiers.Snapshot   // zero if there is none yet
	files    []tiers.DataFile // of the snapshot
	problem  error            // *tiers.UnreadableError, or nil
}

// each visits every lake table, reloaded. A table that cannot be read does not
// keep the others from being visited.
func (b *backend) each(ctx context.Context, visit func(listing) error) error {
	names, err := b.lake.Tables(ctx)
	if err != nil {
		return err
	}
	for _, n := range names {
		l, err := b.list(ctx, n)
		if errors.Is(err, tiers.ErrNoTable) {
			continue // dropped meanwhile
		}
		if err != nil {
			return err
		}
		if err := visit(l); err != nil {
			return err
		}
	}
	return nil
}

// list reloads one table. The error wraps tiers.ErrNoTable, or is that of ctx:
// everything else is the table's problem, which is remembered.
func (b *backend) list(ctx context.Context, name string) (listing, error) {
	l := listing{name: name}
	err := l.load(ctx, b.lake)
	if ctx.Err() != nil {
		return l, context.Cause(ctx)
	}
	if errors.Is(err, tiers.ErrNoTable) {
		b.problems.note(name, nil)
		return l, err
	}
	if err != nil {
		l = listing{name: name, problem: &tiers.UnreadableError{Table: name, Err: err}}
	}
	b.problems.note(name, l.problem)
	return l, nil
}

func (l *listing) load(ctx context.Context, lake tiers.Lake) error {
	t, err := lake.Open(ctx, l.name)
	if err != nil {
		return err
	}
	l.table = t
	s, ok := t.Current()
	if !ok {
		return nil
	}
	l.snapshot = s
	l.files, err = t.Files(ctx, s.ID, time.Time{}, time.Time{})
	return err
}

// problems are the lake tables that could not be read when that was last tried.
type problems struct {
	mu     sync.Mutex
	tables map[string]bool
}

// note remembers whether a table has a problem.
func (p *problems) note(table string, problem error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if problem == nil {
		delete(p.tables, table)
		return
	}
	if p.tables == nil {
		p.tables = map[string]bool{}
	}
	p.tables[table] = true
}

func (p *problems) names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.tables))
}

// unreadable says which tables could not be read and still cannot, each in one
// sentence too.
func (b *backend) unreadable(ctx context.Context) (tables, sentences []string) {
	for _, name := range b.problems.names() {
		if l, err := b.list(ctx, name); err == nil && l.problem != nil {
			tables, sentences = append(tables, "lake."+name), append(sentences, l.problem.Error())
		}
	}
	return tables, sentences
}
