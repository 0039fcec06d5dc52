package parquetfile

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/lakeward/lakeward/tiers"
)

// The keys of the footer's metadata.
const (
	KeySeqs   = "lakeward.stream_seqs" // ranges of stream sequences, see EncodeSeqs
	KeyStream = "lakeward.stream"      // identity of the stream that they belong to
	KeyIDs    = "lakeward.event_ids"   // how the rows' event ids are made, see Options
	KeySchema = "iceberg.schema"       // Iceberg's JSON of the schema
)

// EncodeSeqs writes ranges, ascending and disjoint, as text: for each range
// the distance from the end of the one before and its length less one, both
// as unsigned varints, all in unpadded base64.
func EncodeSeqs(ranges []tiers.SeqRange) string {
	var raw []byte
	var last uint64
	for _, r := range ranges {
		raw = binary.AppendUvarint(raw, r.First-last)
		raw = binary.AppendUvarint(raw, r.Last-r.First)
		last = r.Last
	}
	return base64.RawStdEncoding.EncodeToString(raw)
}

var errSeqs = errors.New("not a list of sequence ranges")

// DecodeSeqs reads what EncodeSeqs wrote.
func DecodeSeqs(s string) ([]tiers.SeqRange, error) {
	raw, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("decode stream sequences: %w", err)
	}
	var out []tiers.SeqRange
	var last uint64
	for len(raw) > 0 {
		gap, n := binary.Uvarint(raw)
		if n <= 0 {
			return nil, fmt.Errorf("decode stream sequences: %w", errSeqs)
		}
		more, m := binary.Uvarint(raw[n:])
		if m <= 0 {
			return nil, fmt.Errorf("decode stream sequences: %w", errSeqs)
		}
		r := tiers.SeqRange{First: last + gap, Last: last + gap + more}
		if r.First < last || r.Last < r.First || (gap == 0 && len(out) > 0) {
			return nil, fmt.Errorf("decode stream sequences: %w", errSeqs)
		}
		out, last, raw = append(out, r), r.Last, raw[n+m:]
	}
	return out, nil
}

// Seqs is what a file's footer says of the stream that its rows come from.
type Seqs struct {
	Stream string // identity, as in Options
	IDs    string // how the event ids are made, as in Options
	Ranges []tiers.SeqRange
}

// ReadSeqs reads the footer of a file of the given size. A file that records
// no stream has none.
func ReadSeqs(r io.ReaderAt, size int64) (Seqs, error) {
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return Seqs{}, fmt.Errorf("read Parquet footer: %w", err)
	}
	var s Seqs
	s.Stream, _ = f.Lookup(KeyStream)
	s.IDs, _ = f.Lookup(KeyIDs)
	text, _ := f.Lookup(KeySeqs)
	s.Ranges, err = DecodeSeqs(text)
	return s, err
}

// SeqsOf is ReadSeqs of what opening a file returned; the file is closed.
func SeqsOf(f tiers.FileReader, err error) (Seqs, error) {
	if err != nil {
		return Seqs{}, err
	}
	s, err := ReadSeqs(f, f.Size())
	return s, errors.Join(err, f.Close())
}

// ReadRows reads the number of rows from the footer of a file of the given
// size.
func ReadRows(r io.ReaderAt, size int64) (int64, error) {
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return 0, fmt.Errorf("read Parquet footer: %w", err)
	}
	return f.NumRows(), nil
}
