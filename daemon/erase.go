package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

const argWhere = "where" // a predicate

// erasure is what an erasure did, and where else its rows may be.
type erasure struct {
	compact.Erased
	Elsewhere []string `json:"elsewhere,omitempty"`
}

func (v *verbs) erase(ctx context.Context, c serve.Command) (serve.Report, error) {
	dry, err := flagOf(c, argDryRun)
	if err != nil {
		return serve.Report{}, err
	}
	e, err := v.keeper.Erase(ctx, compact.Erasure{Table: c.Name, Where: c.Args[argWhere], By: c.Args[argBy], Reason: c.Args[argReason], DryRun: dry})
	var parse *query.ParseError
	switch {
	case errors.Is(err, tiers.ErrNoTable):
		return serve.Report{}, fmt.Errorf("%w: %w", serve.ErrNotFound, err)
	case errors.Is(err, compact.ErrErasure), errors.As(err, &parse):
		return serve.Report{}, fmt.Errorf("%w: %w", serve.ErrInvalid, err)
	case err != nil:
		return serve.Report{}, err
	}
	out := erasure{Erased: e}
	if e.Rows > 0 {
		out.Elsewhere = v.elsewhere(ctx, e)
	}
	text := e.String()
	for i, line := range out.Elsewhere {
		if i == 0 {
			text += "  not erased, look there too:\n"
		}
		text += "    " + line + "\n"
	}
	rep, err := report(text, out)
	rep.Failed = len(e.Damaged) > 0 || e.New > 0
	return rep, err
}

// elsewhere lists the other places that may hold what was in the rows.
func (v *verbs) elsewhere(ctx context.Context, e compact.Erased) []string {
	out := v.inStreams(ctx, e)
	g, err := v.active(ctx)
	if err != nil {
		return append(out, "pipelines' results: which they are cannot be told: "+err.Error())
	}
	var readers []string
	written := map[string]bool{}
	for _, d := range g.List() {
		if !slices.Contains(d.Reads, "lake."+e.Table) {
			continue
		}
		readers = append(readers, d.Name)
		for _, o := range d.Outputs {
			written[o.Tier+"."+o.Table] = true
		}
	}
	if len(readers) > 0 {
		out = append(out, fmt.Sprintf("%s, which the pipelines %s make of lake.%s, and what is made of these", strings.Join(slices.Sorted(maps.Keys(written)), ", "), strings.Join(readers, ", "), e.Table),
			fmt.Sprintf("the baselines of these pipelines in %s: each is computed anew by its next run", v.cfg.StateFile()))
	}
	return append(out, v.cfg.AuditFile()+", which holds the SQL of queries, and this predicate if a daemon ran it",
		"results that were exported or published, and copies of the data directory")
}

// inStreams says what the sources' streams and their rows in quarantine hold.
func (v *verbs) inStreams(ctx context.Context, e compact.Erased) (out []string) {
	err := v.withSources(ctx, func(sources []openedSource) error {
		for _, s := range sources {
			in, err := s.Inspect(ctx, s.cfg.Stream)
			if err != nil {
				return err
			}
			var held uint64
			for stream, rs := range e.Gone {
				if !in.Created.IsZero() && strings.HasPrefix(stream, ingest.StreamIdentity(s.cfg.Stream, s.cfg.Subject, in.Created)) {
					held += tiers.CountSeqs(tiers.SubtractSeqs(rs, []tiers.SeqRange{{First: 0, Last: max(in.First, 1) - 1}}))
				}
			}
			switch {
			case e.DryRun:
				out = append(out, fmt.Sprintf("stream %s, which holds messages from sequence %d on", s.cfg.Stream, in.First))
			case held > 0:
				out = append(out, fmt.Sprintf("stream %s, which still holds up to %d of these messages (it begins with sequence %d); after `lakeward source reset %s --from-start` they would come back", s.cfg.Stream, held, in.First, s.cfg.Name))
			}
			if in.Quarantined > 0 && e.Table != ingest.Quarantine {
				out = append(out, fmt.Sprintf("lake.quarantine, which has %d events of source %s as they came (erase there with --table quarantine)", in.Quarantined, s.cfg.Name))
			}
		}
		return nil
	})
	if err != nil {
		out = append(out, "the streams, which could not be asked what they hold: "+err.Error())
	}
	return out
}

func (c *cli) eraseCommand() *cobra.Command {
	var table, where, reason string
	var dry, yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "erase --table TABLE --where PREDICATE",
		Short: "Take rows out of a lake table for good, such as those of one person",
		Long: "Rewrites the files of a lake table that hold rows for which the predicate is true, without these rows.\n" +
			"The predicate is one SQL expression over the table's columns; rows for which it is NULL stay. It says\n" +
			"what it will do, asks, does it in commits of some files each, and reports what was erased, until when\n" +
			"old snapshots still name the files with the rows, and where else the data may be. Queries that run are\n" +
			"not disturbed. Cut short, it has erased what it committed and the same command does the rest.\n" +
			"`lakeward verify` knows the messages as removed; lake.ingest_removed says when, by whom and why, and\n" +
			"does not hold the predicate. Works with and without a daemon, where it needs the role admin.\n" +
			"Exit code 1 if some files could not be looked at.",
		Example: "  lakeward erase --table signin --where \"\\\"user\\\".name = 'ada'\" --reason 'request 4711' --dry-run\n" +
			"  lakeward erase --table quarantine --where \"position('ada' IN bytes::VARCHAR) > 0\" --yes",
		Args: exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if table == "" || strings.TrimSpace(where) == "" {
				return fmt.Errorf("%w: say what to erase with --table and --where", errUsage)
			}
			sc := serve.Command{Noun: "lake", Verb: "erase", Name: strings.TrimPrefix(table, "lake."),
				Args: map[string]string{argWhere: where, argReason: reason, argBy: whoAmI()}}
			return c.withWriter(cmd.Context(), func(b serve.Backend) error {
				return c.ask(cmd.Context(), b, deed{cmd: sc, question: "Erase these rows of lake." + sc.Name + " for good?",
					dry: dry, yes: yes, asJSON: asJSON})
			})
		},
	}
	cmd.Flags().StringVar(&table, "table", "", "lake table `TABLE` to erase from")
	cmd.Flags().StringVar(&where, "where", "", "`PREDICATE` that is true for the rows to erase")
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words; kept in lake.ingest_removed")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be erased, change nothing")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
