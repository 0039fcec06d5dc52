package compact

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/google/uuid"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
	"github.com/lakeward/lakeward/tiers/removal"
)

// Erasure says which rows to take out of a table.
type Erasure struct {
	Table  string // bare, or with lake. before it
	Where  string // one expression over the table's columns; rows for which it is true go
	By     string // who asked
	Reason string // why; kept in the ledger, where the predicate is not: it may name a person
	DryRun bool
}

// Erased is what an erasure found and, unless it was a dry run, did.
type Erased struct {
	Table    string `json:"table"`
	DryRun   bool   `json:"dry_run"`
	Looked   int    `json:"files_looked_at"`
	Files    int    `json:"files"` // that held such rows
	Rows     int64  `json:"rows"`  // removed
	Kept     int64  `json:"rows_kept"`
	BytesIn  int64  `json:"bytes_before"`
	BytesOut int64  `json:"bytes_after"`
	Commits  int    `json:"commits"`
	Messages uint64 `json:"messages"` // of which the table has nothing left
	// Damaged files could not be read: whether they hold such rows is not known.
	Damaged []string `json:"damaged,omitempty"`
	New     int      `json:"files_not_looked_at,omitempty"` // that came meanwhile
	// Snapshots still name the files with the rows; they are forgotten by
	// Forgotten, and the files removed by Removed, if maintenance runs. With Every
	// 0 that is up to a person.
	Snapshots int           `json:"snapshots"`
	Forgotten time.Time     `json:"forgotten,omitzero"`
	Removed   time.Time     `json:"removed,omitzero"`
	Every     time.Duration `json:"-"`
	// Gone are the messages by the identity of their stream.
	Gone map[string][]tiers.SeqRange `json:"-"`
}

// String is the report for people.
func (e Erased) String() string {
	var b strings.Builder
	if e.DryRun {
		fmt.Fprintf(&b, "lake.%s: %d rows in %d of %d files would be erased (%d rows of these files stay, %d bytes are "+
			"rewritten)\n", e.Table, e.Rows, e.Files, e.Looked, e.Kept, e.BytesIn)
	} else {
		fmt.Fprintf(&b, "lake.%s: erased %d rows, %d messages as a whole; %d of %d files rewritten in %d commits, %d "+
			"bytes became %d\n",
			e.Table, e.Rows, e.Messages, e.Files, e.Looked, e.Commits, e.BytesIn, e.BytesOut)
	}
	for _, f := range e.Damaged {
		fmt.Fprintf(&b, "  NOT LOOKED AT, damaged: %s (`lakeward fsck` says what to do; then erase again)\n", f)
	}
	if e.New > 0 {
		fmt.Fprintf(&b, "  NOT LOOKED AT: %d files that came meanwhile; erase again\n", e.New)
	}
	if e.DryRun || e.Rows == 0 {
		return b.String()
	}
	switch {
	case e.Every <= 0:
		fmt.Fprintf(&b, "  %d older snapshots still name the files with these rows: maintenance is off, so run `lakeward "+
			"expire` after %s and `lakeward orphans` then and after %s\n",
			e.Snapshots, e.Forgotten.UTC().Format(time.RFC3339), e.Removed.UTC().Format(time.RFC3339))
	default:
		fmt.Fprintf(&b, "  %d older snapshots still name the files with these rows: they are forgotten by %s, and the "+
			"files removed by %s\n",
			e.Snapshots, e.Forgotten.UTC().Format(time.RFC3339), e.Removed.UTC().Format(time.RFC3339))
	}
	return b.String()
}

// ErrErasure is an erasure that makes no sense.
var ErrErasure = errors.New("nothing was erased")

const (
	erasePasses    = 8  // over a table that others change meanwhile
	eraseFiles     = 64 // of one commit at most
	eraseConflicts = 3  // before it is left to another time
)

