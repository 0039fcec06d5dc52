package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/internal/safefile"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/serve"
)

// pipelineCommands work on files, or ask about the active pipelines.
func pipelineCommands() []entry {
	files := many("[NAME|FILE...]").of(pipelineNames).orFiles()
	var lintJSON, testJSON bool
	return append([]entry{
		group{
			path: "pipeline", short: "Check, rehearse, run and look back on pipelines",
			long: "Pipelines are YAML files in a folder. lint and test work on files and need no daemon; the\n" +
				"other verbs ask the running daemon or, without one, work on the data directory.",
		},
		local{
			path: "pipeline lint", args: files, short: "Print every mistake of pipeline files, with its place and a remedy",
			long: "Says what the daemon would say of the files: each by itself, beside the others of its folder and, if " +
				"there\n" +
				"is a data directory, beside the tables of its lake. A table or column that the lake does not have is a\n" +
				"mistake if its name is nearly that of one that is there, and otherwise a warning.",
			example: "  lakeward pipeline lint pipelines.d/failed-signins.yaml",
			flags:   jsonFlag(&lintJSON),
			run:     func(ctx context.Context, c *cli, args []string) error { return c.lintPipelines(ctx, args, lintJSON) },
		},
		local{
			path: "pipeline test", args: files, short: "Run the cases of pipelines' test files, the way the daemon would run " +
				"them",
			flags: jsonFlag(&testJSON),
			run:   func(ctx context.Context, c *cli, args []string) error { return c.testPipelines(ctx, args, testJSON) },
		},
		local{
			path: "pipeline schema", args: none(), short: "Print the JSON Schema of pipeline files, for editors",
			run: func(_ context.Context, c *cli, _ []string) error { return c.printSchema() },
		},
	}, askedPipelineCommands()...)
}

// askedPipelineCommands are those that a daemon does.
func askedPipelineCommands() []entry {
	file := one("NAME|FILE", "the name of a pipeline, or a file").of(pipelineNames).orFiles()
	named := atMostOne("[NAME]", "the name of a pipeline, or none").of(pipelineNames)
	var list, check, plan, explain, run, backfill, history pipelineFlags
	return []entry{
		reader{
			path: "pipeline list", args: none(), short: "The active pipelines, their next and last runs",
			flags: list.with(), run: list.ask((*cli).read, "list"), do: (*daemon.Verbs).PipelineList, needsAdmin: brings,
		},
		reader{
			path: "pipeline check", args: file, short: "Which of a pipeline's tables, columns and types the lake does not have",
			flags: check.with(), run: check.ask((*cli).read, "check"), do: (*daemon.Verbs).PipelineCheck,
		},
		reader{
			path: "pipeline plan", args: file, short: "What a pipeline would have found, and how that differs from the live " +
				"version",
			long: "Runs every logical time of (from, to] over the lake as it is, keeps nothing, and shows findings a\n" +
				"day, top entities, what was read and how long it took. Given a file, it compares it with the active\n" +
				"pipeline of the same name. By default the last seven days.",
			flags: plan.with(daemon.ArgFrom, daemon.ArgTo), run: plan.ask((*cli).write, "plan"),
			do: (*daemon.Verbs).PipelinePlan,
		},
		reader{
			path: "pipeline explain", args: file, short: "The SQL of a run",
			flags: explain.with(daemon.ArgAt), run: explain.ask((*cli).read, "explain"), do: (*daemon.Verbs).PipelineExplain,
		},
		writer{
			path: "pipeline run", args: file, short: "Run a pipeline once, at a logical time (now, if none is given)",
			long: "Runs one window of an active pipeline. A file that is not in the folder is run too; for that a daemon\n" +
				"with tokens asks for the role admin, or for --dry-run and the role write.",
			flags: run.with(daemon.ArgAt, daemon.ArgDryRun), run: run.ask((*cli).write, "run"), do: (*daemon.Verbs).PipelineRun,
			needsAdmin: bringsToWrite,
		},
		writer{
			path: "pipeline backfill", args: named, short: "Run the logical times of (from, to] that have not been run",
			flags: backfill.with(daemon.ArgFrom, daemon.ArgTo), run: backfill.ask((*cli).write, "backfill"),
			do: (*daemon.Verbs).PipelineBackfill, needsAdmin: brings,
		},
		reader{
			path: "pipeline history", args: named, short: "Past runs, newest first",
			flags: history.with(daemon.ArgLimit, daemon.ArgStatus), run: history.ask((*cli).read, "history"),
			do: (*daemon.Verbs).PipelineHistory, needsAdmin: brings,
		},
	}
}

// brings reports whether a command brings a pipeline along.
func brings(c serve.Command) bool {
	_, brought := c.Args[daemon.ArgPipeline]
	return brought
}

// bringsToWrite reports whether a command brings a pipeline along that writes: it
// could replace the rows of any other.
func bringsToWrite(c serve.Command) bool {
	dry, err := strconv.ParseBool(c.Args[daemon.ArgDryRun])
	return brings(c) && (err != nil || !dry)
}

// pipelineFlags are the flags of a command that a daemon does, which are the
// command's arguments.
type pipelineFlags struct {
	set    *pflag.FlagSet
	args   []string
	asJSON bool
}

// with has flags for some of the arguments.
func (f *pipelineFlags) with(args ...string) func(*pflag.FlagSet) {
	return func(set *pflag.FlagSet) {
		f.set, f.args = set, args
		for _, arg := range args {
			switch arg {
			case daemon.ArgAt:
				set.String(arg, "", "logical time, such as 2026-11-24T10:05:00Z")
			case daemon.ArgFrom:
				set.String(arg, "", "begin, exclusive: a time, or how long before the end, such as 24h or 7d")
			case daemon.ArgTo:
				set.String(arg, "", "end, inclusive (default: now)")
			case daemon.ArgDryRun:
				set.Bool(flagName(arg), false, "compute and print, write nothing")
			case daemon.ArgLimit:
				set.String(arg, "20", "how many; 0 is all")
			case daemon.ArgStatus:
				set.String(arg, "", "only those that succeeded, failed or were skipped")
			}
		}
		jsonFlag(&f.asJSON)(set)
	}
}

// ask turns arguments and flags into a command. An argument that is a file is
// read here, since the daemon may not see it.
func (f *pipelineFlags) ask(with func(*cli, context.Context, serve.Command, bool) error,
	verb string) func(context.Context, *cli, []string) error {
	return func(ctx context.Context, c *cli, args []string) error {
		sc := serve.Command{Noun: "pipeline", Verb: verb, Args: map[string]string{}}
		for _, arg := range f.args {
			sc.Args[arg] = f.set.Lookup(flagName(arg)).Value.String()
		}
		if len(args) > 0 {
			sc.Name = args[0]
		}
		if isFile(sc.Name) {
			if verb != "check" && verb != "plan" && verb != "explain" && verb != "run" {
				return fmt.Errorf("%w: %s takes the name of an active pipeline, not a file", errUsage, verb)
			}
			data, err := safefile.Read(sc.Name, pipeline.MaxFile)
			if err != nil {
				return fmt.Errorf("read pipeline: %w", err)
			}
			sc.Args[daemon.ArgPipeline] = string(data)
		}
		return with(c, ctx, sc, f.asJSON)
	}
}

func flagName(arg string) string { return strings.ReplaceAll(arg, "_", "-") }
