package tiers

import "strings"

// Nest adds a column at a dotted path, in structs that are made as needed. The
// fields given are not changed.
func Nest(fields []Field, path string, t Type) []Field {
	name, rest, more := strings.Cut(path, ".")
	out := append([]Field(nil), fields...)
	for i, f := range out {
		if f.Name == name && more && f.Type.Kind == KindStruct {
			out[i].Type.Fields = Nest(f.Type.Fields, rest, t)
			return out
		}
	}
	if more {
		t = Type{Kind: KindStruct, Fields: Nest(nil, rest, t)}
	}
	return append(out, Field{Name: name, Type: t})
}
