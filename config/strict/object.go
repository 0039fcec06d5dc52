package strict

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Field is one key of the mapping that a T is written as.
type Field[T any] struct {
	doc    FieldDoc
	decode func(d *Decoder, n *yaml.Node, out *T)
	encode func(v *T) *yaml.Node
	schema func() Schema
	empty  bool
}

// F is a key whose value is kept where get points.
func F[T, V any](key string, t Type[V], get func(*T) *V, text string) Field[T] {
	return Field[T]{
		doc:    FieldDoc{Key: key, Text: text, Type: t.doc},
		decode: func(d *Decoder, n *yaml.Node, out *T) { t.decode(d, n, get(out)) },
		encode: func(v *T) *yaml.Node { return t.encode(get(v)) },
		schema: t.schema,
		empty:  t.empty,
	}
}

// Default gives the value of an absent key, as it would be written.
func (f Field[T]) Default(text string) Field[T] {
	f.doc.Default = text
	return f
}

// Needed makes the key's absence a problem.
func (f Field[T]) Needed() Field[T] {
	f.doc.Required = true
	return f
}

// Within makes keys of a V those of a T that holds it.
func Within[T, V any](fields []Field[V], get func(*T) *V) []Field[T] {
	out := make([]Field[T], len(fields))
	for i, f := range fields {
		out[i] = Field[T]{
			doc: f.doc, schema: f.schema, empty: f.empty,
			decode: func(d *Decoder, n *yaml.Node, out *T) { f.decode(d, n, get(out)) },
			encode: func(v *T) *yaml.Node { return f.encode(get(v)) },
		}
	}
	return out
}

// Object is a mapping with known keys.
func Object[T any](fields ...Field[T]) Type[T] {
	return Type[T]{
		doc:    Doc{Type: "mapping", Fields: fieldDocs(fields)},
		empty:  true,
		schema: func() Schema { return objectSchema(fields) },
		decode: func(d *Decoder, n *yaml.Node, out *T) { decodeObject(d, n, fields, out, noHint) },
		encode: func(v *T) *yaml.Node { return encodeObject(fields, v) },
	}
}

func fieldDocs[T any](fields []Field[T]) []FieldDoc {
	out := make([]FieldDoc, len(fields))
	for i, f := range fields {
		out[i] = f.doc
	}
	return out
}

func noHint(string) string { return "" }

// decodeObject decodes the keys that are there and fills in the others. hint
// may say where an unknown key belongs.
func decodeObject[T any](d *Decoder, n *yaml.Node, fields []Field[T], out *T, hint func(string) string) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode && !isNull(n) {
		d.wrong(n, "this is "+kindName(n)+", and a mapping is needed", "give "+keyList(fields))
		return
	}
	present := map[string]bool{}
	d.pairs(n, func(k, v *yaml.Node) {
		i := slices.IndexFunc(fields, func(f Field[T]) bool { return f.doc.Key == k.Value })
		if i < 0 {
			d.unknownKey(k, keys(fields), hint(k.Value))
			return
		}
		present[k.Value] = true
		if isNull(v) && fields[i].doc.Type.Scalar {
			d.wrong(v, "`"+k.Value+"` has no value", "give one, or remove the key")
			return
		}
		fields[i].decode(d, v, out)
	})
	for _, f := range fields {
		if !present[f.doc.Key] {
			f.absent(d, n, out)
		}
	}
}

func (f Field[T]) absent(d *Decoder, parent *yaml.Node, out *T) {
	if f.doc.Required {
		d.wrong(parent, "`"+f.doc.Key+"` is missing", "add it: "+f.doc.Text)
		return
	}
	if f.doc.Default == "" && !f.empty {
		return
	}
	outer := d.base
	at := d.pos(parent)
	d.base = &at
	f.decode(d, defaultNode(f.doc.Default), out)
	d.base = outer
}

// defaultNode parses a default. A mistake in one is this program's, and its
// test decodes every one.
func defaultNode(text string) *yaml.Node {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	return doc.Content[0]
}

func (d *Decoder) unknownKey(k *yaml.Node, known []string, hint string) {
	remedy := hint
	if remedy == "" {
		remedy = Suggest(k.Value, known)
	}
	d.wrong(k, "unknown key `"+k.Value+"`", remedy)
}

// Suggest is the remedy for an unknown name: the nearest known one, or all.
func Suggest(name string, known []string) string {
	if best := Nearest(name, known); best != "" {
		return "did you mean `" + best + "`?"
	}
	if len(known) == 0 {
		return "remove it"
	}
	return "known are " + strings.Join(known, ", ")
}

func keys[T any](fields []Field[T]) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.doc.Key
	}
	return out
}

func keyList[T any](fields []Field[T]) string {
	return strings.Join(keys(fields), ", ")
}

func encodeObject[T any](fields []Field[T], v *T) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fields {
		if c := f.encode(v); c != nil {
			m.Content = append(m.Content, textNode(f.doc.Key), c)
		}
	}
	return m
}

