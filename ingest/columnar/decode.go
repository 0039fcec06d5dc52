package columnar

import (
	"bytes"

	"github.com/lakeward/lakeward/tiers"
)

// outcome of reading a value into a column.
type outcome uint8

const (
	fits   outcome = iota
	misfit         // the value is well-formed as far as it was read, but not the column's
	vacant         // the value was read, and nothing in it tells a type: [], {}, [null]
	refuse         // the event is: see scanner.fault
)

func (b *Batch) scanned(ok bool) outcome {
	if ok {
		return fits
	}
	return refuse
}

// object reads the members of an object into the struct n. Within a list one
// member that does not fit makes the whole list a misfit; elsewhere the member
// goes to unmapped.
func (b *Batch) object(n *node, slot int) outcome {
	s := &b.s
	if !s.enter() {
		return refuse
	}
	if s.space() == '}' {
		return b.scanned(s.leave())
	}
	strays := strayKeys{from: len(b.strayed)}
	prev := &n.first
	for {
		if s.space() != '"' {
			s.fail("not JSON: a key is missing")
			return refuse
		}
		var r outcome
		if k := b.predicted(*prev); k != nil {
			raw := span{s.p, s.p + len(k.token)}
			s.p = raw.to
			if !s.colon() {
				return refuse
			}
			r, prev = b.member(n, k, slot, raw), &k.next
		} else {
			r = b.lookup(n, slot, &prev, &strays)
		}
		more := false
		if r == fits {
			var ok bool
			more, ok = s.comma('}')
			r = b.scanned(ok)
		}
		if !more {
			b.strayed = b.strayed[:strays.from]
			return r
		}
	}
}

// predicted returns the key at p if it is the one expected, or the one after.
func (b *Batch) predicted(k *key) *key {
	for range 2 {
		if k == nil {
			return nil
		}
		to := b.s.p + len(k.token)
		if to <= len(b.s.buf) && string(b.s.buf[b.s.p:to]) == k.token {
			return k
		}
		k = k.next
	}
	return nil
}

// lookup reads a member whose key was not predicted.
func (b *Batch) lookup(n *node, slot int, prev ***key, strays *strayKeys) outcome {
	s := &b.s
	name, raw, exact, ok := s.str()
	if !ok {
		return refuse
	}
	if k := n.keys[string(name)]; k != nil && exact {
		if !s.colon() {
			return refuse
		}
		if **prev == nil || **prev != k {
			**prev = k
		}
		*prev = &k.next
		return b.member(n, k, slot, raw)
	}
	if raw.to-raw.from != len(name)+2 || !exact {
		name = bytes.Clone(name) // it was decoded into scratch
	}
	if !s.colon() {
		return refuse
	}
	if s.space() == 'n' {
		return b.scanned(s.literal("null"))
	}
	from := s.p
	b.path = append(b.path, raw)
	r := misfit
	again := strays.has(b, name)
	if !again && exact && nameable(name) && b.room(name) {
		r = b.fresh(n, slot, string(name), prev)
	}
	if r == misfit {
		if b.inList == 0 {
			strays.add(b, name)
		}
		r = b.stray(from, again)
	}
	b.path = b.path[:len(b.path)-1]
	if r == fits && n == b.root {
		b.candidate(timePriority(b.timePlace, name), raw, span{from, s.p})
	}
	return r
}

// room is false when a table with all its columns cannot know the key.
func (b *Batch) room(name []byte) bool {
	return b.leaves < b.o.Limits.MaxColumns || bytes.IndexByte(name, '.') >= 0
}

// member reads the value of a key that has a column.
func (b *Batch) member(n *node, k *key, slot int, raw span) outcome {
	s := &b.s
	c := s.space()
	if c == 'n' {
		return b.scanned(s.literal("null"))
	}
	if k.prio|uint8(k.role) != 0 {
		return b.special(k, slot, raw)
	}
	if to := k.to; c == '"' && to.col.Kind == tiers.KindString && to.seen != b.stamp && len(k.via) == 0 {
		// Most values are strings: no detour for them.
		from := s.p
		text, _, exact, ok := s.str()
		if !ok {
			return refuse
		}
		if exact {
			to.seen = b.stamp
			to.col.SetBytes(slot, text)
			return fits
		}
		s.p = from
	}
	b.path = append(b.path, raw)
	r := b.into(k, slot, c, s.p)
	b.path = b.path[:len(b.path)-1]
	return r
}

// into reads a value into a key's column, or strays.
func (b *Batch) into(k *key, slot int, c byte, from int) outcome {
	if k.to.seen == b.stamp {
		return b.stray(from, true)
	}
	k.to.seen = b.stamp
	nesting := b.s.nesting
	r := b.value(k.to, slot, c)
	if r == fits {
		for _, n := range k.via {
			n.col.SetStruct(slot)
		}
		return fits
	}
	if r == refuse {
		return refuse
	}
	b.s.nesting = nesting
	return b.stray(from, false)
}

