package compact

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/google/uuid"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
	"github.com/lakeward/lakeward/tiers/removal"
)

// Options wire a Rewriter.
type Options struct {
	Lake   Lake
	Engine query.Engine                // reads the files, whatever version of the schema they have
	Bloom  func(table string) []string // columns with a bloom filter
	Lookup func(table string) []string // columns by whose values the rows of a settled day are clustered; nil: none
	Policy Policy
	// Memory bounds the rows of a file while it is written, in bytes; 0: 512
	// MiB. What would take more becomes several files.
	Memory int64
}

// Rewriter carries merges out. Its memory is bounded by the rows of one file
// that it makes. Not safe for concurrent use.
type Rewriter struct{ o Options }

// NewRewriter returns a rewriter.
func NewRewriter(o Options) *Rewriter {
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	return &Rewriter{o}
}

const defaultMemory = 512 << 20

// Merged is what a merge did.
type Merged struct {
	FilesIn, FilesOut int
	Rows              int64
	BytesIn, BytesOut int64
}

// lookup are the look-up columns that the table has.
func (r *Rewriter) lookup(t tiers.Table) []string {
	if r.o.Lookup == nil {
		return nil
	}
	return lookups(r.o.Lookup(t.Name()), t.Schema())
}

// Merge replaces the job's files by fewer that hold the same rows, sorted by
// time or clustered, in one commit. Files of different streams stay apart, so that each
// records one stream's sequences, and so do those whose event ids are made in
// different ways; a stream with one file keeps it. The error
// wraps tiers.ErrConflict if another commit has removed one of the files: then
// nothing changed, and what is to be done is planned anew.
func (r *Rewriter) Merge(ctx context.Context, t tiers.Table, j Job) (Merged, error) {
	m, err := r.merge(ctx, t, j)
	if err != nil {
		return Merged{}, fmt.Errorf("merge %d files of lake.%s, %s: %w", len(j.Files), t.Name(), date(j.Day), err)
	}
	return m, nil
}

func (r *Rewriter) merge(ctx context.Context, t tiers.Table, j Job) (m Merged, err error) {
	cur, ok := t.Current()
	if !ok {
		return m, fmt.Errorf("%w: the table is empty", tiers.ErrConflict)
	}
	streams, err := r.byStream(ctx, j.Files)
	if err != nil {
		return m, err
	}
	c := tiers.Commit{ID: "compact-" + uuid.NewString(), Base: cur.ID, SameRows: true,
		Summary: map[string]string{removal.SummaryKey: "compact"}}
	keep := false // what was written: it is named, or may be
	defer func() {
		if !keep {
			err = errors.Join(err, r.discard(ctx, c.Add))
		}
	}()
	for _, s := range streams {
		if len(s.files) < 2 && !(j.Cluster && timed(s.files[0])) {
			continue
		}
		if err := r.rewrite(ctx, t, j, s, &c); err != nil {
			return m, err
		}
	}
	if len(c.Remove) == 0 {
		return m, nil
	}
	m = Merged{FilesIn: len(c.Remove), FilesOut: len(c.Add), Rows: Job{Files: c.Add}.Rows(),
		BytesIn: Job{Files: c.Remove}.Bytes(), BytesOut: Job{Files: c.Add}.Bytes()}
	keep, err = commit(ctx, t, c)
	return m, err
}

// commit commits, and looks an unknown outcome up. held is false if nothing of
// the commit took effect.
func commit(ctx context.Context, t tiers.Table, c tiers.Commit) (held bool, err error) {
	_, err = t.Commit(ctx, c)
	if !errors.Is(err, tiers.ErrUnknown) {
		return err == nil, err
	}
	done, lerr := t.Committed(context.WithoutCancel(ctx), c.ID)
	switch {
	case lerr != nil:
		return true, errors.Join(err, lerr) // the files may be named: they stay, or become orphans
	case done:
		return true, nil
	}
	return false, err
}

func (r *Rewriter) discard(ctx context.Context, files []tiers.DataFile) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, r.o.Lake.RemoveFile(context.WithoutCancel(ctx), f.Path))
	}
	return errors.Join(errs...)
}

// stream is those files of a job whose rows come from one stream.
type stream struct {
	identity string // empty: rows of pipelines
	ids      string // how their event ids are made
	files    []tiers.DataFile
	seqs     []tiers.SeqRange // of all, ascending and disjoint
}

