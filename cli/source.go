package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/serve"
)

// sourceCommands are about the sources of events.
func sourceCommands() []entry {
	asJSON := new(bool)
	return []entry{
		group{path: "source", short: "How the sources of events are, and where they go on", shared: jsonFlag(asJSON)},
		reader{
			path: "source status", args: atMostOne("[NAME]", "the name of a source, or none").of(sourceNames),
			short: "Stream, state, marks, gaps and quarantine of each source, and what to do",
			long: "Says of each source what it reads, how it is and why, how far it is committed, what the stream dropped\n" +
				"before it was read, and what to do. Exit code 1 if a source halts. Works with and without a daemon.",
			run: func(ctx context.Context, c *cli, args []string) error {
				return c.write(ctx, serve.Command{Noun: "source", Verb: "status", Name: strings.Join(args, "")}, *asJSON)
			},
			do: (*daemon.Verbs).SourceStatus,
		},
		sourceResetCommand(asJSON),
		sourceTestCommand(),
	}
}

func sourceResetCommand(asJSON *bool) entry {
	var f resetFlags
	var flags *pflag.FlagSet
	return admin{
		path: "source reset", args: one("NAME", "the name of a source").of(sourceNames),
		short: "Decide where a source goes on whose stream is another one",
		long: "A source halts if its stream was made anew, was restored from an older copy, or otherwise is not the one\n" +
			"that the lake was fed from. Where it goes on is a person's decision. This says what it will do, asks, and\n" +
			"moves the marks of the source's tables; who decided, when, why, and the marks before and after are kept\n" +
			"in the tables. What is in the lake stays. Works with and without a daemon, which goes on at once.",
		example: "  lakeward source reset events --from-start --reason 'stream recreated after disk loss'\n" +
			"  lakeward source reset events --from-time 2026-11-24T10:05:00Z --yes",
		flags: func(set *pflag.FlagSet) {
			set.BoolVar(&f.start, ingest.FromStart, false, "go on with the first message that the stream holds")
			set.BoolVar(&f.now, ingest.FromNow, false, "go on with what comes after the stream's last message")
			set.Uint64Var(&f.seq, ingest.FromSeq, 0, "go on with the sequence `N`")
			set.StringVar(&f.time, ingest.FromTime, "", "go on with the first message that the stream got at `T` or later, "+
				"such as 2026-11-24T10:05:00Z")
			set.StringVar(&f.reason, "reason", "", "why, in words; kept with the decision")
			set.BoolVar(&f.yes, "yes", false, "do not ask")
			flags = set
		},
		run: func(ctx context.Context, c *cli, args []string) error {
			set, err := f.args(flags.Changed)
			if err != nil {
				return err
			}
			return c.ask(ctx, deed{cmd: serve.Command{Noun: "source", Verb: "reset", Name: args[0], Args: set},
				question: "Reset source " + args[0] + "?", planned: plannedReset(set), asking: asking{yes: f.yes, asJSON: *asJSON}})
		},
		do: (*daemon.Verbs).SourceReset,
	}
}

type resetFlags struct {
	start, now, yes bool
	seq             uint64
	time, reason    string
}

// args are the command's arguments.
func (f resetFlags) args(changed func(string) bool) (map[string]string, error) {
	out := map[string]string{daemon.ArgReason: f.reason, daemon.ArgBy: whoAmI()}
	n := 0
	for _, mode := range []string{ingest.FromStart, ingest.FromNow, ingest.FromSeq, ingest.FromTime} {
		if changed(mode) {
			out[daemon.ArgMode] = mode
			n++
		}
	}
	if n != 1 {
		return nil, fmt.Errorf("%w: say where to go on with one of --from-start, --from-now, --from-seq and --from-time; "+
			"`lakeward source status` says which", errUsage)
	}
	switch out[daemon.ArgMode] {
	case ingest.FromSeq:
		out[daemon.ArgSeq] = strconv.FormatUint(f.seq, 10)
	case ingest.FromTime:
		if _, err := time.Parse(time.RFC3339, f.time); err != nil {
			return nil, fmt.Errorf("%w: %q is not a time; write it like 2026-11-24T10:05:00Z", errUsage, f.time)
		}
		out[daemon.ArgTime] = f.time
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
		args[daemon.ArgSeq], args[daemon.ArgCreated] = strconv.FormatUint(p.New.Seq+1, 10),
			p.New.Created.Format(time.RFC3339Nano)
		return true, nil
	}
}
