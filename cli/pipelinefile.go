package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/serve"
)

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
	out, err := pipeline.Files(cfg.Pipelines.Dir)
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no pipeline in %s: name files, or set pipelines.dir", cfg.Pipelines.Dir)
	}
	return out, nil
}

// lintPipelines prints what is wrong with files.
func (c *cli) lintPipelines(ctx context.Context, args []string, asJSON bool) error {
	return c.linted(ctx, args, func(files []*pipeline.Linted) error {
		if err := c.askLake(ctx, files); err != nil {
			return err
		}
		return c.printLinted(files, asJSON)
	})
}

// testPipelines runs the cases of files.
func (c *cli) testPipelines(ctx context.Context, args []string, asJSON bool) error {
	return c.linted(ctx, args, func(files []*pipeline.Linted) error {
		if err := c.testFiles(ctx, files); err != nil {
			return err
		}
		return c.printLinted(files, asJSON)
	})
}

// linted parses the files that the arguments name, and lends them to f.
func (c *cli) linted(ctx context.Context, args []string, f func([]*pipeline.Linted) error) (err error) {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	paths, err := c.files(args)
	if err != nil {
		return err
	}
	parser := daemon.NewParser()
	defer func() { err = errors.Join(err, parser.Close()) }()
	files, err := pipeline.Lint(ctx, paths, daemon.Loader(cfg.Pipelines, compile.Remember(parser)))
	if err != nil {
		return err
	}
	return f(files)
}

// askLake adds what the lake at hand says of the files that are good by
// themselves. Where there is no data directory, nothing is asked.
func (c *cli) askLake(ctx context.Context, files []*pipeline.Linted) error {
	_, remote, err := c.remote()
	if err != nil {
		return err
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if !remote && !daemon.Used(cfg.DataDir) {
		return nil
	}
	return c.withBackend(ctx, func(b serve.Backend) error {
		for _, l := range files {
			if l.Definition == nil {
				continue
			}
			rep, err := b.Do(ctx, serve.Command{Noun: "pipeline", Verb: "check", Name: l.File,
				Args: map[string]string{daemon.ArgPipeline: string(l.Data)}})
			if err != nil {
				return err
			}
			var found []pipeline.Problem
			if err := json.Unmarshal(rep.Data, &found); err != nil {
				return fmt.Errorf("read the answer about %s: %w", l.File, err)
			}
			l.Problems = append(l.Problems, found...)
		}
		return nil
	})
}

// printLinted prints what was found; a mistake is the failure of the command.
func (c *cli) printLinted(files []*pipeline.Linted, asJSON bool) error {
	failed := false
	for _, l := range files {
		failed = failed || l.Broken()
		if !asJSON {
			c.printFile(l)
		} else if l.Problems == nil {
			l.Problems = []pipeline.Problem{}
		}
	}
	if asJSON {
		if err := printJSON(c.Out, files); err != nil {
			return err
		}
	}
	if failed {
		return errFailed
	}
	return nil
}

func (c *cli) printFile(l *pipeline.Linted) {
	for _, p := range l.Problems {
		fmt.Fprintln(c.Out, p)
	}
	for _, r := range l.Cases {
		if r.Diff == "" {
			fmt.Fprintf(c.Out, "%s: pass: %s\n", l.File, r.Case)
		} else {
			fmt.Fprintf(c.Out, "%s: FAIL: %s\n%s", l.File, r.Case, r.Diff)
		}
	}
	if !l.Broken() {
		fmt.Fprintf(c.Out, "%s: ok\n", l.File)
	}
}

// testFiles runs the cases of the files that are good.
func (c *cli) testFiles(ctx context.Context, files []*pipeline.Linted) (err error) {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	b := daemon.NewBenches(slog.New(slog.DiscardHandler))
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, l := range files {
		if l.Definition == nil {
			continue
		}
		err := pipeline.Within(ctx, cfg.Pipelines.PlanTime, "test "+l.Definition.Name, func(ctx context.Context) (err error) {
			l.Cases, err = pipeline.Test(ctx, l.Definition, nil, b.Open)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) printSchema() error {
	s, err := spec.Schema()
	if err != nil {
		return err
	}
	_, err = c.Out.Write(s)
	return err
}
