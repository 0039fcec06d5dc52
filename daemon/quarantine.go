package daemon

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/serve"
)

func (c *cli) quarantineCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "What could not be decoded: list it, look at it, put it through again",
		Long: "Events that could not be decoded are in lake.quarantine with their bytes and the reason. Once the cause is\n" +
			"mended, usually in the configuration, they can be put through again.",
	}
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(c.quarantineListCommand(&asJSON), &cobra.Command{
		Use:     "show ID",
		Short:   "One row: its bytes, escaped, its reason, and where it came from",
		Example: "  lakeward quarantine show 5f0c2a",
		Args:    exactArgs(1, "the id of a row, or its beginning"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withBackend(cmd.Context(), func(b serve.Backend) error {
				return c.do(cmd.Context(), b, serve.Command{Noun: "quarantine", Verb: "show", Name: args[0]}, asJSON)
			})
		},
	}, c.quarantineReplayCommand(&asJSON))
	return cmd
}

func (c *cli) quarantineListCommand(asJSON *bool) *cobra.Command {
	var f rejectedFlags
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Reasons, how often, when first and last, and the id of an example",
		Example: "  lakeward quarantine list --since 24h\n  lakeward quarantine list --reason 'larger than'",
		Args:    exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			args, err := f.args(time.Now())
			if err != nil {
				return err
			}
			return c.withBackend(cmd.Context(), func(b serve.Backend) error {
				return c.do(cmd.Context(), b, serve.Command{Noun: "quarantine", Verb: "list", Args: args}, *asJSON)
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (c *cli) quarantineReplayCommand(asJSON *bool) *cobra.Command {
	var f rejectedFlags
	var dry, all bool
	cmd := &cobra.Command{
		Use:   "replay [ID...]",
		Short: "Decode rows again with today's configuration, and commit their events once",
		Long: "Decodes rows of lake.quarantine again with the configuration of today and commits their events to their\n" +
			"tables. What was replayed before is not replayed again, however often this is run or cut short. The row\n" +
			"stays in lake.quarantine as evidence; lake.ingest_skipped says where its events are. What still cannot be\n" +
			"decoded is counted by its reason. The source stands still meanwhile.",
		Example: "  lakeward quarantine replay --reason 'larger than' --dry-run\n  lakeward quarantine replay 5f0c2a81d2b4e6f7",
		RunE: func(cmd *cobra.Command, ids []string) error {
			args, err := f.args(time.Now())
			if err != nil {
				return err
			}
			if len(ids) == 0 && f == (rejectedFlags{}) && !all {
				return fmt.Errorf("%w: say what to replay: ids, --reason, --source, --since or --all", errUsage)
			}
			args[argIDs], args[argDryRun], args[argBy] = strings.Join(ids, " "), strconv.FormatBool(dry), whoAmI()
			return c.withWriter(cmd.Context(), func(b serve.Backend) error {
				return c.do(cmd.Context(), b, serve.Command{Noun: "quarantine", Verb: "replay", Args: args}, *asJSON)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "everything that was not replayed yet")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be replayed; write nothing")
	return cmd
}

// rejectedFlags select rows of quarantine.
type rejectedFlags struct{ source, since, reason string }

func (f *rejectedFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.source, "source", "", "only of the source `NAME`")
	cmd.Flags().StringVar(&f.since, "since", "", "only what came since `T`: a time such as 2026-11-24T10:05:00Z, or for how long, such as 24h")
	cmd.Flags().StringVar(&f.reason, "reason", "", "only where the reason contains `TEXT`")
}

func (f rejectedFlags) args(now time.Time) (map[string]string, error) {
	args := map[string]string{argSource: f.source, argReason: f.reason}
	if f.since == "" {
		return args, nil
	}
	at, err := time.Parse(time.RFC3339, f.since)
	if d, derr := time.ParseDuration(f.since); derr == nil {
		at, err = now.Add(-d), nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: --since %q is neither a time nor a duration; write it like 2026-11-24T10:05:00Z or 24h", errUsage, f.since)
	}
	args[argSince] = at.UTC().Format(time.RFC3339Nano)
	return args, nil
}
