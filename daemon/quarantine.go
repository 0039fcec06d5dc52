package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lakeward/lakeward/config"
	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
)

func (v *Verbs) rejectedFilter(c serve.Command) (f ingest.RejectedFilter, err error) {
	f.Reason, f.IDs = c.Args[ArgReason], strings.Fields(c.Args[ArgIDs])
	if f.Since, err = v.instant(c, ArgSince, time.Time{}); err != nil {
		return f, err
	}
	name := c.Args[ArgSource]
	if name == "" {
		return f, nil
	}
	var names []string
	for _, s := range v.sourceConfigs() {
		if s.Name == name {
			f.Source = sourceKey(s)
			return f, nil
		}
		names = append(names, s.Name)
	}
	return f, fmt.Errorf("%w: there is no source %q; there are %s", serve.ErrNotFound, name, listed(names))
}

func sourceKey(s config.Source) string { return tiers.Mark{Stream: s.Stream, Filter: s.Subject}.Key() }

func (v *Verbs) books() ingest.Books { return ingest.Books{Lake: v.lake} }

// QuarantineList groups the rows of lake.quarantine by their reason.
func (v *Verbs) QuarantineList(ctx context.Context, c serve.Command) (serve.Report, error) {
	f, err := v.rejectedFilter(c)
	if err != nil {
		return serve.Report{}, err
	}
	groups, err := v.books().Groups(ctx, f)
	if err != nil {
		return serve.Report{}, err
	}
	if len(groups) == 0 {
		return report("nothing is in quarantine\n", groups)
	}
	names := map[string]string{}
	for _, s := range v.sourceConfigs() {
		names[sourceKey(s)] = s.Name
	}
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ROWS\tREPLAYED\tFIRST\tLAST\tSOURCE\tEXAMPLE\tREASON")
	for _, g := range groups {
		name, ok := names[g.Source]
		if !ok {
			name = g.Source + " (not configured)"
		}
		fmt.Fprintf(t, "%d\t%d\t%s\t%s\t%s\t%s\t%s\n", g.Count, g.Replayed, TimeText(g.First), TimeText(g.Last), name,
			g.Example, oneLine(g.Reason))
	}
	if err := t.Flush(); err != nil {
		return serve.Report{}, fmt.Errorf("render list: %w", err)
	}
	return report(text.String(), groups)
}

// oneLine makes text of others fit for a terminal: no control characters, and
// not long.
func oneLine(s string) string {
	quoted := fmt.Sprintf("%+q", s)
	quoted = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if len(quoted) > 160 {
		quoted = quoted[:157] + "..."
	}
	return quoted
}

// QuarantineShow shows one row of lake.quarantine.
func (v *Verbs) QuarantineShow(ctx context.Context, c serve.Command) (serve.Report, error) {
	r, err := v.books().Show(ctx, c.Name)
	if errors.Is(err, ingest.ErrNoRejected) || errors.Is(err, ingest.ErrManyRejected) {
		return serve.Report{}, fmt.Errorf("%w: %w", serve.ErrNotFound, err)
	}
	if err != nil {
		return serve.Report{}, err
	}
	return report(r.String(), r)
}

// QuarantineReplay decodes rows of lake.quarantine again and commits their events.
func (v *Verbs) QuarantineReplay(ctx context.Context, c serve.Command) (serve.Report, error) {
	f, err := v.rejectedFilter(c)
	if err != nil {
		return serve.Report{}, err
	}
	dry, err := flagOf(c, ArgDryRun)
	if err != nil {
		return serve.Report{}, err
	}
	var total ingest.ReplayReport
	err = v.withSources(ctx, func(sources []*openedSource) error {
		for _, s := range sources {
			if f.Source != "" && f.Source != sourceKey(s.cfg) {
				continue
			}
			r, err := s.Replay(ctx, ingest.ReplayRequest{Stream: s.cfg.Stream, Filter: f, DryRun: dry, By: c.Args[ArgBy]})
			total.Add(r)
			if err != nil {
				return fmt.Errorf("replay to source %s, after %d rows: %w", s.cfg.Name, total.Replayed, err)
			}
		}
		return nil
	})
	if err != nil {
		return serve.Report{}, err
	}
	if total.Matched == 0 && len(f.IDs) > 0 {
		return serve.Report{}, fmt.Errorf("%w: no row of a configured source in lake.quarantine has the id %s",
			serve.ErrNotFound, strings.Join(f.IDs, " or "))
	}
	return report(total.String(), total)
}
