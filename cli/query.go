package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/format"
	"github.com/lakeward/lakeward/serve"
)

// queryCommands read both tiers.
func queryCommands() []entry {
	return append(tablesCommands(), queryCommand(), explainCommand())
}

// screenRows are shown of a long result on a terminal.
const screenRows = 1000

// answer is where a result goes, and how it looks there.
type answer struct {
	form, output  string
	vertical, all bool
}

func queryCommand() entry {
	var (
		a answer
		q serve.Query
	)
	return reader{
		path: "query", args: one(`"SQL"`, "one SQL statement, quoted"),
		short: "Run one read-only SELECT over lake.* and analytics.*",
		long: "Runs one SELECT over both tiers: through the running daemon if there is one, otherwise\n" +
			"directly on the data directory. With - the statement is read from standard input. SHOW TABLES, DESCRIBE\n" +
			"TABLE and EXPLAIN SELECT are answered, too.\n\n" +
			"A table of the lake can be read as it was: lake.t AT (VERSION => N) is its snapshot N, and\n" +
			"lake.t AT (TIMESTAMP => '2026-11-28 10:00:00') the last snapshot until then, in UTC unless the time\n" +
			"names a zone; an alias stands before AT. It has the columns that the table has now. `tables describe`\n" +
			"lists the newest snapshots; old ones expire, and then that is the error.\n\n" +
			"On a terminal, rows that are wider than it are shown one column a line, and a long result stops after\n" +
			"1,000 rows. What goes elsewhere is whole.",
		example: `  lakeward query "SELECT user.name, count(*) FROM lake.signin WHERE status = 'Failure' GROUP BY ALL ORDER BY 2 DESC LIMIT 10"
  lakeward query --output findings.parquet "SELECT * FROM analytics.findings"
  lakeward query "FROM lake.signin EXCEPT ALL FROM lake.signin AT (TIMESTAMP => '2026-11-28 10:00:00')"`,
		flags: func(f *pflag.FlagSet) {
			f.StringVarP(&a.form, "format", "f", "", "table, csv, json, ndjson, parquet or arrow (default: as the name of "+
				"--output ends; table on a terminal, csv otherwise)")
			f.StringVarP(&a.output, "output", "o", "", "write to this file instead of standard output, compressed "+
				"if its name ends in .gz or .zst")
			f.BoolVar(&a.vertical, "vertical", false, "show one column a line")
			f.BoolVar(&a.all, "all", false, "show every row of a long result on a terminal")
			f.Int64Var(&q.MaxRows, "max-rows", 0, "fail rather than answer more rows than this (0: no bound)")
			f.DurationVar(&q.Timeout, "timeout", 0, "give up after this long (default: the daemon's limit)")
		},
		run: func(ctx context.Context, c *cli, args []string) error {
			f, err := a.pick(c.Out)
			if err != nil {
				return err
			}
			if q.SQL, err = c.statement(args[0]); err != nil {
				return err
			}
			return c.runQuery(ctx, q, f, a)
		},
		routes: []string{"POST /api/v1/query", "GET /api/v1/query/{id}"},
	}
}

// statements marks the arguments of query that are statements which begin with a
// comment, so that they are not taken for flags.
func statements(root *cobra.Command, args []string) []string {
	if cmd, _, err := root.Find(args); err != nil || pathOf(cmd) != "query" {
		return args
	}
	flag := regexp.MustCompile(`^--([A-Za-z][\w-]*(=(?s:.*))?)?$`)
	out := slices.Clone(args)
	for i, a := range out {
		if strings.HasPrefix(a, "--") && !flag.MatchString(a) {
			out[i] = " " + a // of the first line, which is a comment, no place is told
		}
	}
	return out
}

// statement is the argument or, if that is -, what standard input has.
func (c *cli) statement(arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	data, err := io.ReadAll(io.LimitReader(c.In, 1<<20))
	if err != nil {
		return "", fmt.Errorf("read statement: %w", err)
	}
	return string(data), nil
}

