package strict

import (
	"gopkg.in/yaml.v3"
)

// Type is how a T is written in YAML: decoding, printing, schema and
// documentation together. It is immutable.
type Type[T any] struct {
	doc    Doc
	decode func(d *Decoder, n *yaml.Node, out *T)
	encode func(v *T) *yaml.Node // nil: there is nothing to print
	schema func() Schema
	empty  bool // an absent value is decoded as an empty mapping, for its fields' defaults
}

// Schema is a JSON Schema (draft 7).
type Schema map[string]any

// Doc documents a type.
type Doc struct {
	Type     string     // in words: "duration", "list of column"
	Scalar   bool       // written as one plain value
	Fields   []FieldDoc // of a mapping with known keys
	Branches []BranchDoc
	Elem     *Doc // of lists and of mappings with free keys
	Keyed    bool // Elem belongs to a mapping with free keys
}

// FieldDoc documents one key.
type FieldDoc struct {
	Key      string
	Text     string // meaning, units, range, source
	Default  string // as written in YAML; empty: none
	Required bool
	Secret   bool
	Type     Doc
}

// BranchDoc documents one of several forms of a mapping.
type BranchDoc struct {
	Key    string // what chooses the form
	Text   string
	Fields []FieldDoc
}

// Doc returns the type's documentation.
func (t Type[T]) Doc() Doc { return t.doc }

// Schema returns the type's JSON Schema.
func (t Type[T]) Schema() Schema { return t.schema() }

// Decoder collects what is wrong while a document is decoded.
type Decoder struct {
	doc      *Document
	problems Problems
	base     *Pos // set while a default is decoded: where it belongs
}

// Decode fills a T from the document. With problems the value is incomplete.
func Decode[T any](doc *Document, t Type[T]) (T, Problems) {
	d := &Decoder{doc: doc}
	var v T
	t.decode(d, doc.root, &v)
	d.problems.Sort()
	return v, d.problems
}

// Encode renders a value as YAML with every default filled in and secrets
// masked.
func Encode[T any](t Type[T], v T) ([]byte, error) {
	n := t.encode(&v)
	if n == nil {
		n = &yaml.Node{Kind: yaml.MappingNode}
	}
	return yaml.Marshal(n)
}

func (d *Decoder) pos(n *yaml.Node) Pos {
	if d.base != nil {
		return *d.base
	}
	return d.doc.pos(n)
}

// Report adds a problem.
func (d *Decoder) Report(at Pos, what, remedy string) {
	d.problems = append(d.problems, Problem{at, what, remedy})
}

func (d *Decoder) wrong(n *yaml.Node, what, remedy string) { d.Report(d.pos(n), what, remedy) }

// Checked adds a test of the decoded value. It returns what is wrong, or an
// empty string, and what to do.
func Checked[T any](t Type[T], check func(T) (what, remedy string)) Type[T] {
	decode := t.decode
	t.decode = func(d *Decoder, n *yaml.Node, out *T) {
		before := len(d.problems)
		decode(d, n, out)
		if len(d.problems) > before {
			return
		}
		if what, remedy := check(*out); what != "" {
			d.wrong(n, what, remedy)
		}
	}
	return t
}

// Positioned keeps where the value stands.
func Positioned[T any](t Type[T]) Type[At[T]] {
	return Type[At[T]]{
		doc: t.doc, schema: t.schema, empty: t.empty,
		decode: func(d *Decoder, n *yaml.Node, out *At[T]) {
			out.Pos = d.pos(n)
			t.decode(d, n, &out.Value)
		},
		encode: func(v *At[T]) *yaml.Node { return t.encode(&v.Value) },
	}
}

// Pointer is a value that may be absent: nil.
func Pointer[T any](t Type[T]) Type[*T] {
	return Type[*T]{
		doc: t.doc, schema: t.schema,
		decode: func(d *Decoder, n *yaml.Node, out **T) {
			var v T
			t.decode(d, n, &v)
			*out = &v
		},
		encode: func(v **T) *yaml.Node {
			if *v == nil {
				return nil
			}
			return t.encode(*v)
		},
	}
}

// Via is a T that is written as one part of it.
func Via[T, V any](t Type[V], get func(*T) *V) Type[T] {
	return Type[T]{
		doc: t.doc, schema: t.schema, empty: t.empty,
		decode: func(d *Decoder, n *yaml.Node, out *T) { t.decode(d, n, get(out)) },
		encode: func(v *T) *yaml.Node { return t.encode(get(v)) },
	}
}

