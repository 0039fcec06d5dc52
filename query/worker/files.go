package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/lakeward/lakeward/tiers"
)

// appendFiles encodes what an engine needs of data files: a view may list tens
// of thousands.
func appendFiles(b []byte, files []tiers.DataFile) []byte {
	sets := map[tiers.FieldSet]int{}
	b = binary.AppendUvarint(b, uint64(len(files)))
	for _, f := range files {
		b = appendText(b, f.Path)
		b = binary.AppendUvarint(b, uint64(max(f.Size, 0)))
		b = binary.AppendUvarint(b, uint64(max(f.Rows, 0)))
		clustered := byte(0)
		if f.Clustered {
			clustered = 1
		}
		b = append(b, clustered)
		b = appendInts(b, f.Copies)
		at, known := sets[f.Fields]
		if !known {
			at = len(sets)
			sets[f.Fields] = at
		}
		b = binary.AppendUvarint(b, uint64(at))
		if !known {
			b = appendText(b, f.Fields.Text())
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendInts(b []byte, list []int) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, n := range list {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

var errFiles = errors.New("malformed list of files")

// decoder reads what append* wrote. After an error everything is empty.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) number() uint64 {
	n, k := binary.Uvarint(d.b)
	if k <= 0 {
		d.b, d.err = nil, errFiles
		return 0
	}
	d.b = d.b[k:]
	return n
}

func (d *decoder) text() string {
	n := d.number()
	if n > uint64(len(d.b)) {
		d.b, d.err = nil, errFiles
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) flag() bool {
	if len(d.b) == 0 {
		d.err = errFiles
		return false
	}
	v := d.b[0] != 0
	d.b = d.b[1:]
	return v
}

func (d *decoder) ints() []int {
	n := d.number()
	if n > uint64(len(d.b)) {
		d.b, d.err = nil, errFiles
		return nil
	}
	var out []int
	for range n {
		out = append(out, int(d.number()))
	}
	return out
}

// decodeFiles reads what appendFiles wrote.
func decodeFiles(b []byte) ([]tiers.DataFile, error) {
	d := &decoder{b: b}
	n := d.number()
	if n > uint64(len(b)) {
		return nil, fmt.Errorf("%w: %d files in %d bytes", errFiles, n, len(b))
	}
	files := make([]tiers.DataFile, 0, n)
	var sets []tiers.FieldSet
	for range n {
		f := tiers.DataFile{Path: d.text(), Size: int64(d.number()), Rows: int64(d.number()), Clustered: d.flag(),
			Copies: d.ints()}
		at := d.number()
		if at == uint64(len(sets)) {
			set, err := tiers.ParseFieldSet(d.text())
			if err != nil {
				return nil, errors.Join(errFiles, err)
			}
			sets = append(sets, set)
		}
		if d.err != nil || at >= uint64(len(sets)) {
			return nil, errFiles
		}
		f.Fields = sets[at]
		files = append(files, f)
	}
	return slices.Clip(files), d.err
}
