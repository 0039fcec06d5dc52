package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
	"github.com/lakeward/lakeward/tiers/removal"
)

// VerifyOptions say which source to verify.
type VerifyOptions struct {
	Lake       tiers.Lake
	Stream     Stream // nil: the files are checked against each other alone
	StreamName string
	Filter     string
	// Catalog is an error that wraps tiers.ErrHalt if the lake's catalog is older
	// than the lake; nil: it is not asked.
	Catalog func(context.Context) error
	// Deep: besides, look for the message that each repeat repeats.
	Deep bool

	outside func(func()) // a test's, see dataFiles
	held    int          // a test's: repeats that are looked at at once; default mostReferences
}

// piece is a run of sequences that one file has.
type piece struct {
	tiers.SeqRange
	file int
}

// seenFile is a file with rows of the source.
type seenFile struct {
	table string
	path  string
}

type verifier struct {
	o   VerifyOptions
	key string
	// By the identity that files record: the stream's sequences mean something
	// with it only. now is that of the marks.
	accounts map[string]*account
	now      string
	created  time.Time // of the stream of the marks
	tables   map[string]tiers.Table
	doubt    doubt
}

// account is what the files with one identity say.
type account struct {
	o       VerifyOptions
	r       VerifyReport
	base    uint64    // a reset let the source go on after it
	order   uint64    // resets before
	created time.Time // of its stream
	marks   int       // tables that are there
	files   []seenFile
	pieces  []piece
	gone    []tiers.SeqRange // removed on purpose
	doubt   *doubt           // of all accounts
}

// Verify proves that every message of the source up to its marks is in a table
// once, in quarantine, a counted repeat, or was removed on purpose. It needs no message that the stream
// has dropped: files record the sequences of their rows, and are checked
// against each other and against what the stream still holds.
func Verify(ctx context.Context, o VerifyOptions) (VerifyReport, error) {
	if o.Catalog != nil {
		if err := o.Catalog(ctx); errors.Is(err, tiers.ErrHalt) {
			return VerifyReport{Stream: o.StreamName, Filter: o.Filter, Catalog: err.Error()}, nil
		} else if err != nil {
			return VerifyReport{}, err
		}
	}
	v := &verifier{o: o, key: tiers.Mark{Stream: o.StreamName, Filter: o.Filter}.Key(), accounts: map[string]*account{}}
	var info StreamInfo
	if o.Stream != nil {
		var err error
		// Before the lake: what is committed meanwhile is beyond what is asked of it.
		if info, err = o.Stream.Info(ctx, o.Filter); err != nil {
			return VerifyReport{}, err
		}
	}
	if err := v.collect(ctx); err != nil {
		return VerifyReport{}, err
	}
	now, ok := v.accounts[v.now]
	if !ok {
		now = &account{r: VerifyReport{Stream: o.StreamName, Filter: o.Filter}}
	}
	v.doubt.report(&now.r)
	now.r.First, now.r.Last = info.First, info.Matched
	if o.Deep {
		now.r.Repeats = &RepeatReport{}
	}
	if !ok {
		now.r.missed(info)
		return now.r, nil
	}
	others := maps.Clone(v.accounts)
	delete(others, v.now)
	earlier := slices.SortedFunc(maps.Values(others), func(a, b *account) int { return cmp.Compare(a.order, b.order) })
	for _, a := range earlier {
		a.o.Stream = nil
		if err := a.check(ctx, StreamInfo{}); err != nil {
			return now.r, err
		}
		if !a.r.Reset.Covered { // then nothing tells what was a message of the source
			a.r.Absent, a.r.Lost = a.r.Lost, nil
		}
		if a.r.Messages+uint64(len(a.r.Gaps)+len(a.r.Lost)) > 0 {
			now.r.Earlier = append(now.r.Earlier, a.r)
		}
	}
	if o.Stream != nil && !info.Created.Equal(v.created) {
		now.r.Recreated, now.o.Stream = true, nil // its sequences mean other messages
	} else {
		now.r.missed(info)
	}
	if err := now.check(ctx, info); err != nil || !o.Deep {
		return now.r, err
	}
	var err error
	*now.r.Repeats, err = v.repeats(ctx)
	v.doubt.report(&now.r) // with the files that only this has read
	return now.r, err
}

