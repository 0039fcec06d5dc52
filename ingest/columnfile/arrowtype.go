package columnfile

import "encoding/binary"

// The types of Arrow's schema.
const (
	arrowNull = iota + 1
	arrowInt
	arrowFloat
	arrowBinary
	arrowUTF8
	arrowBool
	arrowDecimal
	arrowDate
	arrowTime
	arrowTimestamp
	arrowInterval
	arrowList
	arrowStruct
	arrowUnion
	arrowFixedBinary
	arrowFixedList
	arrowMap
	arrowDuration
	arrowLargeBinary
	arrowLargeUTF8
	arrowLargeList
	arrowRunEnd
	arrowBinaryView
	arrowUTF8View
	arrowListView
	arrowLargeListView
)

// arrowField is a column's name and type.
type arrowField struct {
	name  string
	key   []byte // as it stands in an object
	kind  byte
	width int // bytes of a value; of arrowFixedList, how many it has
	// index: these are places in the dictionary, and the type is theirs
	index bool
	dict  int64

	signed bool   // of arrowInt
	scale  int    // of arrowDecimal
	unit   int64  // of times, in a second; 0: days
	utc    bool   // of arrowTimestamp: it has a zone
	dense  bool   // of arrowUnion
	ids    []byte // of arrowUnion: 4 bytes a kid
	form   int    // of arrowInterval
	kids   []*arrowField
}

func (r *arrowReader) schema(s flat) {
	if s.unit(0) != 0 {
		fail(ErrDamaged, "its numbers are big-endian")
	}
	fields := s.tables(1)
	r.values, r.dicts = map[int64]*arrowField{}, map[int64]arrowDictionary{}
	r.fields = make([]*arrowField, len(fields))
	n := 0
	for i, f := range fields {
		r.fields[i] = r.field(f, 0, &n)
	}
}

// field reads a field of the schema; n counts them.
func (r *arrowReader) field(t flat, depth int, n *int) *arrowField {
	if *n++; *n > mostFields || depth > mostDepth {
		fail(ErrTooMuch, "it has more than %d columns, or more than %d in each other", mostFields, mostDepth)
	}
	f := &arrowField{name: string(t.bytes(0)), kind: t.byte(2)}
	f.key = keyOf([]byte(f.name))
	typ, _ := t.table(3)
	if typ.at == 0 {
		fail(ErrDamaged, "column %s has no type", f.name)
	}
	f.typed(typ)
	for _, kid := range t.tables(5) {
		f.kids = append(f.kids, r.field(kid, depth+1, n))
	}
	if want, ok := map[byte]int{arrowList: 1, arrowLargeList: 1, arrowFixedList: 1, arrowMap: 1, arrowListView: 1,
		arrowLargeListView: 1, arrowRunEnd: 2, arrowUnion: len(f.ids) / 4}[f.kind]; ok && len(f.kids) != want {
		fail(ErrDamaged, "column %s has %d columns in it", f.name, len(f.kids))
	}
	if f.kind == arrowMap && (f.kids[0].kind != arrowStruct || len(f.kids[0].kids) != 2) {
		fail(ErrDamaged, "column %s is a map without keys and values", f.name)
	}
	d, ok := t.table(4)
	if !ok {
		return f
	}
	index := &arrowField{name: f.name, key: f.key, kind: arrowInt, index: true, dict: d.long(0), width: 4, signed: true}
	if typ, ok := d.table(1); ok {
		index.typed(typ)
	}
	if r.values[index.dict] == nil {
		r.values[index.dict] = f
	}
	return index
}

