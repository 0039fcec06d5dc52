package columnar

import (
	"math"

	"github.com/lakeward/lakeward/tiers"
)

// kindHere infers the type of the value at p, which stays there.
func (b *Batch) kindHere() (tiers.Kind, outcome) {
	s := &b.s
	switch s.space() {
	case '{':
		return tiers.KindStruct, fits
	case '[':
		return tiers.KindList, fits
	case '"':
		return tiers.KindString, fits
	case 't', 'f':
		return tiers.KindBool, fits
	}
	from := s.p
	n, ok := s.number()
	s.p = from
	switch {
	case !ok:
		return 0, refuse
	case n.isLong:
		return tiers.KindLong, fits
	case n.huge:
		return 0, misfit
	}
	return tiers.KindDouble, fits
}

// value reads the value at p, which begins with c, into the column of n. After
// a misfit the position is undefined.
func (b *Batch) value(n *node, slot int, c byte) outcome {
	switch n.col.Kind {
	case tiers.KindStruct:
		if c != '{' {
			return misfit
		}
		n.col.SetStruct(slot)
		return b.object(n, slot)
	case tiers.KindList:
		if c != '[' {
			return misfit
		}
		return b.list(n, slot)
	case tiers.KindString:
		if c != '"' {
			return misfit
		}
		text, _, exact, ok := b.s.str()
		if !ok {
			return refuse
		}
		if !exact {
			return misfit
		}
		n.col.SetBytes(slot, text)
		return fits
	case tiers.KindLong, tiers.KindDouble:
		return b.numeric(n, slot, c)
	case tiers.KindBool:
		switch c {
		case 't':
			n.col.SetBool(slot, true)
			return b.scanned(b.s.literal("true"))
		case 'f':
			n.col.SetBool(slot, false)
			return b.scanned(b.s.literal("false"))
		}
		return misfit
	default:
		return b.declared(n, slot, c)
	}
}

func (b *Batch) numeric(n *node, slot int, c byte) outcome {
	if c != '-' && c-'0' > 9 {
		return misfit
	}
	v, ok := b.s.number()
	if !ok {
		return refuse
	}
	switch {
	case v.isLong && n.col.Kind == tiers.KindLong:
		n.col.SetInt(slot, v.long)
		return fits
	case v.huge:
		return misfit
	case n.col.Kind == tiers.KindLong && (n.known || !n.col.Widen()):
		whole := int64(v.double)
		if !v.exact || float64(whole) != v.double || whole <= -1<<53 || whole >= 1<<53 {
			return misfit
		}
		n.col.SetInt(slot, whole)
		if whole == 0 && math.Signbit(v.double) {
			b.digits(v)
		}
		return fits
	}
	n.col.SetDouble(slot, v.double)
	if !v.exact {
		b.digits(v)
	}
	return fits
}

// digits keeps the text of a number that the column holds only nearly.
func (b *Batch) digits(v number) { b.strayAt(b.path, v.raw, tiers.MisfitDigits) }

// list reads an array. What does not fit in it is null in its place, and in
// unmapped; if nothing in it fits, it is a misfit as a whole.
func (b *Batch) list(n *node, slot int) outcome {
	from, nesting, before := b.s.p, b.s.nesting, b.moment()
	var r outcome
	if b.inList > 0 {
		r = b.elements(n, slot)
	} else {
		r = b.outermost(n, slot)
	}
	if b.inList == 0 && r == fits && b.vacancy && len(b.created) > before.created {
		// What told nothing at first may be known by what followed.
		b.s.p, b.s.nesting = from, nesting
		b.strays, b.paths, b.noted = b.strays[:before.strays], b.paths[:before.paths], b.noted[:before.noted]
		n.col.Truncate(slot)
		r = b.outermost(n, slot)
	}
	if r == misfit || r == vacant {
		b.backTo(before)
		n.col.Truncate(slot)
	}
	return r
}

func (b *Batch) outermost(n *node, slot int) outcome {
	b.vacancy = false
	b.inList++
	r := b.elements(n, slot)
	b.inList--
	return r
}

func (b *Batch) elements(n *node, slot int) outcome {
	s := &b.s
	if !s.enter() {
		return refuse
	}
	first, count, good, bad := n.col.BeginList(slot), 0, 0, 0
	more := s.space() != ']'
	if !more {
		s.leave()
	}
	b.path = append(b.path, span{})
	for more {
		b.path[len(b.path)-1] = span{elementAt, count}
		var r outcome
		c := s.space()
		if c == 'n' {
			r = b.scanned(s.literal("null"))
		} else {
			r = b.element(n, first+count, c)
		}
		switch {
		case r == refuse:
			return r
		case r == misfit:
			bad++
		case r == fits && c != 'n':
			good++
		}
		count++
		var ok bool
		if more, ok = s.comma(']'); !ok {
			return refuse
		}
	}
	b.path = b.path[:len(b.path)-1]
	n.col.EndList(count)
	switch {
	case good == 0 && bad > 0:
		return misfit
	case n.elem == nil:
		return vacant
	}
	return fits
}

// element reads one element of the list n. A misfit is in unmapped then.
func (b *Batch) element(n *node, slot int, c byte) outcome {
	before, from, nesting := b.moment(), b.s.p, b.s.nesting
	b.limited = false
	r := b.elementValue(n, slot, c)
	if r == fits || r == refuse {
		return r
	}
	b.backTo(before)
	if n.elem != nil {
		n.elem.col.Truncate(slot)
	}
	b.vacancy = b.vacancy || r == vacant
	reason := tiers.MisfitType
	if b.limited {
		reason = tiers.MisfitLimit
	}
	b.s.nesting = nesting
	if b.stray(from, reason) == refuse {
		return refuse
	}
	return r
}

func (b *Batch) elementValue(n *node, slot int, c byte) outcome {
	if n.elem == nil {
		kind, r := b.kindHere()
		if r != fits {
			return r
		}
		if b.create(n, tiers.Field{Name: "element", Type: tiers.Type{Kind: kind}}) == nil {
			return misfit
		}
	}
	outer := b.stamp
	b.stamps++
	b.stamp = b.stamps
	r := b.value(n.elem, slot, c)
	b.stamp = outer
	if r == fits && n.elem.blank() {
		r = vacant
	}
	return r
}

// blank reports whether n is a struct without members, which no file can hold.
func (n *node) blank() bool { return n.keys != nil && len(n.members) == 0 }

// stray keeps the value that begins at from for unmapped.
func (b *Batch) stray(from int, reason tiers.MisfitReason) outcome {
	b.s.p = from
	v, ok := b.s.skip()
	if !ok {
		return refuse
	}
	b.strayAt(b.path, v, reason)
	return fits
}
