package mapping

import (
	"bytes"
	"cmp"
	"slices"
)

// unmapped writes what is left of the raw event as the member unmapped: all of
// it but the values that have moved, each at its own path.
func (x *Mapper) unmapped() {
	slices.SortFunc(x.moved, func(a, b move) int { return cmp.Compare(x.at[a.slot].start, x.at[b.slot].start) })
	before := len(x.out)
	x.out = append(x.out, `,"unmapped":`...)
	from := len(x.out)
	p := x.space(0)
	for _, m := range x.moved {
		at := x.at[m.slot]
		if at.start < p {
			continue // it stood within a value that has moved
		}
		x.out = append(x.out, x.event[p:at.start]...)
		if at.element {
			x.out = append(x.out, "null"...)
			p = at.to
			continue
		}
		p = x.dropMember(at.to, from)
	}
	x.out = append(x.out, x.event[p:]...)
	if len(bytes.TrimSpace(x.out[from:])) <= len(`{}`) {
		x.out = x.out[:before]
	}
}

// dropMember closes the gap that a member has left which ended at p: its comma
// goes, and an object that is empty now goes from its own. It returns where the
// event goes on.
func (x *Mapper) dropMember(p, from int) int {
	for {
		if p = x.space(p); p < len(x.event) && x.event[p] == ',' {
			return x.space(p + 1)
		}
		x.out = bytes.TrimRight(x.out, " \t\r\n")
		last := len(x.out) - 1
		if x.out[last] == ',' {
			x.out = x.out[:last]
			return p
		}
		// Nothing stands before it in its object, and nothing behind.
		if last <= from || x.out[last] != '{' || p >= len(x.event) || x.event[p] != '}' {
			return p
		}
		x.out = bytes.TrimRight(x.out[:last], " \t\r\n")
		p++
		if c := x.out[len(x.out)-1]; c != ':' {
			x.out = append(x.out, "null"...) // an element keeps its place
			return p
		}
		x.dropKey()
	}
}

// dropKey takes the key and colon away with which out ends.
func (x *Mapper) dropKey() {
	x.out = bytes.TrimRight(x.out[:len(x.out)-1], " \t\r\n")
	for i := len(x.out) - 2; i >= 0; i-- {
		if x.out[i] != '"' {
			continue
		}
		n := 0
		for i-1-n >= 0 && x.out[i-1-n] == '\\' {
			n++
		}
		if n%2 == 0 {
			x.out = x.out[:i]
			return
		}
	}
}
