package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeward/lakeward/config/strict"
	"github.com/lakeward/lakeward/ingest/jetstream"
	"github.com/lakeward/lakeward/pipeline"
	"github.com/lakeward/lakeward/serve"
)

// Verbs carries out commands on pipelines, findings, sources and the lake.
type Verbs struct {
	*core
	active func(ctx context.Context) (*pipeline.Generation, error)
	verify func(ctx context.Context, deep bool) (serve.Report, error)
	// withSources lends the configured sources, which run if a daemon has them.
	withSources func(ctx context.Context, f func([]*openedSource) error) error
	// withConn lends a connection to the embedded NATS server.
	withConn func(ctx context.Context, f func(*jetstream.Conn) error) error
	// still does f while no source of this process reads or commits. It is an
	// error if one does at the moment.
	still func(ctx context.Context, why string, f func() error) error
	now   func() time.Time
}

// report is an answer as text and as data.
func report(text string, data any) (serve.Report, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return serve.Report{}, fmt.Errorf("encode answer: %w", err)
	}
	return serve.Report{Text: text, Data: raw}, nil
}

// PipelineList lists the active pipelines, and the problems of the others.
func (v *Verbs) PipelineList(ctx context.Context, _ serve.Command) (serve.Report, error) {
	g, err := v.active(ctx)
	if err != nil {
		return serve.Report{}, err
	}
	ls, err := v.runner.List(ctx, g.List())
	if err != nil {
		return serve.Report{}, err
	}
	text := pipeline.RenderList(ls)
	for _, f := range g.Files {
		for _, p := range f.Problems {
			text += p.String() + "\n"
		}
	}
	return report(text, ls)
}

// definition is the active one by name or, if the command brings a file, that.
func (v *Verbs) definition(ctx context.Context, c serve.Command) (d, live *pipeline.Definition, g *pipeline.Generation,
	err error) {
	if g, err = v.active(ctx); err != nil {
		return nil, nil, nil, err
	}
	data, ok := c.Args[ArgPipeline]
	if !ok {
		d, ok := g.Definitions[c.Name]
		if !ok {
			return nil, nil, nil, fmt.Errorf("%w: there is no active pipeline %q; %s", serve.ErrNotFound, c.Name,
				v.activeText(g))
		}
		return d, nil, g, nil
	}
	d, problems := v.loader()(ctx, "", c.Name, []byte(data), nil)
	if len(problems) > 0 {
		return nil, nil, nil, fmt.Errorf("%w: %s", serve.ErrInvalid, problemLines(problems))
	}
	return d, g.Definitions[d.Name], g, nil
}

// activeText says which pipelines there are.
func (v *Verbs) activeText(g *pipeline.Generation) string {
	if len(g.Definitions) > 0 {
		return "active are " + strings.Join(slices.Sorted(maps.Keys(g.Definitions)), ", ")
	}
	if _, err := pipeline.Files(v.cfg.Pipelines.Dir); err != nil {
		return err.Error()
	}
	return "there is none in " + v.cfg.Pipelines.Dir
}

