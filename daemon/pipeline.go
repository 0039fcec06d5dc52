package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/internal/safefile"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/serve"
)

func (c *cli) pipelineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pipeline",
		Short: "Check, rehearse, run and look back on pipelines",
		Long: "Pipelines are YAML files in a folder. lint and test work on files and need no daemon; the\n" +
			"other verbs ask the running daemon or, without one, work on the data directory.",
	}
	cmd.AddCommand(
		c.lintCommand(), c.pipelineTestCommand(), c.schemaCommand(),
		c.verbCommand("list", "The active pipelines, their next and last runs", 0),
		c.planCommand(),
		c.verbCommand("explain NAME|FILE", "The SQL of a run", 1, argAt),
		c.runCommand(),
		c.backfillCommand(),
		c.historyCommand(),
	)
	return cmd
}

// isFile tells a file from the name of a pipeline.
func isFile(arg string) bool {
	ext := filepath.Ext(arg)
	return ext == ".yaml" || ext == ".yml"
}

// files are the pipeline files that the arguments name, a name without ending
// being in the configured folder; without any, those of the folder.
func (c *cli) files(args []string) ([]string, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	if len(args) > 0 {
		out := make([]string, len(args))
		for i, a := range args {
			if out[i] = a; !isFile(a) {
				out[i] = filepath.Join(cfg.Pipelines.Dir, a+".yaml")
			}
		}
		return out, nil
	}
	var out []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(cfg.Pipelines.Dir, pattern))
		if err != nil {
			return nil, fmt.Errorf("list pipelines: %w", err)
		}
		for _, f := range found {
			if !strings.HasSuffix(strings.TrimSuffix(f, filepath.Ext(f)), "_test") {
				out = append(out, f)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no pipeline in %s: name files, or set pipelines.dir", cfg.Pipelines.Dir)
	}
	return out, nil
}

// parse reads a pipeline and the tests beside it.
func (c *cli) parse(ctx context.Context, path string, confiner compile.Confiner) (*pipeline.Definition, []pipeline.Problem, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, nil, err
	}
	data, err := safefile.Read(path, pipeline.MaxFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read pipeline: %w", err)
	}
	ext := filepath.Ext(path)
	tests, err := safefile.Read(strings.TrimSuffix(path, ext)+"_test"+ext, pipeline.MaxFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("read tests: %w", err)
	}
	d, problems := pipelineLoader(cfg.Pipelines, confiner)(ctx, filepath.Dir(path), path, data, tests)
	return d, problems, nil
}

func (c *cli) lintCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "lint [NAME|FILE...]",
		Short:   "Print every mistake of pipeline files, with its place and a remedy",
		Example: "  lakeward pipeline lint pipelines.d/failed-signins.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.eachFile(cmd.Context(), args, func(context.Context, string, *pipeline.Definition) error { return nil })
		},
	}
}

// eachFile parses files, prints their problems, and does f on those without.
func (c *cli) eachFile(ctx context.Context, args []string, f func(context.Context, string, *pipeline.Definition) error) (err error) {
	files, err := c.files(args)
	if err != nil {
		return err
	}
	parser := newParser()
	defer func() { err = errors.Join(err, parser.Close()) }()
	failed, confiner := false, compile.Remember(parser)
	for _, path := range files {
		d, problems, err := c.parse(ctx, path, confiner)
		if err != nil {
			return err
		}
		if c.problemsError(problems) != nil {
			failed = true
			continue
		}
		switch err := f(ctx, path, d); {
		case errors.Is(err, errFailed):
			failed = true
		case err != nil:
			return err
		default:
			fmt.Fprintf(c.Out, "%s: ok\n", path)
		}
	}
	if failed {
		return errFailed
	}
	return nil
}

func (c *cli) pipelineTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test [NAME|FILE...]",
		Short: "Run the cases of pipelines' test files, the way the daemon would run them",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			b := newBenches(slog.New(slog.DiscardHandler))
			defer func() { err = errors.Join(err, b.close()) }()
			cfg, err := c.load()
			if err != nil {
				return err
			}
			return c.eachFile(cmd.Context(), args, func(ctx context.Context, path string, d *pipeline.Definition) error {
				var results []pipeline.CaseResult
				err := pipeline.Within(ctx, cfg.Pipelines.PlanTime, "test "+d.Name, func(ctx context.Context) (err error) {
					results, err = pipeline.Test(ctx, d, nil, b.open)
					return err
				})
				if err != nil {
					return err
				}
				failed := false
				for _, r := range results {
					if r.Diff == "" {
						fmt.Fprintf(c.Out, "%s: pass: %s\n", path, r.Case)
						continue
					}
					failed = true
					fmt.Fprintf(c.Out, "%s: FAIL: %s\n%s", path, r.Case, r.Diff)
				}
				if failed {
					return errFailed
				}
				return nil
			})
		},
	}
}

