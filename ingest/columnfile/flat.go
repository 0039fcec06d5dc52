package columnfile

import "encoding/binary"

// flat is a table of a flatbuffer, the form of Arrow's metadata. Its offsets
// are whatever somebody wrote: an index that they lead out of b is an error.
type flat struct {
	b  []byte
	at int
}

func flatRoot(b []byte) flat { return flat{b, int(binary.LittleEndian.Uint32(b))} }

// field is where the nth field of the table stands; 0 if it is left out.
func (t flat) field(n int) int {
	vtable := t.at - int(int32(binary.LittleEndian.Uint32(t.b[t.at:])))
	size := int(binary.LittleEndian.Uint16(t.b[vtable:]))
	if 4+2*n+2 > size {
		return 0
	}
	o := int(binary.LittleEndian.Uint16(t.b[vtable+4+2*n:]))
	if o == 0 {
		return 0
	}
	return t.at + o
}

// byte is 0 if it is left out.
func (t flat) byte(n int) byte {
	if p := t.field(n); p != 0 {
		return t.b[p]
	}
	return 0
}

// unit is the first field of many types.
func (t flat) unit(absent int) int {
	if p := t.field(0); p != 0 {
		return int(int16(binary.LittleEndian.Uint16(t.b[p:])))
	}
	return absent
}

func (t flat) int(n, absent int) int {
	if p := t.field(n); p != 0 {
		return int(int32(binary.LittleEndian.Uint32(t.b[p:])))
	}
	return absent
}

func (t flat) long(n int) int64 {
	if p := t.field(n); p != 0 {
		return int64(binary.LittleEndian.Uint64(t.b[p:]))
	}
	return 0
}

// indirect is where the field's offset leads.
func (t flat) indirect(n int) int {
	p := t.field(n)
	if p == 0 {
		return 0
	}
	return p + int(binary.LittleEndian.Uint32(t.b[p:]))
}

func (t flat) table(n int) (of flat, ok bool) {
	p := t.indirect(n)
	return flat{t.b, p}, p != 0
}

// need is a table that must not be left out.
func (t flat) need(n int, what string) flat {
	of, ok := t.table(n)
	if !ok {
		fail(ErrDamaged, "%s is missing", what)
	}
	return of
}

// vector is the elements of a vector, each of size bytes.
func (t flat) vector(n, size int) (elements []byte, count int) {
	p := t.indirect(n)
	if p == 0 {
		return nil, 0
	}
	count = int(binary.LittleEndian.Uint32(t.b[p:]))
	return t.b[p+4:][:count*size], count
}

func (t flat) bytes(n int) []byte {
	b, _ := t.vector(n, 1)
	return b
}

// tables are the tables of a vector of them.
func (t flat) tables(n int) []flat {
	p := t.indirect(n)
	_, count := t.vector(n, 4)
	if count > mostFields {
		fail(ErrTooMuch, "it has more than %d columns", mostFields)
	}
	out := make([]flat, count)
	for i := range out {
		e := p + 4 + 4*i
		out[i] = flat{t.b, e + int(binary.LittleEndian.Uint32(t.b[e:]))}
	}
	return out
}