func problemLines(ps []pipeline.Problem) string {
	var lines []string
	for _, p := range ps {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// PipelinePlan says what a pipeline would have found.
func (v *Verbs) PipelinePlan(ctx context.Context, c serve.Command) (serve.Report, error) {
	d, live, g, err := v.definition(ctx, c)
	if err != nil {
		return serve.Report{}, err
	}
	to, err := v.instant(c, ArgTo, v.now())
	if err != nil {
		return serve.Report{}, err
	}
	from, err := v.since(c, to, to.Add(-7*24*time.Hour))
	if err != nil {
		return serve.Report{}, err
	}
	clocks, _ := pipeline.Clocks(withDefinition(g, d))
	rep, err := v.runner.Plan(ctx, d, live, clocks[d.Name], from, to)
	if err != nil {
		return serve.Report{}, asked(err)
	}
	return report(rep.String(), rep)
}

// asked marks what is wrong with the request itself.
func asked(err error) error {
	if errors.Is(err, pipeline.ErrTooManyRuns) {
		return fmt.Errorf("%w: %w", serve.ErrInvalid, err)
	}
	return err
}

// withDefinition is the generation's list with d in its place.
func withDefinition(g *pipeline.Generation, d *pipeline.Definition) []*pipeline.Definition {
	out := []*pipeline.Definition{d}
	for name, other := range g.Definitions {
		if name != d.Name {
			out = append(out, other)
		}
	}
	return out
}

// instant reads a time argument.
func (v *Verbs) instant(c serve.Command, name string, missing time.Time) (time.Time, error) {
	text := c.Args[name]
	if text == "" {
		return missing, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%w: %s %q is not a time; write it like 2026-11-24T10:05:00Z", serve.ErrInvalid, name, text)
	}
	return t.UTC(), nil
}

// since reads the begin of a time that ends at to: a time, or how long before.
func (v *Verbs) since(c serve.Command, to, missing time.Time) (time.Time, error) {
	var from time.Time
	back, what, _ := strict.ParseText(strict.Duration(0, 100*366*24*time.Hour), c.Args[ArgFrom])
	if what == "" {
		from = to.Add(-back)
	} else {
		var err error
		if from, err = v.instant(c, ArgFrom, missing); err != nil {
			return from, fmt.Errorf("%w, or how long before, like 24h", err)
		}
	}
	if from.After(to) {
		return from, fmt.Errorf("%w: %s %s is later than %s %s; exchange them", serve.ErrInvalid, ArgFrom,
			from.UTC().Format(time.RFC3339), ArgTo, to.UTC().Format(time.RFC3339))
	}
	return from, nil
}

// PipelineCheck is what the lake says of a pipeline, such as one that the
// command brings.
func (v *Verbs) PipelineCheck(ctx context.Context, c serve.Command) (serve.Report, error) {
	d, _, _, err := v.definition(ctx, c)
	if err != nil {
		return serve.Report{}, err
	}
	problems, err := v.runner.Check(ctx, d)
	if err != nil {
		return serve.Report{}, err
	}
	if problems == nil {
		return report(d.Name+": ok\n", []pipeline.Problem{})
	}
	rep, err := report(problemLines(problems)+"\n", problems)
	rep.Failed = slices.ContainsFunc(problems, func(p pipeline.Problem) bool { return !p.Warning })
	return rep, err
}

// PipelineExplain shows the SQL of a run.
func (v *Verbs) PipelineExplain(ctx context.Context, c serve.Command) (serve.Report, error) {
	d, _, g, err := v.definition(ctx, c)
	if err != nil {
		return serve.Report{}, err
	}
	at, err := v.instant(c, ArgAt, v.now())
	if err != nil {
		return serve.Report{}, err
	}
	clocks, _ := pipeline.Clocks(withDefinition(g, d))
	text, err := v.runner.Explain(ctx, d, clocks[d.Name], at)
	if err != nil {
		return serve.Report{}, err
	}
	return report(text, text)
}

// PipelineRun runs a pipeline once.
func (v *Verbs) PipelineRun(ctx context.Context, c serve.Command) (serve.Report, error) {
	if err := v.believe(ctx); err != nil {
		return serve.Report{}, err
	}
	d, _, g, err := v.definition(ctx, c)
	if err != nil {
		return serve.Report{}, err
	}
	at, err := v.instant(c, ArgAt, v.now())
	if err != nil {
		return serve.Report{}, err
	}
	dry, err := flagOf(c, ArgDryRun)
	if err != nil {
		return serve.Report{}, err
	}
	clocks, _ := g.Clocks()
	w, err := d.WindowAt(at, clocks[d.Name])
	if err != nil {
		return serve.Report{}, err
	}
	o := pipeline.RunOptions{At: at, Trigger: pipeline.TriggerManual, DryRun: dry}
	if dry {
		for _, out := range d.Outputs {
			o.Collect = append(o.Collect, out.From)
		}
	}
	res, err := v.runner.Run(ctx, d, w, o)
	if err != nil {
		return serve.Report{}, err
	}
	return report(runText(res, dry), res)
}

func flagOf(c serve.Command, name string) (bool, error) {
	if c.Args[name] == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(c.Args[name])
	if err != nil {
		return false, fmt.Errorf("%w: %s %q is neither true nor false", serve.ErrInvalid, name, c.Args[name])
	}
	return b, nil
}

func runText(r pipeline.Result, dry bool) string {
	text := fmt.Sprintf("%s over [%s, %s): %s, %d rows in, %d rows out, in %s\n", r.Pipeline,
		TimeText(r.Window.Start), TimeText(r.Window.End), r.Status, r.RowsIn, r.RowsOut, r.Duration.Round(time.Millisecond))
	if r.Error != "" {
		text += r.Error + "\n"
	}
	if !dry {
		return text
	}
	text += "dry run: nothing was written\n"
	for _, step := range slices.Sorted(maps.Keys(r.Rows)) {
		text += fmt.Sprintf("\n%s: %d rows\n", step, len(r.Rows[step]))
		for _, row := range r.Rows[step] {
			line, err := json.Marshal(row)
			if err != nil {
				line = []byte(err.Error())
			}
			text += "  " + string(line) + "\n"
		}
	}
	return text
}

// PipelineBackfill runs the windows that have not been run.
func (v *Verbs) PipelineBackfill(ctx context.Context, c serve.Command) (serve.Report, error) {
	if err := v.believe(ctx); err != nil {
		return serve.Report{}, err
	}
	g, err := v.active(ctx)
	if err != nil {
		return serve.Report{}, err
	}
	ds := g.List()
	if c.Name != "" {
		d, _, _, err := v.definition(ctx, c)
		if err != nil {
			return serve.Report{}, err
		}
		ds = []*pipeline.Definition{d}
	}
	to, err := v.instant(c, ArgTo, v.now())
	if err != nil {
		return serve.Report{}, err
	}
	from, err := v.since(c, to, time.Time{})
	if err != nil {
		return serve.Report{}, err
	}
	if from.IsZero() {
		return serve.Report{}, fmt.Errorf("%w: say from when to backfill (--from)", serve.ErrInvalid)
	}
	clocks, _ := g.Clocks()
	counts := map[string]int{}
	var rows int64
	err = v.runner.Backfill(ctx, ds, clocks, from, to, func(r pipeline.Result) {
		counts[r.Status]++
		rows += r.RowsOut
	})
	if err != nil {
		return serve.Report{}, asked(errors.Join(fmt.Errorf("after %d runs", counts[pipeline.StatusSucceeded]), err))
	}
	return report(fmt.Sprintf("%d runs succeeded, %d skipped, %d rows out\n", counts[pipeline.StatusSucceeded],
		counts[pipeline.StatusSkipped], rows), counts)
}

// PipelineHistory lists past runs.
func (v *Verbs) PipelineHistory(ctx context.Context, c serve.Command) (serve.Report, error) {
	f := pipeline.HistoryFilter{Pipeline: c.Name, Status: c.Args[ArgStatus], Limit: 20}
	if l := c.Args[ArgLimit]; l != "" {
		n, err := strconv.Atoi(l)
		if err != nil || n < 0 {
			return serve.Report{}, fmt.Errorf("%w: limit %q is not a count", serve.ErrInvalid, l)
		}
		f.Limit = n
	}
	rs, err := v.runner.History(ctx, f)
	if err != nil {
		return serve.Report{}, err
	}
	return report(pipeline.RenderHistory(rs), rs)
}

// explainRows are shown of each kind, unless asked for others.
const explainRows = 10

// FindingExplain says where a finding came from.
func (v *Verbs) FindingExplain(ctx context.Context, c serve.Command) (serve.Report, error) {
	rows := explainRows
	if text := c.Args[ArgRows]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return serve.Report{}, fmt.Errorf("%w: rows %q is not a number of rows", serve.ErrInvalid, text)
		}
		rows = n
	}
	g, err := v.active(ctx)
	if err != nil {
		return serve.Report{}, err
	}
	rep, err := v.runner.ExplainFinding(ctx, c.Name, func(name string) (*pipeline.Definition, bool) {
		d, ok := g.Definitions[name]
		return d, ok
	})
	if errors.Is(err, pipeline.ErrNoFinding) || errors.Is(err, pipeline.ErrManyFindings) {
		return serve.Report{}, fmt.Errorf("%w: %w", serve.ErrNotFound, err)
	}
	if err != nil {
		return serve.Report{}, err
	}
	return report(rep.Text(rows), rep)
}

// Verify proves that every message of the streams is in the lake once.
func (v *Verbs) Verify(ctx context.Context, c serve.Command) (serve.Report, error) {
	deep, err := flagOf(c, ArgDeep)
	if err != nil {
		return serve.Report{}, err
	}
	return v.verify(ctx, deep)
}
