package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/tiers"
)

// RunsTable is the analytics table of the history.
const RunsTable = "pipeline_runs"

// Record is one run in the history.
type Record struct {
	RunID    string        `json:"run_id"`
	RunKey   string        `json:"run_key"`
	Attempt  int           `json:"attempt"`
	Pipeline string        `json:"pipeline"`
	Hash     string        `json:"spec_hash"`
	Status   string        `json:"status"`
	Window   compile.Range `json:"window"`
	At       time.Time     `json:"logical_time"` // logical time
	Trigger  string        `json:"trigger"`
	RowsIn   int64         `json:"rows_in"` // rows of the files that were read
	RowsOut  int64         `json:"rows_out"`
	BytesIn  int64         `json:"bytes_in"`
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration_ns"`
	Error    string        `json:"error,omitempty"`
	// what a reader should know of a run that went well: who still learns, what was left out
	Note      string           `json:"note,omitempty"`
	Snapshots map[string]int64 `json:"snapshots,omitempty"` // bare lake table to snapshot
}

func recordSchema() *arrow.Schema {
	ts := &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	str, num := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64
	fields := []arrow.Field{
		{Name: "run_id", Type: str}, {Name: "run_key", Type: str}, {Name: "attempt", Type: num},
		{Name: "pipeline", Type: str}, {Name: "spec_hash", Type: str}, {Name: "status", Type: str},
		{Name: "window_start", Type: ts}, {Name: "window_end", Type: ts}, {Name: "logical_time", Type: ts},
		{Name: "trigger", Type: str}, {Name: "rows_in", Type: num}, {Name: "rows_out", Type: num},
		{Name: "bytes_in", Type: num}, {Name: "started", Type: ts}, {Name: "duration_ms", Type: num},
		{Name: "error", Type: str}, {Name: "snapshots", Type: str}, {Name: "note", Type: str},
	}
	for i := range fields {
		fields[i].Nullable = true
	}
	return arrow.NewSchema(fields, nil)
}

