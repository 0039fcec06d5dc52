package daemon

import (
	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/serve"
)

func (c *cli) explainCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain FINDING_ID",
		Short: "Where a finding came from: rows, baseline, formula with its numbers, SQL",
		Long: "Computes again, on the snapshots of the run that raised it, what led to a finding: the input\n" +
			"rows, the baseline, the formula with its numbers, and the SQL.",
		Example: `  lakeward explain "$(lakeward query -f csv 'SELECT finding_id FROM analytics.findings ORDER BY score DESC LIMIT 1' | tail -1)"`,
		Args:    exactArgs(1, "a finding_id of analytics.findings"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withBackend(cmd.Context(), func(b serve.Backend) error {
				return c.do(cmd.Context(), b, serve.Command{Noun: "finding", Verb: "explain", Name: args[0]}, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// argDeep asks for the messages that repeats repeat.
const argDeep = "deep"

func (c *cli) verifyCommand() *cobra.Command {
	var asJSON, deep bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove that every message of the streams is in the lake once",
		Long: "Compares the streams' sequences with the ranges that each data file records: every message must be\n" +
			"in a table once, in lake.quarantine with a reason, a counted repeat, or recorded as removed by retention\n" +
			"or an erasure. Where a file is damaged, the rest is accounted for, and what the file had is said.\n" +
			"With --deep, the message that each repeat repeats is looked for in its table, in lake.quarantine and among\n" +
			"those that were removed; this reads the event ids of the files that may have them. Repeats that an older\n" +
			"version recorded without saying of which message are counted as not proven.\n" +
			"Exit code 0 if all of that is proven; 1 if messages are lost or repeated, if the stream dropped some before\n" +
			"they were read (since the last `source reset`), if files or marks are missing or damaged so that it cannot\n" +
			"be proven, if the catalog is older than the lake, in which case nothing is counted, or if a message was\n" +
			"dropped as the repeat of one that is not there (--deep); 2 for a wrong command line or configuration.",
		Args: exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withWriter(cmd.Context(), func(b serve.Backend) error {
				sc := serve.Command{Noun: "lake", Verb: "verify"}
				if deep {
					sc.Args = map[string]string{argDeep: "true"}
				}
				return c.do(cmd.Context(), b, sc, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&deep, argDeep, false, "look for the message that each repeat repeats")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
