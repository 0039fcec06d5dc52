package pipeline

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lakeward/lakeward/pipeline/compile"
	"github.com/lakeward/lakeward/query"
)

// A baseline's kept aggregates cover one unbroken run of buckets, computed
// from the rows that its tables held at known snapshots. That is what
// state.main.baseline_meta says, one row for each (key, table).
const metaTable = "state.main.baseline_meta"

const metaDDL = "CREATE TABLE IF NOT EXISTS " + metaTable +
	" (key VARCHAR, tbl VARCHAR, snapshot BIGINT, covered_from TIMESTAMPTZ, covered_to TIMESTAMPTZ)"

// coverage is what the state holds for one baseline.
type coverage struct {
	known     bool
	buckets   compile.Range
	snapshots map[string]int64 // bare table to the snapshot that was read
}

func loadCoverage(ctx context.Context, s query.Session, key string) (coverage, error) {
	rows, err := queryRows(ctx, s, 0, "SELECT tbl, snapshot, covered_from, covered_to FROM "+metaTable+" WHERE key = ?",
		key)
	if err != nil {
		return coverage{}, fmt.Errorf("read the state of baseline %s: %w", key, err)
	}
	c := coverage{snapshots: map[string]int64{}}
	for _, r := range rows {
		c.known = true
		c.buckets = compile.Range{Start: moment(r, "covered_from"), End: moment(r, "covered_to")}
		c.snapshots[text(r, "tbl")] = integer(r, "snapshot")
	}
	return c, nil
}

func saveCoverage(ctx context.Context, s query.Session, key string, c coverage) error {
	if _, err := s.Exec(ctx, "DELETE FROM "+metaTable+" WHERE key = ?", key); err != nil {
		return fmt.Errorf("keep the state of baseline %s: %w", key, err)
	}
	for _, t := range sortedKeys(c.snapshots) {
		if _, err := s.Exec(ctx, "INSERT INTO "+metaTable+" VALUES (?, ?, ?, ?, ?)", key, t, c.snapshots[t], c.buckets.Start,
			c.buckets.End); err != nil {
			return fmt.Errorf("keep the state of baseline %s: %w", key, err)
		}
	}
	return nil
}

// extend says which buckets to compute anew so that the aggregates cover need,
// and what they cover afterwards. It keeps the coverage unbroken. late are
// buckets whose rows changed. It is pure.
func extend(have coverage, need compile.Range, late []compile.Range) (refresh []compile.Range, covered compile.Range) {
	if !have.known || have.buckets.Empty() {
		return []compile.Range{need}, need
	}
	covered = have.buckets
	if need.Start.Before(covered.Start) {
		refresh = append(refresh, compile.Range{Start: need.Start, End: covered.Start})
		covered.Start = need.Start
	}
	for _, l := range late {
		if !l.Start.Before(have.buckets.Start) && l.Start.Before(have.buckets.End) {
			refresh = append(refresh, l)
		}
	}
	if need.End.After(covered.End) {
		refresh = append(refresh, compile.Range{Start: covered.End, End: need.End})
		covered.End = need.End
	}
	return refresh, covered
}

// needed is the run of whole buckets that a baseline wants for a window.
func needed(b compile.Baseline, w compile.Range) compile.Range {
	end := floorTo(w.End, b.Bucket)
	if end.Before(w.End) {
		end = end.Add(b.Bucket)
	}
	return compile.Range{Start: floorTo(floorTo(w.Start, b.Bucket).Add(-b.History), b.Bucket), End: end}
}

func floorTo(t time.Time, d time.Duration) time.Time {
	us, w := t.UnixMicro(), max(1, d.Microseconds())
	n := us / w
	if us%w < 0 {
		n--
	}
	return time.UnixMicro(n * w).UTC()
}

// trimmed is what compile keeps beyond the history.
const trimmed = 8 * 24 * time.Hour

// refreshBaseline finds what to compute anew for one baseline.
func (e *execution) refreshBaseline(ctx context.Context, s query.Session, b compile.Baseline) ([]compile.Range, error) {
	have, err := loadCoverage(ctx, s, b.Key)
	if err != nil {
		return nil, err
	}
	late, ok, err := e.lateBuckets(ctx, b, have)
	if err != nil {
		return nil, err
	}
	if !ok { // rows were rewritten or the snapshots expired: nothing kept can be trusted
		have = coverage{}
	}
	need := needed(b, e.window)
	refresh, covered := extend(have, need, late)
	if cut := floorTo(e.window.Start.Add(-b.History-trimmed), b.Bucket); covered.Start.Before(cut) {
		covered.Start = cut
	}
	next := coverage{known: true, buckets: covered, snapshots: map[string]int64{}}
	for _, t := range b.Tables {
		name := strings.TrimPrefix(t, "lake.")
		next.snapshots[name] = e.pins.at[name]
	}
	e.coverage[b.Key] = next
	return refresh, nil
}

// lateBuckets are the covered buckets that rows added since touch.
func (e *execution) lateBuckets(ctx context.Context, b compile.Baseline, have coverage) ([]compile.Range, bool, error) {
	if !have.known {
		return nil, true, nil
	}
	var out []compile.Range
	for _, t := range b.Tables {
		name := strings.TrimPrefix(t, "lake.")
		since, ok := have.snapshots[name]
		if !ok {
			return nil, false, nil
		}
		if e.pins.tables[name] == nil {
			continue
		}
		files, ok, err := e.pins.added(ctx, name, since)
		if err != nil {
			return nil, false, fmt.Errorf("list what was added to %s: %w", t, err)
		}
		if !ok {
			return nil, false, nil
		}
		rs, err := e.probe(ctx, b, name, overlapping(files, have.buckets))
		if err != nil {
			return nil, false, err
		}
		out = append(out, rs...)
	}
	return out, true, nil
}

// probe asks which buckets the rows of some files touch.
func (e *execution) probe(ctx context.Context, b compile.Baseline, table string, files []file) ([]compile.Range,
	error) {
	if len(files) == 0 {
		return nil, nil
	}
	s, err := e.r.session(ctx, e.pins.only(table, files))
	if err != nil {
		return nil, fmt.Errorf("probe late rows of lake.%s: %w", table, err)
	}
	defer e.r.closing(s)
	rows, err := queryRows(ctx, s, 0, e.program.BucketProbe(b))
	if err != nil {
		return nil, fmt.Errorf("probe late rows of lake.%s: %w", table, err)
	}
	out := make([]compile.Range, 0, len(rows))
	for _, r := range rows {
		start := moment(r, "bucket")
		out = append(out, compile.Range{Start: start, End: start.Add(b.Bucket)})
	}
	return out, nil
}