// typed reads the parameters of a type.
func (f *arrowField) typed(t flat) {
	units := [...]int64{seconds, millis, micros, nanos}
	switch f.kind {
	case arrowInt:
		f.width, f.signed = t.int(0, 0)/8, t.byte(1) != 0
		f.check(f.width == 1 || f.width == 2 || f.width == 4 || f.width == 8)
	case arrowFloat:
		f.width = 2 << t.unit(0)
		f.check(f.width == 2 || f.width == 4 || f.width == 8)
	case arrowDecimal:
		f.scale, f.width = t.int(1, 0), t.int(2, 128)/8
		f.check(f.width > 0 && f.width <= 32 && f.scale >= -mostScale && f.scale <= mostScale)
	case arrowDate:
		if f.width = 8; t.unit(1) == 0 {
			f.width = 4
		} else {
			f.unit = millis
		}
	case arrowTime:
		f.unit, f.width = units[t.unit(1)], t.int(1, 32)/8
		f.check(f.width == 4 || f.width == 8)
	case arrowTimestamp:
		f.unit, f.utc, f.width = units[t.unit(0)], len(t.bytes(1)) > 0, 8
	case arrowDuration:
		f.unit, f.width = units[t.unit(1)], 8
	case arrowInterval:
		f.form = t.unit(0)
		f.width = [...]int{4, 8, 16}[f.form]
	case arrowUnion:
		f.dense = t.unit(0) == 1
		f.ids, _ = t.vector(1, 4)
	case arrowFixedBinary, arrowFixedList:
		f.width = t.int(0, 0)
		f.check(f.width >= 0)
	case arrowNull, arrowBinary, arrowUTF8, arrowBool, arrowList, arrowStruct, arrowMap, arrowLargeBinary, arrowLargeUTF8,
		arrowLargeList, arrowRunEnd, arrowBinaryView, arrowUTF8View, arrowListView, arrowLargeListView:
	default:
		fail(ErrDamaged, "column %s is of type %d, which is not known", f.name, f.kind)
	}
}

func (f *arrowField) check(ok bool) {
	if !ok {
		fail(ErrDamaged, "column %s has a type of an unknown size", f.name)
	}
}

// large is whether offsets have 8 bytes.
func (f *arrowField) large() bool {
	return f.kind == arrowLargeBinary || f.kind == arrowLargeUTF8 || f.kind == arrowLargeList ||
		f.kind == arrowLargeListView
}

// arrowColumn is the values of a field in one batch.
type arrowColumn struct {
	*arrowField
	n       int
	valid   []byte // a bit a value; empty: none is null
	offsets []byte // or the types of arrowUnion
	sizes   []byte // of views of lists, or the offsets of a dense union
	values  []byte
	views   [][]byte // what views are of
	kids    []arrowColumn
}

// column takes the next column of a batch.
func (l *arrowLoad) column(f *arrowField, depth int) arrowColumn {
	if depth > mostDepth {
		fail(ErrTooMuch, "it has more than %d columns in each other", mostDepth)
	}
	l.r.hold(1, 256)
	c := arrowColumn{arrowField: f, n: l.node()}
	union := f.kind == arrowUnion
	if f.kind != arrowNull && f.kind != arrowRunEnd && !(union && l.r.version >= 4) {
		c.valid = l.buffer()
	}
	switch f.kind {
	case arrowNull, arrowRunEnd, arrowStruct, arrowFixedList:
	case arrowBinary, arrowUTF8, arrowLargeBinary, arrowLargeUTF8:
		c.offsets, c.values = l.buffer(), l.buffer()
	case arrowList, arrowLargeList, arrowMap:
		c.offsets = l.buffer()
	case arrowListView, arrowLargeListView:
		c.offsets, c.sizes = l.buffer(), l.buffer()
	case arrowUnion:
		if c.offsets = l.buffer(); f.dense {
			c.sizes = l.buffer()
		}
	case arrowBinaryView, arrowUTF8View:
		c.values = l.buffer()
		n := binary.LittleEndian.Uint64(l.variadic)
		l.variadic = l.variadic[8:]
		for range n {
			c.views = append(c.views, l.buffer())
		}
	default:
		c.values = l.buffer()
	}
	for _, kid := range f.kids {
		c.kids = append(c.kids, l.column(kid, depth+1))
	}
	return c
}
