package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/serve"
)

func (c *cli) sourceCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "source", Short: "How the sources of events are, and where they go on"}
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(&cobra.Command{
		Use:   "status [NAME]",
		Short: "Stream, state, marks, gaps and quarantine of each source, and what to do",
		Long: "Says of each source what it reads, how it is and why, how far it is committed, what the stream dropped\n" +
			"before it was read, and what to do. Exit code 1 if a source halts. Works with and without a daemon.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withWriter(cmd.Context(), func(b serve.Backend) error {
				return c.do(cmd.Context(), b, serve.Command{Noun: "source", Verb: "status", Name: strings.Join(args, "")}, asJSON)
			})
		},
	}, c.sourceResetCommand(&asJSON))
	return cmd
}

func (c *cli) sourceResetCommand(asJSON *bool) *cobra.Command {
	var f resetFlags
	cmd := &cobra.Command{
		Use:   "reset NAME",
		Short: "Decide where a source goes on whose stream is another one",
		Long: "A source halts if its stream was made anew, was restored from an older copy, or otherwise is not the one\n" +
			"that the lake was fed from. Where it goes on is a person's decision. This says what it will do, asks, and\n" +
			"moves the marks of the source's tables; who decided, when, why, and the marks before and after are kept\n" +
			"in the tables. What is in the lake stays. Works with and without a daemon, which goes on at once.",
		Example: "  lakeward source reset events --from-start --reason 'stream recreated after disk loss'\n" +
			"  lakeward source reset events --from-time 2026-11-24T10:05:00Z --yes",
		Args: exactArgs(1, "the name of a source"),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := f.args(cmd.Flags().Changed)
			if err != nil {
				return err
			}
			return c.withWriter(cmd.Context(), func(b serve.Backend) error {
				return c.ask(cmd.Context(), b, deed{cmd: serve.Command{Noun: "source", Verb: "reset", Name: args[0], Args: set},
					question: "Reset source " + args[0] + "?", planned: plannedReset(set), yes: f.yes, asJSON: *asJSON})
			})
		},
	}
	cmd.Flags().BoolVar(&f.start, ingest.FromStart, false, "go on with the first message that the stream holds")
	cmd.Flags().BoolVar(&f.now, ingest.FromNow, false, "go on with what comes after the stream's last message")
	cmd.Flags().Uint64Var(&f.seq, ingest.FromSeq, 0, "go on with the sequence `N`")
	cmd.Flags().StringVar(&f.time, ingest.FromTime, "", "go on with the first message that the stream got at `T` or later, such as 2026-11-24T10:05:00Z")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, in words; kept with the decision")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	return cmd
}

type resetFlags struct {
	start, now, yes bool
	seq             uint64
	time, reason    string
}

// args are the command's arguments.
func (f resetFlags) args(changed func(string) bool) (map[string]string, error) {
	out := map[string]string{argReason: f.reason, argBy: whoAmI()}
	n := 0
	for _, mode := range []string{ingest.FromStart, ingest.FromNow, ingest.FromSeq, ingest.FromTime} {
		if changed(mode) {
			out[argMode] = mode
			n++
		}
	}
	if n != 1 {
		return nil, fmt.Errorf("%w: say where to go on with one of --from-start, --from-now, --from-seq and --from-time; `lakeward source status` says which", errUsage)
	}
	switch out[argMode] {
	case ingest.FromSeq:
		out[argSeq] = strconv.FormatUint(f.seq, 10)
	case ingest.FromTime:
		if _, err := time.Parse(time.RFC3339, f.time); err != nil {
			return nil, fmt.Errorf("%w: %q is no time; write it like 2026-11-24T10:05:00Z", errUsage, f.time)
		}
		out[argTime] = f.time
	}
	return out, nil
}

// whoAmI is who decides, for the record.
func whoAmI() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

// plannedReset has done just what the plan says: its sequence and its stream
// are what is asked for.
func plannedReset(args map[string]string) func(json.RawMessage) (bool, error) {
	return func(data json.RawMessage) (bool, error) {
		var p ingest.ResetPlan
		if err := json.Unmarshal(data, &p); err != nil {
			return false, err
		}
		args[argSeq], args[argCreated] = strconv.FormatUint(p.New.Seq+1, 10), p.New.Created.Format(time.RFC3339Nano)
		return true, nil
	}
}
