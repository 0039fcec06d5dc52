package tiers

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"unique"
)

// FieldSet is a set of field ids. Equal sets are equal by ==, and share their
// memory. The zero value is of a file whose fields are not known.
type FieldSet struct{ ids unique.Handle[string] }

// FieldSetOf is the set of some ids, each above 0 and below 2^31.
func FieldSetOf(ids iter.Seq[int]) FieldSet {
	var b []byte
	for _, id := range slices.Sorted(ids) {
		b = binary.BigEndian.AppendUint32(b, uint32(id))
	}
	return FieldSet{unique.Make(string(b))}
}

// Text is the set for another process, which ParseFieldSet reads; empty: not known.
func (s FieldSet) Text() string {
	if !s.Known() {
		return ""
	}
	return "=" + s.ids.Value()
}

// ParseFieldSet reads what Text wrote.
func ParseFieldSet(text string) (FieldSet, error) {
	ids, known := strings.CutPrefix(text, "=")
	if !known && text == "" {
		return FieldSet{}, nil
	}
	if !known || len(ids)%4 != 0 {
		return FieldSet{}, fmt.Errorf("no set of fields in %d bytes", len(text))
	}
	return FieldSet{unique.Make(ids)}, nil
}

// Known reports whether it is a set at all.
func (s FieldSet) Known() bool { return s != FieldSet{} }

// Has reports whether the id is in a known set.
func (s FieldSet) Has(id int) bool {
	ids := s.ids.Value()
	at := func(i int) int { return int(binary.BigEndian.Uint32([]byte(ids[4*i : 4*i+4]))) }
	n := len(ids) / 4
	i := sort.Search(n, func(i int) bool { return at(i) >= id })
	return i < n && at(i) == id
}

// HasAny reports whether a leaf of the field is in a known set: its own id, or
// that of a member.
func (s FieldSet) HasAny(f Field) bool {
	if f.Type.Elem != nil {
		return s.HasAny(*f.Type.Elem)
	}
	if f.Type.Kind == KindStruct {
		return slices.ContainsFunc(f.Type.Fields, s.HasAny)
	}
	return s.Has(f.ID)
}
