package mapping

import (
	"bytes"
	"strings"
)

// pattern is what a value's text may be.
type pattern struct {
	not    bool
	absent bool // no value, or with not: any
	whole  string
	pieces [][]byte // around the stars; nil: whole
}

func parsePattern(text string) pattern {
	var p pattern
	if rest, ok := strings.CutPrefix(text, "!"); ok {
		p.not, text = true, rest
	}
	if text == "*" {
		return pattern{absent: p.not, not: !p.not}
	}
	if strings.Contains(text, "*") {
		p.pieces = bytes.Split([]byte(text), []byte("*"))
	} else {
		p.whole = text
	}
	return p
}

// exact tells a pattern that is one text.
func (p pattern) exact() bool { return !p.not && !p.absent && p.pieces == nil }

func (p pattern) matches(text []byte) bool {
	if p.pieces == nil {
		return string(text) == p.whole
	}
	first, last := p.pieces[0], p.pieces[len(p.pieces)-1]
	if len(text) < len(first)+len(last) || !bytes.HasPrefix(text, first) || !bytes.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, s := range p.pieces[1 : len(p.pieces)-1] {
		i := bytes.Index(text, s)
		if i < 0 {
			return false
		}
		text = text[i+len(s):]
	}
	return true
}

// test is a compiled condition.
type test struct {
	slots    []int
	exact    map[string]bool // patterns that are one text each
	patterns []pattern       // the others
	positive bool            // one of exact or of the patterns without not has to match
	absent   bool            // no value is well
	present  bool            // any value is well
}

func newTest(slots []int, patterns []string) test {
	t := test{slots: slots, exact: map[string]bool{}}
	for _, s := range patterns {
		p := parsePattern(s)
		switch {
		case p.absent:
			t.absent = true
		case s == "*":
			t.present = true
		case p.exact():
			t.exact[p.whole], t.positive = true, true
		default:
			t.patterns = append(t.patterns, p)
			t.positive = t.positive || !p.not
		}
	}
	return t
}

// holds tests a value. The text of an object or list is nothing, but it is
// there.
func (x *Mapper) holds(t *test) bool {
	slot := x.first(t.slots)
	if slot < 0 {
		return t.absent || !t.present && !t.positive
	}
	if t.absent && !t.present && !t.positive {
		return false
	}
	text := x.text(x.token(slot))
	found := t.exact[string(text)]
	for i := range t.patterns {
		p := &t.patterns[i]
		if is := p.matches(text); is && p.not {
			return false
		} else if is {
			found = true
		}
	}
	return found || t.present || !t.positive
}

func (x *Mapper) any(alternatives [][]test) bool {
	for _, all := range alternatives {
		ok := true
		for i := range all {
			if ok = x.holds(&all[i]); !ok {
				break
			}
		}
		if ok {
			return true
		}
	}
	return false
}
