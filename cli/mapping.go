package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/ingest/format"
	"github.com/lakeward/lakeward/ingest/mapping"
	"github.com/lakeward/lakeward/internal/safefile"
	mappings "github.com/lakeward/lakeward/mappings.d"
)

// mappingCommands are about mappings from raw events to OCSF.
func mappingCommands() []entry {
	var listJSON bool
	return []entry{
		group{
			path: "mapping", short: "The mappings that turn raw events into rows of OCSF",
			long: "Mappings are YAML files. Those that ship are in the program; a team's own are in the folder\n" +
				"mappings.dir. A source names its mapping.",
		},
		local{
			path: "mapping list", args: none(), short: "The mappings, whose events each maps, and to which tables",
			flags: jsonFlag(&listJSON),
			run:   func(_ context.Context, c *cli, _ []string) error { return c.listMappings(listJSON) },
		},
		local{
			path: "mapping test", args: arguments{usage: "[FILE...]", most: -1, what: "mapping files, or none"},
			short: "Run the cases of mappings' test files",
			long: "Runs the cases of each file's NAME_test.yaml; without files, those of the folder of mappings and of the\n" +
				"mappings that ship. Of every row it also checks that OCSF allows it, and that the raw event can be put\n" +
				"together again. Exit code 1 if something is otherwise.",
			example: "  lakeward mapping test mappings.d/ours.yaml",
			run:     func(_ context.Context, c *cli, args []string) error { return c.testMappings(args) },
		},
		local{
			path: "mapping show", args: one("NAME", "the name of a mapping that ships"),
			short: "Print the file of a mapping that ships, to begin one's own with",
			run:   func(_ context.Context, c *cli, args []string) error { return c.showMapping(args[0]) },
		},
	}
}

func sourceTestCommand() entry {
	var f struct {
		mapping, format string
		rows            int
		json            bool
	}
	return local{
		path: "source test", args: arguments{usage: "FILE...", least: 1, most: -1, what: "files of raw events"},
		short: "Show what becomes of the events of files, without publishing them",
		long: "Reads files as messages of a source, and says which rows of which tables a mapping makes of their\n" +
			"events, which events no rule takes, and which mapping fits. Nothing is published or written.",
		example: "  lakeward source test audit.json --mapping okta --rows 3\n" +
			"  zcat auth.log.gz | lakeward source test /dev/stdin --format syslog",
		flags: func(set *pflag.FlagSet) {
			set.StringVar(&f.mapping, "mapping", mapping.Auto, "the mapping: a `NAME`, several with commas, or auto for all")
			set.StringVar(&f.format, "format", "", "how events are written, a `FORMAT` of a source (default auto)")
			set.IntVar(&f.rows, "rows", 0, "print the first `N` rows as JSON")
			jsonFlag(&f.json)(set)
		},
		run: func(_ context.Context, c *cli, args []string) error {
			return c.testSource(args, f.mapping, f.format, f.rows, f.json)
		},
	}
}

// knownMappings are those that ship and those of the configuration's folder.
func (c *cli) knownMappings() (mapping.Set, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	return daemon.Mappings(cfg.Mappings.Dir)
}

func (c *cli) listMappings(asJSON bool) error {
	known, err := c.knownMappings()
	if err != nil {
		return err
	}
	type line struct {
		Name        string   `json:"name"`
		Description string   `json:"description"`
		Tables      []string `json:"tables"`
	}
	lines := []line{}
	for _, m := range known {
		lines = append(lines, line{m.Name, m.Description, m.Classes()})
	}
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.Name, b.Name) })
	if asJSON {
		return printJSON(c.Out, lines)
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%s\t%s\n\t  %s\n", l.Name, l.Description, strings.Join(l.Tables, ", ")); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (c *cli) showMapping(name string) error {
	data, err := fs.ReadFile(mappings.Files(), name+".yaml")
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no mapping %q ships: see lakeward mapping list", name)
	}
	if err != nil {
		return err
	}
	_, err = c.Out.Write(data)
	return err
}

