package mapping

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// place is where a value stands in an event.
type place struct {
	from, to int  // of the value; to is 0 if there is none
	start    int  // of its key, or of the value itself in a list
	element  bool // it stands in a list
}

// scan finds the values that a trie asks for in an event. It is lenient: what
// it takes for JSON may not be, and is refused later by who reads the result. ok
// is false for what is not an object.
func (x *Mapper) scan(t *trie) bool {
	p := x.space(0)
	if p >= len(x.event) || x.event[p] != '{' {
		return false
	}
	end := x.object(t, p)
	return end > 0 && x.space(end) == len(x.event)
}

func (x *Mapper) space(p int) int {
	for p < len(x.event) && (x.event[p] == ' ' || x.event[p] == '\n' || x.event[p] == '\t' || x.event[p] == '\r') {
		p++
	}
	return p
}

// object reads the object at p and returns its end, -1 if it has none.
func (x *Mapper) object(t *trie, p int) int {
	if p = x.space(p + 1); p < len(x.event) && x.event[p] == '}' {
		return p + 1
	}
	for p < len(x.event) && x.event[p] == '"' {
		start, end := p, stringEnd(x.event, p)
		if end < 0 {
			return -1
		}
		to := x.member(t, x.event[start+1:end-1])
		if p = x.space(end); p >= len(x.event) || x.event[p] != ':' {
			return -1
		}
		if p = x.value(to, start, x.space(p+1), false); p < 0 {
			return -1
		}
		p = x.space(p)
		if p >= len(x.event) || x.event[p] != ',' {
			break
		}
		p = x.space(p + 1)
	}
	if p >= len(x.event) || x.event[p] != '}' {
		return -1
	}
	return p + 1
}

// member is where a key leads: a key may hold dots, as a path does.
func (x *Mapper) member(t *trie, key []byte) *trie {
	if t == nil || len(t.members) == 0 {
		return nil
	}
	if bytes.IndexByte(key, '\\') >= 0 {
		key = x.unescape(key)
	}
	if to := t.members[string(key)]; to != nil {
		return to
	}
	for t != nil {
		head, rest, more := bytes.Cut(key, []byte("."))
		t = t.members[string(head)]
		if !more {
			return t
		}
		key = rest
	}
	return nil
}

// value reads the value at p, whose key or itself starts at start.
func (x *Mapper) value(t *trie, start, p int, element bool) int {
	if p >= len(x.event) {
		return -1
	}
	var end int
	c := x.event[p]
	switch {
	case t == nil || !t.below():
		end = valueEnd(x.event, p)
	case c == '{' && len(t.members) > 0:
		end = x.object(t, p)
	case c == '[' && len(t.elements) > 0:
		end = x.elements(t, p)
	default:
		end = valueEnd(x.event, p)
	}
	if end > 0 && t != nil && t.slot >= 0 && c != 'n' && x.at[t.slot].to == 0 {
		x.at[t.slot] = place{p, end, start, element}
		x.taken = append(x.taken, t.slot)
	}
	return end
}

func (x *Mapper) elements(t *trie, p int) int {
	if p = x.space(p + 1); p < len(x.event) && x.event[p] == ']' {
		return p + 1
	}
	for i := 0; p < len(x.event); i++ {
		end := x.readElement(t, i, p)
		if end < 0 {
			return -1
		}
		p = x.space(end)
		if p >= len(x.event) || x.event[p] != ',' {
			break
		}
		p = x.space(p + 1)
	}
	if p >= len(x.event) || x.event[p] != ']' {
		return -1
	}
	return p + 1
}

// readElement reads the element at p, once for each path that leads to it: by its
// index, or by one of its members.
func (x *Mapper) readElement(t *trie, index, p int) (end int) {
	read := false
	for i := range t.elements {
		e := &t.elements[i]
		if e.name == "" && e.index == index ||
			e.name != "" && x.event[p] == '{' && string(x.memberText(p, e.name)) == e.value {
			end, read = x.value(e.to, p, p, true), true
		}
	}
	if !read {
		end = valueEnd(x.event, p)
	}
	return end
}

// memberText is the text of a member of the object at p.
func (x *Mapper) memberText(p int, name string) []byte {
	if p = x.memberAt(p, name); p < 0 {
		return nil
	}
	return x.text(x.event[p:valueEnd(x.event, p)])
}

// memberAt is where the value of a member of the object at p begins, -1 if there
// is none.
func (x *Mapper) memberAt(p int, name string) int {
	for p = x.space(p + 1); p < len(x.event) && x.event[p] == '"'; {
		end := stringEnd(x.event, p)
		if end < 0 {
			return -1
		}
		is := string(x.event[p+1:end-1]) == name
		if p = x.space(end); p >= len(x.event) || x.event[p] != ':' {
			return -1
		}
		p = x.space(p + 1)
		if end = valueEnd(x.event, p); end < 0 || is {
			return min(p, end)
		}
		if p = x.space(end); p >= len(x.event) || x.event[p] != ',' {
			return -1
		}
		p = x.space(p + 1)
	}
	return -1
}

