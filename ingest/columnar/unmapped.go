package columnar

import "bytes"

// repeatedKey holds, in an object of unmapped, the later values of keys that
// stood in that object before: [{"key": value}, ...]. No column has its name,
// so that it cannot be taken for a struct's.
const (
	repeatedName = "$repeated"
	repeatedKey  = `"` + repeatedName + `"`
)

// strayed is a value that has no column.
type strayed struct {
	from, to int // its path in Batch.paths
	value    span
	again    bool // its key stood there before
}

// strayAt keeps a value under the keys of path.
func (b *Batch) strayAt(path []span, value span, again bool) {
	if key := path[len(path)-1]; string(b.s.text(key)) == repeatedKey {
		again = true // or it would stand in the place of ours
	}
	from := len(b.paths)
	b.paths = append(b.paths, path...)
	b.strays = append(b.strays, strayed{from, len(b.paths), value, again})
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

// unmapped appends the strays as one JSON object, each at its own path.
func (b *Batch) unmapped(dst []byte) []byte {
	return b.strayObject(dst, b.strays, 0)
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
			j := i + 1
			for j < len(all) && all[j].to-all[j].from > depth+1 && b.paths[all[j].from+depth] == key {
				j++
			}
			comma()
			dst = append(append(dst, b.s.text(key)...), ':')
			dst = b.strayObject(dst, all[i:j], depth+1)
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
