package columnar

import (
	"bytes"
	"math"

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

// object reads the members of an object into the struct n. It is not a misfit: a
// member that does not fit goes to a column beside its own, or to unmapped.
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
			r, prev = b.member(k, slot, raw), &k.next
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
		return b.member(k, slot, raw)
	}
	if raw.to-raw.from != len(name)+2 || !exact {
		name = bytes.Clone(name) // it was decoded into scratch
	}
	if !s.colon() {
		return refuse
	}
	if exact {
		if k := b.spelled(n, name); k != nil {
			return b.member(k, slot, raw)
		}
	}
	if s.space() == 'n' {
		return b.scanned(s.literal("null"))
	}
	from := s.p
	b.path = append(b.path, raw)
	r := b.unknown(n, slot, name, exact, prev, strays)
	b.path = b.path[:len(b.path)-1]
	if r == fits && n == b.root {
		b.candidate(timePriority(b.timePlace, name), raw, span{from, s.p})
	}
	return r
}

// unknown reads the value of a key that has led to no column so far.
func (b *Batch) unknown(n *node, slot int, name []byte, exact bool, prev ***key, strays *strayKeys) outcome {
	from := b.s.p
	reason := tiers.MisfitName
	switch {
	case strays.has(b, name):
		return b.stray(from, tiers.MisfitRepeated)
	case !exact || !nameable(name):
	case n == b.root && bytes.EqualFold(name, []byte(tiers.ColStreamSubject)):
		return b.ownSubject(name, slot, from)
	case !b.roomFor(name):
		reason = tiers.MisfitLimit
	default:
		b.limited = false
		r := b.fresh(n, slot, string(name), prev)
		if r != misfit && r != vacant {
			return r
		}
		if _, is := b.kindHere(); r == vacant || is == misfit { // a number beyond all doubles
			reason = tiers.MisfitType
		}
		if b.limited {
			reason = tiers.MisfitLimit
		}
	}
	strays.add(b, name)
	return b.stray(from, reason)
}

// roomFor is false when a table with all its columns cannot know the key.
func (b *Batch) roomFor(name []byte) bool {
	return b.leaves < b.room || bytes.IndexByte(name, '.') >= 0
}

// member reads the value of a key that has a column.
func (b *Batch) member(k *key, slot int, raw span) outcome {
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
	} else if to.col.Kind == tiers.KindLong && to.seen != b.stamp && len(k.via) == 0 {
		if v, ok := s.whole(); ok {
			to.seen = b.stamp
			to.col.SetInt(slot, v)
			return fits
		}
	}
	b.path = append(b.path, raw)
	r := b.into(k, slot, c, s.p)
	b.path = b.path[:len(b.path)-1]
	return r
}

// into reads a value into a key's column, or beside it.
func (b *Batch) into(k *key, slot int, c byte, from int) outcome {
	if k.to.seen == b.stamp {
		return b.stray(from, tiers.MisfitRepeated)
	}
	k.to.seen = b.stamp
	before, nesting := b.moment(), b.s.nesting
	r := b.value(k.to, slot, c)
	if r == misfit || r == vacant {
		b.backTo(before)
		b.s.p, b.s.nesting = from, nesting
		return b.aside(k, slot, from)
	}
	if r == fits {
		k.reach(slot)
		if k.aside {
			b.note(tiers.MisfitBeside, k.to)
		}
	}
	return r
}

// reach makes the structs on the way to a key's column present.
func (k *key) reach(slot int) {
	for _, n := range k.via {
		n.col.SetStruct(slot)
	}
}

// aside reads the value at from, which does not fit the key's column, into the
// one beside it for values of its kind, or keeps it for unmapped.
func (b *Batch) aside(k *key, slot, from int) outcome {
	before, nesting := b.moment(), b.s.nesting
	b.limited = false
	r := b.sideways(k.to, slot, k.role == baseKey)
	switch r {
	case refuse:
		return refuse
	case fits:
		k.reach(slot)
		return fits
	}
	b.backTo(before)
	b.s.nesting = nesting
	reason := tiers.MisfitType
	if b.limited {
		reason = tiers.MisfitLimit
	}
	return b.stray(from, reason)
}

