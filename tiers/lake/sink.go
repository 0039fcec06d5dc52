package lake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"github.com/lakeward/lakeward/tiers"
)

// Sink writes pipelines' rows to lake tables: one file for a run's rows, and a
// new file in place of each that held rows of the same run, window or key. A
// write is one commit. Rows are held in memory while it is made. Safe for
// concurrent use.
type Sink struct {
	lake *Lake
	mu   sync.Mutex // one write at a time: each plans on the one before
}

var _ tiers.Sink = (*Sink)(nil)

// NewSink returns the sink of a lake, which stays the caller's to close.
func NewSink(l *Lake) *Sink { return &Sink{lake: l} }

// attempts bounds how often a write is planned again because another process
// changed the table.
const attempts = 5

// Write promotes w.Rows in one commit. It is idempotent for the same pipeline
// and window; nothing is changed if it fails.
func (s *Sink) Write(ctx context.Context, w tiers.Write) (tiers.WriteResult, error) {
	res, err := s.write(ctx, w)
	if err != nil {
		return tiers.WriteResult{}, fmt.Errorf("write rows of %s to lake.%s: %w", w.Pipeline, w.Table, err)
	}
	return res, nil
}

func (s *Sink) write(ctx context.Context, w tiers.Write) (tiers.WriteResult, error) {
	if s.lake.readOnly {
		return tiers.WriteResult{}, errReadOnly
	}
	stored, want, err := planSchema(w)
	if err != nil {
		return tiers.WriteResult{}, err
	}
	rows, err := collect(ctx, w, stored)
	if err != nil {
		return tiers.WriteResult{}, err
	}
	defer func() { release(rows) }()
	p := &promotion{write: w, key: keyer(w.Key)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.table, err = s.table(ctx, w.Table, want); err != nil {
		return tiers.WriteResult{}, err
	}
	if p.schema, err = withIDs(stored, p.table.Schema()); err != nil {
		return tiers.WriteResult{}, err
	}
	if rows, err = fit(ctx, rows, p.schema); err != nil {
		return tiers.WriteResult{}, err
	}
	if w.Mode == tiers.Merge { // by the keys as the table holds them
		if rows, err = p.lastOfEachKey(ctx, rows); err != nil {
			return tiers.WriteResult{}, err
		}
	}
	return p.run(ctx, rows)
}

// planSchema checks the write and returns the stored columns, provenance last.
func planSchema(w tiers.Write) (*arrow.Schema, tiers.Schema, error) {
	switch {
	case !validName.MatchString(w.Table):
		return nil, tiers.Schema{}, fmt.Errorf("table name %q: use letters, digits, _ and -", w.Table)
	case w.Pipeline == "" || w.RunID == "":
		return nil, tiers.Schema{}, errors.New("a write needs a pipeline and a run")
	case w.End.Before(w.Start):
		return nil, tiers.Schema{}, errors.New("the window ends before it starts")
	}
	switch w.Mode {
	case tiers.Append, tiers.ReplaceWindow, tiers.Overwrite:
	case tiers.Merge:
		if len(w.Key) == 0 {
			return nil, tiers.Schema{}, errors.New("merge needs a key")
		}
	default:
		return nil, tiers.Schema{}, fmt.Errorf("no write mode %q", w.Mode)
	}
	stored, want, err := rowSchema(w.Rows.Schema())
	if err != nil {
		return nil, tiers.Schema{}, err
	}
	for _, k := range w.Key {
		if !stored.HasField(k) {
			return nil, tiers.Schema{}, fmt.Errorf("key column %s is not among the rows' columns", k)
		}
	}
	at, kt := provenance()
	for _, f := range at {
		if stored.HasField(f.Name) {
			return nil, tiers.Schema{}, fmt.Errorf("column %s is the sink's own", f.Name)
		}
	}
	want.Fields = append(want.Fields, kt...)
	return arrow.NewSchema(append(stored.Fields(), at...), nil), want, nil
}

// table opens the table, or makes it, with every column of want.
func (s *Sink) table(ctx context.Context, name string, want tiers.Schema) (*Table, error) {
	t, err := s.lake.open(ctx, name)
	if errors.Is(err, tiers.ErrNoTable) {
		_, err = s.lake.Create(ctx, name, want, tiers.Options{Unpartitioned: true})
		if err == nil || errors.Is(err, tiers.ErrConflict) {
			t, err = s.lake.open(ctx, name)
		}
	}
	if err != nil {
		return nil, err
	}
	if spec := t.version().meta.PartitionSpec(); spec.NumFields() > 0 {
		return nil, errors.New("it is a table of events, which only ingest writes; name another")
	}
	_, err = t.Evolve(ctx, want)
	return t, err
}

// promotion is one write on its way into a table.
type promotion struct {
	write  tiers.Write
	table  *Table
	schema *arrow.Schema // of the new rows, with field ids
	key    func(arrow.RecordBatch, int) (string, bool)
	keys   map[string]bool // merge: keys of the new rows
}

// lastOfEachKey keeps the last of the rows with equal keys. It releases rows.
func (p *promotion) lastOfEachKey(ctx context.Context, rows []arrow.RecordBatch) ([]arrow.RecordBatch, error) {
	defer release(rows)
	last := map[string][2]int{}
	at := map[arrow.RecordBatch]int{}
	for b, rec := range rows {
		at[rec] = b
		for i := range int(rec.NumRows()) {
			k, _ := p.key(rec, i)
			last[k] = [2]int{b, i}
		}
	}
	p.keys = make(map[string]bool, len(last))
	for k := range last {
		p.keys[k] = true
	}
	out, _, err := keep(ctx, rows, func(rec arrow.RecordBatch, i int) bool {
		k, _ := p.key(rec, i)
		return last[k] == [2]int{at[rec], i}
	})
	return out, err
}

// run plans and commits, and starts over if the table changed in between.
func (p *promotion) run(ctx context.Context, rows []arrow.RecordBatch) (tiers.WriteResult, error) {
	var res tiers.WriteResult
	var added []tiers.DataFile
	for _, rec := range rows {
		res.Inserted += rec.NumRows()
	}
	if res.Inserted > 0 {
		f, err := p.table.writeRows(ctx, p.schema, rows)
		if err != nil {
			return tiers.WriteResult{}, err
		}
		added = []tiers.DataFile{f}
	}
	for attempt := 0; ; attempt++ {
		deleted, err := p.attempt(ctx, added)
		if err == nil {
			res.Deleted = deleted
			return res, nil
		}
		if attempt+1 == attempts || !errors.Is(err, tiers.ErrConflict) {
			return tiers.WriteResult{}, p.giveUp(ctx, err, added)
		}
	}
}

// giveUp removes the new file, unless a commit may name it.
func (p *promotion) giveUp(ctx context.Context, err error, added []tiers.DataFile) error {
	if errors.Is(err, tiers.ErrUnknown) {
		return err
	}
	for _, f := range added {
		err = errors.Join(err, p.table.lake.RemoveFile(context.WithoutCancel(ctx), f.Path))
	}
	return err
}

func (p *promotion) attempt(ctx context.Context, added []tiers.DataFile) (int64, error) {
	if err := p.table.Refresh(ctx); err != nil {
		return 0, err
	}
	c := tiers.Commit{ID: uuid.NewString(), Add: added, Summary: map[string]string{
		"lakeward.pipeline": p.write.Pipeline, "lakeward.run": p.write.RunID}}
	deleted, err := p.table.without(ctx, &c, p.touches, p.replaces)
	if err != nil {
		return 0, err
	}
	return deleted, p.table.commitOnce(ctx, c)
}

// commitOnce commits and resolves an unknown outcome.
func (t *Table) commitOnce(ctx context.Context, c tiers.Commit) error {
	if len(c.Add) == 0 && len(c.Remove) == 0 {
		return nil
	}
	_, err := t.Commit(ctx, c)
	if !errors.Is(err, tiers.ErrUnknown) {
		return err
	}
	took, lookErr := t.Committed(ctx, c.ID)
	if lookErr != nil {
		return errors.Join(err, lookErr)
	}
	if took {
		return nil
	}
	return fmt.Errorf("commit %s did not take effect: %w", c.ID, tiers.ErrConflict)
}

// without plans the removal of rows: files that may hold some (by their
// statistics) are read, and what is left of each becomes a new file. The
// commit gets the files and the snapshot that the plan was made on.
func (t *Table) without(ctx context.Context, c *tiers.Commit, touches func(fileStats) bool,
	gone func(arrow.RecordBatch, int) bool) (int64, error) {
	v := t.version()
	s := v.meta.CurrentSnapshot()
	if s == nil {
		return 0, nil
	}
	c.Base = s.SnapshotID
	var candidates []iceberg.DataFile
	err := t.lake.eachFile(s, func(f iceberg.DataFile) {
		if touches(fileStats{v, f}) {
			candidates = append(candidates, f)
		}
	})
	if err != nil {
		return 0, err
	}
	var deleted int64
	for _, f := range candidates {
		n, err := t.rewrite(ctx, c, f, gone)
		if err != nil {
			return 0, err
		}
		deleted += n
	}
	return deleted, nil
}

// rewrite takes the rows that are gone out of one file.
func (t *Table) rewrite(ctx context.Context, c *tiers.Commit, f iceberg.DataFile,
	gone func(arrow.RecordBatch, int) bool) (int64, error) {
	remove := func() { c.Remove = append(c.Remove, tiers.DataFile{Path: f.FilePath()}) }
	if gone == nil { // every row
		remove()
		return f.Count(), nil
	}
	schema, recs, err := t.lake.readRows(ctx, f.FilePath(), f.FileSizeBytes())
	if err != nil {
		return 0, err
	}
	defer release(recs)
	left, n, err := keep(ctx, recs, func(rec arrow.RecordBatch, i int) bool { return !gone(rec, i) })
	if err != nil || n == 0 {
		release(left)
		return 0, err
	}
	defer release(left)
	remove()
	if n == f.Count() {
		return n, nil
	}
	kept, err := t.writeRows(ctx, schema, left)
	if err != nil {
		return 0, err
	}
	c.Add = append(c.Add, kept)
	return n, nil
}

// replaces reports whether a row that the table holds makes way for the new.
func (p *promotion) replaces(rec arrow.RecordBatch, i int) bool {
	w := p.write
	if w.Mode == tiers.Overwrite {
		return true
	}
	if w.Mode == tiers.Merge {
		if k, _ := p.key(rec, i); p.keys[k] {
			return true
		}
	}
	if text(rec, tiers.ColPipeline, i) != w.Pipeline {
		return false
	}
	from, okFrom := micros(rec, tiers.ColWindowStart, i)
	to, okTo := micros(rec, tiers.ColWindowEnd, i)
	if !okFrom || !okTo {
		return false
	}
	start, end := w.Start.UnixMicro(), w.End.UnixMicro()
	if w.Mode == tiers.Append {
		return text(rec, tiers.ColRunID, i) == w.RunID || (from == start && to == end)
	}
	return from >= start && to <= end
}

// Tables describes every table of the lake.
func (s *Sink) Tables(ctx context.Context) ([]tiers.TableInfo, error) {
	names, err := s.lake.Tables(ctx)
	if err != nil {
		return nil, err
	}
	var out []tiers.TableInfo
	for _, name := range names {
		t, err := s.lake.open(ctx, name)
		if errors.Is(err, tiers.ErrNoTable) {
			continue // dropped in between
		}
		if err != nil {
			return nil, err
		}
		files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
		if err != nil {
			return nil, err
		}
		info := tiers.TableInfo{Name: name, Schema: t.Schema()}
		for _, f := range files {
			info.Rows += f.Rows
			info.Bytes += f.Size
		}
		out = append(out, info)
	}
	return out, nil
}

// Retain deletes the rows whose column, a timestamp, is before the cut. Rows
// without a value stay.
func (s *Sink) Retain(ctx context.Context, table, column string, cut time.Time) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.lake.open(ctx, table)
	if err != nil {
		return 0, err
	}
	if f, ok := t.Schema().Lookup(column); !ok || f.Type.Kind != tiers.KindTimestamp {
		return 0, fmt.Errorf("retention of lake.%s: %s is not a column of times", table, column)
	}
	c := tiers.Commit{ID: uuid.NewString(), Summary: map[string]string{"lakeward.retain": cut.UTC().Format(time.RFC3339)}}
	n, err := t.without(ctx, &c,
		func(f fileStats) bool { lo, _, ok := f.times(column); return !ok || lo < cut.UnixMicro() },
		func(rec arrow.RecordBatch, i int) bool {
			v, ok := micros(rec, column, i)
			return ok && v < cut.UnixMicro()
		})
	if err == nil {
		err = t.commitOnce(ctx, c)
	}
	if err != nil {
		return 0, fmt.Errorf("retention of lake.%s: %w", table, err)
	}
	return n, nil
}

// Drop removes a table of the lake.
func (s *Sink) Drop(ctx context.Context, table string) error { return s.lake.Drop(ctx, table) }
