package cli

import (
	"context"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/serve"
)

// maintenanceCommands do by hand what a daemon does by itself.
func maintenanceCommands() []entry {
	var compact, expire, orphans, retain upkeep
	var tables []string
	return []entry{
		admin{
			path: "compact", args: many("[TABLE...]").of(lakeTableNames),
			short:   "Merge the small files of each day into large sorted ones",
			example: "  lakeward compact lake.signin --dry-run", flags: compact.add,
			run: func(ctx context.Context, c *cli, args []string) error {
				return c.maintain(ctx, "compact", args, compact)
			},
			do: (*daemon.Verbs).Compact, verb: "lake compact",
		},
		admin{
			path: "expire", args: many("[TABLE...]").of(lakeTableNames),
			short:   "Forget old snapshots, so that commits stay fast",
			example: "  lakeward expire --dry-run", flags: expire.add,
			run: func(ctx context.Context, c *cli, args []string) error { return c.maintain(ctx, "expire", args, expire) },
			do:  (*daemon.Verbs).Expire, verb: "lake expire",
		},
		admin{
			path: "orphans", args: none(), short: "Remove files that no table has named for long",
			example: "  lakeward orphans --dry-run", flags: orphans.add,
			run: func(ctx context.Context, c *cli, args []string) error {
				return c.maintain(ctx, "orphans", args, orphans)
			},
			do: (*daemon.Verbs).Orphans, verb: "lake orphans",
		},
		admin{
			path: "retain", args: none(), short: "Take out the days of lake tables that are older than their retention",
			long: "Takes the days out of lake tables whose end is older than the table's retention (lake.retention,\n" +
				"tables.NAME.retention, lake.quarantine_retention), by the events' time. A daemon does it by itself\n" +
				"(lake.maintenance.every). The files are removed later, by expire and orphans, so that no query is\n" +
				"disturbed. lake.ingest_skipped and lake.ingest_removed stay, since `lakeward verify` rests on them, and so\n" +
				"do tables that pipelines write.",
			example: "  lakeward retain --dry-run\n  lakeward retain --table signin",
			flags: func(f *pflag.FlagSet) {
				f.StringSliceVar(&tables, "table", nil, "only the lake table `TABLE`; several are separated by commas")
				retain.add(f)
			},
			run: func(ctx context.Context, c *cli, _ []string) error { return c.maintain(ctx, "retain", tables, retain) },
			do:  (*daemon.Verbs).Retain, verb: "lake retain",
		},
	}
}

// upkeep are the flags of maintenance.
type upkeep struct{ dry, asJSON bool }

func (u *upkeep) add(f *pflag.FlagSet) {
	f.BoolVar(&u.dry, "dry-run", false, "print the plan, change nothing")
	f.BoolVar(&u.asJSON, "json", false, "print JSON")
}

func (c *cli) maintain(ctx context.Context, verb string, tables []string, u upkeep) error {
	sc := serve.Command{Noun: "lake", Verb: verb, Args: map[string]string{daemon.ArgTables: strings.Join(tables, ",")}}
	if u.dry {
		sc.Args[daemon.ArgDryRun] = "true"
		return c.read(ctx, sc, u.asJSON)
	}
	return c.write(ctx, sc, u.asJSON)
}
