package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// VerifyOptions say which source to verify.
type VerifyOptions struct {
	Lake       tiers.Lake
	Stream     Stream // nil: the files are checked against each other alone
	StreamName string
	Filter     string
	OpenFile   func(path string) (File, error) // default: local files

	readColumns columnReader
}

// VerifyReport says where the messages of one source are.
type VerifyReport struct {
	Stream  string `json:"stream"`
	Filter  string `json:"filter"`
	Through uint64 `json:"through"` // every table is at least here: nothing up to it may be missing
	Reached uint64 `json:"reached"` // some table is here
	Last    uint64 `json:"last"`    // last sequence of the stream; 0 without a stream
	// Recreated: the stream of this name is not the one that the marks are of,
	// so the files were checked against each other alone.
	Recreated bool             `json:"recreated"`
	Tables    []VerifiedTable  `json:"tables,omitempty"`
	Messages  uint64           `json:"messages"`           // sequences up to Reached that the lake accounts for
	Skipped   uint64           `json:"skipped"`            // of these: repeats of messages that are in a table
	Gaps      []tiers.SeqRange `json:"gaps,omitempty"`     // recorded: the stream had dropped them before they were read
	Absent    []tiers.SeqRange `json:"absent,omitempty"`   // neither in the lake nor, as far as can be seen, messages of the source
	Lost      []tiers.SeqRange `json:"lost,omitempty"`     // must be in the lake and are not
	Repeated  []tiers.SeqRange `json:"repeated,omitempty"` // are in the lake more than once
}

// VerifiedTable is one table of the source.
type VerifiedTable struct {
	Name  string `json:"name"`
	Mark  uint64 `json:"mark"`
	Files int    `json:"files"` // with rows of the source
	Rows  int64  `json:"rows"`  // of these files
}

// OK reports whether each message is in a table once, in quarantine, or a
// counted repeat.
func (r VerifyReport) OK() bool { return len(r.Lost) == 0 && len(r.Repeated) == 0 }

// String is the report for people.
func (r VerifyReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stream %s, subjects %s\n", r.Stream, r.Filter)
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "  lake.%-24s %12d rows in %d files, committed up to sequence %d\n", t.Name, t.Rows, t.Files, t.Mark)
	}
	fmt.Fprintf(&b, "  messages accounted for: %d, of these counted repeats: %d\n", r.Messages, r.Skipped)
	list := func(what string, rs []tiers.SeqRange) {
		if len(rs) > 0 {
			fmt.Fprintf(&b, "  %s: %d (sequences %s)\n", what, Count(rs), rangesText(rs))
		}
	}
	list("dropped by the stream before they were read", r.Gaps)
	list("sequences that are no messages of this source", r.Absent)
	list("LOST", r.Lost)
	list("REPEATED", r.Repeated)
	if r.Recreated {
		b.WriteString("  the stream was made anew since; the files were checked against each other alone\n")
	} else if r.Last > r.Reached {
		fmt.Fprintf(&b, "  not committed yet: sequences %d to %d\n", r.Reached+1, r.Last)
	}
	if r.OK() {
		fmt.Fprintf(&b, "  0 lost, 0 repeated up to sequence %d\n", r.Through)
	}
	return b.String()
}

func rangesText(rs []tiers.SeqRange) string {
	var parts []string
	for i, r := range rs {
		if i == 10 {
			parts = append(parts, fmt.Sprintf("and %d more ranges", len(rs)-i))
			break
		}
		if r.First == r.Last {
			parts = append(parts, fmt.Sprint(r.First))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", r.First, r.Last))
		}
	}
	return strings.Join(parts, ", ")
}

// Count is the number of sequences in disjoint ranges.
func Count(rs []tiers.SeqRange) uint64 {
	var n uint64
	for _, r := range rs {
		n += r.Last - r.First + 1
	}
	return n
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
	o       VerifyOptions
	key     string
	r       VerifyReport
	stream  string    // identity that files record
	created time.Time // of the stream of the marks
	files   []seenFile
	pieces  []piece
}

