package parquetfile

import (
	"encoding/binary"
	"math"
	"math/big"

	"github.com/lakeward/lakeward/tiers"
)

// Column is the vector of one field. Slots must be set in increasing order; a
// slot that is skipped is null. A setter of another kind than the column's
// corrupts the column.
type Column struct {
	Name     string
	Kind     tiers.Kind
	Required bool
	Children []*Column // the members of a struct, or the one element of a list

	valid bitset
	base  int       // the slot of the first of ints, nums or ends; those before are null
	ints  []int64   // long, date (days), timestamptz (microseconds)
	nums  []float64 // double
	bools bitset    // boolean: the true ones
	text  texts     // string, binary, decimal
	width int       // decimal: bytes of a value, fixed
	ends  []uint32  // list: of each slot, the end of its elements

	choice choice
}

// NewColumn makes the empty vector of a field and its members.
func NewColumn(f tiers.Field) *Column {
	c := &Column{Name: f.Name, Kind: f.Type.Kind, Required: f.Required}
	switch f.Type.Kind {
	case tiers.KindDecimal:
		c.width = decimalWidth(f.Type.Precision)
	case tiers.KindStruct:
		for _, m := range f.Type.Fields {
			c.Children = append(c.Children, NewColumn(m))
		}
	case tiers.KindList:
		if f.Type.Elem != nil {
			c.Children = []*Column{NewColumn(*f.Type.Elem)}
		}
	}
	return c
}

// Elem is the column of a list's elements.
func (c *Column) Elem() *Column { return c.Children[0] }

// Member is the member of a struct with the given name, or nil.
func (c *Column) Member(name string) *Column { return member(c.Children, name) }

