package columnar

import (
	"bytes"
	"strings"
	"time"

	"github.com/lakeward/lakeward/tiers"
)

// repeatedKey holds, in an object of unmapped, the later values of keys that
// stood in that object before: [{"key": value}, ...]. No column has its name,
// so that it cannot be taken for a struct's.
const (
	repeatedName = "$repeated"
	repeatedKey  = `"` + repeatedName + `"`
)

// strayed is a value that has no column, or not only one.
type strayed struct {
	from, to int // its path in Batch.paths
	value    span
	again    bool // its key stood there before
}

// An element of a list is in a path as the span {elementAt, its index}.
const elementAt = -1

// strayAt keeps a value under the keys of path. No reason: it is not a misfit.
func (b *Batch) strayAt(path []span, value span, reason tiers.MisfitReason) {
	again := reason == tiers.MisfitRepeated
	if key := path[len(path)-1]; key.from != elementAt && string(b.s.text(key)) == repeatedKey {
		again = true // or it would stand in the place of ours
	}
	from := len(b.paths)
	b.paths = append(b.paths, path...)
	b.strays = append(b.strays, strayed{from, len(b.paths), value, again})
	if reason != "" {
		b.noted = append(b.noted, noted{from, len(b.paths), reason, nil})
	}
}

// noted is a misfit of the event that is being read.
type noted struct {
	from, to int // its path in Batch.paths
	reason   tiers.MisfitReason
	column   *node // nil: unmapped, or that of the path
}

// note remembers a misfit at the path at hand, which is in a column.
func (b *Batch) note(reason tiers.MisfitReason, column *node) {
	from := len(b.paths)
	b.paths = append(b.paths, b.path...)
	b.noted = append(b.noted, noted{from, len(b.paths), reason, column})
}

// moment is what an event has left behind so far, to take back what follows.
type moment struct{ created, strays, paths, noted int }

func (b *Batch) moment() moment {
	return moment{len(b.created), len(b.strays), len(b.paths), len(b.noted)}
}

func (b *Batch) backTo(m moment) {
	b.uncreate(m.created)
	b.strays, b.paths, b.noted = b.strays[:m.strays], b.paths[:m.paths], b.noted[:m.noted]
}

// mostMisses bounds the misfits that a batch tells apart.
const mostMisses = 500

// count adds the event's misfits to the batch's.
func (b *Batch) count(at time.Time) {
	for _, n := range b.noted {
		key := append(b.scratch[:0], n.reason...)
		for i, part := range b.paths[n.from:n.to] {
			switch {
			case part.from == elementAt:
				key = append(key, "[]"...)
				continue
			case i == 0:
				key = append(key, ' ')
			default:
				key = append(key, '.')
			}
			key = append(key, clip(b.s.text(span{part.from + 1, part.to - 1}))...)
		}
		b.scratch = key
		m := b.misfits[string(key)]
		if m == nil && len(b.misfits) >= mostMisses {
			key = append(key[:0], tiers.MisfitOthers...)
			m, n.reason, n.column = b.misfits[string(key)], tiers.MisfitOthers, nil
		}
		if m == nil {
			m = newMisfit(string(key), n, at)
			b.misfits[string(key)] = m
		}
		m.Values, m.Last = m.Values+1, at
	}
}

func newMisfit(key string, n noted, at time.Time) *tiers.Misfit {
	_, path, _ := strings.Cut(key, " ")
	m := &tiers.Misfit{Reason: n.reason, Path: path, First: at}
	if n.column != nil {
		m.Column = n.column.path()
	}
	return m
}

// Misfits are the values that are not, or not only, in the column of their
// path, by path and reason, in no order.
func (b *Batch) Misfits() []tiers.Misfit {
	out := make([]tiers.Misfit, 0, len(b.misfits))
	for _, m := range b.misfits {
		if m.Values > 0 {
			out = append(out, *m)
		}
	}
	return out
}

// strayKeys are the keys of one object that have no column, to know a
// repetition. They stand in Batch.strayed from an index on.
type strayKeys struct {
	from int
	set  map[string]struct{} // from fewKeys on
}

