package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakeward/lakeward/ingest/columnar"
	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

const (
	mostReferences = 1 << 18 // repeats that are looked at at once: about 30 MiB
	listedWrongs   = 20
)

// RepeatReport says of the repeats of a source whether the messages that they
// repeat are, or were, in the lake.
type RepeatReport struct {
	Found    uint64 `json:"found"`    // the message is in the repeat's table, or in quarantine
	Removed  uint64 `json:"removed"`  // it was removed on purpose, by retention or an erasure
	Unplaced uint64 `json:"unplaced"` // not proven: an older version did not record which message is repeated
	Unproven uint64 `json:"unproven"` // the message may be in a file that is damaged
	Pending  uint64 `json:"pending"`  // the message is beyond what is committed to the table
	Wrong    uint64 `json:"wrong"`    // there is no such message
	// Wrongs are the first 20 of these.
	Wrongs []WrongRepeat `json:"wrongs,omitempty"`
}

// WrongRepeat is a message that was dropped as the repeat of one that is not there.
type WrongRepeat struct {
	Table    string `json:"table"`
	Stream   string `json:"stream"` // identity, as files record it
	Seq      uint64 `json:"seq"`
	OfStream string `json:"of_stream"`
	OfSeq    uint64 `json:"of_seq"`
	ID       string `json:"id"` // message id
}

// String is the repeat, and what it is said to repeat.
func (w WrongRepeat) String() string {
	return fmt.Sprintf("sequence %d of %s, id %q, is said to repeat sequence %d of %s in lake.%s",
		w.Seq, w.Stream, w.ID, w.OfSeq, w.OfStream, w.Table)
}

// String is the report for people, one fact a line.
func (r RepeatReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  repeats of messages that are in the lake: %d\n", r.Found)
	count := func(what string, n uint64) {
		if n > 0 {
			fmt.Fprintf(&b, "  %s: %d\n", what, n)
		}
	}
	count("repeats of messages that were removed on purpose", r.Removed)
	count("repeats of messages that are not committed yet", r.Pending)
	count("repeats NOT PROVEN, since an older version did not record what they repeat", r.Unplaced)
	count("repeats NOT PROVEN, since the messages may be in a damaged file", r.Unproven)
	count("repeats of messages that are NOT THERE", r.Wrong)
	for _, w := range r.Wrongs {
		fmt.Fprintf(&b, "    %s\n", w)
	}
	if n := r.Wrong - uint64(len(r.Wrongs)); n > 0 {
		fmt.Fprintf(&b, "    and %d more\n", n)
	}
	return b.String()
}

// reference is a repeat, and the message that it says it repeats.
type reference struct {
	WrongRepeat
	found bool // of those that say the same, only the first may know
}

func (c *reference) compare(seq uint64, stream, id string) int {
	return cmp.Or(cmp.Compare(c.OfSeq, seq), strings.Compare(c.OfStream, stream), strings.Compare(c.ID, id))
}

// references are in the order of the messages that they say they repeat.
type references []reference

func (c references) sort() {
	slices.SortFunc(c, func(x, y reference) int { return x.compare(y.OfSeq, y.OfStream, y.ID) })
}

// find notes that a message is there.
func (c references) find(seq uint64, stream, id string) {
	i, ok := slices.BinarySearchFunc(c, id, func(x reference, id string) int { return x.compare(seq, stream, id) })
	if ok {
		c[i].found = true
	}
}

// within reports whether a file with these sequences may have a message.
func (c references) within(ranges []tiers.SeqRange) bool {
	return slices.ContainsFunc(ranges, func(r tiers.SeqRange) bool {
		i, _ := slices.BinarySearchFunc(c, r.First, func(x reference, seq uint64) int { return cmp.Compare(x.OfSeq, seq) })
		return i < len(c) && c[i].OfSeq <= r.Last
	})
}

// rest are the references that were not found.
func (c references) rest() references {
	var out references
	for i := range c {
		if i > 0 && c[i-1].found && c[i].compare(c[i-1].OfSeq, c[i-1].OfStream, c[i-1].ID) == 0 {
			c[i].found = true
		}
		if !c[i].found {
			out = append(out, c[i])
		}
	}
	return out
}

