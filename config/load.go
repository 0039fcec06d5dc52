package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/config/strict"
)

// Load reads the file (none if path is empty) and the environment ("KEY=value"
// each), which overrides it. Mistakes are Problems.
func Load(path string, environ []string) (Config, error) {
	var data []byte
	if path != "" {
		var err error
		if data, err = readBounded(path); err != nil {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
	}
	c, ps := Parse(path, data, environ)
	if len(ps) > 0 {
		return Config{}, ps
	}
	if c.Memory.Budget == 0 {
		c.Memory.Budget = memoryBudget(os.ReadFile)
	}
	var err error
	c.Memory.IDs, err = c.Memory.forIDs(c.Ingest.Repeats, len(c.RepeatWindows()))
	return c, err
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	return io.ReadAll(io.LimitReader(f, strict.MaxBytes+1))
}

// Parse is Load of a file's content. It leaves an automatic memory budget at
// zero, and opens only the files that *_FILE variables name.
func Parse(file string, data []byte, environ []string) (Config, Problems) {
	doc, ps := strict.Parse(file, data)
	if len(ps) > 0 {
		return Config{}, ps
	}
	ps = override(doc, environ)
	c, more := strict.Decode(doc, Type())
	ps = append(ps, more...)
	ps = append(ps, check(doc, c)...)
	if len(ps) > 0 {
		ps.Sort()
		return Config{}, ps
	}
	c.place()
	return c, nil
}

// Variable is an environment variable and the key that it overrides.
type Variable struct {
	Name  string
	Path  []string
	plain bool // the value is taken as it is; otherwise it is YAML
}

// Variables lists what the environment can override.
func Variables() []Variable {
	var out []Variable
	for _, r := range strict.Rows(Type().Doc().Fields) {
		if len(r.Field.Type.Fields) > 0 || slices.Contains(r.Path, "[]") || slices.Contains(r.Path, "NAME") {
			continue
		}
		out = append(out, Variable{prefix + strings.ToUpper(strings.Join(r.Path, "_")), r.Path, r.Field.Type.Scalar})
	}
	return out
}

const (
	prefix     = "LAKEWARD_"
	fileSuffix = "_FILE"
)

// override puts the environment's values over the document's.
func override(doc *strict.Document, environ []string) Problems {
	vars := Variables()
	names := make([]string, len(vars))
	for i, v := range vars {
		names[i] = v.Name
	}
	env := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(k, prefix) {
			env[k] = v
		}
	}
	var ps Problems
	for _, v := range vars {
		value, direct := env[v.Name]
		file, indirect := env[v.Name+fileSuffix]
		at := strict.Pos{File: "environment " + v.Name}
		switch {
		case direct && indirect:
			ps = append(ps, strict.Problem{Pos: at, What: "both it and " + v.Name + fileSuffix + " are set",
				Remedy: "unset one of them"})
			continue
		case indirect:
			at.File += fileSuffix
			var err error
			if value, err = secretFile(file); err != nil {
				ps = append(ps, strict.Problem{Pos: at, What: err.Error(), Remedy: "name a file that can be read"})
				continue
			}
		case !direct:
			continue
		}
		ps = append(ps, doc.Set(v.Path, value, v.plain, at)...)
	}
	return append(ps, misspelt(env, names)...)
}

// commandVariables are read by the commands, and set no key.
func commandVariables() []string {
	return []string{"LAKEWARD_CONFIG", "LAKEWARD_SERVER", "LAKEWARD_TOKEN", "LAKEWARD_TOKEN_FILE", "LAKEWARD_CA_FILE"}
}

// misspelt finds variables that are nearly one of ours. Others are left alone:
// Kubernetes sets LAKEWARD_SERVICE_HOST and the like by itself.
func misspelt(env map[string]string, names []string) Problems {
	var ps Problems
	for k := range env {
		if slices.Contains(commandVariables(), k) {
			continue
		}
		base := strings.TrimSuffix(k, fileSuffix)
		if slices.Contains(names, k) || slices.Contains(names, base) {
			continue
		}
		if near := strict.Nearest(k, names); near != "" {
			ps = append(ps, strict.Problem{Pos: strict.Pos{File: "environment " + k}, What: "no key has this variable",
				Remedy: "did you mean " + near + "?"})
		}
	}
	return ps
}

// secretFile reads a file without the line break at its end.
func secretFile(path string) (string, error) {
	data, err := readBounded(path)
	var perr *fs.PathError
	if errors.As(err, &perr) {
		return "", fmt.Errorf("the file cannot be read (%s: %w)", perr.Path, perr.Err)
	}
	if err != nil {
		return "", err
	}
	if len(data) > strict.MaxBytes {
		return "", fmt.Errorf("the file %s is larger than 1 MiB", path)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// check finds what no single key shows.
func check(doc *strict.Document, c Config) Problems {
	ps := checkNATS(doc, c.NATS)
	ps = append(ps, checkHTTP(doc, c.HTTP)...)
	ps = append(ps, checkTables(c.Tables)...)
	return append(ps, checkSources(doc, c.Sources)...)
}

func checkSources(doc *strict.Document, sources []Source) Problems {
	var ps Problems
	at := doc.At("sources")
	names, filters := map[string]bool{}, map[string]string{}
	for _, s := range sources {
		if s.Name == "" {
			continue // reported
		}
		if names[s.Name] {
			ps = append(ps, strict.Problem{Pos: at, What: "two sources have the name `" + s.Name + "`", Remedy: "rename one"})
		}
		names[s.Name] = true
		key := s.Stream + " " + s.Subject
		if other, again := filters[key]; again {
			ps = append(ps, strict.Problem{Pos: at,
				What:   "the sources `" + other + "` and `" + s.Name + "` read the same subjects of the same stream",
				Remedy: "remove one, or narrow its `subject`"})
		}
		filters[key] = s.Name
	}
	return ps
}

// Print renders the configuration as YAML, with defaults filled in and secrets
// masked.
func (c Config) Print(w io.Writer) error {
	out, err := strict.Encode(Type(), c)
	if err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}
