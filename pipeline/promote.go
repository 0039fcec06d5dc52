package pipeline

import (
	"context"
	"encoding/json"
	"fmt"

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
	if out.Tier == "analytics" {
		have, err := e.r.have(ctx, out.Table)
		if err != nil {
			return nil, err
		}
		runs, err := e.r.have(ctx, RunsTable)
		if err != nil {
			return nil, err
		}
		if have && runs {
			sql += " WHERE finding_id NOT IN (SELECT f.finding_id FROM analytics." + quote(out.Table) +
				" AS f JOIN analytics." + RunsTable + " AS r ON r.run_id = f." + quote(tiers.ColRunID) +
				" WHERE r.status = '" + StatusSucceeded + "' AND f.finding_id IS NOT NULL)"
		}
	}
	rows, err := queryRows(ctx, s, 0, sql)
	if err != nil {
		return nil, fmt.Errorf("find the new findings of step %s: %w", out.From, err)
	}
	return rows, nil
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
