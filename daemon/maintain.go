package daemon

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/serve"
)

// maintenance names the lease of the daemon that maintains the lake by itself.
const maintenance = "maintenance"

func newKeeper(c *core, hold func() string) *compact.Maintainer {
	cfg, m, p := c.cfg, c.cfg.Lake.Maintenance, compact.DefaultPolicy()
	p.TargetBytes, p.TargetRows = m.FileSize, m.FileRows
	return compact.NewMaintainer(compact.MaintainerOptions{
		Lake: c.lake, Lease: c.lease(maintenance, compact.LeasePatience), Logger: c.log, Hold: hold,
		Every: m.Every, OrphansEvery: m.OrphansEvery, Grace: m.OrphanGrace, Seen: filepath.Join(cfg.DataDir, "orphans.json"),
		Expiry: compact.Expiry{Least: m.Snapshots.Least, Most: max(m.Snapshots.Least, m.Snapshots.Most),
			Age: m.Snapshots.Age},
		Confiner: c.engine, Retention: cfg.RetentionOf, Own: []string{ingest.Skipped},
		Rewrite: compact.Options{Engine: c.engine, Bloom: cfg.BloomColumns, Lookup: cfg.LookupColumns, Policy: p,
			Memory: cfg.Memory.Shares().Merge},
	})
}

// Retain takes days out of lake tables that are older than their retention.
func (v *Verbs) Retain(ctx context.Context, c serve.Command) (serve.Report, error) {
	return maintained(ctx, c, v.keeper.Retain)
}

// Compact merges the small files of lake tables.
func (v *Verbs) Compact(ctx context.Context, c serve.Command) (serve.Report, error) {
	return maintained(ctx, c, v.keeper.Compact)
}

// Expire forgets old snapshots of lake tables.
func (v *Verbs) Expire(ctx context.Context, c serve.Command) (serve.Report, error) {
	return maintained(ctx, c, v.keeper.Expire)
}

// Orphans removes files that no table has named for long.
func (v *Verbs) Orphans(ctx context.Context, c serve.Command) (serve.Report, error) {
	return maintained(ctx, c, func(ctx context.Context, _ []string, dry bool) (compact.Report, error) {
		return v.keeper.Orphans(ctx, dry)
	})
}

// maintained does a piece of maintenance on the tables that the command names.
func maintained(ctx context.Context, c serve.Command,
	do func(context.Context, []string, bool) (compact.Report, error)) (serve.Report, error) {
	dry, err := flagOf(c, ArgDryRun)
	if err != nil {
		return serve.Report{}, err
	}
	var names []string
	if list := c.Args[ArgTables]; list != "" {
		names = strings.Split(list, ",")
	}
	rep, err := do(ctx, names, dry)
	if err != nil {
		return serve.Report{}, err
	}
	return report(rep.String(), rep)
}
