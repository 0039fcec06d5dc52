package eventfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonDecoder reads objects one after another, and looks through arrays and
// `Records` envelopes at the top level. It finds the ends of values itself, so
// that only one event is held at a time.
type jsonDecoder struct {
	b     *buffer
	in    container
	first bool // nothing was read of the container yet
	out   bytes.Buffer
}

// container is what the decoder is inside of.
type container int

const (
	topLevel container = iota
	array
	records
)

func (d *jsonDecoder) next() ([]byte, int, error) {
	d.b.mark = -1
	for {
		c, ok := d.space()
		line := d.b.line
		if !ok {
			return nil, line, d.ended()
		}
		if d.in == topLevel {
			if c == '[' {
				d.b.take()
				d.in, d.first = array, true
				continue
			}
			if n := envelope(d.b); n > 0 {
				for range n {
					d.b.take()
				}
				d.in, d.first = records, true
				continue
			}
		} else if done, err := d.separator(c); err != nil || done {
			if err != nil {
				return nil, line, err
			}
			continue
		}
		c, ok = d.space()
		if !ok {
			return nil, d.b.line, d.ended()
		}
		if line = d.b.line; c != '{' {
			return nil, line, problem(fmt.Sprintf("%q begins no event", c), "an event is a JSON object: {\"name\": value, ...}")
		}
		text, err := d.object()
		return text, line, err
	}
}

// separator moves past a comma to the next element, or past the container's
// end, which it reports.
func (d *jsonDecoder) separator(c byte) (done bool, err error) {
	if c == ']' {
		d.b.take()
		if d.in == records {
			if c, _ = d.space(); c != '}' {
				return false, d.orFailed(problem("something follows the records within their object", "remove it, or put one record a line"))
			}
			d.b.take()
		}
		d.in = topLevel
		return true, nil
	}
	if d.first {
		d.first = false
		return false, nil
	}
	if c != ',' {
		return false, problem(fmt.Sprintf("%q where a comma or ] was expected", c), "check what precedes it")
	}
	d.b.take()
	return false, nil
}

// space skips white space and returns the byte after it.
func (d *jsonDecoder) space() (byte, bool) {
	for {
		c, ok := d.b.next()
		if !ok || !isSpace(c) {
			return c, ok
		}
		d.b.take()
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// ended is the end of the stream: a good one only outside of containers.
func (d *jsonDecoder) ended() error {
	if err := d.b.failed(); err != nil {
		return err
	}
	if d.in != topLevel {
		return problem("the file ends within its array", "it was cut short: fetch it again")
	}
	return io.EOF
}

func (d *jsonDecoder) orFailed(p *Error) error {
	if err := d.b.failed(); err != nil {
		return err
	}
	return p
}

// envelope returns how many bytes lead from an object's brace into the array
// of records that is its first member, or 0. It looks no further than the
// bytes still agree, so that a slow pipe is not waited for.
func envelope(b *buffer) int {
	n := 1
	token := func(want string) bool {
		for n < sniffed {
			head, _ := b.peek(n + 1)
			if len(head) <= n {
				return false
			}
			if !isSpace(head[n]) {
				break
			}
			n++
		}
		for i := range len(want) {
			head, _ := b.peek(n + 1)
			if len(head) <= n || (head[n] != want[i] && (i != 1 || head[n] != 'r')) {
				return false
			}
			n++
		}
		return true
	}
	if !token(`"Records"`) || !token(":") || !token("[") {
		return 0
	}
	into := n
	if !token("{") && !token("]") {
		return 0
	}
	return into
}

// object reads from a brace to the one that closes it, and checks it.
func (d *jsonDecoder) object() ([]byte, error) {
	b := d.b
	first := b.line
	b.mark = b.pos
	depth, quoted := 0, false
	for {
		c, ok := b.next()
		if !ok {
			return nil, d.orFailed(problem("the event is not closed at the end of the file", "it was cut short, or a quote or bracket is missing"))
		}
		if quoted {
			switch c {
			case '\\':
				b.take()
				if _, ok := b.next(); !ok {
					continue
				}
			case '"':
				quoted = false
			case '\n':
				return nil, problem("a text is not closed at the end of its line", `write line breaks within a text as \n`)
			}
			b.take()
			continue
		}
		switch c {
		case '"':
			quoted = true
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		b.take()
		if depth == 0 {
			text := b.data[b.mark:b.pos]
			return d.checked(text, b.line > first)
		}
	}
}

// checked returns a valid object on one line.
func (d *jsonDecoder) checked(text []byte, lines bool) ([]byte, error) {
	if !json.Valid(text) {
		var into json.RawMessage
		what := "the event is no valid JSON"
		var syntax *json.SyntaxError
		if err := json.Unmarshal(text, &into); errors.As(err, &syntax) {
			what = fmt.Sprintf("%s: %v, at its byte %d", what, syntax, syntax.Offset)
		}
		return nil, problem(what, "correct it, or remove it")
	}
	if !lines {
		return text, nil
	}
	d.out.Reset()
	if err := json.Compact(&d.out, text); err != nil {
		return nil, problem("the event is no valid JSON: "+err.Error(), "correct it, or remove it")
	}
	return d.out.Bytes(), nil
}
