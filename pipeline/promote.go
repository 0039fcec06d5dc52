package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeward/lakeward/pipeline/spec"
	"github.com/lakeward/lakeward/pipeline/sqltext"
	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
)

// promote writes every output, publishes what is new, and then lets the
// baselines' state become visible. Each part may be repeated by a later run.
func (e *execution) promote(ctx context.Context, s query.Session) error {
	if e.stateless() {
		if _, err := s.Exec(ctx, "COMMIT"); err != nil { // of temporary tables
			return fmt.Errorf("end the computation: %w", err)
		}
	}
	for _, outs := range byTable(e.d.Outputs) {
		if err := e.promoteTo(ctx, s, outs); err != nil {
			return err
		}
	}
	if e.stateless() {
		return nil
	}
	for _, key := range sortedKeys(e.coverage) {
		if err := saveCoverage(ctx, s, key, e.coverage[key]); err != nil {
			return err
		}
	}
	if err := e.settleFlags(ctx, s); err != nil {
		return err
	}
	if _, err := s.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("keep the baselines' state: %w", err)
	}
	return nil
}

// byTable puts outputs that go to one table together, in the order of the first:
// a write replaces the pipeline's rows of the window, so they are one write.
// Lint sees to it that they have one mode and key.
func byTable(outs []Output) [][]Output {
	var all [][]Output
	at := map[string]int{}
	for _, o := range outs {
		name := strings.ToLower(o.Tier + "." + o.Table)
		i, ok := at[name]
		if !ok {
			i = len(all)
			at[name], all = i, append(all, nil)
		}
		all[i] = append(all[i], o)
	}
	return all
}

// promoteTo writes the outputs of one table and publishes their new findings.
func (e *execution) promoteTo(ctx context.Context, s query.Session, outs []Output) error {
	fresh := make([][]Row, len(outs))
	for i, out := range outs {
		var err error
		if fresh[i], err = e.fresh(ctx, s, out); err != nil {
			return err
		}
	}
	if err := e.write(ctx, s, outs); err != nil {
		return err
	}
	for i, out := range outs {
		if err := e.publish(ctx, out, fresh[i]); err != nil {
			return err
		}
	}
	return nil
}

// together is the view of what several steps write to one table. No step has
// such a name.
const together = ".together"

// rowsOf is a SELECT of the rows that outputs of one table write.
func rowsOf(outs []Output) string {
	parts := make([]string, len(outs))
	for i, out := range outs {
		parts[i] = "SELECT " + columnsOf(out) + " FROM " + sqltext.Ident(out.From)
	}
	return strings.Join(parts, " UNION ALL BY NAME ")
}

// columnsOf are the columns that an output writes: the table of findings has no
// other than theirs.
func columnsOf(out Output) string {
	if !out.findings() {
		return "*"
	}
	var cols []string
	for _, c := range tiers.FindingColumns() {
		cols = append(cols, sqltext.Ident(c.Name))
	}
	return strings.Join(cols, ", ")
}

// findings reports whether an output goes to the table of findings.
func (o Output) findings() bool { return strings.EqualFold(o.Tier+"."+o.Table, spec.FindingsTable) }

// stateless is a run that changes no baseline's state, so that its session may
// do other things after the computation.
func (e *execution) stateless() bool { return e.o.Stateless || len(e.bases) == 0 }

func (e *execution) sink(tier string) (tiers.Sink, error) {
	var s tiers.Sink
	switch tier {
	case "analytics":
		s = e.r.o.Sinks.Analytics
	case "lake":
		s = e.r.o.Sinks.Lake
	}
	if s == nil {
		return nil, fmt.Errorf("tier %q cannot be written here; write to analytics or lake", tier)
	}
	return s, nil
}