// embedded reads JSON that stands in a text.
func embedded(arg string) (function, error) {
	list := strings.HasPrefix(arg, "[")
	if list {
		arg = "-" + arg
	}
	path, err := parsePath(arg)
	if err != nil {
		return nil, err
	}
	if list {
		path[0].key = ""
	}
	return func(x *Mapper, s []byte) ([]byte, bool) {
		event := x.event
		defer func() { x.event = event }()
		x.event = s
		p := x.space(0)
		for _, part := range path {
			if p = x.find(p, part); p < 0 {
				return nil, false
			}
		}
		end := valueEnd(s, p)
		if end < 0 || s[p] == 'n' {
			return nil, false
		}
		text := x.text(s[p:end])
		return text, text != nil
	}, nil
}

// find is where a step of a path leads from the value at p, -1 if nowhere.
func (x *Mapper) find(p int, to part) int {
	if p >= len(x.event) || x.event[p] != '{' && to.key != "" {
		return -1
	}
	if to.key != "" {
		p = x.memberAt(p, to.key)
	}
	if !to.listed || p < 0 {
		return p
	}
	if x.event[p] != '[' {
		return -1
	}
	p = x.space(p + 1)
	for i := 0; p < len(x.event) && x.event[p] != ']'; i++ {
		end := valueEnd(x.event, p)
		if end < 0 {
			return -1
		}
		if i == to.index || to.index < 0 && x.event[p] == '{' && string(x.memberText(p, to.name)) == to.value {
			return p
		}
		if p = x.space(end); p < len(x.event) && x.event[p] == ',' {
			p = x.space(p + 1)
		}
	}
	return -1
}

// stringEnd is the end of the string at p, -1 if it has none.
func stringEnd(b []byte, p int) int {
	for from := p + 1; ; {
		i := bytes.IndexByte(b[from:], '"')
		if i < 0 {
			return -1
		}
		end := from + i
		n := 0
		for b[end-1-n] == '\\' && end-1-n > p {
			n++
		}
		if from = end + 1; n%2 == 0 {
			return from
		}
	}
}

// valueEnd is the end of the value at p, -1 if its quotes and brackets do not
// tell. It does not recurse: events are hostile.
func valueEnd(b []byte, p int) int {
	if p >= len(b) {
		return -1
	}
	switch b[p] {
	case '"':
		return stringEnd(b, p)
	case '{', '[':
		depth := 0
		for p < len(b) {
			switch b[p] {
			case '"':
				if p = stringEnd(b, p); p < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return p + 1
				}
			}
			p++
		}
		return -1
	}
	from := p
	for p < len(b) && b[p] != ',' && b[p] != '}' && b[p] != ']' && b[p] > ' ' {
		p++
	}
	if p == from {
		return -1
	}
	return p
}

// text is what a token says: the content of a string, a number or a word as it
// stands, nil for an object or a list.
func (x *Mapper) text(token []byte) []byte {
	switch token[0] {
	case '"':
		inner := token[1 : len(token)-1]
		if bytes.IndexByte(inner, '\\') >= 0 {
			return x.unescape(inner)
		}
		return inner
	case '{', '[':
		return nil
	}
	return token
}

// unescape decodes the content of a JSON string. A wrong escape stays as it is.
func (x *Mapper) unescape(s []byte) []byte {
	from := len(x.arena)
	for i := 0; i < len(s); i++ {
		run := bytes.IndexByte(s[i:], '\\')
		if run < 0 || i+run+1 == len(s) {
			x.arena = append(x.arena, s[i:]...)
			break
		}
		x.arena = append(x.arena, s[i:i+run]...)
		i += run + 1
		const names, means = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		if j := strings.IndexByte(names, s[i]); j >= 0 {
			x.arena = append(x.arena, means[j])
			continue
		}
		r, ok := hex4(s, i)
		if !ok {
			x.arena = append(x.arena, '\\', s[i])
			continue
		}
		i += 4
		if r >= 0xD800 && r < 0xDC00 && i+2 < len(s) && s[i+1] == '\\' {
			if low, ok := hex4(s, i+2); ok && low >= 0xDC00 && low < 0xE000 {
				r, i = (r-0xD800)<<10|(low-0xDC00)+0x10000, i+6
			}
		}
		x.arena = utf8.AppendRune(x.arena, r)
	}
	return x.arena[from:len(x.arena):len(x.arena)]
}

// hex4 reads uXXXX at i.
func hex4(s []byte, i int) (rune, bool) {
	if i+5 > len(s) || s[i] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s[i+1:i+5]), 16, 16)
	return rune(n), err == nil
}
