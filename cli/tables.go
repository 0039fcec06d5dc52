package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/serve"
)

func tablesCommands() []entry {
	var asJSON bool
	return []entry{
		reader{
			path: "tables", args: none(), short: "List the tables of both tiers", shared: jsonFlag(&asJSON),
			run:    func(ctx context.Context, c *cli, _ []string) error { return c.tables(ctx, asJSON) },
			routes: []string{"GET /api/v1/tables"},
		},
		reader{
			path: "tables describe", args: one("NAME", "the name of a table, with its tier").of(tableNames),
			short:   "Schema, rows, bytes, files, snapshots and freshness of one table",
			example: "  lakeward tables describe lake.signin",
			run: func(ctx context.Context, c *cli, args []string) error {
				return c.withBackend(ctx, func(b serve.Backend) error { return c.describe(ctx, b, args[0], asJSON) })
			},
			routes: []string{"GET /api/v1/tables/{name}"},
		},
		reader{
			path: "tables misfits", args: atMostOne("[TABLE]", "the name of a table, or none").of(lakeTableNames),
			short: "Which values are not in the column of their path, how many, since when, and what to do",
			long: "Lists by table and path the values that are not, or not only, in the column of their path: in a column\n" +
				"beside it, such as n_text beside n, or in unmapped. Counted since the table was made; what retention and\n" +
				"erasure took out is counted still.",
			example: "  lakeward tables misfits lake.signin",
			run: func(ctx context.Context, c *cli, args []string) error {
				return c.withBackend(ctx, func(b serve.Backend) error { return c.misfits(ctx, b, strings.Join(args, ""), asJSON) })
			},
			routes: []string{"GET /api/v1/tables", "GET /api/v1/tables/{name}"},
		},
	}
}

func (c *cli) tables(ctx context.Context, asJSON bool) error {
	return c.withBackend(ctx, func(b serve.Backend) error {
		tables, err := b.Tables(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(c.Out, tables)
		}
		return printTables(c.Out, tables)
	})
}

func (c *cli) describe(ctx context.Context, b serve.Backend, name string, asJSON bool) error {
	d, err := b.Describe(ctx, name)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.Out, d)
	}
	return printDetail(c.Out, d)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func printTables(w io.Writer, tables []serve.Table) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "TABLE\tROWS\tBYTES\tFILES\tCOLUMNS\tNEWEST EVENT\tCOMMITTED")
	for _, x := range tables {
		if x.Problem != "" {
			fmt.Fprintf(t, "%s\t-\t-\t-\t-\t-\t-\n", x.Name)
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%d\t%s\t%s\n", x.Name, x.Rows, sizeText(x.Bytes), x.Files, x.Columns,
			daemon.TimeText(x.Newest), daemon.TimeText(x.Committed))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, x := range tables {
		if x.Problem != "" {
			fmt.Fprintln(w, "problem:", x.Problem)
		}
	}
	return nil
}

func printDetail(w io.Writer, d serve.TableDetail) error {
	if d.Problem != "" {
		_, err := fmt.Fprintf(w, "%s: unknown\nproblem: %s\n", d.Name, d.Problem)
		return err
	}
	fmt.Fprintf(w, "%s: %d rows, %s in %d files\n", d.Name, d.Rows, sizeText(d.Bytes), d.Files)
	if !d.Newest.IsZero() {
		fmt.Fprintf(w, "events from %s to %s; last commit %s\n", daemon.TimeText(d.Oldest), daemon.TimeText(d.Newest),
			daemon.TimeText(d.Committed))
	}
	for _, x := range d.Damaged {
		fmt.Fprintln(w, "damaged:", x)
	}
	for _, m := range d.Marks {
		fmt.Fprintln(w, "mark", m)
	}
	printLimits(w, d)
	if len(d.Paths) > 0 {
		fmt.Fprintln(w, "\nvalues that are not, or not only, in the column of their path:")
		if err := printMisfits(w, d.Paths); err != nil {
			return err
		}
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "\nCOLUMN\tTYPE\tID\tNOTE")
	for _, col := range d.Schema {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\n", col.Name, col.Type, col.ID, col.Doc)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(d.Snapshots) == 0 {
		return nil
	}
	fmt.Fprintf(t, "\nSNAPSHOT (%d of %d)\tTIME\tOPERATION\n", len(d.Snapshots), d.Total)
	for _, s := range d.Snapshots {
		fmt.Fprintf(t, "%d\t%s\t%s\n", s.ID, daemon.TimeText(s.Time), s.Operation)
	}
	return t.Flush()
}

// sizeText writes bytes the way configuration reads them.
func sizeText(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%dB", n)
	}
	return fmt.Sprintf("%.1f%s", f, units[i])
}
