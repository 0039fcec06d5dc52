package columnfile

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
)

// parquetReader reads a Parquet file, one row group after the other.
// https://github.com/apache/parquet-format
type parquetReader struct {
	budget
	data   []byte
	root   *parquetNode // nil: the footer was not read yet
	leaves []*parquetNode
	groups []parquetGroup

	held      int // of budget, before the group at hand
	row, rows int
	out       []byte
	err       error
}

type parquetGroup struct {
	rows    int
	columns []parquetChunk
}

// parquetChunk says where a column of a row group is.
type parquetChunk struct {
	codec, values, size, data, dictionary int64
}

// Parquet reads a Parquet file.
func Parquet(data []byte, l Limits) Reader { return &parquetReader{budget: budget{l}, data: data} }

func (r *parquetReader) Next() (row []byte, err error) {
	if r.err == nil {
		r.err = guarded(func() { row = r.next() })
	}
	if r.err == nil && row == nil {
		r.err = io.EOF
	}
	return row, r.err
}

// next is nil at the end.
func (r *parquetReader) next() []byte {
	if r.root == nil {
		r.footer()
		r.held = r.Held
	}
	for r.row == r.rows {
		for _, l := range r.leaves {
			if l.at < len(l.defs) {
				fail(ErrDamaged, "column %s has more rows than others", l.name)
			}
		}
		if len(r.groups) == 0 {
			return nil
		}
		r.group(r.groups[0])
		r.groups = r.groups[1:]
	}
	r.budget.row()
	r.out = r.root.members(r, append(r.out[:0], '{'))
	r.out = append(r.out, '}')
	r.Text -= len(r.out)
	r.row++
	return r.out
}

// group reads the columns of a row group into memory.
func (r *parquetReader) group(g parquetGroup) {
	r.Held, r.row, r.rows = r.held, 0, g.rows
	if len(g.columns) != len(r.leaves) {
		fail(ErrDamaged, "a row group has %d of %d columns", len(g.columns), len(r.leaves))
	}
	for i, l := range r.leaves {
		l.load(r, g.columns[i])
	}
}

func (r *parquetReader) footer() {
	end := len(r.data) - 8
	if end < 4 || !bytes.HasPrefix(r.data, []byte("PAR1")) || string(r.data[end+4:]) != "PAR1" {
		fail(ErrDamaged, "it does not begin and end as Parquet, or is encrypted")
	}
	size := int(binary.LittleEndian.Uint32(r.data[end:]))
	t := &thrift{b: r.data[end-size : end]}
	var schema []*parquetNode
	t.fields(func(id int64, typ byte) bool {
		switch id {
		case 2:
			return t.structs(typ, func() {
				if len(schema) > mostFields {
					fail(ErrTooMuch, "it has more than %d columns", mostFields)
				}
				schema = append(schema, schemaElement(t))
			})
		case 4:
			return t.structs(typ, func() { r.groups = append(r.groups, r.rowGroup(t)) })
		}
		return false
	})
	if len(schema) == 0 {
		fail(ErrDamaged, "it has no schema")
	}
	r.root = schema[0]
	rest := r.tree(r.root, schema[1:], 0)
	if len(rest) > 0 {
		fail(ErrDamaged, "its schema has columns that are nowhere")
	}
}

// tree puts the elements of a schema, which stand one after another, into each
// other. The rest is what is not the node's.
func (r *parquetReader) tree(n *parquetNode, rest []*parquetNode, depth int) []*parquetNode {
	if depth > mostDepth {
		fail(ErrTooMuch, "it has more than %d columns in each other", mostDepth)
	}
	for range n.children {
		if len(rest) == 0 {
			fail(ErrDamaged, "its schema ends too early")
		}
		kid := rest[0]
		kid.def, kid.rep = n.def, n.rep
		switch kid.repetition {
		case repetitionOptional:
			kid.def++
		case repetitionRepeated:
			kid.def, kid.rep = kid.def+1, kid.rep+1
		}
		n.kids = append(n.kids, kid)
		rest = r.tree(kid, rest[1:], depth+1)
	}
	if len(n.kids) == 0 && depth > 0 {
		n.settle()
		r.leaves = append(r.leaves, n)
	} else if depth > 0 {
		n.shape()
	}
	n.first = r.firstLeaf(n)
	return rest
}

