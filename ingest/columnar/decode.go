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
