package format

import (
	"bytes"
	"errors"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lakeward/lakeward/ingest/jsontext"
)

// errEncoding is text of another encoding. It is not guessed: what is read
// wrong would be wrong in silence.
var errEncoding = errors.New("not UTF-8: have the sender write UTF-8")

// lines is a format that has one event a line.
type lines struct {
	name string
	// appendEvent appends a line as members of an object.
	appendEvent func(o *object, line []byte) error
}

func (l lines) Name() string { return l.name }

func (l lines) Events(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		var o object
		for len(data) > 0 {
			var line []byte
			line, data = nextLine(data)
			if line = bytes.TrimRight(line, "\r\x00"); len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			o.begin()
			err := errEncoding
			if utf8.Valid(line) {
				err = l.appendEvent(&o, line)
			}
			if err != nil {
				if !yield(line, err) {
					return
				}
				continue
			}
			if !yield(o.end(), nil) {
				return
			}
		}
	}
}

// nextLine cuts a line off. A count of bytes before a syslog message (RFC 6587)
// says where it ends, whatever breaks it has.
func nextLine(data []byte) (line, rest []byte) {
	digits := 0
	for digits < len(data) && digits < 7 && data[digits]-'0' <= 9 {
		digits++
	}
	if digits > 0 && digits+1 < len(data) && data[digits] == ' ' && data[digits+1] == '<' {
		n := 0
		for _, c := range data[:digits] {
			n = n*10 + int(c-'0')
		}
		if framed := data[digits+1:]; n <= len(framed) {
			return framed[:n], framed[n:]
		}
	}
	line, rest, _ = bytes.Cut(data, []byte("\n"))
	return line, rest
}

// upTo cuts at the next end. A backslash before one of escapes stands for that
// byte, and before another for itself. ok is false if there is no end; value is
// then all of the text.
func upTo(text []byte, end byte, escapes string) (value, rest []byte, ok bool) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == end:
			return value, text[i+1:], true
		case c == '\\' && i+1 < len(text) && strings.IndexByte(escapes, text[i+1]) >= 0:
			i++
			value = append(value, text[i])
		default:
			value = append(value, c)
		}
	}
	return value, nil, false
}

// object writes a JSON object member by member. Of members with the same name
// the first keeps it, and those after it get a number: name_2.
type object struct {
	out  []byte
	open []map[string]int // of each object that is open: its names, and how many asked for each
}

func (o *object) begin() {
	o.out, o.open = append(o.out[:0], '{'), append(o.open[:0], map[string]int{})
}

func (o *object) end() []byte {
	o.out = append(o.out, '}')
	return o.out
}

// key appends a name that the object at hand does not have yet.
func (o *object) key(name []byte) {
	names := o.open[len(o.open)-1]
	if len(names) > 0 {
		o.out = append(o.out, ',')
	}
	unique := name
	for names[string(unique)] > 0 {
		names[string(name)]++
		unique = strconv.AppendInt(append(bytes.Clone(name), '_'), int64(names[string(name)]), 10)
	}
	names[string(unique)] = 1
	o.out = append(jsontext.Append(o.out, unique), ':')
}

// text appends a member that is text.
func (o *object) text(name string, value []byte) { o.bytes([]byte(name), value) }

func (o *object) bytes(name, value []byte) {
	o.key(name)
	o.out = jsontext.Append(o.out, value)
}

// number appends a member that is a whole number.
func (o *object) number(name string, value int) {
	o.key([]byte(name))
	o.out = strconv.AppendInt(o.out, int64(value), 10)
}

// enter begins a member that is an object, which leave ends.
func (o *object) enter(name string) {
	o.key([]byte(name))
	o.out, o.open = append(o.out, '{'), append(o.open, map[string]int{})
}

func (o *object) leave() {
	o.out, o.open = append(o.out, '}'), o.open[:len(o.open)-1]
}
