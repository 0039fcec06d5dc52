package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/internal/safefile"
)

// Linted is a pipeline's file with what is wrong with it.
type Linted struct {
	File       string       `json:"file"`
	Problems   []Problem    `json:"problems"`
	Cases      []CaseResult `json:"cases,omitempty"` // of its tests, if they were run
	Data       []byte       `json:"-"`
	Definition *Definition  `json:"-"` // nil: the file is broken
}

// Broken reports whether the daemon would refuse the file, or a case fails.
func (l *Linted) Broken() bool {
	return slices.ContainsFunc(l.Problems, func(p Problem) bool { return !p.Warning }) ||
		slices.ContainsFunc(l.Cases, func(c CaseResult) bool { return c.Diff != "" })
}

// Load is what a Folder parses a file with.
type Load = func(ctx context.Context, base, file string, data, tests []byte) (*Definition, []Problem)

// Lint parses files, each together with its tests and with the other files of
// its folder. load is that of a Folder.
func Lint(ctx context.Context, paths []string, load Load) ([]*Linted, error) {
	folders := map[string][]*Linted{}
	var out []*Linted
	for _, path := range paths {
		l, err := lintFile(ctx, path, load)
		if err != nil {
			return nil, err
		}
		dir := filepath.Dir(path)
		folders[dir], out = append(folders[dir], l), append(out, l)
	}
	for dir, named := range folders {
		files, err := Files(dir)
		if err != nil {
			return nil, err
		}
		all := slices.Clone(named)
		for _, f := range files {
			if slices.ContainsFunc(named, func(l *Linted) bool { return filepath.Base(l.File) == filepath.Base(f) }) {
				continue
			}
			l, err := lintFile(ctx, f, load)
			if err != nil {
				continue // its own lint says why
			}
			all = append(all, l)
		}
		relate(named, all)
	}
	return out, nil
}

// relate adds to the named files what is wrong with them beside all of the folder.
func relate(named, all []*Linted) {
	var ds []*Definition
	var others []string
	for _, l := range all {
		if l.Definition != nil {
			ds = append(ds, l.Definition)
		} else {
			others = append(others, nameIn(l.Data))
		}
	}
	for _, p := range Together(ds, others) {
		for _, l := range named {
			if l.File == p.File {
				l.Problems = append(l.Problems, p)
			}
		}
	}
}

// nameIn is the name that a broken file gives; empty: none is to be seen.
func nameIn(data []byte) string {
	if m := regexp.MustCompile(`(?m)^name:\s*["']?([\w-]+)`).FindSubmatch(data); m != nil {
		return string(m[1])
	}
	return ""
}

func lintFile(ctx context.Context, path string, load Load) (*Linted, error) {
	data, err := safefile.Read(path, MaxFile)
	if err != nil {
		return nil, fmt.Errorf("read pipeline: %w", err)
	}
	tests, err := safefile.Read(testFile(path), MaxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read tests: %w", err)
	}
	l := &Linted{File: path, Data: data}
	l.Definition, l.Problems = load(ctx, filepath.Dir(path), path, data, tests)
	if len(l.Problems) > 0 {
		l.Definition = nil
	}
	return l, nil
}

// Files lists the pipelines' files of a folder, sorted.
func Files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s for pipelines: make it, name another as pipelines.dir of the "+
			"configuration, or name files", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("list pipelines: %w", err)
	}
	var out []string
	for _, e := range entries {
		if isPipelineFile(e) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

func isPipelineFile(e fs.DirEntry) bool {
	n := e.Name()
	ext := filepath.Ext(n)
	return !strings.HasPrefix(n, ".") && (ext == ".yaml" || ext == ".yml") && !strings.HasSuffix(strings.TrimSuffix(n,
		ext), "_test") && !e.IsDir()
}
