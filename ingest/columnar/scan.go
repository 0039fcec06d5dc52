package columnar

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// maxNesting is the depth of JSON beyond which an event is refused unread.
const maxNesting = 1000

// span is a part of the event.
type span struct{ from, to int }

// scanner reads strict JSON (RFC 8259) from one event.
type scanner struct {
	buf     []byte
	p       int
	nesting int
	fault   string // why the event is refused; empty: it is not
	scratch []byte // of the string that was read last, if it had escapes
}

func (s *scanner) fail(reason string) bool {
	if s.fault == "" {
		s.fault = reason
	}
	return false
}

func (s *scanner) text(x span) []byte { return s.buf[x.from:x.to] }

// space skips white space and returns the byte that follows, 0 at the end.
func (s *scanner) space() byte {
	for s.p < len(s.buf) {
		c := s.buf[s.p]
		if c > ' ' {
			return c
		}
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.p++
	}
	return 0
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stringEnd advances from p to the next byte that ends a run of plain
// characters: a quote, a backslash or a control. ascii tells whether the run
// was.
func stringEnd(buf []byte, p int) (end int, ascii bool) {
	var high uint64
	for p+8 <= len(buf) {
		w := binary.LittleEndian.Uint64(buf[p:])
		q := w ^ ones*'"'
		b := w ^ ones*'\\'
		// Exact below the first hit; what it says above does not matter.
		hit := ((q-ones)&^q | (b-ones)&^b | (w-ones*0x20)&^w) & highs
		if hit != 0 {
			n := bits.TrailingZeros64(hit) &^ 7
			high |= w & highs & (1<<n - 1)
			return p + n>>3, high == 0
		}
		high |= w & highs
		p += 8
	}
	for ; p < len(buf); p++ {
		c := buf[p]
		if c == '"' || c == '\\' || c < 0x20 {
			break
		}
		high |= uint64(c) & 0x80
	}
	return p, high == 0
}

// str reads a string whose opening quote is at p. text is the decoded value,
// valid until the next call; raw is the token with its quotes. exact is false
// for text that UTF-8 cannot hold: a surrogate alone.
func (s *scanner) str() (text []byte, raw span, exact, ok bool) {
	from := s.p
	end, ascii := stringEnd(s.buf, from+1)
	if end < len(s.buf) && s.buf[end] == '"' {
		text = s.buf[from+1 : end]
		s.p = end + 1
		if !ascii && !utf8.Valid(text) {
			return nil, span{}, false, s.fail("invalid UTF-8")
		}
		return text, span{from, s.p}, true, true
	}
	return s.escaped(from, end, ascii)
}

// escaped is str from the first byte that is not plain.
func (s *scanner) escaped(from, p int, ascii bool) (text []byte, raw span, exact, ok bool) {
	if !ascii && !utf8.Valid(s.buf[from+1:p]) {
		return nil, span{}, false, s.fail("invalid UTF-8")
	}
	s.scratch = append(s.scratch[:0], s.buf[from+1:p]...)
	exact = true
	for {
		if p >= len(s.buf) {
			return nil, span{}, false, s.fail("not JSON: a string has no end")
		}
		switch c := s.buf[p]; {
		case c == '"':
			s.p = p + 1
			return s.scratch, span{from, s.p}, exact, true
		case c == '\\':
			n, whole := s.escape(p)
			if n == 0 {
				return nil, span{}, false, s.fail("not JSON: wrong escape in a string")
			}
			p += n
			exact = exact && whole
		default:
			return nil, span{}, false, s.fail("not JSON: control character in a string")
		}
		end, plain := stringEnd(s.buf, p)
		if !plain && !utf8.Valid(s.buf[p:end]) {
			return nil, span{}, false, s.fail("invalid UTF-8")
		}
		s.scratch = append(s.scratch, s.buf[p:end]...)
		p = end
	}
}

// escape decodes the escape at p into scratch. n is its length, 0 if it is
// none; whole is false for a surrogate without its other half.
func (s *scanner) escape(p int) (n int, whole bool) {
	if p+1 >= len(s.buf) {
		return 0, false
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	for i := range len(from) {
		if s.buf[p+1] == from[i] {
			s.scratch = append(s.scratch, to[i])
			return 2, true
		}
	}
	r, ok := hex4(s.buf, p)
	if !ok {
		return 0, false
	}
	if r < 0xD800 || r > 0xDFFF {
		s.scratch = utf8.AppendRune(s.scratch, r)
		return 6, true
	}
	low, ok := hex4(s.buf, p+6)
	if r < 0xDC00 && ok && low >= 0xDC00 && low <= 0xDFFF {
		s.scratch = utf8.AppendRune(s.scratch, (r-0xD800)<<10|(low-0xDC00)+0x10000)
		return 12, true
	}
	s.scratch = utf8.AppendRune(s.scratch, utf8.RuneError)
	return 6, false
}

// hex4 reads \uXXXX at p.
func hex4(b []byte, p int) (rune, bool) {
	if p+6 > len(b) || b[p] != '\\' || b[p+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[p+2 : p+6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// literal reads true, false or null.
func (s *scanner) literal(word string) bool {
	if len(s.buf)-s.p < len(word) || string(s.buf[s.p:s.p+len(word)]) != word {
		return s.fail("not JSON: unexpected character")
	}
	s.p += len(word)
	return true
}

// skip reads any value and returns where it stands.
func (s *scanner) skip() (span, bool) {
	c := s.space()
	from := s.p
	var ok bool
	switch c {
	case '"':
		_, _, _, ok = s.str()
	case '{':
		ok = s.skipObject()
	case '[':
		ok = s.skipArray()
	case 't':
		ok = s.literal("true")
	case 'f':
		ok = s.literal("false")
	case 'n':
		ok = s.literal("null")
	default:
		_, ok = s.number()
	}
	return span{from, s.p}, ok
}

// enter goes one level down.
func (s *scanner) enter() bool {
	s.p++
	if s.nesting++; s.nesting > maxNesting {
		return s.fail("nested deeper than 1,000 levels")
	}
	return true
}

func (s *scanner) leave() bool {
	s.p++
	s.nesting--
	return true
}

func (s *scanner) skipObject() bool {
	if !s.enter() {
		return false
	}
	if s.space() == '}' {
		return s.leave()
	}
	for {
		if s.space() != '"' {
			return s.fail("not JSON: a key is missing")
		}
		if _, _, _, ok := s.str(); !ok || !s.colon() {
			return false
		}
		if _, ok := s.skip(); !ok {
			return false
		}
		if more, ok := s.comma('}'); !more {
			return ok
		}
	}
}

func (s *scanner) skipArray() bool {
	if !s.enter() {
		return false
	}
	if s.space() == ']' {
		return s.leave()
	}
	for {
		if _, ok := s.skip(); !ok {
			return false
		}
		if more, ok := s.comma(']'); !more {
			return ok
		}
	}
}

func (s *scanner) colon() bool {
	if s.p < len(s.buf) && s.buf[s.p] == ':' {
		s.p++
		return true
	}
	if s.space() != ':' {
		return s.fail("not JSON: a colon is missing")
	}
	s.p++
	return true
}

// comma reads what follows a value in an object or array.
func (s *scanner) comma(end byte) (more, ok bool) {
	switch s.space() {
	case ',':
		s.p++
		return true, true
	case end:
		return false, s.leave()
	case 0:
		if s.p >= len(s.buf) {
			return false, s.fail("not JSON: it ends too early")
		}
	}
	return false, s.fail("not JSON: unexpected character after a value")
}
