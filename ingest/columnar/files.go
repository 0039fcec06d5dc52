package columnar

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

const dayMicros = 24 * 3600 * 1_000_000

func dayOf(micros int64) int64 {
	d := micros / dayMicros
	if micros%dayMicros < 0 {
		d--
	}
	return d
}

// Files writes the rows, sorted by time and then sequence, as one file for
// each day of time. schema is Schema's with every id set. Of o, Schema, IDs,
// Seqs and Sorted are filled here. The batch keeps its rows.
func (b *Batch) Files(schema tiers.Schema, o parquetfile.Options) ([]parquetfile.File, error) {
	return b.Part(0, b.t.N, schema, o)
}

// Part is Files for the rows [from, to), as they were appended.
func (b *Batch) Part(from, to int, schema tiers.Schema, o parquetfile.Options) ([]parquetfile.File, error) {
	o.Schema, o.IDs, o.Sorted = schema, EventIDForm, []string{tiers.ColTime, tiers.ColStreamSeq}
	order := b.order(from, to)
	var files []parquetfile.File
	for lo := 0; lo < len(order); {
		day := dayOf(b.time.Int(int(order[lo])))
		hi := lo + 1
		for hi < len(order) && dayOf(b.time.Int(int(order[hi]))) == day {
			hi++
		}
		o.Seqs = b.seqsOf(order[lo:hi])
		f, err := b.o.Writer.Write(&b.t, order[lo:hi], o)
		if err != nil {
			return nil, fmt.Errorf("write rows of day %d: %w", day, err)
		}
		files = append(files, f)
		lo = hi
	}
	return files, nil
}

// order is the rows [from, to) by time, sequence, and then as they came.
func (b *Batch) order(from, to int) []uint32 {
	order := make([]uint32, to-from)
	sorted := true
	for i := range order {
		order[i] = uint32(from + i)
		if i > 0 && sorted {
			sorted = b.compare(order[i-1], order[i]) <= 0
		}
	}
	if !sorted {
		slices.SortFunc(order, b.compare)
	}
	return order
}

func (b *Batch) compare(x, y uint32) int {
	if c := cmp.Compare(b.time.Int(int(x)), b.time.Int(int(y))); c != 0 {
		return c
	}
	if c := cmp.Compare(uint64(b.seq.Int(int(x))), uint64(b.seq.Int(int(y)))); c != 0 {
		return c
	}
	return cmp.Compare(x, y)
}

// seqsOf are the sequences of some rows.
func (b *Batch) seqsOf(rows []uint32) []tiers.SeqRange {
	if len(rows) == b.t.N {
		return b.Seqs()
	}
	var rs []tiers.SeqRange
	for _, r := range rows {
		s := uint64(b.seq.Int(int(r)))
		if n := len(rs) - 1; n >= 0 && (s == rs[n].Last || s == rs[n].Last+1) {
			rs[n].Last = s
			continue
		}
		rs = append(rs, tiers.SeqRange{First: s, Last: s})
	}
	return tiers.MergeSeqs(rs)
}
