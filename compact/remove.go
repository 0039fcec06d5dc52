package compact

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lakeward/lakeward/query"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
	"github.com/lakeward/lakeward/tiers/removal"
)

const (
	// maxRecord bounds a removal's record while it is a property of its table, in
	// bytes of text: a removal of more is several commits. One file's own may be
	// more.
	maxRecord = 1 << 20
	// maxLedger is how many files the ledger has before they become one a stream.
	maxLedger = 32
)

// remover takes files, or rows of them, out of one table. Not safe for
// concurrent use.
type remover struct {
	m     *Maintainer
	w     *Rewriter
	t     tiers.Table
	spans map[string]span // by path of a file
}

// span is which sequences a file may hold.
type span struct {
	stream      string
	first, last uint64
}

func (m *Maintainer) remover(t tiers.Table) *remover {
	return &remover{m: m, w: NewRewriter(m.o.Rewrite), t: t, spans: map[string]span{}}
}

// batch is what one commit takes out.
type batch struct {
	kind   string // removal.Retain, removal.Erase
	commit tiers.Commit
	rec    removal.Record
	old    map[string][]tiers.SeqRange // that the files to remove record, by stream
	kept   map[string][]tiers.SeqRange // that the files to add record
	size   int                         // of the record at most
}

func newBatch(kind string) *batch {
	return &batch{kind: kind, rec: removal.Record{Kind: kind}, old: map[string][]tiers.SeqRange{},
		kept: map[string][]tiers.SeqRange{}}
}

// take adds a file that goes, and what takes its place, if anything does.
func (b *batch) take(f tiers.DataFile, seqs parquetfile.Seqs, by tiers.DataFile, rows int64) {
	b.commit.Remove = append(b.commit.Remove, f)
	if seqs.Stream != "" {
		b.old[seqs.Stream] = append(b.old[seqs.Stream], seqs.Ranges...)
		b.size += len(parquetfile.EncodeSeqs(tiers.SubtractSeqs(seqs.Ranges, by.Seqs)))
	}
	if by.Rows > 0 {
		b.commit.Add = append(b.commit.Add, by)
		b.kept[seqs.Stream] = append(b.kept[seqs.Stream], by.Seqs...)
	}
	b.rec.Files++
	b.rec.Rows += rows
}

// begin loads the table as it is now, with its last removal in the ledger.
func (r *remover) begin(ctx context.Context) error {
	if err := r.t.Refresh(ctx); err != nil {
		return err
	}
	return r.m.recordRemoval(ctx, r.w, r.t)
}