// sideways reads the value at hand into the column beside of. reserved: it is
// no value of of, whatever its type.
func (b *Batch) sideways(of *node, slot int, reserved bool) outcome {
	kind, r := b.kindHere()
	if r != fits {
		return r
	}
	if kind == of.col.Kind && kind != tiers.KindList && !reserved {
		return misfit
	}
	n := b.besideFor(of, kind)
	if n == nil || n.seen == b.stamp {
		return misfit
	}
	n.seen = b.stamp
	b.note(tiers.MisfitBeside, n)
	r = b.value(n, slot, b.s.buf[b.s.p])
	if r == fits && n.blank() {
		r = vacant
	}
	return r
}

// beside reads the value of a key at the top that was passed over before, and
// is not its column's after all.
func (b *Batch) beside(name, value span) outcome {
	end := b.s.p
	b.s.p = value.from
	b.path = append(b.path, name)
	r := b.aside(b.root.keys[tiers.ColTime], b.t.N, value.from)
	b.path = b.path[:len(b.path)-1]
	b.s.p = end
	return r
}

// special reads a member whose key is more than a column's name: it may be the
// event's time, have a name that belongs to Lakeward, or be spelled otherwise
// than the column.
func (b *Batch) special(k *key, slot int, raw span) outcome {
	s := &b.s
	from := s.p
	b.path = append(b.path, raw)
	var r outcome
	switch {
	case k.role != plainKey && k.to.seen == b.stamp:
		r = b.stray(from, tiers.MisfitRepeated)
	case k.role == timeKey:
		// Whether it is the time is known at the end of the event.
		k.to.seen = b.stamp
		v, ok := s.skip()
		b.timeRaw, b.timeKey = v, raw
		r = b.scanned(ok)
	case k.role == baseKey:
		r = b.reserved(k, slot, from)
	default:
		if k.role == caseKey {
			b.note(tiers.MisfitCase, k.to)
		}
		r = b.into(k, slot, s.space(), from)
	}
	b.path = b.path[:len(b.path)-1]
	if r == fits {
		b.candidate(k.prio, raw, span{from, s.p})
	}
	return r
}

// reserved reads a member whose name is that of a column of Lakeward's own.
func (b *Batch) reserved(k *key, slot, from int) outcome {
	if k.to.col == b.id && k.name != tiers.ColOwnEventID && b.giveWay() {
		var none *key
		prev := &none
		r := b.fresh(b.root, slot, k.name, &prev)
		if r != misfit && r != vacant {
			return r
		}
		return b.stray(from, tiers.MisfitType)
	}
	k.to.seen = b.stamp
	return b.aside(k, slot, from)
}

// ownSubject reads an event's own field of the name of the column
// stream_subject, which there is not yet.
func (b *Batch) ownSubject(name []byte, slot, from int) outcome {
	b.subjectNode()
	k := b.root.keys[string(name)]
	if k == nil {
		k = b.spelled(b.root, name)
	}
	return b.reserved(k, slot, from)
}

// fresh reads a value for which there is no column yet, and makes the column.
// After a misfit, or if nothing in it tells a type, it stays unread.
func (b *Batch) fresh(n *node, slot int, name string, prev ***key) outcome {
	s := &b.s
	before, from, nesting := b.moment(), s.p, s.nesting
	kind, r := b.kindHere()
	if r != fits {
		return r
	}
	k := b.grow(n, name, kind)
	switch {
	case k == nil:
		r = misfit
	case len(b.created) == before.created:
		k.link(prev) // a path with dots to a column that is there
		return b.into(k, slot, s.buf[from], from)
	default:
		k.to.seen = b.stamp
		r = b.value(k.to, slot, s.buf[from])
		if r == fits && k.to.blank() {
			r = vacant
		}
	}
	if r == misfit || r == vacant {
		b.vacancy = b.vacancy || r == vacant && b.inList > 0
		b.backTo(before)
		s.p, s.nesting = from, nesting
		return r
	}
	if r == fits {
		if k.aside {
			b.note(tiers.MisfitBeside, k.to)
		}
		k.reach(slot)
		k.link(prev)
	}
	return r
}

// link makes k the key that is expected after the one at prev.
func (k *key) link(prev ***key) {
	k.next, **prev = **prev, k
	*prev = &k.next
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
	case n.huge:
		return 0, misfit
	}
	return tiers.KindDouble, fits
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
