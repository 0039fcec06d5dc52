package mapping

import (
	"bytes"
	"slices"
	"strconv"
)

// A Mapper maps events by one Mapping. It is not safe for concurrent use, and
// once it has seen a few events it allocates nothing.
type Mapper struct {
	m     *Mapping
	event []byte
	at    []place // by slot
	taken []int   // the slots that have a place
	arena []byte  // of texts that were made
	out   []byte
	moved []move
	marks []byte
	alone bool // the object that is being written has none yet of the members of which it needs one
}

// move is a value that has left the raw event, and where its rule's mark stands.
type move struct{ slot, mark int }

// NewMapper makes a mapper.
func (m *Mapping) NewMapper() *Mapper { return &Mapper{m: m, at: make([]place, len(m.slots))} }

// Map is the row of an event as JSON, and its table. ok is false for an event
// that is not of the mapping's product, or that no rule takes. The row holds
// what rules name, and all else in its member unmapped, each value at its own
// path. It is valid until the next call. What is not valid JSON may be mapped
// all the same: the row is not valid JSON then.
func (x *Mapper) Map(event []byte) (table string, row []byte, ok bool) {
	if !x.Takes(event) {
		return "", nil, false
	}
	for _, r := range x.rules() {
		if x.any(r.when) && x.row(r) {
			return r.class.Name, x.out, true
		}
	}
	return "", nil, false
}

// row writes the row of a rule. It is false for an event that lacks what the
// class requires.
func (x *Mapper) row(r *rule) bool {
	x.out, x.moved, x.marks = append(x.out[:0], '{'), x.moved[:0], x.marks[:0]
	for range r.moves {
		x.marks = append(x.marks, marks[len(marks)-1])
	}
	if !x.members(r.plan) {
		return false
	}
	x.mappedBy(r)
	x.unmapped()
	x.out = append(x.out, '}')
	return true
}

// Takes tells whether an event is of the mapping's product.
func (x *Mapper) Takes(event []byte) bool {
	x.event = event
	for _, s := range x.taken {
		x.at[s] = place{}
	}
	x.taken, x.arena = x.taken[:0], x.arena[:0]
	return x.scan(x.m.trie) && x.any(x.m.takes)
}

// rules are those that can take the event.
func (x *Mapper) rules() []*rule {
	if slot := x.first(x.m.index.slots); slot >= 0 {
		if of, ok := x.m.index.byText[string(x.text(x.token(slot)))]; ok {
			return of
		}
	}
	return x.m.index.others
}

// members writes the members of an object that have values. It is false, and
// nothing is written, if there are none, or not those that OCSF requires.
func (x *Mapper) members(f *field) bool {
	start, moved := len(x.out), len(x.moved)
	var has uint64
	open := false // the member before is a list to which an element can be added
	for i, g := range f.children {
		if g.filler && has == 0 {
			break
		}
		before := len(x.out)
		if open = open && g.joins; open {
			if x.element(g) {
				has |= 1 << i
			}
			continue
		}
		if c := x.out[before-1]; c != '{' {
			x.out = append(x.out, ',')
		}
		x.alone = has&f.some == 0
		if x.field(g) {
			has |= 1 << i
			open = g.listed
		} else {
			x.out = x.out[:before]
		}
	}
	if has != 0 && has&f.required == f.required && (f.some == 0 || has&f.some != 0) {
		return true
	}
	x.out = x.out[:start]
	for _, m := range x.moved[moved:] {
		x.marks[m.mark] = marks[len(marks)-1]
	}
	x.moved = x.moved[:moved]
	return false
}

// field writes a member, and reports whether it has a value.
func (x *Mapper) field(f *field) bool {
	if f.children == nil {
		return x.leaf(f)
	}
	if f.spread {
		return x.spread(f)
	}
	x.out = append(x.out, f.key...)
	if f.listed {
		x.out = append(x.out, '[')
	}
	x.out = append(x.out, '{')
	if !x.members(f) {
		return false
	}
	x.out = append(x.out, '}')
	if f.listed {
		x.out = append(x.out, ']')
	}
	return true
}

