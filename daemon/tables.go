package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/serve"
)

func (c *cli) tablesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "tables",
		Short: "List the tables of both tiers",
		Args:  exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withBackend(cmd.Context(), func(b serve.Backend) error {
				tables, err := b.Tables(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(c.Out, tables)
				}
				return printTables(c.Out, tables)
			})
		},
	}
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(&cobra.Command{
		Use:     "describe NAME",
		Short:   "Schema, rows, bytes, files, snapshots and freshness of one table",
		Example: "  lakeward tables describe lake.signin",
		Args:    exactArgs(1, "the name of a table, with its tier"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withBackend(cmd.Context(), func(b serve.Backend) error { return c.describe(cmd.Context(), b, args[0], asJSON) })
		},
	})
	cmd.AddCommand(c.misfitsCommand(&asJSON))
	return cmd
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
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%d\t%s\t%s\n", x.Name, x.Rows, sizeText(x.Bytes), x.Files, x.Columns, timeText(x.Newest), timeText(x.Committed))
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
		fmt.Fprintf(w, "events from %s to %s; last commit %s\n", timeText(d.Oldest), timeText(d.Newest), timeText(d.Committed))
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
		fmt.Fprintf(t, "%d\t%s\t%s\n", s.ID, timeText(s.Time), s.Operation)
	}
	return t.Flush()
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
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