// prover looks for the messages that repeats repeat. It holds most of them at a
// time, however many there are.
type prover struct {
	v    *verifier
	r    RepeatReport
	n    int
	most int
	// By the table that is said to have the message.
	byTable map[string]references
}

// repeats proves the repeats of the source, once the accounts are checked.
func (v *verifier) repeats(ctx context.Context) (RepeatReport, error) {
	p := &prover{v: v, most: cmp.Or(v.o.held, mostReferences), byTable: map[string]references{}}
	t, ok := v.tables[Skipped]
	if !ok {
		return p.r, nil
	}
	every := func(parquetfile.Seqs) bool { return true }
	err := p.files(ctx, t, every, func(f tiers.DataFile, s parquetfile.Seqs) error {
		for from := 0; ; {
			next, err := p.take(ctx, f.Path, s.Stream, from)
			if err != nil || p.n < p.most {
				return err
			}
			if err := p.resolve(ctx); err != nil {
				return err
			}
			from = next
		}
	})
	if err != nil {
		return p.r, err
	}
	return p.r, p.resolve(ctx)
}

// files reads those files of a table that want names. Those that cannot be read
// leave a doubt.
func (p *prover) files(ctx context.Context, t tiers.Table, want func(parquetfile.Seqs) bool,
	read func(tiers.DataFile, parquetfile.Seqs) error) error {
	files, err := t.Files(ctx, 0, time.Time{}, time.Time{})
	if errors.Is(err, tiers.ErrDamaged) { // it is noted
		return nil
	}
	if err != nil {
		return fmt.Errorf("list files of lake.%s: %w", t.Name(), err)
	}
	var bad []tiers.DataFile
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		seqs, err := p.v.o.data().seqs(ctx, f.Path)
		if errors.Is(err, tiers.ErrDamaged) { // it is noted
			continue
		}
		if err == nil && want(seqs) {
			err = read(f, seqs)
		}
		if errors.Is(err, tiers.ErrDamaged) {
			if !p.v.doubt.has(f.Path) {
				p.v.doubt.file(t.Name(), f, err)
				bad = append(bad, f)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("read lake.%s: %w", t.Name(), err)
		}
	}
	return p.v.doubt.bound(ctx, t, bad)
}

// take takes the repeats of a file of ingest_skipped, from a row on until there
// are as many as are looked at at once; next is the row after them.
func (p *prover) take(ctx context.Context, path, stream string, from int) (next int, err error) {
	row := 0
	columns := []string{colSource, colFirst, tiers.ColStreamSeq, colTable, colMessageID, colOfStream, colOfSeq}
	err = p.v.o.data().columns(ctx, path, columns, func(v []value) {
		row++
		if row <= from || p.n >= p.most {
			return
		}
		next = row
		switch placed := v[6].long != 0; {
		case v[0].text != p.v.key || v[1].long > 0:
		case !placed && stream == replayKey: // an event that was replayed
		case !placed:
			p.r.Unplaced++
		default:
			p.n++
			name := v[3].text
			w := WrongRepeat{Table: name, Stream: stream, Seq: uint64(v[2].long), ID: v[4].text,
				OfStream: v[5].text, OfSeq: uint64(v[6].long)}
			p.byTable[name] = append(p.byTable[name], reference{WrongRepeat: w})
		}
	})
	return next, err
}

// resolve looks for the messages of the references: in their tables, in quarantine,
// and among those that were removed.
func (p *prover) resolve(ctx context.Context) error {
	var rest references
	for name, cs := range p.byTable {
		cs.sort()
		if t, ok := p.v.tables[name]; ok && name != Skipped && name != Quarantine {
			if err := p.table(ctx, t, cs); err != nil {
				return err
			}
		}
		left := cs.rest()
		p.r.Found += uint64(len(cs) - len(left))
		rest = append(rest, left...)
	}
	p.n = 0
	clear(p.byTable)
	rest.sort()
	if t, ok := p.v.tables[Quarantine]; ok && len(rest) > 0 {
		if err := p.quarantine(ctx, t, rest); err != nil {
			return err
		}
	}
	left := rest.rest()
	p.r.Found += uint64(len(rest) - len(left))
	slices.SortFunc(left, func(x, y reference) int {
		return cmp.Or(strings.Compare(x.Stream, y.Stream), cmp.Compare(x.Seq, y.Seq))
	})
	for _, c := range left {
		p.judge(c.WrongRepeat)
	}
	return nil
}

