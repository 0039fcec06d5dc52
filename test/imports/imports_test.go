// Package imports holds the test of the one way that imports run, which writes
// the tables of ARCHITECTURE.md too.
package imports

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lakeward/lakeward"

type pkg struct {
	ImportPath string
	Imports    []string
}

// from is the package's path in the module; empty for main.
func (p pkg) from() string { return ours(p.ImportPath) }

// ours is a path in the module.
func ours(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-pgo=off", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// under reports whether path is the package, or below it.
func under(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// folderOf is the folder with the longest path that fits; false: there is none.
func folderOf(path string) (best folder, ok bool) {
	for _, f := range folders() {
		fits := under(path, f.path) && f.path != "" || path == f.path
		if fits && (!ok || len(f.path) > len(best.path)) {
			best, ok = f, true
		}
	}
	return best, ok
}

func TestImportsRunOneWay(t *testing.T) {
	used := map[string]bool{}
	for _, p := range packages(t) {
		f, ok := folderOf(p.from())
		if !ok {
			t.Errorf("%s is in no folder that rules_test.go names: say there what it may import", p.from())
			continue
		}
		for _, imp := range p.Imports {
			to := ours(imp)
			if !under(imp, module) || under(to, f.path) && f.path != "" {
				continue
			}
			i := slices.IndexFunc(f.may, func(dir string) bool { return under(to, dir) })
			if i < 0 {
				t.Errorf("%s imports %s: %s may import %s", p.from(), to, f.path, strings.Join(f.may, ", "))
				continue
			}
			used[f.path+" "+f.may[i]] = true
		}
	}
	for _, f := range folders() {
		for _, dir := range f.may {
			if !used[f.path+" "+dir] {
				t.Errorf("%s does not import %s any more: take that out of rules_test.go", f.path, dir)
			}
		}
	}
}

func TestALibraryIsImportedWhereItBelongs(t *testing.T) {
	used := map[string]bool{}
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			for _, l := range libraries() {
				if imp != l.path && !under(imp, strings.TrimSuffix(l.path, "/")) {
					continue
				}
				i := slices.IndexFunc(l.in, func(dir string) bool { return under(p.from(), dir) })
				if i < 0 {
					t.Errorf("%s imports %s, which belongs to %s", p.from(), imp, strings.Join(l.in, ", "))
					continue
				}
				used[l.path+" "+l.in[i]] = true
			}
		}
	}
	for _, l := range libraries() {
		for _, dir := range l.in {
			if !used[l.path+" "+dir] {
				t.Errorf("%s does not import %s any more: take that out of rules_test.go", dir, l.path)
			}
		}
	}
}

var update = flag.Bool("update", false, "write the tables of ARCHITECTURE.md")

const (
	begin = "<!-- Written by `go test ./test/imports -update` from test/imports/rules_test.go. -->\n"
	end   = "<!-- The end of what is written. -->\n"
)

func TestArchitectureHasTheTables(t *testing.T) {
	const file = "../../ARCHITECTURE.md"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("ARCHITECTURE.md has no lines %q and %q", begin, end)
	}
	want := before + begin + tables() + end + after
	if want == string(data) {
		return
	}
	if !*update {
		t.Fatal("the tables of ARCHITECTURE.md are not those of rules_test.go: run `go test ./test/imports -update`")
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil { // documentation is for everyone
		t.Fatal(err)
	}
}

func tables() string {
	var b strings.Builder
	b.WriteString("\n| packages below | import of ours, beside themselves |\n| --- | --- |\n")
	for _, f := range folders() {
		name := quoted([]string{f.path + "/"})
		if f.path == "" {
			name = "`main.go`"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", name, quoted(f.may))
	}
	b.WriteString("\n| library | is imported only by | for |\n| --- | --- | --- |\n")
	for _, l := range libraries() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", quoted([]string{l.path}), quoted(l.in), l.why)
	}
	b.WriteString("\n")
	return b.String()
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return "`" + strings.Join(names, "`, `") + "`"
}
