package duckdb

import (
	"fmt"
	"math/big"
	"unsafe"

	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// column says how vectors of one DuckDB type are read.
type column struct {
	id       duck.Type
	internal duck.Type // of decimals and enums
	dict     []string  // of enums
	size     int       // of fixed arrays
	kids     []column
}

func resultColumns(res *duck.Result) []column {
	cols := make([]column, duck.ColumnCount(res))
	for i := range cols {
		cols[i] = newColumn(duck.ColumnLogicalType(res, duck.IdxT(i)))
	}
	return cols
}

// newColumn takes ownership of lt.
func newColumn(lt duck.LogicalType) column {
	defer duck.DestroyLogicalType(&lt)
	c := column{id: duck.GetTypeId(lt)}
	switch c.id {
	case duck.TypeDecimal:
		c.internal = duck.DecimalInternalType(lt)
	case duck.TypeEnum:
		c.internal = duck.EnumInternalType(lt)
		for i := range duck.EnumDictionarySize(lt) {
			c.dict = append(c.dict, duck.EnumDictionaryValue(lt, duck.IdxT(i)))
		}
	case duck.TypeList:
		c.kids = []column{newColumn(duck.ListTypeChildType(lt))}
	case duck.TypeArray:
		c.size = int(duck.ArrayTypeArraySize(lt))
		c.kids = []column{newColumn(duck.ArrayTypeChildType(lt))}
	case duck.TypeMap:
		c.kids = []column{newColumn(duck.MapTypeKeyType(lt)), newColumn(duck.MapTypeValueType(lt))}
	case duck.TypeStruct:
		for i := range duck.StructTypeChildCount(lt) {
			c.kids = append(c.kids, newColumn(duck.StructTypeChildType(lt, i)))
		}
	}
	return c
}

// span is n rows of a vector, from row off.
type span struct {
	data   unsafe.Pointer
	mask   unsafe.Pointer // nil: every row is valid
	off, n int
}

func (s span) valid(i int) bool {
	if s.mask == nil {
		return true
	}
	row := s.off + i
	word := *(*uint64)(unsafe.Add(s.mask, row/64*8))
	return word>>(row%64)&1 == 1
}

// validity returns nil when every row is valid.
func (s span) validity() []bool {
	if s.mask == nil {
		return nil
	}
	out := make([]bool, s.n)
	for i := range out {
		out[i] = s.valid(i)
	}
	return out
}

// values views n fixed-width values without copying.
func values[T any](s span) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Add(s.data, s.off*int(unsafe.Sizeof(zero)))), s.n)
}

// fixedBuilder is an Arrow builder of fixed-width values.
type fixedBuilder[T any] interface{ AppendValues([]T, []bool) }

func copyFixed[T any](b any, s span) error {
	fb, ok := b.(fixedBuilder[T])
	if !ok {
		return fmt.Errorf("builder %T takes no %T", b, *new(T))
	}
	fb.AppendValues(values[T](s), s.validity())
	return nil
}

// copyBools reads booleans as bytes: where a row is null the engine leaves any
// byte there, which as a Go bool would spill into the bit of its neighbour.
func copyBools(b any, s span) error {
	fb, ok := b.(fixedBuilder[bool])
	if !ok {
		return fmt.Errorf("builder %T takes no booleans", b)
	}
	out := make([]bool, s.n)
	for i, v := range values[uint8](s) {
		out[i] = v == 1
	}
	fb.AppendValues(out, s.validity())
	return nil
}

