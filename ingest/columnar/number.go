package columnar

import (
	"math"
	"strconv"
	"strings"
	"unsafe"
)

// number is a JSON number as it was read.
type number struct {
	raw    span
	long   int64
	double float64
	isLong bool // an integer of 64 bits
	exact  bool // double is the number itself, or prints as the token
	huge   bool // beyond the range of doubles
}

// whole reads an integer without a sign, of at most 18 digits. It does not move
// if there is another value.
func (s *scanner) whole() (v int64, ok bool) {
	p := s.p
	for p < len(s.buf) && s.buf[p]-'0' <= 9 {
		v = v*10 + int64(s.buf[p]-'0')
		p++
	}
	n := p - s.p
	if n == 0 || n > 18 || n > 1 && s.buf[s.p] == '0' || p < len(s.buf) && (s.buf[p] == '.' || s.buf[p]|0x20 == 'e') {
		return 0, false
	}
	s.p = p
	return v, true
}

// number reads one. Only numbers without fraction, exponent and minus zero are
// longs.
func (s *scanner) number() (number, bool) {
	b, p := s.buf, s.p
	n := number{raw: span{from: p}}
	neg := p < len(b) && b[p] == '-'
	if neg {
		p++
	}
	digits := p
	var v uint64
	for p < len(b) && b[p]-'0' <= 9 {
		v = v*10 + uint64(b[p]-'0')
		p++
	}
	count := p - digits
	if count == 0 || (count > 1 && b[digits] == '0') {
		return n, s.fail("not JSON: unexpected character")
	}
	if p < len(b) && (b[p] == '.' || b[p]|0x20 == 'e') {
		return s.decimal(n, v, count, p, neg)
	}
	n.raw.to, s.p = p, p
	if count > 19 || (count == 19 && (v > 1<<63 || (v == 1<<63 && !neg))) || (neg && v == 0) {
		s.float(&n)
		return n, true
	}
	n.isLong, n.long = true, int64(v)
	if neg {
		n.long = -n.long
	}
	n.double = float64(n.long)
	n.exact = n.long >= -1<<53 && n.long <= 1<<53
	return n, true
}

var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
	1e18, 1e19, 1e20, 1e21, 1e22}

// decimal reads on from a dot or an exponent at p.
func (s *scanner) decimal(n number, v uint64, count, p int, neg bool) (number, bool) {
	b := s.buf
	fraction := 0
	if b[p] == '.' {
		p++
		from := p
		for p < len(b) && b[p]-'0' <= 9 {
			if count+p-from < 18 {
				v = v*10 + uint64(b[p]-'0')
			}
			p++
		}
		if fraction = p - from; fraction == 0 {
			return n, s.fail("not JSON: unexpected character")
		}
	}
	simple := count+fraction <= 15
	if p < len(b) && b[p]|0x20 == 'e' {
		simple = false
		p++
		if p < len(b) && (b[p] == '+' || b[p] == '-') {
			p++
		}
		from := p
		for p < len(b) && b[p]-'0' <= 9 {
			p++
		}
		if p == from {
			return n, s.fail("not JSON: unexpected character")
		}
	}
	n.raw.to, s.p = p, p
	if !simple {
		s.float(&n)
		return n, true
	}
	// Both are exact, so their quotient is the nearest double.
	n.double, n.exact = float64(v)/pow10[fraction], true
	if neg {
		n.double = -n.double
	}
	return n, true
}

// float fills the double of a number that needs care.
func (s *scanner) float(n *number) {
	raw := s.text(n.raw)
	token := unsafe.String(&raw[0], len(raw)) // not kept
	v, err := strconv.ParseFloat(token, 64)
	if err != nil || math.IsInf(v, 0) {
		n.huge = true
		return
	}
	n.double = v
	n.exact = prints(v, token)
}

// printed is as many digits as tell any double from its neighbours.
const printed = 17

// prints reports whether the token is v in its shortest form or, as programs
// that print "%.17g" have it, with as many digits as the token has.
func prints(v float64, token string) bool {
	digits, _, ok := decimalParts(token)
	if !ok {
		return false
	}
	var b [32]byte
	if sameDecimal(token, string(strconv.AppendFloat(b[:0], v, 'e', -1, 64))) {
		return true
	}
	n := len(strings.TrimPrefix(digits, "-"))
	return n > 0 && n <= printed && sameDecimal(token, string(strconv.AppendFloat(b[:0], v, 'e', n-1, 64)))
}

// sameDecimal compares two JSON numbers by value.
func sameDecimal(a, b string) bool {
	da, ea, okA := decimalParts(a)
	db, eb, okB := decimalParts(b)
	return okA && okB && da == db && (ea == eb || da == "" || da == "-")
}

// decimalParts returns the significant digits with their sign and the exponent
// of the first one.
func decimalParts(s string) (digits string, exp int, ok bool) {
	mantissa, e, found := s, "", false
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, e, found = s[:i], s[i+1:], true
	}
	if found {
		v, err := strconv.Atoi(e)
		if err != nil || v > 1e6 || v < -1e6 {
			return "", 0, false
		}
		exp = v
	}
	sign := ""
	if strings.HasPrefix(mantissa, "-") {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	all := whole + frac
	exp += len(whole)
	trimmed := strings.TrimLeft(all, "0")
	exp -= len(all) - len(trimmed)
	return sign + strings.TrimRight(trimmed, "0"), exp, true
}
