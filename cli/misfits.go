package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/lakeward/lakeward/daemon"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

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
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", cmp.Or(m.Path, "(others)"), m.Values, m.Reason, m.Column,
			daemon.TimeText(m.First), daemon.TimeText(m.Last), m.Advice)
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
		fmt.Fprintf(w, "the table is full: fields without a column go to unmapped (%d values so far); raise "+
			"ingest.max_columns\n", beyond)
	case beyond > 0:
		fmt.Fprintf(w, "%d values beyond the limit of columns or depth are in unmapped; one event adds at most half of "+
			"the columns that are left\n", beyond)
	}
}