// Verify proves that every message of the source up to its marks is in a table
// once, in quarantine, or a counted repeat. It needs no message that the stream
// has dropped: files record the sequences of their rows, and are checked
// against each other and against what the stream still holds.
func Verify(ctx context.Context, o VerifyOptions) (VerifyReport, error) {
	if o.OpenFile == nil {
		o.OpenFile = openLocal
	}
	if o.readColumns == nil {
		o.readColumns = readerOf(o.OpenFile)
	}
	v := &verifier{o: o, key: tiers.Mark{Stream: o.StreamName, Filter: o.Filter}.Key()}
	v.r.Stream, v.r.Filter = o.StreamName, o.Filter
	var info StreamInfo
	if o.Stream != nil {
		var err error
		// Before the lake: what is committed meanwhile is beyond what is asked of it.
		if info, err = o.Stream.Info(ctx, o.Filter); err != nil {
			return v.r, err
		}
		v.r.Last = info.Matched
	}
	if err := v.collect(ctx); err != nil {
		return v.r, err
	}
	if v.o.Stream != nil && len(v.r.Tables) > 0 && !info.Created.Equal(v.created) {
		v.r.Recreated, v.o.Stream = true, nil // its sequences mean other messages
	}
	covered, overlaps := v.sweep()
	v.r.Messages = Count(covered)
	if err := v.repeated(overlaps); err != nil {
		return v.r, err
	}
	missing := complement(merge(append(covered, v.r.Gaps...)), v.r.Reached)
	if n := len(missing); n == 0 || missing[n-1].Last <= v.r.Through {
		v.r.Through = v.r.Reached // only marks of idle tables lag
	}
	missing = complement(merge(append(covered, v.r.Gaps...)), v.r.Through)
	return v.r, v.missing(ctx, missing, info)
}

// collect reads the marks, and the sequences that files record.
func (v *verifier) collect(ctx context.Context) error {
	names, err := v.o.Lake.Tables(ctx)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	for _, name := range names {
		t, err := v.o.Lake.Open(ctx, name)
		if err != nil {
			return fmt.Errorf("open lake.%s: %w", name, err)
		}
		m, ok := t.Marks()[v.key]
		if !ok {
			continue
		}
		v.stream, v.created = identity(v.key, m.Created), m.Created
		if err := v.table(ctx, t, m); err != nil {
			return fmt.Errorf("verify lake.%s: %w", name, err)
		}
		if len(v.r.Tables) == 1 || m.Seq < v.r.Through {
			v.r.Through = m.Seq
		}
		v.r.Reached = max(v.r.Reached, m.Seq)
	}
	v.r.Gaps = merge(v.r.Gaps)
	return nil
}

func (v *verifier) table(ctx context.Context, t tiers.Table, m tiers.Mark) error {
	files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	out := VerifiedTable{Name: t.Name(), Mark: m.Seq}
	for _, f := range files {
		seqs, err := v.seqs(f.Path)
		if err != nil {
			return err
		}
		if seqs.Stream != v.stream {
			continue
		}
		out.Files++
		out.Rows += f.Rows
		at := len(v.files)
		v.files = append(v.files, seenFile{t.Name(), f.Path})
		if t.Name() == Skipped {
			if err := v.skipped(f.Path, at); err != nil {
				return err
			}
			continue
		}
		for _, r := range seqs.Ranges {
			v.pieces = append(v.pieces, piece{r, at})
		}
	}
	v.r.Tables = append(v.r.Tables, out)
	return nil
}

// skipped reads the repeats and gaps of a file of ingest_skipped.
func (v *verifier) skipped(path string, file int) error {
	return v.o.readColumns(path, []string{tiers.ColStreamSeq, colFirst, colSource}, func(row []value) {
		seq, first := uint64(row[0].long), uint64(row[1].long)
		switch {
		case row[2].text != v.key:
		case first > 0:
			v.r.Gaps = append(v.r.Gaps, tiers.SeqRange{First: first, Last: seq})
		default:
			v.r.Skipped++
			v.pieces = append(v.pieces, piece{tiers.SeqRange{First: seq, Last: seq}, file})
		}
	})
}

