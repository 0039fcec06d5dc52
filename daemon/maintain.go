package daemon

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/serve"
)

const argTables = "tables" // separated by commas; empty: all

// maintenance names the lease of the daemon that maintains the lake by itself.
const maintenance = "maintenance"

func newKeeper(c *core, hold func() string) *compact.Maintainer {
	cfg, m, p := c.cfg, c.cfg.Lake.Maintenance, compact.DefaultPolicy()
	p.TargetBytes, p.TargetRows = m.FileSize, m.FileRows
	return compact.NewMaintainer(compact.MaintainerOptions{
		Lake: c.lake, Lease: c.lease(maintenance, compact.LeasePatience), Logger: c.log, Hold: hold,
		Every: m.Every, OrphansEvery: m.OrphansEvery, Grace: m.OrphanGrace, Seen: filepath.Join(cfg.DataDir, "orphans.json"),
		Expiry:   compact.Expiry{Least: m.Snapshots.Least, Most: max(m.Snapshots.Least, m.Snapshots.Most), Age: m.Snapshots.Age},
		Confiner: c.engine, Retention: cfg.RetentionOf, Own: []string{ingest.Skipped},
		Rewrite: compact.Options{Engine: c.engine, Bloom: cfg.BloomColumns, Lookup: cfg.LookupColumns, Policy: p, Memory: cfg.Memory.Shares().Merge},
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
	case "retain":
		rep, err = v.keeper.Retain(ctx, names, dry)
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
		c.retainCommand(), c.eraseCommand(),
		c.maintenance("compact [TABLE...]", "Merge the small files of each day into large sorted ones", "  lakeward compact lake.signin --dry-run", cobra.ArbitraryArgs),
		c.maintenance("expire [TABLE...]", "Forget old snapshots, so that commits stay fast", "  lakeward expire --dry-run", cobra.ArbitraryArgs),
		c.maintenance("orphans", "Remove files that no table has named for long", "  lakeward orphans --dry-run", exactArgs(0, "no arguments")),
	}
}

func (c *cli) retainCommand() *cobra.Command {
	var tables []string
	var asJSON, dry bool
	cmd := &cobra.Command{
		Use:   "retain",
		Short: "Take out the days of lake tables that are older than their retention",
		Long: "Takes the days out of lake tables whose end is older than the table's retention (lake.retention,\n" +
			"tables.NAME.retention, lake.quarantine_retention), by the events' time. A daemon does it by itself\n" +
			"(lake.maintenance.every). The files are removed later, by expire and orphans, so that no query is\n" +
			"disturbed. lake.ingest_skipped and lake.ingest_removed stay, since `lakeward verify` rests on them, and so\n" +
			"do tables that pipelines write.",
		Example: "  lakeward retain --dry-run\n  lakeward retain --table signin",
		Args:    exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sc := serve.Command{Noun: "lake", Verb: "retain", Args: map[string]string{argTables: strings.Join(tables, ",")}}
			with := c.withWriter
			if dry {
				sc.Args[argDryRun], with = "true", c.withBackend
			}
			return with(cmd.Context(), func(b serve.Backend) error { return c.do(cmd.Context(), b, sc, asJSON) })
		},
	}
	cmd.Flags().StringSliceVar(&tables, "table", nil, "only the lake table `TABLE`; several are separated by commas")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print the plan, change nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
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