func objectSchema[T any](fields []Field[T]) Schema {
	props, required := Schema{}, []string{}
	for _, f := range fields {
		s := f.schema()
		s["description"] = f.doc.Text
		if f.doc.Default != "" {
			var v any
			if err := yaml.Unmarshal([]byte(f.doc.Default), &v); err == nil {
				s["default"] = v
			}
		}
		props[f.doc.Key] = s
		if f.doc.Required {
			required = append(required, f.doc.Key)
		}
	}
	out := Schema{"type": "object", "properties": props, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// Branch is one form of a mapping that has several.
type Branch[T any] struct {
	Key    string
	Text   string
	Init   func(*T) // makes the part that the fields point into
	Is     func(*T) bool
	Fields []Field[T]
}

// Choice is a mapping in the form whose Key is among its keys. what names the
// mapping in problems.
func Choice[T any](what string, branches ...Branch[T]) Type[T] {
	names := branchKeys(branches)
	return Type[T]{
		doc:    Doc{Type: what, Branches: branchDocs(branches)},
		schema: func() Schema { return Schema{"oneOf": branchSchemas(branches)} },
		decode: func(d *Decoder, n *yaml.Node, out *T) {
			var found []Branch[T]
			for _, b := range branches {
				if r := resolve(n); r.Kind == yaml.MappingNode && child(r, b.Key) != nil {
					found = append(found, b)
				}
			}
			switch {
			case len(found) == 0 && mistypedBranch(d, resolve(n), names):
			case len(found) == 0:
				d.wrong(n, "this "+what+" has none of "+strings.Join(names, ", "), "add the one that says what it does")
			case len(found) > 1:
				d.wrong(n, fmt.Sprintf("this %s has both `%s` and `%s`", what, found[0].Key, found[1].Key), "split it in two")
			default:
				found[0].Init(out)
				decodeObject(d, n, found[0].Fields, out, hintBranch(branches))
			}
		},
		encode: func(v *T) *yaml.Node { return encodeBranch(branches, v) },
	}
}

// mistypedBranch reports a key that is nearly a branch's.
func mistypedBranch(d *Decoder, n *yaml.Node, names []string) bool {
	if n.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if near := Nearest(n.Content[i].Value, names); near != "" {
			d.unknownKey(resolve(n.Content[i]), names, "")
			return true
		}
	}
	return false
}

// Switch is a mapping whose form is the value of one of its keys. Each branch
// lists all its fields, that key among them.
func Switch[T any](what, key string, branches ...Branch[T]) Type[T] {
	names := branchKeys(branches)
	return Type[T]{
		doc: Doc{Type: what, Branches: branchDocs(branches)},
		schema: func() Schema {
			out := branchSchemas(branches)
			for i := range out {
				out[i].(Schema)["properties"].(Schema)[key] = Schema{"const": branches[i].Key, "description": branches[i].Text}
			}
			return Schema{"oneOf": out}
		},
		decode: func(d *Decoder, n *yaml.Node, out *T) {
			r := resolve(n)
			if r.Kind != yaml.MappingNode {
				d.wrong(n, "this is "+kindName(r)+", and a mapping is needed", "begin with `"+key+":`")
				return
			}
			v := child(r, key)
			if v == nil {
				d.wrong(n, "`"+key+"` is missing", "use one of "+strings.Join(names, ", "))
				return
			}
			i := slices.IndexFunc(branches, func(b Branch[T]) bool { return b.Key == v.Value })
			if i < 0 {
				d.wrong(v, "unknown "+key+" `"+v.Value+"`", Suggest(v.Value, names))
				return
			}
			branches[i].Init(out)
			decodeObject(d, n, branches[i].Fields, out, hintBranch(branches))
		},
		encode: func(v *T) *yaml.Node { return encodeBranch(branches, v) },
	}
}

func branchKeys[T any](bs []Branch[T]) []string {
	out := make([]string, len(bs))
	for i, b := range bs {
		out[i] = b.Key
	}
	return out
}

func branchDocs[T any](bs []Branch[T]) []BranchDoc {
	out := make([]BranchDoc, len(bs))
	for i, b := range bs {
		out[i] = BranchDoc{b.Key, b.Text, fieldDocs(b.Fields)}
	}
	return out
}

func branchSchemas[T any](bs []Branch[T]) []any {
	out := make([]any, len(bs))
	for i, b := range bs {
		out[i] = objectSchema(b.Fields)
	}
	return out
}

func encodeBranch[T any](bs []Branch[T], v *T) *yaml.Node {
	for _, b := range bs {
		if b.Is(v) {
			return encodeObject(b.Fields, v)
		}
	}
	return nil
}

// hintBranch says which other form an unknown key belongs to.
func hintBranch[T any](bs []Branch[T]) func(string) string {
	return func(key string) string {
		var owners []string
		for _, b := range bs {
			if slices.Contains(keys(b.Fields), key) {
				owners = append(owners, b.Key)
			}
		}
		if len(owners) == 0 {
			return ""
		}
		return "it belongs to " + strings.Join(owners, ", ") + "; remove it here"
	}
}
