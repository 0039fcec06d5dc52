package columnar

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/lakeward/lakeward/tiers"
	"github.com/lakeward/lakeward/tiers/parquetfile"
)

// maxName is the longest key, in bytes, that makes a column.
const maxName = 255

// node is a field of the table with its vector.
type node struct {
	name  string
	id    int
	doc   string
	known bool // in the table's schema or declared: its type stands
	depth int
	col   *parquetfile.Column
	up    *node // nil for the top level

	seen uint64 // the object in which its key stood last

	members []*node // of a struct, in order
	keys    map[string]*key
	fold    map[string]*node // members by their name in lower case
	first   *key             // the key that an object began with last
	elem    *node            // of a list
	aliases []alias          // the other ways to spell it
	// Of the top level alone: the places of the usual names of time, and the
	// names that belong to metadata.
	places   map[string]uint8
	reserved map[string]bool

	beside *[tiers.KindList + 1]*node // the columns for what does not fit, by kind; nil: none yet
	of     *node                      // the column that it stands beside; nil: it has keys of its own
	made   tiers.Kind                 // its kind in of.beside
}

const noToken = "\x00"

// alias is a key in the struct at: with dots, or spelled in other case.
type alias struct {
	at   *node
	name string
}

// key is a way to spell a node below an object: its name, or a path with dots.
type key struct {
	name string
	to   *node
	via  []*node // the structs on the way, for a path

	aside bool // one of them stands beside the column that a part of the path names
	next  *key // the key that followed last time
	// token is the name in quotes, as JSON has it; one byte that no JSON has if
	// it would need an escape, or if the key leads nowhere any more.
	token string
	role  role
	prio  uint8 // of the usual names of time; 0: none
}

// role sets apart the keys at the top that are more than a column.
type role uint8

const (
	plainKey role = iota
	timeKey       // "time", the column
	baseKey       // a name that belongs to Lakeward
	caseKey       // of a column that is spelled otherwise
)

func (b *Batch) newNode(up *node, f tiers.Field, col *parquetfile.Column, known bool) *node {
	n := &node{name: f.Name, id: f.ID, doc: f.Doc, known: known, up: up, col: col, depth: depthBelow(up, f.Type.Kind)}
	switch f.Type.Kind {
	case tiers.KindStruct:
		n.keys, n.fold = map[string]*key{}, map[string]*node{}
		for i, m := range f.Type.Fields {
			b.adopt(n, b.newNode(n, m, col.Children[i], known))
		}
	case tiers.KindList:
		if f.Type.Elem != nil {
			n.elem = b.newNode(n, *f.Type.Elem, col.Elem(), known)
		}
	default:
		b.leaves++
	}
	return n
}

// depthBelow is the depth of a field below up. The element of a list is as
// deep as the list, unless it is a list itself.
func depthBelow(up *node, kind tiers.Kind) int {
	if up.keys == nil && kind != tiers.KindList {
		return up.depth
	}
	return up.depth + 1
}

// adopt makes m the last member of n. One that stands beside another does not
// get a key.
func (b *Batch) adopt(n, m *node) {
	n.members = append(n.members, m)
	n.fold[strings.ToLower(m.name)] = m
	if name, kind, ok := tiers.BesideOf(tiers.Field{Name: m.name, Doc: m.doc}); ok {
		if of := n.keys[name]; of != nil && len(of.via) == 0 && of.to.name == name {
			m.standBeside(of.to, kind)
			return
		}
	}
	b.addKey(n, &key{name: m.name, to: m})
}

func (n *node) standBeside(of *node, kind tiers.Kind) {
	if of.beside == nil {
		of.beside = new([tiers.KindList + 1]*node)
	}
	of.beside[kind], n.of, n.made = n, of, kind
}

func (b *Batch) addKey(n *node, k *key) *key {
	if k.token = `"` + k.name + `"`; strings.ContainsAny(k.name, "\"\\") {
		k.token = noToken
	}
	if n.up == nil {
		k.prio = timePriority(n.places, []byte(k.name))
		k.role = b.roleOf(k.name)
	}
	n.keys[k.name] = k
	return k
}

// spelled is a new key for the member of n whose name differs from it in case
// alone; nil if there is none.
func (b *Batch) spelled(n *node, name []byte) *key {
	if bytes.IndexByte(name, '.') >= 0 {
		return nil
	}
	b.scratch = appendLower(b.scratch[:0], name)
	to := n.fold[string(b.scratch)]
	if to == nil || to.of != nil || n.keys[string(name)] != nil {
		return nil
	}
	k := b.addKey(n, &key{name: string(name), to: to})
	if n.up == nil {
		k.role = b.roleOf(to.name)
	}
	if k.role == plainKey {
		k.role = caseKey
	}
	to.aliases = append(to.aliases, alias{n, k.name})
	return k
}