func (c *cli) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of pipeline files, for editors",
		Args:  exactArgs(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			s, err := spec.Schema()
			if err != nil {
				return err
			}
			_, err = c.Out.Write(s)
			return err
		},
	}
}

// verbCommand is a verb that only reads.
func (c *cli) verbCommand(use, short string, args int, flags ...string) *cobra.Command {
	what := map[int]string{0: "no arguments", 1: "the name of a pipeline, or a file"}[args]
	return c.verb(use, short, exactArgs(args, what), (*cli).withBackend, flags...)
}

func (c *cli) planCommand() *cobra.Command {
	cmd := c.verb("plan NAME|FILE", "What a pipeline would have found, and how that differs from the live version",
		exactArgs(1, "the name of a pipeline, or a file"), (*cli).withWriter, argFrom, argTo)
	cmd.Long = "Runs every logical time of (from, to] over the lake as it is, keeps nothing, and shows findings a\n" +
		"day, top entities, what was read and how long it took. Given a file, it compares it with the active\n" +
		"pipeline of the same name. By default the last seven days."
	return cmd
}

func (c *cli) runCommand() *cobra.Command {
	cmd := c.verb("run NAME|FILE", "Run a pipeline once, at a logical time (now, if none is given)",
		exactArgs(1, "the name of a pipeline, or a file"), (*cli).withWriter, argAt)
	cmd.Long = "Runs one window of an active pipeline. A file that is not in the folder is run too; for that a daemon\n" +
		"with tokens asks for the role admin, or for --dry-run and the role write."
	cmd.Flags().Bool(flagName(argDryRun), false, "compute and print, write nothing")
	return cmd
}

func (c *cli) backfillCommand() *cobra.Command {
	return c.verb("backfill [NAME]", "Run the logical times of (from, to] that have not been run",
		cobra.MaximumNArgs(1), (*cli).withWriter, argFrom, argTo)
}

func (c *cli) historyCommand() *cobra.Command {
	cmd := c.verb("history [NAME]", "Past runs, newest first", cobra.MaximumNArgs(1), (*cli).withBackend)
	cmd.Flags().String(argLimit, "20", "how many; 0 is all")
	cmd.Flags().String(argStatus, "", "only those that succeeded, failed or were skipped")
	return cmd
}

func flagName(arg string) string { return strings.ReplaceAll(arg, "_", "-") }

// timeFlag says what a time flag means.
func timeFlag(arg string) string {
	switch arg {
	case argAt:
		return "logical time, such as 2026-11-24T10:05:00Z"
	case argFrom:
		return "begin, exclusive"
	default:
		return "end, inclusive (default: now)"
	}
}

// verb is a command that the backend carries out. Its flags are the command's
// arguments.
func (c *cli) verb(use, short string, args cobra.PositionalArgs, with func(*cli, context.Context, func(serve.Backend) error) error, times ...string) *cobra.Command {
	var asJSON bool
	name, _, _ := strings.Cut(use, " ")
	cmd := &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			sc, err := pipelineCommand(cmd, name, args)
			if err != nil {
				return err
			}
			return with(c, cmd.Context(), func(b serve.Backend) error { return c.do(cmd.Context(), b, sc, asJSON) })
		},
	}
	for _, t := range times {
		cmd.Flags().String(t, "", timeFlag(t))
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// pipelineCommand turns arguments and flags into a command. An argument that is
// a file is read here, since the daemon may not see it.
func pipelineCommand(cmd *cobra.Command, verb string, args []string) (serve.Command, error) {
	sc := serve.Command{Noun: "pipeline", Verb: verb, Args: map[string]string{}}
	for _, arg := range []string{argAt, argFrom, argTo, argDryRun, argLimit, argStatus} {
		if f := cmd.Flags().Lookup(flagName(arg)); f != nil {
			sc.Args[arg] = f.Value.String()
		}
	}
	if len(args) == 0 {
		return sc, nil
	}
	sc.Name = args[0]
	if !isFile(args[0]) {
		return sc, nil
	}
	if verb != "plan" && verb != "explain" && verb != "run" {
		return sc, fmt.Errorf("%w: %s takes the name of an active pipeline, not a file", errUsage, verb)
	}
	data, err := safefile.Read(args[0], pipeline.MaxFile)
	if err != nil {
		return sc, fmt.Errorf("read pipeline: %w", err)
	}
	sc.Args[argData] = string(data)
	return sc, nil
}