func member(cs []*Column, name string) *Column {
	for _, c := range cs {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Values is the number of slots that are not null.
func (c *Column) Values() int { return c.valid.count }

// Has reports whether the slot was set.
func (c *Column) Has(slot int) bool { return c.valid.has(slot) }

// pad gives a vector n values.
func pad[T any](s []T, n int) []T {
	var zero T
	for len(s) < n {
		s = append(room(s, 1), zero)
	}
	return s[:n]
}

// room gives a vector the capacity for more values, at least doubled: append
// alone adds a quarter to what is large, which copies a batch four times while
// it fills, and leaves as much garbage.
func room[T any](s []T, more int) []T {
	if len(s)+more <= cap(s) {
		return s
	}
	return roomier(s, more)
}

const firstRoom = 64

func roomier[T any](s []T, more int) []T {
	out := make([]T, len(s), max(2*cap(s), len(s)+more, firstRoom))
	copy(out, s)
	return out
}

// upTo gives a vector the values of the slots before slot. The first value to
// come sets the base: a column that begins late, and may be taken back with its
// event, must not cost what the rows before it would.
func upTo[T any](s []T, base *int, slot int) []T {
	if len(s) == 0 {
		*base = slot
	}
	return pad(s, slot-*base)
}

// SetInt sets a long, a date (days since 1970) or a timestamptz (microseconds).
func (c *Column) SetInt(slot int, v int64) {
	if c.base+len(c.ints) != slot {
		c.ints = upTo(c.ints, &c.base, slot)
	}
	c.ints = append(room(c.ints, 1), v)
	c.valid.set(slot)
}

// SetDouble sets a double.
func (c *Column) SetDouble(slot int, v float64) {
	if c.base+len(c.nums) != slot {
		c.nums = upTo(c.nums, &c.base, slot)
	}
	c.nums = append(room(c.nums, 1), v)
	c.valid.set(slot)
}

// SetBool sets a boolean.
func (c *Column) SetBool(slot int, v bool) {
	if v {
		c.bools.set(slot)
	}
	c.valid.set(slot)
}

// SetBytes sets a string (valid UTF-8) or a binary. v is copied.
func (c *Column) SetBytes(slot int, v []byte) {
	c.text.set(slot, v)
	c.valid.set(slot)
}

// SetString is SetBytes for a string.
func (c *Column) SetString(slot int, v string) { c.SetBytes(slot, []byte(v)) }

// SetDecimal sets a decimal: its digits, without the point, as a number of 128
// bits. It must have no more digits than the column's type.
func (c *Column) SetDecimal(slot int, high int64, low uint64) {
	var b [maxDecimalWidth]byte
	binary.BigEndian.PutUint64(b[:8], uint64(high))
	binary.BigEndian.PutUint64(b[8:], low)
	c.SetBytes(slot, b[maxDecimalWidth-c.width:])
}

const maxDecimalWidth = 16

// decimalWidth is the fewest bytes that hold every number of so many digits, as
// Iceberg has it.
func decimalWidth(precision int) int {
	most := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
	return min(most.BitLen()/8+1, maxDecimalWidth)
}

// SetStruct says that a struct is present; its members are set at the same slot.
func (c *Column) SetStruct(slot int) { c.valid.set(slot) }

// BeginList says that a list is present, empty until EndList, and returns the
// slot of its first element.
func (c *Column) BeginList(slot int) int {
	if len(c.ends) == 0 {
		c.base = slot
	}
	first := c.elems()
	for c.base+len(c.ends) <= slot {
		c.ends = append(room(c.ends, 1), uint32(first))
	}
	c.valid.set(slot)
	return first
}

// EndList gives the list that was begun last its number of elements.
func (c *Column) EndList(n int) {
	c.ends[len(c.ends)-1] += uint32(n)
}

// elems is the number of element slots in use.
func (c *Column) elems() int {
	if len(c.ends) == 0 {
		return 0
	}
	return int(c.ends[len(c.ends)-1])
}

// list returns the elements of a slot as a half-open range.
func (c *Column) list(slot int) (from, to int) {
	i := slot - c.base
	if i < 0 || i >= len(c.ends) {
		return 0, 0
	}
	if i > 0 {
		from = int(c.ends[i-1])
	}
	return from, int(c.ends[i])
}

// Widen makes a long column a double one. It reports false, and changes
// nothing, if a value would not stay exact.
func (c *Column) Widen() bool {
	if c.Kind != tiers.KindLong {
		return false
	}
	const exact = 1 << 53
	for _, v := range c.ints {
		if v < -exact || v > exact {
			return false
		}
	}
	c.nums = c.nums[:0]
	for _, v := range c.ints {
		c.nums = append(c.nums, float64(v))
	}
	c.Kind, c.ints = tiers.KindDouble, nil
	return true
}

// Int returns the value of a long, date or timestamptz slot that is not null.
func (c *Column) Int(slot int) int64 { return c.ints[slot-c.base] }

// Double returns the value of a double slot that is not null.
func (c *Column) Double(slot int) float64 { return c.nums[slot-c.base] }

// Bool returns the value of a boolean slot that is not null.
func (c *Column) Bool(slot int) bool { return c.bools.has(slot) }

// Bytes returns the value of a string or binary slot that is not null; that of a
// decimal as the file has it. It is valid until the column changes.
func (c *Column) Bytes(slot int) []byte { return c.text.get(slot) }

// List returns the element slots of a list slot as a half-open range.
func (c *Column) List(slot int) (from, to int) { return c.list(slot) }

// Truncate forgets the slots from n on, and the elements that they had.
func (c *Column) Truncate(n int) {
	c.valid.truncate(n)
	vals := max(n-c.base, 0)
	switch c.Kind {
	case tiers.KindLong, tiers.KindDate, tiers.KindTimestamp:
		c.ints = c.ints[:min(len(c.ints), vals)]
	case tiers.KindDouble:
		c.nums = c.nums[:min(len(c.nums), vals)]
	case tiers.KindBool:
		c.bools.truncate(n)
	case tiers.KindString, tiers.KindBinary, tiers.KindDecimal:
		c.text.truncate(n)
	case tiers.KindStruct:
		for _, m := range c.Children {
			m.Truncate(n)
		}
	case tiers.KindList:
		c.ends = c.ends[:min(len(c.ends), vals)]
		if len(c.Children) > 0 {
			c.Elem().Truncate(c.elems())
		}
	}
}

// Reset empties the column and keeps its memory.
func (c *Column) Reset() {
	c.valid.reset()
	c.bools.reset()
	c.ints, c.nums, c.ends = c.ints[:0], c.nums[:0], c.ends[:0]
	c.text.reset()
	for _, m := range c.Children {
		m.Reset()
	}
}

// Bytes held by the column and its members.
func (c *Column) memory() int64 {
	n := int64(cap(c.valid.words)+cap(c.ints)+cap(c.nums)+cap(c.bools.words))*8 + int64(cap(c.ends))*4
	n += c.text.memory()
	for _, m := range c.Children {
		n += m.memory()
	}
	return n
}

// Table is a set of columns with the same number of rows.
type Table struct {
	Columns []*Column
	N       int // rows; at most math.MaxUint32
}

// NewTable makes the empty vectors of a schema.
func NewTable(s tiers.Schema) *Table {
	t := &Table{}
	for _, f := range s.Fields {
		t.Columns = append(t.Columns, NewColumn(f))
	}
	return t
}

// Column is the top-level column with the given name, or nil.
func (t *Table) Column(name string) *Column { return member(t.Columns, name) }

// Memory is the number of bytes that the vectors hold.
func (t *Table) Memory() int64 {
	var n int64
	for _, c := range t.Columns {
		n += c.memory()
	}
	return n
}

// used is memory without the room for more.
func (c *Column) used() int64 {
	n := int64(len(c.valid.words)+len(c.ints)+len(c.nums)+len(c.bools.words))*8 + int64(len(c.ends))*4
	n += int64(len(c.text.slots))*4 + int64(len(c.text.bytes)) + int64(len(c.text.entries))*24
	for _, m := range c.Children {
		n += m.used()
	}
	return n
}

// Used is the number of bytes of the vectors that hold something: what Memory
// would be if there were no room for more.
func (t *Table) Used() int64 {
	var n int64
	for _, c := range t.Columns {
		n += c.used()
	}
	return n
}

// Full reports whether a column nears the 4 GiB that its offsets can address.
func (c *Column) Full() bool { return len(c.text.bytes) > math.MaxUint32-1<<30 }

// Reuse makes the empty vector of a field with the memory of an old vector,
// which must not be used afterwards. old may be nil or of another type.
func Reuse(f tiers.Field, old *Column) *Column {
	c := NewColumn(f)
	if old == nil || old.Kind != c.Kind || old.width != c.width {
		return c
	}
	before := old.Children
	old.Children = nil
	old.Reset()
	old.Name, old.Required = c.Name, c.Required
	switch f.Type.Kind {
	case tiers.KindStruct:
		for _, m := range f.Type.Fields {
			old.Children = append(old.Children, Reuse(m, member(before, m.Name)))
		}
	case tiers.KindList:
		if f.Type.Elem != nil {
			var e *Column
			if len(before) > 0 {
				e = before[0]
			}
			old.Children = []*Column{Reuse(*f.Type.Elem, e)}
		}
	}
	return old
}