// fill appends n rows of v, from row off, to the builder of the Arrow type
// that arrowType gives for the column.
func (c *column) fill(b array.Builder, v duck.Vector, off, n int) error {
	s := span{data: duck.VectorGetData(v), mask: duck.VectorGetValidity(v), off: off, n: n}
	switch c.id {
	case duck.TypeBoolean:
		return copyBools(b, s)
	case duck.TypeTinyInt:
		return copyFixed[int8](b, s)
	case duck.TypeSmallInt:
		return copyFixed[int16](b, s)
	case duck.TypeInteger, duck.TypeSQLNull:
		return copyFixed[int32](b, s)
	case duck.TypeBigInt:
		return copyFixed[int64](b, s)
	case duck.TypeUTinyInt:
		return copyFixed[uint8](b, s)
	case duck.TypeUSmallInt:
		return copyFixed[uint16](b, s)
	case duck.TypeUInteger:
		return copyFixed[uint32](b, s)
	case duck.TypeUBigInt:
		return copyFixed[uint64](b, s)
	case duck.TypeFloat:
		return copyFixed[float32](b, s)
	case duck.TypeDouble:
		return copyFixed[float64](b, s)
	case duck.TypeDate:
		return copyFixed[arrow.Date32](b, s)
	case duck.TypeTime, duck.TypeTimeNS:
		return copyFixed[arrow.Time64](b, s)
	case duck.TypeTimestamp, duck.TypeTimestampS, duck.TypeTimestampMS, duck.TypeTimestampNS, duck.TypeTimestampTZ:
		return copyFixed[arrow.Timestamp](b, s)
	}
	return c.fillVariable(b, v, s)
}

func (c *column) fillVariable(b array.Builder, v duck.Vector, s span) error {
	switch c.id {
	case duck.TypeVarchar, duck.TypeBlob:
		return fillBytes(b, s)
	case duck.TypeHugeInt:
		fillHuge(b.(*array.Decimal128Builder), s)
	case duck.TypeDecimal:
		c.fillDecimal(b.(*array.Decimal128Builder), s)
	case duck.TypeUUID, duck.TypeUHugeInt, duck.TypeEnum:
		c.fillText(b.(*array.StringBuilder), s)
	case duck.TypeInterval:
		fillInterval(b.(*array.MonthDayNanoIntervalBuilder), s)
	case duck.TypeList, duck.TypeMap:
		return c.fillList(b, v, s)
	case duck.TypeArray:
		return c.fillArray(b.(*array.ListBuilder), v, s)
	case duck.TypeStruct:
		return c.fillStruct(b.(*array.StructBuilder), v, s)
	default:
		return fmt.Errorf("DuckDB type %d is not readable", c.id)
	}
	return nil
}

// stringT is duckdb_string_t: a length, then 12 bytes in place or a prefix of
// 4 bytes and a pointer.
type stringT struct {
	length uint32
	prefix [4]byte
	ptr    unsafe.Pointer
}

const inlineLength = 12

func (t *stringT) bytes() []byte {
	if t.length <= inlineLength {
		return unsafe.Slice((*byte)(unsafe.Pointer(&t.prefix)), t.length)
	}
	return unsafe.Slice((*byte)(t.ptr), t.length)
}

func fillBytes(b array.Builder, s span) error {
	var bytes *array.BinaryBuilder
	switch b := b.(type) {
	case *array.BinaryBuilder:
		bytes = b
	case *array.StringBuilder:
		bytes = b.BinaryBuilder
	default:
		return fmt.Errorf("builder %T takes no bytes", b)
	}
	rows, total := values[stringT](s), 0
	for i := range rows {
		if s.valid(i) {
			total += int(rows[i].length)
		}
	}
	bytes.Reserve(s.n)
	bytes.ReserveData(total)
	for i := range rows {
		if s.valid(i) {
			bytes.Append(rows[i].bytes())
		} else {
			bytes.AppendNull()
		}
	}
	return nil
}

type hugeT struct {
	lower uint64
	upper int64
}

func fillHuge(b *array.Decimal128Builder, s span) {
	for i, h := range values[hugeT](s) {
		if s.valid(i) {
			b.Append(decimal128.New(h.upper, h.lower))
		} else {
			b.AppendNull()
		}
	}
}

func (c *column) fillDecimal(b *array.Decimal128Builder, s span) {
	if c.internal == duck.TypeHugeInt {
		fillHuge(b, s)
		return
	}
	for i := range s.n {
		if !s.valid(i) {
			b.AppendNull()
			continue
		}
		b.Append(decimal128.FromI64(c.small(s, i)))
	}
}