// element adds an element to the list that was written last, and reports
// whether it has a value.
func (x *Mapper) element(f *field) bool {
	x.out = append(x.out[:len(x.out)-1], ',', '{')
	before := len(x.out) - len(",{")
	ok := x.members(f)
	if ok {
		x.out = append(x.out, '}')
	} else {
		x.out = x.out[:before]
	}
	x.out = append(x.out, ']')
	return ok
}

// leaf writes a value from the first expression that has one of its type.
func (x *Mapper) leaf(f *field) bool {
	before := len(x.out)
	for i := range f.from {
		text, slot, ok := x.take(&f.from[i])
		if ok && x.write(f, text, slot) {
			return true
		}
		x.out = x.out[:before]
	}
	return false
}

// write writes one value. slot is where it stands, if it is taken as it is.
func (x *Mapper) write(f *field, text []byte, slot int) bool {
	if f.named != nil {
		return x.enumerated(f, text)
	}
	x.out = append(x.out, f.key...)
	var token []byte
	if slot >= 0 {
		token = x.token(slot)
	}
	if len(f.path) == 1 && f.path[0].key == "time" {
		return x.time(token, text)
	}
	if f.attr.Array && !f.path[len(f.path)-1].listed {
		return x.list(f, token, text, slot)
	}
	as := x.typed(f.attr.Type, token, text)
	if as == asItself {
		x.move(f, slot)
	}
	return as != notAtAll
}

// time writes what the batch is to read as the event's time.
func (x *Mapper) time(token, text []byte) bool {
	switch {
	case token != nil && token[0] != '{' && token[0] != '[':
		x.out = append(x.out, token...)
	case text != nil:
		x.quoted(text)
	default:
		return false
	}
	return true
}

// asWhat is how a value was written.
type asWhat int

const (
	notAtAll asWhat = iota
	converted
	asItself
)

// typed writes a value of an OCSF type. token is nil if the text was made.
func (x *Mapper) typed(kind string, token, text []byte) asWhat {
	switch kind {
	case "integer", "long", "port", "timestamp":
		if token != nil && token[0] != '"' {
			if d := bytes.TrimPrefix(token, []byte("-")); !digits(d) || len(d) > 18 {
				return notAtAll
			}
			x.out = append(x.out, token...)
			return asItself
		}
		n, ok := number(x, text)
		if !ok {
			return notAtAll
		}
		x.out = append(x.out, n...)
		return converted
	case "float":
		if token != nil && (token[0] == '-' || token[0]-'0' <= 9) {
			x.out = append(x.out, token...)
			return asItself
		}
		if _, err := strconv.ParseFloat(string(text), 64); err != nil || len(text) == 0 || text[0] > '9' {
			return notAtAll
		}
		x.out = append(x.out, text...)
		return converted
	case "boolean":
		return x.boolean(token, text)
	case "object", "json":
		if token == nil || kind == "object" && token[0] != '{' {
			return notAtAll
		}
		x.out = append(x.out, token...)
		return asItself
	}
	switch {
	case text == nil:
		return notAtAll
	case token != nil && token[0] == '"':
		x.out = append(x.out, token...)
		return asItself
	}
	x.quoted(text)
	return converted
}

func (x *Mapper) boolean(token, text []byte) asWhat {
	as := converted
	switch {
	case token != nil && (token[0] == 't' || token[0] == 'f'):
		as = asItself
	case bytes.EqualFold(text, []byte("yes")) || string(text) == "1" || bytes.EqualFold(text, []byte("true")):
		text = []byte("true")
	case bytes.EqualFold(text, []byte("no")) || string(text) == "0" || bytes.EqualFold(text, []byte("false")):
		text = []byte("false")
	default:
		return notAtAll
	}
	x.out = append(x.out, text...)
	return as
}

