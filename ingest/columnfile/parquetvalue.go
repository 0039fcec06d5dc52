package columnfile

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
)

const (
	repetitionOptional = 1
	repetitionRepeated = 2
)

// The physical types of Parquet.
const (
	parquetBool = iota
	parquetInt32
	parquetInt64
	parquetInt96
	parquetFloat
	parquetDouble
	parquetBytes
	parquetFixed
)

// What a column's values stand for: the numbers of LogicalType.
const (
	logicalString    = 1
	logicalMap       = 2
	logicalList      = 3
	logicalEnum      = 4
	logicalDecimal   = 5
	logicalDate      = 6
	logicalTime      = 7
	logicalTimestamp = 8
	logicalInteger   = 10
	logicalJSON      = 12
	logicalUUID      = 14
	logicalHalf      = 15
	logicalInterval  = 100 // of ConvertedType alone
)

// parquetNode is a column, or what columns are in. Of a leaf it holds the values
// of the row group at hand.
type parquetNode struct {
	name string
	key  []byte

	typ, length, repetition, children, converted, logical, scale, bits, signed, unit int64

	utc      bool
	def, rep int // greatest levels
	kids     []*parquetNode
	first    *parquetNode // leaf
	list     bool         // of a group: its kid is a list's elements
	mapped   bool         // of a group: its kid is a map's keys and values
	bare     bool         // of a repeated group: its kid is the element

	defs, reps []byte   // levels of each entry; reps may be empty: all are 0
	ints       []uint64 // values of up to 8 bytes
	texts      [][]byte // of others
	at, value  int      // next entry, and next value
}

// settle completes a leaf: an older writer says what values stand for by
// ConvertedType.
func (n *parquetNode) settle() {
	if n.typ < parquetBool || n.typ > parquetFixed {
		fail(ErrDamaged, "column %s is of type %d, which is not known", n.name, n.typ)
	}
	if n.logical != 0 {
		return
	}
	switch n.converted {
	case 0, 4, 19:
		n.logical = logicalString
	case 5:
		n.logical = logicalDecimal
	case 6:
		n.logical = logicalDate
	case 7, 8:
		n.logical, n.unit = logicalTime, []int64{millis, micros}[n.converted-7]
	case 9, 10:
		n.logical, n.unit, n.utc = logicalTimestamp, []int64{millis, micros}[n.converted-9], true
	case 11, 12, 13, 14:
		n.logical = logicalInteger
	case 21:
		n.logical = logicalInterval
	}
}

// shape tells a list and a map, by the rules of the format for what older
// writers made of them.
func (n *parquetNode) shape() {
	inner := n.kids[0]
	if len(n.kids) != 1 || inner.repetition != repetitionRepeated {
		return
	}
	switch {
	case n.logical == logicalList || n.logical == 0 && n.converted == 3:
		n.list = true
		inner.bare = len(inner.kids) == 1 && inner.name != "array" && inner.name != n.name+"_tuple"
	case (n.logical == logicalMap || n.logical == 0 && (n.converted == 1 || n.converted == 2)) && len(inner.kids) == 2:
		n.mapped = true
	}
}

// members appends the columns in a group to an object.
func (n *parquetNode) members(r *parquetReader, dst []byte) []byte {
	for _, kid := range n.kids {
		had := len(dst)
		dst = append(comma(dst), kid.key...)
		var ok bool
		if dst, ok = kid.any(r, dst); !ok {
			dst = dst[:had]
		}
	}
	return dst
}

// any appends the node's value; ok is false if it is null, and nothing is
// appended.
func (n *parquetNode) any(r *parquetReader, dst []byte) (_ []byte, ok bool) {
	if n.repetition == repetitionRepeated {
		return n.elements(r, append(dst, '[')), true
	}
	return n.one(r, dst)
}

// elements appends those of a repeated node, and the end of the array.
func (n *parquetNode) elements(r *parquetReader, dst []byte) []byte {
	n.each(r, dst, func() {
		of := n
		if n.bare {
			of = n.kids[0]
		}
		dst = comma(dst)
		var ok bool
		if n.bare {
			dst, ok = of.any(r, dst)
		} else {
			dst, ok = of.one(r, dst)
		}
		if !ok {
			dst = append(dst, "null"...)
		}
	})
	return append(dst, ']')
}

// each calls f for each occurrence of a repeated node.
func (n *parquetNode) each(r *parquetReader, dst []byte, f func()) {
	if n.first.level() < n.def {
		n.pass(r, dst)
		return
	}
	for more := true; more; more = n.first.at < len(n.first.defs) && n.first.repeats() == n.rep {
		f()
	}
}

// level is how much of the path to the next entry is there.
func (n *parquetNode) level() int { return int(n.defs[n.at]) }

