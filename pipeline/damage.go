package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// session opens a trusted session on lake files. Findings that miss rows in
// silence would be worse than none, so damaged files fail it unless the
// operator allowed to go on without them.
func (r *Runner) session(ctx context.Context, v query.View) (query.Session, error) {
	return r.sessionOn(ctx, r.o.Engine, v)
}

func (r *Runner) sessionOn(ctx context.Context, e query.Engine, v query.View) (query.Session, error) {
	o := query.Options{Trusted: true}
	if r.o.AllowDamaged {
		o.OnDamage = func(files []tiers.Damage) {
			for _, d := range files {
				r.o.Logger.Warn("a run goes on without a damaged file", "table", "lake."+d.Table, "file", d.Path, "rows", d.Rows,
					"reason", d.Reason)
			}
		}
	}
	s, err := e.Open(ctx, v, o)
	if errors.Is(err, tiers.ErrDamaged) {
		return nil, fmt.Errorf("%w; or set pipelines.allow_damaged to run without them", err)
	}
	return s, err
}
