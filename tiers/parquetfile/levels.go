package parquetfile

import "slices"

// levels are the entries of a column on the way down to its leaves.
type levels struct {
	rep, def       []byte   // nil: all zero; nil: all at maxDef
	slots          []uint32 // of each entry; no meaning where def is below maxDef
	maxRep, maxDef byte
	space          int // slots that the column could have in all
}

// buffers are reused from column to column. Levels live until their column's
// members are written, so there is one of each for a depth.
type buffers struct {
	def  [][]byte
	rep  [][]byte
	slot [][]uint32

	vals    []uint32 // slots of the values that are present
	ints    []int64
	ints32  []int32
	nums    []float64
	bytes   []byte
	offs    []uint32
	index   []int32
	remap   []uint32
	hash    []uint32
	page    []byte
	enc     []byte
	dictEnc []byte
	dict    []byte
	dictTxt []byte
	dictOff []uint32
	words   []uint64
	rebased []uint32
	z       []byte
	out     []byte
}

func at[T any](s *[][]T, depth int) []T {
	for len(*s) <= depth {
		*s = append(*s, nil)
	}
	return (*s)[depth][:0]
}

// present adds the definition level of an optional column.
func (b *buffers) present(l levels, c *Column, depth int) levels {
	out := l
	out.maxDef++
	if l.def == nil && c.valid.count == l.space {
		return out
	}
	def := slices.Grow(at(&b.def, depth), len(l.slots))[:len(l.slots)]
	for i, s := range l.slots {
		switch {
		case l.def != nil && l.def[i] < l.maxDef:
			def[i] = l.def[i]
		case c.valid.has(int(s)):
			def[i] = out.maxDef
		default:
			def[i] = l.maxDef
		}
	}
	b.def[depth], out.def = def, def
	return out
}

// repeat goes from lists to their elements.
func (b *buffers) repeat(l levels, c *Column, depth int) levels {
	rep, def, slots := at(&b.rep, depth), at(&b.def, depth), at(&b.slot, depth)
	out := levels{maxRep: l.maxRep + 1, maxDef: l.maxDef + 1, space: c.elems()}
	for i, s := range l.slots {
		var r byte
		if l.rep != nil {
			r = l.rep[i]
		}
		if l.def != nil && l.def[i] < l.maxDef {
			rep, def, slots = append(rep, r), append(def, l.def[i]), append(slots, 0)
			continue
		}
		from, to := c.list(int(s))
		if from == to {
			rep, def, slots = append(rep, r), append(def, l.maxDef), append(slots, 0)
			continue
		}
		for e := from; e < to; e++ {
			rep, def, slots = append(rep, r), append(def, out.maxDef), append(slots, uint32(e))
			r = out.maxRep
		}
	}
	b.rep[depth], b.def[depth], b.slot[depth] = rep, def, slots
	out.rep, out.def, out.slots = rep, def, slots
	return out
}

// values returns the slots of the entries that have a value.
func (b *buffers) values(l levels) []uint32 {
	if l.def == nil {
		return l.slots
	}
	vals := b.vals[:0]
	for i, s := range l.slots {
		if l.def[i] == l.maxDef {
			vals = append(vals, s)
		}
	}
	b.vals = vals
	return vals
}