// repeats is which list the next entry goes on with.
func (n *parquetNode) repeats() int {
	if len(n.reps) == 0 {
		return 0
	}
	return int(n.reps[n.at])
}

// pass moves all leaves below past an entry: there is nothing.
func (n *parquetNode) pass(r *parquetReader, dst []byte) {
	r.visit(dst)
	if len(n.kids) == 0 {
		_ = n.level()
		n.at++
	}
	for _, kid := range n.kids {
		kid.pass(r, dst)
	}
}

// one appends a value that is not repeated, or one of those that are.
func (n *parquetNode) one(r *parquetReader, dst []byte) (_ []byte, ok bool) {
	r.visit(dst)
	if n.first.level() < n.def {
		n.pass(r, dst)
		return dst, false
	}
	switch {
	case len(n.kids) == 0:
		n.at++
		return n.scalar(dst), true
	case n.list:
		return n.kids[0].elements(r, append(dst, '[')), true
	case n.mapped:
		dst = append(dst, '{')
		inner := n.kids[0]
		inner.each(r, dst, func() { dst = inner.entry(r, dst) })
	default:
		dst = n.members(r, append(dst, '{'))
	}
	return append(dst, '}'), true
}

// entry appends an entry of a map.
func (n *parquetNode) entry(r *parquetReader, dst []byte) []byte {
	key, ok := n.kids[0].any(r, nil)
	if !ok {
		fail(ErrDamaged, "a map has a key that is null")
	}
	had := len(dst)
	if dst, ok = n.kids[1].any(r, appendKey(comma(dst), key)); !ok {
		dst = dst[:had]
	}
	return dst
}

// scalar appends the leaf's next value.
func (n *parquetNode) scalar(dst []byte) []byte {
	i := n.value
	n.value++
	switch n.typ {
	case parquetBool:
		return strconv.AppendBool(dst, n.ints[i] != 0)
	case parquetInt32:
		return n.integer(dst, int64(int32(n.ints[i])), uint64(uint32(n.ints[i])))
	case parquetInt64:
		return n.integer(dst, int64(n.ints[i]), n.ints[i])
	case parquetFloat:
		return appendFloat(dst, float64(math.Float32frombits(uint32(n.ints[i]))), 32)
	case parquetDouble:
		return appendFloat(dst, math.Float64frombits(n.ints[i]), 64)
	case parquetInt96:
		b := n.texts[i]
		const unixEpoch = 2440588 // as a Julian day
		days := int64(binary.LittleEndian.Uint32(b[8:])) - unixEpoch
		sec, nano := split(int64(binary.LittleEndian.Uint64(b)), nanos)
		return appendInstant(dst, days*86400+sec, nano, true)
	}
	return n.binary(dst, n.texts[i])
}

func (n *parquetNode) integer(dst []byte, v int64, unsigned uint64) []byte {
	switch n.logical {
	case logicalDecimal:
		return appendDecimal(dst, big.NewInt(v), int(n.scale))
	case logicalDate:
		return appendDate(dst, v)
	case logicalTime:
		return appendTimeOfDay(dst, v, max(n.unit, 1))
	case logicalTimestamp:
		return appendTimestamp(dst, v, max(n.unit, 1), n.utc)
	case logicalInteger:
		if n.signed == 0 {
			return strconv.AppendUint(dst, unsigned, 10)
		}
	}
	return strconv.AppendInt(dst, v, 10)
}

func (n *parquetNode) binary(dst, b []byte) []byte {
	switch {
	case n.logical == logicalJSON:
		return appendJSON(dst, b)
	case n.isString():
		return appendText(dst, b)
	case n.logical == logicalDecimal && len(b) <= mostDecimal:
		return appendDecimal(dst, bigOf(b), int(n.scale))
	case n.logical == logicalUUID && len(b) == 16:
		h := hex.EncodeToString(b)
		return appendText(dst, []byte(strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")))
	case n.logical == logicalHalf && len(b) == 2:
		return appendHalf(dst, binary.LittleEndian.Uint16(b))
	case n.logical == logicalInterval && len(b) == 12:
		for i, name := range []string{`{"months":`, `,"days":`, `,"milliseconds":`} {
			dst = strconv.AppendUint(append(dst, name...), uint64(binary.LittleEndian.Uint32(b[4*i:])), 10)
		}
		return append(dst, '}')
	}
	return appendBase64(dst, b)
}

// appendJSON appends text that is JSON as what it says, without line breaks.
func appendJSON(dst, text []byte) []byte {
	var compact bytes.Buffer
	if json.Compact(&compact, text) != nil {
		return appendText(dst, text)
	}
	return append(dst, compact.Bytes()...)
}