// testMappings runs the cases of files, or of all that there are.
func (c *cli) testMappings(files []string) error {
	var failed, passed int
	one := func(file string, read func(string) ([]byte, error)) error {
		n, wrong, err := tryMapping(file, read)
		if err != nil {
			return err
		}
		for _, w := range wrong {
			if _, err := fmt.Fprintln(c.Out, w); err != nil {
				return err
			}
		}
		failed, passed = failed+len(wrong), passed+n
		return nil
	}
	if len(files) == 0 {
		cfg, err := c.load()
		if err != nil {
			return err
		}
		if files, err = ownMappings(cfg.Mappings.Dir); err != nil {
			return err
		}
		shipped, err := fs.Glob(mappings.Files(), "*.yaml")
		if err != nil {
			return err
		}
		for _, name := range shipped {
			if strings.HasSuffix(name, "_test.yaml") {
				continue
			}
			read := func(name string) ([]byte, error) { return fs.ReadFile(mappings.Files(), name) }
			if err := one(name, read); err != nil {
				return err
			}
		}
	}
	for _, file := range files {
		read := func(name string) ([]byte, error) { return safefile.Read(name, mostMapping) }
		if err := one(file, read); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d things are otherwise than %d cases say", failed, passed)
	}
	_, err := fmt.Fprintf(c.Out, "%d cases passed\n", passed)
	return err
}

// mostMapping bounds a mapping's file.
const mostMapping = 1 << 20

// ownMappings are the mapping files of a folder, which may not exist.
func ownMappings(dir string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(s string) bool { return strings.HasSuffix(s, "_test.yaml") }), nil
}

// tryMapping runs the cases beside a mapping's file, and lists what is wrong.
func tryMapping(file string, read func(string) ([]byte, error)) (cases int, wrong []string, err error) {
	data, err := read(file)
	if err != nil {
		return 0, nil, fmt.Errorf("read mapping: %w", err)
	}
	m, ps := mapping.Parse(file, data)
	if len(ps) > 0 {
		return 0, nil, ps
	}
	beside := strings.TrimSuffix(file, ".yaml") + "_test.yaml"
	if data, err = read(beside); err != nil {
		return 0, nil, fmt.Errorf("read the cases of %s: %w", file, err)
	}
	all, ps := mapping.ParseCases(beside, data)
	if len(ps) > 0 {
		return 0, nil, ps
	}
	for _, one := range all {
		for _, w := range m.Try(one) {
			wrong = append(wrong, fmt.Sprintf("%s: %s: %s", one.Event.Pos, one.Name.Value, w))
		}
	}
	return len(all), wrong, nil
}

// testSource maps the events of files and says what becomes of them.
func (c *cli) testSource(files []string, names, written string, rows int, asJSON bool) error {
	known, err := c.knownMappings()
	if err != nil {
		return err
	}
	set, err := known.Named(strings.Split(names, ",")...)
	if err != nil {
		return err
	}
	f, err := format.Named(written)
	if err != nil {
		return err
	}
	var failed error
	events := eventsOf(files, f, &failed)
	trial := set.Try(events, func(table string, row []byte) {
		if rows--; rows >= 0 && failed == nil {
			_, failed = fmt.Fprintf(c.Out, "lake.%s %s\n", table, row)
		}
	})
	switch {
	case failed != nil:
		return failed
	case asJSON:
		return printJSON(c.Out, trial)
	}
	if err := trial.Write(c.Out); err != nil {
		return err
	}
	for _, m := range known {
		if n := trial.Looks[m.Name]; names == mapping.Auto && n > 0 {
			if _, err := fmt.Fprintf(c.Out, "%d events look like %s: add mapping: %s to the source\n", n, m.Name,
				m.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// eventsOf yields the events of files. A file that cannot be read ends it, and
// failed says why.
func eventsOf(files []string, f format.Format, failed *error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err == nil {
				data, err = new(format.Unpacker).Unpack(data)
			}
			if err != nil {
				*failed = fmt.Errorf("read %s: %w", name, err)
				return
			}
			for event, bad := range f.Events(data) {
				if !yield(event, bad) {
					return
				}
			}
		}
	}
}
