package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/ingest/eventfile"
)

// fileGroup is the files of one directory. Their events go to a table as the
// files are, and to another one shuffled.
type fileGroup struct {
	name    string // of the directory, as a table's
	files   []string
	refused []string // what publish must refuse, with the reason
	events  [][]byte // the good ones of all files
	parts   []string // files of the same, shuffled
}

// wanted are the ids that must be in a table, or in quarantine, once.
type wanted map[string]bool

func (g *fileGroup) shuffled() string { return g.name + "_shuffled" }

var noName = regexp.MustCompile(`[^a-z0-9]+`)

// groupsOf finds the files below dir.
func groupsOf(dir string) ([]*fileGroup, error) {
	by := map[string]*fileGroup{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, filepath.Dir(path))
		if err != nil {
			return err
		}
		name := strings.Trim(noName.ReplaceAllString(strings.ToLower(rel), "_"), "_")
		if name == "" {
			name = "top"
		}
		if by[name] == nil {
			by[name] = &fileGroup{name: name}
		}
		by[name].files = append(by[name].files, path)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for files: %w", err)
	}
	out := make([]*fileGroup, 0, len(by))
	for _, g := range by {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *fileGroup) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// read returns the ids of the events of a file that is published on the table's
// subject, and the good ones themselves if keep is set.
func (g *fileGroup) read(path, table string, keep bool) (wanted, error) {
	r, err := eventfile.Open(path, nil, eventfile.Auto)
	if err != nil {
		g.refused = append(g.refused, err.Error())
		return nil, nil
	}
	ids := wanted{}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return ids, r.Close()
		}
		if bad, ok := errors.AsType[*eventfile.Error](err); err != nil && (!ok || !bad.Broken || len(e.JSON) == 0) {
			g.refused = append(g.refused, err.Error())
			continue
		}
		id := e.ID("events."+table, eventfile.Salt{File: true})
		if ids[id] {
			return nil, fmt.Errorf("%s: two events have the id %s", e.Position(), id)
		}
		if ids[id] = true; keep && err == nil {
			g.events = append(g.events, bytes.Clone(e.JSON))
		}
	}
}

const shuffledParts = 3 // files of a group

// shuffle writes the good events of the group to new files, across files and
// lines.
func (g *fileGroup) shuffle(dir string, rnd *rand.Rand) error {
	rnd.Shuffle(len(g.events), func(i, j int) { g.events[i], g.events[j] = g.events[j], g.events[i] })
	for k := range min(shuffledParts, len(g.events)) {
		var b bytes.Buffer
		for i := k; i < len(g.events); i += shuffledParts {
			b.Write(g.events[i])
			b.WriteByte('\n')
		}
		path := filepath.Join(dir, fmt.Sprintf("%s-%d.ndjson", g.name, k))
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			return fmt.Errorf("write shuffled events: %w", err)
		}
		g.parts = append(g.parts, path)
	}
	return nil
}

// others runs the script that reads files and tables with the readers of others.
func others(ctx context.Context, in, out any, args ...string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	dir := strings.TrimSpace(string(root))
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, ".cache/interop/bin/python"),
		append([]string{filepath.Join(dir, "test/lab/load/realdata.py")}, args...)...)
	cmd.Stdin = bytes.NewReader(text)
	var said bytes.Buffer
	cmd.Stderr = &said
	answer, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("realdata.py %s: %w\n%s(test/interop/setup.sh makes what it needs)", args[0], err, said.String())
	}
	return json.Unmarshal(answer, out)
}
