package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/compact"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

// erasure is what an erasure did, and where else its rows may be.
type erasure struct {
	compact.Erased
	Elsewhere []string `json:"elsewhere,omitempty"`
}

// Erase takes rows out of a lake table for good, or says what that would do.
func (v *Verbs) Erase(ctx context.Context, c serve.Command) (serve.Report, error) {
	dry, err := flagOf(c, ArgDryRun)
	if err != nil {
		return serve.Report{}, err
	}
	e, err := v.keeper.Erase(ctx, compact.Erasure{Table: c.Name, Where: c.Args[ArgWhere], By: c.Args[ArgBy],
		Reason: c.Args[ArgReason], DryRun: dry})
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
func (v *Verbs) elsewhere(ctx context.Context, e compact.Erased) []string {
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
		out = append(out, fmt.Sprintf("%s, which the pipelines %s make of lake.%s, and what is made of these",
			strings.Join(slices.Sorted(maps.Keys(written)), ", "), strings.Join(readers, ", "), e.Table),
			fmt.Sprintf("the baselines of these pipelines in %s: each is computed anew by its next run", v.cfg.StateFile()))
	}
	return append(out, v.cfg.AuditFile()+", which holds the SQL of queries, and this predicate if a daemon ran it",
		"results that were exported or published, and copies of the data directory")
}

// inStreams says what the sources' streams and their rows in quarantine hold.
func (v *Verbs) inStreams(ctx context.Context, e compact.Erased) (out []string) {
	err := v.withSources(ctx, func(sources []*openedSource) error {
		for _, s := range sources {
			in, err := s.Inspect(ctx, s.cfg.Stream)
			if err != nil {
				return err
			}
			var held uint64
			for stream, rs := range e.Gone {
				if !in.Created.IsZero() && strings.HasPrefix(stream,
					ingest.StreamIdentity(s.cfg.Stream, s.cfg.Subject, in.Created)) {
					held += tiers.CountSeqs(tiers.SubtractSeqs(rs, []tiers.SeqRange{{First: 0, Last: max(in.First, 1) - 1}}))
				}
			}
			switch {
			case e.DryRun:
				out = append(out, fmt.Sprintf("stream %s, which holds messages from sequence %d on", s.cfg.Stream, in.First))
			case held > 0:
				out = append(out, fmt.Sprintf("stream %s, which still holds up to %d of these messages (it begins with sequence "+
					"%d); after `lakeward source reset %s --from-start` they would come back", s.cfg.Stream, held, in.First,
					s.cfg.Name))
			}
			if in.Quarantined > 0 && e.Table != ingest.Quarantine {
				out = append(out, fmt.Sprintf("lake.quarantine, which has %d events of source %s as they came (erase there with "+
					"--table quarantine)", in.Quarantined, s.cfg.Name))
			}
		}
		return nil
	})
	if err != nil {
		out = append(out, "the streams, which could not be asked what they hold: "+err.Error())
	}
	return out
}
