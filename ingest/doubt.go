package ingest

import (
	"context"
	"fmt"
	"slices"

	"github.com/lakeward/lakeward/tiers"
)

// doubt is what could not be read while the lake was verified. The rest is
// accounted for all the same; what is missing, and may be in it, is not called
// lost.
type doubt struct {
	files    []DamagedFile
	ranges   []tiers.SeqRange // where the messages of files are
	anything bool             // of some file it is not known where
	unmarked []string
}

// seqBounds is what a table may know of files that cannot be read: between
// which sequences their messages are, by path.
type seqBounds interface {
	SeqBounds(ctx context.Context, paths []string) (map[string]tiers.SeqRange, error)
}

// table notes a table that cannot be read at all.
func (d *doubt) table(name string, err error) {
	d.files, d.anything = append(d.files, DamagedFile{Table: name, Reason: err.Error()}), true
}

// ledger notes a file of what was removed on purpose: what it had would look lost.
func (d *doubt) ledger(path string, err error) {
	d.files, d.anything = append(d.files, DamagedFile{Table: "ingest_removed", Path: path, Reason: err.Error()}), true
}

// file notes a data file; bound says later where its messages are.
func (d *doubt) file(table string, f tiers.DataFile, err error) {
	d.files = append(d.files, DamagedFile{Table: table, Path: f.Path, Rows: f.Rows, Reason: err.Error()})
}

// has reports whether a data file is noted.
func (d *doubt) has(path string) bool {
	return slices.ContainsFunc(d.files, func(f DamagedFile) bool { return f.Path == path })
}

// bound finds out where the messages of a table's damaged files are.
func (d *doubt) bound(ctx context.Context, t tiers.Table, bad []tiers.DataFile) error {
	if len(bad) == 0 {
		return nil
	}
	known, ok := t.(seqBounds)
	if !ok || t.Name() == Skipped { // whose rows stand for ranges
		d.anything = true
		return nil
	}
	var paths []string
	for _, f := range bad {
		paths = append(paths, f.Path)
	}
	bounds, err := known.SeqBounds(ctx, paths)
	if err != nil {
		return fmt.Errorf("bound the messages of damaged files: %w", err)
	}
	for i, f := range d.files {
		if f.Table != t.Name() || f.Path == "" {
			continue
		}
		r, ok := bounds[f.Path]
		if !ok {
			d.anything = true
			continue
		}
		d.files[i].Seqs = r
		d.ranges = append(d.ranges, r)
	}
	d.ranges = tiers.MergeSeqs(d.ranges)
	return nil
}

// divide tells what is missing for certain from what may be in a damaged file.
func (d *doubt) divide(missing []tiers.SeqRange) (certain, unproven []tiers.SeqRange) {
	if d.anything {
		return nil, missing
	}
	certain = tiers.SubtractSeqs(missing, d.ranges)
	return certain, tiers.SubtractSeqs(missing, certain)
}

// report puts what could not be read into the report.
func (d *doubt) report(r *VerifyReport) { r.Damaged, r.Unmarked = d.files, d.unmarked }

// String is the file, and what is known of what it had.
func (f DamagedFile) String() string {
	if f.Path == "" {
		return fmt.Sprintf("lake.%s cannot be read: %s", f.Table, f.Reason)
	}
	what := ""
	if f.Rows > 0 {
		what = fmt.Sprintf(", %d rows", f.Rows)
	}
	if f.Seqs.Last > 0 {
		what += fmt.Sprintf(" of messages between sequences %d and %d", f.Seqs.First, f.Seqs.Last)
	}
	return fmt.Sprintf("a file of lake.%s%s: %s", f.Table, what, f.Reason)
}
