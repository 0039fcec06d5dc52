package columnar

import (
	"github.com/lakeward/lakeward/tiers"
)

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
	case b.o.Mapped && k.to.col == b.rest && s.space() == '{':
		k.to.seen = b.stamp
		v, ok := s.skip()
		b.left = v
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
