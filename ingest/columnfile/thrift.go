package columnfile

import "encoding/binary"

// thrift reads the compact protocol of Thrift, the form of Parquet's metadata.
type thrift struct {
	b  []byte
	at int
}

// The types of the protocol. A boolean's value is its type, but in lists.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

func (t *thrift) byte() byte {
	t.at++
	return t.b[t.at-1]
}

func (t *thrift) unsigned() uint64 {
	n, size := binary.Uvarint(t.b[t.at:])
	if size <= 0 {
		fail(ErrDamaged, "a number in its metadata does not end")
	}
	t.at += size
	return n
}

func (t *thrift) integer() int64 {
	n := t.unsigned()
	return int64(n>>1) ^ -int64(n&1)
}

func (t *thrift) bytes() []byte {
	n := t.unsigned()
	if n > uint64(len(t.b)-t.at) {
		fail(ErrDamaged, "a text in its metadata does not end")
	}
	t.at += int(n)
	return t.b[t.at-int(n) : t.at]
}

// list is how many elements of which type follow. An element has a byte at
// least.
func (t *thrift) list() (n int, typ byte) {
	head := t.byte()
	count := uint64(head >> 4)
	if count == 15 {
		count = t.unsigned()
	}
	if count > uint64(len(t.b)-t.at) {
		fail(ErrDamaged, "a list in its metadata does not end")
	}
	return int(count), head & 15
}

// fields calls f for each field of a struct. f says whether it has read the
// field; what it has not is passed over.
func (t *thrift) fields(f func(id int64, typ byte) bool) {
	id := int64(0)
	for {
		head := t.byte()
		if head == 0 {
			return
		}
		if step := int64(head >> 4); step > 0 {
			id += step
		} else {
			id = t.integer()
		}
		if typ := head & 15; !f(id, typ) {
			t.skip(typ, 0)
		}
	}
}

// structs calls f for each element of a list of structs, before its fields are
// read.
func (t *thrift) structs(typ byte, f func()) bool {
	if typ != thriftList {
		return false
	}
	n, of := t.list()
	if of != thriftStruct {
		fail(ErrDamaged, "its metadata has a list of something else")
	}
	for range n {
		f()
	}
	return true
}

// skip passes over a value.
func (t *thrift) skip(typ byte, depth int) {
	if depth > mostDepth {
		fail(ErrDamaged, "its metadata is too deep")
	}
	switch typ {
	case thriftTrue, thriftFalse:
	case thriftByte:
		t.byte()
	case thriftDouble:
		t.at += 8
	case thriftBinary:
		t.bytes()
	case thriftList, thriftSet:
		n, of := t.list()
		for range n {
			t.skipElement(of, depth+1)
		}
	case thriftMap:
		n := t.unsigned()
		if n == 0 {
			return
		}
		of := t.byte()
		for range n {
			t.skipElement(of>>4, depth+1)
			t.skipElement(of&15, depth+1)
		}
	case thriftStruct:
		for {
			head := t.byte()
			if head == 0 {
				return
			}
			if head>>4 == 0 {
				t.integer()
			}
			t.skip(head&15, depth+1)
		}
	default:
		t.unsigned()
	}
}

// skipElement passes over an element, whose boolean has a byte.
func (t *thrift) skipElement(typ byte, depth int) {
	if typ == thriftTrue || typ == thriftFalse {
		typ = thriftByte
	}
	t.skip(typ, depth)
}

// numbers reads a struct's whole numbers and booleans into what is named.
func (t *thrift) numbers(into map[int64]*int64) {
	t.fields(func(id int64, typ byte) bool {
		p := into[id]
		switch {
		case p == nil:
			return false
		case typ == thriftTrue || typ == thriftFalse:
			*p = int64(thriftFalse - typ)
		case typ == thriftByte:
			*p = int64(int8(t.byte()))
		case typ > thriftByte && typ < thriftDouble:
			*p = t.integer()
		default:
			return false
		}
		return true
	})
}
