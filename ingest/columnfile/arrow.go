package columnfile

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"

	"github.com/pierrec/lz4/v4"
)

// arrowReader reads the stream of Arrow's IPC format, and its file format, which
// is a stream with a footer.
// https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
type arrowReader struct {
	budget
	data  []byte // that is left
	whole bool   // it is a file: what follows the stream is its footer

	version int
	fields  []*arrowField             // nil: no schema has come
	values  map[int64]*arrowField     // of dictionaries, by id
	dicts   map[int64]arrowDictionary // that have come
	nested  int                       // values that are being written, in each other

	batch     []arrowColumn
	held      int // of budget, by the batch
	row, rows int
	out       []byte
	err       error
}

// Arrow reads a stream or file of Arrow IPC.
func Arrow(data []byte, l Limits) Reader {
	r := &arrowReader{budget: budget{l}, data: data}
	if rest, ok := bytes.CutPrefix(data, []byte("ARROW1\x00\x00")); ok {
		r.data, r.whole = rest, true
	}
	return r
}

func (r *arrowReader) Next() (row []byte, err error) {
	if r.err == nil {
		r.err = guarded(func() { row = r.next() })
	}
	if r.err == nil && row == nil {
		r.err = io.EOF
	}
	return row, r.err
}

// next is nil at the end.
func (r *arrowReader) next() []byte {
	for r.row == r.rows {
		if !r.message() {
			return nil
		}
	}
	r.budget.row()
	r.out = append(r.out[:0], '{')
	for i := range r.batch {
		r.out = r.member(r.out, &r.batch[i], r.row)
	}
	r.out = append(r.out, '}')
	r.Text -= len(r.out)
	r.row++
	return r.out
}

// The kinds of messages in a stream.
const (
	arrowSchema = 1
	arrowValues = 2
	arrowBatch  = 3
)

// message reads a message of the stream; false is its end.
func (r *arrowReader) message() bool {
	if len(r.data) == 0 {
		return false
	}
	size := r.take(4)
	if bytes.Equal(size, []byte("\xff\xff\xff\xff")) {
		size = r.take(4)
	}
	n := int(binary.LittleEndian.Uint32(size))
	if n == 0 { // another stream may follow
		r.fields, r.values, r.dicts = nil, nil, nil
		return !r.whole
	}
	m := flatRoot(r.take(n))
	r.version = m.unit(0)
	body := r.take(int(m.long(3)))
	switch kind, head := m.byte(1), m.need(2, "the header of a message"); {
	case kind == arrowSchema:
		r.schema(head)
	case r.fields == nil:
		fail(ErrDamaged, "it does not begin with a schema")
	case kind == arrowValues:
		r.dictionary(head, body)
	case kind == arrowBatch:
		r.Held += r.held
		before := r.Held
		l := r.load(head, body)
		r.batch, r.row = make([]arrowColumn, len(r.fields)), 0
		for i, f := range r.fields {
			r.batch[i] = l.column(f, 0)
			if r.batch[i].n < l.rows {
				fail(ErrDamaged, "column %s has %d of %d rows", f.name, r.batch[i].n, l.rows)
			}
		}
		r.rows, r.held = l.rows, before-r.Held
	default:
		fail(ErrDamaged, "a message is of kind %d, which is none of a table", kind)
	}
	return true
}

func (r *arrowReader) take(n int) []byte {
	if n < 0 || n > len(r.data) {
		fail(ErrDamaged, "it ends too early")
	}
	var b []byte
	b, r.data = r.data[:n], r.data[n:]
	return b
}

// arrowDictionary is the values of a dictionary, in the parts in which they came.
type arrowDictionary struct {
	parts []arrowColumn
	ends  []int // of each, counted from the first part's beginning
}

func (r *arrowReader) dictionary(head flat, body []byte) {
	id := head.long(0)
	f := r.values[id]
	if f == nil {
		fail(ErrDamaged, "no column has the dictionary %d", id)
	}
	c := r.load(head.need(1, "the values of a dictionary"), body).column(f, 0)
	d := arrowDictionary{}
	n := 0
	if head.byte(2) != 0 {
		if d = r.dicts[id]; len(d.ends) > 0 {
			n = d.ends[len(d.ends)-1]
		}
	}
	d.parts, d.ends = append(d.parts, c), append(d.ends, n+c.n)
	r.dicts[id] = d
}

// at is the value of an index.
func (d arrowDictionary) at(i int) (*arrowColumn, int) {
	part, exact := slices.BinarySearch(d.ends, i)
	if exact {
		part++
	}
	if i < 0 || part >= len(d.parts) {
		fail(ErrDamaged, "a dictionary does not have the value %d", i)
	}
	if part > 0 {
		i -= d.ends[part-1]
	}
	return &d.parts[part], i
}

// arrowLoad takes a batch apart into columns, in the order of the schema.
type arrowLoad struct {
	r        *arrowReader
	rows     int
	nodes    []byte // 16 bytes each: how many values, and how many are null
	buffers  []byte // 16 bytes each: where in body, and how long
	variadic []byte // 8 bytes each: how many buffers views have
	body     []byte
	packed   bool
	zstd     bool
}

func (r *arrowReader) load(head flat, body []byte) *arrowLoad {
	l := &arrowLoad{r: r, rows: r.length(head.long(0)), body: body}
	l.nodes, _ = head.vector(1, 16)
	l.buffers, _ = head.vector(2, 16)
	l.variadic, _ = head.vector(4, 8)
	if c, ok := head.table(3); ok {
		l.packed, l.zstd = true, c.byte(0) == 1
	}
	return l
}

// length is a count that somebody wrote.
func (r *arrowReader) length(n int64) int {
	if n < 0 || n > 1<<40 {
		fail(ErrDamaged, "%d values", n)
	}
	return int(n)
}

func (l *arrowLoad) node() int {
	n := l.r.length(int64(binary.LittleEndian.Uint64(l.nodes)))
	l.nodes = l.nodes[16:]
	return n
}

// buffer is the next buffer, unpacked.
func (l *arrowLoad) buffer() []byte {
	from, n := int64(binary.LittleEndian.Uint64(l.buffers)), int64(binary.LittleEndian.Uint64(l.buffers[8:]))
	l.buffers = l.buffers[16:]
	if from < 0 || n < 0 || from > int64(len(l.body)) || n > int64(len(l.body))-from {
		fail(ErrDamaged, "a column reaches beyond the end of its message")
	}
	b := l.body[from : from+n]
	if !l.packed || n == 0 {
		return b
	}
	size, b := int64(binary.LittleEndian.Uint64(b)), b[8:]
	if size == -1 {
		return b
	}
	if size < 0 || size > int64(l.r.Held) {
		fail(ErrTooMuch, "its values take more memory than is granted")
	}
	l.r.hold(int(size), 1)
	return l.unpack(b, int(size))
}

// unpack decompresses exactly size bytes.
func (l *arrowLoad) unpack(b []byte, size int) []byte {
	if l.zstd {
		return unzstd(b, size)
	}
	out := make([]byte, size)
	if _, err := io.ReadFull(lz4.NewReader(bytes.NewReader(b)), out); err != nil {
		failUnpack(err)
	}
	return out
}
