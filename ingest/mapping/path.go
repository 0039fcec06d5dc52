package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// part is one step of a path: a key, and which element of the list that stands
// there, if it is one.
type part struct {
	key    string
	listed bool
	index  int    // of the element; -1: the one that the next two say
	name   string // a member of the element ...
	value  string // ... and its text
}

// parsePath reads a path: keys with dots between, [2] for an element of a list,
// [name=Actor] for the element of a list of objects whose member name is Actor.
func parsePath(text string) ([]part, error) {
	var out []part
	for rest := text; rest != "" || len(out) == 0; {
		i := strings.IndexAny(rest, ".[")
		if i < 0 {
			i = len(rest)
		}
		p := part{key: rest[:i]}
		if p.key == "" {
			return nil, fmt.Errorf("the path %q has an empty key", text)
		}
		rest = rest[i:]
		if strings.HasPrefix(rest, "[") {
			inside, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				return nil, fmt.Errorf("the path %q has a [ without its ]", text)
			}
			if err := p.element(inside); err != nil {
				return nil, fmt.Errorf("the path %q: %w", text, err)
			}
			rest = after
		}
		out = append(out, p)
		switch {
		case rest == "":
			return out, nil
		case rest[0] != '.' || len(rest) == 1:
			return nil, fmt.Errorf("the path %q needs a dot and a key at %q", text, rest)
		}
		rest = rest[1:]
	}
	return out, nil
}

func (p *part) element(inside string) error {
	p.listed = true
	if name, value, ok := strings.Cut(inside, "="); ok && name != "" {
		p.index, p.name, p.value = -1, name, value
		return nil
	}
	n, err := strconv.Atoi(inside)
	if err != nil || n < 0 || n > 999 {
		return fmt.Errorf("[%s] is neither an index up to 999 nor [member=text]", inside)
	}
	p.index = n
	return nil
}

func (p part) String() string {
	switch {
	case !p.listed:
		return p.key
	case p.index < 0:
		return p.key + "[" + p.name + "=" + p.value + "]"
	}
	return p.key + "[" + strconv.Itoa(p.index) + "]"
}

func pathText(path []part) string {
	out := make([]string, len(path))
	for i, p := range path {
		out[i] = p.String()
	}
	return strings.Join(out, ".")
}

// spelled is a path with its keys spelled otherwise; nil if that is not a spelling.
func spelled(path []part, as string) []part {
	out := slices.Clone(path)
	switch as {
	case "lower":
		for i, p := range path {
			out[i].key, out[i].name = strings.ToLower(p.key), strings.ToLower(p.name)
		}
	case "capital":
		if k := path[0].key; k != "" {
			out[0].key = strings.ToUpper(k[:1]) + k[1:]
		}
	case "column":
		out[0].key = strings.ToLower(path[0].key)
	default:
		return nil
	}
	return out
}

// trie leads from an event's keys to the slots of the values that a mapping
// asks for.
type trie struct {
	slot     int // of the value here; -1: it is not asked for
	members  map[string]*trie
	elements []element // of the list here
}

type element struct {
	index       int
	name, value string
	to          *trie
}

func newTrie() *trie { return &trie{slot: -1} }

// at is the place of a path, made if there is none.
func (t *trie) at(path []part) *trie {
	for _, p := range path {
		next := t.members[p.key]
		if next == nil {
			next = newTrie()
			if t.members == nil {
				t.members = map[string]*trie{}
			}
			t.members[p.key] = next
		}
		t = next
		if p.listed {
			t = t.elementAt(p)
		}
	}
	return t
}

func (t *trie) elementAt(p part) *trie {
	for _, e := range t.elements {
		if e.index == p.index && e.name == p.name && e.value == p.value {
			return e.to
		}
	}
	e := element{p.index, p.name, p.value, newTrie()}
	t.elements = append(t.elements, e)
	return e.to
}

// below tells whether something is asked for inside of the value here.
func (t *trie) below() bool { return len(t.members)+len(t.elements) > 0 }
