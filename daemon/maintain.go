package daemon

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/serve"
)

const argTables = "tables" // separated by commas; empty: all

func newKeeper(cfg config.Config, l compact.Lake, e query.Engine, log *slog.Logger) *compact.Maintainer {
	m, p := cfg.Lake.Maintenance, compact.DefaultPolicy()
	p.TargetBytes, p.TargetRows = m.FileSize, m.FileRows
	return compact.NewMaintainer(compact.MaintainerOptions{
		Lake: l, Every: m.Every, Grace: m.OrphanGrace, Seen: filepath.Join(cfg.DataDir, "orphans.json"), Logger: log,
		Expiry:  compact.Expiry{Least: m.Snapshots.Least, Most: max(m.Snapshots.Least, m.Snapshots.Most), Age: m.Snapshots.Age},
		Rewrite: compact.Options{Engine: e, Bloom: cfg.BloomColumns, Policy: p, Memory: cfg.Memory.Shares().Merge},
	})
}

// maintain carries out a command on the lake's files.
func (v *verbs) maintain(ctx context.Context, c serve.Command) (serve.Report, error) {
	dry, err := flagOf(c, argDryRun)
	if err != nil {
		return serve.Report{}, err
	}
	var names []string
	if list := c.Args[argTables]; list != "" {
		names = strings.Split(list, ",")
	}
	var rep compact.Report
	switch c.Verb {
	case "compact":
		rep, err = v.keeper.Compact(ctx, names, dry)
	case "expire":
		rep, err = v.keeper.Expire(ctx, names, dry)
	default:
		rep, err = v.keeper.Orphans(ctx, dry)
	}
	if err != nil {
		return serve.Report{}, err
	}
	return report(rep.String(), rep)
}

func (c *cli) maintenanceCommands() []*cobra.Command {
	return []*cobra.Command{
		c.maintenance("compact [TABLE...]", "Merge the small files of each day into large sorted ones", "  lakeward compact lake.signin --dry-run", cobra.ArbitraryArgs),
		c.maintenance("expire [TABLE...]", "Forget old snapshots, so that commits stay fast", "  lakeward expire --dry-run", cobra.ArbitraryArgs),
		c.maintenance("orphans", "Remove files that no table has named for long", "  lakeward orphans --dry-run", exactArgs(0, "no arguments")),
	}
}

func (c *cli) maintenance(use, short, example string, args cobra.PositionalArgs) *cobra.Command {
	var asJSON, dry bool
	verb, _, _ := strings.Cut(use, " ")
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			sc := serve.Command{Noun: "lake", Verb: verb, Args: map[string]string{argTables: strings.Join(args, ",")}}
			with := c.withWriter
			if dry {
				sc.Args[argDryRun], with = "true", c.withBackend
			}
			return with(cmd.Context(), func(b serve.Backend) error { return c.do(cmd.Context(), b, sc, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print the plan, change nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
