package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/serve"
)

// quarantineCommands are about events that could not be decoded.
func quarantineCommands() []entry {
	asJSON := new(bool)
	return []entry{
		group{
			path: "quarantine", short: "What could not be decoded: list it, look at it, put it through again",
			long: "Events that could not be decoded are in lake.quarantine with their bytes and the reason. Once the cause " +
				"is\n" +
				"mended, usually in the configuration, they can be put through again.",
			shared: jsonFlag(asJSON),
		},
		quarantineListCommand(asJSON),
		reader{
			path: "quarantine show", args: one("ID", "the id of a row, or its beginning"),
			short:   "One row: its bytes, escaped, its reason, and where it came from",
			example: "  lakeward quarantine show 5f0c2a",
			run: func(ctx context.Context, c *cli, args []string) error {
				return c.read(ctx, serve.Command{Noun: "quarantine", Verb: "show", Name: args[0]}, *asJSON)
			},
			do: (*daemon.Verbs).QuarantineShow,
		},
		quarantineReplayCommand(asJSON),
	}
}

func quarantineListCommand(asJSON *bool) entry {
	var f rejectedFlags
	return reader{
		path: "quarantine list", args: none(), short: "Reasons, how often, when first and last, and the id of an example",
		example: "  lakeward quarantine list --since 24h\n  lakeward quarantine list --reason 'larger than'",
		flags:   f.add,
		run: func(ctx context.Context, c *cli, _ []string) error {
			args, err := f.args(time.Now())
			if err != nil {
				return err
			}
			return c.read(ctx, serve.Command{Noun: "quarantine", Verb: "list", Args: args}, *asJSON)
		},
		do: (*daemon.Verbs).QuarantineList,
	}
}

func quarantineReplayCommand(asJSON *bool) entry {
	var f rejectedFlags
	var dry, all bool
	return admin{
		path: "quarantine replay", args: many("[ID...]"), short: "Decode rows again with today's configuration, and " +
			"commit their events once",
		long: "Decodes rows of lake.quarantine again with the configuration of today and commits their events to their\n" +
			"tables. What was replayed before is not replayed again, however often this is run or cut short. The row\n" +
			"stays in lake.quarantine as evidence; lake.ingest_skipped says where its events are. What still cannot be\n" +
			"decoded is counted by its reason. The source stands still meanwhile.",
		example: "  lakeward quarantine replay --reason 'larger than' --dry-run\n  lakeward quarantine replay " +
			"5f0c2a81d2b4e6f7",
		flags: func(set *pflag.FlagSet) {
			f.add(set)
			set.BoolVar(&all, "all", false, "everything that was not replayed yet")
			set.BoolVar(&dry, "dry-run", false, "say what would be replayed; write nothing")
		},
		run: func(ctx context.Context, c *cli, ids []string) error {
			args, err := f.args(time.Now())
			if err != nil {
				return err
			}
			if len(ids) == 0 && f == (rejectedFlags{}) && !all {
				return fmt.Errorf("%w: say what to replay: ids, --reason, --source, --since or --all", errUsage)
			}
			args[daemon.ArgIDs], args[daemon.ArgDryRun], args[daemon.ArgBy] = strings.Join(ids, " "), strconv.FormatBool(dry),
				whoAmI()
			return c.write(ctx, serve.Command{Noun: "quarantine", Verb: "replay", Args: args}, *asJSON)
		},
		do: (*daemon.Verbs).QuarantineReplay,
	}
}

// rejectedFlags select rows of quarantine.
type rejectedFlags struct{ source, since, reason string }

func (f *rejectedFlags) add(set *pflag.FlagSet) {
	set.StringVar(&f.source, "source", "", "only of the source `NAME`")
	set.StringVar(&f.since, "since", "", "only what came since `T`: a time such as 2026-11-24T10:05:00Z, or for how "+
		"long, such as 24h")
	set.StringVar(&f.reason, "reason", "", "only where the reason contains `TEXT`")
}

func (f rejectedFlags) args(now time.Time) (map[string]string, error) {
	args := map[string]string{daemon.ArgSource: f.source, daemon.ArgReason: f.reason}
	if f.since == "" {
		return args, nil
	}
	at, err := time.Parse(time.RFC3339, f.since)
	if d, derr := time.ParseDuration(f.since); derr == nil {
		at, err = now.Add(-d), nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: --since %q is neither a time nor a duration; write it like 2026-11-24T10:05:00Z or 24h",
			errUsage, f.since)
	}
	args[daemon.ArgSince] = at.UTC().Format(time.RFC3339Nano)
	return args, nil
}
