package daemon

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

// misfits are what a table's properties say of values that did not fit.
func misfits(t tiers.Table) []serve.Misfit {
	var out []serve.Misfit
	for _, m := range tiers.Misfits(t.Properties()) {
		column := cmp.Or(m.Column, tiers.ColUnmapped)
		if m.Reason == tiers.MisfitDigits {
			column = m.Path
		}
		out = append(out, serve.Misfit{Path: m.Path, Reason: string(m.Reason), Column: column, Values: m.Values,
			First: m.First, Last: m.Last, Advice: m.Advice()})
	}
	return out
}

func (c *cli) misfitsCommand(asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use:   "misfits [TABLE]",
		Short: "Which values are not in the column of their path, how many, since when, and what to do",
		Long: "Lists by table and path the values that are not, or not only, in the column of their path: in a column\n" +
			"beside it, such as n_text beside n, or in unmapped. Counted since the table was made; what retention and\n" +
			"erasure took out is counted still.",
		Example: "  lakeward tables misfits lake.signin",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withBackend(cmd.Context(), func(b serve.Backend) error {
				return c.misfits(cmd.Context(), b, strings.Join(args, ""), *asJSON)
			})
		},
	}
}

// tableMisfits are those of one table.
type tableMisfits struct {
	Table   string         `json:"table"`
	Misfits []serve.Misfit `json:"misfits"`
}

func (c *cli) misfits(ctx context.Context, b serve.Backend, name string, asJSON bool) error {
	names := []string{name}
	if name == "" {
		tables, err := b.Tables(ctx)
		if err != nil {
			return err
		}
		names = nil
		for _, t := range tables {
			if t.Misfits > 0 {
				names = append(names, t.Name)
			}
		}
	}
	all := []tableMisfits{}
	for _, n := range names {
		d, err := b.Describe(ctx, n)
		if err != nil {
			return err
		}
		if len(d.Paths) > 0 {
			all = append(all, tableMisfits{n, d.Paths})
		}
	}
	if asJSON {
		return printJSON(c.Out, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(c.Out, "every value is in the column of its path")
		return err
	}
	for _, t := range all {
		if _, err := fmt.Fprintf(c.Out, "%s\n", t.Table); err != nil {
			return err
		}
		if err := printMisfits(c.Out, t.Misfits); err != nil {
			return err
		}
	}
	return nil
}

func printMisfits(w io.Writer, ms []serve.Misfit) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "PATH\tVALUES\tREASON\tCOLUMN\tSINCE\tLAST\tTO DO")
	for _, m := range ms {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", cmp.Or(m.Path, "(others)"), m.Values, m.Reason, m.Column, timeText(m.First), timeText(m.Last), m.Advice)
	}
	return t.Flush()
}

// printLimits says how many columns a table has, and whether it is full.
func printLimits(w io.Writer, d serve.TableDetail) {
	if d.MaxLeaves == 0 {
		return
	}
	fmt.Fprintf(w, "%d of at most %d columns, members of structs counted\n", d.Leaves, d.MaxLeaves)
	var beyond uint64
	for _, m := range d.Paths {
		if m.Reason == string(tiers.MisfitLimit) {
			beyond += m.Values
		}
	}
	switch {
	case d.Leaves >= d.MaxLeaves:
		fmt.Fprintf(w, "the table is full: fields without a column go to unmapped (%d values so far); raise ingest.max_columns\n", beyond)
	case beyond > 0:
		fmt.Fprintf(w, "%d values beyond the limit of columns or depth are in unmapped; one event adds at most half of the columns that are left\n", beyond)
	}
}