// table looks for messages among a table's rows.
func (p *prover) table(ctx context.Context, t tiers.Table, cs references) error {
	want := func(s parquetfile.Seqs) bool { return cs.within(s.Ranges) }
	return p.files(ctx, t, want, func(f tiers.DataFile, s parquetfile.Seqs) error {
		stream := strings.TrimPrefix(s.Stream, replayKey+"|")
		a, ours := p.v.accounts[stream]
		var each func(seq uint64, eventID string)
		switch {
		case ours && s.IDs == columnar.EventIDForm:
			tag := streamTag(p.v.o.StreamName, a.created, a.order)
			each = func(seq uint64, eventID string) {
				id, _ := columnar.ParseEventID(eventID, tag)
				cs.find(seq, stream, id)
			}
		case ours:
			each = func(seq uint64, eventID string) { cs.findOld(seq, stream, eventID) }
		case s.Stream == replayKey: // of an older version, which did not record whose they are
			each = func(seq uint64, eventID string) {
				for stream := range p.v.accounts {
					cs.findOld(seq, stream, eventID)
				}
			}
		default:
			return nil
		}
		return p.v.o.data().columns(ctx, f.Path, []string{tiers.ColStreamSeq, tiers.ColEventID}, func(v []value) {
			each(uint64(v[0].long), v[1].text)
		})
	})
}

// findOld notes that an event is there whose id an older version made: what ends
// in /1 may be a later event, or an id that the publisher chose.
func (c references) findOld(seq uint64, stream, eventID string) {
	c.find(seq, stream, eventID)
	if i := strings.LastIndexByte(eventID, '/'); i > 0 && oldEvent(eventID, eventID[:i]) {
		c.find(seq, stream, eventID[:i])
	}
}

// quarantine looks for messages in quarantine. The message of a repeat is there
// if it turned out that it could not be written.
func (p *prover) quarantine(ctx context.Context, t tiers.Table, cs references) error {
	want := func(s parquetfile.Seqs) bool {
		return p.v.accounts[s.Stream] != nil && cs.within(s.Ranges)
	}
	return p.files(ctx, t, want, func(f tiers.DataFile, s parquetfile.Seqs) error {
		return p.v.o.data().columns(ctx, f.Path, []string{tiers.ColStreamSeq, colMessageID}, func(v []value) {
			cs.find(uint64(v[0].long), s.Stream, v[1].text)
		})
	})
}

// judge tells what became of the message of a repeat that is not in the lake.
func (p *prover) judge(c WrongRepeat) {
	a := p.v.accounts[c.OfStream]
	forward := c.OfStream == c.Stream && c.OfSeq >= c.Seq // a message repeats one before it
	if a != nil && !forward {
		through := a.r.Through
		if t, ok := p.v.tables[c.Table]; ok {
			if m := t.Marks()[p.v.key]; identity(p.v.key, m.Created, m.Resets) == c.OfStream {
				through = max(through, m.Seq)
			}
		}
		certain, _ := p.v.doubt.divide([]tiers.SeqRange{{First: c.OfSeq, Last: c.OfSeq}})
		switch {
		case within(a.gone, c.OfSeq):
			p.r.Removed++
			return
		case c.OfSeq > through:
			p.r.Pending++
			return
		case len(certain) == 0:
			p.r.Unproven++
			return
		}
	}
	p.r.Wrong++
	if len(p.r.Wrongs) < listedWrongs {
		p.r.Wrongs = append(p.r.Wrongs, c)
	}
}
