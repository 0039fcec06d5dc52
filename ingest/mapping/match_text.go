package mapping

import (
	"regexp"
	"unicode/utf8"
)

// word ends before a capital letter that follows a small one, and at what is not a
// letter.
func word(_ *Mapper, s []byte) ([]byte, bool) {
	for i, c := range s {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= utf8.RuneSelf
		if !letter || i > 0 && c <= 'Z' && s[i-1] >= 'a' {
			return s[:i], i > 0
		}
	}
	return s, true
}

// like keeps a text that matches, or one that does not.
func like(want bool) func(string) (function, error) {
	return func(arg string) (function, error) {
		re, err := regexp.Compile(arg)
		if err != nil {
			return nil, err
		}
		return func(_ *Mapper, s []byte) ([]byte, bool) { return s, re.Match(s) == want }, nil
	}
}

func match(arg string) (function, error) {
	re, err := regexp.Compile(arg)
	if err != nil {
		return nil, err
	}
	return func(_ *Mapper, s []byte) ([]byte, bool) {
		m := re.FindSubmatchIndex(s)
		switch {
		case m == nil:
			return nil, false
		case len(m) > 2 && m[2] >= 0:
			return s[m[2]:m[3]], true
		}
		return s[m[0]:m[1]], true
	}, nil
}
