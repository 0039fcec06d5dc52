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
	again bool // what precedes was broken, so that a comma may be missing
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
				return d.skipBroken(line, err)
			}
			continue
		}
		c, ok = d.space()
		if !ok {
			return nil, d.b.line, d.ended()
		}
		if line = d.b.line; c == ']' && d.in != topLevel {
			d.first = true // the comma before it was one too many
			return []byte{','}, line, broken(fmt.Sprintf("%q begins no event", c), "remove the comma before it")
		}
		if c != '{' {
			return d.skipBroken(line, broken(fmt.Sprintf("%q begins no event", c),
				"an event is a JSON object: {\"name\": value, ...}"))
		}
		text, err := d.object()
		return text, line, err
	}
}

// skipBroken moves past what is not an event: to the end of the line, or in an
// array on one line to the comma or bracket that follows.
func (d *jsonDecoder) skipBroken(line int, err error) ([]byte, int, error) {
	if bad, ok := errors.AsType[*Error](err); !ok || !bad.Broken {
		return nil, line, err
	}
	b := d.b
	b.mark = b.pos
	if c, _ := b.next(); c == ',' && d.in != topLevel { // one too many
		b.take()
		d.again = true
		return b.data[b.mark:b.pos], line, err
	}
	depth, quoted := 0, false
	for {
		c, ok := b.next()
		if !ok {
			if err := b.failed(); err != nil {
				return nil, line, err
			}
			break
		}
		if c == '\n' || d.in != topLevel && !quoted && depth == 0 && b.pos > b.mark && (c == ',' || c == ']') {
			break
		}
		switch {
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '[' || c == '{'):
			depth++
		case !quoted && (c == ']' || c == '}'):
			depth--
		}
		b.take()
	}
	d.again = d.in != topLevel
	return b.data[b.mark:b.pos], line, err
}

// separator moves past a comma to the next element, or past the container's
// end, which it reports.
func (d *jsonDecoder) separator(c byte) (done bool, err error) {
	again := d.again
	d.again = false
	if c == ']' {
		d.b.take()
		if d.in == records {
			if c, _ = d.space(); c != '}' {
				d.in = topLevel
				return false, d.orFailed(broken("something follows the records within their object",
					"remove it, or put one record a line"))
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
		if again { // what is between was broken, and said
			return false, nil
		}
		return false, d.orFailed(broken(fmt.Sprintf("%q where a comma or ] was expected", c), "check what precedes it"))
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

// object reads from a brace to the one that closes it, and checks it. What
// follows a broken one can be read.
func (d *jsonDecoder) object() ([]byte, error) {
	b := d.b
	first := b.line
	b.mark = b.pos
	depth, quoted := 0, false
	last := byte(0) // the last that was no space
	lines := false  // since then
	for {
		c, ok := b.next()
		if !ok {
			return d.cut(first, d.orFailed(broken("the event is not closed at the end of the file",
				"it was cut short, or a quote or bracket is missing")))
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
				d.again = true
				return b.data[b.mark:b.pos], broken("a text is not closed at the end of its line",
					`write line breaks within a text as \n`)
			}
			b.take()
			continue
		}
		switch c {
		case '"':
			quoted = true
		case '{', '[':
			if c == '{' && lines && last != '[' && last != ',' && last != ':' {
				return d.cut(first, broken("the event is not closed at the end of its line",
					"it was cut short, or a quote or bracket is missing"))
			}
			depth++
		case '}', ']':
			depth--
		}
		if isSpace(c) {
			lines = lines || c == '\n'
		} else {
			last, lines = c, false
		}
		b.take()
		if depth == 0 {
			text, err := d.checked(b.data[b.mark:b.pos], b.line > first)
			if err != nil {
				return d.cut(first, err)
			}
			return text, nil
		}
	}
}

// cut goes back to the line after which another event may begin, of what was
// taken for one since the line first, and returns what is before it.
func (d *jsonDecoder) cut(first int, err error) ([]byte, error) {
	b := d.b
	bad, ok := errors.AsType[*Error](err)
	if !ok {
		return nil, err
	}
	text := bytes.TrimRight(b.data[b.mark:b.pos], "\n")
	next := bytes.Index(b.data[b.mark:min(b.pos+1, len(b.data))], []byte("\n{"))
	if next < 0 && !bad.Broken {
		return nil, err
	}
	if next >= 0 {
		text = b.data[b.mark : b.mark+next]
		b.pos, b.line = b.mark+next, first+bytes.Count(text, []byte{'\n'})
		if !errors.Is(b.err, io.EOF) && b.err != nil {
			b.err = nil // that the event is too large: it is not
		}
	}
	d.again = true
	return text, &Error{What: bad.What, Remedy: bad.Remedy, Err: bad.Err, Broken: true}
}

// checked returns a valid object on one line.
func (d *jsonDecoder) checked(text []byte, lines bool) ([]byte, error) {
	if !json.Valid(text) {
		var into json.RawMessage
		what := "the event is not valid JSON"
		var syntax *json.SyntaxError
		if err := json.Unmarshal(text, &into); errors.As(err, &syntax) {
			what = fmt.Sprintf("%s: %v, at its byte %d", what, syntax, syntax.Offset)
		}
		return nil, broken(what, "correct it, or remove it")
	}
	if !lines {
		return text, nil
	}
	d.out.Reset()
	if err := json.Compact(&d.out, text); err != nil {
		return nil, broken("the event is not valid JSON: "+err.Error(), "correct it, or remove it")
	}
	return d.out.Bytes(), nil
}