func (v *verifier) seqs(path string) (_ parquetfile.Seqs, err error) {
	f, err := v.o.OpenFile(path)
	if err != nil {
		return parquetfile.Seqs{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return parquetfile.ReadSeqs(f, f.Size())
}

// sweep goes over the pieces in order: what is covered, and by which files
// where they are several.
func (v *verifier) sweep() (covered []tiers.SeqRange, overlaps map[int][]tiers.SeqRange) {
	slices.SortFunc(v.pieces, func(a, b piece) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last)) })
	overlaps = map[int][]tiers.SeqRange{}
	var open []piece // those that reach beyond the present one's start
	for _, p := range v.pieces {
		open = slices.DeleteFunc(open, func(o piece) bool { return o.Last < p.First })
		for _, o := range open {
			both := tiers.SeqRange{First: p.First, Last: min(p.Last, o.Last)}
			overlaps[p.file] = append(overlaps[p.file], both)
			overlaps[o.file] = append(overlaps[o.file], both)
		}
		open = append(open, p)
		covered = append(covered, p.SeqRange)
	}
	return merge(covered), overlaps
}

// place is a row as it may be once only. A message has one table, whose rows
// differ by their event ids; beside them it may have events in quarantine.
type place struct {
	seq uint64
	id  string
}

// repeated looks at the rows of sequences that several files have: a message
// of many events may be in the files of many days, and in quarantine in part.
func (v *verifier) repeated(overlaps map[int][]tiers.SeqRange) error {
	seen, home := map[place]bool{}, map[uint64]string{}
	for at, ranges := range overlaps {
		f, ranges := v.files[at], merge(ranges)
		err := v.o.readColumns(f.path, []string{tiers.ColStreamSeq, tiers.ColEventID}, func(row []value) {
			seq := uint64(row[0].long)
			if !within(ranges, seq) {
				return
			}
			p := place{seq, row[1].text}
			other, known := home[seq]
			if seen[p] || (f.table != Quarantine && known && other != f.table) {
				v.r.Repeated = append(v.r.Repeated, tiers.SeqRange{First: seq, Last: seq})
			}
			seen[p] = true
			if f.table != Quarantine {
				home[seq] = f.table
			}
		})
		if err != nil {
			return fmt.Errorf("verify lake.%s: %w", f.table, err)
		}
	}
	v.r.Repeated = merge(v.r.Repeated)
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

// missing tells the sequences that are lost from those that are no messages of
// the source. Of what the stream has dropped, only a stream whose every
// subject the source reads can tell.
func (v *verifier) missing(ctx context.Context, missing []tiers.SeqRange, info StreamInfo) error {
	if len(missing) == 0 {
		return nil
	}
	if v.o.Stream == nil {
		v.r.Lost = missing
		return nil
	}
	held := map[uint64]bool{}
	if from := max(missing[0].First, info.First); from <= missing[len(missing)-1].Last {
		if err := v.held(ctx, from, missing, held); err != nil {
			return err
		}
	}
	for _, r := range missing {
		for seq := r.First; seq <= r.Last; seq++ {
			one := tiers.SeqRange{First: seq, Last: seq}
			if held[seq] || (seq < info.First && info.Covered) {
				v.r.Lost = append(v.r.Lost, one)
			} else {
				v.r.Absent = append(v.r.Absent, one)
			}
		}
	}
	v.r.Lost, v.r.Absent = merge(v.r.Lost), merge(v.r.Absent)
	return nil
}

// heldWait bounds the wait for a message: the last ones may not exist.
const heldWait = 2 * time.Second

// held finds which of the missing sequences are messages that the stream holds.
func (v *verifier) held(ctx context.Context, from uint64, missing []tiers.SeqRange, held map[uint64]bool) (err error) {
	r, err := v.o.Stream.Read(ctx, v.o.Filter, from)
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

// merge sorts ranges and joins those that touch.
func merge(rs []tiers.SeqRange) []tiers.SeqRange {
	if len(rs) == 0 {
		return nil
	}
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(a, b tiers.SeqRange) int { return cmp.Compare(a.First, b.First) })
	out := rs[:1]
	for _, r := range rs[1:] {
		if last := &out[len(out)-1]; r.First <= last.Last+1 {
			last.Last = max(last.Last, r.Last)
		} else {
			out = append(out, r)
		}
	}
	return out
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
