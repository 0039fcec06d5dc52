package columnar

import (
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
	aliases []alias          // the paths with dots that lead here
	// Of the top level alone: the places of the usual names of time, and the
	// names that belong to metadata.
	places   map[string]uint8
	reserved map[string]bool
}

const noToken = "\x00"

// alias is a key with dots in the struct at.
type alias struct {
	at   *node
	name string
}

// key is a way to spell a node below an object: its name, or a path with dots.
type key struct {
	name string
	to   *node
	via  []*node // the structs on the way, for a path
	next *key    // the key that followed last time
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
)

func (b *Batch) newNode(up *node, f tiers.Field, col *parquetfile.Column, known bool) *node {
	n := &node{name: f.Name, id: f.ID, doc: f.Doc, known: known, up: up, col: col, depth: depthBelow(up, f.Type.Kind)}
	switch f.Type.Kind {
	case tiers.KindStruct:
		n.keys, n.fold = map[string]*key{}, map[string]*node{}
		for i, m := range f.Type.Fields {
			n.adopt(b.newNode(n, m, col.Children[i], known))
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

// adopt makes m the last member.
func (n *node) adopt(m *node) *key {
	n.members = append(n.members, m)
	n.fold[strings.ToLower(m.name)] = m
	return n.addKey(&key{name: m.name, to: m})
}

func (n *node) addKey(k *key) *key {
	if k.token = `"` + k.name + `"`; strings.ContainsAny(k.name, "\"\\") {
		k.token = noToken
	}
	if n.up == nil {
		k.prio = timePriority(n.places, []byte(k.name))
		if k.role = roleOf(k.name); n.reserved[k.name] {
			k.role = baseKey
		}
	}
	n.keys[k.name] = k
	return k
}

func roleOf(name string) role {
	switch name {
	case tiers.ColTime:
		return timeKey
	case tiers.ColIngestTime, tiers.ColStreamSeq, tiers.ColEventID, tiers.ColUnmapped, tiers.ColTimeSource, tiers.ColStreamSubject:
		return baseKey
	}
	return plainKey
}

// create adds a column below up (nil: the element of the list up). It returns
// nil if that is beyond the limits.
func (b *Batch) create(up *node, name string, kind tiers.Kind) *node {
	if depthBelow(up, kind) > b.o.Limits.MaxDepth || b.leaves >= b.o.Limits.MaxColumns {
		return nil
	}
	return b.add(up, name, kind)
}

// add is create whatever the limits.
func (b *Batch) add(up *node, name string, kind tiers.Kind) *node {
	f := tiers.Field{Name: name, Type: tiers.Type{Kind: kind}}
	col := parquetfile.NewColumn(f)
	n := b.newNode(up, f, col, false)
	switch {
	case up.keys == nil:
		up.elem, up.col.Children = n, []*parquetfile.Column{col}
	case up == b.root:
		b.t.Columns = append(b.t.Columns, col)
		up.adopt(n)
	default:
		up.col.Children = append(up.col.Children, col)
		up.adopt(n)
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
		b.forget(n)
	}
	b.created = b.created[:keep]
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
// the given kind, below the structs that the dots in its name ask for. It
// returns nil if a part of the name is taken by another column, differs from
// one only in case, or is beyond the limits; the caller then takes back what
// was made. A key with dots is a path, so no column has a dot in its name.
func (b *Batch) grow(n *node, name string, kind tiers.Kind) *key {
	k := &key{name: name}
	at := n
	for rest, more := name, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, ".")
		if part == "" || part == repeatedName || at == b.root && (at.reserved[part] || part == tiers.ColStreamSubject) {
			return nil
		}
		var next *node
		if have := at.keys[part]; have != nil && len(have.via) == 0 {
			next = have.to
		} else if have != nil || at.fold[strings.ToLower(part)] != nil {
			return nil
		}
		switch {
		case next == nil && more:
			next = b.create(at, part, tiers.KindStruct)
		case next == nil:
			next = b.create(at, part, kind)
		case at == b.root && roleOf(part) != plainKey, more && next.keys == nil:
			return nil
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
	return n.addKey(k)
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
