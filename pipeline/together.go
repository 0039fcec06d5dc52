package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/config/strict"
)

// Together are the mistakes of pipelines that only show beside the others of
// their folder: a name that is given twice, and `after` that names nobody or
// goes in a circle. others are names of pipelines whose files are broken.
func Together(ds []*Definition, others []string) []Problem {
	names := slices.Clone(others)
	byName := map[string][]*Definition{}
	for _, d := range ds {
		names = append(names, d.Name)
		byName[d.Name] = append(byName[d.Name], d)
	}
	var out []Problem
	for _, d := range ds {
		var files []string
		for _, same := range byName[d.Name] {
			files = append(files, same.File)
		}
		if len(files) > 1 {
			out = append(out, sameName(d, files))
		}
		for i, up := range d.After {
			at := d.Places.After[i]
			switch circle := circle(d, up, byName); {
			case !slices.Contains(names, up):
				out = append(out, problemAt(at, "there is no pipeline `"+up+"` to run after", strict.Suggest(up, names)))
			case circle != nil:
				out = append(out, problemAt(at, "`after` goes in a circle: "+strings.Join(circle, " -> "),
					"give one of them a `schedule` instead"))
			}
		}
	}
	return out
}

// sameName is the problem of a definition whose name several files give.
func sameName(d *Definition, files []string) Problem {
	others := slices.DeleteFunc(slices.Clone(files), func(f string) bool { return f == d.File })
	p := problemAt(d.Places.Name, fmt.Sprintf("the name %q is also that of %s", d.Name, join(others)),
		"give one of them another name")
	p.File = d.File
	return p
}

// circle is the way from a pipeline by one of its `after` back to itself; nil:
// there is none.
func circle(d *Definition, up string, byName map[string][]*Definition) []string {
	seen := map[string]bool{}
	var walk func(name string, path []string) []string
	walk = func(name string, path []string) []string {
		path = append(slices.Clone(path), name)
		if name == d.Name {
			return path
		}
		if seen[name] {
			return nil
		}
		seen[name] = true
		for _, of := range byName[name] {
			for _, next := range of.After {
				if found := walk(next, path); found != nil {
					return found
				}
			}
		}
		return nil
	}
	return walk(up, []string{d.Name})
}
