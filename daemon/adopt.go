package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

const argIncomplete = "incomplete"

// adoption is what `lake adopt` does.
type adoption struct {
	Tables []lake.Adoption `json:"tables"`
	Marks  []lake.LostMark `json:"marks"`
	Done   bool            `json:"done"`
}

func (a adoption) nothing() bool { return len(a.Tables)+len(a.Marks) == 0 }

// left reports whether something stays as it is that should not.
func (a adoption) left() bool {
	for _, t := range a.Tables {
		if t.Problem != "" {
			return true
		}
	}
	for _, m := range a.Marks {
		if m.Problem != "" {
			return true
		}
	}
	return false
}

func (a adoption) String() string {
	if a.Done && !a.left() {
		return fmt.Sprintf("registered %d tables and put back %d marks; `lakeward verify` proves what the lake has now\n", len(a.Tables), len(a.Marks))
	}
	text := lake.AdoptText(a.Tables)
	for _, m := range a.Marks {
		if m.Problem != "" {
			text += fmt.Sprintf("lake.%s has lost a mark: NOT PUT BACK: %s\n", m.Table, m.Problem)
			continue
		}
		text += fmt.Sprintf("lake.%s has lost the mark of stream %s, %s: puts back sequence %d, from %s\n", m.Table, m.Mark.Stream, m.Mark.Filter, m.Mark.Seq, m.From)
	}
	if a.Done {
		text += "the rest is done; `lakeward verify` proves what the lake has now\n"
	}
	return text
}

// adopt brings the catalog up to what the warehouse has, or says what that
// would do.
func (v *verbs) adopt(ctx context.Context, c serve.Command) (serve.Report, error) {
	dry, err := flagOf(c, argDryRun)
	if err != nil {
		return serve.Report{}, err
	}
	incomplete, err := flagOf(c, argIncomplete)
	if err != nil {
		return serve.Report{}, err
	}
	a, err := v.planAdoption(ctx, incomplete)
	if err != nil {
		return serve.Report{}, err
	}
	if !dry && !a.nothing() {
		if err := v.alone(ctx); err != nil {
			return serve.Report{}, err
		}
		err := v.still(ctx, "the catalog is brought up to the warehouse", func() (err error) {
			if a, err = v.planAdoption(ctx, incomplete); err != nil {
				return err
			}
			if err := v.lake.Adopt(ctx, a.Tables); err != nil {
				return err
			}
			if a.Marks, err = v.lake.LostMarks(ctx); err != nil { // also of tables that were not known before
				return err
			}
			return v.lake.Remark(ctx, a.Marks)
		})
		if err != nil {
			return serve.Report{}, err
		}
		a.Done = true
	}
	rep, err := report(a.String(), a)
	rep.Failed = a.left()
	return rep, err
}

func (v *verbs) planAdoption(ctx context.Context, incomplete bool) (a adoption, err error) {
	if a.Tables, err = v.lake.PlanAdopt(ctx, incomplete); err != nil {
		return a, err
	}
	a.Marks, err = v.lake.LostMarks(ctx)
	return a, err
}

// leaseStill is for how long a lease must not be renewed to be of a daemon that
// is gone: it renews it every second.
const leaseStill = 2500 * time.Millisecond

// alone refuses while another daemon commits to the lake.
func (v *verbs) alone(ctx context.Context) error {
	for _, s := range v.cfg.Sources {
		l := v.lease(ingest.LeaseName(tiers.Mark{Stream: s.Stream, Filter: s.Subject}.Key()), ingest.LeasePatience)
		st, err := l.Look(ctx)
		if err == nil && st.Other() && !st.Before {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(leaseStill):
			}
			st, err = l.Look(ctx)
		}
		if err != nil {
			return fmt.Errorf("see whether a daemon commits source %s: %w", s.Name, err)
		}
		if st.Other() && !st.Before && st.Still < leaseStill {
			return fmt.Errorf("%w: %s commits source %s to this lake; stop that daemon first", serve.ErrInvalid, st.Holder, s.Name)
		}
	}
	return nil
}

// still holds every source of the daemon, unless one commits.
func (a *app) still(ctx context.Context, why string, f func() error) error {
	for _, s := range a.sources {
		if st := s.Status(); st.State == ingest.Running {
			return fmt.Errorf("%w: source %s commits to the lake as its catalog is; stop the daemon, then run the same command again", serve.ErrInvalid, st.Name)
		}
	}
	for _, s := range a.sources {
		inner := f
		f = func() error { return s.Still(ctx, why, inner) }
	}
	return f()
}

func (c *cli) lakeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "lake", Short: "The lake's catalog and its warehouse"}
	cmd.AddCommand(c.adoptCommand())
	return cmd
}

func (c *cli) adoptCommand() *cobra.Command {
	var dry, yes, asJSON, incomplete bool
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Register the newest metadata of the warehouse in a catalog that is older, or new",
		Long: "If the catalog was put back from an older copy, or is gone, the warehouse knows more: newer metadata of\n" +
			"tables, and tables that the catalog does not name. The daemon then halts. This registers for each such\n" +
			"table the newest metadata whose chain leads back to what the catalog names and all of whose files are\n" +
			"there, and puts back marks of sources that somebody has removed. It says what it will do, asks, and\n" +
			"changes nothing but the catalog. Files that no metadata names stay where they are. It refuses while a\n" +
			"daemon commits to the lake; a daemon that halts for the catalog goes on at once. Works with and without\n" +
			"a daemon, where it needs the role admin. Exit code 1 if a table could not be registered.",
		Example: "  lakeward lake adopt --dry-run\n  lakeward lake adopt --yes && lakeward verify",
		Args:    exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sc := serve.Command{Noun: "lake", Verb: "adopt", Args: map[string]string{}}
			if incomplete {
				sc.Args[argIncomplete] = "true"
			}
			return c.withWriter(cmd.Context(), func(b serve.Backend) error {
				return c.ask(cmd.Context(), b, deed{cmd: sc, question: "Register this in the catalog?", planned: plannedAdoption,
					dry: dry, yes: yes, asJSON: asJSON})
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be registered, change nothing")
	cmd.Flags().BoolVar(&incomplete, argIncomplete, false, "also metadata some of whose data files are missing or damaged")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func plannedAdoption(data json.RawMessage) (bool, error) {
	var a adoption
	err := json.Unmarshal(data, &a)
	return !a.nothing(), err
}