// check compares what the files say with each other and with the stream.
func (a *account) check(ctx context.Context, info StreamInfo) error {
	covered, overlaps := a.sweep()
	a.r.Messages = Count(covered)
	a.r.Gaps = tiers.MergeSeqs(a.r.Gaps)
	if err := a.repeated(ctx, overlaps); err != nil {
		return err
	}
	if a.base > 0 {
		a.r.LeftOut = []tiers.SeqRange{{First: 1, Last: a.base}}
	}
	a.r.Removed = tiers.CountSeqs(tiers.SubtractSeqs(a.gone, covered))
	a.r.Messages += a.r.Removed
	accounted := tiers.MergeSeqs(slices.Concat(covered, a.gone, a.r.Gaps, a.r.LeftOut))
	missing := complement(accounted, a.r.Reached)
	if n := len(missing); n == 0 || missing[n-1].Last <= a.r.Through {
		a.r.Through = a.r.Reached // only marks of idle tables lag
	}
	return a.missing(ctx, complement(accounted, a.r.Through), info)
}

// collect reads the marks and resets, and the sequences that files record.
func (v *verifier) collect(ctx context.Context) error {
	tables, lost, err := tablesOf(ctx, v.o.Lake, v.key, v.doubt.table)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if err := v.marks(tables[name]); err != nil {
			return err
		}
	}
	v.doubt.unmarked = slices.Sorted(maps.Keys(lost))
	maps.Copy(tables, lost) // its rows are there, whatever became of its mark
	v.tables = tables
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if err := v.table(ctx, tables[name]); err != nil {
			return fmt.Errorf("verify lake.%s: %w", name, err)
		}
	}
	return v.removed(ctx, slices.Collect(maps.Values(tables)))
}

// removed reads which messages retention and erasures have taken out.
func (v *verifier) removed(ctx context.Context, tables []tiers.Table) error {
	ours := func(stream string) bool { return v.accounts[stream] != nil }
	gone, err := removal.Gone(ctx, v.o.Lake, tables, ours, func(path string) (parquetfile.Seqs, error) {
		seqs, err := v.o.data().seqs(ctx, path)
		if errors.Is(err, tiers.ErrDamaged) {
			v.doubt.ledger(path, err)
			return parquetfile.Seqs{}, nil
		}
		return seqs, err
	})
	if errors.Is(err, tiers.ErrDamaged) {
		v.doubt.table(removal.Table, err)
	} else if err != nil {
		return fmt.Errorf("verify what was removed: %w", err)
	}
	for stream, rs := range gone {
		v.accounts[stream].gone = rs
	}
	return nil
}

// marks opens the accounts of a table's mark and of its resets.
func (v *verifier) marks(t tiers.Table) error {
	resets, err := resetsOf(t, v.key)
	if err != nil {
		return err
	}
	for _, r := range resets {
		old := v.account(r.Old)
		old.r.Reset, old.r.Reached = &r, max(old.r.Reached, r.Old.Seq)
		old.r.Through = old.r.Reached // what was not committed then never will be
		v.account(r.New).base = r.New.Seq
	}
	m := t.Marks()[v.key]
	a := v.account(m)
	if id := identity(v.key, m.Created, m.Resets); v.now == "" || m.Resets >= v.accounts[v.now].order {
		v.now, v.created = id, m.Created
	}
	a.r.Reached = max(a.r.Reached, m.Seq)
	switch {
	case a.r.Reset != nil:
		a.r.Through = a.r.Reached
	case a.marks == 0 || m.Seq < a.r.Through:
		a.r.Through = m.Seq
	}
	a.marks++
	return nil
}

