package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/serve"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/lake"
)

// Adoption is what `lake adopt` does.
type Adoption struct {
	Tables []lake.Adoption `json:"tables"`
	Marks  []lake.LostMark `json:"marks"`
	Done   bool            `json:"done"`
}

// Nothing reports whether there is nothing to do.
func (a Adoption) Nothing() bool { return len(a.Tables)+len(a.Marks) == 0 }

// left reports whether something is still wrong afterwards.
func (a Adoption) left() bool {
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

// String says what is done, or would be.
func (a Adoption) String() string {
	if a.Done && !a.left() {
		return fmt.Sprintf("registered %d tables and put back %d marks; `lakeward verify` proves what the lake has now\n",
			len(a.Tables), len(a.Marks))
	}
	text := lake.AdoptText(a.Tables)
	for _, m := range a.Marks {
		if m.Problem != "" {
			text += fmt.Sprintf("lake.%s has lost a mark: NOT PUT BACK: %s\n", m.Table, m.Problem)
			continue
		}
		text += fmt.Sprintf("lake.%s has lost the mark of stream %s, %s: puts back sequence %d, from %s\n", m.Table,
			m.Mark.Stream, m.Mark.Filter, m.Mark.Seq, m.From)
	}
	if a.Done {
		text += "the rest is done; `lakeward verify` proves what the lake has now\n"
	}
	return text
}

// Adopt brings the catalog up to what the warehouse has, or says what that
// would do.
func (v *Verbs) Adopt(ctx context.Context, c serve.Command) (serve.Report, error) {
	dry, err := flagOf(c, ArgDryRun)
	if err != nil {
		return serve.Report{}, err
	}
	incomplete, err := flagOf(c, ArgIncomplete)
	if err != nil {
		return serve.Report{}, err
	}
	a, err := v.planAdoption(ctx, incomplete)
	if err != nil {
		return serve.Report{}, err
	}
	if !dry && !a.Nothing() {
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

func (v *Verbs) planAdoption(ctx context.Context, incomplete bool) (a Adoption, err error) {
	if a.Tables, err = v.lake.PlanAdopt(ctx, incomplete); err != nil {
		return a, err
	}
	a.Marks, err = v.lake.LostMarks(ctx)
	return a, err
}

// leaseStill is how long a lease is not renewed until its daemon counts as gone.
// A daemon renews its leases every second.
const leaseStill = 2500 * time.Millisecond

// alone refuses while another daemon commits to the lake.
func (v *Verbs) alone(ctx context.Context) error {
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
			return fmt.Errorf("%w: %s commits source %s to this lake; stop that daemon first", serve.ErrInvalid, st.Holder,
				s.Name)
		}
	}
	return nil
}

// still holds every source of the daemon. It fails if one of them commits.
func (a *Daemon) still(ctx context.Context, why string, f func() error) error {
	for _, s := range a.sources.list() {
		if st := s.Status(); st.State == ingest.Running {
			return fmt.Errorf("%w: source %s commits to the lake as its catalog is; stop the daemon, then run the same "+
				"command again", serve.ErrInvalid, st.Name)
		}
	}
	for _, s := range a.sources.list() {
		inner := f
		f = func() error { return s.Still(ctx, why, inner) }
	}
	return f()
}