// list writes the value of an attribute that is a list: the list as it is, or
// one value as a list of one.
func (x *Mapper) list(f *field, token, text []byte, slot int) bool {
	if token != nil && token[0] == '[' {
		inside := bytes.TrimLeft(token[1:], " \t\r\n")
		of := inside[0]
		object := f.attr.Type == "object"
		if of == ']' || object != (of == '{') || !object && of != '"' {
			return false
		}
		x.out = append(x.out, token...)
		x.move(f, slot)
		return true
	}
	x.out = append(x.out, '[')
	if x.typed(f.attr.Type, token, text) == notAtAll {
		return false
	}
	x.out = append(x.out, ']')
	return true
}

// spread writes a list of objects that have one member each, from a list of
// texts or one text.
func (x *Mapper) spread(f *field) bool {
	leaf := f.children[0]
	for i := range leaf.from {
		text, slot, ok := x.take(&leaf.from[i])
		if !ok {
			continue
		}
		x.out = append(append(x.out, f.key...), '[')
		from := len(x.out)
		if slot >= 0 && x.token(slot)[0] == '[' {
			x.spreadList(leaf, x.token(slot))
		} else if text != nil {
			x.out = append(append(x.out, '{'), leaf.key...)
			x.quoted(text)
			x.out = append(x.out, '}')
		}
		if len(x.out) > from {
			x.out = append(x.out, ']')
			return true
		}
	}
	return false
}

func (x *Mapper) spreadList(leaf *field, list []byte) {
	for p := 1; p < len(list); {
		switch list[p] {
		case ' ', '\t', '\r', '\n', ',':
			p++
			continue
		case ']':
			return
		}
		end := valueEnd(list, p)
		if end < 0 {
			return
		}
		if text := x.text(list[p:end]); text != nil && string(text) != "null" {
			if c := x.out[len(x.out)-1]; c != '[' {
				x.out = append(x.out, ',')
			}
			x.out = append(append(x.out, '{'), leaf.key...)
			x.quoted(text)
			x.out = append(x.out, '}')
		}
		p = end
	}
}

// enumerated writes a number and its caption; what the enumeration lacks is
// Other, with the text as its caption.
func (x *Mapper) enumerated(f *field, text []byte) bool {
	if text == nil {
		return false
	}
	c, ok := f.named[string(text)]
	if !ok {
		folded, _ := lower(x, text)
		c, ok = f.named[string(folded)]
	}
	if !ok {
		if c, ok = f.named["99"]; !ok {
			return false
		}
		c.caption = nil
	}
	x.out = append(append(x.out, f.key...), c.id...)
	if f.sibling != nil {
		x.out = append(append(x.out, ','), f.sibling...)
		if c.caption != nil {
			x.out = append(x.out, c.caption...)
		} else {
			x.quoted(text)
		}
	}
	if f.class != nil {
		x.out = append(x.out, `,"type_uid":`...)
		x.out = append(strconv.AppendInt(x.out, int64(f.class.UID), 10), "00"[:2-min(len(c.id), 2)]...)
		x.out = append(x.out, c.id...)
	}
	return true
}

// move takes a value that stands in the row out of the raw event.
func (x *Mapper) move(f *field, slot int) {
	if f.move < 0 || slices.ContainsFunc(x.moved, func(m move) bool { return m.slot == slot }) {
		return
	}
	n := 0
	for i := range f.from {
		e := &f.from[i]
		if e.constant != nil || e.template != nil || len(e.steps) > 0 {
			continue
		}
		for _, s := range e.slots {
			if s == slot && n < len(marks)-1 {
				x.marks[f.move] = marks[n]
				x.moved = append(x.moved, move{slot, f.move})
				return
			}
			n++
		}
	}
}

func (x *Mapper) mappedBy(r *rule) {
	x.out = append(append(append(x.out, `,"`...), MappedBy...), `":`...)
	x.out = append(append(x.out, r.id...), '#')
	x.out = append(append(x.out, bytes.TrimRight(x.marks, "-")...), '"')
}

// quoted writes text as a JSON string.
func (x *Mapper) quoted(text []byte) {
	x.out = append(x.out, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			x.out = append(x.out, '\\', c)
		case c < 0x20:
			const hex = "0123456789abcdef"
			x.out = append(x.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			x.out = append(x.out, c)
		}
	}
	x.out = append(x.out, '"')
}
