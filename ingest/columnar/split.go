package columnar

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
)

var bom = []byte("\xEF\xBB\xBF")

// Split yields the events of a message: one for the format json; one for each
// line that is not blank for ndjson; for auto, one if the message as a whole is
// one JSON value, otherwise its lines. The elements of a top-level array are
// events of their own, except in a line. Nothing is checked beyond what it
// takes to find the borders, so a bad event does not spoil the others. What is
// yielded with an error is the part that cannot be an event. The slices point
// into data.
func Split(format string, data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		data = bytes.TrimPrefix(data, bom)
		switch format {
		case "json":
			splitJSON(data, yield)
		case "ndjson":
			splitLines(data, yield)
		case "auto", "":
			if one(data) {
				splitJSON(data, yield)
			} else {
				splitLines(data, yield)
			}
		default:
			yield(data, fmt.Errorf("unknown format %q", format))
		}
	}
}

// one reports whether a message is one value: it has a single line, or its
// first line alone is not a value.
func one(data []byte) bool {
	line, rest, more := bytes.Cut(bytes.TrimLeft(data, " \t\r\n"), []byte("\n"))
	if !more || len(bytes.TrimSpace(rest)) == 0 {
		return true
	}
	s := scanner{buf: line}
	_, ok := s.skip()
	if ok {
		s.space()
		return s.p < len(line)
	}
	// Either a value of several lines, or lines of which the first is bad.
	s = scanner{buf: data}
	if _, ok = s.skip(); !ok {
		return false
	}
	s.space()
	return s.p == len(data)
}

func splitLines(data []byte, yield func([]byte, error) bool) {
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		if line = bytes.TrimSpace(line); len(line) > 0 && !yield(line, nil) {
			return
		}
		data = rest
	}
}

// errElement is an array that ends before its time.
var errElement = errors.New("not JSON: an array of events is broken")

func splitJSON(data []byte, yield func([]byte, error) bool) {
	s := scanner{buf: data}
	if s.space() != '[' {
		yield(data, nil)
		return
	}
	s.enter()
	if s.space() == ']' {
		return
	}
	for {
		from := s.p
		v, ok := s.skip()
		if !ok {
			yield(data[from:], errElement)
			return
		}
		if !yield(s.text(v), nil) {
			return
		}
		if more, ok := s.comma(']'); !more {
			if s.space(); !ok || s.p < len(data) {
				yield(data[v.to:], errElement)
			}
			return
		}
	}
}
