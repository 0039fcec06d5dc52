package columnar

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
)

var bom = []byte("\xEF\xBB\xBF")

// Split yields the events of a message: the JSON values that follow one
// another for the format json; those of each line that is not blank for
// ndjson; for auto, as for json if the message is one line or its first value
// has several, otherwise as for ndjson. The elements of an array are events of
// their own, and so are those of an object that is {"Records": [...]} and
// nothing else; [time, event] is one event (see Batch.Append). Nothing is
// checked beyond what it takes to find the borders, so a bad event does not
// spoil the others. What is yielded with an error is the part that cannot be an
// event. The slices point into data.
func Split(format string, data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		data = bytes.TrimPrefix(data, bom)
		switch format {
		case "json":
			splitValues(data, yield)
		case "ndjson":
			splitLines(data, yield)
		case "auto", "":
			if one(data) {
				splitValues(data, yield)
			} else {
				splitLines(data, yield)
			}
		default:
			yield(data, fmt.Errorf("unknown format %q", format))
		}
	}
}

// one reports whether a message is not lines: it has a single one, or its first
// line does not end where a value does.
func one(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	line, rest, more := bytes.Cut(data, []byte("\n"))
	if !more || len(bytes.TrimSpace(rest)) == 0 {
		return true
	}
	if _, whole := values(line); whole {
		return false
	}
	// Either a value of several lines, or lines of which the first is bad.
	first, _ := values(data)
	return first > len(line)
}

// values is where the first of some values ends, 0 if it does not; whole tells
// whether all of data is values.
func values(data []byte) (first int, whole bool) {
	s := scanner{buf: data}
	for s.space(); s.p < len(data); s.space() {
		if _, ok := s.skip(); !ok {
			return first, false
		}
		if first == 0 {
			first = s.p
		}
	}
	return first, true
}

func splitLines(data []byte, yield func([]byte, error) bool) {
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		if line = bytes.TrimSpace(line); len(line) > 0 && !splitValues(line, yield) {
			return
		}
		data = rest
	}
}

// splitValues yields the events of values that follow one another. It reports
// whether more are wanted.
func splitValues(data []byte, yield func([]byte, error) bool) bool {
	if alone(data) {
		return yield(data, nil)
	}
	s := scanner{buf: data}
	for first := true; ; first = false {
		c := s.space()
		from := s.p
		switch {
		case from == len(data):
			return !first || yield(data, nil)
		case c == '[' && !isPair(data[from:]):
			if !elements(&s, yield) {
				return false
			}
			continue
		case c == '{':
			if array, after := envelope(data, from); after > 0 {
				s.p = array
				if !elements(&s, yield) {
					return false
				}
				s.p = after
				continue
			}
		}
		to := valueEnd(data, from)
		if to == 0 || c != '{' && c != '[' {
			return yield(data[from:], nil)
		}
		if s.p = to; !yield(data[from:to], nil) {
			return false
		}
	}
}

// alone tells cheaply that data is one object: nothing that begins another
// follows a brace that closes one, and it is not an envelope. Most messages are.
func alone(data []byte) bool {
	if len(data) == 0 || data[0] != '{' {
		return false
	}
	for rest := data; ; {
		i := bytes.IndexByte(rest, '}')
		if i < 0 {
			break
		}
		for rest = rest[i+1:]; len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\n' || rest[0] == '\r' || rest[0] == '\t'); {
			rest = rest[1:]
		}
		if len(rest) > 0 && (rest[0] == '{' || rest[0] == '[') {
			return false
		}
	}
	_, after := envelope(data, 0)
	return after == 0
}

// errElement is an array that ends before its time.
var errElement = errors.New("not JSON: an array of events is broken")

// elements yields the elements of the array at p and moves past it, or to the
// end if it is broken. It reports whether more are wanted.
func elements(s *scanner, yield func([]byte, error) bool) bool {
	s.nesting, s.fault = 0, ""
	s.enter()
	if s.space() == ']' {
		return s.leave()
	}
	for {
		s.space()
		from := s.p
		to := valueEnd(s.buf, from)
		if to == 0 {
			s.p = len(s.buf)
			return yield(s.buf[from:], errElement)
		}
		if s.p = to; !yield(s.buf[from:to], nil) {
			return false
		}
		more, ok := s.comma(']')
		if !ok {
			s.p = len(s.buf)
			return yield(s.buf[to:], errElement)
		}
		if !more {
			return true
		}
	}
}

// valueEnd is where the value at from ends, be it valid or not; 0 if its
// brackets and quotes do not tell.
func valueEnd(data []byte, from int) int {
	s := scanner{buf: data, p: from}
	if _, ok := s.skip(); ok {
		return s.p
	}
	depth, quoted := 0, false
	for i := from; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case c == ',' && depth == 0:
			return i
		}
	}
	return 0
}

// envelope tells an object whose one member is an array of objects named
// Records, as AWS and Azure write it: where the array begins, and where the
// object ends; 0 for any other object.
func envelope(data []byte, from int) (array, after int) {
	s := scanner{buf: data, p: from + 1}
	if s.space() != '"' || len(data)-s.p < len(`"Records":[{}]}`) || string(data[s.p+2:s.p+9]) != `ecords"` ||
		data[s.p+1]|0x20 != 'r' {
		return 0, 0
	}
	s.p += len(`"Records"`)
	if !s.colon() || s.space() != '[' {
		return 0, 0
	}
	array = s.p
	if s.p++; s.space() != '{' {
		return 0, 0
	}
	if s.p = valueEnd(data, array); s.p == 0 || s.space() != '}' {
		return 0, 0
	}
	return array, s.p + 1
}

// isPair tells whether an array is [time, {...}] or [[time, {...}], {...}].
func isPair(data []byte) bool {
	s := scanner{buf: data}
	if _, ok := s.pair(); !ok {
		return false
	}
	if _, ok := s.skip(); !ok {
		return false
	}
	return s.space() == ']'
}

// pair moves from the bracket of [time, event] to the event, as Fluent Bit
// writes it, or [[time, about], event], and returns the time. ok is false if
// it is not such a pair; then the position is undefined.
func (s *scanner) pair() (at span, ok bool) {
	s.enter()
	inner := s.space() == '['
	if inner {
		s.enter()
		s.space()
	}
	if at, ok = s.skip(); !ok || !pairTime(s.text(at)) {
		return at, false
	}
	if inner {
		for more := true; more; {
			if more, ok = s.comma(']'); !ok {
				return at, false
			}
			if more {
				if _, ok = s.skip(); !ok {
					return at, false
				}
			}
		}
	}
	more, ok := s.comma(']')
	return at, ok && more && s.space() == '{'
}

// pairTime tells a time from what else an array may begin with: a number since
// 1970, of nine digits or more, or a date.
func pairTime(token []byte) bool {
	if len(token) > 0 && token[0] == '"' {
		_, v := parseISO(token[1 : len(token)-1])
		return v == isTime
	}
	n := 0
	for n < len(token) && token[n]-'0' <= 9 {
		n++
	}
	return n >= 9
}
