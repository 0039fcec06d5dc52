package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lakeward/lakeward/ingest"
	"github.com/lakeward/lakeward/serve"
)

// selected are the sources that a command means: one by name, or all.
func selected(sources []*openedSource, name string) ([]*openedSource, error) {
	if name == "" {
		return sources, nil
	}
	var names []string
	for _, s := range sources {
		if s.cfg.Name == name {
			return []*openedSource{s}, nil
		}
		names = append(names, s.cfg.Name)
	}
	return nil, fmt.Errorf("%w: there is no source %q; there are %s", serve.ErrNotFound, name, listed(names))
}

// SourceStatus looks at one source or all. It fails if one halts.
func (v *Verbs) SourceStatus(ctx context.Context, c serve.Command) (serve.Report, error) {
	var text strings.Builder
	all, halted := []ingest.Inspection{}, false
	err := v.withSources(ctx, func(sources []*openedSource) error {
		some, err := selected(sources, c.Name)
		if err != nil {
			return err
		}
		for _, s := range some {
			in, err := s.Inspect(ctx, s.cfg.Stream)
			if err != nil {
				return fmt.Errorf("look at source %s: %w", s.cfg.Name, err)
			}
			all = append(all, in)
			text.WriteString(in.String())
			halted = halted || in.State == ingest.Halted
		}
		return nil
	})
	if err != nil {
		return serve.Report{}, err
	}
	rep, err := report(text.String(), all)
	rep.Failed = halted
	return rep, err
}

// SourceReset moves a source, or says what that would do.
func (v *Verbs) SourceReset(ctx context.Context, c serve.Command) (serve.Report, error) {
	r, err := v.resetRequest(c)
	if err != nil {
		return serve.Report{}, err
	}
	dry, err := flagOf(c, ArgDryRun)
	if err != nil {
		return serve.Report{}, err
	}
	var p ingest.ResetPlan
	err = v.withSources(ctx, func(sources []*openedSource) error {
		some, err := selected(sources, c.Name)
		if err != nil {
			return err
		}
		if len(some) != 1 || c.Name == "" {
			return fmt.Errorf("%w: say which source to reset", serve.ErrInvalid)
		}
		do := some[0].Reset
		if dry {
			do = some[0].PlanReset
		}
		p, err = do(ctx, r)
		if errors.Is(err, ingest.ErrReset) {
			return fmt.Errorf("%w: %w", serve.ErrInvalid, err)
		}
		return err
	})
	if err != nil {
		return serve.Report{}, err
	}
	text := p.String()
	if !dry {
		text = fmt.Sprintf("source %s was reset: it goes on with sequence %d of stream %s\n", p.Source, p.New.Seq+1, p.Stream)
	}
	return report(text, p)
}

func (v *Verbs) resetRequest(c serve.Command) (r ingest.ResetRequest, err error) {
	r.Mode, r.By, r.Reason = c.Args[ArgMode], c.Args[ArgBy], c.Args[ArgReason]
	if r.Time, err = v.instant(c, ArgTime, r.Time); err != nil {
		return r, err
	}
	if r.Created, err = v.instant(c, ArgCreated, r.Created); err != nil {
		return r, err
	}
	if text := c.Args[ArgSeq]; text != "" {
		if r.Seq, err = strconv.ParseUint(text, 10, 64); err != nil {
			return r, fmt.Errorf("%w: %q is not a sequence", serve.ErrInvalid, text)
		}
	}
	return r, nil
}
