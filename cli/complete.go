package cli

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/query/format"
	"github.com/lakeward/lakeward/serve"
)

// completeWithin bounds what a shell waits for.
const completeWithin = 3 * time.Second

// completer are the values that an argument or a flag can have. What cannot be
// found out is not offered: a shell has no place for errors.
type completer func(context.Context, *cli) []string

// flagValues are the completers of flags, which mean the same in every command.
func flagValues() map[string]completer {
	return map[string]completer{"format": formatNames, "table": lakeTableNames, "source": sourceNames}
}

// completes has a shell offer values of the command's arguments and flags.
func (c *cli) completes(cmd *cobra.Command, d command) {
	offer := func(ctx context.Context, values completer) []string {
		ctx, cancel := context.WithTimeout(ctx, completeWithin)
		defer cancel()
		quiet := *c
		quiet.Err = io.Discard
		return values(ctx, &quiet)
	}
	for name, values := range flagValues() {
		if cmd.Flags().Lookup(name) == nil {
			continue
		}
		_ = cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, // the flag is there
			_ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return offer(cmd.Context(), values), cobra.ShellCompDirectiveNoFileComp
		})
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string,
		_ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveDefault
		if !d.args.files && (d.args.values != nil || d.args.most == 0) {
			directive = cobra.ShellCompDirectiveNoFileComp
		}
		if d.args.values == nil || d.args.most >= 0 && len(args) >= d.args.most {
			return nil, directive
		}
		return offer(cmd.Context(), d.args.values), directive
	}
}

func formatNames(context.Context, *cli) []string {
	var out []string
	for _, f := range format.Formats() {
		out = append(out, string(f))
	}
	return out
}

// tableNames are the tables of both tiers.
func tableNames(ctx context.Context, c *cli) []string {
	var out []string
	_ = c.withBackend(ctx, func(b serve.Backend) error {
		tables, err := b.Tables(ctx)
		for _, t := range tables { // those of one tier come beside the error of the other
			out = append(out, t.Name)
		}
		return err
	})
	return out
}

// lakeTableNames are the tables of the lake.
func lakeTableNames(ctx context.Context, c *cli) []string {
	return slices.DeleteFunc(tableNames(ctx, c), func(name string) bool { return !strings.HasPrefix(name, "lake.") })
}

// pipelineNames are the active pipelines.
func pipelineNames(ctx context.Context, c *cli) []string {
	var listed []struct {
		Name string `json:"name"`
	}
	_ = c.withBackend(ctx, func(b serve.Backend) error {
		rep, err := b.Do(ctx, serve.Command{Noun: "pipeline", Verb: "list", Args: map[string]string{}})
		if err != nil {
			return err
		}
		return json.Unmarshal(rep.Data, &listed)
	})
	var out []string
	for _, p := range listed {
		out = append(out, p.Name)
	}
	return out
}

// sourceNames are those of the daemon or, without one, of the configuration.
func sourceNames(ctx context.Context, c *cli) []string {
	var out []string
	if client, err := c.daemonClient(); err == nil {
		st, err := client.Status(ctx)
		if err != nil {
			return nil
		}
		for _, s := range st.Sources {
			out = append(out, s.Name)
		}
		return out
	}
	cfg, err := c.load()
	if err != nil {
		return nil
	}
	for _, s := range cfg.Sources {
		out = append(out, s.Name)
	}
	return out
}
