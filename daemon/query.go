package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/query/format"
	"github.com/lakeward/lakeward/serve"
)

func (c *cli) queryCommand() *cobra.Command {
	var (
		form    string
		output  string
		q       serve.Query
		maxRows int64
	)
	cmd := &cobra.Command{
		Use:   `query "SQL"`,
		Short: "Run one read-only SELECT over lake.* and analytics.*",
		Long: "Runs one SELECT over both tiers: through the running daemon if there is one, otherwise\n" +
			"directly on the data directory. With - the statement is read from standard input.",
		Example: `  lakeward query "SELECT user.name, count(*) FROM lake.signin WHERE status = 'Failure' GROUP BY ALL ORDER BY 2 DESC LIMIT 10"
  lakeward query --format parquet --output findings.parquet "SELECT * FROM analytics.findings"`,
		Args: exactArgs(1, "one SQL statement, quoted"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := pickFormat(form, output, c.Out)
			if err != nil {
				return err
			}
			q.SQL, q.MaxRows = args[0], maxRows
			if q.SQL == "-" {
				data, err := io.ReadAll(io.LimitReader(c.In, 1<<20))
				if err != nil {
					return fmt.Errorf("read statement: %w", err)
				}
				q.SQL = string(data)
			}
			return c.runQuery(cmd.Context(), q, f, output)
		},
	}
	cmd.Flags().StringVarP(&form, "format", "f", "", "table, csv, json, ndjson, parquet or arrow (default: table on a terminal, csv otherwise)")
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to this file instead of standard output")
	cmd.Flags().Int64Var(&maxRows, "max-rows", 0, "fail rather than answer more rows than this (0: no bound)")
	cmd.Flags().DurationVar(&q.Timeout, "timeout", 0, "give up after this long (default: the daemon's limit)")
	return cmd
}

func pickFormat(name, output string, w io.Writer) (format.Format, error) {
	if name == "" {
		name = "csv"
		if output == "" && isTerminal(w) {
			name = "table"
		}
	}
	f, err := format.Parse(name)
	if err != nil {
		return f, fmt.Errorf("%w: %w", errUsage, err)
	}
	return f, nil
}

func (c *cli) runQuery(ctx context.Context, q serve.Query, f format.Format, output string) error {
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
		if output == "" {
			return format.Write(c.Out, f, rows)
		}
		file, err := os.Create(output)
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		return errors.Join(format.Write(file, f, rows), file.Close())
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

func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return fmt.Errorf("%w: %s takes %s; got %d arguments (lakeward help %s)", errUsage, cmd.CommandPath(), what, len(args), strings.TrimPrefix(cmd.CommandPath(), "lakeward "))
	}
}