const fewKeys = 16

func (k *strayKeys) has(b *Batch, name []byte) bool {
	if k.set != nil {
		_, found := k.set[string(name)]
		return found
	}
	for _, s := range b.strayed[k.from:] {
		if bytes.Equal(s, name) {
			return true
		}
	}
	return false
}

func (k *strayKeys) add(b *Batch, name []byte) {
	if k.set != nil {
		k.set[string(name)] = struct{}{}
		return
	}
	b.strayed = append(b.strayed, name)
	if own := b.strayed[k.from:]; len(own) >= fewKeys {
		k.set = make(map[string]struct{}, 2*fewKeys)
		for _, s := range own {
			k.set[string(s)] = struct{}{}
		}
	}
}

// mappedKey holds, in the unmapped of a mapped event, the strays of its row:
// their paths are those of the row, and all else has those of the raw event.
const mappedKey = `"$mapped"`

// unmapped appends the strays as one JSON object, each at its own path, after
// what is left of a raw event.
func (b *Batch) unmapped(dst []byte) []byte {
	if b.left.to == 0 {
		return b.strayObject(dst, b.strays, 0)
	}
	dst = append(dst, b.s.text(b.left)...)
	if len(b.strays) == 0 {
		return dst
	}
	dst = bytes.TrimRight(dst[:len(dst)-1], " \t\r\n")
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(b.strayObject(append(append(dst, mappedKey...), ':'), b.strays, 0), '}')
}

// strayObject writes the strays of one object, which share depth keys and
// stand together because objects do.
func (b *Batch) strayObject(dst []byte, all []strayed, depth int) []byte {
	dst = append(dst, '{')
	first, again := true, false
	comma := func() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
	}
	for i := 0; i < len(all); {
		s := all[i]
		key := b.paths[s.from+depth]
		if s.to-s.from > depth+1 {
			j := b.together(all, i, depth)
			comma()
			dst = append(append(dst, b.s.text(key)...), ':')
			dst = b.strayBelow(dst, all[i:j], depth+1)
			i = j
			continue
		}
		if s.again {
			again = true
		} else {
			comma()
			dst = append(append(dst, b.s.text(key)...), ':')
			dst = append(dst, b.s.text(s.value)...)
		}
		i++
	}
	if again {
		comma()
		dst = append(b.repeats(append(dst, repeatedKey+":["...), all, depth), ']')
	}
	return append(dst, '}')
}

// together is the end of the strays that have the key of all[i] at depth, and
// stand below it.
func (b *Batch) together(all []strayed, i, depth int) int {
	key := b.paths[all[i].from+depth]
	j := i + 1
	for j < len(all) && all[j].to-all[j].from > depth+1 && b.paths[all[j].from+depth] == key {
		j++
	}
	return j
}

func (b *Batch) strayBelow(dst []byte, all []strayed, depth int) []byte {
	if b.paths[all[0].from+depth].from == elementAt {
		return b.strayList(dst, all, depth)
	}
	return b.strayObject(dst, all, depth)
}

// strayList writes the strays of one list at their indexes, null at the others.
func (b *Batch) strayList(dst []byte, all []strayed, depth int) []byte {
	dst = append(dst, '[')
	for i, at := 0, 0; i < len(all); at++ {
		if at > 0 {
			dst = append(dst, ',')
		}
		s := all[i]
		switch {
		case b.paths[s.from+depth].to > at:
			dst = append(dst, "null"...)
		case s.to-s.from > depth+1:
			j := b.together(all, i, depth)
			dst = b.strayBelow(dst, all[i:j], depth+1)
			i = j
		default:
			dst = append(dst, b.s.text(s.value)...)
			i++
		}
	}
	return append(dst, ']')
}

func (b *Batch) repeats(dst []byte, all []strayed, depth int) []byte {
	first := true
	for _, s := range all {
		if s.to-s.from != depth+1 || !s.again {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(dst, '{'), b.s.text(b.paths[s.from+depth])...)
		dst = append(append(dst, ':'), b.s.text(s.value)...)
		dst = append(dst, '}')
	}
	return dst
}