func explainCommand() entry {
	var (
		asJSON bool
		rows   int
	)
	return reader{
		path: "explain", args: one("FINDING_ID", "a finding_id of analytics.findings, or its beginning"),
		short: "Where a finding came from: rows, baseline, formula with its numbers, SQL",
		long: "Computes again, on the snapshots of the run that raised it, what led to a finding: the input\n" +
			"rows, the baseline, the formula with its numbers, and the SQL. The beginning of an id will do.",
		example: `  lakeward explain "$(lakeward query -f csv 'SELECT finding_id FROM analytics.findings ORDER BY score DESC LIMIT 1' | tail -1)"`,
		flags: func(f *pflag.FlagSet) {
			jsonFlag(&asJSON)(f)
			f.IntVar(&rows, "rows", 10, "show so many input rows, and so many of the baseline (at most 100)")
		},
		run: func(ctx context.Context, c *cli, args []string) error {
			return c.read(ctx, serve.Command{Noun: "finding", Verb: "explain", Name: args[0],
				Args: map[string]string{daemon.ArgRows: strconv.Itoa(rows)}}, asJSON)
		},
		do: (*daemon.Verbs).FindingExplain, verb: "finding explain",
	}
}

// jsonFlag asks for JSON.
func jsonFlag(asJSON *bool) func(*pflag.FlagSet) {
	return func(f *pflag.FlagSet) { f.BoolVar(asJSON, "json", false, "print JSON") }
}

// pick is the form of the answer.
func (a answer) pick(w io.Writer) (format.Format, error) {
	f := format.CSV
	named, known := format.ByName(a.output)
	switch {
	case a.form != "":
		var err error
		if f, err = format.Parse(a.form); err != nil {
			return f, fmt.Errorf("%w: %w", errUsage, err)
		}
	case known:
		f = named
	case a.vertical || a.output == "" && isTerminal(w):
		f = format.Table
	}
	if a.vertical && f != format.Table {
		return f, fmt.Errorf("%w: --vertical is a way to show a table, and this writes %s", errUsage, f)
	}
	return f, nil
}

// write writes the rows to a file, or to standard output.
func (a answer) write(out io.Writer, f format.Format, rows array.RecordReader) error {
	if a.output != "" {
		file, err := os.Create(a.output)
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		packed, err := format.Compressed(file, a.output)
		if err != nil {
			return errors.Join(err, file.Close())
		}
		return errors.Join(a.show(packed, f, rows), packed.Close(), file.Close())
	}
	return a.show(out, f, rows)
}

func (a answer) show(w io.Writer, f format.Format, rows array.RecordReader) error {
	if f != format.Table {
		return format.Write(w, f, rows)
	}
	width, terminal := format.Terminal(w)
	o := format.TableOptions{Width: width, Vertical: a.vertical, More: "--all shows all, -o FILE writes all to a file"}
	if terminal && !a.all {
		o.MaxRows = screenRows
	}
	return format.WriteTable(w, rows, o)
}

func (c *cli) runQuery(ctx context.Context, q serve.Query, f format.Format, a answer) error {
	return c.withBackend(ctx, func(b serve.Backend) error {
		clear := func() {}
		if isTerminal(c.Err) {
			q.OnProgress, clear = progressLine(c.Err)
		}
		var warnings []string
		q.OnWarning = func(text string) { warnings = append(warnings, text) }
		rows, err := b.Query(ctx, q)
		clear()
		for _, text := range warnings {
			fmt.Fprintln(c.Err, "warning:", text)
		}
		if err != nil {
			return err
		}
		defer rows.Release()
		return a.write(c.Out, f, rows)
	})
}

// progressLine draws one line, but only for what takes longer than a second.
func progressLine(w io.Writer) (func(query.Progress), func()) {
	drawn := false
	return func(p query.Progress) {
			if p.Elapsed < time.Second {
				return
			}
			drawn = true
			bar := "running"
			if p.Fraction >= 0 {
				n := min(max(int(p.Fraction*30), 0), 30)
				bar = fmt.Sprintf("[%s%s] %3.0f%%", strings.Repeat("#", n), strings.Repeat(".", 30-n), p.Fraction*100)
			}
			fmt.Fprintf(w, "\r%s %d rows read, %s  ", bar, p.Rows, p.Elapsed.Round(100*time.Millisecond))
		}, func() {
			if drawn {
				fmt.Fprint(w, "\r\x1b[K")
			}
		}
}
