package mapping

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

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
		"not": {true, "nothing if it is ARGUMENT", func(arg string) (function, error) {
			return func(_ *Mapper, s []byte) ([]byte, bool) { return s, string(s) != arg }, nil
		}},
		"address": plain("an IP address, without port, brackets or zone; nothing if it is none", address),
		"port":    plain("the port of an address with a port", port),
		"number":  plain("a whole number, also from 0x1f4", number),
		"hex": plain("text that the kernel's audit has written in hexadecimal digits because of its blanks or "+
			"quotes, NUL as a blank; other text as it is", unhex),
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
	if len(s) > 45 || !likeAddress(s) {
		return nil, false
	}
	// The address keeps nothing of the text: its zone is cut off.
	a, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(s), len(s)))
	if err != nil {
		return nil, false
	}
	return x.keep(a.Unmap().AppendTo), true
}

// likeAddress spares an error, which is an allocation, for what is not an address:
// names stand where addresses do.
func likeAddress(s []byte) bool {
	for _, c := range s {
		if _, ok := hexDigit(c); !ok && c != '.' && c != ':' {
			return false
		}
	}
	return bytes.Count(s, []byte(":")) > 1 || bytes.Count(s, []byte(".")) == 3
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

// unhex decodes what has a character that audit writes so; a name such as 1234
// is no such text.
func unhex(x *Mapper, s []byte) ([]byte, bool) {
	if len(s)%2 != 0 {
		return s, true
	}
	from := len(x.arena)
	special := false
	for i := 0; i < len(s); i += 2 {
		high, ok := hexDigit(s[i])
		low, also := hexDigit(s[i+1])
		if !ok || !also {
			return s, true
		}
		c := high<<4 | low
		special = special || c <= ' ' || c == '"' || c >= 0x7f
		if c == 0 {
			c = ' '
		}
		x.arena = append(x.arena, c)
	}
	if out := x.arena[from:len(x.arena):len(x.arena)]; special && utf8.Valid(out) {
		return out, true
	}
	return s, true
}

func host(x *Mapper, s []byte) ([]byte, bool) {
	s = bytes.TrimRight(bytes.TrimLeft(bytes.TrimSpace(s), `\`), ".")
	if vacant(s) {
		return nil, false
	}
	return lower(x, s)
}

// FunctionDoc documents a function of expressions.
type FunctionDoc struct{ Name, Text string }

// Functions are those that may follow a path, by name.
func Functions() []FunctionDoc {
	out := []FunctionDoc{{"lookup TABLE", "the text that a table of the mapping has for it; nothing if it has none"}}
	for name, f := range functions() {
		if f.argument {
			name += " ARGUMENT"
		}
		out = append(out, FunctionDoc{name, f.text})
	}
	slices.SortFunc(out, func(a, b FunctionDoc) int { return strings.Compare(a.Name, b.Name) })
	return out
}