func (r *parquetReader) firstLeaf(n *parquetNode) *parquetNode {
	for len(n.kids) > 0 {
		n = n.kids[0]
	}
	return n
}

func (r *parquetReader) rowGroup(t *thrift) (g parquetGroup) {
	r.hold(1, 64)
	t.fields(func(id int64, typ byte) bool {
		switch {
		case id == 1:
			return t.structs(typ, func() {
				r.hold(1, 128)
				g.columns = append(g.columns, columnChunk(t))
			})
		case id == 3 && typ > thriftByte && typ < thriftDouble:
			n := t.integer()
			if n < 0 || n > 1<<40 {
				fail(ErrDamaged, "a row group of %d rows", n)
			}
			g.rows = int(n)
			return true
		}
		return false
	})
	return g
}

func columnChunk(t *thrift) (c parquetChunk) {
	t.fields(func(id int64, typ byte) bool {
		switch {
		case id == 3 && typ == thriftStruct:
			t.numbers(map[int64]*int64{4: &c.codec, 5: &c.values, 7: &c.size, 9: &c.data, 11: &c.dictionary})
			return true
		case id == 1:
			fail(ErrDamaged, "a column is in another file")
		case id == 8 || id == 9:
			fail(ErrDamaged, "a column is encrypted")
		}
		return false
	})
	return c
}

// pages are the bytes of a column's pages.
func (r *parquetReader) pages(c parquetChunk) []byte {
	from := c.data
	if c.dictionary > 0 && c.dictionary < from {
		from = c.dictionary
	}
	if from < 0 || c.size < 0 || from > int64(len(r.data)) || c.size > int64(len(r.data))-from {
		fail(ErrDamaged, "a column reaches beyond the end of the file")
	}
	return r.data[from : from+c.size]
}

func schemaElement(t *thrift) *parquetNode {
	n := &parquetNode{typ: -1, converted: -1}
	numbers := map[int64]*int64{1: &n.typ, 2: &n.length, 3: &n.repetition, 5: &n.children, 6: &n.converted, 7: &n.scale}
	t.fields(func(id int64, typ byte) bool {
		p := numbers[id]
		switch {
		case id == 4 && typ == thriftBinary:
			n.name = string(t.bytes())
		case id == 10 && typ == thriftStruct:
			n.logicalType(t)
		case p != nil && typ > thriftByte && typ < thriftDouble:
			*p = t.integer()
		default:
			return false
		}
		return true
	})
	n.key = keyOf([]byte(n.name))
	if n.children < 0 || n.children > mostFields || n.scale < -mostScale || n.scale > mostScale || n.length < 0 ||
		n.length > 1<<20 {
		fail(ErrDamaged, "column %s has impossible figures", n.name)
	}
	return n
}

// logicalType reads what a column's values stand for.
func (n *parquetNode) logicalType(t *thrift) {
	t.fields(func(id int64, typ byte) bool {
		n.logical = id
		if typ != thriftStruct {
			return false
		}
		switch id {
		case logicalDecimal:
			t.numbers(map[int64]*int64{1: &n.scale})
		case logicalInteger:
			t.numbers(map[int64]*int64{1: &n.bits, 2: &n.signed})
		case logicalTime, logicalTimestamp:
			t.fields(func(id int64, typ byte) bool {
				switch {
				case id == 1 && (typ == thriftTrue || typ == thriftFalse):
					n.utc = typ == thriftTrue
				case id == 2 && typ == thriftStruct:
					t.fields(func(unit int64, _ byte) bool {
						n.unit = [...]int64{0, millis, micros, nanos}[unit]
						return false
					})
				default:
					return false
				}
				return true
			})
		default:
			return false
		}
		return true
	})
}

// isString is whether a column of bytes is text.
func (n *parquetNode) isString() bool {
	return slices.Contains([]int64{logicalString, logicalEnum, logicalJSON}, n.logical)
}
