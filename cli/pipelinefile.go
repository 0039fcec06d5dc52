package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/internal/safefile"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/spec"
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
	d, problems := daemon.Loader(cfg.Pipelines, confiner)(ctx, filepath.Dir(path), path, data, tests)
	return d, problems, nil
}

// eachFile parses files, prints their problems, and does f on those without.
func (c *cli) eachFile(ctx context.Context, args []string, f func(context.Context, string, *pipeline.Definition) error) (err error) {
	files, err := c.files(args)
	if err != nil {
		return err
	}
	parser := daemon.NewParser()
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

func (c *cli) testPipelines(ctx context.Context, args []string) (err error) {
	b := daemon.NewBenches(slog.New(slog.DiscardHandler))
	defer func() { err = errors.Join(err, b.Close()) }()
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return c.eachFile(ctx, args, func(ctx context.Context, path string, d *pipeline.Definition) error {
		var results []pipeline.CaseResult
		err := pipeline.Within(ctx, cfg.Pipelines.PlanTime, "test "+d.Name, func(ctx context.Context) (err error) {
			results, err = pipeline.Test(ctx, d, nil, b.Open)
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
}

func (c *cli) printSchema() error {
	s, err := spec.Schema()
	if err != nil {
		return err
	}
	_, err = c.Out.Write(s)
	return err
}