// Named gives the type another name in the documentation.
func Named[T any](t Type[T], name string) Type[T] {
	t.doc.Type = name
	return t
}

// List is a list. Its items are bounded by the document's limits.
func List[T any](elem Type[T]) Type[[]T] {
	return Type[[]T]{
		doc: Doc{Type: "list of " + elem.doc.Type, Elem: &elem.doc},
		decode: func(d *Decoder, n *yaml.Node, out *[]T) {
			n = resolve(n)
			*out = nil
			if isNull(n) {
				return
			}
			if n.Kind != yaml.SequenceNode {
				d.wrong(n, "this is "+kindName(n)+", and a list is needed", "write `[a, b]`, or one item a line with `- `")
				return
			}
			for _, c := range n.Content {
				var v T
				elem.decode(d, resolve(c), &v)
				*out = append(*out, v)
			}
		},
		encode: func(v *[]T) *yaml.Node { return encodeList(elem, *v) },
		schema: func() Schema { return Schema{"type": "array", "items": elem.schema()} },
	}
}

func encodeList[T any](elem Type[T], vs []T) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode}
	scalar := true
	for i := range vs {
		if c := elem.encode(&vs[i]); c != nil {
			out.Content = append(out.Content, c)
			scalar = scalar && c.Kind == yaml.ScalarNode
		}
	}
	if scalar {
		out.Style = yaml.FlowStyle
	}
	return out
}

// OneOrList is a list that may be written without brackets if it has one item.
func OneOrList[T any](elem Type[T]) Type[[]T] {
	t := List(elem)
	decode := t.decode
	t.doc.Type = elem.doc.Type + ", or a list"
	t.decode = func(d *Decoder, n *yaml.Node, out *[]T) {
		r := resolve(n)
		if r.Kind == yaml.ScalarNode && !isNull(r) || r.Kind == yaml.MappingNode && !elem.doc.Scalar {
			var v T
			elem.decode(d, r, &v)
			*out = []T{v}
			return
		}
		decode(d, n, out)
	}
	t.schema = func() Schema {
		return Schema{"oneOf": []any{elem.schema(), Schema{"type": "array", "items": elem.schema()}}}
	}
	return t
}

// Keyed is a mapping with free keys, in the order of the file. The key is kept
// in the item; checkKey returns what is wrong with it and what to do.
func Keyed[T any](elem Type[T], key func(*T) *At[string], checkKey func(string) (what, remedy string)) Type[[]T] {
	return Type[[]T]{
		doc:    Doc{Type: "mapping of names to " + elem.doc.Type, Elem: &elem.doc, Keyed: true},
		schema: func() Schema { return Schema{"type": "object", "additionalProperties": elem.schema()} },
		decode: func(d *Decoder, n *yaml.Node, out *[]T) {
			*out = nil
			d.pairs(n, func(k, v *yaml.Node) {
				var item T
				*key(&item) = At[string]{k.Value, d.pos(k)}
				if what, remedy := checkKey(k.Value); what != "" {
					d.wrong(k, what, remedy)
				}
				elem.decode(d, v, &item)
				*out = append(*out, item)
			})
		},
		encode: func(v *[]T) *yaml.Node {
			m := &yaml.Node{Kind: yaml.MappingNode}
			for i := range *v {
				if c := elem.encode(&(*v)[i]); c != nil {
					m.Content = append(m.Content, textNode(key(&(*v)[i]).Value), c)
				}
			}
			return m
		},
	}
}

// pairs walks a mapping, reporting keys that are not plain or come twice.
func (d *Decoder) pairs(n *yaml.Node, each func(k, v *yaml.Node)) {
	n = resolve(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "this is "+kindName(n)+", and a mapping is needed", "write `key: value` lines below the key")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := resolve(n.Content[i]), resolve(n.Content[i+1])
		switch line, again := seen[k.Value]; {
		case k.Kind != yaml.ScalarNode:
			d.wrong(k, "a key is "+kindName(k), "write a name")
			continue
		case again:
			d.wrong(k, "the key `"+k.Value+"` comes twice"+lineText(line), "keep one of them")
			continue
		}
		seen[k.Value] = k.Line
		each(k, v)
	}
}

// ParseText decodes one plain value; it returns what is wrong, or an empty
// string, and what to do.
func ParseText[T any](t Type[T], s string) (v T, what, remedy string) {
	d := &Decoder{doc: &Document{}}
	t.decode(d, plainNode(s), &v)
	if len(d.problems) > 0 {
		return v, d.problems[0].What, d.problems[0].Remedy
	}
	return v, "", ""
}
