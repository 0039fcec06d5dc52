package format

import (
	"bytes"
	"errors"
)

// errPairs is a line without any key=value.
var errPairs = errors.New("not key=value: no word of the line has an equals sign")

// appendPairs reads key=value words, as firewalls and Go's log/slog write them.
// A value in double quotes may have blanks, with \" for a quote. Words without
// an equals sign are joined in `message`.
func appendPairs(o *object, line []byte) error {
	var loose []byte
	pairs := 0
	for {
		line = bytes.TrimLeft(line, " \t")
		if len(line) == 0 {
			break
		}
		i := bytes.IndexAny(line, "= \t")
		if i <= 0 || line[i] != '=' {
			var word []byte
			word, line = cutWord(line)
			loose = append(append(loose, word...), ' ')
			continue
		}
		key := line[:i]
		var value []byte
		value, line = pairValue(line[i+1:])
		o.bytes(key, value)
		pairs++
	}
	if pairs == 0 {
		return errPairs
	}
	if loose = bytes.TrimRight(loose, " "); len(loose) > 0 {
		o.text("message", loose)
	}
	return nil
}

func cutWord(line []byte) (word, rest []byte) {
	i := bytes.IndexAny(line, " \t")
	if i < 0 {
		return line, nil
	}
	return line[:i], line[i:]
}

// pairValue reads a value in quotes, or up to the next blank. A quote that is
// not closed is part of the value.
func pairValue(text []byte) (value, rest []byte) {
	if len(text) > 0 && text[0] == '"' {
		if value, rest, ok := upTo(text[1:], '"', `"\`); ok {
			return value, rest
		}
	}
	return cutWord(text)
}