// special reads a member at the top that may be the event's time, or has a
// name that belongs to Lakeward.
func (b *Batch) special(k *key, slot int, raw span) outcome {
	s := &b.s
	from := s.p
	b.path = append(b.path, raw)
	var r outcome
	switch {
	case k.role != plainKey && k.to.seen == b.stamp:
		r = b.stray(from, true)
	case k.role == timeKey:
		// Whether it is the time is known at the end of the event.
		k.to.seen = b.stamp
		v, ok := s.skip()
		b.timeRaw, b.timeKey = v, raw
		r = b.scanned(ok)
	case k.role == baseKey:
		k.to.seen = b.stamp
		r = b.stray(from, false)
	default:
		r = b.into(k, slot, s.buf[from], from)
	}
	b.path = b.path[:len(b.path)-1]
	if r == fits {
		b.candidate(k.prio, raw, span{from, s.p})
	}
	return r
}

// fresh reads a value for which there is no column yet, and makes the column.
func (b *Batch) fresh(n *node, slot int, name string, prev ***key) outcome {
	s := &b.s
	created, strays, paths := len(b.created), len(b.strays), len(b.paths)
	from, nesting := s.p, s.nesting
	kind, r := b.kindHere()
	if r != fits {
		return r
	}
	k := b.grow(n, name, kind)
	if k != nil && k.to.seen != b.stamp {
		k.to.seen = b.stamp
		r = b.value(k.to, slot, s.buf[from])
		if r == fits && k.to.blank() {
			r = vacant
		}
	} else {
		r = misfit
	}
	if r != fits {
		b.uncreate(created)
		b.strays, b.paths = b.strays[:strays], b.paths[:paths]
		if r == vacant && b.inList > 0 {
			b.vacancy = true
			return fits
		}
		s.p, s.nesting = from, nesting
		if r == vacant {
			r = misfit
		}
		return r
	}
	for _, m := range k.via {
		m.col.SetStruct(slot)
	}
	k.next, **prev = **prev, k
	*prev = &k.next
	return fits
}

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
	case n.exact:
		return tiers.KindDouble, fits
	}
	return 0, misfit
}

// value reads the value at p, which begins with c, into the column of n. After
// a misfit the position has no meaning.
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
	if n.col.Kind == tiers.KindLong {
		if v.isLong {
			n.col.SetInt(slot, v.long)
			return fits
		}
		if !v.exact {
			return misfit
		}
		if !n.known && n.col.Widen() {
			n.col.SetDouble(slot, v.double)
			return fits
		}
		if whole := int64(v.double); float64(whole) == v.double && whole != 0 && whole > -1<<53 && whole < 1<<53 {
			n.col.SetInt(slot, whole)
			return fits
		}
		return misfit
	}
	if !v.exact {
		return misfit
	}
	n.col.SetDouble(slot, v.double)
	return fits
}

// list reads an array. The outermost list takes everything back if a value
// within does not fit.
func (b *Batch) list(n *node, slot int) outcome {
	if b.inList > 0 {
		return b.elements(n, slot)
	}
	from, nesting, created := b.s.p, b.s.nesting, len(b.created)
	r := b.outermost(n, slot)
	if r == fits && b.vacancy && len(b.created) > created {
		// What told nothing at first may be known by what followed.
		b.s.p, b.s.nesting = from, nesting
		n.col.Truncate(slot)
		r = b.outermost(n, slot)
	}
	switch {
	case r == misfit || r == vacant:
		b.uncreate(created)
		n.col.Truncate(slot)
	case r == fits && b.vacancy:
		b.strayAt(b.path, span{from, b.s.p}, false)
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
	first, count := n.col.BeginList(slot), 0
	more := s.space() != ']'
	if !more {
		s.leave()
	}
	for more {
		var r outcome
		if c := s.space(); c == 'n' {
			r = b.scanned(s.literal("null"))
		} else {
			r = b.element(n, first+count, c)
		}
		if r != fits {
			return r
		}
		count++
		var ok bool
		if more, ok = s.comma(']'); !ok {
			return refuse
		}
	}
	n.col.EndList(count)
	if n.elem == nil {
		return vacant
	}
	return fits
}

func (b *Batch) element(n *node, slot int, c byte) outcome {
	created := len(b.created)
	if n.elem == nil {
		kind, r := b.kindHere()
		if r != fits {
			return r
		}
		if b.create(n, "element", kind) == nil {
			return misfit
		}
	}
	outer := b.stamp
	b.stamps++
	b.stamp = b.stamps
	r := b.value(n.elem, slot, c)
	b.stamp = outer
	if r == vacant || (r == fits && n.elem.blank()) {
		b.uncreate(created)
		b.vacancy = true
		return fits
	}
	return r
}

// blank reports whether n is a struct without members, which no file can hold.
func (n *node) blank() bool { return n.keys != nil && len(n.members) == 0 }

// stray keeps the value that begins at from for unmapped.
func (b *Batch) stray(from int, again bool) outcome {
	if b.inList > 0 {
		return misfit
	}
	b.s.p = from
	v, ok := b.s.skip()
	if !ok {
		return refuse
	}
	b.strayAt(b.path, v, again)
	return fits
}