// small reads an integer of the internal type.
func (c *column) small(s span, i int) int64 {
	switch c.internal {
	case duck.TypeSmallInt:
		return int64(values[int16](s)[i])
	case duck.TypeInteger:
		return int64(values[int32](s)[i])
	case duck.TypeUTinyInt:
		return int64(values[uint8](s)[i])
	case duck.TypeUSmallInt:
		return int64(values[uint16](s)[i])
	case duck.TypeUInteger:
		return int64(values[uint32](s)[i])
	default:
		return values[int64](s)[i]
	}
}

func (c *column) fillText(b *array.StringBuilder, s span) {
	for i := range s.n {
		switch {
		case !s.valid(i):
			b.AppendNull()
		case c.id == duck.TypeEnum:
			b.Append(c.dict[c.small(s, i)])
		case c.id == duck.TypeUUID:
			b.Append(uuidText(values[hugeT](s)[i]))
		default:
			h := values[hugeT](s)[i]
			v := new(big.Int).Lsh(new(big.Int).SetUint64(uint64(h.upper)), 64)
			b.Append(v.Or(v, new(big.Int).SetUint64(h.lower)).String())
		}
	}
}

// uuidText undoes DuckDB's flip of the first bit, which makes UUIDs sort.
func uuidText(h hugeT) string {
	hi := uint64(h.upper) ^ 1<<63
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, h.lower>>48, h.lower&(1<<48-1))
}

type intervalT struct {
	months, days int32
	micros       int64
}

func fillInterval(b *array.MonthDayNanoIntervalBuilder, s span) {
	for i, v := range values[intervalT](s) {
		if s.valid(i) {
			b.Append(arrow.MonthDayNanoInterval{Months: v.months, Days: v.days, Nanoseconds: v.micros * 1000})
		} else {
			b.AppendNull()
		}
	}
}

type listT struct{ offset, length uint64 }

func (c *column) fillList(b array.Builder, v duck.Vector, s span) error {
	child := duck.ListVectorGetChild(v)
	lb, ok := b.(array.ListLikeBuilder)
	if !ok {
		return fmt.Errorf("builder %T is not a list", b)
	}
	mb, isMap := b.(*array.MapBuilder)
	for i, e := range values[listT](s) {
		if !s.valid(i) {
			lb.AppendNull()
			continue
		}
		lb.Append(true)
		off, n := int(e.offset), int(e.length)
		if n == 0 {
			continue
		}
		if !isMap {
			if err := c.kids[0].fill(lb.ValueBuilder(), child, off, n); err != nil {
				return err
			}
			continue
		}
		if err := c.kids[0].fill(mb.KeyBuilder(), duck.StructVectorGetChild(child, 0), off, n); err != nil {
			return err
		}
		if err := c.kids[1].fill(mb.ItemBuilder(), duck.StructVectorGetChild(child, 1), off, n); err != nil {
			return err
		}
	}
	return nil
}

func (c *column) fillArray(b *array.ListBuilder, v duck.Vector, s span) error {
	child := duck.ArrayVectorGetChild(v)
	for i := range s.n {
		if !s.valid(i) {
			b.AppendNull()
			continue
		}
		b.Append(true)
		if err := c.kids[0].fill(b.ValueBuilder(), child, (s.off+i)*c.size, c.size); err != nil {
			return err
		}
	}
	return nil
}

func (c *column) fillStruct(b *array.StructBuilder, v duck.Vector, s span) error {
	if valid := s.validity(); valid != nil {
		b.AppendValues(valid)
	} else {
		all := make([]bool, s.n)
		for i := range all {
			all[i] = true
		}
		b.AppendValues(all)
	}
	for k := range c.kids {
		if err := c.kids[k].fill(b.FieldBuilder(k), duck.StructVectorGetChild(v, duck.IdxT(k)), s.off, s.n); err != nil {
			return err
		}
	}
	return nil
}
