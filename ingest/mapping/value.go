package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
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
	text  string
	slots []int
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

// functions are what may follow a path, by name.
func functions() map[string]named {
	const missing = " ARGUMENT; nothing if it is not there"
	return map[string]named{
		"lower":       plain("in lower case", lower),
		"trim":        plain("without surrounding blanks", trim),
		"before":      cut("what stands before the first"+missing, bytes.Index, false),
		"after":       cut("what stands after the first"+missing, bytes.Index, true),
		"before_last": cut("what stands before the last"+missing, bytes.LastIndex, false),
		"after_last":  cut("what stands after the last"+missing, bytes.LastIndex, true),
		"until": {true, "what stands before the first ARGUMENT; all of it if it is not there", func(arg string) (function,
			error) {
			sep := []byte(arg)
			return func(_ *Mapper, s []byte) ([]byte, bool) {
				s, _, _ = bytes.Cut(s, sep)
				return s, true
			}, nil
		}},
		"address": plain("an IP address, without port, brackets or zone; nothing if it is none", address),
		"port":    plain("the port of an address with a port", port),
		"number":  plain("a whole number, also from 0x1f4", number),
		"hex":     plain("text that is written in hexadecimal digits, NUL as a blank; nothing if it is not", unhex),
		"person": plain("a name of a person: in lower case, without surrounding blanks, DOMAIN\\name as name@domain",
			person),
		"account": plain("a name of a Windows account: as person, of the domain what stands before its first dot, so that "+
			"CORP\\name, name@corp.example and name/CORP.EXAMPLE are one", account),
		"host":   plain("a name of a machine: in lower case, without the last dot and leading \\\\", host),
		"file":   plain("the last part of a path", file),
		"folder": plain("a path without its last part", folder),
		"match": {true, "the first group of a regular expression, or all of it; nothing if it does not match. It costs " +
			"an allocation", match},
		"like":   {true, "itself if a regular expression matches; otherwise nothing", like(true)},
		"unlike": {true, "itself if a regular expression does not match; otherwise nothing", like(false)},
		"as": {true, "another text in its place", func(arg string) (function, error) {
			to := []byte(arg)
			return func(*Mapper, []byte) ([]byte, bool) { return to, true }, nil
		}},
		"word": plain("its first word: Create of CreateUser, create-user and create user", word),
		"json": {true, "of a text that is JSON the value at a path of keys and [2]; nothing if it has none, or an object",
			embedded},
	}
}

func trim(_ *Mapper, s []byte) ([]byte, bool) { return bytes.TrimSpace(s), true }

