package pipeline

import (
	"context"
	"path/filepath"
	"time"

	"github.com/lakeward/lakeward/pipeline/schedule"
	"github.com/lakeward/lakeward/pipeline/spec"
)

// Loader is the Load of a Folder: it parses a file and its tests. Hash, Base
// and Tests of the options are its own to fill. Without a base there are no data
// files, and so no tests.
func Loader(o SpecOptions) Load {
	language := spec.NewLanguage()
	return func(_ context.Context, base, file string, data, tests []byte) (*Definition, []Problem) {
		p, problems := language.Parse(file, data)
		if len(problems) > 0 || p == nil {
			return nil, FromProblems(problems)
		}
		own := o
		own.Hash, own.Base, own.Tests, own.Untested = language.Hash(p), filepath.Clean(base), nil, base == ""
		if tests != nil {
			if own.Tests, problems = spec.ParseTests(testFile(file), tests, p); len(problems) > 0 {
				return nil, FromProblems(problems)
			}
		}
		return FromSpec(p, own)
	}
}

// Checker is the Check of a Folder: a case that differs is a problem, and so
// is that the cases of a pipeline take longer than the limit (0: none).
func Checker(clock func(name string) *schedule.Cron, bench func(context.Context) (*Bench, error),
	limit time.Duration) func(context.Context, *Definition) []Problem {
	return func(ctx context.Context, d *Definition) []Problem {
		var results []CaseResult
		err := Within(ctx, limit, "test "+d.Name, func(ctx context.Context) (err error) {
			results, err = Test(ctx, d, clock(d.Name), bench)
			return err
		})
		if err != nil {
			return []Problem{{File: testFile(d.File), Message: err.Error()}}
		}
		var out []Problem
		for _, r := range results {
			if r.Diff != "" {
				out = append(out, Problem{File: testFile(d.File), Message: "case " + r.Case + " differs:\n" + r.Diff,
					Remedy: "mend the pipeline or the case"})
			}
		}
		return out
	}
}