// write replaces what the pipeline had written of the window to one table.
func (e *execution) write(ctx context.Context, s query.Session, outs []Output) error {
	out := outs[0]
	sink, err := e.sink(out.Tier)
	if err != nil {
		return err
	}
	later, err := e.laterKeys(ctx, s, outs)
	if err != nil {
		return err
	}
	selected := rowsOf(outs)
	if len(later) > 0 {
		selected = withoutKeys(outs, later)
		e.say(fmt.Sprintf("%d rows of %s.%s are left to later windows, which have written them", len(later), out.Tier,
			out.Table))
	}
	w := tiers.Write{Table: out.Table, Mode: out.Mode, Key: out.Key, Pipeline: e.d.Name, RunID: e.res.RunID,
		Start: e.window.Start, End: e.window.End}
	if local, ok := sink.(tiers.LocalSink); ok && e.stateless() {
		relation := out.From
		if len(outs) > 1 || len(later) > 0 || out.findings() {
			relation = together
			if _, err := s.Exec(ctx, "CREATE OR REPLACE TEMP VIEW "+sqltext.Ident(relation)+" AS "+selected); err != nil {
				return fmt.Errorf("put together what is written to %s.%s: %w", out.Tier, out.Table, err)
			}
		}
		_, err = local.WriteFrom(ctx, s, relation, w)
	} else {
		rows, rerr := s.Query(ctx, selected)
		if rerr != nil {
			return fmt.Errorf("read what is written to %s.%s: %w", out.Tier, out.Table, rerr)
		}
		defer rows.Release()
		w.Rows = rows
		_, err = sink.Write(ctx, w)
	}
	if err != nil {
		return fmt.Errorf("write %s.%s: %w", out.Tier, out.Table, err)
	}
	return nil
}

// fresh are the findings that no finished run has written yet. A run that
// ended between writing and publishing has not finished, so its findings are
// published by the run that repeats it.
func (e *execution) fresh(ctx context.Context, s query.Session, out Output) ([]Row, error) {
	if out.Publish == "" || e.r.o.Publisher == nil {
		return nil, nil
	}
	sql := "SELECT * FROM " + sqltext.Ident(out.From)
	have, err := e.published(ctx, out)
	if err != nil {
		return nil, err
	}
	_, remote := e.r.o.Sinks.Analytics.(tiers.RemoteSink)
	if have && !remote {
		sql += " WHERE finding_id NOT IN (" + finished(out.Table) + ")"
	}
	rows, err := queryRows(ctx, s, 0, sql)
	if err == nil && have && remote {
		rows, err = e.unfinished(ctx, out, rows)
	}
	if err != nil {
		return nil, fmt.Errorf("find the new findings of step %s: %w", out.From, err)
	}
	return rows, nil
}

// published reports whether an earlier run may have published a finding.
func (e *execution) published(ctx context.Context, out Output) (bool, error) {
	if out.Tier != "analytics" {
		return false, nil
	}
	have, err := e.r.have(ctx, out.Table)
	if err != nil || !have {
		return false, err
	}
	return e.r.have(ctx, RunsTable)
}

// finished selects the findings of runs that finished.
func finished(table string) string {
	_, run := tiers.Owner(table)
	return "SELECT f.finding_id FROM analytics." + sqltext.Ident(table) + " AS f JOIN analytics." + RunsTable +
		" AS r ON r.run_id = f." + sqltext.Ident(run) +
		" WHERE r.status = '" + StatusSucceeded + "' AND f.finding_id IS NOT NULL"
}

// askedAtOnce bounds the ids of one question.
const askedAtOnce = 1000

// unfinished leaves out what a remote tier has from runs that finished. It is
// asked by id: the tier may hold far more than a run finds.
func (e *execution) unfinished(ctx context.Context, out Output, rows []Row) ([]Row, error) {
	known := map[string]bool{}
	for part := range slices.Chunk(rows, askedAtOnce) {
		ids := make([]string, len(part))
		for i, row := range part {
			ids[i] = text(row, "finding_id")
		}
		held, err := e.r.ask(ctx, 0, finished(out.Table)+" AND f.finding_id = ANY(?)", ids)
		if err != nil {
			return nil, err
		}
		for _, row := range held {
			known[text(row, "finding_id")] = true
		}
	}
	return slices.DeleteFunc(rows, func(r Row) bool { return known[text(r, "finding_id")] }), nil
}

// publish puts findings on the bus. The key travels in the body too, because
// the stream remembers message ids for a short time only.
func (e *execution) publish(ctx context.Context, out Output, rows []Row) error {
	for _, row := range rows {
		id := digest(e.res.RunKey, text(row, "finding_id"))
		row["key"] = id
		data, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("encode finding %s: %w", text(row, "finding_id"), err)
		}
		if err := e.r.o.Publisher.Publish(ctx, out.Publish, id, data); err != nil {
			return fmt.Errorf("publish finding %s to %s: %w", text(row, "finding_id"), out.Publish, err)
		}
		e.res.Published++
	}
	return nil
}

// tables are the names of the analytics tables.
func (r *Runner) tables(ctx context.Context) (map[string]bool, error) {
	infos, err := r.o.Sinks.Analytics.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("list analytics tables: %w", err)
	}
	out := map[string]bool{}
	for _, t := range infos {
		out[t.Name] = true
	}
	return out, nil
}