func appendLower(dst, name []byte) []byte {
	for _, c := range name {
		if c >= utf8.RuneSelf {
			return append(dst[:0], strings.ToLower(string(name))...)
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// roleOf is the role of a column at the top, by its name in any case.
func (b *Batch) roleOf(name string) role {
	name = strings.ToLower(name)
	switch name {
	case tiers.ColTime:
		return timeKey
	case tiers.ColIngestTime, tiers.ColStreamSeq, b.idName, tiers.ColUnmapped, tiers.ColTimeSource, tiers.ColStreamSubject:
		return baseKey
	}
	if b.root.reserved[name] {
		return baseKey
	}
	return plainKey
}

// path is where the column is, with dots.
func (n *node) path() string {
	switch {
	case n.up == nil || n.up.up == nil && n.up.keys != nil:
		return n.name
	case n.up.keys == nil: // the element of a list
		return n.up.path() + "[]"
	}
	return n.up.path() + "." + n.name
}

// create adds a column below up (nil: the element of the list up). It returns
// nil if that is beyond the limits.
func (b *Batch) create(up *node, f tiers.Field) *node {
	if depthBelow(up, f.Type.Kind) > b.o.Limits.MaxDepth || b.leaves >= b.room {
		b.limited = true
		return nil
	}
	return b.add(up, f)
}

// add is create whatever the limits.
func (b *Batch) add(up *node, f tiers.Field) *node {
	col := parquetfile.NewColumn(f)
	n := b.newNode(up, f, col, false)
	switch {
	case up.keys == nil:
		up.elem, up.col.Children = n, []*parquetfile.Column{col}
	case up == b.root:
		b.t.Columns = append(b.t.Columns, col)
		b.adopt(up, n)
	default:
		up.col.Children = append(up.col.Children, col)
		b.adopt(up, n)
	}
	b.created = append(b.created, n)
	return n
}

// uncreate takes back the columns made since there were only so many.
func (b *Batch) uncreate(keep int) {
	for i := len(b.created) - 1; i >= keep; i-- {
		n := b.created[i]
		up := n.up
		if n.keys == nil && n.elem == nil && n.col.Kind != tiers.KindList {
			b.leaves--
		}
		if up.keys == nil {
			up.elem, up.col.Children = nil, nil
			continue
		}
		up.members = up.members[:len(up.members)-1]
		if up == b.root {
			b.t.Columns = b.t.Columns[:len(b.t.Columns)-1]
		} else {
			up.col.Children = up.col.Children[:len(up.col.Children)-1]
		}
		delete(up.fold, strings.ToLower(n.name))
		if n.of != nil {
			n.of.beside[n.made] = nil
		}
		b.forget(n)
	}
	b.created = b.created[:keep]
}

// besideFor is the column beside n for values of the kind, made if it is
// missing; nil if there can be none.
func (b *Batch) besideFor(n *node, kind tiers.Kind) *node {
	if n.up.keys == nil || n.of != nil {
		return nil // an element has no name, and one step aside is enough
	}
	if n.beside != nil && n.beside[kind] != nil {
		return n.beside[kind]
	}
	f := tiers.Beside(n.name, kind)
	if len(f.Name) > maxName || n.up.fold[strings.ToLower(f.Name)] != nil {
		return nil
	}
	return b.create(n.up, f)
}

// forget drops every key that leads to n. What follows which key is a guess
// that may keep pointing to a dead one.
func (b *Batch) forget(n *node) {
	drop := func(at *node, name string) {
		if k := at.keys[name]; k != nil {
			k.token = noToken
			delete(at.keys, name)
		}
	}
	drop(n.up, n.name)
	for _, a := range n.aliases {
		drop(a.at, a.name)
	}
}

// grow makes what a key that is new to the object n stands for: a column of
// the given kind, below the structs that the dots in its name ask for. Where a
// part of the name is a column that is not a struct, the struct stands beside it.
// It returns nil if that is beyond the limits, or if the name belongs to a
// column beside another; the caller then takes back what was made. A key with
// dots is a path, so no column has a dot in its name.
func (b *Batch) grow(n *node, name string, kind tiers.Kind) *key {
	k := &key{name: name}
	at := n
	for rest, more := name, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, ".")
		lower := strings.ToLower(part)
		if part == "" || part == repeatedName || at == b.root && (at.reserved[lower] || lower == tiers.ColStreamSubject) {
			return nil
		}
		next := at.fold[lower]
		switch {
		case next == nil && more:
			next = b.create(at, tiers.Field{Name: part, Type: tiers.Type{Kind: tiers.KindStruct}})
		case next == nil:
			next = b.create(at, tiers.Field{Name: part, Type: tiers.Type{Kind: kind}})
		case next.of != nil, !more && at == b.root && b.roleOf(next.name) != plainKey:
			return nil
		case more && next.keys == nil:
			next, k.aside = b.besideFor(next, tiers.KindStruct), true
		}
		if next == nil {
			return nil
		}
		if more {
			k.via = append(k.via, next)
		}
		k.to, at = next, next
	}
	if len(k.via) == 0 {
		return n.keys[name]
	}
	k.to.aliases = append(k.to.aliases, alias{n, name})
	return b.addKey(n, k)
}

// nameable reports whether a key can be a column's name.
func nameable(name []byte) bool {
	return len(name) > 0 && len(name) <= maxName && printable(name)
}

// printable refuses control characters, which no engine takes in a name.
func printable(name []byte) bool {
	for _, c := range name {
		if c < 0x20 || c == 0x7F {
			return false
		}
	}
	return utf8.Valid(name)
}

// field is the node as a field of a schema.
func (n *node) field() tiers.Field {
	f := tiers.Field{ID: n.id, Name: n.name, Doc: n.doc, Required: n.col.Required, Type: tiers.Type{Kind: n.col.Kind}}
	for _, m := range n.members {
		f.Type.Fields = append(f.Type.Fields, m.field())
	}
	if n.elem != nil {
		e := n.elem.field()
		e.Name = "element"
		f.Type.Elem = &e
	}
	return f
}