// commit takes the batch out, together with the record of it. The error wraps tiers.ErrConflict if others changed one
// of
// the files, or removed something: then nothing of it happened.
func (r *remover) commit(ctx context.Context, b *batch) (err error) {
	held := false
	defer func() {
		if !held {
			err = errors.Join(err, r.w.discard(ctx, b.commit.Add))
		}
	}()
	was := r.t.Properties()[removal.Property]
	all, err := r.t.Files(ctx, 0, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	if b.rec.Gone, err = r.gone(ctx, b, all); err != nil {
		return err
	}
	b.rec.At = r.m.o.Now()
	text, err := b.rec.Encode()
	if err != nil {
		return err
	}
	b.commit.ID = b.rec.ID
	b.commit.Summary = map[string]string{removal.SummaryKey: b.kind}
	b.commit.Properties = map[string]string{removal.Property: text}
	b.commit.Required = map[string]string{removal.Property: was}
	held, err = commit(ctx, r.t, b.commit)
	return err
}

// gone are the messages of which nothing is left: what the batch takes out,
// less what it keeps and what the table's other files have. Others can only
// append meanwhile, and what they append is of other messages; another removal
// is a conflict.
func (r *remover) gone(ctx context.Context, b *batch, all []tiers.DataFile) (map[string][]tiers.SeqRange, error) {
	out, removed := map[string][]tiers.SeqRange{}, map[string]bool{}
	for stream, rs := range b.old {
		out[stream] = tiers.SubtractSeqs(tiers.MergeSeqs(rs), tiers.MergeSeqs(b.kept[stream]))
	}
	for _, f := range b.commit.Remove {
		removed[f.Path] = true
	}
	for _, f := range all {
		if removed[f.Path] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.still(ctx, f.Path, out); err != nil {
			return nil, err
		}
	}
	maps.DeleteFunc(out, func(_ string, rs []tiers.SeqRange) bool { return len(rs) == 0 })
	return out, nil
}

// still subtracts what a file that stays has. Most files are of other times
// and other sequences, and are read once.
func (r *remover) still(ctx context.Context, path string, out map[string][]tiers.SeqRange) error {
	sp, known := r.spans[path]
	if rs := out[sp.stream]; known && (len(rs) == 0 || sp.last < rs[0].First || sp.first > rs[len(rs)-1].Last) {
		return nil
	}
	s, err := parquetfile.SeqsOf(r.w.o.Lake.OpenFile(ctx, path))
	if errors.Is(err, tiers.ErrDamaged) { // it cannot tell; `lakeward fsck` does
		r.spans[path] = span{}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read footer of %s: %w", path, err)
	}
	if n := len(s.Ranges); n > 0 && s.Stream != "" {
		sp = span{s.Stream, s.Ranges[0].First, s.Ranges[n-1].Last}
		out[s.Stream] = tiers.SubtractSeqs(out[s.Stream], s.Ranges)
	}
	r.spans[path] = sp
	return nil
}

// recordRemoval puts a table's last removal into the ledger, unless it is there, and
// leaves only its id with the table. What a crash leaves undone is done by
// the next call.
func (m *Maintainer) recordRemoval(ctx context.Context, w *Rewriter, t tiers.Table) error {
	rec, err := removal.Last(t)
	if err != nil || rec.Settled {
		return err
	}
	if err := m.record(ctx, w, t.Name(), rec); err != nil {
		return fmt.Errorf("record removal %s from lake.%s in lake.%s: %w", rec.ID, t.Name(), removal.Table, err)
	}
	text, err := removal.Record{ID: rec.ID, Settled: true}.Encode()
	if err != nil {
		return err
	}
	_, err = commit(ctx, t, tiers.Commit{ID: "settle-" + rec.ID, Properties: map[string]string{removal.Property: text},
		Required: map[string]string{removal.Property: t.Properties()[removal.Property]}})
	if !errors.Is(err, tiers.ErrConflict) {
		return err
	}
	if err := t.Refresh(ctx); err != nil {
		return err
	}
	if now, nerr := removal.Last(t); nerr != nil || !now.Settled {
		return errors.Join(err, nerr)
	}
	return nil // somebody else did it
}

// record appends to the ledger, a file for each stream.
func (m *Maintainer) record(ctx context.Context, w *Rewriter, table string, rec removal.Record) error {
	l, err := m.ledger(ctx)
	if err != nil {
		return err
	}
	id := "record-" + rec.ID
	if done, err := l.Committed(ctx, id); err != nil || done {
		return err
	}
	c := tiers.Commit{ID: id, Summary: map[string]string{removal.SummaryKey: "record"}}
	streams := slices.Sorted(maps.Keys(rec.Gone))
	if len(streams) == 0 {
		streams = []string{""}
	}
	for _, stream := range streams {
		rows := parquetfile.NewTable(l.Schema())
		rows.N = 1
		str := func(name, v string) {
			if v != "" {
				rows.Column(name).SetString(0, v)
			}
		}
		rows.Column(removal.ColTime).SetInt(0, rec.At.UnixMicro())
		str(removal.ColID, rec.ID)
		str(removal.ColTable, table)
		str(removal.ColKind, rec.Kind)
		str(removal.ColBy, rec.By)
		str(removal.ColReason, rec.Reason)
		str(removal.ColStream, stream)
		rows.Column(removal.ColFiles).SetInt(0, int64(rec.Files))
		rows.Column(removal.ColRows).SetInt(0, rec.Rows)
		rows.Column(removal.ColMessages).SetInt(0, int64(tiers.CountSeqs(rec.Gone[stream])))
		f, err := w.store(ctx, l, rows, parquetfile.Options{Schema: l.Schema(), Stream: stream, Seqs: rec.Gone[stream],
			Sorted: []string{removal.ColTime}})
		if err != nil {
			return errors.Join(err, w.discard(ctx, c.Add))
		}
		c.Add = append(c.Add, f)
	}
	if held, err := commit(ctx, l, c); err != nil {
		if !held {
			err = errors.Join(err, w.discard(ctx, c.Add))
		}
		return err
	}
	return m.foldLedger(ctx, w, l)
}

// ledger opens the ledger, and makes it the first time.
func (m *Maintainer) ledger(ctx context.Context) (tiers.Table, error) {
	l, err := m.o.Lake.Open(ctx, removal.Table)
	if !errors.Is(err, tiers.ErrNoTable) {
		return l, err
	}
	l, err = m.o.Lake.Create(ctx, removal.Table, removal.Schema(), tiers.Options{Unpartitioned: true})
	if errors.Is(err, tiers.ErrConflict) {
		return m.o.Lake.Open(ctx, removal.Table)
	}
	return l, err
}

// foldLedger makes one file of those of each stream when they are many: their
// rows, and the union of their sequences, in which what several removals took
// out piece by piece is one range.
func (m *Maintainer) foldLedger(ctx context.Context, w *Rewriter, l tiers.Table) error {
	files, err := l.Files(ctx, 0, time.Time{}, time.Time{})
	if err != nil || len(files) < maxLedger {
		return err
	}
	by := map[string][]tiers.DataFile{}
	seqs := map[string][]tiers.SeqRange{}
	for _, f := range files {
		s, err := parquetfile.SeqsOf(w.o.Lake.OpenFile(ctx, f.Path))
		if err != nil {
			return fmt.Errorf("read footer of %s: %w", f.Path, err)
		}
		by[s.Stream] = append(by[s.Stream], f)
		seqs[s.Stream] = append(seqs[s.Stream], s.Ranges...)
	}
	cur, _ := l.Current()
	c := tiers.Commit{ID: "fold-" + fmt.Sprint(cur.ID), Base: cur.ID, SameRows: true,
		Summary: map[string]string{removal.SummaryKey: "compact"}}
	for _, stream := range slices.Sorted(maps.Keys(by)) {
		if len(by[stream]) < 2 {
			continue
		}
		f, err := w.fold(ctx, l, by[stream], parquetfile.Options{Schema: l.Schema(), Stream: stream,
			Seqs: tiers.MergeSeqs(seqs[stream]), Sorted: []string{removal.ColTime}})
		if err != nil {
			return errors.Join(err, w.discard(ctx, c.Add))
		}
		c.Add, c.Remove = append(c.Add, f), append(c.Remove, by[stream]...)
	}
	if len(c.Remove) == 0 {
		return nil
	}
	held, err := commit(ctx, l, c)
	if !held {
		err = errors.Join(err, w.discard(ctx, c.Add))
	}
	if errors.Is(err, tiers.ErrConflict) {
		return nil // the next record tries again
	}
	return err
}

// fold writes the rows of files as one file.
func (r *Rewriter) fold(ctx context.Context, t tiers.Table, files []tiers.DataFile,
	o parquetfile.Options) (f tiers.DataFile, err error) {
	ses, err := r.open(ctx, t, files)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, ses.Close()) }()
	rows, err := r.read(ctx, ses, t, "true")
	if err != nil {
		return f, err
	}
	if err := sameRows(content{rows: Job{Files: files}.Rows()}, content{rows: int64(rows.N)}, 0); err != nil {
		return f, err // its sequences are not of its rows
	}
	return r.store(ctx, t, rows, o)
}

// open is a session that sees just these files of the table.
func (r *Rewriter) open(ctx context.Context, t tiers.Table, files []tiers.DataFile) (query.Session, error) {
	return r.o.Engine.Open(ctx, query.View{Tables: []query.TableView{{Name: t.Name(), Schema: t.Schema(), Files: files}}},
		query.Options{})
}

// store writes the rows as a file of the table.
func (r *Rewriter) store(ctx context.Context, t tiers.Table, rows *parquetfile.Table,
	o parquetfile.Options) (tiers.DataFile, error) {
	f, err := parquetfile.NewWriter().Write(rows, byTime(rows), o)
	if err != nil {
		return tiers.DataFile{}, err
	}
	return t.WriteNew(ctx, f.Info, f.Data)
}
