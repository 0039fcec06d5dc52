package format

import (
	"bytes"
	"errors"
	"fmt"
)

// errCEF is a line that is not of the Common Event Format.
var errCEF = errors.New("not CEF: it does not begin CEF:VERSION|VENDOR|PRODUCT|VERSION|ID|NAME|SEVERITY|")

// The parts of a CEF header (ArcSight Common Event Format, revision 25).
var cefHeader = [...]string{"cefVersion", "deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId",
	"name", "severity"}

// appendCEF reads a line of the Common Event Format, with what syslog may have
// before it. The header's parts and, in `extension`, the extension's keys are
// text.
func appendCEF(o *object, line []byte) error {
	at := bytes.Index(line, []byte("CEF:"))
	switch {
	case at < 0:
		return errCEF
	case at > 0 && isSyslog(line):
		return appendSyslog(o, line)
	case at > 0:
		o.text("header", bytes.TrimSpace(line[:at]))
	}
	rest := line[at+len("CEF:"):]
	for i, name := range cefHeader {
		var part []byte
		var ok bool
		if part, rest, ok = upTo(rest, '|', `|\`); !ok && i < len(cefHeader)-1 {
			return fmt.Errorf("%w: %s is the last part", errCEF, name)
		}
		o.text(name, part)
	}
	o.enter("extension")
	appendExtension(o, rest)
	o.leave()
	return nil
}

// appendExtension reads key=value, key=value: a value has blanks, and ends
// before the word that the next equals sign follows.
func appendExtension(o *object, text []byte) {
	text = bytes.TrimSpace(text)
	eq := nextEquals(text, 0)
	if eq < 0 {
		if len(text) > 0 {
			o.text("message", text)
		}
		return
	}
	key := bytes.TrimSpace(text[:eq])
	for eq >= 0 {
		next := nextEquals(text, eq+1)
		value, nextKey := text[eq+1:], []byte(nil)
		if next >= 0 {
			value = text[eq+1 : next]
			if i := bytes.LastIndexByte(value, ' '); i >= 0 {
				value, nextKey = value[:i], value[i+1:]
			} else {
				value, nextKey = nil, value
			}
		}
		o.bytes(key, unescape(bytes.TrimRight(value, " ")))
		key, eq = nextKey, next
	}
}

// nextEquals is where the next equals sign stands that a key is before: one
// that no backslash is before, after a word of a key's characters.
func nextEquals(text []byte, from int) int {
	for i := from; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '=':
			k := i
			for k > from && isKey(text[k-1]) {
				k--
			}
			if k < i && (k == 0 || text[k-1] == ' ') {
				return i
			}
		}
	}
	return -1
}

func isKey(c byte) bool {
	return c-'0' <= 9 || c|0x20-'a' < 26 || c == '_' || c == '.' || c == '-' || c == '[' || c == ']'
}

// unescape undoes \= \\ \n and \r of an extension's value.
func unescape(value []byte) []byte {
	if bytes.IndexByte(value, '\\') < 0 {
		return value
	}
	out := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c == '\\' && i+1 < len(value) {
			switch value[i+1] {
			case '=', '\\', '|':
				i++
				c = value[i]
			case 'n':
				i++
				c = '\n'
			case 'r':
				i++
				c = '\r'
			}
		}
		out = append(out, c)
	}
	return out
}
