package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/ingest/mapping"
	mappings "github.com/lakeward/lakeward/mappings.d"
)

// Mappings are those that ship, and those of a folder, which may not exist. One
// of the folder replaces one of its name that ships.
func Mappings(dir string) (mapping.Set, error) {
	shipped, err := mapping.Load(mappings.Files())
	if err != nil {
		return nil, err
	}
	own, err := mapping.Load(os.DirFS(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("mappings of %s: %w", dir, err)
	}
	out := slices.Clone(own)
	for _, m := range shipped {
		if !slices.ContainsFunc(own, func(o *mapping.Mapping) bool { return o.Name == m.Name }) {
			out = append(out, m)
		}
	}
	return out, nil
}

// CheckMappings are the mistakes of sources that name mappings which there are
// not.
func CheckMappings(cfg config.Config, known mapping.Set) (ps strict.Problems) {
	for _, s := range cfg.Sources {
		for _, name := range s.Mapping {
			if _, err := known.Named(name.Value); err != nil {
				ps = append(ps, strict.Problem{Pos: name.Pos, What: fmt.Sprintf("source %s: %v", s.Name, err),
					Remedy: "lakeward mapping list says what each is for"})
			}
		}
	}
	return ps
}

// mappingsOf are the mappings of a source.
func mappingsOf(s config.Source, known mapping.Set) (mapping.Set, error) {
	names := make([]string, len(s.Mapping))
	for i, n := range s.Mapping {
		names[i] = n.Value
	}
	out, err := known.Named(names...)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.Name, err)
	}
	return out, nil
}