// recordRows holds one record. The caller releases it.
func recordRows(rec Record) (array.RecordReader, error) {
	snaps, err := json.Marshal(rec.Snapshots)
	if err != nil {
		return nil, fmt.Errorf("encode snapshots: %w", err)
	}
	schema := recordSchema()
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	values := []any{
		rec.RunID, rec.RunKey, int64(rec.Attempt), rec.Pipeline, rec.Hash, rec.Status,
		rec.Window.Start, rec.Window.End, rec.At, rec.Trigger, rec.RowsIn, rec.RowsOut,
		rec.BytesIn, rec.Started, rec.Duration.Milliseconds(), rec.Error, string(snaps), rec.Note,
	}
	for i, v := range values {
		switch f := b.Field(i).(type) {
		case *array.StringBuilder:
			f.Append(v.(string))
		case *array.Int64Builder:
			f.Append(v.(int64))
		case *array.TimestampBuilder:
			f.Append(arrow.Timestamp(v.(time.Time).UnixMicro()))
		}
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	return array.NewRecordReader(schema, []arrow.RecordBatch{batch})
}

// record appends to the history.
func (r *Runner) record(ctx context.Context, rec Record) error {
	rows, err := recordRows(rec)
	if err != nil {
		return fmt.Errorf("record run %s: %w", rec.RunID, err)
	}
	defer rows.Release()
	_, err = r.o.Sinks.Analytics.Write(ctx, tiers.Write{
		Table: RunsTable, Mode: tiers.Append, Pipeline: rec.Pipeline, RunID: rec.RunID,
		Start: rec.Window.Start, End: rec.Window.End, Rows: rows,
	})
	if err != nil {
		return fmt.Errorf("record run %s: %w", rec.RunID, err)
	}
	r.attempted(rec)
	return nil
}

// HistoryFilter narrows the history. Zero values do not narrow.
type HistoryFilter struct {
	Pipeline, RunID, RunKey, Status string
	Since                           time.Time // windows that end after it
	Limit                           int       // newest first; 0: all
}

// History lists runs, newest first.
func (r *Runner) History(ctx context.Context, f HistoryFilter) ([]Record, error) {
	have, err := r.have(ctx, RunsTable)
	if err != nil || !have {
		return nil, err
	}
	where, args := []string{"true"}, []any{}
	for _, c := range []struct{ col, v string }{{"pipeline", f.Pipeline}, {"run_id", f.RunID}, {"run_key", f.RunKey},
		{"status", f.Status}} {
		if c.v != "" {
			where, args = append(where, c.col+" = ?"), append(args, c.v)
		}
	}
	if !f.Since.IsZero() {
		where, args = append(where, "window_end > ?"), append(args, f.Since)
	}
	sql := "SELECT * FROM analytics." + RunsTable + " WHERE " + strings.Join(where, " AND ") +
		" ORDER BY started DESC, attempt DESC"
	if f.Limit > 0 {
		sql += fmt.Sprint(" LIMIT ", f.Limit)
	}
	rows, err := r.ask(ctx, f.Limit, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	return parseRecords(rows)
}

// newest returns the last run of each pipeline.
func (r *Runner) newest(ctx context.Context) (map[string]*Record, error) {
	have, err := r.have(ctx, RunsTable)
	if err != nil || !have {
		return nil, err
	}
	rows, err := r.ask(ctx, 0, "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY pipeline ORDER BY started "+
		"DESC, attempt DESC) AS nth FROM analytics."+
		RunsTable+") AS numbered WHERE nth = 1")
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	recs, err := parseRecords(rows)
	if err != nil {
		return nil, err
	}
	out := map[string]*Record{}
	for i := range recs {
		out[recs[i].Pipeline] = &recs[i]
	}
	return out, nil
}

func parseRecords(rows []Row) ([]Record, error) {
	out := make([]Record, 0, len(rows))
	for _, row := range rows {
		rec, err := parseRecord(row)
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
	return out, nil
}

func parseRecord(r Row) (Record, error) {
	rec := Record{
		RunID: text(r, "run_id"), RunKey: text(r, "run_key"), Attempt: int(integer(r, "attempt")),
		Pipeline: text(r, "pipeline"), Hash: text(r, "spec_hash"), Status: text(r, "status"),
		Window: compile.Range{Start: moment(r, "window_start"), End: moment(r, "window_end")},
		At:     moment(r, "logical_time"), Trigger: text(r, "trigger"),
		RowsIn: integer(r, "rows_in"), RowsOut: integer(r, "rows_out"), BytesIn: integer(r, "bytes_in"),
		Started: moment(r, "started"), Duration: time.Duration(integer(r, "duration_ms")) * time.Millisecond,
		Error: text(r, "error"), Note: text(r, "note"),
	}
	if err := json.Unmarshal([]byte(text(r, "snapshots")), &rec.Snapshots); err != nil {
		return rec, fmt.Errorf("read the snapshots of run %s: %w", rec.RunID, err)
	}
	return rec, nil
}

// Progress is the last logical time that each pipeline has completed, for the
// scheduler to go on from.
func (r *Runner) Progress(ctx context.Context) (map[string]time.Time, error) {
	runs, err := r.History(ctx, HistoryFilter{})
	if err != nil {
		return nil, err
	}
	out := map[string]time.Time{}
	for _, rec := range runs {
		if rec.Status != StatusFailed && rec.Trigger != TriggerManual && rec.At.After(out[rec.Pipeline]) {
			out[rec.Pipeline] = rec.At
		}
	}
	return out, nil
}

// What started a run.
const (
	TriggerSchedule = "schedule"
	TriggerLate     = "late"
	TriggerBackfill = "backfill"
	TriggerManual   = "manual"
	TriggerTest     = "test"
)
