package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// FindingReport shows where a finding came from.
type FindingReport struct {
	Finding  Row      `json:"finding"`
	Run      Record   `json:"run"`
	Step     string   `json:"step"`
	Rows     []Row    `json:"rows,omitempty"`     // what it rests on
	Baseline []Row    `json:"baseline,omitempty"` // what they were compared with
	Formula  string   `json:"formula"`
	SQL      []string `json:"sql,omitempty"`   // the statements of the rows and of the baseline
	Notes    []string `json:"notes,omitempty"` // where this differs from the run itself
}

// ErrNoFinding is a finding that the table does not hold.
var ErrNoFinding = errors.New("no such finding")

// ErrManyFindings is the beginning of more than one finding's id.
var ErrManyFindings = errors.New("several findings begin so")

const explainLimit = 100

// ExplainFinding computes again, on the snapshots of its run, what led to a
// finding, whose id or its beginning is given. find returns the definition of a pipeline by name.
func (r *Runner) ExplainFinding(ctx context.Context, id string,
	find func(name string) (*Definition, bool)) (FindingReport, error) {
	var rep FindingReport
	err := Within(ctx, r.o.PlanTime, "recompute it", func(ctx context.Context) (err error) {
		rep, err = r.explainFinding(ctx, id, find)
		return err
	})
	if err != nil {
		return rep, fmt.Errorf("explain finding %s: %w", id, err)
	}
	return rep, nil
}

func (r *Runner) explainFinding(ctx context.Context, id string, find func(string) (*Definition, bool)) (FindingReport,
	error) {
	var rep FindingReport
	finding, err := r.finding(ctx, id)
	if err != nil {
		return rep, err
	}
	rep.Finding = finding
	runs, err := r.History(ctx, HistoryFilter{RunID: text(finding, "run_id"), Limit: 1})
	if err != nil {
		return rep, err
	}
	if len(runs) == 0 {
		return rep, fmt.Errorf("its run %q is not in %s", text(finding, "run_id"), RunsTable)
	}
	rep.Run = runs[0]
	d, ok := find(rep.Run.Pipeline)
	if !ok {
		return rep, fmt.Errorf("its pipeline %s is not active; put its file back", rep.Run.Pipeline)
	}
	if d.Hash != rep.Run.Hash {
		rep.Notes = append(rep.Notes, "the pipeline has changed since: this is its present version")
	}
	return rep, r.derive(ctx, d, &rep)
}

// finding looks in every analytics table of findings for the one whose id begins
// with start.
func (r *Runner) finding(ctx context.Context, start string) (Row, error) {
	infos, err := r.o.Sinks.Analytics.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("list analytics tables: %w", err)
	}
	var found Row
	for _, t := range infos {
		if _, ok := t.Schema.Lookup("finding_id"); !ok {
			continue
		}
		rows, err := r.ask(ctx, 2, "SELECT * FROM analytics."+sqltext.Ident(t.Name)+
			" WHERE starts_with(finding_id, ?) ORDER BY finding_id LIMIT 2", start)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if found == nil {
				found = row
			} else if one, two := text(found, "finding_id"), text(row, "finding_id"); one != two {
				return nil, fmt.Errorf("%w: %s and %s; give more of the id", ErrManyFindings, one, two)
			}
		}
	}
	if found == nil {
		return nil, ErrNoFinding
	}
	return found, nil
}

// derive runs the pipeline again, statelessly, and asks the step that made the
// finding for its inputs.
func (r *Runner) derive(ctx context.Context, d *Definition, rep *FindingReport) error {
	held, err := r.held(ctx, rep)
	if err != nil {
		return err
	}
	e := &execution{r: r, d: d, window: rep.Run.Window,
		o: RunOptions{Stateless: true, DryRun: true, Snapshots: held}}
	e.res.RunID = rep.Run.RunID
	ok, err := e.prepare(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New(e.res.Error)
	}
	run := compile.Run{ID: rep.Run.RunID, Window: rep.Run.Window, Stateless: true}
	s, err := e.open(ctx, run)
	if err != nil {
		return fmt.Errorf("read the run's snapshots: %w", err)
	}
	defer r.closing(s)
	if err := execute(ctx, s, e.program, run); err != nil {
		return err
	}
	if len(e.bases) > 0 {
		rep.Notes = append(rep.Notes, "baselines are computed from raw history; windows that earlier runs flagged are not "+
			"left out")
	}
	return e.ask(ctx, s, rep)
}

// held returns the snapshots of the run that have not expired. Where one has, the
// current snapshot of the table is read instead, and a note says so.
func (r *Runner) held(ctx context.Context, rep *FindingReport) (map[string]int64, error) {
	out := map[string]int64{}
	for _, name := range sortedKeys(rep.Run.Snapshots) {
		id := rep.Run.Snapshots[name]
		t, err := r.o.Lake.Open(ctx, name)
		if errors.Is(err, tiers.ErrNoTable) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open lake.%s: %w", name, err)
		}
		if slices.ContainsFunc(t.Snapshots(), func(s tiers.Snapshot) bool { return s.ID == id }) {
			out[name] = id
		} else if id != 0 {
			rep.Notes = append(rep.Notes, fmt.Sprintf("the run's snapshot of lake.%s has expired: these are the table's "+
				"present rows, with what came late", name))
		}
	}
	return out, nil
}

func (e *execution) ask(ctx context.Context, s query.Session, rep *FindingReport) error {
	id := text(rep.Finding, "finding_id")
	start, end := moment(rep.Finding, "window_start"), moment(rep.Finding, "window_end")
	fallback := ""
	for _, step := range e.program.Steps() {
		if _, ok := e.program.FindingQuery(step, text(rep.Finding, "entity"), start, end); !ok {
			continue
		}
		fallback = step
		n, err := count(ctx, s, sqltext.Ident(step)+" WHERE finding_id = ?", id)
		if err == nil && n > 0 {
			rep.Step = step
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if rep.Step == "" {
		if rep.Step = fallback; fallback == "" {
			return errors.New("no step of the pipeline makes findings")
		}
		rep.Notes = append(rep.Notes, "computed again, the finding does not arise: what it rests on has changed, or "+
			"flagged windows made the difference")
	}
	q, _ := e.program.FindingQuery(rep.Step, text(rep.Finding, "entity"), start, end)
	rep.Formula = q.Formula
	var err error
	if rep.Rows, err = queryRows(ctx, s, explainLimit, q.Rows); err != nil {
		return fmt.Errorf("its input rows: %w", err)
	}
	rep.SQL = append(rep.SQL, q.Rows)
	if strings.TrimSpace(q.Baseline) == "" {
		return nil
	}
	if rep.Baseline, err = queryRows(ctx, s, explainLimit, q.Baseline); err != nil {
		return fmt.Errorf("its baseline: %w", err)
	}
	rep.SQL = append(rep.SQL, q.Baseline)
	return nil
}