// Erase takes the rows for which the predicate is true out of a table, in
// commits of some files each. It looks at every file that the table has, also
// those that come while it works. If it fails on its way, what its error counts
// is erased and the rest is not; the same erasure again does the rest.
func (m *Maintainer) Erase(ctx context.Context, e Erasure) (Erased, error) {
	out := Erased{Table: strings.TrimPrefix(e.Table, "lake."), DryRun: e.DryRun, Every: m.o.Every,
		Gone: map[string][]tiers.SeqRange{}}
	release, err := m.take(ctx)
	if err != nil {
		return out, err
	}
	defer release()
	if m.own(out.Table) {
		return out, fmt.Errorf("%w: the proof that nothing is lost or repeated rests on lake.%s", ErrErasure, out.Table)
	}
	t, err := m.o.Lake.Open(ctx, out.Table)
	if err != nil {
		return out, err
	}
	var columns []string
	for _, f := range t.Schema().Fields {
		columns = append(columns, f.Name)
	}
	if err := m.o.Confiner.Confine(e.Where, columns); err != nil {
		return out, fmt.Errorf("%w: the predicate: %w", ErrErasure, err)
	}
	x := &eraser{remover: m.remover(t), e: e, out: &out, done: map[string]bool{}, stale: map[string]bool{}}
	err = x.run(ctx)
	if err != nil && out.Commits > 0 {
		err = fmt.Errorf("after %d rows of %d files, which are erased; the same command again does the rest: %w", out.Rows,
			out.Files, err)
	}
	if err != nil {
		return out, fmt.Errorf("erase from lake.%s: %w", out.Table, err)
	}
	return out, x.left(ctx)
}

// eraser is one erasure.
type eraser struct {
	*remover
	e     Erasure
	out   *Erased
	done  map[string]bool // files that hold no such row, or cannot be read
	stale map[string]bool // files that were taken out
}

func (x *eraser) run(ctx context.Context) error {
	conflicts := 0
	for pass := 0; ; pass++ {
		if !x.e.DryRun {
			if err := x.begin(ctx); err != nil {
				return err
			}
		}
		todo, err := x.todo(ctx)
		if err != nil || len(todo) == 0 {
			return err
		}
		if pass >= erasePasses { // they came while this worked, again and again
			x.out.New = len(todo)
			return nil
		}
		err = x.pass(ctx, todo)
		if errors.Is(err, tiers.ErrConflict) && conflicts < eraseConflicts {
			conflicts++
			continue
		}
		if err != nil || x.e.DryRun {
			return err
		}
	}
}

// todo are the files that have not been looked at.
func (x *eraser) todo(ctx context.Context) ([]tiers.DataFile, error) {
	files, err := x.t.Files(ctx, 0, time.Time{}, time.Time{})
	if err != nil {
		return nil, err
	}
	var out []tiers.DataFile
	for _, f := range files {
		if !ofOneDay(f) {
			return nil, fmt.Errorf("%w: a pipeline writes this table; erase from the tables that it reads, and run it again "+
				"over the time concerned (`lakeward pipeline backfill`)", ErrErasure)
		}
		if !x.done[f.Path] {
			out = append(out, f)
		}
	}
	return out, nil
}

func (x *eraser) pass(ctx context.Context, todo []tiers.DataFile) (err error) {
	b := x.batch()
	defer func() { err = errors.Join(err, x.w.discard(ctx, b.commit.Add)) }() // what was not committed
	for _, f := range todo {
		if err := x.file(ctx, b, f); err != nil {
			return err
		}
		if len(b.commit.Remove) >= eraseFiles || b.size >= maxRecord {
			if b, err = x.flush(ctx, b); err != nil {
				return err
			}
		}
	}
	b, err = x.flush(ctx, b)
	return err
}

func (x *eraser) batch() *batch {
	b := newBatch(removal.Erase)
	b.rec.ID, b.rec.By, b.rec.Reason = removal.Erase+"-"+uuid.NewString(), x.e.By, x.e.Reason
	return b
}

// file looks at one file, and adds it to the batch if it holds such rows.
func (x *eraser) file(ctx context.Context, b *batch, f tiers.DataFile) error {
	by, seqs, matched, err := x.rewrite(ctx, f)
	if errors.Is(err, tiers.ErrDamaged) {
		x.out.Looked++
		x.out.Damaged = append(x.out.Damaged, f.Path)
		x.done[f.Path] = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("file %s: %w", f.Path, err)
	}
	if matched == 0 {
		x.out.Looked++
		x.done[f.Path] = true
		return nil
	}
	if x.e.DryRun {
		x.out.Looked++
		x.out.Files++
		x.out.Rows += matched
		x.out.Kept += f.Rows - matched
		x.out.BytesIn += f.Size
		return nil
	}
	b.take(f, seqs, by, matched)
	return nil
}