func (v *verifier) account(m tiers.Mark) *account {
	id := identity(v.key, m.Created, m.Resets)
	a, ok := v.accounts[id]
	if !ok {
		a = &account{o: v.o, order: m.Resets, created: m.Created, doubt: &v.doubt}
		a.r.Stream, a.r.Filter = v.o.StreamName, v.o.Filter
		v.accounts[id] = a
	}
	return a
}

func (v *verifier) table(ctx context.Context, t tiers.Table) error {
	files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
	if errors.Is(err, tiers.ErrDamaged) {
		v.doubt.table(t.Name(), err)
		return nil
	}
	if err != nil {
		return err
	}
	var bad []tiers.DataFile
	sums := map[*account]*VerifiedTable{}
	if a := v.accounts[v.now]; a != nil {
		sums[a] = &VerifiedTable{Name: t.Name(), Mark: t.Marks()[v.key].Seq}
	}
	for _, f := range files {
		seqs, err := v.o.data().seqs(ctx, f.Path)
		if errors.Is(err, tiers.ErrDamaged) {
			v.doubt.file(t.Name(), f, err)
			bad = append(bad, f)
			continue
		}
		if err != nil {
			return err
		}
		a, ok := v.accounts[seqs.Stream]
		if !ok {
			continue
		}
		if sums[a] == nil {
			sums[a] = &VerifiedTable{Name: t.Name(), Mark: a.r.Reached}
		}
		sums[a].Files++
		sums[a].Rows += f.Rows
		at := len(a.files)
		a.files = append(a.files, seenFile{t.Name(), f.Path})
		if t.Name() == Skipped {
			if err := a.skipped(ctx, v.key, f.Path, at); err != nil {
				return err
			}
			continue
		}
		for _, r := range seqs.Ranges {
			a.pieces = append(a.pieces, piece{r, at})
		}
	}
	for a, sum := range sums {
		a.r.Tables = append(a.r.Tables, *sum)
	}
	return v.doubt.bound(ctx, t, bad)
}

// skipped reads the repeats and gaps of a file of ingest_skipped.
func (a *account) skipped(ctx context.Context, key, path string, file int) error {
	return a.o.data().columns(ctx, path, []string{tiers.ColStreamSeq, colFirst, colSource}, func(row []value) {
		seq, first := uint64(row[0].long), uint64(row[1].long)
		switch {
		case row[2].text != key:
		case first > 0:
			a.r.Gaps = append(a.r.Gaps, tiers.SeqRange{First: first, Last: seq})
		default:
			a.r.Skipped++
			a.pieces = append(a.pieces, piece{tiers.SeqRange{First: seq, Last: seq}, file})
		}
	})
}

// sweep goes over the pieces in order: what is covered, and by which files
// where they are several.
func (a *account) sweep() (covered []tiers.SeqRange, overlaps map[int][]tiers.SeqRange) {
	slices.SortFunc(a.pieces, func(x, y piece) int {
		return cmp.Or(cmp.Compare(x.First, y.First), cmp.Compare(x.Last, y.Last))
	})
	overlaps = map[int][]tiers.SeqRange{}
	var open []piece // those that reach beyond the present one's start
	for _, p := range a.pieces {
		open = slices.DeleteFunc(open, func(o piece) bool { return o.Last < p.First })
		for _, o := range open {
			both := tiers.SeqRange{First: p.First, Last: min(p.Last, o.Last)}
			overlaps[p.file] = append(overlaps[p.file], both)
			overlaps[o.file] = append(overlaps[o.file], both)
		}
		open = append(open, p)
		covered = append(covered, p.SeqRange)
	}
	return tiers.MergeSeqs(covered), overlaps
}

// rowPlace is a row as it may be once only. The events of a message differ by
// their ids, and may be in several tables and in quarantine.
type rowPlace struct {
	seq uint64
	id  string
}

