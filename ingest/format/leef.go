package format

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// errLEEF is a line that is not of the Log Event Extended Format.
var errLEEF = errors.New("not LEEF: it does not begin LEEF:VERSION|VENDOR|PRODUCT|VERSION|ID|")

var leefHeader = [...]string{"leefVersion", "vendor", "product", "version", "eventId"}

// appendLEEF reads a line of IBM QRadar's Log Event Extended Format, 1.0 or
// 2.0, with what syslog may have before it. The attributes, in `attributes`,
// are text.
func appendLEEF(o *object, line []byte) error {
	at := bytes.Index(line, []byte("LEEF:"))
	switch {
	case at < 0:
		return errLEEF
	case at > 0 && isSyslog(line):
		return appendSyslog(o, line)
	case at > 0:
		o.text("header", bytes.TrimSpace(line[:at]))
	}
	rest := line[at+len("LEEF:"):]
	var version string
	for i, name := range leefHeader {
		part, after, ok := bytes.Cut(rest, []byte("|"))
		if !ok {
			return fmt.Errorf("%w: %s is the last part", errLEEF, name)
		}
		if i == 0 {
			version = string(part)
		}
		rest = after
		o.text(name, part)
	}
	tab := []byte("\t")
	if strings.HasPrefix(version, "2") {
		if mark, after, ok := bytes.Cut(rest, []byte("|")); ok && len(mark) <= len("0x09") {
			tab, rest = delimiter(mark), after
		}
	}
	o.enter("attributes")
	for pair := range bytes.SplitSeq(rest, tab) {
		if key, value, ok := bytes.Cut(pair, []byte("=")); ok {
			o.bytes(bytes.TrimSpace(key), value)
		} else if pair = bytes.TrimSpace(pair); len(pair) > 0 {
			o.text("message", pair)
		}
	}
	o.leave()
	return nil
}

// delimiter is what divides attributes: a character, or its number (x09, 0x09).
func delimiter(mark []byte) []byte {
	digits := strings.TrimPrefix(strings.TrimPrefix(string(mark), "0"), "x")
	if len(mark) > 1 {
		if c, err := hex.DecodeString(digits); err == nil && len(c) > 0 {
			return c
		}
	}
	if len(mark) == 0 {
		return []byte("\t")
	}
	return mark
}