// rewrite writes what the file keeps, unless nothing of it matches.
func (x *eraser) rewrite(ctx context.Context, f tiers.DataFile) (by tiers.DataFile, seqs parquetfile.Seqs,
	matched int64, err error) {
	if seqs, err = parquetfile.SeqsOf(x.w.o.Lake.OpenFile(ctx, f.Path)); err != nil {
		return by, seqs, 0, err
	}
	ses, err := x.w.open(ctx, x.t, []tiers.DataFile{f})
	if err != nil {
		return by, seqs, 0, err
	}
	defer func() { err = errors.Join(err, ses.Close()) }()
	if matched, err = x.matches(ctx, ses); err != nil || matched == 0 || x.e.DryRun {
		return by, seqs, matched, err
	}
	if matched < f.Rows {
		by, err = x.w.write(ctx, ses, x.t, Job{Day: f.Day, Cluster: f.Clustered}, "(("+x.e.Where+"\n)) IS NOT TRUE",
			parquetfile.Options{Schema: x.t.Schema(),
				Bloom: x.w.o.Bloom(x.t.Name()), Stream: seqs.Stream, IDs: seqs.IDs, Sorted: []string{tiers.ColTime}})
		if err != nil {
			return by, seqs, 0, err
		}
	}
	if err = sameRows(content{f.Rows, seqs.Ranges}, content{by.Rows, by.Seqs}, matched); err != nil {
		err = fmt.Errorf("%w: %w; does the predicate always say the same of a row?", ErrErasure, err)
		if by.Rows > 0 {
			err = errors.Join(err, x.w.discard(ctx, []tiers.DataFile{by}))
		}
	}
	return by, seqs, matched, err
}

// matches counts the rows that are to go.
func (x *eraser) matches(ctx context.Context, ses query.Session) (int64, error) {
	rr, err := ses.Query(ctx, fmt.Sprintf("SELECT count(*) AS n FROM lake.%q WHERE (%s\n)", x.t.Name(), x.e.Where))
	if err != nil {
		return 0, fmt.Errorf("count rows: %w", err)
	}
	defer rr.Release()
	var n int64
	for rr.Next() {
		col, ok := rr.RecordBatch().Column(0).(*array.Int64)
		if !ok || col.Len() != 1 {
			return 0, fmt.Errorf("count rows: the answer is %s", rr.RecordBatch().Column(0).DataType())
		}
		n = col.Value(0)
	}
	if err := rr.Err(); err != nil {
		return 0, fmt.Errorf("count rows: %w", err)
	}
	return n, nil
}

// flush commits the batch, and returns the next one. After an error what the
// batch wrote is gone.
func (x *eraser) flush(ctx context.Context, b *batch) (*batch, error) {
	if len(b.commit.Remove) == 0 {
		return b, nil
	}
	next := x.batch()
	if err := x.commit(ctx, b); err != nil {
		return next, err
	}
	x.out.Commits++
	for _, f := range b.commit.Add {
		x.done[f.Path] = true
		x.out.BytesOut += f.Size
		x.out.Kept += f.Rows
	}
	for _, f := range b.commit.Remove {
		x.stale[f.Path] = true
		x.out.Looked++
		x.out.Files++
		x.out.BytesIn += f.Size
	}
	x.out.Rows += b.rec.Rows
	for stream, rs := range b.rec.Gone {
		x.out.Gone[stream] = tiers.MergeSeqs(append(x.out.Gone[stream], rs...))
		x.out.Messages += tiers.CountSeqs(rs)
	}
	return next, x.begin(ctx)
}

// left says which snapshots still name what was taken out, and until when.
func (x *eraser) left(ctx context.Context) error {
	if len(x.stale) == 0 {
		return nil
	}
	for _, s := range x.t.Snapshots() {
		files, err := x.t.Files(ctx, s.ID, time.Time{}, time.Time{})
		if err != nil {
			return err
		}
		for _, f := range files {
			if x.stale[f.Path] {
				x.out.Snapshots++
				break
			}
		}
	}
	// A round may just have begun. Orphans are found by the first that looks for
	// them, and removed by one after their grace.
	x.out.Forgotten = x.m.o.Now().Add(x.m.o.Expiry.Age + 2*x.m.o.Every)
	x.out.Removed = x.out.Forgotten.Add(x.m.o.Grace + 2*time.Duration(x.m.orphanRounds())*x.m.o.Every)
	return nil
}