func file(_ *Mapper, s []byte) ([]byte, bool) { return s[bytes.LastIndexAny(s, `/\`)+1:], true }

func folder(_ *Mapper, s []byte) ([]byte, bool) {
	i := bytes.LastIndexAny(s, `/\`)
	return s[:max(i, 0)], i > 0
}

// keep puts what f appends into the arena.
func (x *Mapper) keep(f func(dst []byte) []byte) []byte {
	from := len(x.arena)
	x.arena = f(x.arena)
	return x.arena[from:len(x.arena):len(x.arena)]
}

func lower(x *Mapper, s []byte) ([]byte, bool) {
	from := len(x.arena)
	ascii := true
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		ascii = ascii && c < utf8.RuneSelf
		x.arena = append(x.arena, c)
	}
	if !ascii {
		x.arena = append(x.arena[:from], bytes.ToLower(s)...)
	}
	return x.arena[from:len(x.arena):len(x.arena)], true
}

func address(x *Mapper, s []byte) ([]byte, bool) {
	s = bytes.TrimSpace(s)
	if i := bytes.IndexByte(s, ']'); len(s) > 0 && s[0] == '[' && i > 0 {
		s = s[1:i]
	} else if i := bytes.IndexByte(s, ':'); i >= 0 && bytes.LastIndexByte(s, ':') == i {
		s = s[:i]
	}
	if i := bytes.IndexByte(s, '%'); i >= 0 {
		s = s[:i]
	}
	if len(s) > 45 {
		return nil, false
	}
	// The address keeps nothing of the text: its zone is cut off.
	a, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(s), len(s)))
	if err != nil {
		return nil, false
	}
	return x.keep(a.Unmap().AppendTo), true
}

func port(_ *Mapper, s []byte) ([]byte, bool) {
	i := bytes.LastIndexByte(s, ':')
	if i < 0 || i+1 == len(s) || bytes.IndexByte(s, ':') != i && s[i-1] != ']' {
		return nil, false
	}
	s = s[i+1:]
	return s, digits(s)
}

func digits(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) > 0
}

func number(x *Mapper, s []byte) ([]byte, bool) {
	s = bytes.TrimSpace(s)
	if len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' {
		if len(s) > 18 {
			return nil, false
		}
		var n uint64
		for _, c := range s[2:] {
			d, ok := hexDigit(c)
			if !ok {
				return nil, false
			}
			n = n<<4 | uint64(d)
		}
		if n>>63 != 0 {
			return nil, false
		}
		return x.keep(func(dst []byte) []byte { return strconv.AppendUint(dst, n, 10) }), true
	}
	if d := bytes.TrimPrefix(s, []byte("-")); !digits(d) || len(d) > 18 {
		return nil, false
	} else if len(d) > 1 && d[0] == '0' {
		d = bytes.TrimLeft(d, "0")
		if len(d) == 0 {
			d = []byte("0")
		}
		return d, true
	}
	return s, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

func person(x *Mapper, s []byte) ([]byte, bool) {
	if s, _ = lower(x, bytes.TrimSpace(s)); vacant(s) {
		return nil, false
	}
	i := bytes.IndexByte(s, '\\')
	if i < 0 || i+1 == len(s) {
		return s, true
	}
	domain, name := s[:i], s[i+1:]
	if len(domain) == 0 || domain[0] == '.' || bytes.IndexByte(name, '@') > 0 {
		return name, true
	}
	return x.keep(func(dst []byte) []byte { return append(append(append(dst, name...), '@'), domain...) }), true
}

func account(x *Mapper, s []byte) ([]byte, bool) {
	s, ok := person(x, s) // in the arena
	at := bytes.IndexByte(s, '@')
	if at < 0 {
		if at = bytes.LastIndexByte(s, '/'); at > 0 {
			s[at] = '@'
		}
	}
	if ok && at > 0 {
		if dot := bytes.IndexByte(s[at:], '.'); dot > 1 {
			s = s[:at+dot]
		}
	}
	return s, ok
}

func unhex(x *Mapper, s []byte) ([]byte, bool) {
	if len(s) == 0 || len(s)%2 != 0 {
		return nil, false
	}
	from := len(x.arena)
	for i := 0; i < len(s); i += 2 {
		high, ok := hexDigit(s[i])
		low, also := hexDigit(s[i+1])
		if !ok || !also {
			return nil, false
		}
		c := high<<4 | low
		if c == 0 {
			c = ' '
		}
		x.arena = append(x.arena, c)
	}
	out := x.arena[from:len(x.arena):len(x.arena)]
	return out, utf8.Valid(out)
}

func host(x *Mapper, s []byte) ([]byte, bool) {
	s = bytes.TrimRight(bytes.TrimLeft(bytes.TrimSpace(s), `\`), ".")
	if vacant(s) {
		return nil, false
	}
	return lower(x, s)
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
	var parts [16][]byte
	for i, p := range template { // texts may use the arena themselves
		if p.slots == nil {
			continue
		}
		slot := x.first(p.slots)
		if slot < 0 {
			return nil, false
		}
		if parts[i] = x.text(x.token(slot)); parts[i] == nil {
			return nil, false
		}
	}
	from := len(x.arena)
	for i, p := range template {
		x.arena = append(append(x.arena, p.text...), parts[i]...)
	}
	return x.arena[from:len(x.arena):len(x.arena)], true
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
		name, arg, _ := strings.Cut(s, " ")
		arg = strings.TrimSpace(arg)
		f, err := c.parseFunction(name, arg)
		if err != nil {
			return e, err
		}
		e.steps = append(e.steps, f)
		e.table = nil
		if i := c.tableNamed(arg); name == "lookup" && i >= 0 {
			e.table = c.spec.Tables[i].Entries
		} else if name == "as" {
			e.table = []Entry{{To: strings.Trim(arg, `"`)}}
		}
	}
	return e, nil
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

// splitSteps divides an expression at its bars, those in quotes apart.
func splitSteps(text string) ([]string, error) {
	var out []string
	quoted, from := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == '|' && !quoted:
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
		path, after, ok := strings.Cut(rest, "}")
		if !ok {
			return nil, fmt.Errorf("%q has a { without its }", text)
		}
		slots, err := c.slots(path)
		if err != nil {
			return nil, err
		}
		out = append(out, piece{slots: slots})
		text = after
	}
	if len(out) > 16 {
		return nil, errors.New("a template has at most 16 pieces")
	}
	return out, nil
}
