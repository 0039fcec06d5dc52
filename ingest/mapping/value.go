package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// expression is one way to a value: where it comes from, and what is done to
// it.
type expression struct {
	constant []byte
	resort   bool  // the constant counts only if the object has nothing else of what it needs one
	slots    []int // of the places at which it may stand, the first that is there counts
	template []piece
	steps    []function
	table    []Entry // of the last step, if that is lookup
}

// results are the texts that an expression can have, as far as they are known
// before there is an event.
func (e *expression) results() (out []string) {
	if e.constant != nil {
		out = append(out, string(e.constant))
	}
	for _, entry := range e.table {
		out = append(out, entry.To)
	}
	return out
}

// piece is text of a template, or the value that stands between its braces.
type piece struct {
	text     string
	slots    []int
	steps    []function
	optional bool // it is nothing if there is no value
}

// function changes a text. ok is false if there is no value then. What it
// returns may be part of what it got, or stand in the mapper's arena.
type function func(x *Mapper, text []byte) (out []byte, ok bool)

// named is a function as the language has it.
type named struct {
	argument bool
	text     string // what it does, for the reference
	make     func(arg string) (function, error)
}

func plain(text string, f function) named {
	return named{false, text, func(string) (function, error) { return f, nil }}
}

// cut is a function that keeps what stands on one side of its argument.
func cut(text string, index func(s, sep []byte) int, after bool) named {
	return named{true, text, func(arg string) (function, error) {
		sep := []byte(arg)
		return func(_ *Mapper, s []byte) ([]byte, bool) {
			i := index(s, sep)
			switch {
			case i < 0:
				return nil, false
			case after:
				return s[i+len(sep):], true
			}
			return s[:i], true
		}, nil
	}}
}

// vacant tells what stands for no value.
func vacant(s []byte) bool {
	switch len(s) {
	case 0:
		return true
	case 1:
		return s[0] == '-' || s[0] == ' '
	}
	return false
}

// take evaluates an expression to its text. slot is where it stands if nothing
// was done to it, otherwise -1.
func (x *Mapper) take(e *expression) (text []byte, slot int, ok bool) {
	slot = -1
	switch {
	case e.resort && !x.alone:
		return nil, -1, false
	case e.constant != nil:
		text = e.constant
	case e.template != nil:
		if text, ok = x.fill(e.template); !ok {
			return nil, -1, false
		}
	default:
		if slot = x.first(e.slots); slot < 0 {
			return nil, -1, false
		}
		text = x.text(x.token(slot))
		if len(e.steps) == 0 {
			return text, slot, true
		}
		if slot = -1; text == nil {
			return nil, -1, false
		}
	}
	for _, f := range e.steps {
		if text, ok = f(x, text); !ok {
			return nil, -1, false
		}
	}
	return text, slot, !vacant(text)
}

// first is the first of some slots that has a value.
func (x *Mapper) first(slots []int) int {
	for _, s := range slots {
		if x.at[s].to > 0 {
			if t := x.token(s); t[0] != '"' || !vacant(t[1:len(t)-1]) {
				return s
			}
		}
	}
	return -1
}

func (x *Mapper) token(slot int) []byte { return x.event[x.at[slot].from:x.at[slot].to] }

func (x *Mapper) fill(template []piece) ([]byte, bool) {
	var parts [mostPieces][]byte
	for i := range template { // texts may use the arena themselves
		p := &template[i]
		if p.slots == nil {
			continue
		}
		var ok bool
		if parts[i], ok = x.part(p); !ok && !p.optional {
			return nil, false
		}
	}
	from := len(x.arena)
	for i, p := range template {
		x.arena = append(append(x.arena, p.text...), parts[i]...)
	}
	return x.arena[from:len(x.arena):len(x.arena)], true
}

// part is the value of a piece. What it holds is never nil if ok is true.
func (x *Mapper) part(p *piece) (text []byte, ok bool) {
	slot := x.first(p.slots)
	if slot < 0 {
		return nil, false
	}
	if text = x.text(x.token(slot)); text == nil {
		return nil, false
	}
	for _, f := range p.steps {
		if text, ok = f(x, text); !ok {
			return nil, false
		}
	}
	return text, true
}