func (r *Rewriter) byStream(ctx context.Context, files []tiers.DataFile) ([]*stream, error) {
	var out []*stream
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		seqs, err := parquetfile.SeqsOf(r.o.Lake.OpenFile(ctx, f.Path))
		if err != nil {
			return nil, fmt.Errorf("read footer of %s: %w", f.Path, err)
		}
		at := slices.IndexFunc(out, func(s *stream) bool { return s.identity == seqs.Stream && s.ids == seqs.IDs })
		if at < 0 {
			at, out = len(out), append(out, &stream{identity: seqs.Stream, ids: seqs.IDs})
		}
		out[at].files = append(out[at].files, f)
		out[at].seqs = append(out[at].seqs, seqs.Ranges...)
	}
	for _, s := range out {
		var err error
		if s.seqs, err = union(s.seqs); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// union merges ranges of which no two may have a message in common.
func union(in []tiers.SeqRange) ([]tiers.SeqRange, error) {
	if seq, twice := tiers.Twice(in); twice {
		return nil, fmt.Errorf("message %d is in two of the files; they stay as they are (`lakeward verify` says more)", seq)
	}
	return tiers.MergeSeqs(in), nil
}

// rewrite writes the rows of a stream's files and adds the exchange to c.
func (r *Rewriter) rewrite(ctx context.Context, t tiers.Table, j Job, s *stream, c *tiers.Commit) (err error) {
	ses, err := r.o.Engine.Open(ctx, query.View{Tables: []query.TableView{{Name: t.Name(), Schema: t.Schema(),
		Files: s.files}}}, query.Options{Trusted: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ses.Close()) }()
	rows := Job{Files: s.files}.Rows()
	parts := (rows + r.o.Policy.TargetRows - 1) / r.o.Policy.TargetRows
	for {
		before := len(c.Add)
		err := r.divided(ctx, ses, t, j, s, rows, parts, c)
		var large *tooLarge
		if !errors.As(err, &large) {
			return err
		}
		if err := r.discard(ctx, c.Add[before:]); err != nil {
			return err
		}
		c.Add = c.Add[:before]
		more := large.parts(rows, r.o.Memory)
		if more <= parts { // its part had more rows than the others
			more = 2 * parts
		}
		if more > rows || more > mostParts {
			return fmt.Errorf("%w, and they cannot be divided further; the files stay as they are", err)
		}
		parts = more
	}
}

// mostParts of a merge: it makes few files of many.
const mostParts = 1000

// tooLarge is a part whose rows do not fit in memory.
type tooLarge struct{ rows, bytes int64 }

func (e *tooLarge) Error() string {
	return fmt.Sprintf("%d rows already take %d MiB of memory (raise memory.budget)", e.rows, e.bytes>>20)
}

// parts is in how many equal ones rows of that size fit, with a fifth to spare.
func (e *tooLarge) parts(rows, memory int64) int64 {
	return int64(float64(e.bytes)/float64(e.rows)*float64(rows)/float64(memory)*1.2) + 1
}

// divided writes the rows as that many files, by time.
func (r *Rewriter) divided(ctx context.Context, ses query.Session, t tiers.Table, j Job, s *stream, rows, parts int64,
	c *tiers.Commit) error {
	cuts, err := r.cuts(ctx, ses, t.Name(), parts)
	if err != nil {
		return err
	}
	var written int64
	var seqs []tiers.SeqRange
	for i := range len(cuts) + 1 {
		o := parquetfile.Options{Schema: t.Schema(), Bloom: r.o.Bloom(t.Name()), Stream: s.identity, IDs: s.ids,
			Sorted: []string{tiers.ColTime}}
		if len(cuts) == 0 {
			o.Seqs = s.seqs
		}
		f, err := r.write(ctx, ses, t, j, where(cuts, i), o)
		if large := (*tooLarge)(nil); parts > 1 && len(cuts) == 0 && errors.As(err, &large) {
			return fmt.Errorf("the rows are of one moment, and %v; the files stay as they are",
				large) //nolint:errorlint // dividing is of no use
		}
		if err != nil {
			return err
		}
		if f.Rows == 0 {
			continue
		}
		c.Add = append(c.Add, f)
		written, seqs = written+f.Rows, append(seqs, f.Seqs...)
	}
	if seqs, err = union(seqs); err != nil {
		return err
	}
	if err := sameRows(content{rows, s.seqs}, content{written, seqs}, 0); err != nil {
		return err
	}
	c.Remove = append(c.Remove, s.files...)
	return nil
}

// content is what some files hold.
type content struct {
	rows int64
	seqs []tiers.SeqRange // of the messages of the rows, as tiers.MergeSeqs returns them
}

// sameRows is an error unless what was written is what it takes the place of,
// less so many rows that are to go: those may be all that there is of a message.
// No exchange of files is committed without it.
func sameRows(old, written content, gone int64) error {
	if written.rows+gone != old.rows {
		return fmt.Errorf("of %d rows %d are to go and %d were written; nothing is changed (`lakeward fsck` says whether "+
			"a file is damaged)", old.rows, gone, written.rows)
	}
	if len(tiers.SubtractSeqs(written.seqs, old.seqs)) > 0 ||
		gone == 0 && len(tiers.SubtractSeqs(old.seqs, written.seqs)) > 0 {
		return errors.New("the rows' sequences are not those that their files record; nothing is changed")
	}
	return nil
}

// cuts are the times at which the rows are divided into about equal parts.
func (r *Rewriter) cuts(ctx context.Context, ses query.Session, table string, parts int64) ([]time.Time, error) {
	if parts < 2 {
		return nil, nil
	}
	rr, err := ses.Query(ctx, fmt.Sprintf(`SELECT DISTINCT unnest(quantile_disc("time", [x / %d.0 FOR x IN range(1, %[1]d)])) AS cut FROM lake.%q ORDER BY 1`, parts, table))
	if err != nil {
		return nil, fmt.Errorf("divide rows: %w", err)
	}
	defer rr.Release()
	var cuts []time.Time
	for rr.Next() {
		col, ok := rr.RecordBatch().Column(0).(*array.Timestamp)
		if !ok {
			return nil, fmt.Errorf("divide rows: times are %s", rr.RecordBatch().Column(0).DataType())
		}
		for i := range col.Len() {
			cuts = append(cuts, time.UnixMicro(int64(col.Value(i))).UTC())
		}
	}
	return cuts, rr.Err()
}

// where selects the i-th of the parts that the cuts make.
func where(cuts []time.Time, i int) string {
	lit := func(t time.Time) string { return "make_timestamptz(" + fmt.Sprint(t.UnixMicro()) + ")" }
	switch {
	case len(cuts) == 0:
		return "true"
	case i == 0:
		return `"time" < ` + lit(cuts[0])
	case i == len(cuts):
		return `"time" >= ` + lit(cuts[i-1])
	}
	return `"time" >= ` + lit(cuts[i-1]) + ` AND "time" < ` + lit(cuts[i])
}

// write makes one file of the rows; it has none if there are none.
func (r *Rewriter) write(ctx context.Context, ses query.Session, t tiers.Table, j Job, cond string,
	o parquetfile.Options) (tiers.DataFile, error) {
	rows, err := r.read(ctx, ses, t, cond)
	if err != nil || rows.N == 0 {
		return tiers.DataFile{}, err
	}
	if o.Stream != "" && o.Seqs == nil {
		o.Seqs = seqsOf(rows.Column(tiers.ColStreamSeq), rows.N)
	}
	order := byTime
	by := r.lookup(t)
	clustered := j.Cluster && len(by) > 0 && rows.N > clusterGroup
	if clustered {
		bloom, copies := index(by)
		o.Bloom, o.Copies, o.RowGroup, o.PageRows, o.Sorted = slices.Concat(o.Bloom, bloom), copies, clusterGroup,
			clusterPage, nil
		order = func(t *parquetfile.Table) []uint32 { return byCluster(t, by) }
	}
	f, err := parquetfile.NewWriter().Write(rows, order(rows), o)
	if err != nil {
		return tiers.DataFile{}, err
	}
	f.Info.Clustered = clustered
	if f.Info.Day != j.Day {
		return tiers.DataFile{}, fmt.Errorf("rows of %s are in files of %s", date(f.Info.Day), date(j.Day))
	}
	return t.WriteNew(ctx, f.Info, f.Data)
}

// read returns the rows of the table that the condition selects.
func (r *Rewriter) read(ctx context.Context, ses query.Session, t tiers.Table, cond string) (*parquetfile.Table,
	error) {
	rr, err := ses.Query(ctx, fmt.Sprintf("SELECT * FROM lake.%q WHERE %s", t.Name(), cond))
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	defer rr.Release()
	rows := parquetfile.NewTable(t.Schema())
	for rr.Next() {
		if err := appendBatch(rows, rr.RecordBatch()); err != nil {
			return nil, err
		}
		if n := rows.Memory(); n > r.o.Memory {
			return nil, &tooLarge{int64(rows.N), n}
		}
	}
	if err := rr.Err(); err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return rows, nil
}

// byTime is the order of the rows.
func byTime(t *parquetfile.Table) []uint32 {
	order := make([]uint32, t.N)
	for i := range order {
		order[i] = uint32(i)
	}
	col := t.Column(tiers.ColTime)
	slices.SortStableFunc(order, func(a, b uint32) int { return cmp.Compare(col.Int(int(a)), col.Int(int(b))) })
	return order
}

// seqsOf are the sequences of the rows as ranges.
func seqsOf(c *parquetfile.Column, n int) []tiers.SeqRange {
	all := make([]uint64, 0, n)
	for i := range n {
		if c.Has(i) {
			all = append(all, uint64(c.Int(i)))
		}
	}
	slices.Sort(all)
	var out []tiers.SeqRange
	for _, s := range all {
		switch last := len(out) - 1; {
		case last >= 0 && s <= out[last].Last:
		case last >= 0 && s == out[last].Last+1:
			out[last].Last = s
		default:
			out = append(out, tiers.SeqRange{First: s, Last: s})
		}
	}
	return out
}
