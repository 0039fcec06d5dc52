package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

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
	for _, out := range e.d.Outputs {
		fresh, err := e.fresh(ctx, s, out)
		if err != nil {
			return err
		}
		if err := e.write(ctx, s, out); err != nil {
			return err
		}
		if err := e.publish(ctx, out, fresh); err != nil {
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
	if _, err := s.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("keep the baselines' state: %w", err)
	}
	return nil
}

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

func (e *execution) write(ctx context.Context, s query.Session, out Output) error {
	sink, err := e.sink(out.Tier)
	if err != nil {
		return err
	}
	w := tiers.Write{Table: out.Table, Mode: out.Mode, Key: out.Key, Pipeline: e.d.Name, RunID: e.res.RunID, Start: e.window.Start, End: e.window.End}
	if local, ok := sink.(tiers.LocalSink); ok && e.stateless() {
		_, err = local.WriteFrom(ctx, s, out.From, w)
	} else {
		rows, rerr := s.Query(ctx, "SELECT * FROM "+quote(out.From))
		if rerr != nil {
			return fmt.Errorf("read step %s: %w", out.From, rerr)
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
	sql := "SELECT * FROM " + quote(out.From)
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
	return "SELECT f.finding_id FROM analytics." + quote(table) + " AS f JOIN analytics." + RunsTable + " AS r ON r.run_id = f." + quote(tiers.ColRunID) +
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