// parseExpression reads what stands behind an attribute: a path, "text with a
// {path}", =constant or ?=constant, and then | function for each step.
func (c *compiler) parseExpression(text string) (expression, error) {
	var e expression
	rest, resort := strings.CutPrefix(text, "?")
	if s, ok := strings.CutPrefix(rest, "="); ok {
		e.resort = resort
		e.constant = []byte(s)
		if vacant(e.constant) {
			return e, errors.New("the constant is empty")
		}
		return e, nil
	}
	steps, err := splitSteps(text)
	if err != nil {
		return e, err
	}
	if strings.Contains(steps[0], "{") {
		e.template, err = c.parseTemplate(steps[0])
	} else {
		e.slots, err = c.slots(steps[0])
	}
	if err != nil {
		return e, err
	}
	for _, s := range steps[1:] {
		f, err := c.parseStep(s)
		if err != nil {
			return e, err
		}
		e.steps = append(e.steps, f)
		e.table = nil
		name, arg, _ := strings.Cut(s, " ")
		if i := c.tableNamed(strings.TrimSpace(arg)); name == "lookup" && i >= 0 {
			e.table = c.spec.Tables[i].Entries
		} else if name == "as" {
			e.table = []Entry{{To: strings.Trim(strings.TrimSpace(arg), `"`)}}
		}
	}
	return e, nil
}

func (c *compiler) parseStep(text string) (function, error) {
	name, arg, _ := strings.Cut(text, " ")
	return c.parseFunction(name, strings.TrimSpace(arg))
}

func (c *compiler) parseFunction(name, arg string) (function, error) {
	all := functions()
	f, ok := all[name]
	if !ok && name == "lookup" {
		return c.lookup(arg)
	}
	if !ok {
		names := []string{"lookup"}
		for n := range all {
			names = append(names, n)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("unknown function %q: use one of %s", name, strings.Join(names, ", "))
	}
	if strings.HasPrefix(arg, `"`) {
		s, err := strconv.Unquote(arg)
		if err != nil {
			return nil, fmt.Errorf("the argument of %s: %s is not a quoted text", name, arg)
		}
		arg = s
	}
	if f.argument != (arg != "") {
		if f.argument {
			return nil, fmt.Errorf("%s needs an argument: %s \"text\"", name, name)
		}
		return nil, fmt.Errorf("%s takes no argument", name)
	}
	made, err := f.make(arg)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", name, arg, err)
	}
	return made, nil
}

func (c *compiler) tableNamed(name string) int {
	return slices.IndexFunc(c.spec.Tables, func(t Table) bool { return t.Name.Value == name })
}

// lookup is a function that gives a text the one that a table of the mapping
// has for it.
func (c *compiler) lookup(name string) (function, error) {
	i := c.tableNamed(name)
	if i < 0 {
		return nil, fmt.Errorf("the mapping has no table %q", name)
	}
	table := map[string][]byte{}
	for _, e := range c.spec.Tables[i].Entries {
		table[e.From.Value] = []byte(e.To)
	}
	return func(_ *Mapper, s []byte) ([]byte, bool) {
		to, ok := table[string(s)]
		return to, ok
	}, nil
}

// splitSteps divides an expression at its bars, those in quotes apart, and those
// in the braces of a template.
func splitSteps(text string) ([]string, error) {
	var out []string
	quoted, braced, from := false, false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case quoted:
		case text[i] == '{' && len(out) == 0:
			braced = true
		case text[i] == '}':
			braced = false
		case text[i] == '|' && !braced:
			out = append(out, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	if quoted {
		return nil, fmt.Errorf("%q has a quote without its end", text)
	}
	out = append(out, strings.TrimSpace(text[from:]))
	if slices.Contains(out, "") {
		return nil, fmt.Errorf("%q has nothing between two bars, or at its begin or end", text)
	}
	return out, nil
}

// mostPieces bounds a template: sixteen values and what stands between them.
const mostPieces = 32

func (c *compiler) parseTemplate(text string) ([]piece, error) {
	var out []piece
	for text != "" {
		before, rest, ok := strings.Cut(text, "{")
		if before != "" {
			out = append(out, piece{text: before})
		}
		if !ok {
			break
		}
		inside, after, ok := strings.Cut(rest, "}")
		if !ok {
			return nil, fmt.Errorf("%q has a { without its }", text)
		}
		p, err := c.parsePiece(inside)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
		text = after
	}
	if len(out) > mostPieces {
		return nil, fmt.Errorf("a template has at most %d pieces", mostPieces)
	}
	return out, nil
}

// parsePiece reads what stands in braces: a path, with ? behind it if it may be
// missing, and functions.
func (c *compiler) parsePiece(text string) (p piece, err error) {
	steps, err := splitSteps(text)
	if err != nil {
		return p, err
	}
	path, optional := strings.CutSuffix(steps[0], "?")
	p.optional = optional
	if p.slots, err = c.slots(path); err != nil {
		return p, err
	}
	for _, s := range steps[1:] {
		f, err := c.parseStep(s)
		if err != nil {
			return p, err
		}
		p.steps = append(p.steps, f)
	}
	return p, nil
}