// repeated looks at the rows of sequences that several files have: a message
// of many events may be in the files of many days, and in quarantine in part.
func (a *account) repeated(ctx context.Context, overlaps map[int][]tiers.SeqRange) error {
	seen := map[rowPlace]bool{}
	for at, ranges := range overlaps {
		f, ranges := a.files[at], tiers.MergeSeqs(ranges)
		err := a.o.data().columns(ctx, f.path, []string{tiers.ColStreamSeq, tiers.ColEventID}, func(row []value) {
			seq := uint64(row[0].long)
			if !within(ranges, seq) {
				return
			}
			p := rowPlace{seq, row[1].text}
			if seen[p] {
				a.r.Repeated = append(a.r.Repeated, tiers.SeqRange{First: seq, Last: seq})
			}
			seen[p] = true
		})
		if err != nil {
			return fmt.Errorf("verify lake.%s: %w", f.table, err)
		}
	}
	a.r.Repeated = tiers.MergeSeqs(a.r.Repeated)
	return nil
}

func within(ranges []tiers.SeqRange, seq uint64) bool {
	_, ok := slices.BinarySearchFunc(ranges, seq, func(r tiers.SeqRange, s uint64) int {
		switch {
		case r.Last < s:
			return -1
		case r.First > s:
			return 1
		}
		return 0
	})
	return ok
}

// missing divides sequences into those that are lost and those that were never
// messages of the source. Of what the stream has dropped, only a stream whose every
// subject the source reads can tell.
func (a *account) missing(ctx context.Context, missing []tiers.SeqRange, info StreamInfo) error {
	missing, a.r.Unproven = a.doubt.divide(missing)
	if len(missing) == 0 {
		return nil
	}
	if a.o.Stream == nil {
		a.r.Lost = missing
		return nil
	}
	held := map[uint64]bool{}
	if from := max(missing[0].First, info.First); from <= missing[len(missing)-1].Last {
		if err := a.held(ctx, from, missing, held); err != nil {
			return err
		}
	}
	for _, r := range missing {
		for seq := r.First; seq <= r.Last; seq++ {
			one := tiers.SeqRange{First: seq, Last: seq}
			if held[seq] || (seq < info.First && info.Covered) {
				a.r.Lost = append(a.r.Lost, one)
			} else {
				a.r.Absent = append(a.r.Absent, one)
			}
		}
	}
	a.r.Lost, a.r.Absent = tiers.MergeSeqs(a.r.Lost), tiers.MergeSeqs(a.r.Absent)
	return nil
}

// heldWait bounds the wait for a message: the last ones may not exist.
const heldWait = 2 * time.Second

// held finds which of the missing sequences are messages that the stream holds.
func (a *account) held(ctx context.Context, from uint64, missing []tiers.SeqRange, held map[uint64]bool) (err error) {
	r, err := a.o.Stream.Read(ctx, a.o.Filter, from)
	if err != nil {
		return fmt.Errorf("read stream: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	last := missing[len(missing)-1].Last
	var buf []Message
	for {
		wait, cancel := context.WithTimeout(ctx, heldWait)
		buf, err = r.Next(wait, buf[:0], chunkSize)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read stream: %w", err)
		}
		for _, m := range buf {
			if m.Seq > last {
				return nil
			}
			if within(missing, m.Seq) {
				held[m.Seq] = true
			}
		}
	}
}

// complement is what merged ranges leave of [1, to].
func complement(rs []tiers.SeqRange, to uint64) []tiers.SeqRange {
	var out []tiers.SeqRange
	next := uint64(1)
	for _, r := range rs {
		if r.First > next && next <= to {
			out = append(out, tiers.SeqRange{First: next, Last: min(r.First-1, to)})
		}
		next = max(next, r.Last+1)
	}
	if next <= to {
		out = append(out, tiers.SeqRange{First: next, Last: to})
	}
	return out
}
